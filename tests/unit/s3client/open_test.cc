// Opening a bucket: what is wrong is named, and what a server can do is found out.

#include <map>

#include "tests/unit/s3client/store_fixture.h"

namespace pailfs::s3client {
namespace {

class OpenTest : public StoreFixture {
 protected:
  Result<std::unique_ptr<S3Store>> Open(const std::optional<ServerTraits>& known = {}) {
    return S3Store::Open(ctx_, transport_, credentials_, clock_, random_, metrics_, options_, known);
  }
  static Reply Versioning(const std::string& status) {
    return Xml(StrCat("<VersioningConfiguration><Status>", status, "</Status></VersioningConfiguration>"));
  }
  static Reply EmptyList() { return Xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"); }
  void ExpectRefused(std::vector<Reply> replies, Errc code, const std::string& text) {
    transport_.Say(std::move(replies));
    const auto opened = Open();
    EXPECT_ERRC(opened, code);
    if (opened.ok()) return;
    EXPECT_NE(opened.error().message.find(text), std::string::npos) << opened.error().message;
    EXPECT_EQ(opened.error().message.find("secret1"), std::string::npos);
  }
};

TEST_F(OpenTest, WhatIsWrongIsNamed) {
  options_.retry.max_attempts = 1;
  ExpectRefused({ErrorReply(404, "NoSuchBucket")}, Errc::kNotFound,
                "bucket bucket at s3.test: there is no such bucket");
  ExpectRefused({ErrorReply(403, "SignatureDoesNotMatch")}, Errc::kAccessDenied, "secret access key is wrong");
  ExpectRefused({ErrorReply(403, "InvalidAccessKeyId"), ErrorReply(403, "InvalidAccessKeyId")}, Errc::kAccessDenied,
                "does not know the access key id");
  ExpectRefused({Versioning("Enabled"), ErrorReply(403, "AccessDenied")}, Errc::kAccessDenied, "listing it");
  ExpectRefused({Broken(Errc::kUnavailable, false, "connection refused")}, Errc::kUnavailable, "connection refused");
  ExpectRefused({Xml("<html>hello</html>")}, Errc::kUnavailable, "this is not an S3 server");
  options_.bucket = "x";
  EXPECT_ERRC(Open(), Errc::kInvalidArgument);
  options_.bucket = "bucket";
  options_.endpoint = "gopher://x";
  EXPECT_ERRC(Open(), Errc::kInvalidArgument);
}

TEST_F(OpenTest, WithoutPermissionToWriteNothingIsReliedUpon) {
  transport_.Say({ErrorReply(403, "AccessDenied"), EmptyList(), ErrorReply(403, "AccessDenied")});
  const auto opened = Open();
  ASSERT_OK(opened);
  EXPECT_EQ((*opened)->traits(), ServerTraits());
}

TEST_F(OpenTest, ReadOnlyAndKnownServersAreNotProbed) {
  ServerTraits known = traits_;
  known.versioning = VersioningState::kEnabled;
  transport_.Say({Versioning("Enabled"), EmptyList()});
  const auto opened = Open(known);
  ASSERT_OK(opened);
  EXPECT_EQ((*opened)->traits(), known);
  options_.read_only = true;
  transport_.Say({Versioning("Suspended"), EmptyList()});
  const auto read_only = Open(known);
  ASSERT_OK(read_only);
  EXPECT_EQ((*read_only)->traits().probed_at_us, 0);
  EXPECT_EQ((*read_only)->traits().versioning, VersioningState::kSuspended);
  StringBody body("x");
  EXPECT_ERRC((*read_only)->Put(ctx_, "k", body, {}), Errc::kReadOnly);
  EXPECT_EQ(transport_.asked().size(), 4U);
}

// A server that takes every condition for granted: nothing of it may be believed, and nothing is left behind.
TEST_F(OpenTest, AServerThatIgnoresConditionsIsFoundOut) {
  std::map<std::string, std::string> objects;
  transport_.Otherwise([&objects](const Asked& asked) -> Reply {
    const std::string method = asked.line.substr(0, asked.line.find(' '));
    const size_t query = asked.line.find('?');
    const std::string key = asked.line.substr(
        asked.line.find("/bucket") + 7, query == std::string::npos ? query : query - asked.line.find("/bucket") - 7);
    const auto asks = [&](std::string_view name) {
      return query != std::string::npos && asked.line.find(name, query) != std::string::npos;
    };
    if (asks("versioning=")) return Xml("<VersioningConfiguration/>");
    if (asks("versions=")) {
      std::string xml = "<ListVersionsResult><IsTruncated>false</IsTruncated>";
      for (const auto& [name, data] : objects) {
        xml += StrCat("<Version><Key>", name.substr(1), "</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>",
                      "<LastModified>2013-05-24T00:00:00Z</LastModified><ETag>e</ETag><Size>1</Size></Version>");
      }
      return Xml(xml + "</ListVersionsResult>");
    }
    if (asks("list-type=")) return EmptyList();
    if (asks("uploads=")) {
      return Xml("<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>");
    }
    if (asks("delete=")) return ErrorReply(501, "NotImplemented");
    if (method == "POST") {
      objects[key] = "part";
      return Xml("<CompleteMultipartUploadResult><ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>");
    }
    if (method == "PUT" && !asked.Header("x-amz-copy-source").empty()) {
      objects[key] = "copy";
      return Xml(
          "<CopyObjectResult><ETag>\"e\"</ETag><LastModified>2013-05-24T00:00:00Z</LastModified></CopyObjectResult>");
    }
    if (method == "PUT" && !asks("uploadId=")) objects[key] = asked.body;
    if (method == "PUT") return Stored(asked.body);
    if (method == "DELETE") {
      if (!asks("uploadId=")) objects.erase(key);
      return {.status = 204, .headers = {}, .body = "", .error = {}};
    }
    const auto found = objects.find(key);
    return found == objects.end() ? Status404() : Object(found->second);
  });
  const auto opened = Open();
  ASSERT_OK(opened);
  ServerTraits expected;
  expected.probed_at_us = (*opened)->traits().probed_at_us;
  expected.etag_is_md5 = true;
  EXPECT_EQ((*opened)->traits().ToText(), expected.ToText());
  EXPECT_GT(expected.probed_at_us, 0);
  EXPECT_TRUE(objects.empty());
  EXPECT_LT(transport_.asked().size(), 60U);
}

}  // namespace
}  // namespace pailfs::s3client
