#include "base/s3wire/errors.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/str.h"

namespace pailfs::s3wire {
namespace {

struct S3Code {
  std::string_view name;
  Errc code;
};

// S3 codes that ErrcToS3Code never gives, or gives for a pailfs error that is not what a server means by it.
constexpr std::array kCodes{
    S3Code{"NoSuchVersion", Errc::kNotFound},
    S3Code{"NoSuchBucket", Errc::kNotFound},
    S3Code{"NoSuchUpload", Errc::kNotFound},
    S3Code{"NotFound", Errc::kNotFound},
    S3Code{"BucketAlreadyExists", Errc::kAlreadyExists},
    S3Code{"ConditionalRequestConflict", Errc::kBusy},
    S3Code{"SignatureDoesNotMatch", Errc::kAccessDenied},
    S3Code{"RequestTimeTooSkewed", Errc::kAccessDenied},
    S3Code{"InvalidAccessKeyId", Errc::kAccessDenied},
    S3Code{"ExpiredToken", Errc::kAccessDenied},
    S3Code{"InvalidToken", Errc::kAccessDenied},
    S3Code{"InvalidObjectState", Errc::kNotPermitted},
    S3Code{"SlowDown", Errc::kUnavailable},
    S3Code{"InternalError", Errc::kUnavailable},
    S3Code{"RequestTimeout", Errc::kUnavailable},
    S3Code{"TooManyRequests", Errc::kUnavailable},
    S3Code{"TemporaryRedirect", Errc::kUnavailable},
    S3Code{"MetadataTooLarge", Errc::kTooLarge},
    S3Code{"PermanentRedirect", Errc::kInvalidArgument},
    S3Code{"AuthorizationHeaderMalformed", Errc::kInvalidArgument},
    S3Code{"InvalidRequest", Errc::kInvalidArgument},
    S3Code{"InvalidPart", Errc::kInvalidArgument},
    S3Code{"InvalidPartOrder", Errc::kInvalidArgument},
    S3Code{"EntityTooSmall", Errc::kInvalidArgument},
    S3Code{"MalformedXML", Errc::kInvalidArgument},
    S3Code{"BadDigest", Errc::kCorrupt},
    S3Code{"XAmzContentSHA256Mismatch", Errc::kCorrupt},
    S3Code{"XAmzContentChecksumMismatch", Errc::kCorrupt},
    S3Code{"IncompleteBody", Errc::kUnavailable},
    S3Code{"MethodNotAllowed", Errc::kUnsupported},
    S3Code{"QuotaExceeded", Errc::kNoSpace},
    S3Code{"XMinioStorageFull", Errc::kNoSpace},
};

std::optional<Errc> CodeOf(std::string_view s3_code) {
  const auto known = std::find_if(kCodes.begin(), kCodes.end(), [&](const S3Code& row) { return row.name == s3_code; });
  if (known != kCodes.end()) return known->code;
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    if (ErrcToS3Code(static_cast<Errc>(i)) == s3_code) return static_cast<Errc>(i);
  }
  return std::nullopt;
}

Errc CodeOfStatus(int status) {
  switch (status) {
    case 301:  // the bucket is elsewhere: an endpoint or region that is set wrongly
      return Errc::kInvalidArgument;
    case 304:
    case 412:
      return Errc::kPreconditionFailed;
    case 401:
    case 403:
      return Errc::kAccessDenied;
    case 404:
    case 410:
      return Errc::kNotFound;
    case 405:
    case 501:
      return Errc::kUnsupported;
    case 409:
      return Errc::kBusy;
    case 413:
      return Errc::kTooLarge;
    case 414:
      return Errc::kNameTooLong;
    case 416:
      return Errc::kRange;
    case 307:  // a new bucket's name is not known everywhere yet
    case 408:
    case 429:
      return Errc::kUnavailable;
    case 507:
      return Errc::kNoSpace;
    default:
      // What stands under a success is a failure after the header had gone out: like 500.
      return status >= 300 && status < 500 ? Errc::kInvalidArgument : Errc::kUnavailable;
  }
}

bool IsSuccess(int status) {
  return status >= 200 && status < 300;
}

// One line of printable bytes, at most `bytes` of them.
std::string Clean(std::string_view text, size_t bytes) {
  std::string out(text.substr(0, bytes));
  for (char& c : out) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() > bytes) {
    // Not in the middle of a UTF-8 sequence.
    while (!out.empty() && (static_cast<uint8_t>(text[out.size()]) & 0xC0) == 0x80) out.pop_back();
    out.append("...");
  }
  return out;
}

}  // namespace

Failure FailureOf(int http_status, std::string_view s3_code) {
  Failure failure;
  failure.code = CodeOf(s3_code).value_or(CodeOfStatus(http_status));
  const bool resend = failure.code == Errc::kCorrupt;
  failure.retry = resend ? RetryClass::kLater : ErrcRetryClass(failure.code);
  failure.may_have_happened =
      s3_code != "SlowDown" && failure.code == Errc::kUnavailable &&
      (IsSuccess(http_status) || http_status == 500 || http_status == 502 || http_status == 504);
  return failure;
}

Error ErrorOf(int http_status, const ErrorDocument& document) {
  constexpr size_t kShortBytes = 100;
  std::string text = StrCat("S3 answered ", http_status);
  if (!document.code.empty()) text += StrCat(" ", Clean(document.code, kShortBytes));
  if (!document.message.empty()) text += StrCat(": ", Clean(document.message, kMaxMessageBytes));
  if (!document.region.empty()) text += StrCat("; sign for the region ", Clean(document.region, kShortBytes));
  if (!document.endpoint.empty()) text += StrCat("; ask ", Clean(document.endpoint, kShortBytes));
  if (!document.request_id.empty()) text += StrCat(" (request ", Clean(document.request_id, kShortBytes), ")");
  return {FailureOf(http_status, document.code).code, std::move(text)};
}

}  // namespace pailfs::s3wire
