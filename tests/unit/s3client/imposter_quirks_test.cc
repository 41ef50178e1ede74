// The S3 imposter as S3's relatives.

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/s3wire/xml.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "tests/support/results.h"
#include "tests/support/s3_imposter.h"
#include "tests/unit/s3client/raw_s3_client.h"

namespace pailfs {
namespace {

class QuirksTest : public testing::Test {
 protected:
  void SetUp() override {
    imposter_.AddBucket("plain", plain_);
    imposter_.AddBucket("kept", kept_);
    for (const std::string path : {"/plain/k", "/kept/k"})
      EXPECT_EQ(client_.Status({"PUT", path, {}, {}, "hello"}), 200);
  }
  // With a condition that does not hold.
  int PutIfMatch(const std::string& path, const std::string& etag = "\"other\"") {
    return client_.Status({"PUT", path, {}, {{"If-Match", etag}}, "hello"});
  }
  int PutIfAbsent(const std::string& path) {
    return client_.Status({"PUT", path, {}, {{"If-None-Match", "*"}}, "hello"});
  }
  int Copy(s3wire::Headers headers) {
    headers.emplace_back("x-amz-copy-source", "/plain/k");
    return client_.Status({"PUT", "/plain/copy", {}, std::move(headers)});
  }
  Result<HttpMessage> Complete(s3wire::Headers headers) {
    const auto id = s3wire::ParseInitiateMultipartUpload(
        client_.Send(RawRequest{"POST", "/plain/k", {{"uploads", ""}}}).value().body);
    EXPECT_EQ(client_.Status({"PUT", "/plain/k", {{"partNumber", "1"}, {"uploadId", *id}}, {}, "x"}), 200);
    const std::vector<UploadedPart> parts = {{1, Hex(Md5Of("x")), 1}};
    return client_.Send(RawRequest{"POST",
                                   "/plain/k",
                                   {{"uploadId", *id}},
                                   std::move(headers),
                                   s3wire::WriteCompleteMultipartUpload(parts).value()});
  }

