// Deletes, one by one and together.

#include <algorithm>
#include <map>

#include "base/s3wire/xml.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

constexpr size_t kDeletesAtOnce = 8;

// Whether an answer that names the key in XML gives back the same bytes.
bool NameableInXml(std::string_view key) {
  const auto control = [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; };
  std::string text;
  return std::none_of(key.begin(), key.end(), control) && s3wire::AppendXmlText(text, key).ok();
}

}  // namespace

Result<DeleteResult> S3StoreImpl::Delete(const OpContext& ctx, const DeleteItem& item) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  return DeleteOne(ctx, item);
}

Result<DeleteResult> S3StoreImpl::DeleteOne(const OpContext& ctx, const DeleteItem& item) {
  RETURN_IF_ERROR(CheckKey(item.key));
  if (!item.if_match) return SendDelete(ctx, item, /*with_condition=*/false);
  if (traits_.delete_if_match && traits_.probed_at_us != 0 && item.version_id.empty()) {
    auto deleted = SendDelete(ctx, item, /*with_condition=*/true);
    if (deleted.Is(Errc::kNotFound)) return Error{Errc::kPreconditionFailed, deleted.error().message};
    return deleted;
  }
  ASSIGN_OR_RETURN(const auto hold, gate_.Enter(ctx, item.key));
  const auto found = Head(ctx, item.key, {.version_id = item.version_id, .as_of_us = {}});
  if (!found.ok() && !found.Is(Errc::kNotFound)) return found.error();
  if (!found.ok() || found->etag != *item.if_match) {
    return Error{Errc::kPreconditionFailed, StrCat(item.key, ": another ETag, or not there")};
  }
  ASSIGN_OR_RETURN(const DeleteResult result, SendDelete(ctx, item, /*with_condition=*/false));
  if (!result.made_delete_marker || result.version_id.empty() || result.version_id == "null") return result;
  // What our marker hides must be what we were asked to delete.
  const auto hidden = Predecessor(ctx, item.key, result.version_id);
  if (!hidden.ok()) return Error{Errc::kAmbiguous, hidden.error().message};
  if (!*hidden || (*hidden)->etag == *item.if_match) return result;
  const Status taken_back = TakeBack(ctx, item.key, result.version_id);
  if (!taken_back.ok()) return Error{Errc::kAmbiguous, taken_back.error().message};
  return Error{Errc::kPreconditionFailed, StrCat(item.key, ": replaced meanwhile")};
}

Result<DeleteResult> S3StoreImpl::SendDelete(const OpContext& ctx, const DeleteItem& item, bool with_condition) {
  S3Request request = NewRequest("DELETE", item.key, Carries::kNothing);
  if (!item.version_id.empty()) request.query.emplace_back("versionId", item.version_id);
  if (with_condition) AppendConditions(request.headers, Conditions::IfMatch(*item.if_match));
  // A second marker would hide what came after the first; a version goes but once.
  const bool repeatable = !item.version_id.empty() || with_condition;
  request.effect = repeatable ? Effect::kIdempotent : Effect::kOnce;
  S3Failure failure;
  auto answer = caller_->Call(ctx, request, &failure);
  if (!answer.ok()) {
    const bool gone = answer.Is(Errc::kNotFound) && failure.s3_code != "NoSuchBucket" && !with_condition;
    // An id that no version can have names nothing.
    const bool no_id = !item.version_id.empty() && failure.status == 400 && failure.s3_code == "InvalidArgument";
    if (gone || no_id)
      return DeleteResult{.existed = false, .made_delete_marker = false, .version_id = item.version_id};
    return std::move(answer).error().With(item.key);
  }
  DeleteResult result;
  result.existed = true;
  const std::string* marker = answer->Find("x-amz-delete-marker");
  const std::string* version = answer->Find("x-amz-version-id");
  if (version != nullptr) result.version_id = VersionIdOf(*version);
  if (!item.version_id.empty()) {
    result.version_id = item.version_id;
    return result;
  }
  result.made_delete_marker = marker != nullptr && *marker == "true";
  if (result.made_delete_marker && result.version_id.empty()) result.version_id = "null";
  return result;
}

