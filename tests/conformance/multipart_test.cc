// Multipart uploads.

#include "base/hash.h"
#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

using Parts = std::vector<UploadedPart>;

class MultipartStoreTest : public ObjectStoreTest {
 protected:
  std::string Create(std::string_view key, const PutOptions& options = {}) {
    auto upload = store().CreateMultipartUpload(ctx_, key, options);
    EXPECT_OK(upload);
    return upload.ok() ? *upload : "";
  }
  UploadedPart Upload(std::string_view key, const std::string& upload, int number, std::string_view data) {
    StringBody body(data);
    auto part = store().UploadPart(ctx_, key, upload, number, body);
    EXPECT_OK(part);
    return part.ok() ? *part : UploadedPart{};
  }
  Result<UploadedPart> CopyPart(std::string_view key, const std::string& upload, int number, const std::string& source,
                                uint64_t offset, uint64_t length) {
    return store().UploadPartCopy(ctx_, key, upload, number, {source, "", {}, {offset, length}});
  }
  Result<PutResult> Complete(std::string_view key, const std::string& upload, const Parts& parts,
                             const Conditions& conditions = {}) {
    return store().CompleteMultipartUpload(ctx_, key, upload, parts, conditions);
  }
};

std::string MultipartEtag(const std::vector<std::string>& parts) {
  std::string digests;
  for (const std::string& part : parts) {
    const Md5Digest digest = Md5Of(part);
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  return Md5Hex(digests) + "-" + std::to_string(parts.size());
}

TEST_P(MultipartStoreTest, PartsBecomeOneObject) {
  PutOptions options;
  options.headers.type = "video/mp4";
  options.metadata = {{"mode", "33188"}, {"x", "y"}};
  const std::string upload = Create("k", options);
  const std::vector<std::string> data = {TestBytes(1, PartBytes(5000)), TestBytes(2, PartBytes(1000)),
                                         TestBytes(3, PartBytes(200'000)), "end"};
  Parts parts;
  for (int number : {3, 1, 4, 2}) Upload("k", upload, number * 10, data[static_cast<size_t>(number - 1)]);
  const auto listed = store().ListParts(ctx_, "k", upload);
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 4U);
  std::string whole;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*listed)[i].part_number, static_cast<int>(i + 1) * 10);
    EXPECT_EQ((*listed)[i].etag, Md5Hex(data[i]));
    EXPECT_EQ((*listed)[i].size_bytes, data[i].size());
    whole += data[i];
  }
  EXPECT_EQ(Content("k"), "absent");
  const auto completed = Complete("k", upload, *listed);
  ASSERT_OK(completed);
  EXPECT_EQ(completed->etag, MultipartEtag(data));
  bucket_->Reopen();
  EXPECT_EQ(Content("k"), whole);
  const ObjectInfo info = Head("k");
  EXPECT_EQ(info.etag, completed->etag);
  EXPECT_EQ(info.size_bytes, whole.size());
  EXPECT_EQ(info.version_id, completed->version_id);
  ExpectPutTime(*completed, info);
  EXPECT_EQ(info.headers, options.headers);
  ExpectMetadata(info.metadata, options.metadata);
  const size_t first = data[0].size();
  const size_t second = first + data[1].size();
  for (const uint64_t offset :
       {0UL, first - 1, first, second - 1, second, second + 94'000, whole.size() - 4, whole.size() - 2}) {
    GetOptions range;
    range.range = ByteRange{offset, 1500};
    EXPECT_EQ(Get("k", range), whole.substr(offset, 1500)) << offset;
  }
  EXPECT_ERRC(store().ListParts(ctx_, "k", upload), Errc::kNotFound);
}

TEST_P(MultipartStoreTest, OnePartMayBeSmallOrEmpty) {
  for (const std::string& data : {std::string("tiny"), std::string()}) {
    const std::string upload = Create("k");
    const auto completed = Complete("k", upload, {Upload("k", upload, 1, data)});
    ASSERT_OK(completed);
    EXPECT_EQ(completed->etag, MultipartEtag({data}));
    EXPECT_EQ(Content("k"), data);
  }
}

TEST_P(MultipartStoreTest, APartUploadedAgainReplacesItself) {
  const std::string upload = Create("k");
  const UploadedPart old = Upload("k", upload, 1, TestBytes(1, 10'000));
  const UploadedPart now = Upload("k", upload, 1, TestBytes(2, 1'500));
  EXPECT_ERRC(Complete("k", upload, {old}), Errc::kInvalidArgument);
  ASSERT_OK(Complete("k", upload, {now}));
  EXPECT_EQ(Content("k"), TestBytes(2, 1'500));
}

TEST_P(MultipartStoreTest, PartsThatAreNotNamedAreDropped) {
  const std::string upload = Create("k");
  const std::string large = TestBytes(1, PartBytes(10'000));
  const UploadedPart one = Upload("k", upload, 1, large);
  Upload("k", upload, 2, TestBytes(2, 10'000));
  const UploadedPart three = Upload("k", upload, 3, TestBytes(3, 10));
  const auto completed = Complete("k", upload, {one, three});
  ASSERT_OK(completed);
  EXPECT_EQ(completed->etag, MultipartEtag({large, TestBytes(3, 10)}));
  EXPECT_EQ(Content("k"), large + TestBytes(3, 10));
}

TEST_P(MultipartStoreTest, WrongListsOfPartsAreRefusedAndTheUploadStays) {
  const std::string upload = Create("k");
  const size_t least = manners().min_part_bytes;
  const std::string first = TestBytes(1, PartBytes(2000));
  const UploadedPart one = Upload("k", upload, 1, first);
  const UploadedPart two = Upload("k", upload, 2, TestBytes(2, PartBytes(2000)));
  const UploadedPart small = Upload("k", upload, 3, TestBytes(3, least - 1));
  const UploadedPart exact = Upload("k", upload, 4, TestBytes(4, least));
  EXPECT_ERRC(Complete("k", upload, {}), Errc::kInvalidArgument);
  EXPECT_ERRC(Complete("k", upload, {two, one}), Errc::kInvalidArgument);
  EXPECT_ERRC(Complete("k", upload, {one, one}), Errc::kInvalidArgument);
  EXPECT_ERRC(Complete("k", upload, {one, {5, one.etag, 2000}}), Errc::kInvalidArgument);
  EXPECT_ERRC(Complete("k", upload, {one, {2, one.etag, 2000}}), Errc::kInvalidArgument);
  EXPECT_ERRC(Complete("k", upload, {one, small, exact}), Errc::kInvalidArgument);
  EXPECT_EQ(Content("k"), "absent");
  if (!manners().drops_unnamed_parts) return;
  EXPECT_OK(Complete("k", upload, {one, exact, Upload("k", upload, 5, "last")}));
  EXPECT_EQ(Content("k"), first + TestBytes(4, least) + "last");
}

TEST_P(MultipartStoreTest, PartNumbersGoFromOneToTenThousand) {
  const std::string upload = Create("k");
  StringBody body("x");
  for (const int number : {0, -1, 10'001}) {
    EXPECT_ERRC(store().UploadPart(ctx_, "k", upload, number, body), Errc::kInvalidArgument);
  }
  EXPECT_OK(Complete("k", upload, {Upload("k", upload, 10'000, "x")}));
}

TEST_P(MultipartStoreTest, AnUploadBelongsToItsKey) {
  const std::string upload = Create("k");
  StringBody body("x");
  const UploadedPart part = Upload("k", upload, 1, "x");
  for (const std::string& id : {upload, std::string("nonsense"), std::string()}) {
    const std::string key = id == upload ? "other" : "k";
    EXPECT_ERRC(store().UploadPart(ctx_, key, id, 1, body), Errc::kNotFound);
    EXPECT_ERRC(Complete(key, id, {part}), id.empty() ? Errc::kNotFound : manners().completing_nothing);
    EXPECT_ERRC(store().AbortMultipartUpload(ctx_, key, id), Errc::kNotFound);
    EXPECT_ERRC(store().ListParts(ctx_, key, id), Errc::kNotFound);
  }
}

TEST_P(MultipartStoreTest, ConditionsAreThoseOfTheMomentOfCompletion) {
  const std::string upload = Create("k");
  const UploadedPart part = Upload("k", upload, 1, "upload");
  const PutResult put = Put("k", "meanwhile");
  EXPECT_ERRC(Complete("k", upload, {part}, Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_ERRC(Complete("k", upload, {part}, Conditions::IfMatch("other")), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("k"), "meanwhile");
  EXPECT_OK(Complete("k", upload, {part}, Conditions::IfMatch(put.etag)));
  EXPECT_EQ(Content("k"), "upload");
}

TEST_P(MultipartStoreTest, AbortForgetsTheParts) {
  Put("k", "before");
  const std::string upload = Create("k");
  const UploadedPart part = Upload("k", upload, 1, TestBytes(1, 100'000));
  EXPECT_OK(store().AbortMultipartUpload(ctx_, "k", upload));
  EXPECT_ERRC(Complete("k", upload, {part}), manners().completing_nothing);
  EXPECT_ERRC(store().AbortMultipartUpload(ctx_, "k", upload), Errc::kNotFound);
  EXPECT_EQ(Content("k"), "before");
}

TEST_P(MultipartStoreTest, UploadsUnderWayAreListed) {
  const std::string b1 = Create("b");
  clock().Advance(1'000'000'000);
  const std::string a = Create("a/x");
  clock().Advance(1'000'000'000);
  const std::string b2 = Create("b");
  EXPECT_NE(b1, b2);
  bucket_->Reopen();
  auto uploads = store().ListMultipartUploads(ctx_, "");
  ASSERT_OK(uploads);
  ASSERT_EQ(uploads->size(), 3U);
  EXPECT_EQ((*uploads)[0].key, "a/x");
  EXPECT_EQ((*uploads)[0].upload_id, a);
  EXPECT_EQ((*uploads)[1].upload_id, b1);
  EXPECT_EQ((*uploads)[2].upload_id, b2);
  if (manners().follows_clock) {
    EXPECT_LT((*uploads)[1].initiated_us, (*uploads)[2].initiated_us);
  }
  uploads = store().ListMultipartUploads(ctx_, "a/");
  ASSERT_OK(uploads);
  EXPECT_EQ(uploads->size(), 1U);
  ASSERT_OK(Complete("a/x", a, {Upload("a/x", a, 1, "x")}));
  ASSERT_OK(store().AbortMultipartUpload(ctx_, "b", b1));
  uploads = store().ListMultipartUploads(ctx_, "");
  ASSERT_OK(uploads);
  ASSERT_EQ(uploads->size(), 1U);
  EXPECT_EQ((*uploads)[0].upload_id, b2);
  EXPECT_TRUE(Keys() == std::vector<std::string>{"a/x"});
}

TEST_P(MultipartStoreTest, TwoUploadsOfOneKeyAreApart) {
  const std::string one = Create("k");
  const std::string two = Create("k");
  const UploadedPart part_one = Upload("k", one, 1, "one");
  const UploadedPart part_two = Upload("k", two, 1, "two");
  ASSERT_OK(Complete("k", two, {part_two}));
  EXPECT_EQ(Content("k"), "two");
  ASSERT_OK(Complete("k", one, {part_one}));
  EXPECT_EQ(Content("k"), "one");
}

// --- parts copied from objects ---

TEST_P(MultipartStoreTest, RangesOfObjectsBecomeParts) {
  const size_t kept = PartBytes(131'072);
  const size_t replaced = PartBytes(2'000);
  const std::string source = TestBytes(9, kept + replaced + PartBytes(166'928));
  Put("source", source);
  const std::string upload = Create("k");
  const auto head = CopyPart("k", upload, 1, "source", 0, kept);
  ASSERT_OK(head);
  EXPECT_EQ(head->size_bytes, kept);
  EXPECT_NE(head->etag, "");
  const UploadedPart changed = Upload("k", upload, 2, std::string(replaced, '!'));
  const auto tail = CopyPart("k", upload, 3, "source", kept + replaced, source.size() - kept - replaced);
  ASSERT_OK(tail);
  const auto odd = CopyPart("k", upload, 4, "source", 77, 12'345);
  ASSERT_OK(odd);
  const auto completed = Complete("k", upload, {*head, changed, *tail, *odd});
  ASSERT_OK(completed);
  EXPECT_TRUE(completed->etag.ends_with("-4")) << completed->etag;
  std::string expected = source;
  expected.replace(kept, replaced, std::string(replaced, '!'));
  expected += source.substr(77, 12'345);
  EXPECT_EQ(Content("k"), expected);
  Delete("source");
  bucket_->Reopen();
  EXPECT_EQ(Content("k"), expected);
  GetOptions range;
  range.range = ByteRange{kept - 1'000, 5'000};
  EXPECT_EQ(Get("k", range), expected.substr(kept - 1'000, 5'000));
}

TEST_P(MultipartStoreTest, AnObjectIsRewrittenFromItself) {
  std::string expected = TestBytes(1, PartBytes(50'000));
  Put("k", expected);
  for (int round = 0; round < 5; ++round) {
    const std::string etag = Head("k").etag;
    const std::string upload = Create("k");
    const auto same = store().UploadPartCopy(ctx_, "k", upload, 1, {"k", "", etag, {0, expected.size()}});
    ASSERT_OK(same);
    const std::string more = TestBytes(100 + static_cast<uint64_t>(round), 1'000);
    const auto completed = Complete("k", upload, {*same, Upload("k", upload, 2, more)}, Conditions::IfMatch(etag));
    ASSERT_OK(completed);
    expected += more;
    EXPECT_EQ(Content("k"), expected);
    EXPECT_NE(completed->etag, etag);
  }
  bucket_->Reopen();
  EXPECT_EQ(Content("k"), expected);
}

TEST_P(MultipartStoreTest, ACopiedPartMayComeFromAVersion) {
  if (!versioned()) return;
  const PutResult old = Put("source", std::string(5000, 'a'));
  Put("source", std::string(5000, 'b'));
  const std::string upload = Create("k");
  const auto part = store().UploadPartCopy(ctx_, "k", upload, 1, {"source", old.version_id, {}, {0, 5000}});
  ASSERT_OK(part);
  ASSERT_OK(Complete("k", upload, {*part}));
  EXPECT_EQ(Content("k"), std::string(5000, 'a'));
}

TEST_P(MultipartStoreTest, WrongSourcesOfParts) {
  Put("source", std::string(5000, 'a'));
  const std::string upload = Create("k");
  EXPECT_ERRC(CopyPart("k", upload, 1, "absent", 0, 10), Errc::kNotFound);
  EXPECT_ERRC(CopyPart("k", upload, 1, "source", 0, 5001), Errc::kRange);
  EXPECT_ERRC(CopyPart("k", upload, 1, "source", 5001, 1), Errc::kRange);
  EXPECT_ERRC(CopyPart("k", upload, 1, "source", 1, UINT64_MAX), Errc::kRange);
  EXPECT_ERRC(CopyPart("k", "nonsense", 1, "source", 0, 10), Errc::kNotFound);
  EXPECT_ERRC(CopyPart("k", upload, 0, "source", 0, 10), Errc::kInvalidArgument);
  EXPECT_ERRC(store().UploadPartCopy(ctx_, "k", upload, 1, {"source", "", "other", {0, 10}}),
              Errc::kPreconditionFailed);
  const auto parts = store().ListParts(ctx_, "k", upload);
  ASSERT_OK(parts);
  EXPECT_TRUE(parts->empty());
}

TEST_P(MultipartStoreTest, ACopiedPartOutlivesItsSource) {
  const std::string data = TestBytes(4, 20'000);
  Put("source", data);
  const std::string upload = Create("k");
  const auto part = CopyPart("k", upload, 1, "source", 1'000, 10'000);
  ASSERT_OK(part);
  Delete("source");
  if (versioned()) {
    for (const ObjectInfo& version : Versions("source")) Delete("source", version.version_id);
  }
  bucket_->Reopen();
  ASSERT_OK(Complete("k", upload, {*part}));
  EXPECT_EQ(Content("k"), data.substr(1'000, 10'000));
}

TEST_P(MultipartStoreTest, CopiesOfCompletedUploadsShareTheirBytesSafely) {
  const std::string upload = Create("k");
  const size_t size = PartBytes(20'000);
  const Parts parts = {Upload("k", upload, 1, TestBytes(1, size)), Upload("k", upload, 2, TestBytes(2, 500))};
  ASSERT_OK(Complete("k", upload, parts));
  const std::string whole = TestBytes(1, size) + TestBytes(2, 500);
  ASSERT_OK(store().Copy(ctx_, "k", "copy", {}));
  const std::string second = Create("second");
  const auto part = CopyPart("second", second, 1, "k", size - 1'000, 1'500);
  ASSERT_OK(part);
  ASSERT_OK(Complete("second", second, {*part}));
  Put("k", "replaced");
  if (versioned()) Delete("k", Versions("k")[1].version_id);
  bucket_->Reopen();
  EXPECT_EQ(Content("copy"), whole);
  EXPECT_EQ(Content("second"), whole.substr(size - 1'000, 1'500));
  Delete("copy");
  if (versioned()) {
    for (const ObjectInfo& version : Versions("copy")) Delete("copy", version.version_id);
  }
  bucket_->Reopen();
  EXPECT_EQ(Content("second"), whole.substr(size - 1'000, 1'500));
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(All, MultipartStoreTest,
                         testing::ValuesIn(BucketKinds({VersioningState::kOff, VersioningState::kEnabled})), KindName);

}  // namespace pailfs::conformance
