#include "tests/support/s3_authentication.h"

#include <algorithm>
#include <cstdlib>

#include "base/hash.h"
#include "base/s3wire/dates.h"
#include "base/str.h"
#include "tests/support/s3_checksum.h"

namespace pailfs {
namespace {

constexpr int64_t kMaxSkewUs = int64_t{15} * 60 * 1'000'000;

struct Authorization {
  std::string access_key_id;
  std::string scope;  // date/region/service/aws4_request
  std::string region;
  std::string signed_headers;
  std::string signature;
};

// The value of `name` in "name=value,name=value".
std::string Field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    std::string_view field = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (field.starts_with(' ')) field.remove_prefix(1);
    if (field.starts_with(name) && field.substr(name.size()).starts_with('=')) {
      return std::string(field.substr(name.size() + 1));
    }
  }
  return {};
}

std::optional<Authorization> ReadAuthorization(std::string_view header) {
  if (!header.starts_with(s3wire::kSigningAlgorithm)) return {};
  header.remove_prefix(s3wire::kSigningAlgorithm.size());
  Authorization read;
  const std::string credential = Field(header, "Credential");
  read.signed_headers = Field(header, "SignedHeaders");
  read.signature = Field(header, "Signature");
  const size_t slash = credential.find('/');
  if (slash == std::string::npos || read.signed_headers.empty() || read.signature.empty()) return {};
  read.access_key_id = credential.substr(0, slash);
  read.scope = credential.substr(slash + 1);
  const size_t region = read.scope.find('/');
  if (region == std::string::npos) return {};
  read.region = read.scope.substr(region + 1, read.scope.find('/', region + 1) - region - 1);
  return read;
}

std::vector<std::string> Names(std::string_view signed_headers) {
  std::vector<std::string> names;
  while (!signed_headers.empty()) {
    const size_t end = std::min(signed_headers.find(';'), signed_headers.size());
    names.emplace_back(signed_headers.substr(0, end));
    signed_headers.remove_prefix(std::min(end + 1, signed_headers.size()));
  }
  return names;
}

bool MustBeSigned(const std::string& lower_name) {
  return lower_name == "host" || lower_name == "content-type" || lower_name == "content-md5" ||
         lower_name.starts_with("x-amz-");
}

// The headers that are signed; a refusal where one that must be is not.
std::optional<S3Answer> SignedHeaders(const std::vector<std::string>& names, S3Call& call, s3wire::Headers& headers) {
  for (const auto& [name, value] : call.headers) {
    const std::string lower = LowerHeaderName(name);
    if (std::find(names.begin(), names.end(), lower) != names.end()) {
      headers.emplace_back(name, value);
    } else if (MustBeSigned(lower)) {
      return RefuseViolation(call, "AccessDenied", StrCat("the header ", name, " is not signed"));
    }
  }
  for (const std::string& name : names) {
    if (call.Header(name) == nullptr) {
      return RefuseViolation(call, "AccessDenied", StrCat("the header ", name, " is signed and not there"));
    }
  }
  return {};
}

S3Answer RefuseRegion(const S3AccessRules& rules) {
  S3Answer answer = rules.redirect_regions
                        ? Refuse("PermanentRedirect", "The bucket must be addressed at its own endpoint.")
                        : Refuse("AuthorizationHeaderMalformed",
                                 StrCat("The region of the signature is wrong; '", rules.region, "' is expected."));
  answer.error->region = rules.region;
  if (rules.redirect_regions) answer.error->endpoint = StrCat("s3.", rules.region, ".amazonaws.com");
  answer.headers.emplace_back("x-amz-bucket-region", rules.region);
  return answer;
}

std::optional<S3Answer> CheckToken(const S3AccessRules& rules, const S3Call& call) {
  const std::string token = call.HeaderOr("x-amz-security-token", "");
  if (token == rules.credentials.session_token) return {};
  return Refuse("InvalidToken", "The session token is not the one of this key.");
}

std::optional<S3Answer> CheckPayloadHash(const S3AccessRules& rules, S3Call& call) {
  const std::string hash = call.HeaderOr("x-amz-content-sha256", "");
  if (hash == s3wire::kUnsignedPayload) {
    if (rules.unsigned_payloads) return {};
    return RefuseViolation(call, "InvalidRequest", "an unsigned payload without TLS");
  }
  if (hash == s3wire::PayloadSha256(call.body)) return {};
  if (hash.starts_with("STREAMING-")) return RefuseViolation(call, "NotImplemented", StrCat("a payload of ", hash));
  return Refuse("XAmzContentSHA256Mismatch", "The body is not the one whose hash was signed.");
}

}  // namespace