Result<std::vector<Result<DeleteResult>>> S3StoreImpl::DeleteBatch(const OpContext& ctx,
                                                                   std::span<const DeleteItem> items) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  if (items.size() > kMaxBatchDelete) return Error{Errc::kInvalidArgument, "more than 1,000 keys in one delete"};
  std::vector<Result<DeleteResult>> results(items.size(), Error{Errc::kInternal, "not deleted"});
  const bool together_works = traits_.batch_delete && traits_.probed_at_us != 0;
  // A key that is named twice (which, in one request, ends Ceph RGW) is deleted in the order given.
  std::map<std::string_view, std::vector<size_t>> by_key;
  for (size_t i = 0; i < items.size(); ++i) {
    const Status fits = CheckKey(items[i].key);
    if (fits.ok()) {
      by_key[items[i].key].push_back(i);
    } else {
      results[i] = fits.error();
    }
  }
  std::vector<size_t> together;
  std::vector<size_t> together_if;
  std::vector<std::vector<size_t>> apart;
  for (auto& [key, indices] : by_key) {
    const DeleteItem& item = items[indices[0]];
    const bool plain = together_works && indices.size() == 1 && NameableInXml(key);
    if (plain && !item.if_match) {
      together.push_back(indices[0]);
    } else if (plain && item.version_id.empty()) {
      together_if.push_back(indices[0]);
    } else {
      apart.push_back(std::move(indices));
    }
  }
  if (!together.empty()) RETURN_IF_ERROR(DeleteTogether(ctx, items, together, results));
  if (!together_if.empty()) RETURN_IF_ERROR(DeleteManyIf(ctx, items, together_if, results));
  RETURN_IF_ERROR(RunParallel(apart.size(), kDeletesAtOnce, [&](size_t n) -> Status {
    for (const size_t index : apart[n]) results[index] = DeleteOne(ctx, items[index]);
    return {};
  }));
  return results;
}

Status S3StoreImpl::DeleteTogether(const OpContext& ctx, std::span<const DeleteItem> items,
                                   const std::vector<size_t>& chosen, std::vector<Result<DeleteResult>>& results) {
  std::vector<DeleteItem> sent;
  for (const size_t index : chosen) sent.push_back(items[index]);
  ASSIGN_OR_RETURN(const std::string xml, s3wire::WriteDelete(sent, s3wire::DeleteReport::kAll));
  StringBody body(xml);
  S3Request request = NewRequest("POST", "", Carries::kNothing);
  request.query = {{"delete", ""}};
  const bool all_versions =
      std::none_of(sent.begin(), sent.end(), [](const DeleteItem& item) { return item.version_id.empty(); });
  request.effect = all_versions ? Effect::kIdempotent : Effect::kOnce;
  RETURN_IF_ERROR(PrepareXml(ctx, request, body));
  ASSIGN_OR_RETURN(const HttpAnswer answer, caller_->Call(ctx, request));
  auto parsed = s3wire::ParseDelete(answer.body);
  if (!parsed.ok()) return Error{Errc::kAmbiguous, parsed.error().message};
  std::map<std::pair<std::string, std::string>, const DeleteResult*> done;
  for (const s3wire::DeletedObject& deleted : parsed->deleted) {
    const bool by_version = !deleted.result.made_delete_marker;
    done.emplace(std::pair(deleted.key, by_version ? deleted.result.version_id : ""), &deleted.result);
  }
  for (const size_t index : chosen) {
    const DeleteItem& item = items[index];
    const auto failure =
        std::find_if(parsed->failed.begin(), parsed->failed.end(), [&item](const s3wire::DeleteFailure& failed) {
          return failed.key == item.key && (item.version_id.empty() || failed.version_id == item.version_id);
        });
    const auto found = done.find({item.key, item.version_id});
    if (failure != parsed->failed.end() && failure->error.code != "NoSuchKey" &&
        failure->error.code != "NoSuchVersion") {
      const s3wire::Failure meaning = s3wire::FailureOf(200, failure->error.code);
      Error error = s3wire::ErrorOf(200, failure->error).With(item.key);
      if (meaning.may_have_happened) error.code = Errc::kAmbiguous;
      results[index] = std::move(error);
    } else if (found != done.end() || failure != parsed->failed.end()) {
      DeleteResult result = found != done.end() ? *found->second : DeleteResult{};
      result.existed = found != done.end();
      result.version_id = VersionIdOf(result.version_id);
      results[index] = std::move(result);
    } else {
      results[index] = Error{Errc::kAmbiguous, StrCat(item.key, ": the server says nothing of it")};
    }
  }
  return {};
}

}  // namespace pailfs::s3client
