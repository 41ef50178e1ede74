#include "s3client/object_headers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "base/s3wire/dates.h"
#include "base/str.h"
#include "s3client/header_text.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kMetaPrefix = "x-amz-meta-";

template <typename Content>
auto ContentFields(Content& content) {
  return std::array{std::pair{std::string_view("content-type"), &content.type},
                    std::pair{std::string_view("content-encoding"), &content.encoding},
                    std::pair{std::string_view("content-disposition"), &content.disposition},
                    std::pair{std::string_view("content-language"), &content.language},
                    std::pair{std::string_view("cache-control"), &content.cache_control},
                    std::pair{std::string_view("expires"), &content.expires}};
}

// RFC 9110, 5.6.2.
bool IsToken(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

void AppendCustomerKey(s3wire::Headers& headers, const S3Options& options, std::string_view prefix) {
  if (options.encryption != ServerSideEncryption::kCustomerKey) return;
  const Md5Digest md5 = Md5Of(options.customer_key);
  headers.emplace_back(StrCat(prefix, "server-side-encryption-customer-algorithm"), "AES256");
  headers.emplace_back(StrCat(prefix, "server-side-encryption-customer-key"), Base64Encode(options.customer_key));
  headers.emplace_back(StrCat(prefix, "server-side-encryption-customer-key-md5"),
                       Base64Encode({reinterpret_cast<const char*>(md5.data()), md5.size()}));
}

}  // namespace

Status AppendObjectHeaders(s3wire::Headers& headers, const ContentHeaders& content, const UserMetadata& metadata) {
  for (const auto& [name, value] : ContentFields(content)) {
    if (!value->empty()) headers.emplace_back(name, *value);
  }
  for (const auto& [name, value] : metadata) {
    if (!IsToken(name)) return Error{Errc::kInvalidArgument, StrCat("no name of user metadata: '", name, "'")};
    headers.emplace_back(StrCat(kMetaPrefix, name), EncodeHeaderText(value));
  }
  return {};
}

void AppendOptionHeaders(s3wire::Headers& headers, const S3Options& options, Carries carries) {
  if (options.requester_pays) headers.emplace_back("x-amz-request-payer", "requester");
  if (carries == Carries::kNothing) return;
  AppendCustomerKey(headers, options, "x-amz-");
  if (carries != Carries::kNewObject) return;
  if (options.encryption == ServerSideEncryption::kS3) headers.emplace_back("x-amz-server-side-encryption", "AES256");
  if (options.encryption == ServerSideEncryption::kKms) {
    headers.emplace_back("x-amz-server-side-encryption", "aws:kms");
    if (!options.kms_key_id.empty()) {
      headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", options.kms_key_id);
    }
  }
  if (!options.storage_class.empty()) headers.emplace_back("x-amz-storage-class", options.storage_class);
  if (!options.acl.empty()) headers.emplace_back("x-amz-acl", options.acl);
  if (!options.tagging.empty()) headers.emplace_back("x-amz-tagging", options.tagging);
}

void AppendSourceKeyHeaders(s3wire::Headers& headers, const S3Options& options) {
  AppendCustomerKey(headers, options, "x-amz-copy-source-");
}

std::string Quoted(std::string_view etag) {
  return StrCat('"', etag, '"');
}

std::string Unquoted(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

Result<ObjectInfo> ObjectInfoOf(std::string_view key, const HttpAnswer& answer) {
  ObjectInfo info;
  info.key = key;
  const auto text = [&answer](std::string_view name) {
    const std::string* value = answer.Find(name);
    return value != nullptr ? *value : std::string();
  };
  info.etag = Unquoted(text("etag"));
  if (info.etag.empty()) return Error{Errc::kCorrupt, "this is not an S3 server: its answer has no ETag"};
  info.version_id = text("x-amz-version-id");
  info.storage_class = text("x-amz-storage-class");
  if (const std::string* range = answer.Find("content-range")) {
    ASSIGN_OR_RETURN(const ContentRange parsed, ParseContentRange(*range));
    info.size_bytes = parsed.total;
  } else {
    const auto size = ParseUint(text("content-length"));
    if (!size) return Error{Errc::kCorrupt, "the answer says no size"};
    info.size_bytes = *size;
  }
  if (const std::string* modified = answer.Find("last-modified")) {
    ASSIGN_OR_RETURN(info.last_modified_us, s3wire::ParseHttpDate(*modified));
  }
  for (const auto& [name, field] : ContentFields(info.headers)) *field = text(name);
  for (const auto& [name, value] : answer.headers) {
    if (!name.starts_with(kMetaPrefix) || name.size() == kMetaPrefix.size()) continue;
    info.metadata.emplace_back(name.substr(kMetaPrefix.size()), DecodeHeaderText(value));
  }
  return info;
}

Result<ContentRange> ParseContentRange(std::string_view text) {
  const Error bad{Errc::kCorrupt, StrCat("the answer's Content-Range cannot be read: '", text.substr(0, 80), "'")};
  constexpr std::string_view kUnit = "bytes ";
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) {
    return bad;
  }
  const auto first = ParseUint(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = ParseUint(text.substr(dash + 1, slash - dash - 1));
  const auto total = ParseUint(text.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last >= *total) return bad;
  return ContentRange{*first, *last, *total};
}

std::string Md5OfEtag(const HttpAnswer& answer, std::string_view etag) {
  constexpr size_t kHexDigits = 32;
  const std::string* encryption = answer.Find("x-amz-server-side-encryption");
  if (encryption != nullptr && encryption->starts_with("aws:")) return "";
  if (answer.Find("x-amz-server-side-encryption-customer-algorithm") != nullptr) return "";
  if (etag.size() != kHexDigits) return "";
  std::string lower;
  for (const char c : etag) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return "";
    lower.push_back(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return lower;
}

}  // namespace pailfs::s3client
