// What the writers of answers write, the parsers read back.

#include "base/s3wire/xml_answers.h"

#include <gtest/gtest.h>

#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "tests/support/results.h"

namespace pailfs::s3wire {
namespace {

constexpr int64_t kTimeUs = 1'700'000'000'123'000;
constexpr std::string_view kOddKey = "a b+c/%\x01\n\"&<\xFF";

ObjectInfo Object(std::string_view key) {
  ObjectInfo info;
  info.key = key;
  info.size_bytes = 5;
  info.etag = "0123-2";
  info.version_id = "v1";
  info.last_modified_us = kTimeUs;
  info.storage_class = "GLACIER";
  info.has_metadata = false;
  return info;
}

TEST(XmlAnswers, ListObjects) {
  ListRequest request;
  request.prefix = "a b/\xFF";
  request.delimiter = "/";
  request.start_after = "\x01";
  request.continuation_token = "t+0";
  ListPage page;
  page.objects = {Object(kOddKey), Object("z")};
  page.common_prefixes = {"p q/", "\x02/"};
  page.next_token = "t+1==";
  const auto xml = WriteListObjectsV2Answer("bucket", request, page, KeyEncoding::kUrl);
  ASSERT_OK(xml);
  EXPECT_NE(xml->find("<Key>a+b%2Bc/"), std::string::npos) << *xml;
  EXPECT_NE(xml->find("<KeyCount>4</KeyCount>"), std::string::npos) << *xml;
  const auto answer = ParseListObjectsV2(*xml);
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->truncated);
  EXPECT_EQ(answer->prefix, request.prefix);
  EXPECT_EQ(answer->delimiter, "/");
  EXPECT_EQ(answer->start_after, request.start_after);
  EXPECT_EQ(answer->continuation_token, "t+0");
  EXPECT_EQ(answer->page.next_token, "t+1==");
  EXPECT_EQ(answer->page.common_prefixes, page.common_prefixes);
  ASSERT_EQ(answer->page.objects.size(), 2U);
  const ObjectInfo& info = answer->page.objects[0];
  EXPECT_EQ(info.key, kOddKey);
  EXPECT_EQ(info.size_bytes, 5U);
  EXPECT_EQ(info.etag, "0123-2");
  EXPECT_EQ(info.last_modified_us, kTimeUs);
  EXPECT_EQ(info.storage_class, "GLACIER");
  EXPECT_FALSE(info.has_metadata);
}

TEST(XmlAnswers, KeysThatXmlCannotCarryNeedTheEncoding) {
  ListPage page;
  page.objects = {Object("\x01")};
  EXPECT_ERRC(WriteListObjectsV2Answer("bucket", {}, page, KeyEncoding::kNone), Errc::kInvalidArgument);
  page.objects = {Object("a b+%<")};
  const auto xml = WriteListObjectsV2Answer("bucket", {}, page, KeyEncoding::kNone);
  ASSERT_OK(xml);
  const auto answer = ParseListObjectsV2(*xml);
  ASSERT_OK(answer);
  EXPECT_FALSE(answer->truncated);
  EXPECT_EQ(answer->page.objects[0].key, "a b+%<");
}

TEST(XmlAnswers, ListObjectsWithMetadata) {
  ListRequest request;
  ListPage page;
  page.objects = {Object("k")};
  page.objects[0].has_metadata = true;
  page.objects[0].headers.type = "text/plain";
  page.objects[0].headers.expires = "never";
  page.objects[0].metadata = {{"mode", "0644"}, {"name", "a & b"}};
  EXPECT_FALSE(ParseListObjectsV2(*WriteListObjectsV2Answer("b", request, page, KeyEncoding::kUrl))
                   ->page.objects[0]
                   .has_metadata);
  request.with_metadata = true;
  const auto answer = ParseListObjectsV2(*WriteListObjectsV2Answer("b", request, page, KeyEncoding::kUrl));
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->page.objects[0].has_metadata);
  EXPECT_EQ(answer->page.objects[0].headers, page.objects[0].headers);
  EXPECT_EQ(answer->page.objects[0].metadata, page.objects[0].metadata);
}

