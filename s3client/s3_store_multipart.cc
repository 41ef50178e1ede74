// Multipart uploads.

#include <algorithm>
#include <tuple>

#include "base/hash.h"
#include "base/s3wire/xml.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

Status CheckPartNumber(int part_number) {
  if (part_number >= 1 && part_number <= kMaxParts) return {};
  return Error{Errc::kInvalidArgument, "parts are numbered 1 to 10,000"};
}

// A request without an id would mean something else.
Status CheckUpload(std::string_view key, std::string_view upload_id) {
  RETURN_IF_ERROR(CheckKey(key));
  if (upload_id.empty()) return Error{Errc::kNotFound, "no such upload"};
  return {};
}

// The ETag of an object of these parts, as S3 makes it; empty where theirs are no MD5s.
std::string EtagOfParts(std::span<const UploadedPart> parts) {
  std::string digests;
  for (const UploadedPart& part : parts) {
    const std::string md5 = Md5OfEtag({}, part.etag);
    if (md5.empty()) return "";
    for (size_t i = 0; i < md5.size(); i += 2) {
      const auto digit = [&md5](size_t at) { return md5[at] <= '9' ? md5[at] - '0' : md5[at] - 'a' + 10; };
      digests.push_back(static_cast<char>(digit(i) * 16 + digit(i + 1)));
    }
  }
  return StrCat(Hex(Md5Of(digests)), "-", parts.size());
}

}  // namespace

Result<std::string> S3StoreImpl::CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                                       const PutOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckMetadata(options.metadata));
  S3Request request = NewRequest("POST", key, Carries::kNewObject);
  request.query = {{"uploads", ""}};
  request.effect = Effect::kOnce;
  request.answers = Answers::kXml;
  RETURN_IF_ERROR(AppendObjectHeaders(request.headers, options.headers, options.metadata));
  if (traits_.checksums) {
    // What the parts carry; of the whole object, so that Complete need not repeat it.
    request.headers.emplace_back("x-amz-checksum-algorithm", "CRC32C");
    request.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
  }
  auto answer = caller_->Call(ctx, request);
  if (!answer.ok()) return std::move(answer).error().With(key);
  return s3wire::ParseInitiateMultipartUpload(answer->body);
}

Result<UploadedPart> S3StoreImpl::UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                             int part_number, BodySource& body) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckUpload(key, upload_id));
  RETURN_IF_ERROR(CheckPartNumber(part_number));
  if (body.size_bytes() > kMaxSinglePutBytes) return Error{Errc::kTooLarge, "more than 5 GiB in one part"};
  S3Request request = NewRequest("PUT", key, Carries::kBytes);
  request.query = {{"partNumber", StrCat(part_number)}, {"uploadId", std::string(upload_id)}};
  ASSIGN_OR_RETURN(const BodyDigests digests, PrepareBody(ctx, request, body));
  auto answer = caller_->Call(ctx, request);
  if (!answer.ok()) return std::move(answer).error().With(StrCat(key, ": part ", part_number));
  UploadedPart part{part_number, PutResultOf(*answer).etag, body.size_bytes()};
  if (part.etag.empty()) return Error{Errc::kUnavailable, "this is not an S3 server: a part without an ETag"};
  const std::string stored = Md5OfEtag(*answer, part.etag);
  if (EtagsAreMd5() && !digests.md5_hex.empty() && !stored.empty() && stored != digests.md5_hex) {
    return Error{Errc::kUnavailable, StrCat(key, ": part ", part_number, ": the server stored other bytes")};
  }
  return part;
}

Result<PutResult> S3StoreImpl::CompleteMultipartUpload(const OpContext& ctx, std::string_view key,
                                                       std::string_view upload_id, std::span<const UploadedPart> parts,
                                                       const Conditions& conditions) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckUpload(key, upload_id));
  const Asked asked = WhoAsks(conditions, traits_.complete_conditions);
  return Guarded(ctx, key, conditions, asked,
                 [&] { return SendComplete(ctx, key, upload_id, parts, conditions, asked); });
}

Result<PutResult> S3StoreImpl::SendComplete(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                            std::span<const UploadedPart> parts, const Conditions& conditions,
                                            Asked asked) {
  ASSIGN_OR_RETURN(const std::string xml, s3wire::WriteCompleteMultipartUpload(parts));
  StringBody body(xml);
  S3Request request = NewRequest("POST", key, Carries::kNothing);
  request.query = {{"uploadId", std::string(upload_id)}};
  request.effect = Effect::kOnce;
  if (asked == Asked::kByServer) AppendConditions(request.headers, conditions);
  RETURN_IF_ERROR(PrepareXml(ctx, request, body));
  S3Failure failure;
  auto answer = caller_->Call(ctx, request, &failure);
  // S3: If-Match on a key without an object is NoSuchKey.
  if (answer.Is(Errc::kNotFound) && conditions.if_match && failure.s3_code == "NoSuchKey") {
    return Error{Errc::kPreconditionFailed, StrCat(key, ": ", answer.error().message)};
  }
  if (!answer.ok()) return std::move(answer).error().With(key);
  auto completed = s3wire::ParseCompleteMultipartUpload(answer->body);
  if (!completed.ok()) return Error{Errc::kAmbiguous, StrCat(key, ": ", completed.error().message)};
  PutResult result = PutResultOf(*answer);
  result.etag = completed->etag;
  if (!result.etag.empty()) return result;
  return LearnEtag(ctx, key, parts, std::move(result));
}

