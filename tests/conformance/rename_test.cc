// Rename and RenamePrefix, where the store has them.

#include "base/random.h"
#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

using Strings = std::vector<std::string>;

class RenameStoreTest : public ObjectStoreTest {};
class NoRenameStoreTest : public ObjectStoreTest {};

std::vector<BucketKind> Kinds(bool renames) {
  auto kinds = BucketKinds({VersioningState::kOff, VersioningState::kSuspended, VersioningState::kEnabled});
  std::erase_if(kinds, [renames](const BucketKind& kind) { return kind.factory.renames != renames; });
  return kinds;
}

TEST_P(NoRenameStoreTest, RenamesAreUnsupportedAndChangeNothing) {
  EXPECT_FALSE(store().capabilities().rename);
  Put("a", "1");
  Put("a/1", "2");
  EXPECT_ERRC(store().Rename(ctx_, "a", "b", {}), Errc::kUnsupported);
  EXPECT_ERRC(store().RenamePrefix(ctx_, "a/", "b/"), Errc::kUnsupported);
  EXPECT_EQ(Keys(), (Strings{"a", "a/1"}));
}

TEST_P(RenameStoreTest, ARenameMovesBytesAndMetadata) {
  PutOptions options;
  options.headers.type = "text/plain";
  options.metadata = {{"mode", "33188"}};
  const std::string data = TestBytes(1, 100'000);
  const PutResult put = Put("from", data, options);
  const auto renamed = store().Rename(ctx_, "from", "to", {});
  ASSERT_OK(renamed);
  EXPECT_EQ(renamed->etag, put.etag);
  bucket_->Reopen();
  EXPECT_EQ(Content("from"), "absent");
  EXPECT_EQ(Content("to"), data);
  EXPECT_EQ(Head("to").metadata, options.metadata);
  EXPECT_EQ(Head("to").headers, options.headers);
  EXPECT_EQ(Head("to").version_id, renamed->version_id);
  EXPECT_EQ(Keys(), Strings{"to"});
  // The old key leaves as by Delete: in a versioned bucket its version stays in reach.
  const auto versions = Versions("from");
  if (GetParam().versioning == VersioningState::kOff) {
    EXPECT_TRUE(versions.empty());
  } else {
    ASSERT_FALSE(versions.empty());
    EXPECT_TRUE(versions[0].is_delete_marker);
  }
  if (versioned()) {
    GetOptions old;
    old.version.version_id = put.version_id;
    EXPECT_EQ(Get("from", old), data);
  }
}

TEST_P(RenameStoreTest, ARenameReplacesItsTargetUnderConditions) {
  Put("from", "new");
  const PutResult target = Put("to", "old");
  EXPECT_ERRC(store().Rename(ctx_, "from", "to", Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_ERRC(store().Rename(ctx_, "from", "to", Conditions::IfMatch("x")), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("from"), "new");
  EXPECT_EQ(Content("to"), "old");
  ASSERT_OK(store().Rename(ctx_, "from", "to", Conditions::IfMatch(target.etag)));
  EXPECT_EQ(Content("from"), "absent");
  EXPECT_EQ(Content("to"), "new");
  EXPECT_ERRC(store().Rename(ctx_, "from", "to", {}), Errc::kNotFound);
  EXPECT_EQ(Content("to"), "new");
}

TEST_P(RenameStoreTest, ThereAndBackAgain) {
  const std::string data = TestBytes(1, 50'000);
  Put("a", data);
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(store().Rename(ctx_, "a", "b", {}));
    EXPECT_EQ(Content("b"), data);
    ASSERT_OK(store().Rename(ctx_, "b", "a", {}));
    EXPECT_EQ(Content("a"), data);
    EXPECT_EQ(Content("b"), "absent");
  }
  bucket_->Reopen();
  EXPECT_EQ(Content("a"), data);
}

TEST_P(RenameStoreTest, APrefixMovesAtOnce) {
  for (const std::string key : {"a/", "a/1", "a/b/2", "a\xff", "a0", "b"}) Put(key, key);
  const auto moved = store().RenamePrefix(ctx_, "a/", "new/");
  ASSERT_OK(moved);
  EXPECT_EQ(*moved, 3U);
  bucket_->Reopen();
  EXPECT_EQ(Keys(), (Strings{"a0", "a\xff", "b", "new/", "new/1", "new/b/2"}));
  EXPECT_EQ(Content("new/b/2"), "a/b/2");
  const auto none = store().RenamePrefix(ctx_, "nothing/", "else/");
  ASSERT_OK(none);
  EXPECT_EQ(*none, 0U);
}

TEST_P(RenameStoreTest, APrefixIsNotMovedOntoKeys) {
  Put("a/1", "1");
  Put("a/2", "2");
  Put("b/2", "there");
  EXPECT_ERRC(store().RenamePrefix(ctx_, "a/", "b/"), Errc::kPreconditionFailed);
  EXPECT_EQ(Keys(), (Strings{"a/1", "a/2", "b/2"}));
  Delete("b/2");
  EXPECT_OK(store().RenamePrefix(ctx_, "a/", "b/"));
  EXPECT_EQ(Keys(), (Strings{"b/1", "b/2"}));
}

TEST_P(RenameStoreTest, APrefixRenameThatMakesAKeyTooLongChangesNothing) {
  Put("a/1", "1");
  Put("a/" + std::string(kMaxKeyBytes - 2, 'x'), "2");
  EXPECT_ERRC(store().RenamePrefix(ctx_, "a/", "longer/"), Errc::kNameTooLong);
  EXPECT_EQ(Keys().size(), 2U);
  EXPECT_EQ(Content("a/1"), "1");
}

}  // namespace

// Not every program has stores of both kinds.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RenameStoreTest);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NoRenameStoreTest);
INSTANTIATE_TEST_SUITE_P(All, RenameStoreTest, testing::ValuesIn(Kinds(/*renames=*/true)), KindName);
INSTANTIATE_TEST_SUITE_P(All, NoRenameStoreTest, testing::ValuesIn(Kinds(/*renames=*/false)), KindName);

}  // namespace pailfs::conformance
