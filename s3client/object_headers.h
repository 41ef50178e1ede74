// Objects as headers: what is sent with one, and what an answer says of one. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/result.h"
#include "base/s3wire/sigv4.h"
#include "s3client/http.h"
#include "s3client/s3_store.h"

namespace pailfs::s3client {

// Content headers and user metadata. kInvalidArgument: a name that is no header name.
Status AppendObjectHeaders(s3wire::Headers& headers, const ContentHeaders& content, const UserMetadata& metadata);

// Which requests carry what of the bucket's options.
enum class Carries : uint8_t {
  kNewObject,  // encryption, class, ACL, tags: Put, Copy, CreateMultipartUpload
  kBytes,      // the customer's key: Get, Head, UploadPart
  kNothing,
};
void AppendOptionHeaders(s3wire::Headers& headers, const S3Options& options, Carries carries);
// For the source of a copy.
void AppendSourceKeyHeaders(s3wire::Headers& headers, const S3Options& options);

// An ETag on the wire: quoted; and back, "W/" and quotes taken off.
std::string Quoted(std::string_view etag);
std::string Unquoted(std::string_view etag);

// What the headers of a Get or Head say. kCorrupt: no ETag, or a size or time that is none. `size_bytes` is Content-
// Range's total where there is one, else Content-Length.
Result<ObjectInfo> ObjectInfoOf(std::string_view key, const HttpAnswer& answer);

// "bytes 0-9/100".
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t total = 0;
};
Result<ContentRange> ParseContentRange(std::string_view text);

// The MD5 of the whole object in lower-case hex, where the ETag is it as far as the answer tells; empty elsewhere.
std::string Md5OfEtag(const HttpAnswer& answer, std::string_view etag);

}  // namespace pailfs::s3client
