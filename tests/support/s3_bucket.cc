#include "tests/support/s3_bucket.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/hash.h"
#include "base/s3wire/uri.h"
#include "base/str.h"
#include "tests/support/s3_checksum.h"

namespace pailfs {
namespace {

constexpr std::string_view kMeta = "x-amz-meta-";
constexpr std::string_view kCustomerKey = "x-amz-server-side-encryption-customer-key";
constexpr std::string_view kCustomerKeyMd5 = "x-amz-server-side-encryption-customer-key-md5";
constexpr std::string_view kCustomerAlgorithm = "x-amz-server-side-encryption-customer-algorithm";

// Is stored as it comes and comes back as it is.
constexpr std::array<std::string_view, 5> kStoredHeaders{"x-amz-storage-class", "x-amz-server-side-encryption",
                                                         "x-amz-server-side-encryption-aws-kms-key-id",
                                                         kCustomerAlgorithm, kCustomerKeyMd5};

bool IsPrintableAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

std::string ExtrasKey(std::string_view key, int64_t last_modified_us) {
  return StrCat(last_modified_us, " ", key);
}

}  // namespace

S3Bucket::S3Bucket(std::string name, ObjectStore& store, SetVersioning set_versioning, const S3Quirks& quirks,
                   uint64_t min_part_bytes)
    : name_(std::move(name)),
      store_(store),
      set_versioning_(std::move(set_versioning)),
      quirks_(quirks),
      min_part_bytes_(min_part_bytes),
      ctx_() {}

S3Answer S3Bucket::Handle(S3Call& call) {
  using enum S3Operation;
  switch (call.operation) {
    case kHeadBucket:
      return {};
    case kGetBucketVersioning:
      return AnswerXml(call, s3wire::WriteVersioningAnswer(store_.capabilities().versioning));
    case kPutBucketVersioning:
      return ChangeVersioning(call);
    case kListObjectsV2:
      return List(call);
    case kListObjectVersions:
      return ListVersions(call);
    case kListMultipartUploads:
      return ListUploads(call);
    case kDeleteObjects:
      return DeleteBatch(call);
    case kHeadObject:
    case kGetObject:
      return Read(call);
    case kPutObject:
      return Put(call);
    case kCopyObject:
      return Copy(call);
    case kDeleteObject:
      return Delete(call);
    case kCreateMultipartUpload:
      return CreateUpload(call);
    case kUploadPart:
      return UploadPart(call);
    case kUploadPartCopy:
      return UploadPartCopy(call);
    case kCompleteMultipartUpload:
      return Complete(call);
    case kAbortMultipartUpload:
      return Abort(call);
    case kListParts:
      return ListParts(call);
    case kCreateBucket:
    case kGetBucketLocation:
    case kUnknown:
      break;
  }
  return Refuse("NotImplemented", "not an operation on a bucket");
}

std::optional<S3Answer> S3Bucket::ReadPutOptions(S3Call& call, PutOptions& options) {
  ContentHeaders& headers = options.headers;
  headers.type = call.HeaderOr("Content-Type", "");
  headers.encoding = call.HeaderOr("Content-Encoding", "");
  headers.disposition = call.HeaderOr("Content-Disposition", "");
  headers.language = call.HeaderOr("Content-Language", "");
  headers.cache_control = call.HeaderOr("Cache-Control", "");
  headers.expires = call.HeaderOr("Expires", "");
  uint64_t bytes = 0;
  for (const auto& [name, value] : call.headers) {
    const std::string lower = LowerHeaderName(name);
    if (!lower.starts_with(kMeta)) continue;
    if (!IsPrintableAscii(value)) return RefuseViolation(call, "InvalidArgument", StrCat(name, " is not US-ASCII"));
    bytes += lower.size() - kMeta.size() + value.size();
    options.metadata.emplace_back(lower.substr(kMeta.size()), value);
  }
  if (bytes > store_.capabilities().max_user_metadata_bytes) {
    return Refuse("MetadataTooLarge", "The user metadata is too large.");
  }
  if (call.key.size() > kMaxKeyBytes) return Refuse("KeyTooLongError", "The key is too long.");
  return {};
}

std::optional<S3Answer> S3Bucket::ReadConditions(S3Call& call, bool ignored, Conditions& conditions) {
  if (ignored) return {};
  if (const std::string* none = call.Header("If-None-Match")) {
    if (*none != "*") return RefuseViolation(call, "NotImplemented", "If-None-Match of a write is only '*'");
    conditions.if_none_match_any = true;
  }
  const std::string* match = call.Header("If-Match");
  if (match == nullptr) return {};
  if (conditions.if_none_match_any) return RefuseViolation(call, "NotImplemented", "If-Match beside If-None-Match");
  conditions.if_match = Unquoted(*match);
  if (has(S3Quirk::kUnquotedIfMatchOnly) && call.operation == S3Operation::kPutObject) {
    if (conditions.if_match) return Refuse("PreconditionFailed", "If-Match does not hold.");
    conditions.if_match = *match;
  }
  if (!conditions.if_match) return RefuseViolation(call, "InvalidArgument", "If-Match is not an ETag in quotes");
  return {};
}

std::optional<S3Answer> S3Bucket::ReadCopySource(S3Call& call, CopySource& source) {
  const std::string header = call.HeaderOr("x-amz-copy-source", "");
  std::string_view path = header;
  if (path.starts_with('/')) path.remove_prefix(1);
  constexpr std::string_view kVersion = "?versionId=";
  if (const size_t question = path.find('?'); question != std::string_view::npos) {
    if (!path.substr(question).starts_with(kVersion)) {
      return RefuseViolation(call, "InvalidArgument", "the copy source has a query that is no versionId");
    }
    source.version_id = path.substr(question + kVersion.size());
    path = path.substr(0, question);
  }
  const auto decoded = s3wire::UriDecode(path, s3wire::Plus::kLiteral);
  if (!decoded.ok() || s3wire::UriEncode(*decoded, s3wire::Slash::kKeep) != path) {
    return RefuseViolation(call, "InvalidArgument", StrCat("the copy source ", path, " is not encoded as a path is"));
  }
  const size_t slash = decoded->find('/');
  if (slash == std::string::npos || slash + 1 == decoded->size()) {
    return RefuseViolation(call, "InvalidArgument", "the copy source is not bucket/key");
  }
  if (decoded->substr(0, slash) != name_) {
    return RefuseViolation(call, "NotImplemented", "a copy from another bucket");
  }
  source.key = decoded->substr(slash + 1);
  if (const std::string* match = call.Header("x-amz-copy-source-if-match")) {
    source.if_match = Unquoted(*match);
    if (!source.if_match) {
      return RefuseViolation(call, "InvalidArgument", "x-amz-copy-source-if-match is not an ETag in quotes");
    }
    if (has(S3Quirk::kIgnoreCopySourceConditions)) source.if_match.reset();
  }
  return {};
}

// S3 tells an If-Match on a key that is not there (404) from one that does not hold (412).
S3Answer S3Bucket::RefuseWrite(const S3Call& call, const Conditions& conditions, const Error& error) {
  if (error.code == Errc::kPreconditionFailed && conditions.if_match &&
      store_.Head(ctx_, call.key, {}).Is(Errc::kNotFound)) {
    return Refuse("NoSuchKey", "If-Match names an object that is not there.");
  }
  return RefuseError(error);
}

std::optional<ObjectInfo> S3Bucket::FindVersion(const std::string& key, const std::string& version_id) {
  ListVersionsRequest request;
  request.prefix = key;
  while (true) {
    const auto page = store_.ListVersions(ctx_, request);
    if (!page.ok()) return {};
    for (const ObjectInfo& info : page->versions) {
      if (info.key != key) return {};
      const std::string_view id = info.version_id.empty() ? "null" : std::string_view(info.version_id);
      if (version_id.empty() ? info.is_latest : id == version_id) return info;
    }
    if (!page->truncated) return {};
    request.key_marker = page->next_key_marker;
    request.version_id_marker = page->next_version_id_marker;
  }
}

std::optional<S3Answer> S3Bucket::ReadExtras(S3Call& call, Extras& extras) const {
  for (const std::string_view name : kStoredHeaders) {
    const std::string* value = call.Header(name);
    if (value != nullptr && *value != "STANDARD") extras.emplace_back(name, *value);
  }
  if (!has(S3Quirk::kNoChecksums)) {
    for (auto& checksum : ChecksumHeaders(call)) extras.push_back(std::move(checksum));
  }
  if (const std::string* key = call.Header(kCustomerKey)) {
    std::string bytes;
    const bool right =
        Base64Decode(*key, &bytes) && bytes.size() == 32 && call.HeaderOr(kCustomerAlgorithm, "") == "AES256";
    const Md5Digest digest = Md5Of(bytes);
    const std::string_view digest_bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
    if (!right || call.HeaderOr(kCustomerKeyMd5, "") != Base64Encode(digest_bytes)) {
      return RefuseViolation(call, "InvalidArgument", "a customer key that is not 32 bytes with their MD5, for AES256");
    }
  }
  return {};
}

void S3Bucket::RememberExtras(std::string_view key, int64_t last_modified_us, Extras extras) {
  if (extras.empty()) return;
  MutexLock lock(mu_);
  extras_[ExtrasKey(key, last_modified_us)] = std::move(extras);
}

S3Bucket::Extras S3Bucket::ExtrasOf(std::string_view key, int64_t last_modified_us) {
  MutexLock lock(mu_);
  const auto it = extras_.find(ExtrasKey(key, last_modified_us));
  return it == extras_.end() ? Extras() : it->second;
}

std::optional<S3Answer> S3Bucket::CheckCustomerKey(const S3Call& call, const Extras& extras,
                                                   std::string_view prefix) const {
  const std::string* needed = FindHeader(extras, kCustomerKeyMd5);
  const std::string* given = call.Header(StrCat(prefix, "server-side-encryption-customer-key-md5"));
  if ((needed == nullptr) != (given == nullptr)) {
    return Refuse("InvalidRequest", "The object and the request must agree on a customer key.");
  }
  if (needed != nullptr && *needed != *given) return Refuse("AccessDenied", "This is not the object's customer key.");
  return {};
}

int64_t S3Bucket::ShownTime(int64_t time_us) const {
  constexpr int64_t kSecondUs = 1'000'000;
  return has(S3Quirk::kWholeSecondTimes) ? time_us / kSecondUs * kSecondUs : time_us;
}

std::optional<int> S3Number(const std::string* text, int other) {
  if (text == nullptr) return other;
  const auto number = ParseUint(*text);
  if (!number || *number > static_cast<uint64_t>(std::numeric_limits<int>::max())) return {};
  return static_cast<int>(*number);
}

void AddPutHeaders(const PutResult& result, S3Answer& answer) {
  answer.headers.emplace_back("ETag", StrCat("\"", result.etag, "\""));
  if (!result.version_id.empty()) answer.headers.emplace_back("x-amz-version-id", result.version_id);
}

const std::string* FindHeader(const s3wire::Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (SameHeaderName(key, name)) return &value;
  }
  return nullptr;
}

Result<ByteRange> ReadRange(std::string_view text, uint64_t size_bytes) {
  const Error bad{Errc::kInvalidArgument, StrCat("the range ", text, " cannot be read")};
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return bad;
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return bad;
  const auto first = ParseUint(text.substr(0, dash));
  const auto last = ParseUint(text.substr(dash + 1));
  if ((!first && dash != 0) || (!last && dash + 1 != text.size()) || (!first && !last)) return bad;
  if (first && last && *last < *first) return bad;
  const Error nothing{Errc::kRange, "The range is not in the object."};
  if (!first) {
    const uint64_t length = std::min(*last, size_bytes);
    return length == 0 ? Result<ByteRange>(nothing) : ByteRange{size_bytes - length, length};
  }
  if (*first >= size_bytes) return nothing;
  return ByteRange{*first, std::min(last.value_or(size_bytes - 1), size_bytes - 1) - *first + 1};
}

std::optional<std::string> Unquoted(std::string_view etag) {
  if (etag.size() < 2 || !etag.starts_with('"') || !etag.ends_with('"')) return {};
  return std::string(etag.substr(1, etag.size() - 2));
}

}  // namespace pailfs
