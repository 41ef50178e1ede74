// One request to the S3 imposter, read as S3 reads it, and its answer. No state; the rules of single operations are not
// here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_store.h"
#include "base/result.h"
#include "base/s3wire/errors.h"
#include "base/s3wire/sigv4.h"
#include "tests/support/http_message.h"

namespace pailfs {

enum class S3Operation : uint8_t {
  kHeadBucket,
  kCreateBucket,
  kGetBucketLocation,
  kGetBucketVersioning,
  kPutBucketVersioning,
  kListObjectsV2,
  kListObjectVersions,
  kListMultipartUploads,
  kDeleteObjects,
  kHeadObject,
  kGetObject,
  kPutObject,
  kCopyObject,
  kDeleteObject,
  kCreateMultipartUpload,
  kUploadPart,
  kUploadPartCopy,
  kCompleteMultipartUpload,
  kAbortMultipartUpload,
  kListParts,
  kUnknown,
};
inline constexpr size_t kS3Operations = 21;

struct S3Call {
  S3Operation operation = S3Operation::kUnknown;
  std::string method;
  std::string path;  // decoded
  s3wire::Query query;
  s3wire::Headers headers;  // as sent
  std::string body;
  std::string bucket;
  std::string key;  // empty: the bucket itself

  // What no right client does, in words.
  std::vector<std::string> violations;

  // The first value, or nullptr. Header names in any case.
  const std::string* Header(std::string_view name) const;
  const std::string* Parameter(std::string_view name) const;
  std::string HeaderOr(std::string_view name, std::string_view other) const;
  std::string ParameterOr(std::string_view name, std::string_view other) const;
};

struct S3Answer {
  int status = 200;
  s3wire::Headers headers;
  std::string body;
  std::optional<s3wire::ErrorDocument> error;  // becomes the body
};

// An answer with an error document, its status that of S3's code.
S3Answer Refuse(std::string_view code, std::string_view message);
// The same for what a right client would not have sent.
S3Answer RefuseViolation(S3Call& call, std::string_view code, std::string_view message);
// For an error of an ObjectStore.
S3Answer RefuseError(const Error& error);
// A success with an XML document. A key that the document cannot carry is a violation: the client did not ask for
// encoding-type=url.
S3Answer AnswerXml(S3Call& call, const Result<std::string>& xml);

// Fills in all but the body: target, addressing (path style, or virtual-host style below "localhost") and operation.
// The refusal of what cannot be read.
std::optional<S3Answer> ReadCall(const HttpMessage& request, S3Call& call);

// Query parameters and x-amz-* headers that the operation does not know.
std::optional<S3Answer> CheckKnown(S3Call& call);

}  // namespace pailfs
