// What the S3 imposter refuses, and what of it counts as a violation.

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "tests/support/results.h"
#include "tests/support/s3_imposter.h"
#include "tests/unit/s3client/raw_s3_client.h"

namespace pailfs {
namespace {

class StrictTest : public testing::Test {
 protected:
  void SetUp() override { imposter_.AddBucket("pail", store_); }

  // Expects a refusal with this code that is a violation.
  void ExpectViolation(
      std::string_view code, const RawRequest& request,
      const std::function<void(HttpMessage&)>& change = [](HttpMessage&) {}) {
    imposter_.ClearViolations();
    EXPECT_EQ(client_.CodeOfChanged(request, change), code);
    EXPECT_EQ(imposter_.violations().size(), 1U) << code;
  }
  void ExpectNoViolation() { EXPECT_TRUE(imposter_.violations().empty()) << imposter_.violations().front(); }

  MemoryStore store_{SystemClock()};
  S3Imposter imposter_;
  RawS3Client client_{imposter_.port(), imposter_.credentials()};
  const RawRequest list_{"GET", "/pail", {{"list-type", "2"}}};
  const RawRequest put_{"PUT", "/pail/k", {}, {}, "hello"};
};

TEST_F(StrictTest, KnowsWhoMaySign) {
  EXPECT_EQ(client_.Status(list_), 200);
  client_.credentials.secret_access_key = "other";
  EXPECT_EQ(client_.Code(list_), "SignatureDoesNotMatch");
  const auto head = client_.Send(RawRequest{"HEAD", "/pail/k"});
  ASSERT_OK(head);
  EXPECT_EQ(head->status(), 403);
  EXPECT_EQ(head->body, "");
  client_.credentials.access_key_id = "other";
  EXPECT_EQ(client_.Code(list_), "InvalidAccessKeyId");
  client_.credentials = {imposter_.credentials().access_key_id, imposter_.credentials().secret_access_key, "token"};
  EXPECT_EQ(client_.Code(list_), "InvalidToken");
  imposter_.SetCredentials(client_.credentials);
  EXPECT_EQ(client_.Status(list_), 200);
  EXPECT_EQ(client_.CodeOfChanged(list_, [](HttpMessage& message) { message.Remove("Authorization"); }),
            "AccessDenied");
  ExpectNoViolation();
}

TEST_F(StrictTest, KnowsWhatIsSigned) {
  const auto changed = [&](const std::function<void(HttpMessage&)>& change) {
    return client_.CodeOfChanged({"GET", "/pail/k", {{"versionId", "v"}}, {{"Range", "bytes=0-1"}}}, change);
  };
  EXPECT_EQ(changed([](HttpMessage& m) { m.Set("Range", "bytes=0-2"); }), "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](HttpMessage& m) { m.Set("Host", "other"); }), "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](HttpMessage& m) { m.start_line = "GET /pail/l?versionId=v HTTP/1.1"; }),
            "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](HttpMessage& m) { m.start_line = "GET /pail/k?versionId=w HTTP/1.1"; }),
            "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](HttpMessage& m) { m.start_line = "HEAD /pail/k?versionId=v HTTP/1.1"; }), "");
  ExpectNoViolation();
  client_.Disconnect();
  ExpectViolation("AccessDenied", put_, [](HttpMessage& m) { m.Set("x-amz-meta-a", "b"); });
  ExpectViolation("AccessDenied", put_, [](HttpMessage& m) { m.Set("Content-MD5", ContentMd5("hello")); });
  ExpectViolation("AccessDenied", put_, [](HttpMessage& m) { m.Set("Content-Type", "text/plain"); });
  ExpectViolation("InvalidRequest", put_, [](HttpMessage& m) { m.Remove("x-amz-content-sha256"); });
  ExpectViolation("InvalidRequest", put_, [](HttpMessage& m) { m.Remove("Host"); });
}

TEST_F(StrictTest, WantsClockAndRegion) {
  constexpr int64_t kMinuteUs = 60'000'000;
  for (const int64_t minutes : {-14, 14}) {
    client_.clock_skew_us = minutes * kMinuteUs;
    EXPECT_EQ(client_.Status(list_), 200);
  }
  for (const int64_t minutes : {-16, 16}) {
    client_.clock_skew_us = minutes * kMinuteUs;
    EXPECT_EQ(client_.Code(list_), "RequestTimeTooSkewed");
  }
  client_.clock_skew_us = 0;
  client_.region = "eu-west-1";
  const auto answer = client_.Send(list_);
  ASSERT_OK(answer);
  EXPECT_EQ(CodeOf(*answer), "AuthorizationHeaderMalformed");
  EXPECT_EQ(HeaderOf(*answer, "x-amz-bucket-region"), "us-east-1");
  EXPECT_NE(answer->body.find("<Region>us-east-1</Region>"), std::string::npos);
  ExpectNoViolation();
}

TEST_F(StrictTest, VerifiesBodies) {
  EXPECT_EQ(client_.CodeOfChanged(put_, [](HttpMessage& m) { m.body = "hellp"; }), "XAmzContentSHA256Mismatch");
  const auto with = [](std::string_view name, std::string_view value) {
    return RawRequest{"PUT", "/pail/k", {}, {{std::string(name), std::string(value)}}, "hello"};
  };
  EXPECT_EQ(client_.Status(with("Content-MD5", ContentMd5("hello"))), 200);
  EXPECT_EQ(client_.Code(with("Content-MD5", ContentMd5("other"))), "BadDigest");
  EXPECT_EQ(client_.Status(with("x-amz-checksum-crc32c", "mnG7TA==")), 200);
  EXPECT_EQ(client_.Code(with("x-amz-checksum-crc32c", "mnG7TQ==")), "BadDigest");
  EXPECT_EQ(client_.Status(with("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")), 200);
  EXPECT_EQ(client_.Code(with("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCR=")), "BadDigest");
  EXPECT_EQ(client_.Status(with("x-amz-checksum-crc32", "NhCmhg==")), 200);
  EXPECT_EQ(client_.Code(with("x-amz-checksum-crc64nvme", "NhCmhg==")), "BadDigest");
  ExpectNoViolation();
  ExpectViolation("InvalidDigest", with("Content-MD5", "short"));
  ExpectViolation("MissingContentLength", put_, [](HttpMessage& m) {
    m.Remove("Content-Length");
    m.body.clear();
  });
}

TEST_F(StrictTest, GivesChecksumsBackWhenAsked) {
  EXPECT_EQ(client_.Status({"PUT", "/pail/k", {}, {{"x-amz-checksum-crc32c", "mnG7TA=="}}, "hello"}), 200);
  const auto checksum = [&](s3wire::Headers headers) {
    return HeaderOf(client_.Send(RawRequest{"GET", "/pail/k", {}, std::move(headers)}).value(),
                    "x-amz-checksum-crc32c");
  };
  EXPECT_EQ(checksum({}), "");
  EXPECT_EQ(checksum({{"x-amz-checksum-mode", "ENABLED"}}), "mnG7TA==");
  EXPECT_EQ(checksum({{"x-amz-checksum-mode", "ENABLED"}, {"Range", "bytes=0-1"}}), "");
  EXPECT_EQ(client_.Status({"PUT", "/pail/k", {}, {}, "hello"}), 200);
  EXPECT_EQ(checksum({{"x-amz-checksum-mode", "ENABLED"}}), "");
}

TEST_F(StrictTest, WantsSignedPayloadsWithoutTls) {
  client_.payload_hash = s3wire::kUnsignedPayload;
  ExpectViolation("InvalidRequest", put_);
  S3Imposter behind_tls({.unsigned_payloads = true, .quirks = {}});
  behind_tls.AddBucket("pail", store_);
  RawS3Client client(behind_tls.port(), behind_tls.credentials());
  client.payload_hash = s3wire::kUnsignedPayload;
  EXPECT_EQ(client.Status(put_), 200);
  EXPECT_TRUE(behind_tls.violations().empty());
}

TEST_F(StrictTest, LetsStrangersReadWherePublic) {
  S3Imposter open({.anonymous_reads = true, .quirks = {}});
  open.AddBucket("pail", store_);
  RawS3Client client(open.port(), open.credentials());
  const auto anonymous = [&](const RawRequest& request) {
    return client.CodeOfChanged(request, [](HttpMessage& message) { message.Remove("Authorization"); });
  };
  EXPECT_EQ(anonymous(list_), "");
  EXPECT_EQ(anonymous({"GET", "/pail/none"}), "NoSuchKey");
  EXPECT_EQ(anonymous(put_), "AccessDenied");
}

TEST_F(StrictTest, RefusesWhatItDoesNotKnow) {
  ExpectViolation("InvalidArgument", {"GET", "/pail", {{"list-type", "2"}, {"max_keys", "1"}}});
  ExpectViolation("InvalidArgument", {"GET", "/pail/k", {{"response-content-type", "x"}}});
  ExpectViolation("InvalidArgument", {"PUT", "/pail/k", {}, {{"x-amz-metta-a", "b"}}, "hello"});
  ExpectViolation("InvalidArgument", {"GET", "/pail/k", {}, {{"x-amz-copy-source", "/pail/l"}}});
  ExpectViolation("NotImplemented", {"GET", "/pail"});
  ExpectViolation("NotImplemented", {"GET", "/pail/k", {{"partNumber", "1"}}});
  ExpectViolation("NotImplemented", {"PATCH", "/pail/k"});
  EXPECT_EQ(imposter_.requests(S3Operation::kUnknown), 3);
}

TEST_F(StrictTest, RefusesOtherEncodings) {
  const auto target = [](std::string_view text) {
    return [text = StrCat("GET ", text, " HTTP/1.1")](HttpMessage& message) { message.start_line = text; };
  };
  for (const std::string_view text : {"/pail/a+b", "/pail/a%2fb", "/pail/a%7Eb", "/pail/a%2Fb", "/pail/%zz", "pail/k",
                                      "/pail/(k)", "/pail?list-type=2&prefix=a+b", "/pail/k?versionId=%z"}) {
    ExpectViolation("InvalidURI", list_, target(text));
  }
}

TEST_F(StrictTest, RefusesWhatS3Forgives) {
  EXPECT_EQ(client_.Status(put_), 200);
  const auto put = [](std::string_view name, std::string_view value) {
    return RawRequest{"PUT", "/pail/k", {}, {{std::string(name), std::string(value)}}, {}};
  };
  ExpectViolation("InvalidArgument", put("If-Match", "5d41402abc4b2a76b9719d911017c592"));
  ExpectViolation("NotImplemented", put("If-None-Match", "\"5d41402abc4b2a76b9719d911017c592\""));
  ExpectViolation("InvalidArgument", put("x-amz-copy-source", "/pail/a b"));
  ExpectViolation("InvalidArgument", put("x-amz-copy-source", "/pail/a+b"));
  ExpectViolation("InvalidArgument", put("x-amz-copy-source", "/pail"));
  ExpectViolation("InvalidArgument", put("x-amz-meta-name", "ü"));
  ExpectViolation("InvalidArgument", {"GET", "/pail/k", {}, {{"If-Match", "5d41402abc4b2a76b9719d911017c592"}}});
  ExpectViolation("InvalidArgument", {"GET", "/pail/k", {}, {{"Range", "bytes=0-1,3-4"}}});
  ExpectViolation("InvalidArgument", {"DELETE", "/pail/k", {}, {{"If-Match", "5d41402abc4b2a76b9719d911017c592"}}});
  ExpectViolation(
      "InvalidArgument",
      {"PUT", "/pail/k", {}, {{"x-amz-copy-source", "/pail/k"}, {"x-amz-meta-a", "ignored without REPLACE"}}, {}});
  const std::vector<DeleteItem> items = {{.key = "a", .version_id = {}, .if_match = {}}};
  const std::string body = s3wire::WriteDelete(items, s3wire::DeleteReport::kAll).value();
  ExpectViolation("InvalidRequest", {"POST", "/pail", {{"delete", ""}}, {}, body});
  ExpectViolation("MalformedXML", {"POST", "/pail", {{"delete", ""}}, WithMd5("<Delete>"), "<Delete>"});
  EXPECT_EQ(client_.Status({"PUT", "/pail/\x01", {}, {}, "x"}), 200);
  ExpectViolation("InvalidArgument", list_);
}

TEST_F(StrictTest, HasTheLimitsOfS3) {
  EXPECT_EQ(client_.Code({"PUT", StrCat("/pail/", std::string(1025, 'k')), {}, {}, "x"}), "KeyTooLongError");
  EXPECT_EQ(client_.Code({"PUT", "/pail/k", {}, {{"x-amz-meta-a", std::string(2048, 'v')}}, "x"}), "MetadataTooLarge");
  EXPECT_EQ(client_.Status({"PUT", "/pail/k", {}, {{"x-amz-meta-a", std::string(2047, 'v')}}, "x"}), 200);
  ExpectNoViolation();
}

}  // namespace
}  // namespace pailfs
