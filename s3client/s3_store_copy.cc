// Copies on the side of the server, and parts copied from objects.

#include <algorithm>

#include "base/s3wire/uri.h"
#include "base/s3wire/xml.h"
#include "base/str.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kMd5OfNothing = "d41d8cd98f00b204e9800998ecf8427e";
constexpr uint64_t kCopiedPartBytes = 512ULL << 20;

Error NotTheSource() {
  return {Errc::kPreconditionFailed, "the source has another ETag"};
}

// A 200 may be a failure that came late; what it says is the outcome.
Result<PutResult> OutcomeOf(const Result<PutResult>& parsed, PutResult from_headers) {
  if (!parsed.ok()) return Error{Errc::kAmbiguous, parsed.error().message};
  from_headers.etag = parsed->etag;
  from_headers.last_modified_us = WholeSeconds(parsed->last_modified_us);
  return from_headers;
}

}  // namespace

void S3StoreImpl::AppendCopySource(S3Request& request, std::string_view key, std::string_view version_id,
                                   const std::optional<std::string>& if_match) const {
  std::string source = StrCat("/", options_.bucket, "/", s3wire::UriEncode(key, s3wire::Slash::kKeep));
  if (!version_id.empty()) source += StrCat("?versionId=", s3wire::UriEncode(version_id, s3wire::Slash::kEncode));
  request.headers.emplace_back("x-amz-copy-source", std::move(source));
  if (if_match) request.headers.emplace_back("x-amz-copy-source-if-match", Quoted(*if_match));
  AppendSourceKeyHeaders(request.headers, options_);
}

Result<S3StoreImpl::Source> S3StoreImpl::FindSource(const OpContext& ctx, std::string_view key,
                                                    const std::string& version_id,
                                                    const std::optional<std::string>& if_match) {
  Source source{version_id, {}, false};
  if (!if_match) return source;
  if (traits_.copy_source_conditions && traits_.probed_at_us != 0) {
    source.header_if_match = if_match;
    return source;
  }
  ASSIGN_OR_RETURN(const ObjectInfo info, Head(ctx, key, {.version_id = version_id, .as_of_us = {}}));
  if (info.etag != *if_match) return NotTheSource();
  // A version that has a name of its own is always the same.
  const bool named = !info.version_id.empty() && info.version_id != "null";
  if (named) source.version_id = info.version_id;
  source.look_again = !named;
  return source;
}

Status S3StoreImpl::CheckSourceAfter(const OpContext& ctx, std::string_view key, const std::string& etag,
                                     const std::string& copied_etag) {
  if (copied_etag == etag) return {};
  const auto info = Head(ctx, key, {});
  if (info.ok() && info->etag == etag) return {};
  if (info.ok() || info.Is(Errc::kNotFound)) return NotTheSource();
  return Error{Errc::kAmbiguous, StrCat("copied, but not seen to be right: ", info.error().message)};
}

Result<PutResult> S3StoreImpl::Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                    const CopyOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckKey(source_key));
  RETURN_IF_ERROR(CheckKey(key));
  const bool replace = options.directive == MetadataDirective::kReplace;
  if (replace) RETURN_IF_ERROR(CheckMetadata(options.metadata));
  if (!replace && source_key == key && options.source_version_id.empty()) {
    return Error{Errc::kInvalidArgument, "a copy onto itself must change something"};
  }
  const Asked asked = WhoAsks(options.conditions, traits_.copy_conditions);
  auto copied =
      Guarded(ctx, key, options.conditions, asked, [&] { return CopyWhole(ctx, source_key, key, options, asked); });
  if (!copied.Is(Errc::kInvalidArgument) && !copied.Is(Errc::kTooLarge)) return copied;
  // Perhaps more than one request can copy.
  const auto source = Head(ctx, source_key, {.version_id = options.source_version_id, .as_of_us = {}});
  if (!source.ok() || source->size_bytes <= kMaxSinglePutBytes) return copied;
  if (options.source_if_match && *options.source_if_match != source->etag) return NotTheSource();
  return CopyInParts(ctx, source_key, key, *source, options);
}