TEST(XmlAnswers, ListVersions) {
  ListVersionsPage page;
  page.versions = {Object(kOddKey), Object(kOddKey), Object("marked")};
  page.versions[1].version_id.clear();
  page.versions[1].is_latest = false;
  page.versions[2].is_delete_marker = true;
  page.common_prefixes = {"p q/"};
  page.truncated = true;
  page.next_key_marker = "m \x01";
  page.next_version_id_marker = "v+9";
  const auto xml = WriteListVersionsAnswer("bucket", {}, page, KeyEncoding::kUrl);
  ASSERT_OK(xml);
  const auto answer = ParseListVersions(*xml);
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->truncated);
  EXPECT_EQ(answer->next_key_marker, page.next_key_marker);
  EXPECT_EQ(answer->next_version_id_marker, "v+9");
  EXPECT_EQ(answer->common_prefixes, page.common_prefixes);
  ASSERT_EQ(answer->versions.size(), 3U);
  EXPECT_EQ(answer->versions[0].key, kOddKey);
  EXPECT_EQ(answer->versions[0].version_id, "v1");
  EXPECT_TRUE(answer->versions[0].is_latest);
  EXPECT_EQ(answer->versions[1].version_id, "null");
  EXPECT_FALSE(answer->versions[1].is_latest);
  EXPECT_TRUE(answer->versions[2].is_delete_marker);
}

TEST(XmlAnswers, Multipart) {
  EXPECT_EQ(*ParseInitiateMultipartUpload(*WriteInitiateAnswer("b", kOddKey, "id+/&")), "id+/&");
  EXPECT_EQ(ParseCompleteMultipartUpload(*WriteCompleteAnswer("b", kOddKey, "abc-3"))->etag, "abc-3");
  EXPECT_EQ(ParseCopyObject(*WriteCopyObjectAnswer("abc", kTimeUs))->last_modified_us, kTimeUs);
  EXPECT_EQ(ParseCopyPart(*WriteCopyPartAnswer("abc", kTimeUs))->etag, "abc");

  ListPartsAnswer parts;
  parts.parts = {{2, "e2", 7}, {9, "e9", 0}};
  parts.truncated = true;
  parts.next_part_number_marker = 9;
  const auto read = ParseListParts(*WriteListPartsAnswer("b", {"k", "id", kTimeUs}, 2, parts));
  ASSERT_OK(read);
  EXPECT_TRUE(read->truncated);
  EXPECT_EQ(read->next_part_number_marker, 9);
  ASSERT_EQ(read->parts.size(), 2U);
  EXPECT_EQ(read->parts[0].part_number, 2);
  EXPECT_EQ(read->parts[0].size_bytes, 7U);
  EXPECT_EQ(read->parts[1].etag, "e9");

  ListUploadsAnswer uploads;
  uploads.uploads = {{std::string(kOddKey), "id", kTimeUs}};
  uploads.common_prefixes = {"p/"};
  uploads.truncated = true;
  uploads.next_key_marker = kOddKey;
  uploads.next_upload_id_marker = "id";
  const auto listed = ParseListMultipartUploads(*WriteListUploadsAnswer("b", {}, uploads, KeyEncoding::kUrl));
  ASSERT_OK(listed);
  EXPECT_TRUE(listed->truncated);
  EXPECT_EQ(listed->next_key_marker, kOddKey);
  EXPECT_EQ(listed->next_upload_id_marker, "id");
  EXPECT_EQ(listed->common_prefixes, uploads.common_prefixes);
  ASSERT_EQ(listed->uploads.size(), 1U);
  EXPECT_EQ(listed->uploads[0].key, kOddKey);
  EXPECT_EQ(listed->uploads[0].initiated_us, kTimeUs);
}

