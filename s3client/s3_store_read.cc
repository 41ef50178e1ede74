// What every request has in common; Head, Get and the listings.

#include <algorithm>
#include <utility>

#include "base/s3wire/dates.h"
#include "base/s3wire/xml.h"
#include "base/str.h"
#include "s3client/get_receiver.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

constexpr int64_t kUsPerSecond = 1'000'000;
constexpr int kMostDamagedFetches = 3;

// What it means that the server refused to read a version of a key.
Error ReadError(Error error, const S3Failure& failure, std::string_view key, const VersionSelector& version) {
  const auto header = [&failure](std::string_view name) {
    return std::any_of(failure.headers.begin(), failure.headers.end(),
                       [name](const auto& row) { return row.first == name && row.second == "true"; });
  };
  // A delete marker; a version id that no version can have.
  const bool marker = failure.status == 405 && header("x-amz-delete-marker");
  const bool no_id = failure.status == 400 && !version.version_id.empty() &&
                     (failure.s3_code.empty() || failure.s3_code == "InvalidArgument");
  if (marker || no_id) error.code = Errc::kNotFound;
  return error.With(key);
}

}  // namespace

Status CheckKey(std::string_view key) {
  if (key.empty() || key.find('\0') != std::string_view::npos) return Error{Errc::kInvalidArgument, "not a key"};
  if (key.size() > kMaxKeyBytes) return Error{Errc::kNameTooLong, "a key has at most 1,024 bytes"};
  return {};
}

Status CheckMetadata(const UserMetadata& metadata) {
  const uint64_t limit = Capabilities{}.max_user_metadata_bytes;
  uint64_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size();
  if (bytes > limit) return Error{Errc::kTooLarge, StrCat("more than ", limit, " bytes of user metadata")};
  return {};
}

int64_t WholeSeconds(int64_t time_us) {
  return time_us - time_us % kUsPerSecond;
}

Capabilities S3StoreImpl::capabilities() const {
  Capabilities can;
  can.versioning = traits_.versioning;
  can.atomic_conditions = traits_.probed_at_us != 0 && traits_.put_if_absent &&
                          traits_.put_if_match != IfMatchForm::kNone && traits_.complete_conditions &&
                          traits_.copy_conditions && traits_.delete_if_match;
  can.list_metadata = traits_.list_metadata;
  can.max_put_bytes = kMaxObjectBytes;
  return can;
}

std::string S3StoreImpl::Identity() const {
  return StrCat("s3:", caller_->endpoint().host, caller_->endpoint().path, "/", options_.bucket);
}

// --- requests ---

S3Request S3StoreImpl::NewRequest(std::string_view method, std::string_view key, Carries carries) const {
  S3Request request;
  request.method = method;
  request.key = key;
  AppendOptionHeaders(request.headers, options_, carries);
  return request;
}

Result<BodyDigests> S3StoreImpl::PrepareBody(const OpContext& ctx, S3Request& request, BodySource& body) const {
  const bool tls = caller_->tls();
  const Digests which = traits_.checksums ? (tls ? Digests::kCrc32c : Digests::kCrc32cAndSha256)
                                          : (tls ? Digests::kMd5 : Digests::kMd5AndSha256);
  ASSIGN_OR_RETURN(BodyDigests digests, DigestBody(ctx, body, which));
  if (traits_.checksums) {
    request.headers.emplace_back("x-amz-checksum-crc32c", digests.crc32c_base64);
  } else {
    request.headers.emplace_back("content-md5", digests.md5_base64);
  }
  // Unsigned over TLS, which protects the bytes already.
  request.payload_hash = tls ? std::string(s3wire::kUnsignedPayload) : digests.sha256_hex;
  request.body = &body;
  return digests;
}

Status S3StoreImpl::PrepareXml(const OpContext& ctx, S3Request& request, BodySource& body) const {
  ASSIGN_OR_RETURN(const BodyDigests digests, DigestBody(ctx, body, Digests::kMd5AndSha256));
  request.headers.emplace_back("content-md5", digests.md5_base64);
  request.headers.emplace_back("content-type", "application/xml");
  request.payload_hash = digests.sha256_hex;
  request.body = &body;
  request.answers = Answers::kXml;
  return {};
}