Result<PutResult> S3StoreImpl::CopyWhole(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                         const CopyOptions& options, Asked asked) {
  ASSIGN_OR_RETURN(const Source source,
                   FindSource(ctx, source_key, options.source_version_id, options.source_if_match));
  S3Request request = NewRequest("PUT", key, Carries::kNewObject);
  request.effect = Effect::kOnce;
  request.answers = Answers::kXml;
  AppendCopySource(request, source_key, source.version_id, source.header_if_match);
  if (options.directive == MetadataDirective::kReplace) {
    request.headers.emplace_back("x-amz-metadata-directive", "REPLACE");
    RETURN_IF_ERROR(AppendObjectHeaders(request.headers, options.headers, options.metadata));
  } else {
    request.headers.emplace_back("x-amz-metadata-directive", "COPY");
  }
  if (asked == Asked::kByServer) AppendConditions(request.headers, options.conditions);
  auto answer = caller_->Call(ctx, request);
  if (answer.Is(Errc::kNotFound) && options.conditions.if_match) {
    // S3: If-Match on a key without an object is NoSuchKey, as a source that is not there.
    const auto there = Head(ctx, source_key, {.version_id = source.version_id, .as_of_us = {}});
    if (there.ok()) return Error{Errc::kPreconditionFailed, StrCat(key, ": ", answer.error().message)};
  }
  if (!answer.ok()) return std::move(answer).error().With(key);
  ASSIGN_OR_RETURN(PutResult result, OutcomeOf(s3wire::ParseCopyObject(answer->body), PutResultOf(*answer)));
  if (source.look_again) RETURN_IF_ERROR(CheckSourceAfter(ctx, source_key, *options.source_if_match, result.etag));
  return result;
}

Result<PutResult> S3StoreImpl::CopyInParts(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                           const ObjectInfo& source, const CopyOptions& options) {
  const bool replace = options.directive == MetadataDirective::kReplace;
  PutOptions target;
  target.headers = replace ? options.headers : source.headers;
  target.metadata = replace ? options.metadata : source.metadata;
  target.conditions = options.conditions;
  const uint64_t size = source.size_bytes;
  const uint64_t part_bytes = std::max(kCopiedPartBytes, (size + kMaxParts - 1) / kMaxParts);
  const std::string version = source.version_id == "null" ? "" : source.version_id;
  return UploadInParts(ctx, key, target, static_cast<size_t>((size + part_bytes - 1) / part_bytes),
                       [&](const OpContext& part_ctx, const std::string& upload_id, size_t index) {
                         const uint64_t offset = index * part_bytes;
                         const PartCopySource part{
                             std::string(source_key),
                             options.source_version_id.empty() ? version : options.source_version_id,
                             source.etag,
                             {offset, std::min(part_bytes, size - offset)}};
                         return UploadPartCopy(part_ctx, key, upload_id, static_cast<int>(index) + 1, part);
                       });
}

Result<UploadedPart> S3StoreImpl::UploadPartCopy(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                                 int part_number, const PartCopySource& source) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckKey(source.key));
  if (upload_id.empty()) return Error{Errc::kNotFound, "no such upload"};
  if (part_number < 1 || part_number > kMaxParts) {
    return Error{Errc::kInvalidArgument, "parts are numbered 1 to 10,000"};
  }
  const ByteRange& range = source.range;
  if (range.length > kMaxSinglePutBytes || range.offset > kMaxObjectBytes) {
    return Error{Errc::kRange, "the range leaves the source"};
  }
  if (range.length == 0) {
    // HTTP has no empty range: an empty part is sent.
    ASSIGN_OR_RETURN(const ObjectInfo info, Head(ctx, source.key, {.version_id = source.version_id, .as_of_us = {}}));
    if (source.if_match && *source.if_match != info.etag) return NotTheSource();
    if (range.offset > info.size_bytes) return Error{Errc::kRange, "the range leaves the source"};
    StringBody nothing("");
    return UploadPart(ctx, key, upload_id, part_number, nothing);
  }
  ASSIGN_OR_RETURN(const Source from, FindSource(ctx, source.key, source.version_id, source.if_match));
  S3Request request = NewRequest("PUT", key, Carries::kBytes);
  request.answers = Answers::kXml;
  request.query = {{"partNumber", StrCat(part_number)}, {"uploadId", std::string(upload_id)}};
  AppendCopySource(request, source.key, from.version_id, from.header_if_match);
  request.headers.emplace_back("x-amz-copy-source-range",
                               StrCat("bytes=", range.offset, "-", range.offset + range.length - 1));
  S3Failure failure;
  auto answer = caller_->Call(ctx, request, &failure);
  if (!answer.ok()) {
    // S3 calls a range that leaves the source an InvalidArgument, and some servers InvalidRequest.
    Error error = std::move(answer).error();
    const bool may_be_range = error.code == Errc::kInvalidArgument && failure.status == 400;
    if (may_be_range) {
      const auto info = Head(ctx, source.key, {.version_id = source.version_id, .as_of_us = {}});
      if (info.ok() && range.offset + range.length > info->size_bytes) error.code = Errc::kRange;
    }
    return error.With(StrCat(key, ": part ", part_number));
  }
  ASSIGN_OR_RETURN(const PutResult result, s3wire::ParseCopyPart(answer->body));
  // Ceph RGW copies any range of an empty object.
  if (result.etag == kMd5OfNothing) return Error{Errc::kRange, StrCat(key, ": the range leaves the source")};
  if (from.look_again) RETURN_IF_ERROR(CheckSourceAfter(ctx, source.key, *source.if_match, ""));
  return UploadedPart{part_number, result.etag, range.length};
}

}  // namespace pailfs::s3client
