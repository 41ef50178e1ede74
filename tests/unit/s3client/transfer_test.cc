// Bodies: broken, damaged, resumed, in parts; conditions that the server does not check.

#include <atomic>

#include "tests/unit/s3client/store_fixture.h"

namespace pailfs::s3client {
namespace {

using Lines = std::vector<std::string>;

class TransferTest : public StoreFixture {
 protected:
  static Reply Partial(std::string_view whole, uint64_t first, uint64_t last) {
    Reply reply = Object(whole);
    reply.status = 206;
    reply.body = whole.substr(first, last - first + 1);
    reply.headers[1].second = StrCat(reply.body.size());
    reply.headers.emplace_back("content-range", StrCat("bytes ", first, "-", last, "/", whole.size()));
    return reply;
  }
  static Reply Versions(const std::string& versions) {
    return Xml(StrCat("<ListVersionsResult><IsTruncated>false</IsTruncated>", versions, "</ListVersionsResult>"));
  }
  static std::string Version(const std::string& id, const std::string& etag) {
    return StrCat("<Version><Key>k</Key><VersionId>", id,
                  "</VersionId><IsLatest>false</IsLatest><LastModified>2013-05-24T00:00:00.000Z</LastModified><ETag>",
                  etag, "</ETag><Size>1</Size></Version>");
  }
};

// --- gets ---

TEST_F(TransferTest, ABrokenGetGoesOnWhereItStopped) {
  const std::string data = SeededRandom(1).Bytes(5 << 20);
  Reply half = Object(data);
  half.body = data.substr(0, 3 << 20);
  half.error = Error{Errc::kUnavailable, "reset"};
  transport_.Say({half, Partial(data, 3 << 20, (5 << 20) - 1)});
  const auto got = Get();
  ASSERT_OK(got);
  EXPECT_TRUE(*got == data);
  const auto asked = transport_.asked();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].Header("range"), "");
  EXPECT_EQ(asked[1].Header("range"), "bytes=3145728-5242879");
  EXPECT_EQ(asked[1].Header("if-match"), Quoted(Hex(Md5Of(data))));
}

TEST_F(TransferTest, AnObjectReplacedInTheMiddleIsNotMixed) {
  const std::string data = SeededRandom(1).Bytes(5 << 20);
  Reply half = Object(data);
  half.body = data.substr(0, 3 << 20);
  half.error = Error{Errc::kUnavailable, "reset"};
  transport_.Say({half, ErrorReply(412, "PreconditionFailed")});
  EXPECT_ERRC(Get(), Errc::kUnavailable);
  EXPECT_TRUE(received_ == data.substr(0, 3 << 20));
}

TEST_F(TransferTest, ASmallDamagedObjectIsFetchedAgainUnseen) {
  Reply damaged = Object("the data");
  damaged.body = "the dat4";
  transport_.Say({damaged, Object("the data")});
  EXPECT_EQ(*Get(), "the data");
  transport_.Say({damaged, damaged, damaged});
  EXPECT_ERRC(Get(), Errc::kCorrupt);
  EXPECT_EQ(received_, "");
}

TEST_F(TransferTest, ALargeDamagedObjectIsCorrupt) {
  const std::string data = SeededRandom(1).Bytes(5 << 20);
  Reply damaged = Object(data);
  damaged.body[4 << 20] ^= 1;
  transport_.Say({damaged});
  EXPECT_ERRC(Get(), Errc::kCorrupt);
}

TEST_F(TransferTest, ChecksumsGoBeforeEtags) {
  Reply reply = Object("the data");
  reply.headers[0].second = "\"not-an-md5\"";
  reply.headers.emplace_back("x-amz-checksum-crc32c", Crc32cBase64(Crc32c("the data")));
  Reply damaged = reply;
  damaged.body = "the dat4";
  transport_.Say({damaged, reply});
  EXPECT_EQ(*Get(), "the data");
}

TEST_F(TransferTest, EtagsThatAreNoMd5AreNotCompared) {
  Reply reply = Object("other bytes than the ETag says");
  reply.headers[0].second = Quoted(Hex(Md5Of("x")));
  reply.headers.emplace_back("x-amz-server-side-encryption", "aws:kms");
  transport_.Say({reply});
  EXPECT_OK(Get());
}

TEST_F(TransferTest, OtherBytesThanWereAskedForAreRefused) {
  GetOptions options;
  options.range = ByteRange{2, 3};
  const std::string data = "0123456789";
  Reply whole = Object(data);
  transport_.Say({whole});
  EXPECT_ERRC(Get(options), Errc::kUnsupported);
  Reply short_one = Partial(data, 2, 4);
  short_one.headers[1].second = "2";
  transport_.Say({Partial(data, 3, 5), short_one, Partial(data, 2, 4)});
  EXPECT_EQ(*Get(options), "234");
  EXPECT_EQ(transport_.asked().back().Header("range"), "bytes=2-4");
}

