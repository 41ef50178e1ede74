// What the S3 imposter does for right requests.

#include <gtest/gtest.h>

#include <thread>

#include "base/hash.h"
#include "base/s3wire/xml.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "tests/support/results.h"
#include "tests/support/s3_imposter.h"
#include "tests/unit/s3client/raw_s3_client.h"

namespace pailfs {
namespace {

constexpr std::string_view kHelloMd5 = "5d41402abc4b2a76b9719d911017c592";

class ImposterTest : public testing::Test {
 protected:
  void SetUp() override {
    imposter_.AddBucket("plain", plain_);
    imposter_.AddBucket("kept", kept_);
  }
  void TearDown() override { EXPECT_TRUE(imposter_.violations().empty()) << imposter_.violations().front(); }

  HttpMessage Send(const RawRequest& request) {
    auto answer = client_.Send(request);
    EXPECT_OK(answer);
    return answer.ok() ? *answer : HttpMessage();
  }
  std::string Put(const std::string& path, const std::string& body, s3wire::Headers headers = {}) {
    const HttpMessage answer = Send({"PUT", path, {}, std::move(headers), body});
    EXPECT_EQ(answer.status(), 200) << answer.body;
    return HeaderOf(answer, "x-amz-version-id");
  }

  MemoryStore plain_{SystemClock()};
  MemoryStore kept_{SystemClock(), {.versioning = VersioningState::kEnabled}};
  S3Imposter imposter_;
  RawS3Client client_{imposter_.port(), imposter_.credentials()};
};

TEST_F(ImposterTest, PutsAndReadsAnObject) {
  const std::string path = "/plain/a dir/\x01+%&=?#\xFF.txt";
  Put(path, "hello", {{"Content-Type", "text/plain"}, {"X-Amz-Meta-Mode", "0644"}, {"Cache-Control", "no-cache"}});
  const HttpMessage got = Send({"GET", path});
  EXPECT_EQ(got.status(), 200);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(HeaderOf(got, "ETag"), StrCat("\"", kHelloMd5, "\""));
  EXPECT_EQ(HeaderOf(got, "Content-Type"), "text/plain");
  EXPECT_EQ(HeaderOf(got, "Cache-Control"), "no-cache");
  EXPECT_EQ(HeaderOf(got, "x-amz-meta-mode"), "0644");
  EXPECT_NE(HeaderOf(got, "Date"), "");
  EXPECT_NE(HeaderOf(got, "Last-Modified"), "");
  EXPECT_NE(HeaderOf(got, "x-amz-request-id"), "");
  EXPECT_EQ(got.Find("x-amz-version-id"), nullptr);
  const HttpMessage head = Send({"HEAD", path});
  EXPECT_EQ(head.status(), 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(HeaderOf(head, "Content-Length"), "5");
  EXPECT_EQ(imposter_.requests(S3Operation::kGetObject), 1);
  EXPECT_EQ(imposter_.requests(S3Operation::kHeadObject), 1);
  EXPECT_EQ(imposter_.requests(S3Operation::kPutObject), 1);
  EXPECT_EQ(imposter_.requests(), 3);
}

TEST_F(ImposterTest, AnswersRanges) {
  Put("/plain/k", "0123456789");
  Put("/plain/empty", "");
  const auto range = [&](const std::string& path, const std::string& bytes) {
    return Send({"GET", path, {}, {{"Range", StrCat("bytes=", bytes)}}});
  };
  const HttpMessage middle = range("/plain/k", "2-4");
  EXPECT_EQ(middle.status(), 206);
  EXPECT_EQ(middle.body, "234");
  EXPECT_EQ(HeaderOf(middle, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(range("/plain/k", "8-100").body, "89");
  EXPECT_EQ(range("/plain/k", "7-").body, "789");
  EXPECT_EQ(range("/plain/k", "-2").body, "89");
  EXPECT_EQ(range("/plain/k", "10-").status(), 416);
  EXPECT_EQ(CodeOf(range("/plain/k", "10-12")), "InvalidRange");
  EXPECT_EQ(range("/plain/empty", "0-").status(), 416);
}

TEST_F(ImposterTest, ChecksConditionsOfReads) {
  Put("/plain/k", "hello");
  const std::string etag = StrCat("\"", kHelloMd5, "\"");
  const auto status = [&](std::string_view method, std::string_view name, std::string_view value) {
    return client_.Status({std::string(method), "/plain/k", {}, {{std::string(name), std::string(value)}}});
  };
  EXPECT_EQ(status("GET", "If-Match", etag), 200);
  EXPECT_EQ(status("GET", "If-Match", "\"other\""), 412);
  EXPECT_EQ(status("HEAD", "If-Match", "\"other\""), 412);
  EXPECT_EQ(status("GET", "If-None-Match", etag), 304);
  EXPECT_EQ(status("GET", "If-None-Match", "\"other\""), 200);
  EXPECT_EQ(status("GET", "If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"), 304);
  EXPECT_EQ(status("GET", "If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"), 412);
}

TEST_F(ImposterTest, ChecksConditionsOfWrites) {
  const auto put = [&](std::string_view name, std::string_view value) {
    return Send({"PUT", "/plain/k", {}, {{std::string(name), std::string(value)}}, "hello"});
  };
  EXPECT_EQ(CodeOf(put("If-Match", "\"absent\"")), "NoSuchKey");
  EXPECT_EQ(put("If-None-Match", "*").status(), 200);
  EXPECT_EQ(CodeOf(put("If-None-Match", "*")), "PreconditionFailed");
  EXPECT_EQ(put("If-Match", "\"other\"").status(), 412);
  EXPECT_EQ(put("If-Match", StrCat("\"", kHelloMd5, "\"")).status(), 200);

  EXPECT_EQ(client_.Code({"DELETE", "/plain/k", {}, {{"If-Match", "\"other\""}}}), "PreconditionFailed");
  EXPECT_EQ(client_.Status({"DELETE", "/plain/k", {}, {{"If-Match", "*"}}}), 204);
  EXPECT_EQ(client_.Code({"DELETE", "/plain/k", {}, {{"If-Match", "*"}}}), "NoSuchKey");
  EXPECT_EQ(client_.Status({"DELETE", "/plain/k"}), 204);
}

TEST_F(ImposterTest, KeepsVersionsAndMarkers) {
  const std::string first = Put("/kept/k", "one");
  const std::string second = Put("/kept/k", "two");
  EXPECT_NE(first, second);
  EXPECT_EQ(Send({"GET", "/kept/k", {{"versionId", first}}}).body, "one");
  const HttpMessage deleted = Send({"DELETE", "/kept/k"});
  EXPECT_EQ(deleted.status(), 204);
  EXPECT_EQ(HeaderOf(deleted, "x-amz-delete-marker"), "true");
  const std::string marker = HeaderOf(deleted, "x-amz-version-id");

  const HttpMessage gone = Send({"GET", "/kept/k"});
  EXPECT_EQ(CodeOf(gone), "NoSuchKey");
  EXPECT_EQ(HeaderOf(gone, "x-amz-delete-marker"), "true");
  EXPECT_EQ(HeaderOf(gone, "x-amz-version-id"), marker);
  const HttpMessage at_marker = Send({"HEAD", "/kept/k", {{"versionId", marker}}});
  EXPECT_EQ(at_marker.status(), 405);
  EXPECT_EQ(HeaderOf(at_marker, "x-amz-delete-marker"), "true");
  EXPECT_EQ(client_.Code({"GET", "/kept/k", {{"versionId", "none"}}}), "NoSuchVersion");

  const HttpMessage listed = Send({"GET", "/kept", {{"versions", ""}, {"max-keys", "2"}}});
  const auto page = s3wire::ParseListVersions(listed.body);
  ASSERT_OK(page);
  ASSERT_EQ(page->versions.size(), 2U);
  EXPECT_TRUE(page->versions[0].is_delete_marker);
  EXPECT_EQ(page->versions[1].version_id, second);
  EXPECT_TRUE(page->truncated);
  const auto rest = s3wire::ParseListVersions(Send({"GET",
                                                    "/kept",
                                                    {{"versions", ""},
                                                     {"key-marker", page->next_key_marker},
                                                     {"version-id-marker", page->next_version_id_marker}}})
                                                  .body);
  ASSERT_OK(rest);
  ASSERT_EQ(rest->versions.size(), 1U);
  EXPECT_EQ(rest->versions[0].version_id, first);

  EXPECT_EQ(HeaderOf(Send({"DELETE", "/kept/k", {{"versionId", marker}}}), "x-amz-delete-marker"), "true");
  EXPECT_EQ(Send({"GET", "/kept/k"}).body, "two");
}

TEST_F(ImposterTest, ListsInPages) {
  for (const std::string key : {"a", "b c/1", "b c/2", "d\x01", "e+f/x"}) Put(StrCat("/plain/", key), "x");
  std::vector<std::string> found;
  std::string token;
  do {
    s3wire::Query query{{"list-type", "2"}, {"max-keys", "1"}, {"delimiter", "/"}, {"encoding-type", "url"}};
    if (!token.empty()) query.emplace_back("continuation-token", token);
    const auto answer = s3wire::ParseListObjectsV2(Send({"GET", "/plain", query}).body);
    ASSERT_OK(answer);
    for (const auto& info : answer->page.objects) found.push_back(info.key);
    for (const auto& prefix : answer->page.common_prefixes) found.push_back(prefix);
    token = answer->page.next_token;
  } while (!token.empty());
  EXPECT_EQ(found, (std::vector<std::string>{"a", "b c/", "d\x01", "e+f/"}));
  const auto after = s3wire::ParseListObjectsV2(
      Send({"GET", "/plain", {{"list-type", "2"}, {"prefix", "b"}, {"start-after", "b c/1"}}}).body);
  ASSERT_OK(after);
  ASSERT_EQ(after->page.objects.size(), 1U);
  EXPECT_EQ(after->page.objects[0].key, "b c/2");
  EXPECT_FALSE(after->page.objects[0].has_metadata);
}

TEST_F(ImposterTest, Copies) {
  Put("/plain/from +%", "hello", {{"x-amz-meta-a", "1"}});
  const std::string source = "plain/from%20%2B%25";
  const HttpMessage copied = Send({"PUT", "/plain/to", {}, {{"x-amz-copy-source", source}}});
  const auto result = s3wire::ParseCopyObject(copied.body);
  ASSERT_OK(result);
  EXPECT_EQ(result->etag, kHelloMd5);
  EXPECT_EQ(HeaderOf(Send({"HEAD", "/plain/to"}), "x-amz-meta-a"), "1");
  const s3wire::Headers replace = {{"x-amz-copy-source", source},
                                   {"x-amz-metadata-directive", "REPLACE"},
                                   {"x-amz-meta-b", "2"},
                                   {"x-amz-copy-source-if-match", StrCat("\"", kHelloMd5, "\"")}};
  EXPECT_EQ(client_.Status({"PUT", "/plain/to", {}, replace}), 200);
  EXPECT_EQ(HeaderOf(Send({"HEAD", "/plain/to"}), "x-amz-meta-b"), "2");
  EXPECT_EQ(Send({"HEAD", "/plain/to"}).Find("x-amz-meta-a"), nullptr);

  const auto code = [&](s3wire::Headers headers, const std::string& path = "/plain/to") {
    return client_.Code({"PUT", path, {}, std::move(headers)});
  };
  EXPECT_EQ(code({{"x-amz-copy-source", source}, {"x-amz-copy-source-if-match", "\"other\""}}), "PreconditionFailed");
  EXPECT_EQ(code({{"x-amz-copy-source", source}, {"If-None-Match", "*"}}), "PreconditionFailed");
  EXPECT_EQ(code({{"x-amz-copy-source", "/plain/none"}}), "NoSuchKey");
  EXPECT_EQ(code({{"x-amz-copy-source", "/plain/to"}}), "InvalidRequest");

  const std::string version = Put("/kept/k", "old");
  Put("/kept/k", "new");
  EXPECT_EQ(client_.Status({"PUT", "/kept/c", {}, {{"x-amz-copy-source", StrCat("/kept/k?versionId=", version)}}}),
            200);
  EXPECT_EQ(Send({"GET", "/kept/c"}).body, "old");
}

TEST_F(ImposterTest, DeletesInBatches) {
  for (const std::string key : {"a", "b &<", "c"}) Put(StrCat("/plain/", key), "hello");
  const std::vector<DeleteItem> items = {{.key = "a", .version_id = {}, .if_match = {}},
                                         {.key = "b &<", .version_id = {}, .if_match = std::string(kHelloMd5)},
                                         {.key = "c", .version_id = {}, .if_match = "other"}};
  const std::string body = s3wire::WriteDelete(items, s3wire::DeleteReport::kAll).value();
  const auto answer = s3wire::ParseDelete(Send({"POST", "/plain", {{"delete", ""}}, WithMd5(body), body}).body);
  ASSERT_OK(answer);
  ASSERT_EQ(answer->deleted.size(), 2U);
  EXPECT_EQ(answer->deleted[1].key, "b &<");
  ASSERT_EQ(answer->failed.size(), 1U);
  EXPECT_EQ(answer->failed[0].key, "c");
  EXPECT_EQ(answer->failed[0].error.code, "PreconditionFailed");
  EXPECT_EQ(client_.Status({"HEAD", "/plain/a"}), 404);
  EXPECT_EQ(client_.Status({"HEAD", "/plain/c"}), 200);
}

TEST_F(ImposterTest, AnswersForBuckets) {
  EXPECT_EQ(HeaderOf(Send({"HEAD", "/plain"}), "x-amz-bucket-region"), "us-east-1");
  const HttpMessage none = Send({"HEAD", "/none"});
  EXPECT_EQ(none.status(), 404);
  EXPECT_EQ(none.body, "");
  EXPECT_EQ(client_.Code({"GET", "/none/k"}), "NoSuchBucket");
  EXPECT_EQ(client_.Status({"GET", "/plain", {{"location", ""}}}), 200);
  EXPECT_EQ(client_.Status({"PUT", "/made"}), 200);
  EXPECT_EQ(client_.Code({"PUT", "/made"}), "BucketAlreadyOwnedByYou");
  Put("/made/k", "x");

  const auto versioning = [&] {
    return s3wire::ParseVersioning(Send({"GET", "/made", {{"versioning", ""}}}).body).value();
  };
  EXPECT_EQ(versioning(), VersioningState::kOff);
  const std::string body = s3wire::WriteVersioning(VersioningState::kEnabled).value();
  EXPECT_EQ(client_.Status({"PUT", "/made", {{"versioning", ""}}, WithMd5(body), body}), 200);
  EXPECT_EQ(versioning(), VersioningState::kEnabled);
  EXPECT_NE(Put("/made/k", "y"), "");
}

TEST_F(ImposterTest, TakesTheBucketFromTheHost) {
  Put("/plain/k", "hello");
  client_.host = StrCat("plain.localhost:", imposter_.port());
  EXPECT_EQ(Send({"GET", "/k"}).body, "hello");
  EXPECT_EQ(client_.Status({"HEAD", "/"}), 200);
}

TEST_F(ImposterTest, StoresWhatComesBackInHeaders) {
  const std::string key(32, 'k');
  const std::string key_base64 = Base64Encode(key);
  const std::string prefix = "x-amz-server-side-encryption-customer-";
  const s3wire::Headers customer = {
      {prefix + "algorithm", "AES256"}, {prefix + "key", key_base64}, {prefix + "key-MD5", ContentMd5(key)}};
  Put("/plain/c", "secret", customer);
  EXPECT_EQ(client_.Code({"GET", "/plain/c"}), "InvalidRequest");
  EXPECT_EQ(Send({"GET", "/plain/c", {}, customer}).body, "secret");
  Put("/plain/s", "hello", {{"x-amz-storage-class", "STANDARD_IA"}, {"x-amz-server-side-encryption", "AES256"}});
  const HttpMessage head = Send({"HEAD", "/plain/s"});
  EXPECT_EQ(HeaderOf(head, "x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(HeaderOf(head, "x-amz-server-side-encryption"), "AES256");
}

TEST_F(ImposterTest, EndsWithOpenConnections) {
  auto imposter = std::make_unique<S3Imposter>();
  RawS3Client idle(imposter->port(), imposter->credentials());
  EXPECT_EQ(idle.Status({"HEAD", "/none"}), 404);
  WakeFlag wake;
  auto half = Socket::Connect("127.0.0.1", imposter->port(), wake);
  ASSERT_OK(half);
  ASSERT_OK(half->Write("PUT /none/k HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"));
  imposter.reset();
  EXPECT_EQ(idle.Status({"HEAD", "/none"}), 0);
}

TEST_F(ImposterTest, ServesConnectionsInParallel) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      RawS3Client client(imposter_.port(), imposter_.credentials());
      for (int i = 0; i < 20; ++i) {
        const std::string path = StrCat("/plain/", t, "/", i);
        EXPECT_EQ(client.Status({"PUT", path, {}, {}, path}), 200);
        EXPECT_EQ(client.Send(RawRequest{"GET", path}).value().body, path);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(imposter_.requests(S3Operation::kPutObject), 160);
}

}  // namespace
}  // namespace pailfs
