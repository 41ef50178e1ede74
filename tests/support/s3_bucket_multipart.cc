// Multipart uploads of the S3 imposter.
//
// Checksums of uploads: the algorithm and the kind (composite or full object) are chosen by CreateMultipartUpload;
// parts may carry that algorithm and no other; a composite one needs each part's checksum again in
// CompleteMultipartUpload.

#include <algorithm>

#include "base/hash.h"
#include "base/str.h"
#include "tests/support/s3_bucket.h"
#include "tests/support/s3_checksum.h"
#include "tests/support/string_sink.h"

namespace pailfs {
namespace {

// For operations on an upload: kNotFound is the upload.
S3Answer RefuseUpload(const Error& error) {
  if (error.code == Errc::kNotFound) return Refuse("NoSuchUpload", "There is no such upload.");
  return RefuseError(error);
}

std::optional<int> PartNumber(S3Call& call) {
  const auto number = S3Number(call.Parameter("partNumber"), 0);
  if (number && *number >= 1 && *number <= kMaxParts) return number;
  return {};
}

}  // namespace

S3Bucket::Upload S3Bucket::UploadOf(const std::string& upload_id) {
  MutexLock lock(mu_);
  const auto it = uploads_.find(upload_id);
  return it == uploads_.end() ? Upload() : it->second;
}

void S3Bucket::RememberPart(const std::string& upload_id, int part_number, std::string_view bytes) {
  MutexLock lock(mu_);
  const auto it = uploads_.find(upload_id);
  if (it == uploads_.end() || it->second.checksum_algorithm.empty()) return;
  it->second.part_checksums[part_number] = S3Checksum(it->second.checksum_algorithm, bytes);
}

S3Answer S3Bucket::CreateUpload(S3Call& call) {
  PutOptions options;
  Upload upload;
  if (auto refusal = ReadPutOptions(call, options)) return *refusal;
  if (auto refusal = ReadExtras(call, upload.extras)) return *refusal;
  if (!has(S3Quirk::kNoChecksums)) {
    upload.checksum_algorithm = LowerHeaderName(call.HeaderOr("x-amz-checksum-algorithm", ""));
    const std::string kind = call.HeaderOr("x-amz-checksum-type", "");
    upload.full_object_checksum = kind == "FULL_OBJECT" || upload.checksum_algorithm == "crc64nvme";
    const bool known = upload.checksum_algorithm.empty() || !S3Checksum(upload.checksum_algorithm, "").empty();
    if (!known || (upload.full_object_checksum && upload.checksum_algorithm == "sha256")) {
      return RefuseViolation(call, "InvalidRequest",
                             "an x-amz-checksum-algorithm that is not known, or not of this type");
    }
  }
  const auto upload_id = store_.CreateMultipartUpload(ctx_, call.key, options);
  if (!upload_id.ok()) return RefuseError(upload_id.error());
  {
    MutexLock lock(mu_);
    uploads_[*upload_id] = std::move(upload);
  }
  return AnswerXml(call, s3wire::WriteInitiateAnswer(name_, call.key, *upload_id));
}

std::optional<S3Answer> S3Bucket::CheckPartChecksum(S3Call& call) {
  {
    MutexLock lock(mu_);
    if (!uploads_.contains(*call.Parameter("uploadId"))) return {};  // the store says that there is none
  }
  const Upload upload = UploadOf(*call.Parameter("uploadId"));
  if (auto refusal = CheckCustomerKey(call, upload.extras, "x-amz-")) return refusal;
  if (has(S3Quirk::kNoChecksums)) return {};
  for (const auto& [name, value] : ChecksumHeaders(call)) {
    if (name == StrCat(kS3ChecksumPrefix, upload.checksum_algorithm)) continue;
    return RefuseViolation(call, "InvalidRequest",
                           "the checksum is not of the algorithm that the upload was created with");
  }
  return {};
}

S3Answer S3Bucket::UploadPart(S3Call& call) {
  const std::string& upload_id = *call.Parameter("uploadId");
  const auto part_number = PartNumber(call);
  if (!part_number) return RefuseViolation(call, "InvalidArgument", "partNumber is not 1 to 10,000");
  if (auto refusal = CheckPartChecksum(call)) return *refusal;
  StringBody body(call.body);
  const auto part = store_.UploadPart(ctx_, call.key, upload_id, *part_number, body);
  if (!part.ok()) return RefuseUpload(part.error());
  RememberPart(upload_id, *part_number, call.body);
  S3Answer answer;
  AddPutHeaders({part->etag, {}, 0}, answer);
  if (!has(S3Quirk::kNoChecksums)) {
    for (const auto& checksum : ChecksumHeaders(call)) answer.headers.push_back(checksum);
  }
  return answer;
}

S3Answer S3Bucket::UploadPartCopy(S3Call& call) {
  const std::string& upload_id = *call.Parameter("uploadId");
  const auto part_number = PartNumber(call);
  if (!part_number) return RefuseViolation(call, "InvalidArgument", "partNumber is not 1 to 10,000");
  CopySource source;
  if (auto refusal = ReadCopySource(call, source)) return *refusal;
  if (auto refusal = CheckPartChecksum(call)) return *refusal;
  const auto info = store_.Head(ctx_, source.key, {source.version_id, {}});
  if (info.Is(Errc::kNotFound)) return Refuse("NoSuchKey", "There is no such copy source.");
  if (!info.ok()) return RefuseError(info.error());
  const Extras extras = ExtrasOf(source.key, info->last_modified_us);
  if (auto refusal = CheckCustomerKey(call, extras, "x-amz-copy-source-")) return *refusal;
  PartCopySource copied{source.key, source.version_id, source.if_match, {0, info->size_bytes}};
  if (const std::string* text = call.Header("x-amz-copy-source-range")) {
    const auto range = ReadRange(*text, info->size_bytes);
    if (!range.ok() || *text != StrCat("bytes=", range->offset, "-", range->offset + range->length - 1)) {
      return Refuse("InvalidArgument", "The range is not bytes=first-last inside of the source.");
    }
    if (info->size_bytes <= min_part_bytes_) {
      return RefuseViolation(call, "InvalidRequest", "a range of a source that is not larger than the smallest part");
    }
    copied.range = *range;
  }
  StringSink bytes;
  const GetOptions options{.version = {source.version_id, {}}, .range = copied.range, .if_match = info->etag};
  if (copied.range.length > 0) {
    const auto read = store_.Get(ctx_, source.key, options, bytes);
    if (!read.ok()) return RefuseError(read.error());
  }
  if (!copied.if_match) copied.if_match = info->etag;
  const auto part = store_.UploadPartCopy(ctx_, call.key, upload_id, *part_number, copied);
  if (!part.ok()) return RefuseUpload(part.error());
  RememberPart(upload_id, *part_number, bytes.data());
  return AnswerXml(call, s3wire::WriteCopyPartAnswer(part->etag, ShownTime(info->last_modified_us)));
}

std::optional<S3Answer> S3Bucket::CheckParts(S3Call& call, std::span<const s3wire::CompletedPart> wanted,
                                             std::vector<UploadedPart>& parts) {
  const auto stored = store_.ListParts(ctx_, call.key, *call.Parameter("uploadId"));
  if (!stored.ok()) return RefuseUpload(stored.error());
  for (const s3wire::CompletedPart& part : wanted) {
    if (!parts.empty() && part.part_number <= parts.back().part_number) {
      return RefuseViolation(call, "InvalidPartOrder", "the parts are not in ascending order");
    }
    const auto found = std::find_if(stored->begin(), stored->end(), [&](const UploadedPart& known) {
      return known.part_number == part.part_number && known.etag == part.etag;
    });
    if (found == stored->end()) {
      return Refuse("InvalidPart", StrCat("Part ", part.part_number, " is not there or has another ETag."));
    }
    if (!parts.empty() && parts.back().size_bytes < min_part_bytes_) {
      return RefuseViolation(call, "EntityTooSmall", StrCat("part ", parts.back().part_number, " is too small"));
    }
    parts.push_back(*found);
  }
  return {};
}

std::optional<S3Answer> S3Bucket::CheckCompleteChecksums(S3Call& call, std::span<const s3wire::CompletedPart> wanted,
                                                         std::span<const UploadedPart> parts, Extras& extras) {
  Upload upload = UploadOf(*call.Parameter("uploadId"));
  extras = upload.extras;
  if (upload.checksum_algorithm.empty()) return {};
  std::string all;
  uint32_t crc = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string& checksum = upload.part_checksums[parts[i].part_number];
    const bool given = !wanted[i].checksum.empty();
    if (!given && !upload.full_object_checksum) {
      return RefuseViolation(call, "InvalidRequest", "CompleteMultipartUpload without the checksums of its parts");
    }
    if (given && wanted[i].checksum != Base64Encode(checksum)) {
      return Refuse("InvalidPart", StrCat("Part ", parts[i].part_number, " has another checksum."));
    }
    all += checksum;
    uint32_t part_crc = 0;
    for (const char c : checksum.substr(0, sizeof part_crc)) part_crc = part_crc << 8 | static_cast<uint8_t>(c);
    crc = Crc32cCombine(crc, part_crc, parts[i].size_bytes);
  }
  const std::string name = StrCat(kS3ChecksumPrefix, upload.checksum_algorithm);
  std::string value = StrCat(Base64Encode(S3Checksum(upload.checksum_algorithm, all)), "-", parts.size());
  if (upload.full_object_checksum) {
    // Other algorithms are not put together here: their objects have no checksum.
    if (upload.checksum_algorithm != "crc32c") return {};
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(crc >> shift));
    value = Base64Encode(bytes);
  }
  if (const std::string* given = call.Header(name); given != nullptr && *given != value) {
    return Refuse("BadDigest", "The object does not have this checksum.");
  }
  extras.emplace_back(name, value);
  extras.emplace_back("x-amz-checksum-type", upload.full_object_checksum ? "FULL_OBJECT" : "COMPOSITE");
  return {};
}