Status S3StoreImpl::MayWrite() const {
  if (options_.read_only) return Error{Errc::kReadOnly, "the bucket is opened for reading only"};
  return {};
}

std::string S3StoreImpl::VersionIdOf(std::string id) const {
  if (traits_.versioning == VersioningState::kOff && id == "null") return "";
  return id;
}

PutResult S3StoreImpl::PutResultOf(const HttpAnswer& answer) const {
  PutResult result;
  if (const std::string* etag = answer.Find("etag")) result.etag = Unquoted(*etag);
  if (const std::string* id = answer.Find("x-amz-version-id")) result.version_id = VersionIdOf(*id);
  if (result.version_id.empty() && traits_.versioning == VersioningState::kSuspended) result.version_id = "null";
  if (const std::string* date = answer.Find("date")) {
    const auto time_us = s3wire::ParseHttpDate(*date);
    if (time_us.ok()) result.last_modified_us = *time_us;
  }
  return result;
}

// --- one object ---

Result<ObjectInfo> S3StoreImpl::Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(key));
  if (version.as_of_us) return Error{Errc::kUnsupported, "S3 answers for the present only"};
  if (version.version_id.empty()) RETURN_IF_ERROR(FinishTakingBack(ctx, key));
  S3Request request = NewRequest("HEAD", key, Carries::kBytes);
  if (!version.version_id.empty()) request.query.emplace_back("versionId", version.version_id);
  S3Failure failure;
  auto answer = caller_->Call(ctx, request, &failure);
  if (!answer.ok()) return ReadError(std::move(answer).error(), failure, key, version);
  ASSIGN_OR_RETURN(ObjectInfo info, ObjectInfoOf(key, *answer));
  info.version_id = VersionIdOf(info.version_id);
  if (info.version_id.empty() && traits_.versioning != VersioningState::kOff) info.version_id = "null";
  return info;
}

Result<ObjectInfo> S3StoreImpl::Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                                    BodySink& sink) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(key));
  if (options.version.as_of_us) return Error{Errc::kUnsupported, "S3 answers for the present only"};
  // HTTP has no empty range, and no server knows what to do with one that starts beyond any object.
  const auto nothing = [&]() -> Result<ObjectInfo> {
    ASSIGN_OR_RETURN(ObjectInfo info, Head(ctx, key, options.version));
    if (options.if_match && *options.if_match != info.etag) {
      return Error{Errc::kPreconditionFailed, "the object has another ETag"};
    }
    const uint64_t offset = options.range->offset;
    if (offset < info.size_bytes || (offset == 0 && info.size_bytes == 0)) return info;
    return Error{Errc::kRange, "the range starts past the end of the object"};
  };
  if (options.range && (options.range->length == 0 || options.range->offset >= kMaxObjectBytes)) return nothing();

  GetReceiver receiver(std::string(key), options, sink, EtagsAreMd5());
  S3Request request = NewRequest("GET", key, Carries::kNothing);
  request.receiver = &receiver;
  request.prepare = [&](S3Request& next) {
    receiver.Prepare(next);
    AppendOptionHeaders(next.headers, options_, Carries::kBytes);
  };
  for (int fetches = 1;; ++fetches) {
    S3Failure failure;
    const auto answer = caller_->Call(ctx, request, &failure);
    if (!answer.ok()) {
      if (failure.status == 416 && options.range && !receiver.info()) return nothing();
      if (!receiver.fatal().ok()) return receiver.fatal().error();
      if (answer.Is(Errc::kPreconditionFailed) && receiver.began() && !options.if_match) {
        return Error{Errc::kUnavailable, StrCat(key, ": replaced while it was read")};
      }
      return ReadError(answer.error(), failure, key, options.version);
    }
    const Status finished = receiver.Finish();
    if (finished.ok()) break;
    const bool again = finished.Is(Errc::kCorrupt) && receiver.holds_back() && fetches < kMostDamagedFetches;
    if (!again) return finished.error().With(key);
  }
  ObjectInfo info = *receiver.info();
  info.version_id = VersionIdOf(info.version_id);
  if (info.version_id.empty() && traits_.versioning != VersioningState::kOff) info.version_id = "null";
  return info;
}

