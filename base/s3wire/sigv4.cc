#include "base/s3wire/sigv4.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/s3wire/dates.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

constexpr std::string_view kTerminator = "aws4_request";
constexpr std::string_view kCrlf = "\r\n";
constexpr std::string_view kChunkSignature = ";chunk-signature=";
constexpr size_t kSignatureBytes = 64;
constexpr int64_t kMostExpiresSeconds = 604'800;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// Without white space at the ends, and each run of it inside as one space.
std::string TrimAll(std::string_view value) {
  std::string out;
  bool space = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      space = !out.empty();
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    out.push_back(c);
  }
  return out;
}

// By lower-case name; values of a name that comes several times are joined with commas, in their order.
std::map<std::string, std::string> CanonicalHeaders(const Headers& headers) {
  std::map<std::string, std::string> canonical;
  for (const auto& [name, value] : headers) {
    const auto [it, added] = canonical.try_emplace(Lower(name), TrimAll(value));
    if (!added) it->second.append(",").append(TrimAll(value));
  }
  return canonical;
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7F; });
}

Status Check(const SignableRequest& request, const Credentials& credentials, const SigningScope& scope) {
  const auto bad = [](std::string_view what) {
    return Error{Errc::kInvalidArgument, StrCat("cannot sign the request: ", what)};
  };
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty())
    return bad("there are no credentials");
  if (HasControl(credentials.access_key_id) || HasControl(credentials.session_token)) {
    return bad("the access key id or the session token has control characters");
  }
  if (scope.region.empty() || scope.service.empty()) return bad("there is no region");
  if (!request.path.starts_with('/')) return bad("its path does not begin with '/'");
  bool host = false;
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || HasControl(name) || HasControl(value)) return bad("a header has control characters or no name");
    host = host || Lower(name) == "host";
  }
  return host ? Status() : Status(bad("it has no Host header"));
}

void SetHeader(Headers& headers, std::string_view name, std::string_view value) {
  std::erase_if(headers, [&](const auto& header) { return Lower(header.first) == name; });
  headers.emplace_back(name, value);
}

std::string_view Chars(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string HexNumber(uint64_t number) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, 16);
  return {digits, end.ptr};
}

uint64_t FramedChunkBytes(uint64_t chunk_bytes) {
  return HexNumber(chunk_bytes).size() + kChunkSignature.size() + kSignatureBytes + kCrlf.size() + chunk_bytes +
         kCrlf.size();
}

}  // namespace

std::string PayloadSha256(std::string_view body) {
  return Hex(Sha256Of(body));
}

std::string SigningScope::Timestamp() const {
  return FormatIso8601Basic(time_us);
}

std::string SigningScope::Text() const {
  return StrCat(FormatScopeDate(time_us), "/", region, "/", service, "/", kTerminator);
}

std::string SignedHeaderNames(const Headers& headers) {
  std::string names;
  for (const auto& [name, value] : CanonicalHeaders(headers)) {
    if (!names.empty()) names.push_back(';');
    names.append(name);
  }
  return names;
}

std::string CanonicalRequest(const SignableRequest& request, std::string_view payload_hash) {
  std::string text =
      StrCat(request.method, "\n", UriEncode(request.path, Slash::kKeep), "\n", CanonicalQuery(request.query), "\n");
  for (const auto& [name, value] : CanonicalHeaders(request.headers)) {
    text.append(name).append(":").append(value).append("\n");
  }
  return StrCat(text, "\n", SignedHeaderNames(request.headers), "\n", payload_hash);
}

std::string StringToSign(const SigningScope& scope, std::string_view canonical_request) {
  return StrCat(kSigningAlgorithm, "\n", scope.Timestamp(), "\n", scope.Text(), "\n", PayloadSha256(canonical_request));
}

Sha256Digest SigningKey(std::string_view secret_access_key, const SigningScope& scope) {
  const Sha256Digest day = HmacSha256(StrCat("AWS4", secret_access_key), FormatScopeDate(scope.time_us));
  const Sha256Digest region = HmacSha256(Chars(day), scope.region);
  const Sha256Digest service = HmacSha256(Chars(region), scope.service);
  return HmacSha256(Chars(service), kTerminator);
}