S3Answer S3Bucket::Complete(S3Call& call) {
  const std::string& upload_id = *call.Parameter("uploadId");
  const auto wanted = s3wire::ParseCompleteRequest(call.body);
  if (!wanted.ok()) return RefuseViolation(call, "MalformedXML", wanted.error().message);
  if (wanted->empty() || wanted->size() > static_cast<size_t>(kMaxParts)) {
    return RefuseViolation(call, "MalformedXML", "not 1 to 10,000 parts");
  }
  std::vector<UploadedPart> parts;
  Extras extras;
  Conditions conditions;
  if (auto refusal = CheckParts(call, *wanted, parts)) return *refusal;
  if (auto refusal = CheckCompleteChecksums(call, *wanted, parts, extras)) return *refusal;
  if (auto refusal = ReadConditions(call, has(S3Quirk::kIgnoreCompleteConditions), conditions)) return *refusal;
  const auto result = store_.CompleteMultipartUpload(ctx_, call.key, upload_id, parts, conditions);
  if (result.Is(Errc::kNotFound)) return RefuseUpload(result.error());
  if (!result.ok()) return RefuseWrite(call, conditions, result.error());
  RememberExtras(call.key, result->last_modified_us, std::move(extras));
  {
    MutexLock lock(mu_);
    uploads_.erase(upload_id);
  }
  const std::string etag = has(S3Quirk::kEmptyCompleteEtag) ? "" : result->etag;
  S3Answer answer = AnswerXml(call, s3wire::WriteCompleteAnswer(name_, call.key, etag));
  if (!result->version_id.empty()) answer.headers.emplace_back("x-amz-version-id", result->version_id);
  return answer;
}

