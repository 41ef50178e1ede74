#include "s3client/probe.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kPrefix = ".pailfs/probe-";
constexpr std::string_view kWrongEtag = "00000000000000000000000000000000";

// Tries one thing after the other; `traits_` grows with what was seen.
class Probe {
 public:
  Probe(const OpContext& ctx, const std::shared_ptr<S3Caller>& caller, const S3Options& options, std::string prefix,
        VersioningState versioning)
      : ctx_(ctx), caller_(caller), options_(options), prefix_(std::move(prefix)) {
    traits_.versioning = versioning;
    traits_.probed_at_us = std::max<int64_t>(caller->ServerTimeUs(), 1);
  }

  // The first object; whatever follows needs it.
  Result<PutResult> First(bool versioning_known) {
    ServerTraits plain = traits_;
    plain.versioning = VersioningState::kEnabled;  // to see the version id as it comes
    auto put = PutWith(plain, "a", "1", {});
    if (!put.ok()) return put;
    traits_.etag_is_md5 = put->etag == Hex(Md5Of("1"));
    if (!versioning_known && !put->version_id.empty()) {
      traits_.versioning = put->version_id == "null" ? VersioningState::kSuspended : VersioningState::kEnabled;
    }
    return put;
  }

  Status Conditions() {
    RETURN_IF_ERROR(TryIfAbsent());
    RETURN_IF_ERROR(TryIfMatch());
    RETURN_IF_ERROR(TryCopySource());
    RETURN_IF_ERROR(TryCopyTarget());
    RETURN_IF_ERROR(TryComplete());
    return TryDeleteIfMatch();
  }

  Status Rest() {
    RETURN_IF_ERROR(TryChecksums());
    RETURN_IF_ERROR(TryListMetadata());
    return TryBatchDelete();
  }

  // Everything under the prefix, versions included.
  Status CleanUp() {
    S3StoreImpl store(caller_, options_, traits_);
    const auto versions = store.ListVersions(ctx_, {prefix_, "", "", "", kMaxListKeys});
    if (versions.ok()) {
      for (const ObjectInfo& version : versions->versions) {
        RETURN_IF_ERROR(store.Delete(ctx_, {version.key, version.version_id, {}}));
      }
      return {};
    }
    ListRequest request;
    request.prefix = prefix_;
    ASSIGN_OR_RETURN(const ListPage page, store.List(ctx_, request));
    for (const ObjectInfo& object : page.objects) RETURN_IF_ERROR(store.Delete(ctx_, {object.key, "", {}}));
    return {};
  }

  const ServerTraits& traits() const { return traits_; }

 private:
  using Condition = pailfs::Conditions;

  std::string Key(std::string_view name) const { return StrCat(prefix_, "-", name); }

  Result<PutResult> PutWith(const ServerTraits& traits, std::string_view name, std::string_view data,
                            const Condition& conditions) {
    S3StoreImpl store(caller_, options_, traits);
    StringBody body(data);
    PutOptions options;
    options.metadata = {{"probe", "1"}};
    options.conditions = conditions;
    return store.Put(ctx_, Key(name), body, options);
  }

  // What must be refused was, and what must be done was done. An error: the server does not answer at all.
  template <typename T>
  static Result<bool> Refused(const Result<T>& result) {
    if (result.Is(Errc::kPreconditionFailed)) return true;
    RETURN_IF_ERROR(Answered(result));
    return false;
  }
  template <typename T>
  static Result<bool> Done(const Result<T>& result) {
    if (result.ok()) return true;
    RETURN_IF_ERROR(Answered(result));
    return false;
  }
  template <typename T>
  static Status Answered(const Result<T>& result) {
    const bool silent = result.Is(Errc::kUnavailable) || result.Is(Errc::kTimedOut) || result.Is(Errc::kCancelled);
    return silent ? Status(result.error()) : Status();
  }

  Status TryIfAbsent() {
    ServerTraits trying = traits_;
    trying.put_if_absent = true;
    ASSIGN_OR_RETURN(const bool refused, Refused(PutWith(trying, "a", "2", Condition::IfAbsent())));
    ASSIGN_OR_RETURN(const bool done, Done(PutWith(trying, "b", "2", Condition::IfAbsent())));
    // Ceph RGW takes the null marker of a suspended bucket for an object.
    S3StoreImpl store(caller_, options_, trying);
    RETURN_IF_ERROR(Answered(store.Delete(ctx_, {Key("b"), "", {}})));
    ASSIGN_OR_RETURN(const bool deleted_done, Done(PutWith(trying, "b", "2", Condition::IfAbsent())));
    traits_.put_if_absent = refused && done && deleted_done;
    return {};
  }

