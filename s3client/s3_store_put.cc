// Put, whole or in parts.

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stop_token>

#include "base/log.h"
#include "base/str.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

constexpr uint64_t kPartBytes = 16 << 20;
constexpr int64_t kAbortTimeNs = 10'000'000'000;

// So that the largest object has kMaxParts parts.
uint64_t PartBytesFor(uint64_t size) {
  constexpr uint64_t kStep = 1 << 20;
  const uint64_t least = (size + kMaxParts - 1) / kMaxParts;
  return std::max(kPartBytes, (least + kStep - 1) / kStep * kStep);
}

}  // namespace

Result<PutResult> S3StoreImpl::Put(const OpContext& ctx, std::string_view key, BodySource& body,
                                   const PutOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(MayWrite());
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckMetadata(options.metadata));
  if (body.size_bytes() > kMaxObjectBytes) return Error{Errc::kTooLarge, "an object has at most 48.8 TiB"};
  if (body.size_bytes() > kMostSinglePutBytes) return PutInParts(ctx, key, body, options);
  const Conditions& conditions = options.conditions;
  const bool supported = (!conditions.if_none_match_any || traits_.put_if_absent) &&
                         (!conditions.if_match || traits_.put_if_match != IfMatchForm::kNone);
  const Asked asked = WhoAsks(conditions, supported);
  return Guarded(ctx, key, conditions, asked, [&] { return PutWhole(ctx, key, body, options, asked); });
}

Result<PutResult> S3StoreImpl::PutWhole(const OpContext& ctx, std::string_view key, BodySource& body,
                                        const PutOptions& options, Asked asked) {
  S3Request request = NewRequest("PUT", key, Carries::kNewObject);
  request.effect = Effect::kOnce;
  RETURN_IF_ERROR(AppendObjectHeaders(request.headers, options.headers, options.metadata));
  if (asked == Asked::kByServer) AppendConditions(request.headers, options.conditions);
  ASSIGN_OR_RETURN(const BodyDigests digests, PrepareBody(ctx, request, body));
  auto answer = caller_->Call(ctx, request);
  // S3: If-Match on a key without an object is NoSuchKey.
  if (answer.Is(Errc::kNotFound) && options.conditions.if_match) {
    return Error{Errc::kPreconditionFailed, StrCat(key, ": ", answer.error().message)};
  }
  if (!answer.ok()) return std::move(answer).error().With(key);
  PutResult result = PutResultOf(*answer);
  if (result.etag.empty()) {
    return Error{Errc::kAmbiguous, StrCat(key, ": this is not an S3 server: it answers a PUT without an ETag")};
  }
  const std::string stored = Md5OfEtag(*answer, result.etag);
  if (EtagsAreMd5() && !digests.md5_hex.empty() && !stored.empty() && stored != digests.md5_hex) {
    return Error{Errc::kAmbiguous, StrCat(key, ": the server stored other bytes than were sent")};
  }
  return result;
}

Result<PutResult> S3StoreImpl::PutInParts(const OpContext& ctx, std::string_view key, BodySource& body,
                                          const PutOptions& options) {
  const uint64_t size = body.size_bytes();
  const uint64_t part_bytes = PartBytesFor(size);
  SharedBody shared(body);
  return UploadInParts(ctx, key, options, static_cast<size_t>((size + part_bytes - 1) / part_bytes),
                       [&](const OpContext& part_ctx, const std::string& upload_id, size_t index) {
                         const uint64_t offset = index * part_bytes;
                         SliceOfBody slice(shared, offset, std::min(part_bytes, size - offset));
                         return UploadPart(part_ctx, key, upload_id, static_cast<int>(index) + 1, slice);
                       });
}

Result<PutResult> S3StoreImpl::UploadInParts(const OpContext& ctx, std::string_view key, const PutOptions& options,
                                             size_t count, const SendPart& send) {
  auto upload = CreateMultipartUpload(ctx, key, options);
  if (upload.Is(Errc::kAmbiguous)) {
    // An upload without parts is no object.
    const Status going_on = ctx.Check();
    return going_on.ok() ? Error{Errc::kUnavailable, upload.error().message} : going_on.error();
  }
  if (!upload.ok()) return std::move(upload).error();
  std::stop_source stop;
  const std::stop_callback stop_with_us(ctx.stop, [&stop] { stop.request_stop(); });
  OpContext part_ctx = ctx;
  part_ctx.stop = stop.get_token();
  std::vector<UploadedPart> parts(count);
  Status sent = RunParallel(count, kPartsAtOnce, [&](size_t index) -> Status {
    auto part = send(part_ctx, *upload, index);
    if (!part.ok()) {
      stop.request_stop();  // of no use without this one
      return std::move(part).error();
    }
    parts[index] = std::move(*part);
    return {};
  });
  if (sent.ok()) {
    auto completed = CompleteMultipartUpload(ctx, key, *upload, parts, options.conditions);
    if (completed.ok() || completed.Is(Errc::kAmbiguous)) return completed;
    sent = std::move(completed).error();
  }
  OpContext last = ctx;
  last.stop = {};
  last.deadline_ns = ctx.NowNs() + kAbortTimeNs;
  const Status aborted = AbortMultipartUpload(last, key, *upload);
  if (!aborted.ok()) LogWarning("parts of an upload of ", key, " are left in the bucket: ", aborted.error().message);
  return std::move(sent).error();
}

}  // namespace pailfs::s3client
