// Copies on the side of the store.

#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

TEST_P(ObjectStoreTest, ACopyCarriesBytesAndMetadata) {
  for (const size_t size : {0UL, 10UL, 100'000UL}) {
    const std::string data = TestBytes(size, size);
    PutOptions options;
    options.headers = AllHeaders();
    options.metadata = {{"mode", "33188"}, {"foreign", "kept"}};
    Put("from", data, options);
    const auto copied = store().Copy(ctx_, "from", "to", {});
    ASSERT_OK(copied);
    EXPECT_EQ(copied->etag, Md5Hex(data));
    EXPECT_EQ(Content("to"), data);
    EXPECT_EQ(Content("from"), data);
    const ObjectInfo info = Head("to");
    EXPECT_EQ(info.headers, options.headers);
    ExpectMetadata(info.metadata, options.metadata);
    EXPECT_EQ(info.last_modified_us, copied->last_modified_us);
    ExpectLater(info.last_modified_us, Head("from").last_modified_us);
    // Each lives on without the other.
    Delete("from");
    EXPECT_EQ(Content("to"), data);
    Put("to", "replaced");
    EXPECT_EQ(Content("to"), "replaced");
  }
}

TEST_P(ObjectStoreTest, ACopyOntoItselfReplacesMetadata) {
  PutOptions options;
  options.headers = AllHeaders();
  options.metadata = {{"old", "1"}};
  const std::string data = TestBytes(3, 50'000);
  const PutResult put = Put("k", data, options);
  CopyOptions copy;
  copy.directive = MetadataDirective::kReplace;
  copy.headers.type = "image/png";
  copy.metadata = {{"new", "2"}};
  copy.source_if_match = put.etag;
  copy.conditions = Conditions::IfMatch(put.etag);
  for (int round = 0; round < 3; ++round) {
    const auto copied = store().Copy(ctx_, "k", "k", copy);
    ASSERT_OK(copied);
    EXPECT_EQ(copied->etag, put.etag);
    EXPECT_EQ(Content("k"), data);
    EXPECT_EQ(Head("k").metadata, copy.metadata);
    EXPECT_EQ(Head("k").headers, copy.headers);
  }
  EXPECT_EQ(Versions().size(), versioned() ? 4U : 1U);
}

TEST_P(ObjectStoreTest, ACopyReplacesItsTarget) {
  Put("from", "new");
  Put("to", "old");
  ASSERT_OK(store().Copy(ctx_, "from", "to", {}));
  EXPECT_EQ(Content("to"), "new");
  EXPECT_EQ(Versions("to").size(), versioned() ? 2U : 1U);
}

TEST_P(ObjectStoreTest, ConditionsOnBothEndsOfACopy) {
  const PutResult from = Put("from", "new");
  CopyOptions copy;
  copy.source_if_match = "other";
  EXPECT_ERRC(store().Copy(ctx_, "from", "to", copy), Errc::kPreconditionFailed);
  copy.source_if_match = from.etag;
  copy.conditions = Conditions::IfMatch("x");
  EXPECT_ERRC(store().Copy(ctx_, "from", "to", copy), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("to"), "absent");
  copy.conditions = Conditions::IfAbsent();
  ASSERT_OK(store().Copy(ctx_, "from", "to", copy));
  EXPECT_ERRC(store().Copy(ctx_, "from", "to", copy), Errc::kPreconditionFailed);
  copy.conditions = Conditions::IfMatch(from.etag);
  EXPECT_OK(store().Copy(ctx_, "from", "to", copy));
  EXPECT_EQ(Content("to"), "new");
}

TEST_P(ObjectStoreTest, ManyCopiesOfOneBodyGoOneByOne) {
  const std::string data = TestBytes(5, 80'000);
  Put("0", data);
  for (int i = 1; i < 10; ++i) {
    ASSERT_OK(store().Copy(ctx_, std::to_string(i - 1), std::to_string(i), {}));
  }
  for (const int i : {3, 0, 9, 5, 1, 7, 8, 2, 6}) {
    Delete(std::to_string(i));
    EXPECT_EQ(Content("4"), data);
  }
  bucket_->Reopen();
  EXPECT_EQ(Content("4"), data);
}

// --- deletion ---

}  // namespace
}  // namespace pailfs::conformance