TEST_F(TransferTest, APastTheEndRangeAsksOnceMore) {
  GetOptions options;
  options.range = ByteRange{0, 3};
  transport_.Say({ErrorReply(416, "InvalidRange"), Object("")});
  EXPECT_EQ(*Get(options), "");
  options.range = ByteRange{5, 3};
  transport_.Say({ErrorReply(416, "InvalidRange"), Object("")});
  EXPECT_ERRC(Get(options), Errc::kRange);
}

// --- puts in parts ---

TEST_F(TransferTest, ALargePutGoesInPartsAtOnce) {
  const std::string data = SeededRandom(2).Bytes(40 << 20);
  Mutex mu;
  std::map<std::string, std::string> parts;
  transport_.Otherwise([&](const Asked& asked) {
    if (asked.line.starts_with("PUT")) {
      MutexLock lock(mu);
      parts[asked.line] = asked.body;
      return Stored(asked.body);
    }
    if (asked.line.ends_with("?uploads=")) {
      return Xml("<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>");
    }
    EXPECT_EQ(asked.Header("if-none-match"), "*");
    return Xml("<CompleteMultipartUploadResult><ETag>\"e-3\"</ETag></CompleteMultipartUploadResult>");
  });
  const auto put = Put(data, Conditions::IfAbsent());
  ASSERT_OK(put);
  EXPECT_EQ(put->etag, "e-3");
  std::string whole;
  for (const auto& [line, body] : parts) whole += body;
  EXPECT_EQ(parts.size(), 3U);
  EXPECT_TRUE(whole == data);
}

TEST_F(TransferTest, AFailedPartAbortsTheUpload) {
  std::atomic<int> aborts{0};
  transport_.Otherwise([&](const Asked& asked) {
    if (asked.line.starts_with("DELETE")) ++aborts;
    if (asked.line.ends_with("?uploads=")) {
      return Xml("<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>");
    }
    if (asked.line.find("partNumber=2") != std::string::npos) return ErrorReply(403, "AccessDenied");
    return Stored(asked.body);
  });
  EXPECT_ERRC(Put(std::string(40 << 20, 'x')), Errc::kAccessDenied);
  EXPECT_EQ(aborts, 1);
}

TEST_F(TransferTest, MoreThanFiveGibIsCopiedInParts) {
  Reply source = Object("");
  source.headers[1].second = StrCat(6ULL << 30);
  source.headers.emplace_back("x-amz-meta-mode", "33188");
  source.headers.emplace_back("content-type", "video/mp4");
  std::atomic<int> copied{0};
  transport_.Otherwise([&](const Asked& asked) {
    if (asked.line.starts_with("HEAD")) return source;
    if (asked.line.ends_with("?uploads=")) {
      EXPECT_EQ(asked.Header("x-amz-meta-mode"), "33188");
      EXPECT_EQ(asked.Header("content-type"), "video/mp4");
      return Xml("<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>");
    }
    if (asked.line.find("partNumber=") != std::string::npos) {
      ++copied;
      EXPECT_NE(asked.Header("x-amz-copy-source-if-match"), "");
      return Xml(
          "<CopyPartResult><ETag>\"e\"</ETag><LastModified>2009-10-28T22:32:00Z</LastModified></CopyPartResult>");
    }
    if (asked.line.starts_with("PUT")) return ErrorReply(400, "InvalidRequest");
    return Xml("<CompleteMultipartUploadResult><ETag>\"e-12\"</ETag></CompleteMultipartUploadResult>");
  });
  const auto result = store().Copy(ctx_, "from", "k", {});
  ASSERT_OK(result);
  EXPECT_EQ(result->etag, "e-12");
  EXPECT_EQ(copied, 12);
}

TEST_F(TransferTest, AServerThatStoredOtherBytesIsNotBelieved) {
  transport_.Say({Stored("other")});
  EXPECT_ERRC(Put("x"), Errc::kAmbiguous);
}

// --- conditions that the server does not check ---

class EmulationTest : public TransferTest {
 protected:
  EmulationTest() {
    traits_ = {};
    traits_.versioning = VersioningState::kEnabled;
    traits_.etag_is_md5 = true;
  }
};

