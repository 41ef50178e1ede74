// What an S3 answer that is not a success means: its status and error document as a pailfs error. Pure functions; any
// thread. base/error.h has the table of codes; here is only what that table cannot answer: codes that several S3 errors
// share, and answers without a body (HEAD, proxies).
//
// Source: "Error responses" in the Amazon S3 API reference; the codes of Ceph RGW and MinIO where they differ.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pailfs::s3wire {

// An <Error> document. Fields that are not there are empty.
struct ErrorDocument {
  std::string code;
  std::string message;
  std::string resource;
  std::string request_id;
  std::string endpoint;  // PermanentRedirect, TemporaryRedirect: the host to ask
  std::string region;    // AuthorizationHeaderMalformed, PermanentRedirect: the region to sign for
};

struct Failure {
  Errc code = Errc::kInternal;
  // Whether the same request, signed anew, is worth another try. ErrcRetryClass(code), but for bytes that were damaged
  // on their way (BadDigest), which are kCorrupt and worth sending again.
  RetryClass retry = RetryClass::kNever;
  // The server gave up in the middle (500, 502, 504, an <Error> under status 200): a mutation may have happened all the
  // same, so it is kAmbiguous to a caller that cannot repeat it.
  bool may_have_happened = false;
};

// `s3_code` may be empty or unknown; then the status decides. Statuses 200 to 299 mean an <Error> under a success.
// Whoever gets 405 for a version looks at x-amz-delete-marker: "true" makes it kNotFound.
Failure FailureOf(int http_status, std::string_view s3_code);

// FailureOf's code with a message for a person: "S3 answered 404 NoSuchKey: <message> (request <id>)". The server's
// words are cut to a line of kMaxMessageBytes of printable text; nothing else of the document is in it.
inline constexpr size_t kMaxMessageBytes = 300;
Error ErrorOf(int http_status, const ErrorDocument& document);

}  // namespace pailfs::s3wire
