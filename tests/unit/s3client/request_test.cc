// What goes over the wire, and what becomes of a request that fails.

#include <stop_token>

#include "base/s3wire/dates.h"
#include "tests/unit/s3client/store_fixture.h"

namespace pailfs::s3client {
namespace {

using Lines = std::vector<std::string>;

class RequestTest : public StoreFixture {};

// --- golden text ---

TEST_F(RequestTest, APutAsItIsSent) {
  transport_.Say({Stored("data")});
  StringBody body("data");
  PutOptions options;
  options.headers.type = "text/plain";
  options.metadata = {{"mode", "33188"}, {"name", "grün"}};
  options.conditions = Conditions::IfMatch("abc");
  ASSERT_OK(store().Put(ctx_, "a b/ü", body, options));
  const Asked asked = transport_.asked().at(0);
  std::string text = asked.line + "\n";
  for (const auto& [name, value] : asked.headers) text += StrCat(name, ": ", value.substr(0, 120), "\n");
  EXPECT_EQ(text,
            "PUT http://s3.test/bucket/a%20b/%C3%BC\n"
            "content-type: text/plain\n"
            "x-amz-meta-mode: 33188\n"
            "x-amz-meta-name: =?UTF-8?B?Z3LDvG4=?=\n"
            "if-match: \"abc\"\n"
            "content-md5: jXd/OF09/siBXSD3SWAm3A==\n"
            "host: s3.test\n"
            "x-amz-date: 20130524T000000Z\n"
            "x-amz-content-sha256: 3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=ID1/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=content-md5;content-type;host;if-match;\n");
  EXPECT_EQ(asked.body, "data");
}

TEST_F(RequestTest, AmazonIsAskedByVirtualHost) {
  options_.endpoint.clear();
  options_.requester_pays = true;
  transport_.Say({Object("x")});
  ASSERT_OK(store().Head(ctx_, "k", {.version_id = "v 1", .as_of_us = {}}));
  EXPECT_EQ(transport_.lines(), Lines{"HEAD https://bucket.s3.us-east-1.amazonaws.com/k?versionId=v%201"});
  EXPECT_EQ(transport_.asked()[0].Header("x-amz-request-payer"), "requester");
}

TEST_F(RequestTest, OverTlsTheBodyIsNotSigned) {
  options_.endpoint = "https://s3.test:9000/base/";
  transport_.Say({Stored("x")});
  ASSERT_OK(Put("x"));
  EXPECT_EQ(transport_.lines(), Lines{"PUT https://s3.test:9000/base/bucket/k"});
  EXPECT_EQ(transport_.asked()[0].Header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

TEST_F(RequestTest, CustomerKeysAndOptionsGoWithNewObjects) {
  options_.endpoint = "https://s3.test";
  options_.encryption = ServerSideEncryption::kCustomerKey;
  options_.customer_key = std::string(32, 'k');
  options_.storage_class = "STANDARD_IA";
  options_.tagging = "a=b";
  transport_.Say({Stored("x"), Object("x")});
  ASSERT_OK(Put("x"));
  ASSERT_OK(store().Head(ctx_, "k", {}));
  const auto asked = transport_.asked();
  EXPECT_EQ(asked[0].Header("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(asked[0].Header("x-amz-tagging"), "a=b");
  EXPECT_EQ(asked[1].Header("x-amz-storage-class"), "");
  for (const Asked& one : asked) {
    EXPECT_EQ(one.Header("x-amz-server-side-encryption-customer-algorithm"), "AES256");
    EXPECT_EQ(one.Header("x-amz-server-side-encryption-customer-key"), "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=");
  }
}

// --- what is repeated ---

TEST_F(RequestTest, ReadsAreRepeatedUntilTheySucceed) {
  transport_.Say({ErrorReply(503, "SlowDown"), ErrorReply(500, "InternalError"), Broken(Errc::kUnavailable, true),
                  Broken(Errc::kUnavailable, false), Object("x")});
  EXPECT_OK(store().Head(ctx_, "k", {}));
  EXPECT_EQ(transport_.asked().size(), 5U);
  EXPECT_EQ(metrics_.counter("s3.retries").value(), 4);
  EXPECT_EQ(metrics_.counter("s3.slow_downs").value(), 1);
}

TEST_F(RequestTest, AttemptsAreBounded) {
  transport_.Otherwise([](const Asked&) { return ErrorReply(503, "SlowDown"); });
  const auto listed = store().List(ctx_, {});
  EXPECT_ERRC(listed, Errc::kUnavailable);
  EXPECT_EQ(transport_.asked().size(), static_cast<size_t>(options_.retry.max_attempts));
}

TEST_F(RequestTest, APutThatCertainlyDidNotHappenIsRepeated) {
  transport_.Say({ErrorReply(503, "SlowDown"), ErrorReply(429, "TooManyRequests"), Broken(Errc::kUnavailable, false),
                  ErrorReply(409, "ConditionalRequestConflict"), ErrorReply(400, "BadDigest"), Stored("x")});
  EXPECT_OK(Put("x"));
  EXPECT_EQ(transport_.asked().size(), 6U);
  EXPECT_EQ(metrics_.counter("s3.slow_downs").value(), 2);
}

TEST_F(RequestTest, APutOfUnknownOutcomeIsAmbiguousAndNotRepeated) {
  for (const Reply& reply :
       {ErrorReply(500, "InternalError"), ErrorReply(502, ""), ErrorReply(504, ""), Broken(Errc::kUnavailable, true),
        Broken(Errc::kCorrupt, true), Broken(Errc::kCancelled, true), Broken(Errc::kTimedOut, true)}) {
    transport_.Say({reply});
    EXPECT_ERRC(Put("x"), Errc::kAmbiguous);
  }
  EXPECT_EQ(transport_.asked().size(), 7U);
}

TEST_F(RequestTest, WhatWasNotSentIsCancelled) {
  transport_.Say({Broken(Errc::kCancelled, false)});
  EXPECT_ERRC(Put("x"), Errc::kCancelled);
}

TEST_F(RequestTest, RefusalsAreFinal) {
  transport_.Say(
      {ErrorReply(403, "AccessDenied"), ErrorReply(412, "PreconditionFailed"), ErrorReply(403, "QuotaExceeded")});
  EXPECT_ERRC(Put("x"), Errc::kAccessDenied);
  EXPECT_ERRC(Put("x", Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_ERRC(Put("x"), Errc::kNoSpace);
  EXPECT_EQ(transport_.asked().size(), 3U);
}

TEST_F(RequestTest, ADeleteOfAVersionIsRepeatedButNeverForgotten) {
  transport_.Say({ErrorReply(500, "InternalError"), {.status = 204, .headers = {}, .body = "", .error = {}}});
  EXPECT_OK(store().Delete(ctx_, {"k", "v1", {}}));
  transport_.Say({ErrorReply(500, "InternalError"), ErrorReply(403, "AccessDenied")});
  EXPECT_ERRC(store().Delete(ctx_, {"k", "v1", {}}), Errc::kAmbiguous);
  transport_.Say({ErrorReply(500, "InternalError")});
  EXPECT_ERRC(store().Delete(ctx_, {"k", "", {}}), Errc::kAmbiguous);
  EXPECT_EQ(transport_.asked().size(), 5U);
}

TEST_F(RequestTest, PartsAreRepeated) {
  transport_.Say({ErrorReply(500, "InternalError"), Broken(Errc::kUnavailable, true), Stored("part")});
  StringBody body("part");
  const auto part = store().UploadPart(ctx_, "k", "id", 1, body);
  ASSERT_OK(part);
  EXPECT_EQ(part->etag, Hex(Md5Of("part")));
}

class ChangingBody : public BodySource {
 public:
  uint64_t size_bytes() const override { return 4; }
  Status ReadAt(uint64_t, std::span<std::byte> buffer) override {
    if (++reads_ > 1) return Error{Errc::kCancelled, "the file changed"};
    std::fill(buffer.begin(), buffer.end(), std::byte{'x'});
    return {};
  }

 private:
  int reads_ = 0;
};

TEST_F(RequestTest, TheErrorOfABodyIsTheErrorOfThePut) {
  ChangingBody body;
  EXPECT_ERRC(store().Put(ctx_, "k", body, {}), Errc::kCancelled);
}

// --- successes that are none ---

TEST_F(RequestTest, AnErrorInASuccess) {
  const std::vector<UploadedPart> parts = {{1, "aaaa", 1}};
  transport_.Say({Xml("<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>")});
  EXPECT_ERRC(store().CompleteMultipartUpload(ctx_, "k", "id", parts, {}), Errc::kAmbiguous);
  transport_.Say({Xml("<Error><Code>SlowDown</Code></Error>"),
                  Xml("<CopyObjectResult><ETag>\"e\"</ETag><LastModified>2009-10-28T22:32:00Z</LastModified>"
                      "</CopyObjectResult>")});
  EXPECT_OK(store().Copy(ctx_, "from", "k", {}));
  transport_.Say({Xml("<Error><Code>NoSuchKey</Code></Error>")});
  EXPECT_ERRC(store().Copy(ctx_, "from", "k", {}), Errc::kNotFound);
}

TEST_F(RequestTest, WhatIsNotS3IsCalledSo) {
  transport_.Say({Xml("<!DOCTYPE html><html>Please log in</html>")});
  const auto listed = store().List(ctx_, {});
  EXPECT_ERRC(listed, Errc::kUnavailable);
  EXPECT_NE(listed.error().message.find("this is not an S3 server"), std::string::npos);
  transport_.Say({Xml("<html>welcome</html>")});
  EXPECT_ERRC(store().Copy(ctx_, "from", "k", {}), Errc::kAmbiguous);
  transport_.Say({Xml("")});
  EXPECT_ERRC(Put("x"), Errc::kAmbiguous);  // no ETag
}

TEST_F(RequestTest, AnEmptyEtagOfACompleteIsLearned) {
  const Reply complete = Xml("<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>");
  const std::vector<UploadedPart> parts = {{1, Hex(Md5Of("p")), 1}};
  const Md5Digest digest = Md5Of("p");
  const std::string etag = Hex(Md5Of({reinterpret_cast<const char*>(digest.data()), digest.size()})) + "-1";
  Reply head = Object("p");
  head.headers[0].second = Quoted(etag);
  transport_.Say({complete, head});
  const auto completed = store().CompleteMultipartUpload(ctx_, "k", "id", parts, {});
  ASSERT_OK(completed);
  EXPECT_EQ(completed->etag, etag);
  transport_.Say({complete, Object("foreign")});
  EXPECT_ERRC(store().CompleteMultipartUpload(ctx_, "k", "id", parts, {}), Errc::kAmbiguous);
}

// --- what is mended ---

TEST_F(RequestTest, TheRightRegionIsFoundAndRemembered) {
  options_.endpoint.clear();
  Reply elsewhere = ErrorReply(301, "PermanentRedirect");
  elsewhere.headers = {{"x-amz-bucket-region", "eu-west-1"}};
  transport_.Say({elsewhere, Object("x"), Object("x")});
  ASSERT_OK(store().Head(ctx_, "k", {}));
  ASSERT_OK(store().Head(ctx_, "k", {}));
  EXPECT_EQ(transport_.lines(), (Lines{"HEAD https://bucket.s3.us-east-1.amazonaws.com/k",
                                       "HEAD https://bucket.s3.eu-west-1.amazonaws.com/k",
                                       "HEAD https://bucket.s3.eu-west-1.amazonaws.com/k"}));
  EXPECT_NE(transport_.asked()[1].Header("Authorization").find("/eu-west-1/s3/"), std::string::npos);
}

TEST_F(RequestTest, AMalformedAuthorizationNamesTheRegion) {
  Reply malformed = ErrorReply(400, "AuthorizationHeaderMalformed");
  malformed.body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>fr-par</Region></Error>";
  transport_.Say({malformed, Stored("x")});
  EXPECT_OK(Put("x"));
  EXPECT_EQ(caller_->region(), "fr-par");
}

TEST_F(RequestTest, NoSignatureFollowsARedirectToAStranger) {
  Reply away = ErrorReply(307, "TemporaryRedirect");
  away.headers = {{"location", "https://evil.test/bucket/k"}};
  transport_.Otherwise([away](const Asked&) { return away; });
  EXPECT_ERRC(store().List(ctx_, {}), Errc::kUnavailable);
  for (const std::string& line : transport_.lines()) EXPECT_NE(line.find("http://s3.test/"), std::string::npos);
}

TEST_F(RequestTest, RefusedCredentialsAreAskedForAgainOnce) {
  transport_.Say({ErrorReply(400, "ExpiredToken"), Stored("x")});
  EXPECT_OK(Put("x"));
  EXPECT_EQ(credentials_.invalidated(), 1);
  EXPECT_NE(transport_.asked()[1].Header("Authorization").find("Credential=ID2/"), std::string::npos);
  transport_.Say({ErrorReply(403, "InvalidAccessKeyId"), ErrorReply(403, "InvalidAccessKeyId")});
  const auto put = Put("x");
  EXPECT_ERRC(put, Errc::kAccessDenied);
  EXPECT_EQ(put.error().message.find("secret"), std::string::npos);
  EXPECT_EQ(transport_.asked().size(), 4U);
}

TEST_F(RequestTest, TheServersTimeIsTakenWhereOursIsWrong) {
  Reply skewed = ErrorReply(403, "RequestTimeTooSkewed");
  skewed.headers = {{"date", "Fri, 24 May 2013 01:00:00 GMT"}};
  transport_.Say({skewed, Stored("x")});
  EXPECT_OK(Put("x"));
  EXPECT_EQ(transport_.asked()[1].Header("x-amz-date"), "20130524T010000Z");
  transport_.Say({skewed});
  EXPECT_ERRC(Put("x"), Errc::kAccessDenied);
}

TEST_F(RequestTest, AnonymousRequestsAreNotSigned) {
  StaticCredentials nobody("", "");
  transport_.Say({Object("x")});
  const auto caller = std::make_shared<S3Caller>(transport_, nobody, clock_, random_, metrics_, options_,
                                                 *ParseEndpoint(options_.endpoint));
  S3StoreImpl store(caller, options_, traits_);
  ASSERT_OK(store.Head(ctx_, "k", {}));
  EXPECT_EQ(transport_.asked()[0].Header("Authorization"), "");
}

}  // namespace
}  // namespace pailfs::s3client
