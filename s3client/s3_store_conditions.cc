// Conditions on what a mutation replaces, where the server does not check them: looked at right before, and again right
// after. What remains is a race: for the moment between a foreign write and our second look, ours is the current
// version; where the bucket keeps versions it is then taken back and nothing foreign is hidden, where it does not, the
// foreign object of that moment is lost.

#include <algorithm>

#include "base/str.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

bool IsEmpty(const Conditions& conditions) {
  return !conditions.if_match && !conditions.if_none_match_any;
}

// `current`: nullopt where there is no object.
bool Hold(const Conditions& conditions, const std::optional<ObjectInfo>& current) {
  if (conditions.if_none_match_any && current) return false;
  return !conditions.if_match || (current && current->etag == *conditions.if_match);
}

Error NotHeld() {
  return {Errc::kPreconditionFailed, "the key has another object than was expected"};
}

// After the mutation nothing may be reported as if it had not happened.
Error InDoubt(const Error& error) {
  return {Errc::kAmbiguous, StrCat("done, but not seen to be right: ", error.message)};
}

}  // namespace

void S3StoreImpl::AppendConditions(s3wire::Headers& headers, const Conditions& conditions) const {
  if (conditions.if_none_match_any) headers.emplace_back("if-none-match", "*");
  if (!conditions.if_match) return;
  const bool quoted = traits_.put_if_match != IfMatchForm::kUnquoted;
  headers.emplace_back("if-match", quoted ? Quoted(*conditions.if_match) : *conditions.if_match);
}

S3StoreImpl::Asked S3StoreImpl::WhoAsks(const Conditions& conditions, bool supported) const {
  if (IsEmpty(conditions)) return Asked::kByServer;
  return supported && traits_.probed_at_us != 0 ? Asked::kByServer : Asked::kByUs;
}

Result<PutResult> S3StoreImpl::Guarded(const OpContext& ctx, std::string_view key, const Conditions& conditions,
                                       Asked asked, const Mutation& mutate) {
  if (asked == Asked::kByServer) return mutate();
  ASSIGN_OR_RETURN(const auto hold, gate_.Enter(ctx, key));
  RETURN_IF_ERROR(CheckBefore(ctx, key, conditions));
  ASSIGN_OR_RETURN(PutResult result, mutate());
  return CheckAfter(ctx, key, conditions, std::move(result));
}

Status S3StoreImpl::CheckBefore(const OpContext& ctx, std::string_view key, const Conditions& conditions) {
  auto head = Head(ctx, key, {});
  if (!head.ok() && !head.Is(Errc::kNotFound)) return std::move(head).error();
  std::optional<ObjectInfo> current;
  if (head.ok()) current = std::move(*head);
  if (Hold(conditions, current)) return {};
  return NotHeld();
}

Result<PutResult> S3StoreImpl::CheckAfter(const OpContext& ctx, std::string_view key, const Conditions& conditions,
                                          PutResult result) {
  if (result.version_id.empty() || result.version_id == "null") {
    const auto head = Head(ctx, key, {});
    if (head.ok() && head->etag == result.etag) return result;
    if (head.ok() || head.Is(Errc::kNotFound)) return NotHeld();  // replaced at once by somebody else
    return InDoubt(head.error());
  }
  const auto before = Predecessor(ctx, key, result.version_id);
  if (!before.ok()) return InDoubt(before.error());
  if (Hold(conditions, *before)) return result;
  const Status taken_back = TakeBack(ctx, key, result.version_id);
  return taken_back.ok() ? NotHeld() : InDoubt(taken_back.error());
}

Result<std::optional<ObjectInfo>> S3StoreImpl::Predecessor(const OpContext& ctx, std::string_view key,
                                                           std::string_view version_id) {
  constexpr int kFirstPage = 8;
  ListVersionsRequest request;
  request.prefix = key;
  request.max_keys = kFirstPage;
  bool found = false;
  for (;;) {
    ASSIGN_OR_RETURN(const ListVersionsPage page, ListVersions(ctx, request));
    for (const ObjectInfo& version : page.versions) {
      // The key itself comes first of all that begin with it.
      if (version.key != key) break;
      if (found) return version.is_delete_marker ? std::optional<ObjectInfo>() : version;
      found = version.version_id == version_id;
    }
    const bool all_seen = !page.truncated || (!page.versions.empty() && page.versions.back().key != key);
    if (all_seen && found) return std::optional<ObjectInfo>();
    if (all_seen) return Error{Errc::kNotFound, "the version is gone"};
    request.key_marker = page.next_key_marker;
    request.version_id_marker = page.next_version_id_marker;
    request.max_keys = kMaxListKeys;
  }
}

Status S3StoreImpl::TakeBack(const OpContext& ctx, std::string_view key, std::string_view version_id) {
  const std::pair<std::string, std::string> version(key, version_id);
  {
    MutexLock lock(taking_back_mu_);
    taking_back_.insert(version);
  }
  RETURN_IF_ERROR(SendDelete(ctx, {version.first, version.second, {}}, /*with_condition=*/false));
  MutexLock lock(taking_back_mu_);
  taking_back_.erase(version);
  return {};
}

Status S3StoreImpl::FinishTakingBack(const OpContext& ctx, std::string_view key) {
  std::vector<std::string> versions;
  {
    MutexLock lock(taking_back_mu_);
    if (taking_back_.empty()) return {};
    for (const auto& [of, version_id] : taking_back_) {
      if (of == key) versions.push_back(version_id);
    }
  }
  for (const std::string& version_id : versions) {
    const Status taken_back = TakeBack(ctx, key, version_id);
    if (!taken_back.ok()) return Error{Errc::kUnavailable, taken_back.error().message};
  }
  return {};
}

}  // namespace pailfs::s3client
