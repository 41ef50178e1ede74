// What the S3 imposter does with many objects at once, and the bucket's own settings.

#include <algorithm>

#include "base/str.h"
#include "tests/support/s3_bucket.h"
#include "tests/support/s3_checksum.h"

namespace pailfs {
namespace {

// What all listings have in common. A refusal for what cannot be read.
struct Listing {
  s3wire::KeyEncoding encoding = s3wire::KeyEncoding::kNone;
  int most = kMaxListKeys;
};

std::optional<S3Answer> ReadListing(S3Call& call, std::string_view most, Listing& listing) {
  const std::string encoding = call.ParameterOr("encoding-type", "");
  if (!encoding.empty() && encoding != "url") return RefuseViolation(call, "InvalidArgument", "encoding-type");
  if (encoding == "url") listing.encoding = s3wire::KeyEncoding::kUrl;
  const auto number = S3Number(call.Parameter(most), kMaxListKeys);
  if (!number) return RefuseViolation(call, "InvalidArgument", StrCat(most, " is not a number"));
  listing.most = std::min(*number, kMaxListKeys);
  return {};
}

}  // namespace

S3Answer S3Bucket::List(S3Call& call) {
  Listing listing;
  if (auto refusal = ReadListing(call, "max-keys", listing)) return *refusal;
  ListRequest request;
  request.prefix = call.ParameterOr("prefix", "");
  request.delimiter = call.ParameterOr("delimiter", "");
  request.start_after = call.ParameterOr("start-after", "");
  request.continuation_token = call.ParameterOr("continuation-token", "");
  request.max_keys = listing.most;
  // Servers that do not know MinIO's extension take no notice of it.
  request.with_metadata = has(S3Quirk::kListMetadata) && call.ParameterOr("metadata", "") == "true";
  auto page = store_.List(ctx_, request);
  if (!page.ok()) return RefuseError(page.error());
  for (ObjectInfo& info : page->objects) {
    const Extras extras = ExtrasOf(info.key, info.last_modified_us);
    if (const std::string* storage_class = FindHeader(extras, "x-amz-storage-class")) {
      info.storage_class = *storage_class;
    }
    info.last_modified_us = ShownTime(info.last_modified_us);
  }
  return AnswerXml(call, s3wire::WriteListObjectsV2Answer(name_, request, *page, listing.encoding));
}

S3Answer S3Bucket::ListVersions(S3Call& call) {
  Listing listing;
  if (auto refusal = ReadListing(call, "max-keys", listing)) return *refusal;
  ListVersionsRequest request;
  request.prefix = call.ParameterOr("prefix", "");
  request.delimiter = call.ParameterOr("delimiter", "");
  request.key_marker = call.ParameterOr("key-marker", "");
  request.version_id_marker = call.ParameterOr("version-id-marker", "");
  request.max_keys = listing.most;
  auto page = store_.ListVersions(ctx_, request);
  if (!page.ok()) return RefuseError(page.error());
  for (ObjectInfo& info : page->versions) info.last_modified_us = ShownTime(info.last_modified_us);
  return AnswerXml(call, s3wire::WriteListVersionsAnswer(name_, request, *page, listing.encoding));
}

S3Answer S3Bucket::ListUploads(S3Call& call) {
  Listing listing;
  if (auto refusal = ReadListing(call, "max-uploads", listing)) return *refusal;
  s3wire::ListUploadsRequest request;
  request.prefix = call.ParameterOr("prefix", "");
  request.delimiter = call.ParameterOr("delimiter", "");
  request.key_marker = call.ParameterOr("key-marker", "");
  request.upload_id_marker = call.ParameterOr("upload-id-marker", "");
  request.max_uploads = listing.most;
  if (!request.delimiter.empty()) return RefuseViolation(call, "NotImplemented", "a delimiter in a list of uploads");
  const auto all = store_.ListMultipartUploads(ctx_, request.prefix);
  if (!all.ok()) return RefuseError(all.error());
  auto from =
      std::find_if(all->begin(), all->end(), [&](const MultipartUpload& u) { return u.key > request.key_marker; });
  if (!request.upload_id_marker.empty()) {
    const auto marker = std::find_if(all->begin(), all->end(), [&](const MultipartUpload& upload) {
      return upload.key == request.key_marker && upload.upload_id == request.upload_id_marker;
    });
    if (marker != all->end()) from = marker + 1;
  } else if (request.key_marker.empty()) {
    from = all->begin();
  }
  s3wire::ListUploadsAnswer answer;
  for (; from != all->end() && answer.uploads.size() < static_cast<size_t>(request.max_uploads); ++from) {
    answer.uploads.push_back(*from);
    answer.uploads.back().initiated_us = ShownTime(from->initiated_us);
  }
  answer.truncated = from != all->end() && !answer.uploads.empty();
  if (answer.truncated) {
    answer.next_key_marker = answer.uploads.back().key;
    answer.next_upload_id_marker = answer.uploads.back().upload_id;
  }
  return AnswerXml(call, s3wire::WriteListUploadsAnswer(name_, request, answer, listing.encoding));
}

S3Answer S3Bucket::DeleteBatch(S3Call& call) {
  if (has(S3Quirk::kNoBatchDelete)) return Refuse("NotImplemented", "There is no DeleteObjects.");
  if (call.Header("Content-MD5") == nullptr && ChecksumHeaders(call).empty()) {
    return RefuseViolation(call, "InvalidRequest", "DeleteObjects without Content-MD5 or a checksum");
  }
  auto request = s3wire::ParseDeleteRequest(call.body);
  if (!request.ok()) return RefuseViolation(call, "MalformedXML", request.error().message);
  if (request->items.empty() || request->items.size() > kMaxBatchDelete) {
    return RefuseViolation(call, "MalformedXML", "not 1 to 1,000 keys");
  }
  s3wire::DeleteAnswer answer;
  for (DeleteItem& item : request->items) {
    const auto fail = [&](std::string_view code, std::string_view message) {
      s3wire::DeleteFailure failure{.key = item.key, .version_id = item.version_id, .error = {}};
      failure.error.code = code;
      failure.error.message = message;
      answer.failed.push_back(std::move(failure));
    };
    if (has(S3Quirk::kIgnoreDeleteConditions)) item.if_match.reset();
    if (item.if_match && !item.version_id.empty()) {
      // S3 looks at the current version, whichever is deleted.
      const auto current = store_.Head(ctx_, item.key, {});
      if (!current.ok() || current->etag != *item.if_match) {
        fail("PreconditionFailed", "The ETag does not match.");
        continue;
      }
      item.if_match.reset();
    }
    const auto result = store_.Delete(ctx_, item);
    if (!result.ok()) {
      fail(ErrcToS3Code(result.error().code), result.error().message);
    } else if (!request->quiet) {
      answer.deleted.push_back({item.key, *result});
    }
  }
  return AnswerXml(call, s3wire::WriteDeleteAnswer(answer));
}

S3Answer S3Bucket::ChangeVersioning(S3Call& call) {
  if (!set_versioning_) return Refuse("NotImplemented", "The versioning of this bucket cannot be changed.");
  const auto state = s3wire::ParseVersioning(call.body);
  if (!state.ok() || *state == VersioningState::kOff) {
    return RefuseViolation(call, "MalformedXML", "not a VersioningConfiguration with a Status");
  }
  set_versioning_(*state);
  return {};
}

}  // namespace pailfs