TEST(XmlAnswers, Delete) {
  DeleteAnswer answer;
  answer.deleted = {{"plain", {}}, {"marked <&", {.made_delete_marker = true, .version_id = "m1"}}};
  answer.deleted.push_back({"version", {.version_id = "v1"}});
  answer.failed.push_back({.key = "refused", .version_id = "v2", .error = {}});
  answer.failed[0].error.code = "AccessDenied";
  const auto read = ParseDelete(*WriteDeleteAnswer(answer));
  ASSERT_OK(read);
  ASSERT_EQ(read->deleted.size(), 3U);
  EXPECT_EQ(read->deleted[0].key, "plain");
  EXPECT_EQ(read->deleted[0].result.version_id, "");
  EXPECT_EQ(read->deleted[1].key, "marked <&");
  EXPECT_TRUE(read->deleted[1].result.made_delete_marker);
  EXPECT_EQ(read->deleted[1].result.version_id, "m1");
  EXPECT_FALSE(read->deleted[2].result.made_delete_marker);
  EXPECT_EQ(read->deleted[2].result.version_id, "v1");
  ASSERT_EQ(read->failed.size(), 1U);
  EXPECT_EQ(read->failed[0].version_id, "v2");
  EXPECT_EQ(read->failed[0].error.code, "AccessDenied");
}

TEST(XmlAnswers, VersioningLocationAndErrors) {
  for (const auto state : {VersioningState::kOff, VersioningState::kEnabled, VersioningState::kSuspended}) {
    EXPECT_EQ(*ParseVersioning(*WriteVersioningAnswer(state)), state);
  }
  EXPECT_NE(WriteLocationAnswer("eu-west-1")->find(">eu-west-1</LocationConstraint>"), std::string::npos);
  EXPECT_EQ(WriteLocationAnswer("us-east-1")->find("us-east-1"), std::string::npos);
  const auto error = ParseError(*WriteErrorAnswer({.code = "PermanentRedirect",
                                                   .message = "a < b",
                                                   .resource = "/b",
                                                   .request_id = "r",
                                                   .endpoint = "e",
                                                   .region = "eu-west-1"}));
  ASSERT_OK(error);
  EXPECT_EQ(error->code, "PermanentRedirect");
  EXPECT_EQ(error->message, "a < b");
  EXPECT_EQ(error->resource, "/b");
  EXPECT_EQ(error->request_id, "r");
  EXPECT_EQ(error->endpoint, "e");
  EXPECT_EQ(error->region, "eu-west-1");
}

TEST(XmlRequests, AreReadAsTheyAreWritten) {
  const std::vector<UploadedPart> parts = {{1, "e1", 0}, {7, "e7", 0}};
  const auto complete = ParseCompleteRequest(*WriteCompleteMultipartUpload(parts));
  ASSERT_OK(complete);
  ASSERT_EQ(complete->size(), 2U);
  EXPECT_EQ((*complete)[1].part_number, 7);
  EXPECT_EQ((*complete)[1].etag, "e7");
  EXPECT_EQ((*complete)[1].checksum, "");
  const auto with_checksum = ParseCompleteRequest(
      "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>"
      "</Part></CompleteMultipartUpload>");
  ASSERT_OK(with_checksum);
  EXPECT_EQ((*with_checksum)[0].checksum, "AAAAAA==");

  const std::vector<DeleteItem> items = {{.key = "a\n&", .version_id = {}, .if_match = {}},
                                         {.key = "b", .version_id = "v", .if_match = "e"}};
  const auto request = ParseDeleteRequest(*WriteDelete(items, DeleteReport::kFailures));
  ASSERT_OK(request);
  EXPECT_TRUE(request->quiet);
  ASSERT_EQ(request->items.size(), 2U);
  EXPECT_EQ(request->items[0].key, "a\n&");
  EXPECT_FALSE(request->items[0].if_match);
  EXPECT_EQ(request->items[1].version_id, "v");
  EXPECT_EQ(request->items[1].if_match, "e");
  EXPECT_FALSE(ParseDeleteRequest(*WriteDelete(items, DeleteReport::kAll))->quiet);
  EXPECT_ERRC(ParseDeleteRequest("<Delete><Object/></Delete>"), Errc::kCorrupt);
  EXPECT_ERRC(ParseCompleteRequest("<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"), Errc::kCorrupt);
}

}  // namespace
}  // namespace pailfs::s3wire
