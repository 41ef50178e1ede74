// Single objects of the S3 imposter: Head, Get, Put, Copy, Delete.

#include <array>

#include "base/s3wire/dates.h"
#include "base/str.h"
#include "tests/support/s3_bucket.h"
#include "tests/support/s3_checksum.h"
#include "tests/support/string_sink.h"

namespace pailfs {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

// Whether a header with ETags ("*", or a list of quoted ones) names `etag`.
bool NamesEtag(std::string_view list, std::string_view etag) {
  return list == "*" || list.find(StrCat("\"", etag, "\"")) != std::string_view::npos;
}

S3Answer NotModified(const ObjectInfo& info) {
  S3Answer answer;
  answer.status = 304;
  AddPutHeaders({info.etag, info.version_id, info.last_modified_us}, answer);
  answer.headers.emplace_back("Last-Modified", s3wire::FormatHttpDate(info.last_modified_us));
  return answer;
}

// RFC 9110, 13.2.2: If-Match goes before If-Unmodified-Since, If-None-Match before If-Modified-Since.
std::optional<S3Answer> CheckReadConditions(S3Call& call, const ObjectInfo& info) {
  const int64_t modified_us = info.last_modified_us / kSecondUs * kSecondUs;
  const auto time = [&](std::string_view name) -> std::optional<int64_t> {
    const std::string* text = call.Header(name);
    if (text == nullptr) return {};
    const auto time_us = s3wire::ParseHttpDate(*text);
    return time_us.ok() ? std::optional<int64_t>(*time_us) : std::nullopt;
  };
  if (const std::string* match = call.Header("If-Match")) {
    if (*match != "*" && !Unquoted(*match)) {
      return RefuseViolation(call, "InvalidArgument", "If-Match is not an ETag in quotes");
    }
    if (!NamesEtag(*match, info.etag)) return Refuse("PreconditionFailed", "If-Match does not hold.");
  } else if (const auto since = time("If-Unmodified-Since"); since && modified_us > *since) {
    return Refuse("PreconditionFailed", "If-Unmodified-Since does not hold.");
  }
  if (const std::string* none = call.Header("If-None-Match")) {
    if (NamesEtag(*none, info.etag)) return NotModified(info);
  } else if (const auto since = time("If-Modified-Since"); since && modified_us <= *since) {
    return NotModified(info);
  }
  return {};
}

}  // namespace

std::optional<S3Answer> S3Bucket::CheckRead(S3Call& call, const ObjectInfo& info) {
  if (auto refusal = CheckCustomerKey(call, ExtrasOf(info.key, info.last_modified_us), "x-amz-")) return refusal;
  return CheckReadConditions(call, info);
}

// kNotFound means an absent key, an absent version or a delete marker; S3 tells them apart.
S3Answer S3Bucket::RefuseRead(const S3Call& call, const Error& error) {
  if (error.code != Errc::kNotFound) return RefuseError(error);
  const std::string version_id = call.ParameterOr("versionId", "");
  const auto found = FindVersion(call.key, version_id);
  const bool marker = found && found->is_delete_marker;
  S3Answer answer = version_id.empty() ? Refuse("NoSuchKey", "There is no such key.")
                    : marker           ? Refuse("MethodNotAllowed", "The version is a delete marker.")
                                       : Refuse("NoSuchVersion", "There is no such version.");
  if (marker) {
    answer.headers.emplace_back("x-amz-delete-marker", "true");
    answer.headers.emplace_back("x-amz-version-id", found->version_id);
    if (!version_id.empty()) {
      answer.headers.emplace_back("Last-Modified", s3wire::FormatHttpDate(found->last_modified_us));
    }
  }
  return answer;
}