S3Answer S3Bucket::Abort(S3Call& call) {
  const std::string& upload_id = *call.Parameter("uploadId");
  const Status aborted = store_.AbortMultipartUpload(ctx_, call.key, upload_id);
  if (!aborted.ok()) return RefuseUpload(aborted.error());
  MutexLock lock(mu_);
  uploads_.erase(upload_id);
  S3Answer answer;
  answer.status = 204;
  return answer;
}

S3Answer S3Bucket::ListParts(S3Call& call) {
  const std::string& upload_id = *call.Parameter("uploadId");
  const auto after = S3Number(call.Parameter("part-number-marker"), 0);
  const auto most = S3Number(call.Parameter("max-parts"), kMaxListKeys);
  if (!after || !most) return RefuseViolation(call, "InvalidArgument", "max-parts or part-number-marker is no number");
  const auto parts = store_.ListParts(ctx_, call.key, upload_id);
  if (!parts.ok()) return RefuseUpload(parts.error());
  s3wire::ListPartsAnswer answer;
  for (const UploadedPart& part : *parts) {
    if (part.part_number <= *after) continue;
    if (answer.parts.size() == static_cast<size_t>(std::min(*most, kMaxListKeys))) {
      answer.truncated = true;
      answer.next_part_number_marker = answer.parts.empty() ? *after : answer.parts.back().part_number;
      break;
    }
    answer.parts.push_back(part);
  }
  return AnswerXml(call, s3wire::WriteListPartsAnswer(name_, {call.key, upload_id, 0}, *most, answer));
}

}  // namespace pailfs