std::optional<S3Answer> CheckSignature(const S3AccessRules& rules, S3Call& call) {
  const std::string* header = call.Header("Authorization");
  if (header == nullptr) {
    if (rules.anonymous_reads && (call.method == "GET" || call.method == "HEAD")) return {};
    return Refuse("AccessDenied", "The request is not signed.");
  }
  const auto authorization = ReadAuthorization(*header);
  if (!authorization) return RefuseViolation(call, "AuthorizationHeaderMalformed", "Authorization cannot be read");
  if (call.Header("x-amz-content-sha256") == nullptr) {
    return RefuseViolation(call, "InvalidRequest", "no x-amz-content-sha256");
  }
  const auto time_us = s3wire::ParseIso8601Basic(call.HeaderOr("x-amz-date", ""));
  if (!time_us.ok()) return RefuseViolation(call, "AccessDenied", "no x-amz-date that can be read");
  if (std::abs(*time_us - rules.now_us) > kMaxSkewUs) {
    return Refuse("RequestTimeTooSkewed", "The clocks of client and server differ by more than 15 minutes.");
  }
  if (authorization->access_key_id != rules.credentials.access_key_id) {
    return Refuse("InvalidAccessKeyId", "There is no such access key.");
  }
  if (auto refusal = CheckToken(rules, call)) return refusal;
  if (authorization->region != rules.region) return RefuseRegion(rules);
  s3wire::SigningScope scope;
  scope.time_us = *time_us;
  scope.region = rules.region;
  if (authorization->scope != scope.Text()) {
    return RefuseViolation(call, "AuthorizationHeaderMalformed", "the scope is not of the date and of s3");
  }
  s3wire::SignableRequest request{call.method, call.path, call.query, {}};
  if (auto refusal = SignedHeaders(Names(authorization->signed_headers), call, request.headers)) return refusal;
  const std::string signature = s3wire::SignatureOf(
      s3wire::SigningKey(rules.credentials.secret_access_key, scope),
      s3wire::StringToSign(scope, s3wire::CanonicalRequest(request, call.HeaderOr("x-amz-content-sha256", ""))));
  if (signature == authorization->signature) return {};
  return Refuse("SignatureDoesNotMatch", "The signature is not that of the secret key over this request.");
}

std::optional<S3Answer> CheckBody(const S3AccessRules& rules, S3Call& call) {
  const bool sends_body = call.method == "PUT" || call.method == "POST";
  if (sends_body && call.Header("Content-Length") == nullptr) {
    return RefuseViolation(call, "MissingContentLength", "no Content-Length");
  }
  if (call.Header("Authorization") != nullptr) {
    if (auto refusal = CheckPayloadHash(rules, call)) return refusal;
  }
  if (const std::string* md5 = call.Header("Content-MD5")) {
    std::string digest;
    if (!Base64Decode(*md5, &digest) || digest.size() != Md5Digest{}.size()) {
      return RefuseViolation(call, "InvalidDigest", "Content-MD5 is not the base64 of 16 bytes");
    }
    const Md5Digest actual = Md5Of(call.body);
    if (!std::equal(digest.begin(), digest.end(), actual.begin(),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; })) {
      return Refuse("BadDigest", "The body does not have this Content-MD5.");
    }
  }
  // Those of CompleteMultipartUpload are of the object, not of the body.
  if (!rules.verify_checksums || call.operation == S3Operation::kCompleteMultipartUpload) return {};
  const s3wire::Headers checksums = ChecksumHeaders(call);
  if (checksums.size() > 1) return RefuseViolation(call, "InvalidRequest", "more than one checksum");
  for (const auto& [name, value] : checksums) {
    const std::string actual = S3Checksum(std::string_view(name).substr(kS3ChecksumPrefix.size()), call.body);
    if (actual.empty()) return RefuseViolation(call, "NotImplemented", StrCat(name, " cannot be verified"));
    if (value != Base64Encode(actual)) return Refuse("BadDigest", StrCat("The body does not have this ", name, "."));
  }
  return {};
}

}  // namespace pailfs
