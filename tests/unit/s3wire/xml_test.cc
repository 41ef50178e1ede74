#include "base/s3wire/xml.h"

#include <gtest/gtest.h>

#include "base/s3wire/dates.h"
#include "base/str.h"
#include "tests/unit/s3wire/xml_samples.h"

namespace pailfs::s3wire {
namespace {

TEST(ListObjectsXml, OfAwsWithUrlEncoding) {
  const auto answer = ParseListObjectsV2(kAwsList);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_TRUE(answer->truncated);
  EXPECT_EQ(answer->prefix, "a b/");
  EXPECT_EQ(answer->delimiter, "/");
  EXPECT_EQ(answer->start_after, "a b/%");
  EXPECT_EQ(answer->continuation_token, "1%2Fx+y==");
  EXPECT_EQ(answer->page.next_token, "1ueGcxLPRx1Tr/XYEx%2F+==");
  EXPECT_EQ(answer->page.common_prefixes, (std::vector<std::string>{"a b/c d/", "a b/e/"}));
  ASSERT_EQ(answer->page.objects.size(), 2U);
  const ObjectInfo& first = answer->page.objects[0];
  EXPECT_EQ(first.key, "a b/test_file(3).png");
  EXPECT_EQ(first.size_bytes, 434'234U);
  EXPECT_EQ(first.etag, "fba9dede5f27731c9771645a39863328");
  EXPECT_EQ(first.last_modified_us, *ParseIso8601("2009-10-12T17:50:30Z"));
  EXPECT_EQ(first.storage_class, "GLACIER");
  EXPECT_FALSE(first.has_metadata);
  EXPECT_TRUE(first.is_latest);
  EXPECT_FALSE(first.is_delete_marker);
  EXPECT_EQ(answer->page.objects[1].key, "a b/\x01\n\"&<ü\xF0\x9F\x90\x9F\xFF+");
  EXPECT_EQ(answer->page.objects[1].etag, "d41d8cd98f00b204e9800998ecf8427e-12");
}

TEST(ListObjectsXml, OfRgwWithoutEncoding) {
  const auto answer = ParseListObjectsV2(kRgwList);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_FALSE(answer->truncated);
  EXPECT_EQ(answer->page.next_token, "");
  ASSERT_EQ(answer->page.objects.size(), 2U);
  EXPECT_EQ(answer->page.objects[0].key, "a+b%20&<\t");
  EXPECT_EQ(answer->page.objects[0].last_modified_us, *ParseIso8601("2024-03-01T10:11:12.345Z"));
  EXPECT_EQ(answer->page.objects[1].key, " ");
  EXPECT_EQ(answer->page.objects[1].etag, "x");
  EXPECT_EQ(answer->page.objects[1].size_bytes, 9'223'372'036'854'775'807U);
}

TEST(ListObjectsXml, OfMinioWithMetadata) {
  const auto answer = ParseListObjectsV2(kMinioList);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  ASSERT_EQ(answer->page.objects.size(), 2U);
  const ObjectInfo& info = answer->page.objects[0];
  EXPECT_EQ(info.key, "dir/a +.txt");
  EXPECT_EQ(info.etag, "abc");
  EXPECT_TRUE(info.has_metadata);
  EXPECT_EQ(info.metadata, (UserMetadata{{"pailfs-mode", "0644"}, {"name", "a & b"}}));
  ContentHeaders headers;
  headers.type = "text/plain";
  headers.cache_control = "no-cache";
  EXPECT_EQ(info.headers, headers);
  EXPECT_FALSE(answer->page.objects[1].has_metadata);
}

TEST(ListObjectsXml, EmptyAndCData) {
  const auto empty = ParseListObjectsV2("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
  ASSERT_TRUE(empty.ok()) << empty.error().message;
  EXPECT_TRUE(empty->page.objects.empty());
  EXPECT_TRUE(empty->page.common_prefixes.empty());
  const auto cdata = ParseListObjectsV2(
      "\xEF\xBB\xBF <!-- c "
      "--><ListBucketResult><IsTruncated>false</IsTruncated><CommonPrefixes><Prefix>a<![CDATA[<&]]>b"
      "<!-- c -->/</Prefix></CommonPrefixes></ListBucketResult>\n");
  ASSERT_TRUE(cdata.ok()) << cdata.error().message;
  EXPECT_EQ(cdata->page.common_prefixes, std::vector<std::string>{"a<&b/"});
}

TEST(ListVersionsXml, OfAwsInTheOrderOfTheDocument) {
  const auto page = ParseListVersions(kAwsVersions);
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->next_key_marker, "my second+image.jpg");
  EXPECT_EQ(page->next_version_id_marker, "03jpff543dhffds434rfdsFDN943fdsFkdmqnh892+%2F");
  EXPECT_EQ(page->common_prefixes, std::vector<std::string>{"p//"});
  ASSERT_EQ(page->versions.size(), 3U);
  EXPECT_EQ(page->versions[0].key, "my-image.jpg");
  EXPECT_EQ(page->versions[0].version_id, "3/L4kqtJl40Nr8X8gdRQBpUMLUo+x");
  EXPECT_EQ(page->versions[0].size_bytes, 434'234U);
  EXPECT_TRUE(page->versions[0].is_latest);
  EXPECT_FALSE(page->versions[0].is_delete_marker);
  EXPECT_EQ(page->versions[1].key, "my second+image.jpg");
  EXPECT_TRUE(page->versions[1].is_delete_marker);
  EXPECT_TRUE(page->versions[1].is_latest);
  EXPECT_EQ(page->versions[1].etag, "");
  EXPECT_EQ(page->versions[1].last_modified_us, *ParseIso8601("2009-11-12T17:50:30Z"));
  EXPECT_EQ(page->versions[2].version_id, "null");
  EXPECT_FALSE(page->versions[2].is_latest);
  EXPECT_EQ(page->versions[2].etag, "9b2cf535f27731c974343645a3985328");
}

TEST(ListVersionsXml, OfMinio) {
  const auto page = ParseListVersions(kMinioVersions);
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_FALSE(page->truncated);
  ASSERT_EQ(page->versions.size(), 1U);
  EXPECT_TRUE(page->versions[0].is_delete_marker);
  EXPECT_EQ(page->versions[0].version_id, "74f0f3a4");
  EXPECT_EQ(page->versions[0].storage_class, "");
}

TEST(MultipartXml, InitiateCompleteAndCopy) {
  EXPECT_EQ(*ParseInitiateMultipartUpload(kInitiate), "VXBsb2FkIElE.-_~+/%2F");
  const auto complete = ParseCompleteMultipartUpload(kComplete);
  ASSERT_TRUE(complete.ok()) << complete.error().message;
  EXPECT_EQ(complete->etag, "3858f62230ac3c915f300c664312c11f-9");
  // As Ceph RGW may say it.
  const auto silent =
      ParseCompleteMultipartUpload("<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>");
  ASSERT_TRUE(silent.ok()) << silent.error().message;
  EXPECT_EQ(silent->etag, "");
  for (const auto& copy : {ParseCopyObject(kCopy), ParseCopyPart(kCopyPart)}) {
    ASSERT_TRUE(copy.ok()) << copy.error().message;
    EXPECT_EQ(copy->etag, "9b2cf535f27731c974343645a3985328");
    EXPECT_EQ(copy->last_modified_us, *ParseIso8601("2009-10-28T22:32:00Z"));
  }
}

TEST(MultipartXml, Parts) {
  const auto answer = ParseListParts(kParts);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_TRUE(answer->truncated);
  EXPECT_EQ(answer->next_part_number_marker, 3);
  ASSERT_EQ(answer->parts.size(), 2U);
  EXPECT_EQ(answer->parts[0].part_number, 2);
  EXPECT_EQ(answer->parts[0].etag, "7778aef83f66abc1fa1e8477f296d394");
  EXPECT_EQ(answer->parts[0].size_bytes, 10'485'760U);
}

TEST(MultipartXml, Uploads) {
  const auto answer = ParseListMultipartUploads(kUploads);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_TRUE(answer->truncated);
  EXPECT_EQ(answer->next_key_marker, "my movie.m2ts");
  EXPECT_EQ(answer->next_upload_id_marker, "YW55+%2F");
  EXPECT_EQ(answer->common_prefixes, std::vector<std::string>{"photos//"});
  ASSERT_EQ(answer->uploads.size(), 2U);
  EXPECT_EQ(answer->uploads[0].key, "my divisor");
  EXPECT_EQ(answer->uploads[0].upload_id, "XMgbGlrZSBl");
  EXPECT_EQ(answer->uploads[0].initiated_us, *ParseIso8601("2010-11-10T20:48:33Z"));
}

TEST(DeleteXml, DeletedAndFailed) {
  const auto answer = ParseDelete(kDelete);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  ASSERT_EQ(answer->deleted.size(), 4U);
  EXPECT_EQ(answer->deleted[0].key, "plain+%20.txt");
  EXPECT_FALSE(answer->deleted[0].result.made_delete_marker);
  EXPECT_EQ(answer->deleted[0].result.version_id, "");
  EXPECT_TRUE(answer->deleted[1].result.made_delete_marker);
  EXPECT_EQ(answer->deleted[1].result.version_id, "M1");
  EXPECT_FALSE(answer->deleted[2].result.made_delete_marker);
  EXPECT_EQ(answer->deleted[2].result.version_id, "V1");
  EXPECT_FALSE(answer->deleted[3].result.made_delete_marker);  // one was deleted
  EXPECT_EQ(answer->deleted[3].result.version_id, "M2");
  ASSERT_EQ(answer->failed.size(), 1U);
  EXPECT_EQ(answer->failed[0].key, "kept");
  EXPECT_EQ(answer->failed[0].version_id, "V3");
  EXPECT_EQ(answer->failed[0].error.code, "AccessDenied");
  EXPECT_EQ(answer->failed[0].error.message, "Access Denied");
}

TEST(VersioningXml, States) {
  const auto state = [](std::string_view inside) {
    return ParseVersioning(StrCat("<VersioningConfiguration>", inside, "</VersioningConfiguration>"));
  };
  EXPECT_EQ(*ParseVersioning(kVersioning), VersioningState::kEnabled);
  EXPECT_EQ(*state("<Status>Suspended</Status>"), VersioningState::kSuspended);
  EXPECT_EQ(*state(""), VersioningState::kOff);
  EXPECT_EQ(*ParseVersioning("<VersioningConfiguration xmlns=\"x\"/>"), VersioningState::kOff);
  EXPECT_TRUE(state("<Status>enabled?</Status>").Is(Errc::kCorrupt));
}

TEST(ErrorXml, IsReadWithoutWhatIsSecret) {
  const auto aws = ParseError(kAwsError);
  ASSERT_TRUE(aws.ok()) << aws.error().message;
  EXPECT_EQ(aws->code, "SignatureDoesNotMatch");
  EXPECT_EQ(aws->request_id, "4442587FB7D0A2F9");
  const Error error = ErrorOf(403, *aws);
  EXPECT_EQ(error.code, Errc::kAccessDenied);
  EXPECT_EQ(error.message.find("AKIA"), std::string::npos);
  EXPECT_EQ(error.message.find("f0e8bdb8"), std::string::npos);
  const auto rgw = ParseError(kRgwError);
  ASSERT_TRUE(rgw.ok()) << rgw.error().message;
  EXPECT_EQ(ErrorOf(404, *rgw).message, "S3 answered 404 NoSuchKey (request tx000000c5)");
  EXPECT_TRUE(ParseError("<Error><Message>m</Message></Error>").Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseError(kAwsList).Is(Errc::kCorrupt));
}

TEST(ErrorXml, UnderASuccessIsTheError) {
  constexpr std::string_view kInternal =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  \n<Error><Code>InternalError</Code>"
      "<Message>We encountered an internal error. Please try again.</Message><RequestId>656c76696e6727</RequestId>"
      "</Error>";
  for (const Sample& sample : AllSamples()) {
    if (sample.xml == kAwsError || sample.xml == kRgwError) continue;
    const auto error = sample.parse(kInternal);
    ASSERT_TRUE(error.has_value()) << sample.name;
    EXPECT_EQ(error->code, Errc::kUnavailable) << sample.name;
    EXPECT_NE(error->message.find("InternalError: We encountered"), std::string::npos) << error->message;
  }
  EXPECT_TRUE(ParseCompleteMultipartUpload(kRgwError).Is(Errc::kNotFound));
}

}  // namespace
}  // namespace pailfs::s3wire