  Status TryIfMatch() {
    for (const IfMatchForm form : {IfMatchForm::kQuoted, IfMatchForm::kUnquoted}) {
      ServerTraits trying = traits_;
      trying.put_if_match = form;
      ASSIGN_OR_RETURN(const PutResult there, PutWith(traits_, "a", "3", {}));
      ASSIGN_OR_RETURN(const bool refused,
                       Refused(PutWith(trying, "a", "4", Condition::IfMatch(std::string(kWrongEtag)))));
      ASSIGN_OR_RETURN(const bool absent_refused, RefusedWhereAbsent(trying, there.etag));
      ASSIGN_OR_RETURN(const bool done, Done(PutWith(trying, "a", "5", Condition::IfMatch(there.etag))));
      if (!refused || !absent_refused || !done) continue;
      traits_.put_if_match = form;
      break;
    }
    return {};
  }
  // S3 answers 404 to If-Match where there is no object.
  Result<bool> RefusedWhereAbsent(const ServerTraits& trying, const std::string& etag) {
    const auto put = PutWith(trying, "absent", "4", Condition::IfMatch(etag));
    if (put.Is(Errc::kNotFound)) return true;
    return Refused(put);
  }

  Result<PutResult> CopyWith(const ServerTraits& traits, std::string_view to,
                             std::optional<std::string> source_if_match, const Condition& conditions) {
    S3StoreImpl store(caller_, options_, traits);
    CopyOptions options;
    options.source_if_match = std::move(source_if_match);
    options.conditions = conditions;
    return store.Copy(ctx_, Key("a"), Key(to), options);
  }

  Status TryCopySource() {
    ServerTraits trying = traits_;
    trying.copy_source_conditions = true;
    ASSIGN_OR_RETURN(const PutResult source, PutWith(traits_, "a", "6", {}));
    ASSIGN_OR_RETURN(const bool refused, Refused(CopyWith(trying, "c", std::string(kWrongEtag), {})));
    ASSIGN_OR_RETURN(const bool done, Done(CopyWith(trying, "c", source.etag, {})));
    traits_.copy_source_conditions = refused && done;
    return {};
  }

  Status TryCopyTarget() {
    if (traits_.put_if_match == IfMatchForm::kNone) return {};
    ServerTraits trying = traits_;
    trying.copy_conditions = true;
    ASSIGN_OR_RETURN(const PutResult target, PutWith(traits_, "c", "7", {}));
    ASSIGN_OR_RETURN(const bool there_refused, Refused(CopyWith(trying, "c", {}, Condition::IfAbsent())));
    ASSIGN_OR_RETURN(const bool other_refused,
                     Refused(CopyWith(trying, "c", {}, Condition::IfMatch(std::string(kWrongEtag)))));
    ASSIGN_OR_RETURN(const bool done, Done(CopyWith(trying, "c", {}, Condition::IfMatch(target.etag))));
    ASSIGN_OR_RETURN(const bool absent_done, Done(CopyWith(trying, "d", {}, Condition::IfAbsent())));
    traits_.copy_conditions = there_refused && other_refused && done && absent_done;
    return {};
  }

  Status TryComplete() {
    if (traits_.put_if_match == IfMatchForm::kNone) return {};
    ServerTraits trying = traits_;
    trying.complete_conditions = true;
    S3StoreImpl store(caller_, options_, trying);
    ASSIGN_OR_RETURN(const PutResult there, PutWith(traits_, "c", "8", {}));
    const std::string key = Key("c");
    ASSIGN_OR_RETURN(const std::string upload, store.CreateMultipartUpload(ctx_, key, {}));
    StringBody body("part");
    const auto part = store.UploadPart(ctx_, key, upload, 1, body);
    Result<bool> works = false;
    if (part.ok()) works = TryCompletions(store, key, upload, {*part}, there.etag);
    if (!works.ok() || !*works) {
      const Status aborted = store.AbortMultipartUpload(ctx_, key, upload);
      if (!aborted.ok() && !aborted.Is(Errc::kNotFound)) LogDebug("probing: ", aborted.error().message);
    }
    RETURN_IF_ERROR(works);
    traits_.complete_conditions = *works;
    return {};
  }
  Result<bool> TryCompletions(S3StoreImpl& store, const std::string& key, const std::string& upload,
                              const std::vector<UploadedPart>& parts, const std::string& etag) {
    const auto complete = [&](const Condition& conditions) {
      return store.CompleteMultipartUpload(ctx_, key, upload, parts, conditions);
    };
    ASSIGN_OR_RETURN(const bool there_refused, Refused(complete(Condition::IfAbsent())));
    if (!there_refused) return false;
    ASSIGN_OR_RETURN(const bool other_refused, Refused(complete(Condition::IfMatch(std::string(kWrongEtag)))));
    if (!other_refused) return false;
    return Done(complete(Condition::IfMatch(etag)));
  }