S3Answer S3Bucket::Describe(const S3Call& call, const ObjectInfo& info) {
  S3Answer answer;
  AddPutHeaders({info.etag, info.version_id, info.last_modified_us}, answer);
  const ContentHeaders& headers = info.headers;
  const std::array<std::pair<std::string_view, std::string>, 8> all{
      {{"Last-Modified", s3wire::FormatHttpDate(info.last_modified_us)},
       {"Accept-Ranges", "bytes"},
       {"Content-Type", headers.type.empty() ? "binary/octet-stream" : headers.type},
       {"Content-Encoding", headers.encoding},
       {"Content-Disposition", headers.disposition},
       {"Content-Language", headers.language},
       {"Cache-Control", headers.cache_control},
       {"Expires", headers.expires}}};
  for (const auto& [name, value] : all) {
    if (!value.empty()) answer.headers.emplace_back(name, value);
  }
  for (const auto& [name, value] : info.metadata) answer.headers.emplace_back(StrCat("x-amz-meta-", name), value);
  const bool with_checksum = call.HeaderOr("x-amz-checksum-mode", "") == "ENABLED" && call.Header("Range") == nullptr;
  for (auto& [name, value] : ExtrasOf(info.key, info.last_modified_us)) {
    if (with_checksum || !name.starts_with(kS3ChecksumPrefix)) answer.headers.emplace_back(name, value);
  }
  return answer;
}

S3Answer S3Bucket::Read(S3Call& call) {
  constexpr int kTries = 10;
  VersionSelector version;
  version.version_id = call.ParameterOr("versionId", "");
  for (int i = 0; i < kTries; ++i) {
    const auto head = store_.Head(ctx_, call.key, version);
    if (!head.ok()) return RefuseRead(call, head.error());
    if (auto refusal = CheckRead(call, *head)) return *refusal;
    ByteRange range{0, head->size_bytes};
    const std::string* range_header = call.Header("Range");
    if (range_header != nullptr) {
      const auto read = ReadRange(*range_header, head->size_bytes);
      if (read.Is(Errc::kInvalidArgument)) return RefuseViolation(call, "InvalidArgument", read.error().message);
      if (!read.ok()) return Refuse("InvalidRange", read.error().message);
      range = *read;
    }
    StringSink sink;
    // What was looked at may have been replaced meanwhile.
    GetOptions options{.version = {head->version_id, {}}, .range = {}, .if_match = head->etag};
    if (range_header != nullptr) options.range = range;
    auto info = head;
    if (call.method == "GET") info = store_.Get(ctx_, call.key, options, sink);
    if (info.Is(Errc::kPreconditionFailed) || info.Is(Errc::kNotFound)) continue;
    if (!info.ok()) return RefuseError(info.error());
    S3Answer answer = Describe(call, *info);
    answer.body = sink.data();
    answer.headers.emplace_back("Content-Length", StrCat(range.length));
    if (range_header != nullptr) {
      answer.status = 206;
      answer.headers.emplace_back(
          "Content-Range", StrCat("bytes ", range.offset, "-", range.offset + range.length - 1, "/", head->size_bytes));
    }
    return answer;
  }
  return Refuse("InternalError", "The object changes all the time.");
}

S3Answer S3Bucket::Put(S3Call& call) {
  const bool versioned = store_.capabilities().versioning == VersioningState::kEnabled;
  const bool ignored = has(S3Quirk::kIgnorePutConditions) || (versioned && has(S3Quirk::kIgnoreVersionedPutConditions));
  PutOptions options;
  Extras extras;
  if (auto refusal = ReadPutOptions(call, options)) return *refusal;
  if (auto refusal = ReadConditions(call, ignored, options.conditions)) return *refusal;
  if (auto refusal = ReadExtras(call, extras)) return *refusal;
  StringBody body(call.body);
  const auto result = store_.Put(ctx_, call.key, body, options);
  if (!result.ok()) return RefuseWrite(call, options.conditions, result.error());
  S3Answer answer;
  AddPutHeaders(*result, answer);
  for (const auto& extra : extras) answer.headers.push_back(extra);
  RememberExtras(call.key, result->last_modified_us, std::move(extras));
  return answer;
}