// --- listings ---

Result<ListPage> S3StoreImpl::List(const OpContext& ctx, const ListRequest& request) {
  RETURN_IF_ERROR(ctx.Check());
  if (request.as_of_us) return Error{Errc::kUnsupported, "S3 answers for the present only"};
  if (request.max_keys < 0) return Error{Errc::kInvalidArgument, "max_keys below 0"};
  if (request.max_keys == 0) return ListPage{};
  S3Request http = NewRequest("GET", "", Carries::kNothing);
  http.answers = Answers::kXml;
  http.query = {{"list-type", "2"},
                {"encoding-type", "url"},
                {"prefix", request.prefix},
                {"max-keys", StrCat(std::min(request.max_keys, kMaxListKeys))}};
  if (!request.delimiter.empty()) http.query.emplace_back("delimiter", request.delimiter);
  if (!request.start_after.empty()) http.query.emplace_back("start-after", request.start_after);
  if (!request.continuation_token.empty()) http.query.emplace_back("continuation-token", request.continuation_token);
  if (request.with_metadata && traits_.list_metadata) http.query.emplace_back("metadata", "true");
  ASSIGN_OR_RETURN(const HttpAnswer answer, caller_->Call(ctx, http));
  ASSIGN_OR_RETURN(s3wire::ListObjectsAnswer listed, s3wire::ParseListObjectsV2(answer.body));
  ListPage page = std::move(listed.page);
  // Servers roll keys after `start_after` up into a common prefix before it.
  std::erase_if(page.common_prefixes, [&](const std::string& prefix) { return prefix <= request.start_after; });
  for (ObjectInfo& object : page.objects) object.last_modified_us = WholeSeconds(object.last_modified_us);
  return page;
}

Result<ListVersionsPage> S3StoreImpl::ListVersions(const OpContext& ctx, const ListVersionsRequest& request) {
  RETURN_IF_ERROR(ctx.Check());
  if (request.max_keys < 0) return Error{Errc::kInvalidArgument, "max_keys below 0"};
  if (!request.version_id_marker.empty() && request.key_marker.empty()) {
    return Error{Errc::kInvalidArgument, "a version marker without a key marker"};
  }
  if (request.max_keys == 0) return ListVersionsPage{};
  S3Request http = NewRequest("GET", "", Carries::kNothing);
  http.answers = Answers::kXml;
  http.query = {{"versions", ""},
                {"encoding-type", "url"},
                {"prefix", request.prefix},
                {"max-keys", StrCat(std::min(request.max_keys, kMaxListKeys))}};
  if (!request.delimiter.empty()) http.query.emplace_back("delimiter", request.delimiter);
  if (!request.key_marker.empty()) http.query.emplace_back("key-marker", request.key_marker);
  if (!request.version_id_marker.empty()) http.query.emplace_back("version-id-marker", request.version_id_marker);
  ASSIGN_OR_RETURN(const HttpAnswer answer, caller_->Call(ctx, http));
  ASSIGN_OR_RETURN(ListVersionsPage page, s3wire::ParseListVersions(answer.body));
  if (request.version_id_marker.empty() && !request.key_marker.empty()) {
    // Ceph RGW goes on within the key of the marker.
    std::erase_if(page.versions, [&](const ObjectInfo& version) { return version.key <= request.key_marker; });
  }
  // Times as the server tells them: what was current when is told by them.
  for (ObjectInfo& version : page.versions) version.version_id = VersionIdOf(std::move(version.version_id));
  return page;
}

Result<PutResult> S3StoreImpl::Rename(const OpContext& ctx, std::string_view, std::string_view, const Conditions&) {
  RETURN_IF_ERROR(ctx.Check());
  return Error{Errc::kUnsupported, "S3 has no rename"};
}

Result<uint64_t> S3StoreImpl::RenamePrefix(const OpContext& ctx, std::string_view, std::string_view) {
  RETURN_IF_ERROR(ctx.Check());
  return Error{Errc::kUnsupported, "S3 has no rename"};
}

Result<StoreSpace> S3StoreImpl::Space(const OpContext& ctx) {
  RETURN_IF_ERROR(ctx.Check());
  return StoreSpace{};
}

}  // namespace pailfs::s3client
