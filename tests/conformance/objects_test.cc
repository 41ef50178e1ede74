// Put, Head, Get and Delete of current versions; conditions, metadata, ETags.

#include <algorithm>
#include <stop_token>

#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

TEST_P(ObjectStoreTest, WhatIsPutComesBack) {
  for (const size_t size : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 65536UL, 65537UL, 300'000UL}) {
    const std::string data = TestBytes(size, size);
    const std::string key = "size/" + std::to_string(size);
    const PutResult put = Put(key, data);
    EXPECT_EQ(put.etag, Md5Hex(data));
    EXPECT_EQ(Get(key), data) << size;
    const ObjectInfo info = Head(key);
    EXPECT_EQ(info.key, key);
    EXPECT_EQ(info.size_bytes, size);
    EXPECT_EQ(info.etag, put.etag);
    EXPECT_EQ(info.version_id, put.version_id);
    ExpectPutTime(put, info);
    EXPECT_TRUE(info.is_latest);
    EXPECT_FALSE(info.is_delete_marker);
    EXPECT_TRUE(info.has_metadata);
  }
}

TEST_P(ObjectStoreTest, WhatIsPutIsThereAfterReopening) {
  const std::string small = TestBytes(1, 100);
  const std::string large = TestBytes(2, 200'000);
  PutOptions options;
  options.headers = AllHeaders();
  options.metadata = {{"b", "1"}, {"a", "2"}};
  Put("small", small, options);
  Put("large", large);
  Put("gone", "x");
  Delete("gone");
  const ObjectInfo before = Head("small");
  bucket_->Reopen();
  EXPECT_EQ(Content("small"), small);
  EXPECT_EQ(Content("large"), large);
  EXPECT_EQ(Content("gone"), "absent");
  const ObjectInfo after = Head("small");
  EXPECT_EQ(after.etag, before.etag);
  EXPECT_EQ(after.version_id, before.version_id);
  EXPECT_EQ(after.last_modified_us, before.last_modified_us);
  EXPECT_EQ(after.headers, options.headers);
  ExpectMetadata(after.metadata, options.metadata);
}

TEST_P(ObjectStoreTest, AbsentIsNotFound) {
  EXPECT_ERRC(store().Head(ctx_, "nothing", {}), Errc::kNotFound);
  EXPECT_ERRC(TryGet("nothing", {}), Errc::kNotFound);
  EXPECT_ERRC(store().Copy(ctx_, "nothing", "target", {}), Errc::kNotFound);
  Put("there", "x");
  EXPECT_ERRC(store().Head(ctx_, "ther", {}), Errc::kNotFound);
  EXPECT_ERRC(store().Head(ctx_, "there/", {}), Errc::kNotFound);
  EXPECT_ERRC(store().Head(ctx_, "there", {.version_id = "0123456789abcdef0123456789abcdef", .as_of_us = {}}),
              Errc::kNotFound);
}

TEST_P(ObjectStoreTest, ALaterPutReplaces) {
  const PutResult first = Put("k", "one");
  const PutResult second = Put("k", "three");
  EXPECT_EQ(Content("k"), "three");
  EXPECT_EQ(Head("k").etag, second.etag);
  ExpectLater(second.last_modified_us, first.last_modified_us);
}

// --- ranges ---

TEST_P(ObjectStoreTest, RangesAreClipped) {
  const std::string data = TestBytes(7, 200'000);
  Put("k", data);
  const std::vector<ByteRange> ranges = {
      {0, 1},           {0, 200'000}, {0, 500'000},      {199'999, 1},      {199'999, 1000},     {65'535, 2},
      {65'536, 65'536}, {1, 199'998}, {100'000, 99'999}, {131'071, 65'538}, {5, UINT64_MAX - 5}, {0, UINT64_MAX}};
  for (const ByteRange& range : ranges) {
    GetOptions options;
    options.range = range;
    StringSink sink;
    const auto info = store().Get(ctx_, "k", options, sink);
    ASSERT_OK(info);
    EXPECT_EQ(sink.data(), data.substr(range.offset, range.length)) << range.offset << '+' << range.length;
    EXPECT_EQ(info->size_bytes, data.size());
    EXPECT_EQ(info->etag, Md5Hex(data));
  }
}

TEST_P(ObjectStoreTest, ARangePastTheEndCannotBeSatisfied) {
  Put("k", "0123456789");
  Put("empty", "");
  const auto range = [this](std::string_view key, uint64_t offset, uint64_t length) {
    GetOptions options;
    options.range = ByteRange{offset, length};
    return TryGet(key, options);
  };
  EXPECT_ERRC(range("k", 10, 1), Errc::kRange);
  EXPECT_ERRC(range("k", 1000, 1), Errc::kRange);
  EXPECT_ERRC(range("k", UINT64_MAX, 1), Errc::kRange);
  EXPECT_ERRC(range("empty", 1, 1), Errc::kRange);
  const auto nothing = range("empty", 0, 10);
  ASSERT_OK(nothing);
  EXPECT_EQ(*nothing, "");
}

class FailingSink : public BodySink {
 public:
  Status Write(std::span<const std::byte>) override { return Error{Errc::kNoSpace, "full"}; }
};

TEST_P(ObjectStoreTest, TheErrorOfASinkEndsTheGet) {
  Put("k", TestBytes(1, 100'000));
  FailingSink sink;
  EXPECT_ERRC(store().Get(ctx_, "k", {}, sink), Errc::kNoSpace);
}

class FailingBody : public BodySource {
 public:
  explicit FailingBody(uint64_t size) : size_(size) {}
  uint64_t size_bytes() const override { return size_; }
  Status ReadAt(uint64_t, std::span<std::byte>) override { return Error{Errc::kCancelled, "changed"}; }

 private:
  const uint64_t size_;
};

TEST_P(ObjectStoreTest, APutWhoseSourceFailsChangesNothing) {
  Put("k", "before");
  for (const uint64_t size : {10UL, 1'000'000UL}) {
    FailingBody body(size);
    EXPECT_ERRC(store().Put(ctx_, "k", body, {}), Errc::kCancelled);
    EXPECT_EQ(Content("k"), "before");
    EXPECT_ERRC(store().Put(ctx_, "new", body, {}), Errc::kCancelled);
    EXPECT_EQ(Content("new"), "absent");
  }
}

TEST_P(ObjectStoreTest, MoreThanOnePutMayHaveIsRefusedUnread) {
  FailingBody body(store().capabilities().max_put_bytes + 1);
  EXPECT_ERRC(store().Put(ctx_, "k", body, {}), Errc::kTooLarge);
}

// --- giving up ---

TEST_P(ObjectStoreTest, AStoppedCallDoesNothing) {
  Put("k", "x");
  std::stop_source stop;
  stop.request_stop();
  OpContext stopped;
  stopped.stop = stop.get_token();
  StringBody body("y");
  StringSink sink;
  EXPECT_ERRC(store().Put(stopped, "k", body, {}), Errc::kCancelled);
  EXPECT_ERRC(store().Get(stopped, "k", {}, sink), Errc::kCancelled);
  EXPECT_ERRC(store().Head(stopped, "k", {}), Errc::kCancelled);
  EXPECT_ERRC(store().List(stopped, {}), Errc::kCancelled);
  EXPECT_ERRC(store().ListVersions(stopped, {}), Errc::kCancelled);
  EXPECT_ERRC(store().Delete(stopped, {"k", "", {}}), Errc::kCancelled);
  EXPECT_ERRC(store().Copy(stopped, "k", "l", {}), Errc::kCancelled);
  EXPECT_ERRC(store().CreateMultipartUpload(stopped, "k", {}), Errc::kCancelled);
  EXPECT_EQ(Content("k"), "x");
  EXPECT_EQ(Content("l"), "absent");
}

TEST_P(ObjectStoreTest, AfterItsDeadlineACallDoesNothing) {
  ManualClock clock;
  OpContext late;
  late.clock = &clock;
  late.deadline_ns = clock.MonotonicNs();
  StringBody body("y");
  EXPECT_ERRC(store().Put(late, "k", body, {}), Errc::kTimedOut);
  EXPECT_ERRC(store().Head(late, "k", {}), Errc::kTimedOut);
  EXPECT_EQ(Content("k"), "absent");
}

// --- conditions ---

TEST_P(ObjectStoreTest, PutIfAbsent) {
  ASSERT_OK(TryPut("k", "one", Conditions::IfAbsent()));
  EXPECT_ERRC(TryPut("k", "two", Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("k"), "one");
  Delete("k");
  EXPECT_OK(TryPut("k", "three", Conditions::IfAbsent()));
  EXPECT_EQ(Content("k"), "three");
}

TEST_P(ObjectStoreTest, PutIfMatch) {
  EXPECT_ERRC(TryPut("k", "x", Conditions::IfMatch(Md5Hex("x"))), Errc::kPreconditionFailed);
  const PutResult first = Put("k", "one");
  EXPECT_ERRC(TryPut("k", "two", Conditions::IfMatch(Md5Hex("other"))), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("k"), "one");
  ASSERT_OK(TryPut("k", "two", Conditions::IfMatch(first.etag)));
  EXPECT_ERRC(TryPut("k", "three", Conditions::IfMatch(first.etag)), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("k"), "two");
  Delete("k");
  EXPECT_ERRC(TryPut("k", "four", Conditions::IfMatch(Md5Hex("two"))), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("k"), "absent");
}

TEST_P(ObjectStoreTest, ARefusedPutLeavesNoVersion) {
  Put("k", "one");
  const size_t before = Versions().size();
  EXPECT_ERRC(TryPut("k", TestBytes(1, 100'000), Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_ERRC(TryPut("k", "two", Conditions::IfMatch("no")), Errc::kPreconditionFailed);
  EXPECT_EQ(Versions().size(), before);
}

TEST_P(ObjectStoreTest, GetIfMatch) {
  const PutResult put = Put("k", "data");
  GetOptions options;
  options.if_match = put.etag;
  EXPECT_EQ(Get("k", options), "data");
  options.if_match = Md5Hex("other");
  EXPECT_ERRC(TryGet("k", options), Errc::kPreconditionFailed);
  EXPECT_ERRC(TryGet("absent", options), Errc::kNotFound);
}

TEST_P(ObjectStoreTest, DeleteIfMatch) {
  Put("k", "data");
  EXPECT_ERRC(store().Delete(ctx_, {"k", "", Md5Hex("other")}), Errc::kPreconditionFailed);
  EXPECT_EQ(Content("k"), "data");
  EXPECT_OK(store().Delete(ctx_, {"k", "", Md5Hex("data")}));
  EXPECT_EQ(Content("k"), "absent");
  EXPECT_ERRC(store().Delete(ctx_, {"k", "", Md5Hex("data")}), Errc::kPreconditionFailed);
}

// --- metadata ---

TEST_P(ObjectStoreTest, HeadersAndMetadataComeBackAsTheyWere) {
  PutOptions options;
  options.headers = AllHeaders();
  options.metadata = {{"zebra", "1"},
                      {"mode", "33188"},
                      {"alpha", "with  spaces and ümläuts"},
                      {"empty", ""},
                      {"bytes", std::string("\x01\xff\x80 tab\t", 8)}};
  Put("k", "x", options);
  const ObjectInfo info = Head("k");
  EXPECT_EQ(info.headers, options.headers);
  ExpectMetadata(info.metadata, options.metadata);
  StringSink sink;
  const auto got = store().Get(ctx_, "k", {}, sink);
  ASSERT_OK(got);
  EXPECT_EQ(got->headers, options.headers);
  ExpectMetadata(got->metadata, options.metadata);
  Put("k", "y");  // a new object has its own
  EXPECT_TRUE(Head("k").metadata.empty());
  EXPECT_EQ(Head("k").headers.encoding, "");
}

TEST_P(ObjectStoreTest, UserMetadataHasALimit) {
  const uint64_t limit = store().capabilities().max_user_metadata_bytes;
  PutOptions options;
  options.metadata = {{"name", std::string(limit - 4, 'v')}};
  Put("k", "x", options);
  EXPECT_EQ(Head("k").metadata, options.metadata);
  options.metadata[0].second.push_back('v');
  StringBody body("y");
  EXPECT_ERRC(store().Put(ctx_, "k", body, options), Errc::kTooLarge);
  EXPECT_EQ(Content("k"), "x");
}

// --- copies ---

TEST_P(ObjectStoreTest, DeletingWhatIsAbsentSucceeds) {
  const DeleteResult result = Delete("nothing");
  ExpectExisted(result, false);
  Put("k", "x");
  ExpectExisted(Delete("k"), true);
  ExpectExisted(Delete("k"), false);
}

TEST_P(ObjectStoreTest, ABatchAnswersEachItemInOrder) {
  Put("a", "1");
  Put("b", "2");
  Put("c", "3");
  const std::vector<DeleteItem> items = {{"b", "", {}},
                                         {"nothing", "", {}},
                                         {"a", "", Md5Hex("other")},
                                         {"c", "", Md5Hex("3")},
                                         {std::string(1025, 'k'), "", {}}};
  const auto results = store().DeleteBatch(ctx_, items);
  ASSERT_OK(results);
  ASSERT_EQ(results->size(), 5U);
  ASSERT_OK((*results)[0]);
  ExpectExisted(*(*results)[0], true);
  ASSERT_OK((*results)[1]);
  ExpectExisted(*(*results)[1], false);
  EXPECT_ERRC((*results)[2], Errc::kPreconditionFailed);
  EXPECT_OK((*results)[3]);
  EXPECT_ERRC((*results)[4], Errc::kNameTooLong);
  EXPECT_EQ(Keys(), std::vector<std::string>{"a"});
}

TEST_P(ObjectStoreTest, ABatchHasAtMostAThousandItems) {
  const std::vector<DeleteItem> items(kMaxBatchDelete + 1, DeleteItem{"k", "", {}});
  EXPECT_ERRC(store().DeleteBatch(ctx_, items), Errc::kInvalidArgument);
  EXPECT_OK(store().DeleteBatch(ctx_, std::span(items).first(kMaxBatchDelete)));
  const auto none = store().DeleteBatch(ctx_, {});
  ASSERT_OK(none);
  EXPECT_TRUE(none->empty());
}

TEST_P(ObjectStoreTest, TheSameKeyTwiceInABatch) {
  Put("k", "x");
  const std::vector<DeleteItem> items(2, DeleteItem{"k", "", {}});
  const auto results = store().DeleteBatch(ctx_, items);
  ASSERT_OK(results);
  ASSERT_OK((*results)[0]);
  ASSERT_OK((*results)[1]);
  ExpectExisted(*(*results)[0], true);
  ExpectExisted(*(*results)[1], false);
  EXPECT_EQ(Content("k"), "absent");
}

// --- keys ---

TEST_P(ObjectStoreTest, OddKeysAreKeys) {
  std::vector<std::string> keys = {"/",
                                   "//",
                                   "a//b",
                                   "a/",
                                   "/a",
                                   ".",
                                   "..",
                                   "../x",
                                   "a/./b",
                                   " ",
                                   "a b+c%20d&e=f?g#h",
                                   "\x01",
                                   "\xff",
                                   "\xff\xff\xff",
                                   "a\xff",
                                   "grüße/日本語/😀",
                                   "line\nbreak\r\ttab",
                                   std::string(kMaxKeyBytes, 'k'),
                                   std::string(kMaxKeyBytes - 1, 'k') + "l",
                                   std::string(kMaxKeyBytes, '\xff')};
  if (!manners().any_bytes_in_keys) {
    std::erase_if(keys, [](const std::string& key) { return key.find('\xff') != std::string::npos; });
  }
  for (const std::string& key : keys) Put(key, "content of " + key);
  for (const std::string& key : keys) {
    EXPECT_EQ(Content(key), "content of " + key);
    EXPECT_EQ(Head(key).key, key);
  }
  std::vector<std::string> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(Keys(), sorted);
  for (const std::string& key : keys) Delete(key);
  EXPECT_TRUE(Keys().empty());
}

TEST_P(ObjectStoreTest, WhatIsNoKeyIsRefused) {
  const std::string too_long(kMaxKeyBytes + 1, 'k');
  const std::string with_nul("a\0b", 3);
  StringBody body("x");
  EXPECT_ERRC(store().Put(ctx_, too_long, body, {}), Errc::kNameTooLong);
  EXPECT_ERRC(store().Put(ctx_, "", body, {}), Errc::kInvalidArgument);
  EXPECT_ERRC(store().Put(ctx_, with_nul, body, {}), Errc::kInvalidArgument);
  EXPECT_ERRC(store().CreateMultipartUpload(ctx_, too_long, {}), Errc::kNameTooLong);
  Put("k", "x");
  EXPECT_ERRC(store().Copy(ctx_, "k", too_long, {}), Errc::kNameTooLong);
  EXPECT_ERRC(store().Delete(ctx_, {too_long, "", {}}), Errc::kNameTooLong);
  EXPECT_EQ(Keys(), std::vector<std::string>{"k"});
}

TEST_P(ObjectStoreTest, AKeyAndItsExtensionsAreApart) {
  for (const std::string key : {"a", "a/", "a/b", "ab", "a\x01", "A"}) Put(key, key);
  Delete("a");
  EXPECT_EQ(Content("a"), "absent");
  for (const std::string key : {"a/", "a/b", "ab", "a\x01", "A"}) EXPECT_EQ(Content(key), key);
}

// --- time ---

TEST_P(ObjectStoreTest, LastModifiedFollowsTheClockAndNeverGoesBack) {
  const int64_t start_us = clock().WallNs() / 1000;
  const PutResult first = Put("k", "1");
  EXPECT_GE(first.last_modified_us, start_us);
  EXPECT_LT(first.last_modified_us, start_us + 1'000'000);
  clock().Advance(3'600'000'000'000);
  const PutResult second = Put("k", "2");
  EXPECT_GE(second.last_modified_us, start_us + 3'600'000'000);
  clock().SetWall(clock().WallNs() - 365LL * 86'400'000'000'000);
  const PutResult third = Put("k", "3");
  EXPECT_GT(third.last_modified_us, second.last_modified_us);
  EXPECT_LT(third.last_modified_us, second.last_modified_us + 1'000'000);
  bucket_->Reopen();
  const PutResult fourth = Put("k", "4");
  EXPECT_GT(fourth.last_modified_us, third.last_modified_us);
  EXPECT_EQ(Content("k"), "4");
}

TEST_P(ObjectStoreTest, SpaceCountsCurrentObjects) {
  Put("a", std::string(1000, 'x'));
  Put("b", std::string(500, 'x'));
  Put("b", std::string(300, 'x'));
  ASSERT_OK(store().Copy(ctx_, "a", "c", {}));
  Delete("a");
  bucket_->Reopen();
  const auto space = store().Space(ctx_);
  ASSERT_OK(space);
  EXPECT_EQ(space->object_count, 2U);
  EXPECT_EQ(space->object_bytes, 1300U);
}

}  // namespace
}  // namespace pailfs::conformance
