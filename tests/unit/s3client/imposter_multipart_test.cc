// Multipart uploads of the S3 imposter.

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/s3wire/xml.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "tests/support/results.h"
#include "tests/support/s3_checksum.h"
#include "tests/support/s3_imposter.h"
#include "tests/unit/s3client/raw_s3_client.h"

namespace pailfs {
namespace {

constexpr uint64_t kSmallestPart = 4;

class MultipartTest : public testing::Test {
 protected:
  void SetUp() override { imposter_.AddBucket("pail", store_); }

  HttpMessage Send(const RawRequest& request) {
    auto answer = client_.Send(request);
    EXPECT_OK(answer);
    return answer.ok() ? *answer : HttpMessage();
  }
  std::string Create(const std::string& key, s3wire::Headers headers = {}) {
    const auto id = s3wire::ParseInitiateMultipartUpload(
        Send({"POST", StrCat("/pail/", key), {{"uploads", ""}}, std::move(headers)}).body);
    EXPECT_OK(id);
    return id.ok() ? *id : "";
  }
  RawRequest Part(const std::string& id, int number, const std::string& body, s3wire::Headers headers = {}) {
    return {"PUT", "/pail/k", {{"partNumber", StrCat(number)}, {"uploadId", id}}, std::move(headers), body};
  }
  std::string Etag(std::string_view body) { return Hex(Md5Of(body)); }
  RawRequest Complete(const std::string& id, const std::vector<UploadedPart>& parts, s3wire::Headers headers = {}) {
    return {
        "POST", "/pail/k", {{"uploadId", id}}, std::move(headers), s3wire::WriteCompleteMultipartUpload(parts).value()};
  }
  std::string Crc32cBase64(std::string_view data) { return Base64Encode(S3Checksum("crc32c", data)); }