  Status TryDeleteIfMatch() {
    if (traits_.put_if_match == IfMatchForm::kNone) return {};
    ServerTraits trying = traits_;
    trying.delete_if_match = true;
    S3StoreImpl store(caller_, options_, trying);
    ASSIGN_OR_RETURN(const PutResult there, PutWith(traits_, "c", "9", {}));
    ASSIGN_OR_RETURN(const bool refused, Refused(store.Delete(ctx_, {Key("c"), "", std::string(kWrongEtag)})));
    ASSIGN_OR_RETURN(const bool done, Done(store.Delete(ctx_, {Key("c"), "", there.etag})));
    traits_.delete_if_match = refused && done && store.Head(ctx_, Key("c"), {}).Is(Errc::kNotFound);
    return {};
  }

  // A checksum that is wrong is refused; one that is right comes back.
  Status TryChecksums() {
    const auto put = [&](std::string_view data, uint32_t crc) {
      StringBody body(data);
      S3Request request;
      request.method = "PUT";
      request.key = Key("e");
      AppendOptionHeaders(request.headers, options_, Carries::kNewObject);
      request.headers.emplace_back("x-amz-checksum-crc32c", Crc32cBase64(crc));
      request.tries_damage = true;
      request.payload_hash = Hex(Sha256Of(data));
      request.body = &body;
      return caller_->Call(ctx_, request);
    };
    const auto wrong = put("10", Crc32c("something else"));
    RETURN_IF_ERROR(Answered(wrong));
    const auto right = put("10", Crc32c("10"));
    RETURN_IF_ERROR(Answered(right));
    if (wrong.ok() || !right.ok()) return {};
    S3Request request;
    request.method = "HEAD";
    request.key = Key("e");
    AppendOptionHeaders(request.headers, options_, Carries::kBytes);
    request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
    const auto head = caller_->Call(ctx_, request);
    RETURN_IF_ERROR(Answered(head));
    const std::string* told = head.ok() ? head->Find("x-amz-checksum-crc32c") : nullptr;
    traits_.checksums = told != nullptr && *told == Crc32cBase64(Crc32c("10"));
    return {};
  }

  Status TryListMetadata() {
    ServerTraits trying = traits_;
    trying.list_metadata = true;
    S3StoreImpl store(caller_, options_, trying);
    ListRequest request;
    request.prefix = Key("a");
    request.with_metadata = true;
    const auto page = store.List(ctx_, request);
    RETURN_IF_ERROR(Answered(page));
    if (!page.ok() || page->objects.size() != 1 || !page->objects[0].has_metadata) return {};
    const std::string* value = FindMetadata(page->objects[0].metadata, "probe");
    traits_.list_metadata = value != nullptr && *value == "1";
    return {};
  }

  Status TryBatchDelete() {
    ServerTraits trying = traits_;
    trying.batch_delete = true;
    S3StoreImpl store(caller_, options_, trying);
    const std::vector<DeleteItem> items = {{Key("a"), "", {}}, {Key("b"), "", {}}};
    const auto deleted = store.DeleteBatch(ctx_, items);
    RETURN_IF_ERROR(Answered(deleted));
    if (!deleted.ok()) return {};
    traits_.batch_delete = std::all_of(deleted->begin(), deleted->end(), [](const auto& one) { return one.ok(); }) &&
                           store.Head(ctx_, items[0].key, {}).Is(Errc::kNotFound) &&
                           store.Head(ctx_, items[1].key, {}).Is(Errc::kNotFound);
    return {};
  }

  const OpContext& ctx_;
  const std::shared_ptr<S3Caller> caller_;
  const S3Options& options_;
  const std::string prefix_;
  ServerTraits traits_;
};

}  // namespace

Result<ServerTraits> ProbeServer(const OpContext& ctx, const std::shared_ptr<S3Caller>& caller, Random& random,
                                 const S3Options& options, std::optional<VersioningState> versioning) {
  constexpr size_t kRandomBytes = 8;
  const std::string name = random.Bytes(kRandomBytes);
  Probe probe(ctx, caller, options, StrCat(kPrefix, Hex({reinterpret_cast<const uint8_t*>(name.data()), name.size()})),
              versioning.value_or(VersioningState::kOff));
  const auto first = probe.First(versioning.has_value());
  if (first.Is(Errc::kAccessDenied) || first.Is(Errc::kNotPermitted)) {
    LogWarning("bucket ", options.bucket, ": no permission to write: ", first.error().message);
    ServerTraits untried;
    untried.versioning = versioning.value_or(VersioningState::kOff);
    return untried;
  }
  RETURN_IF_ERROR(first);
  Status tried = probe.Conditions();
  if (tried.ok()) tried = probe.Rest();
  const Status cleaned = probe.CleanUp();
  if (!cleaned.ok()) {
    LogWarning("bucket ", options.bucket, ": objects under ", kPrefix, " are left: ", cleaned.error().message);
  }
  RETURN_IF_ERROR(tried);
  return probe.traits();
}

}  // namespace pailfs::s3client