// Ceph RGW completes an upload without saying what came of it.
Result<PutResult> S3StoreImpl::LearnEtag(const OpContext& ctx, std::string_view key,
                                         std::span<const UploadedPart> parts, PutResult result) {
  const auto head = Head(ctx, key, {.version_id = result.version_id, .as_of_us = {}});
  if (!head.ok()) return Error{Errc::kAmbiguous, StrCat("completed, but not seen: ", head.error().message)};
  const std::string expected = EtagOfParts(parts);
  if (!expected.empty() && EtagsAreMd5() && head->etag != expected) {
    return Error{Errc::kAmbiguous, StrCat(key, ": completed, and then replaced")};
  }
  result.etag = head->etag;
  if (result.version_id.empty() && traits_.versioning != VersioningState::kOff) result.version_id = head->version_id;
  result.last_modified_us = head->last_modified_us;
  return result;
}

Status S3StoreImpl::AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckUpload(key, upload_id));
  S3Request request = NewRequest("DELETE", key, Carries::kNothing);
  request.query = {{"uploadId", std::string(upload_id)}};
  auto answer = caller_->Call(ctx, request);
  if (!answer.ok()) return std::move(answer).error().With(key);
  return {};
}

Result<std::vector<MultipartUpload>> S3StoreImpl::ListMultipartUploads(const OpContext& ctx, std::string_view prefix) {
  RETURN_IF_ERROR(ctx.Check());
  // Ceph RGW encodes the keys of uploads when asked to, but does not say so: it is asked only where XML cannot carry
  // one.
  auto uploads = ListUploads(ctx, prefix, /*encoding=*/"");
  if (uploads.Is(Errc::kCorrupt)) uploads = ListUploads(ctx, prefix, "url");
  return uploads;
}

Result<std::vector<MultipartUpload>> S3StoreImpl::ListUploads(const OpContext& ctx, std::string_view prefix,
                                                              const std::string& encoding) {
  std::vector<MultipartUpload> uploads;
  std::string key_marker;
  std::string id_marker;
  for (;;) {
    S3Request request = NewRequest("GET", "", Carries::kNothing);
    request.answers = Answers::kXml;
    request.query = {{"uploads", ""}, {"prefix", std::string(prefix)}};
    if (!encoding.empty()) request.query.emplace_back("encoding-type", encoding);
    if (!key_marker.empty()) request.query.emplace_back("key-marker", key_marker);
    if (!id_marker.empty()) request.query.emplace_back("upload-id-marker", id_marker);
    ASSIGN_OR_RETURN(const HttpAnswer answer, caller_->Call(ctx, request));
    ASSIGN_OR_RETURN(s3wire::ListUploadsAnswer page, s3wire::ParseListMultipartUploads(answer.body));
    std::move(page.uploads.begin(), page.uploads.end(), std::back_inserter(uploads));
    if (!page.truncated) break;
    if (page.next_key_marker == key_marker && page.next_upload_id_marker == id_marker) {
      return Error{Errc::kCorrupt, "a listing of uploads that does not go on"};
    }
    key_marker = page.next_key_marker;
    id_marker = page.next_upload_id_marker;
  }
  std::stable_sort(uploads.begin(), uploads.end(), [](const MultipartUpload& a, const MultipartUpload& b) {
    return std::tie(a.key, a.initiated_us) < std::tie(b.key, b.initiated_us);
  });
  return uploads;
}

Result<std::vector<UploadedPart>> S3StoreImpl::ListParts(const OpContext& ctx, std::string_view key,
                                                         std::string_view upload_id) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckUpload(key, upload_id));
  std::vector<UploadedPart> parts;
  int marker = 0;
  for (;;) {
    S3Request request = NewRequest("GET", key, Carries::kNothing);
    request.answers = Answers::kXml;
    request.query = {{"uploadId", std::string(upload_id)}};
    if (marker > 0) request.query.emplace_back("part-number-marker", StrCat(marker));
    auto answer = caller_->Call(ctx, request);
    if (!answer.ok()) return std::move(answer).error().With(key);
    ASSIGN_OR_RETURN(s3wire::ListPartsAnswer page, s3wire::ParseListParts(answer->body));
    std::move(page.parts.begin(), page.parts.end(), std::back_inserter(parts));
    if (!page.truncated) return parts;
    if (page.next_part_number_marker <= marker) return Error{Errc::kCorrupt, "a list of parts that does not go on"};
    marker = page.next_part_number_marker;
  }
}

}  // namespace pailfs::s3client
