// AWS Signature Version 4 as S3 uses it: what is signed, with which key, and where the signature goes. Pure functions;
// any thread. Times are microseconds since 1970 UTC. Signatures are 64 lower-case hex digits.
//
// S3's own rules: the path is encoded once and is not normalized ("a//b/../c" is a key), and the payload's hash is
// always a header, or UNSIGNED-PAYLOAD in a presigned URL. Secret keys and session tokens never appear in an error.
//
// Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference: "Using the Authorization
// Header", "Using Query Parameters", "Transferring Payload in Multiple Chunks".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "base/s3wire/uri.h"

namespace pailfs::s3wire {

inline constexpr std::string_view kSigningAlgorithm = "AWS4-HMAC-SHA256";

// Values of x-amz-content-sha256 that stand in place of the hash of the body.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kStreamingPayload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
inline constexpr std::string_view kStreamingUnsignedPayloadTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
// The hash of an empty body.
inline constexpr std::string_view kEmptyPayloadSha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
// The hash of a body that is at hand.
std::string PayloadSha256(std::string_view body);

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: long-term credentials
};

// Where and when a signature holds.
struct SigningScope {
  int64_t time_us = 0;
  std::string region;
  std::string service = "s3";

  std::string Timestamp() const;  // "20130524T000000Z"
  std::string Text() const;       // "20130524/us-east-1/s3/aws4_request"
};

// Names in any case, values as sent. All of them are signed.
using Headers = std::vector<std::pair<std::string, std::string>>;

struct SignableRequest {
  std::string method;  // upper case
  std::string path;    // not encoded, begins with '/'; on the wire UriEncode(path, Slash::kKeep)
  Query query;         // not encoded; on the wire CanonicalQuery(query)
  Headers headers;     // with Host
};

// The steps, for tests and for the other end. `payload_hash` is hex or one of the constants above.
std::string SignedHeaderNames(const Headers& headers);  // "host;range;x-amz-date"
std::string CanonicalRequest(const SignableRequest& request, std::string_view payload_hash);
std::string StringToSign(const SigningScope& scope, std::string_view canonical_request);
// Depends on the scope's day, region and service only; worth keeping for a day. Secret.
Sha256Digest SigningKey(std::string_view secret_access_key, const SigningScope& scope);
std::string SignatureOf(const Sha256Digest& signing_key, std::string_view string_to_sign);

// Sets x-amz-date, x-amz-content-sha256, x-amz-security-token (with a session token) and Authorization in
// `request.headers`, in place of any that are there, and returns the signature (the seed of a ChunkSigner).
// kInvalidArgument: no credentials, no region, no Host, a path that does not begin with '/', or a header name or value
// with control characters; the request is then unchanged.
Result<std::string> SignRequest(SignableRequest& request, std::string_view payload_hash, const Credentials& credentials,
                                const SigningScope& scope);

// The query string (without '?') of a presigned URL, the request's own parameters included; the body stays unsigned.
// Whoever uses the URL must send request.headers as they are. kInvalidArgument as SignRequest, and unless 1 <=
// expires_seconds <= 604,800 (7 days).
Result<std::string> PresignQuery(const SignableRequest& request, const Credentials& credentials,
                                 const SigningScope& scope, int64_t expires_seconds);

// Signs the chunks of a body sent as kStreamingPayload, each over the one before. On the wire a chunk is
// ChunkHeader(), its bytes, CRLF; the last one is empty. Not thread-safe.
class ChunkSigner {
 public:
  ChunkSigner(const Sha256Digest& signing_key, SigningScope scope, std::string seed_signature);
  // The signature of the next chunk.
  std::string Sign(std::string_view chunk);

 private:
  Sha256Digest signing_key_;
  SigningScope scope_;
  std::string previous_signature_;
};

// "10000;chunk-signature=<64 hex digits>\r\n"; the size is in hex.
std::string ChunkHeader(uint64_t chunk_bytes, std::string_view signature);
// Content-Length of `decoded_bytes` sent in chunks of `chunk_bytes` (> 0), the empty chunk included.
uint64_t ChunkedSizeBytes(uint64_t decoded_bytes, uint64_t chunk_bytes);

}  // namespace pailfs::s3wire
