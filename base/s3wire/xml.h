// The XML documents that S3 answers with, and those that it is sent. Pure functions; any thread.
//
// Every parser takes any bytes, of at most kMaxXmlBytes, and gives kCorrupt for what is not well-formed (a document cut
// short is not), has another root, lacks a field that S3 always sends, or has a number or time that is none. Elements
// that are not known are passed over: servers add their own. A document whose root is <Error>, which S3 may send under
// status 200, is the error it stands for (ErrorOf in base/s3wire/errors.h).
//
// Where the document says <EncodingType>url</EncodingType>, keys, prefixes, delimiters and key markers are decoded;
// tokens, version ids and upload ids never are. Without it, keys with characters that XML cannot carry arrive mangled
// or break the document: ask for encoding-type=url. ETags are without quotes.
//
// Source: "Amazon S3 API reference", the response syntax of each operation named below. Ceph RGW and MinIO send the
// same documents with fields more or fewer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_store.h"
#include "base/result.h"
#include "base/s3wire/errors.h"

namespace pailfs::s3wire {

inline constexpr size_t kMaxXmlBytes = 16 << 20;
inline constexpr size_t kMaxListedMetadata = 1'000;  // headers of one object in MinIO's UserMetadata

// ListObjectsV2. The objects' has_metadata is set where MinIO's extension metadata=true answered with UserMetadata.
struct ListObjectsAnswer {
  ListPage page;
  bool truncated = false;  // then page.next_token is not empty
  std::string prefix;
  std::string delimiter;
  std::string start_after;
  std::string continuation_token;
};
Result<ListObjectsAnswer> ParseListObjectsV2(std::string_view xml);

// ListObjectVersions: versions and delete markers in the order of the document. has_metadata as above.
Result<ListVersionsPage> ParseListVersions(std::string_view xml);

// CreateMultipartUpload: the upload id.
Result<std::string> ParseInitiateMultipartUpload(std::string_view xml);
// CompleteMultipartUpload: the ETag, which Ceph RGW may leave empty (Head tells it); the version id is in a header, the
// time nowhere. The outcome of the upload is in this document, not in the status: S3 sends 200 before it begins.
Result<PutResult> ParseCompleteMultipartUpload(std::string_view xml);
// CopyObject and UploadPartCopy: ETag and time. As with Complete, a 200 may hold an error.
Result<PutResult> ParseCopyObject(std::string_view xml);
Result<PutResult> ParseCopyPart(std::string_view xml);

// DeleteObjects.
struct DeletedObject {
  std::string key;
  DeleteResult result;  // version_id and made_delete_marker; S3 does not say whether there was anything
};
struct DeleteFailure {  // what it means: FailureOf(200, error.code)
  std::string key;
  std::string version_id;
  ErrorDocument error;
};
struct DeleteAnswer {
  std::vector<DeletedObject> deleted;  // empty when the request was quiet
  std::vector<DeleteFailure> failed;
};
Result<DeleteAnswer> ParseDelete(std::string_view xml);

struct ListPartsAnswer {
  std::vector<UploadedPart> parts;
  bool truncated = false;
  int next_part_number_marker = 0;  // set where truncated
};
Result<ListPartsAnswer> ParseListParts(std::string_view xml);

struct ListUploadsAnswer {
  std::vector<MultipartUpload> uploads;
  std::vector<std::string> common_prefixes;
  bool truncated = false;  // then next_key_marker is not empty
  std::string next_key_marker;
  std::string next_upload_id_marker;
};
Result<ListUploadsAnswer> ParseListMultipartUploads(std::string_view xml);

// GetBucketVersioning.
Result<VersioningState> ParseVersioning(std::string_view xml);

// The body of an answer whose status is no success.
Result<ErrorDocument> ParseError(std::string_view xml);

// What clients send (base/s3wire/xml_write.h); for a server. Limits and the order of parts are not looked at here.
struct CompletedPart {
  int part_number = 0;
  std::string etag;
  std::string checksum;  // base64, of whichever algorithm; empty: none
};
Result<std::vector<CompletedPart>> ParseCompleteRequest(std::string_view xml);
struct DeleteRequest {
  std::vector<DeleteItem> items;
  bool quiet = false;
};
Result<DeleteRequest> ParseDeleteRequest(std::string_view xml);

}  // namespace pailfs::s3wire