S3Answer S3Bucket::Copy(S3Call& call) {
  CopySource source;
  PutOptions replaced;
  Extras extras;
  CopyOptions options;
  if (auto refusal = ReadCopySource(call, source)) return *refusal;
  if (auto refusal = ReadConditions(call, has(S3Quirk::kIgnoreCopyConditions), options.conditions)) return *refusal;
  if (auto refusal = ReadPutOptions(call, replaced)) return *refusal;
  if (auto refusal = ReadExtras(call, extras)) return *refusal;
  const std::string directive = call.HeaderOr("x-amz-metadata-directive", "COPY");
  if (directive != "COPY" && directive != "REPLACE") {
    return RefuseViolation(call, "InvalidArgument", "x-amz-metadata-directive is neither COPY nor REPLACE");
  }
  if (directive == "COPY" && !replaced.metadata.empty()) {
    return RefuseViolation(call, "InvalidArgument",
                           "metadata that is ignored without x-amz-metadata-directive: REPLACE");
  }
  options.source_version_id = source.version_id;
  options.source_if_match = source.if_match;
  options.directive = directive == "COPY" ? MetadataDirective::kCopy : MetadataDirective::kReplace;
  options.headers = std::move(replaced.headers);
  options.metadata = std::move(replaced.metadata);

  if (const auto info = store_.Head(ctx_, source.key, {source.version_id, {}}); info.ok()) {
    const Extras old = ExtrasOf(source.key, info->last_modified_us);
    if (auto refusal = CheckCustomerKey(call, old, "x-amz-copy-source-")) return *refusal;
    for (const auto& [name, value] : old) {
      if (name.starts_with(kS3ChecksumPrefix)) extras.emplace_back(name, value);
    }
  }
  const auto result = store_.Copy(ctx_, source.key, call.key, options);
  if (result.Is(Errc::kNotFound)) return Refuse("NoSuchKey", "There is no such copy source.");
  if (result.Is(Errc::kInvalidArgument)) return Refuse("InvalidRequest", result.error().message);
  if (!result.ok()) return RefuseWrite(call, options.conditions, result.error());
  RememberExtras(call.key, result->last_modified_us, std::move(extras));
  S3Answer answer = AnswerXml(call, s3wire::WriteCopyObjectAnswer(result->etag, ShownTime(result->last_modified_us)));
  if (!result->version_id.empty()) answer.headers.emplace_back("x-amz-version-id", result->version_id);
  if (!source.version_id.empty()) answer.headers.emplace_back("x-amz-copy-source-version-id", source.version_id);
  return answer;
}

S3Answer S3Bucket::Delete(S3Call& call) {
  DeleteItem item{.key = call.key, .version_id = call.ParameterOr("versionId", ""), .if_match = {}};
  const std::string* match = call.Header("If-Match");
  if (match != nullptr && !has(S3Quirk::kIgnoreDeleteConditions)) {
    const auto current = store_.Head(ctx_, call.key, {});
    item.if_match = *match == "*" && current.ok() ? current->etag : Unquoted(*match);
    if (*match != "*" && !item.if_match) {
      return RefuseViolation(call, "InvalidArgument", "If-Match is not an ETag in quotes");
    }
    if (current.Is(Errc::kNotFound)) return Refuse("NoSuchKey", "If-Match names an object that is not there.");
    // S3 looks at the current version, whichever is deleted.
    if (!item.version_id.empty() && current.ok()) {
      if (current->etag != *item.if_match) return Refuse("PreconditionFailed", "If-Match does not hold.");
      item.if_match.reset();
    }
  }
  const auto deleted = item.version_id.empty() ? std::nullopt : FindVersion(item.key, item.version_id);
  const auto result = store_.Delete(ctx_, item);
  if (!result.ok()) return RefuseError(result.error());
  S3Answer answer;
  answer.status = 204;
  if (result->made_delete_marker || (deleted && deleted->is_delete_marker)) {
    answer.headers.emplace_back("x-amz-delete-marker", "true");
  }
  if (!result->version_id.empty()) answer.headers.emplace_back("x-amz-version-id", result->version_id);
  return answer;
}

}  // namespace pailfs
