#include "base/s3wire/sigv4.h"

#include <gtest/gtest.h>

#include "base/s3wire/dates.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

// The examples of the Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
const Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
constexpr int64_t kTimeUs = 1'369'353'600'000'000;
const SigningScope kScope{kTimeUs, "us-east-1"};
constexpr std::string_view kCredential =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=";

SignableRequest Request(std::string method, std::string path, Query query = {}, Headers headers = {}) {
  headers.emplace_back("Host", "examplebucket.s3.amazonaws.com");
  return {std::move(method), std::move(path), std::move(query), std::move(headers)};
}

std::string HeaderOf(const SignableRequest& request, std::string_view name) {
  for (const auto& [header, value] : request.headers) {
    if (header == name) return value;
  }
  return "(none)";
}

TEST(SigV4Examples, GetObjectWithRange) {
  SignableRequest request = Request("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}});
  const auto signature = SignRequest(request, kEmptyPayloadSha256, kExample, kScope);
  ASSERT_TRUE(signature.ok());
  EXPECT_EQ(*signature, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(HeaderOf(request, "Authorization"),
            StrCat(kCredential, "host;range;x-amz-content-sha256;x-amz-date,Signature=", *signature));
  EXPECT_EQ(HeaderOf(request, "x-amz-date"), "20130524T000000Z");
  EXPECT_EQ(HeaderOf(request, "x-amz-content-sha256"), kEmptyPayloadSha256);
  EXPECT_EQ(HeaderOf(request, "x-amz-security-token"), "(none)");
}

TEST(SigV4Examples, EveryStepOfGetObject) {
  const SignableRequest request = Request("GET", "/test.txt", {},
                                          {{"Range", "bytes=0-9"},
                                           {"x-amz-content-sha256", std::string(kEmptyPayloadSha256)},
                                           {"x-amz-date", "20130524T000000Z"}});
  const std::string canonical = CanonicalRequest(request, kEmptyPayloadSha256);
  EXPECT_EQ(canonical,
            StrCat("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:",
                   kEmptyPayloadSha256, "\nx-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n",
                   kEmptyPayloadSha256));
  EXPECT_EQ(StringToSign(kScope, canonical),
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
            "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
}

TEST(SigV4Examples, PutObjectWithStorageClass) {
  SignableRequest request =
      Request("PUT", "/test$file.text", {},
              {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}});
  const std::string hash = PayloadSha256("Welcome to Amazon S3.");
  EXPECT_EQ(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  const auto signature = SignRequest(request, hash, kExample, kScope);
  ASSERT_TRUE(signature.ok());
  EXPECT_EQ(*signature, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(
      HeaderOf(request, "Authorization"),
      StrCat(kCredential, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=", *signature));
}

TEST(SigV4Examples, GetBucketLifecycle) {
  SignableRequest request = Request("GET", "/", {{"lifecycle", ""}});
  EXPECT_EQ(*SignRequest(request, kEmptyPayloadSha256, kExample, kScope),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4Examples, ListObjects) {
  SignableRequest request = Request("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}});
  EXPECT_EQ(*SignRequest(request, kEmptyPayloadSha256, kExample, kScope),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4Examples, PresignedUrl) {
  EXPECT_EQ(*PresignQuery(Request("GET", "/test.txt"), kExample, kScope, 86'400),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
            "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
            "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4Examples, UploadInChunks) {
  constexpr uint64_t kDecoded = 66'560;
  constexpr uint64_t kChunk = 65'536;
  EXPECT_EQ(ChunkedSizeBytes(kDecoded, kChunk), 66'824U);
  SignableRequest request = {"PUT",
                             "/examplebucket/chunkObject.txt",
                             {},
                             {{"Host", "s3.amazonaws.com"},
                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                              {"Content-Encoding", "aws-chunked"},
                              {"x-amz-decoded-content-length", StrCat(kDecoded)},
                              {"Content-Length", StrCat(ChunkedSizeBytes(kDecoded, kChunk))}}};
  const auto seed = SignRequest(request, kStreamingPayload, kExample, kScope);
  ASSERT_TRUE(seed.ok());
  EXPECT_EQ(*seed, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");

  ChunkSigner signer(SigningKey(kExample.secret_access_key, kScope), kScope, *seed);
  const std::string first(kChunk, 'a');
  const std::string second(kDecoded - kChunk, 'a');
  std::string wire;
  for (const std::string& chunk : {first, second, std::string()}) {
    wire += StrCat(ChunkHeader(chunk.size(), signer.Sign(chunk)), chunk, "\r\n");
  }
  EXPECT_EQ(wire.size(), 66'824U);
  EXPECT_EQ(
      wire,
      StrCat("10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n", first,
             "\r\n", "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n", second,
             "\r\n", "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"));
}

TEST(SigV4, ChunkedSizes) {
  const auto framed = [](uint64_t size, uint64_t digits) { return digits + 17 + 64 + 2 + size + 2; };
  EXPECT_EQ(ChunkedSizeBytes(0, 8'192), framed(0, 1));
  EXPECT_EQ(ChunkedSizeBytes(1, 8'192), framed(1, 1) + framed(0, 1));
  EXPECT_EQ(ChunkedSizeBytes(8'192, 8'192), framed(8'192, 4) + framed(0, 1));
  EXPECT_EQ(ChunkedSizeBytes(2 * 8'192 + 15, 8'192), 2 * framed(8'192, 4) + framed(15, 1) + framed(0, 1));
}

TEST(SigV4, ThePathIsEncodedOnceAndNotNormalized) {
  const auto path_of = [](std::string path) {
    const std::string canonical = CanonicalRequest(Request("GET", std::move(path)), kUnsignedPayload);
    return canonical.substr(4, canonical.find('\n', 4) - 4);
  };
  EXPECT_EQ(path_of("/a//b/../c/./d"), "/a//b/../c/./d");
  EXPECT_EQ(path_of("/a b%20+ü"), "/a%20b%2520%2B%C3%BC");
}

TEST(SigV4, HeadersAreLoweredTrimmedJoinedAndSorted) {
  const SignableRequest request{
      "GET", "/", {}, {{"X-B", "  two   words\t here  "}, {"host", "h"}, {"x-a", "1"}, {"X-A", " 2"}, {"x-c", "  "}}};
  EXPECT_EQ(SignedHeaderNames(request.headers), "host;x-a;x-b;x-c");
  EXPECT_EQ(CanonicalRequest(request, kUnsignedPayload),
            "GET\n/\n\nhost:h\nx-a:1,2\nx-b:two words here\nx-c:\n\nhost;x-a;x-b;x-c\nUNSIGNED-PAYLOAD");
}

TEST(SigV4, TheSessionTokenIsAHeaderAndSigned) {
  Credentials temporary = kExample;
  temporary.session_token = "AQoDYXdzEPT//token==";
  SignableRequest request = Request("GET", "/k");
  const auto first = SignRequest(request, kEmptyPayloadSha256, temporary, kScope);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(HeaderOf(request, "x-amz-security-token"), temporary.session_token);
  EXPECT_NE(HeaderOf(request, "Authorization").find(";x-amz-security-token,"), std::string::npos);
  temporary.session_token += "x";
  EXPECT_NE(*SignRequest(request, kEmptyPayloadSha256, temporary, kScope), *first);
  const auto query = PresignQuery(Request("GET", "/k"), temporary, kScope, 60);
  ASSERT_TRUE(query.ok());
  EXPECT_NE(query->find("&X-Amz-Security-Token=AQoDYXdzEPT%2F%2Ftoken%3D%3Dx&"), std::string::npos);
}

TEST(SigV4, SigningAgainReplacesWhatSigningSet) {
  SignableRequest once = Request("GET", "/k");
  ASSERT_TRUE(SignRequest(once, kUnsignedPayload, kExample, kScope).ok());
  SignableRequest twice = Request("GET", "/k", {}, {{"X-Amz-Date", "old"}, {"authorization", "old"}});
  SigningScope earlier = kScope;
  earlier.time_us -= 3'600'000'000;
  ASSERT_TRUE(SignRequest(twice, kEmptyPayloadSha256, kExample, earlier).ok());
  ASSERT_TRUE(SignRequest(twice, kUnsignedPayload, kExample, kScope).ok());
  EXPECT_EQ(twice.headers, once.headers);
}

TEST(SigV4, TheKeyHoldsForADayARegionAndAService) {
  const Sha256Digest key = SigningKey(kExample.secret_access_key, kScope);
  SigningScope other = kScope;
  other.time_us += 86'399'000'000;
  EXPECT_EQ(SigningKey(kExample.secret_access_key, other), key);
  other.time_us += 1'000'000;
  EXPECT_NE(SigningKey(kExample.secret_access_key, other), key);
  EXPECT_NE(SigningKey(kExample.secret_access_key, {kTimeUs, "eu-west-1"}), key);
  EXPECT_NE(SigningKey(kExample.secret_access_key, {kTimeUs, "us-east-1", "sts"}), key);
  EXPECT_NE(SigningKey("another", kScope), key);
}

TEST(SigV4, RefusesWhatCannotBeSignedAndTellsNoSecrets) {
  const Credentials secret{"AKID", "the-secret-key", "the-session-token"};
  const auto refused = [&](const SignableRequest& request, const Credentials& credentials, const SigningScope& scope) {
    SignableRequest copy = request;
    const auto signature = SignRequest(copy, kUnsignedPayload, credentials, scope);
    EXPECT_TRUE(signature.Is(Errc::kInvalidArgument));
    EXPECT_EQ(copy.headers, request.headers);
    EXPECT_TRUE(PresignQuery(request, credentials, scope, 60).Is(Errc::kInvalidArgument));
    if (signature.ok()) return;
    EXPECT_EQ(signature.error().message.find("the-se"), std::string::npos) << signature.error().message;
  };
  const SignableRequest good = Request("GET", "/k");
  refused(good, {"", "the-secret-key", ""}, kScope);
  refused(good, {"AKID", "", "the-session-token"}, kScope);
  refused(good, {"AKID", "the-secret-key", "the-session-token\r\n"}, kScope);
  refused(good, {"AKID\n", "the-secret-key", ""}, kScope);
  refused(good, secret, {kTimeUs, ""});
  refused(Request("GET", ""), secret, kScope);
  refused(Request("GET", "k"), secret, kScope);
  refused({"GET", "/k", {}, {{"Range", "bytes=0-9"}}}, secret, kScope);
  refused(Request("GET", "/k", {}, {{"x-amz-meta-a", "the-secret-key\nx"}}), secret, kScope);
  refused(Request("GET", "/k", {}, {{"x\r\ny", "z"}}), secret, kScope);
  refused(Request("GET", "/k", {}, {{"", "z"}}), secret, kScope);
  for (const int64_t seconds : {int64_t{-1}, int64_t{0}, int64_t{604'801}}) {
    EXPECT_TRUE(PresignQuery(good, secret, kScope, seconds).Is(Errc::kInvalidArgument)) << seconds;
  }
  EXPECT_TRUE(PresignQuery(good, secret, kScope, 604'800).ok());
}

}  // namespace
}  // namespace pailfs::s3wire