std::string SignatureOf(const Sha256Digest& signing_key, std::string_view string_to_sign) {
  return Hex(HmacSha256(Chars(signing_key), string_to_sign));
}

Result<std::string> SignRequest(SignableRequest& request, std::string_view payload_hash, const Credentials& credentials,
                                const SigningScope& scope) {
  RETURN_IF_ERROR(Check(request, credentials, scope));
  Headers& headers = request.headers;
  std::erase_if(headers, [](const auto& header) { return Lower(header.first) == "authorization"; });
  SetHeader(headers, "x-amz-date", scope.Timestamp());
  SetHeader(headers, "x-amz-content-sha256", payload_hash);
  if (!credentials.session_token.empty()) SetHeader(headers, "x-amz-security-token", credentials.session_token);
  std::string signature = SignatureOf(SigningKey(credentials.secret_access_key, scope),
                                      StringToSign(scope, CanonicalRequest(request, payload_hash)));
  std::string authorization = StrCat(kSigningAlgorithm, " Credential=", credentials.access_key_id, "/", scope.Text(),
                                     ",SignedHeaders=", SignedHeaderNames(headers), ",Signature=", signature);
  headers.emplace_back("Authorization", std::move(authorization));
  return signature;
}

Result<std::string> PresignQuery(const SignableRequest& request, const Credentials& credentials,
                                 const SigningScope& scope, int64_t expires_seconds) {
  RETURN_IF_ERROR(Check(request, credentials, scope));
  if (expires_seconds < 1 || expires_seconds > kMostExpiresSeconds) {
    return Error{Errc::kInvalidArgument,
                 StrCat("a presigned URL holds for 1 to ", kMostExpiresSeconds, " seconds, not ", expires_seconds)};
  }
  SignableRequest presigned = request;
  Query& query = presigned.query;
  query.emplace_back("X-Amz-Algorithm", kSigningAlgorithm);
  query.emplace_back("X-Amz-Credential", StrCat(credentials.access_key_id, "/", scope.Text()));
  query.emplace_back("X-Amz-Date", scope.Timestamp());
  query.emplace_back("X-Amz-Expires", StrCat(expires_seconds));
  query.emplace_back("X-Amz-SignedHeaders", SignedHeaderNames(presigned.headers));
  if (!credentials.session_token.empty()) query.emplace_back("X-Amz-Security-Token", credentials.session_token);
  const std::string signature = SignatureOf(SigningKey(credentials.secret_access_key, scope),
                                            StringToSign(scope, CanonicalRequest(presigned, kUnsignedPayload)));
  return StrCat(CanonicalQuery(query), "&X-Amz-Signature=", signature);
}

ChunkSigner::ChunkSigner(const Sha256Digest& signing_key, SigningScope scope, std::string seed_signature)
    : signing_key_(signing_key), scope_(std::move(scope)), previous_signature_(std::move(seed_signature)) {}

std::string ChunkSigner::Sign(std::string_view chunk) {
  const std::string text = StrCat(kSigningAlgorithm, "-PAYLOAD\n", scope_.Timestamp(), "\n", scope_.Text(), "\n",
                                  previous_signature_, "\n", kEmptyPayloadSha256, "\n", PayloadSha256(chunk));
  previous_signature_ = SignatureOf(signing_key_, text);
  return previous_signature_;
}

std::string ChunkHeader(uint64_t chunk_bytes, std::string_view signature) {
  return StrCat(HexNumber(chunk_bytes), kChunkSignature, signature, kCrlf);
}

uint64_t ChunkedSizeBytes(uint64_t decoded_bytes, uint64_t chunk_bytes) {
  const uint64_t rest = decoded_bytes % chunk_bytes;
  return decoded_bytes / chunk_bytes * FramedChunkBytes(chunk_bytes) + (rest != 0 ? FramedChunkBytes(rest) : 0) +
         FramedChunkBytes(0);
}

}  // namespace pailfs::s3wire