  MemoryStore store_{SystemClock(), {.min_part_bytes = kSmallestPart}};
  S3Imposter imposter_{{.min_part_bytes = kSmallestPart, .quirks = {}}};
  RawS3Client client_{imposter_.port(), imposter_.credentials()};
};

TEST_F(MultipartTest, PutsPartsTogether) {
  const std::string id = Create("k", {{"x-amz-meta-a", "1"}, {"Content-Type", "text/plain"}});
  EXPECT_EQ(client_.Status(Part(id, 1, "one-")), 200);
  EXPECT_EQ(client_.Status(Part(id, 3, "3")), 200);
  EXPECT_EQ(client_.Status(Part(id, 2, "two-", WithMd5("two-"))), 200);

  const auto uploads = s3wire::ParseListMultipartUploads(Send({"GET", "/pail", {{"uploads", ""}}}).body);
  ASSERT_OK(uploads);
  ASSERT_EQ(uploads->uploads.size(), 1U);
  EXPECT_EQ(uploads->uploads[0].upload_id, id);
  const auto first = s3wire::ParseListParts(Send({"GET", "/pail/k", {{"uploadId", id}, {"max-parts", "2"}}}).body);
  ASSERT_OK(first);
  ASSERT_EQ(first->parts.size(), 2U);
  EXPECT_TRUE(first->truncated);
  EXPECT_EQ(first->next_part_number_marker, 2);
  const auto rest =
      s3wire::ParseListParts(Send({"GET", "/pail/k", {{"uploadId", id}, {"part-number-marker", "2"}}}).body);
  ASSERT_OK(rest);
  ASSERT_EQ(rest->parts.size(), 1U);
  EXPECT_EQ(rest->parts[0].etag, Etag("3"));

  const HttpMessage done = Send(Complete(id, {{1, Etag("one-"), 0}, {2, Etag("two-"), 0}, {3, Etag("3"), 0}}));
  const auto result = s3wire::ParseCompleteMultipartUpload(done.body);
  ASSERT_OK(result);
  EXPECT_TRUE(result->etag.ends_with("-3"));
  const HttpMessage got = Send({"GET", "/pail/k"});
  EXPECT_EQ(got.body, "one-two-3");
  EXPECT_EQ(HeaderOf(got, "x-amz-meta-a"), "1");
  EXPECT_EQ(HeaderOf(got, "ETag"), StrCat("\"", result->etag, "\""));
  EXPECT_EQ(client_.Code(Complete(id, {{1, Etag("one-"), 0}})), "NoSuchUpload");
  EXPECT_TRUE(imposter_.violations().empty());
}

TEST_F(MultipartTest, RefusesWrongCompletions) {
  const std::string id = Create("k");
  EXPECT_EQ(client_.Status(Part(id, 1, "one")), 200);
  EXPECT_EQ(client_.Status(Part(id, 2, "two-")), 200);
  EXPECT_EQ(client_.Code(Complete(id, {{1, "other", 0}})), "InvalidPart");
  EXPECT_EQ(client_.Code(Complete(id, {{3, Etag("one"), 0}})), "InvalidPart");
  EXPECT_EQ(client_.Code(Complete("none", {{1, Etag("one"), 0}})), "NoSuchUpload");
  EXPECT_TRUE(imposter_.violations().empty());
  EXPECT_EQ(client_.Code(Complete(id, {{1, Etag("one"), 0}, {2, Etag("two-"), 0}})), "EntityTooSmall");
  EXPECT_EQ(client_.Code({"POST", "/pail/k", {{"uploadId", id}}, {}, "<x/>"}), "MalformedXML");
  EXPECT_EQ(client_.Code(Part(id, 0, "x")), "InvalidArgument");
  EXPECT_EQ(imposter_.violations().size(), 3U);
  EXPECT_EQ(client_.Status({"DELETE", "/pail/k", {{"uploadId", id}}}), 204);
  EXPECT_EQ(client_.Code({"DELETE", "/pail/k", {{"uploadId", id}}}), "NoSuchUpload");
  EXPECT_EQ(client_.Code(Part(id, 1, "x")), "NoSuchUpload");
}

TEST_F(MultipartTest, ChecksConditionsOfComplete) {
  EXPECT_EQ(client_.Status({"PUT", "/pail/k", {}, {}, "old"}), 200);
  const std::string id = Create("k");
  EXPECT_EQ(client_.Status(Part(id, 1, "new")), 200);
  const std::vector<UploadedPart> parts = {{1, Etag("new"), 0}};
  EXPECT_EQ(client_.Code(Complete(id, parts, {{"If-None-Match", "*"}})), "PreconditionFailed");
  EXPECT_EQ(client_.Code(Complete(id, parts, {{"If-Match", "\"other\""}})), "PreconditionFailed");
  EXPECT_EQ(client_.Status(Complete(id, parts, {{"If-Match", StrCat("\"", Etag("old"), "\"")}})), 200);
  EXPECT_EQ(Send({"GET", "/pail/k"}).body, "new");
}

TEST_F(MultipartTest, CopiesParts) {
  EXPECT_EQ(client_.Status({"PUT", "/pail/from", {}, {}, "0123456789"}), 200);
  const std::string id = Create("k");
  const auto copy = [&](int number, s3wire::Headers headers) {
    headers.emplace_back("x-amz-copy-source", "/pail/from");
    return Send(Part(id, number, "", std::move(headers)));
  };
  const auto part = s3wire::ParseCopyPart(copy(1, {{"x-amz-copy-source-range", "bytes=2-6"}}).body);
  ASSERT_OK(part);
  EXPECT_EQ(part->etag, Etag("23456"));
  EXPECT_EQ(s3wire::ParseCopyPart(copy(2, {}).body)->etag, Etag("0123456789"));
  EXPECT_EQ(CodeOf(copy(3, {{"x-amz-copy-source-if-match", "\"other\""}})), "PreconditionFailed");
  EXPECT_EQ(CodeOf(copy(3, {{"x-amz-copy-source-range", "bytes=2-20"}})), "InvalidArgument");
  EXPECT_EQ(CodeOf(copy(3, {{"x-amz-copy-source-range", "bytes=2-"}})), "InvalidArgument");
  EXPECT_EQ(client_.Status(Complete(id, {{1, Etag("23456"), 0}, {2, Etag("0123456789"), 0}})), 200);
  EXPECT_EQ(Send({"GET", "/pail/k"}).body, "234560123456789");
}

TEST_F(MultipartTest, VerifiesFullObjectChecksums) {
  const std::string id = Create("k", {{"x-amz-checksum-algorithm", "CRC32C"}, {"x-amz-checksum-type", "FULL_OBJECT"}});
  const auto crc = [&](std::string_view data) {
    return s3wire::Headers{{"x-amz-checksum-crc32c", Crc32cBase64(data)}};
  };
  EXPECT_EQ(client_.Code(Part(id, 1, "one-", crc("other"))), "BadDigest");
  EXPECT_EQ(client_.Status(Part(id, 1, "one-", crc("one-"))), 200);
  EXPECT_EQ(client_.Status(Part(id, 2, "two")), 200);
  const std::vector<UploadedPart> parts = {{1, Etag("one-"), 0}, {2, Etag("two"), 0}};
  EXPECT_EQ(client_.Code(Complete(id, parts, crc("other"))), "BadDigest");
  EXPECT_EQ(client_.Status(Complete(id, parts, crc("one-two"))), 200);
  const HttpMessage head = Send({"HEAD", "/pail/k", {}, {{"x-amz-checksum-mode", "ENABLED"}}});
  EXPECT_EQ(HeaderOf(head, "x-amz-checksum-crc32c"), Crc32cBase64("one-two"));
  EXPECT_EQ(HeaderOf(head, "x-amz-checksum-type"), "FULL_OBJECT");
  EXPECT_TRUE(imposter_.violations().empty());
}

TEST_F(MultipartTest, WantsTheChecksumsOfCompositesAgain) {
  const std::string id = Create("k", {{"x-amz-checksum-algorithm", "CRC32C"}});
  EXPECT_EQ(client_.Status(Part(id, 1, "one-", {{"x-amz-checksum-crc32c", Crc32cBase64("one-")}})), 200);
  EXPECT_EQ(client_.Code(Complete(id, {{1, Etag("one-"), 0}})), "InvalidRequest");
  const std::string body =
      StrCat("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>", Etag("one-"), "</ETag><ChecksumCRC32C>",
             Crc32cBase64("one-"), "</ChecksumCRC32C></Part></CompleteMultipartUpload>");
  EXPECT_EQ(client_.Status({"POST", "/pail/k", {{"uploadId", id}}, {}, body}), 200);
  const HttpMessage head = Send({"HEAD", "/pail/k", {}, {{"x-amz-checksum-mode", "ENABLED"}}});
  EXPECT_EQ(HeaderOf(head, "x-amz-checksum-crc32c"),
            StrCat(Base64Encode(S3Checksum("crc32c", S3Checksum("crc32c", "one-"))), "-1"));
  // An upload that was created without an algorithm takes none.
  const std::string plain = Create("k");
  EXPECT_EQ(client_.Code(Part(plain, 1, "one-", {{"x-amz-checksum-crc32c", Crc32cBase64("one-")}})), "InvalidRequest");
  EXPECT_EQ(imposter_.violations().size(), 2U);
}

TEST_F(MultipartTest, ListsUploadsInPages) {
  for (const std::string key : {"a", "a", "b"}) Create(key);
  std::vector<std::string> found;
  std::string key_marker;
  std::string id_marker;
  while (true) {
    s3wire::Query query{{"uploads", ""}, {"max-uploads", "1"}};
    if (!key_marker.empty()) query.emplace_back("key-marker", key_marker);
    if (!id_marker.empty()) query.emplace_back("upload-id-marker", id_marker);
    const auto page = s3wire::ParseListMultipartUploads(Send({"GET", "/pail", query}).body);
    ASSERT_OK(page);
    for (const MultipartUpload& upload : page->uploads) found.push_back(upload.key);
    if (!page->truncated) break;
    key_marker = page->next_key_marker;
    id_marker = page->next_upload_id_marker;
  }
  EXPECT_EQ(found, (std::vector<std::string>{"a", "a", "b"}));
}

TEST(S3ChecksumTest, KnownValues) {
  const auto hex = [](const std::string& bytes) {
    return Hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  };
  EXPECT_EQ(hex(S3Checksum("crc32", "123456789")), "cbf43926");
  EXPECT_EQ(hex(S3Checksum("crc32c", "123456789")), "e3069283");
  EXPECT_EQ(hex(S3Checksum("crc64nvme", "123456789")), "ae8b14860a799888");
  EXPECT_EQ(S3Checksum("sha1", "123456789"), "");
}

}  // namespace
}  // namespace pailfs
