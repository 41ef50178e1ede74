// The XML documents that an S3 server answers with: the other end of base/s3wire/xml.h, whose parsers read them back.
// Pure functions; any thread.
//
// kInvalidArgument: text that XML cannot carry (base/s3wire/xml_write.h). In listings that is a key in a document
// without KeyEncoding::kUrl. Where S3 repeats the key of the request, a key that XML cannot carry is left out.
//
// Source: "Amazon S3 API reference", the response syntax of each operation named below.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/result.h"
#include "base/s3wire/errors.h"
#include "base/s3wire/xml.h"

namespace pailfs::s3wire {

// encoding-type=url: keys, prefixes, delimiters and key markers as in forms, a blank being '+'.
enum class KeyEncoding : uint8_t { kNone, kUrl };

// ListObjectsV2. Objects with metadata get MinIO's UserMetadata where request.with_metadata.
Result<std::string> WriteListObjectsV2Answer(std::string_view bucket, const ListRequest& request, const ListPage& page,
                                             KeyEncoding encoding);

// ListObjectVersions. A version without an id has the id "null".
Result<std::string> WriteListVersionsAnswer(std::string_view bucket, const ListVersionsRequest& request,
                                            const ListVersionsPage& page, KeyEncoding encoding);

// CreateMultipartUpload, CompleteMultipartUpload.
Result<std::string> WriteInitiateAnswer(std::string_view bucket, std::string_view key, std::string_view upload_id);
Result<std::string> WriteCompleteAnswer(std::string_view bucket, std::string_view key, std::string_view etag);

// CopyObject, UploadPartCopy.
Result<std::string> WriteCopyObjectAnswer(std::string_view etag, int64_t last_modified_us);
Result<std::string> WriteCopyPartAnswer(std::string_view etag, int64_t last_modified_us);

// DeleteObjects.
Result<std::string> WriteDeleteAnswer(const DeleteAnswer& answer);

// ListParts: one page, `answer`, of the parts of an upload.
Result<std::string> WriteListPartsAnswer(std::string_view bucket, const MultipartUpload& upload, int max_parts,
                                         const ListPartsAnswer& answer);

// ListMultipartUploads.
struct ListUploadsRequest {
  std::string prefix;
  std::string delimiter;
  std::string key_marker;
  std::string upload_id_marker;
  int max_uploads = kMaxListKeys;
};
Result<std::string> WriteListUploadsAnswer(std::string_view bucket, const ListUploadsRequest& request,
                                           const ListUploadsAnswer& answer, KeyEncoding encoding);

// GetBucketVersioning: kOff is a document without a Status.
Result<std::string> WriteVersioningAnswer(VersioningState state);
// GetBucketLocation: us-east-1 is an empty document.
Result<std::string> WriteLocationAnswer(std::string_view region);

// Fields that are empty are left out.
Result<std::string> WriteErrorAnswer(const ErrorDocument& error);

}  // namespace pailfs::s3wire