  const s3wire::Headers other_ = {{"If-Match", "\"other\""}};
  MemoryStore plain_{SystemClock()};
  MemoryStore kept_{SystemClock(), {.versioning = VersioningState::kEnabled}};
  S3Imposter imposter_;
  RawS3Client client_{imposter_.port(), imposter_.credentials()};
};

TEST_F(QuirksTest, HaveNames) {
  for (size_t i = 0; i < S3QuirkNames().size(); ++i) {
    EXPECT_EQ(S3QuirkOf(S3QuirkNames()[i]), static_cast<S3Quirk>(i));
  }
  EXPECT_EQ(S3QuirkOf("no-date"), S3Quirk::kNoDate);
  EXPECT_EQ(S3QuirkOf("none"), std::nullopt);
}

TEST_F(QuirksTest, IgnoreConditionsOfPut) {
  EXPECT_EQ(PutIfMatch("/plain/k"), 412);
  imposter_.SetQuirk(S3Quirk::kIgnoreVersionedPutConditions, true);
  EXPECT_EQ(PutIfMatch("/plain/k"), 412);
  EXPECT_EQ(PutIfAbsent("/plain/k"), 412);
  EXPECT_EQ(PutIfMatch("/kept/k"), 200);
  EXPECT_EQ(PutIfAbsent("/kept/k"), 200);
  imposter_.SetQuirk(S3Quirk::kIgnorePutConditions, true);
  EXPECT_EQ(PutIfMatch("/plain/k"), 200);
  EXPECT_EQ(PutIfAbsent("/plain/k"), 200);
}

TEST_F(QuirksTest, IgnoreConditionsOfComplete) {
  EXPECT_EQ(Complete(other_)->status(), 412);
  imposter_.SetQuirk(S3Quirk::kIgnoreCompleteConditions, true);
  EXPECT_EQ(Complete(other_)->status(), 200);
}

TEST_F(QuirksTest, IgnoreConditionsOfCopy) {
  const s3wire::Headers source = {{"x-amz-copy-source-if-match", "\"other\""}};
  EXPECT_EQ(Copy(source), 412);
  EXPECT_EQ(Copy(other_), 404);
  imposter_.SetQuirk(S3Quirk::kIgnoreCopyConditions, true);
  EXPECT_EQ(Copy(other_), 200);
  EXPECT_EQ(Copy(source), 412);
  imposter_.SetQuirk(S3Quirk::kIgnoreCopySourceConditions, true);
  EXPECT_EQ(Copy(source), 200);
}

TEST_F(QuirksTest, IgnoreConditionsOfDelete) {
  EXPECT_EQ(client_.Status({"DELETE", "/plain/k", {}, other_}), 412);
  imposter_.SetQuirk(S3Quirk::kIgnoreDeleteConditions, true);
  EXPECT_EQ(client_.Status({"DELETE", "/plain/k", {}, other_}), 204);
  EXPECT_EQ(client_.Status({"HEAD", "/plain/k"}), 404);
}

TEST_F(QuirksTest, WantIfMatchWithoutQuotes) {
  const std::string etag = Hex(Md5Of("hello"));
  imposter_.SetQuirk(S3Quirk::kUnquotedIfMatchOnly, true);
  EXPECT_EQ(PutIfMatch("/plain/k", StrCat("\"", etag, "\"")), 412);
  EXPECT_EQ(PutIfMatch("/plain/k", etag), 200);
  EXPECT_EQ(PutIfMatch("/plain/k", "other"), 412);
  EXPECT_EQ(client_.Status({"GET", "/plain/k", {}, {{"If-Match", StrCat("\"", etag, "\"")}}}), 200);
  EXPECT_TRUE(imposter_.violations().empty());
}

TEST_F(QuirksTest, CompleteWithoutAnEtag) {
  imposter_.SetQuirk(S3Quirk::kEmptyCompleteEtag, true);
  const auto answer = Complete({});
  EXPECT_EQ(answer->status(), 200);
  const auto completed = s3wire::ParseCompleteMultipartUpload(answer->body);
  EXPECT_OK(completed);
  EXPECT_EQ(completed->etag, "");
  EXPECT_TRUE(HeaderOf(*client_.Send(RawRequest{"HEAD", "/plain/k"}), "ETag").ends_with("-1\""));
}

TEST_F(QuirksTest, HaveNoBatchDelete) {
  imposter_.SetQuirk(S3Quirk::kNoBatchDelete, true);
  const auto answer = client_.Send(RawRequest{"POST", "/plain", {{"delete", ""}}, WithMd5("x"), "x"});
  EXPECT_EQ(answer->status(), 501);
}

TEST_F(QuirksTest, KnowNoChecksums) {
  imposter_.SetQuirk(S3Quirk::kNoChecksums, true);
  EXPECT_EQ(client_.Status({"PUT", "/plain/k", {}, {{"x-amz-checksum-crc32c", "AAAAAA=="}}, "hello"}), 200);
  const auto head = client_.Send(RawRequest{"HEAD", "/plain/k", {}, {{"x-amz-checksum-mode", "ENABLED"}}});
  EXPECT_EQ(head->Find("x-amz-checksum-crc32c"), nullptr);
}

TEST_F(QuirksTest, ListMetadata) {
  EXPECT_EQ(client_.Status({"PUT", "/plain/k", {}, {{"x-amz-meta-a", "1"}}, "hello"}), 200);
  const auto first = [&] {
    const auto answer = client_.Send(RawRequest{"GET", "/plain", {{"list-type", "2"}, {"metadata", "true"}}});
    return s3wire::ParseListObjectsV2(answer->body).value().page.objects.at(0);
  };
  EXPECT_FALSE(first().has_metadata);
  imposter_.SetQuirk(S3Quirk::kListMetadata, true);
  EXPECT_TRUE(first().has_metadata);
  EXPECT_EQ(first().metadata, (UserMetadata{{"a", "1"}}));
}

TEST_F(QuirksTest, RedirectToTheRightRegion) {
  imposter_.SetQuirk(S3Quirk::kRedirectWrongRegion, true);
  client_.region = "eu-west-1";
  const auto answer = client_.Send(RawRequest{"GET", "/plain/k"});
  EXPECT_EQ(answer->status(), 301);
  EXPECT_EQ(CodeOf(*answer), "PermanentRedirect");
  EXPECT_EQ(HeaderOf(*answer, "x-amz-bucket-region"), "us-east-1");
  const auto head = client_.Send(RawRequest{"HEAD", "/plain"});
  EXPECT_EQ(head->status(), 301);
  EXPECT_EQ(HeaderOf(*head, "x-amz-bucket-region"), "us-east-1");
}

TEST_F(QuirksTest, AnswerInHtml) {
  imposter_.SetQuirk(S3Quirk::kHtmlErrors, true);
  const auto error = client_.Send(RawRequest{"GET", "/plain/none"});
  EXPECT_EQ(error->status(), 404);
  EXPECT_EQ(HeaderOf(*error, "Content-Type"), "text/html");
  EXPECT_EQ(client_.Send(RawRequest{"GET", "/plain/k"})->body, "hello");
  imposter_.SetQuirk(S3Quirk::kHtmlAnswers, true);
  const auto page = client_.Send(RawRequest{"GET", "/plain/k"});
  EXPECT_EQ(page->status(), 200);
  EXPECT_NE(page->body.find("<html>"), std::string::npos);
}

TEST_F(QuirksTest, HaveWholeSecondsAndNoDate) {
  const auto time_us = [&] {
    const auto answer = client_.Send(RawRequest{"GET", "/kept", {{"list-type", "2"}}});
    return s3wire::ParseListObjectsV2(answer->body).value().page.objects.at(0).last_modified_us;
  };
  imposter_.SetQuirk(S3Quirk::kWholeSecondTimes, true);
  EXPECT_EQ(time_us() % 1'000'000, 0);
  imposter_.SetQuirk(S3Quirk::kNoDate, true);
  EXPECT_EQ(client_.Send(RawRequest{"GET", "/plain/k"})->Find("Date"), nullptr);
}

}  // namespace
}  // namespace pailfs