TEST_F(EmulationTest, LookedAtBeforeAndAfter) {
  transport_.Say({Status404(), Stored("x", "v1"), Versions(Version("v1", "e"))});
  EXPECT_OK(Put("x", Conditions::IfAbsent()));
  const auto lines = transport_.lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "HEAD http://s3.test/bucket/k");
  EXPECT_EQ(lines[1], "PUT http://s3.test/bucket/k");
  EXPECT_EQ(transport_.asked()[1].Header("if-none-match"), "");
  transport_.Say({Object("old")});
  EXPECT_ERRC(Put("x", Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_EQ(transport_.asked().size(), 4U);  // nothing was put
}

TEST_F(EmulationTest, AForeignVersionThatSlippedInIsNotHidden) {
  transport_.Say({Status404(),
                  Stored("x", "v2"),
                  Versions(Version("v2", "e") + Version("v1", "foreign")),
                  {.status = 204, .headers = {}, .body = "", .error = {}}});
  EXPECT_ERRC(Put("x", Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_EQ(transport_.lines().back(), "DELETE http://s3.test/bucket/k?versionId=v2");
}

TEST_F(EmulationTest, NobodySeesAVersionThatIsStillToBeTakenBack) {
  const Reply gone{.status = 204, .headers = {}, .body = "", .error = {}};
  transport_.Say({Status404(), Stored("x", "v2"), Versions(Version("v2", "e") + Version("v1", "foreign")),
                  ErrorReply(403, "AccessDenied")});
  EXPECT_ERRC(Put("x", Conditions::IfAbsent()), Errc::kAmbiguous);
  transport_.Say({ErrorReply(403, "AccessDenied")});
  EXPECT_ERRC(store().Head(ctx_, "k", {}), Errc::kUnavailable);
  transport_.Say({gone, Object("foreign"), Object("foreign")});
  EXPECT_EQ(store().Head(ctx_, "k", {})->etag, Hex(Md5Of("foreign")));
  EXPECT_OK(store().Head(ctx_, "k", {}));
  const Lines lines = transport_.lines();
  const std::string take_back = "DELETE http://s3.test/bucket/k?versionId=v2";
  const std::string look = "HEAD http://s3.test/bucket/k";
  EXPECT_EQ(Lines(lines.end() - 4, lines.end()), (Lines{take_back, take_back, look, look}));
}

TEST_F(EmulationTest, ALaterForeignVersionIsNoMatterOfOurs) {
  transport_.Say({Object("old"), Stored("x", "v2"),
                  Versions(Version("v3", "foreign") + Version("v2", "e") + Version("v1", Hex(Md5Of("old"))))});
  EXPECT_OK(Put("x", Conditions::IfMatch(Hex(Md5Of("old")))));
}

TEST_F(EmulationTest, NotBeingAbleToLookAfterwardsIsAmbiguous) {
  transport_.Say({Status404(), Stored("x", "v1"), ErrorReply(403, "AccessDenied")});
  EXPECT_ERRC(Put("x", Conditions::IfAbsent()), Errc::kAmbiguous);
}

TEST_F(EmulationTest, WithoutVersionsOursMustBeCurrent) {
  traits_.versioning = VersioningState::kOff;
  transport_.Say({Status404(), Stored("x"), Object("x")});
  EXPECT_OK(Put("x", Conditions::IfAbsent()));
  transport_.Say({Status404(), Stored("x"), Object("foreign")});
  EXPECT_ERRC(Put("x", Conditions::IfAbsent()), Errc::kPreconditionFailed);
}

TEST_F(EmulationTest, AMarkerOverAForeignVersionIsTakenBack) {
  Reply marked{
      .status = 204, .headers = {{"x-amz-delete-marker", "true"}, {"x-amz-version-id", "m"}}, .body = "", .error = {}};
  const std::string marker =
      "<DeleteMarker><Key>k</Key><VersionId>m</VersionId><IsLatest>true</IsLatest>"
      "<LastModified>2013-05-24T00:00:00.000Z</LastModified></DeleteMarker>";
  transport_.Say({Object("old"),
                  marked,
                  Versions(marker + Version("v2", "foreign")),
                  {.status = 204, .headers = {}, .body = "", .error = {}}});
  EXPECT_ERRC(store().Delete(ctx_, {"k", "", Hex(Md5Of("old"))}), Errc::kPreconditionFailed);
  EXPECT_EQ(transport_.lines().back(), "DELETE http://s3.test/bucket/k?versionId=m");
}

TEST_F(EmulationTest, TheSourceOfACopyIsPinnedByItsVersion) {
  Reply source = Object("old");
  source.headers.emplace_back("x-amz-version-id", "v7");
  transport_.Say({source, Xml("<CopyObjectResult><ETag>\"e\"</ETag><LastModified>2009-10-28T22:32:00Z</LastModified>"
                              "</CopyObjectResult>")});
  CopyOptions options;
  options.source_if_match = Hex(Md5Of("old"));
  EXPECT_OK(store().Copy(ctx_, "from", "k", options));
  EXPECT_EQ(transport_.asked()[1].Header("x-amz-copy-source"), "/bucket/from?versionId=v7");
}

// --- deletes together ---

TEST_F(TransferTest, ABatchNamesWhatXmlCanName) {
  transport_.Say({Xml("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>"
                      "</Error></DeleteResult>"),
                  {.status = 204, .headers = {}, .body = "", .error = {}}});
  const std::vector<DeleteItem> items = {{"a", "", {}}, {"b", "", {}}, {"c\x01", "", {}}};
  const auto results = store().DeleteBatch(ctx_, items);
  ASSERT_OK(results);
  EXPECT_OK((*results)[0]);
  EXPECT_ERRC((*results)[1], Errc::kAccessDenied);
  EXPECT_OK((*results)[2]);
  EXPECT_EQ(transport_.lines(), (Lines{"POST http://s3.test/bucket?delete=", "DELETE http://s3.test/bucket/c%01"}));
}

}  // namespace
}  // namespace pailfs::s3client
