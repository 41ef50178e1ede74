// Steps of write-back whose answers are lost or come late, and objects that are gone when a step comes to them.

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/unit/cache/shared_bucket_fixture.h"

namespace pailfs::cache {
namespace {

class UnansweredTest : public SharedBucketFixture {};

TEST_P(UnansweredTest, TheAnswerToACopyThatIsLostIsAskedFor) {
  Put("f", "bytes", {{"color", "blue"}});
  (void)List(kRootIno);
  ASSERT_OK(cache_.Rename("f", "g"));
  cache_.faulty().Inject(StoreCall::kCopy, StoreFault::kLoseAnswer);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (std::map<std::string, std::string>{{"g", "bytes"}}));
}

TEST_P(UnansweredTest, ACopyIsKnownAsOursWhatWasLearnedOrChangedMeanwhile) {
  // Another mount made the object, and its token goes along with the copy.
  Put("f", "bytes", {{"pailfs-op", "other.1.1"}, {"mode", "33188"}});
  for (const bool change : {false, true}) {
    const std::string from = change ? "g" : "f";
    const std::string to = change ? "h" : "g";
    cache_.ReopenEmpty();
    (void)List(kRootIno);
    ASSERT_OK(cache_.Rename(from, to));
    cache_.faulty().Inject(StoreCall::kCopy, StoreFault::kLoseAnswer);
    cache_.faulty().Inject(StoreCall::kHead, StoreFault::kFail);
    cache_.clock().Advance(cache_.options().writeback_delay_ns);
    ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), /*ignore_delay=*/false));
    const Ino ino = cache_.At(to);  // its attributes are known now
    ASSERT_NE(ino, 0U);
    if (change) {
      AttributeChange mode;
      mode.mode = 0600;
      ASSERT_OK(cache_->SetAttributes(cache_.ctx(), ino, mode));
    }
    cache_.Flush();
    EXPECT_EQ(cache_.Bucket(), (std::map<std::string, std::string>{{to, "bytes"}}));
    EXPECT_EQ(cache_->GetAttributes(ino)->mode, S_IFREG | (change ? 0600U : 0644U));
  }
  cache_.ReopenEmpty();
  EXPECT_EQ(cache_->Lookup(cache_.ctx(), kRootIno, "h")->mode, S_IFREG | 0600U);
}

TEST_P(UnansweredTest, AnEvacuationWhoseAnswerIsLostIsAskedFor) {
  for (const char* name : {"a", "b"}) ASSERT_OK(cache_.WriteFile(name, name));
  cache_.Flush();
  ASSERT_OK(cache_.Rename("a", "b", RenameMode::kExchange));
  cache_.faulty().Inject(StoreCall::kCopy, StoreFault::kLoseAnswer);
  cache_.Flush();
  const std::map<std::string, std::string> exchanged{{"a", "b"}, {"b", "a"}};
  EXPECT_EQ(cache_.Bucket(), exchanged);
  EXPECT_EQ(cache_.metrics().counter("writeback.failures").value(), 0);
}

TEST_P(UnansweredTest, AnEvacuationEndsWhenThereIsNothingLeftToEvacuate) {
  ASSERT_OK(cache_.WriteFile("a", "old"));
  cache_.Flush();
  ASSERT_OK(cache_.Rename("a", "b"));
  ASSERT_OK(cache_.WriteFile("a", "new"));
  Delete("a");
  cache_.Flush();
  const std::map<std::string, std::string> expected{{"a", "new"}, {"b", "old"}};
  EXPECT_EQ(cache_.Bucket(), expected);
}

TEST_P(UnansweredTest, AttributesThatArriveAfterTheObjectWasMovedDoNotMoveItBack) {
  Put("f", "bytes", {{"mode", "33152"}});  // 0600
  (void)List(kRootIno);
  cache_.faulty().Meanwhile(StoreCall::kHead, [this] {
    ASSERT_OK(cache_.Rename("f", "g"));
    cache_.Flush();
  });
  (void)cache_->Lookup(cache_.ctx(), kRootIno, "f");
  EXPECT_EQ(cache_.Requests("copy"), 1);
  EXPECT_EQ(cache_->Lookup(cache_.ctx(), kRootIno, "g")->mode, S_IFREG | 0600U);
  EXPECT_EQ(cache_.ReadFile("g").value(), "bytes");
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (std::map<std::string, std::string>{{"g", "bytes"}}));
}

TEST_P(UnansweredTest, WhoeverWaitsForAnEvacuationDoesNotPutItOff) {
  ASSERT_OK(cache_.WriteFile("a", "old"));
  cache_.Flush();
  ASSERT_OK(cache_.Rename("a", "b"));
  ASSERT_OK(cache_.WriteFile("a", "new"));
  cache_.faulty().Inject(StoreCall::kCopy, StoreFault::kFail);
  for (int i = 0; i < 200; ++i) {
    cache_.clock().Advance(20'000'000);
    ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), /*ignore_delay=*/false));
  }
  const std::map<std::string, std::string> expected{{"a", "new"}, {"b", "old"}};
  EXPECT_EQ(cache_.Bucket(), expected);
}

TEST_P(UnansweredTest, AFileThatIsRemovedWhileItsUploadIsUnansweredStaysRemoved) {
  for (const bool replaced : {false, true}) {
    if (replaced) {
      Put("f", "old");
      WaitOutTtl();
      ASSERT_OK(cache_.Unlink("f"));
    }
    ASSERT_OK(cache_.WriteFile("f", "new"));
    cache_.faulty().Inject(StoreCall::kPut, StoreFault::kLoseAnswer);
    cache_.faulty().Inject(StoreCall::kHead, StoreFault::kFail);
    cache_.clock().Advance(cache_.options().writeback_delay_ns);
    ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), /*ignore_delay=*/false));
    EXPECT_EQ(cache_.Bucket().at("f"), "new");
    ASSERT_OK(cache_.Unlink("f"));
    WaitOutTtl();
    EXPECT_EQ(cache_.At("f"), 0U);
    cache_.Flush();
    EXPECT_TRUE(cache_.Bucket().empty());
  }
}

TEST_P(UnansweredTest, AnUploadThatArrivesLateLeavesNothingBehind) {
  cache_.options().late_arrival_ns = 10'000'000'000;
  cache_.Reopen();
  enum class Before : uint8_t { kNothing, kReplaced, kMovedAway };
  enum class Then : uint8_t { kStays, kMoves, kGoes };
  for (const Before before : {Before::kNothing, Before::kReplaced, Before::kMovedAway}) {
    for (const Then then : {Then::kStays, Then::kMoves, Then::kGoes}) {
      std::map<std::string, std::string> expected;
      if (before != Before::kNothing) {
        ASSERT_OK(cache_.WriteFile("f", "old"));
        cache_.Flush();
      }
      if (before == Before::kMovedAway) {
        ASSERT_OK(cache_.Rename("f", "kept"));
        expected["kept"] = "old";
        // With versions the old object may be overwritten before it is copied.
        if (GetParam().versioning == VersioningState::kEnabled) {
          cache_.faulty().Inject(StoreCall::kCopy, StoreFault::kFail);
          cache_.faulty().Inject(StoreCall::kCopy, StoreFault::kFail, 2);
        }
      }
      ASSERT_OK(cache_.WriteFile("f", "first"));
      // The answer is lost, and the object appears only later.
      Result<ObjectInfo> first = Error{Errc::kNotFound, ""};
      cache_.faulty().Inject(StoreCall::kPut, StoreFault::kLoseAnswer);
      cache_.faulty().Meanwhile(StoreCall::kPut, [&] {
        first = cache_.memory().Head(cache_.ctx(), "f", {});
        Delete("f");
        if (before != Before::kNothing) Put("f", "old");
      });
      cache_.clock().Advance(cache_.options().writeback_delay_ns);
      ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), /*ignore_delay=*/false));
      ASSERT_OK(first);
      Put("f", "first", first->metadata);
      // The next step meets it.
      ASSERT_OK(cache_.WriteFile("f", "second"));
      if (then != Then::kGoes) expected[then == Then::kMoves ? "g" : "f"] = "second";
      cache_.faulty().Meanwhile(StoreCall::kHead, [&] {
        if (then == Then::kMoves) ASSERT_OK(cache_.Rename("f", "g"));
        if (then == Then::kGoes) ASSERT_OK(cache_.Unlink("f"));
      });
      cache_.clock().Advance(20'000'000'000);
      cache_.Flush();
      cache_.Flush();
      EXPECT_EQ(cache_.Bucket(), expected);
      for (const auto& [name, content] : expected) {
        EXPECT_EQ(cache_.ReadFile(name).value(), content);
        ASSERT_OK(cache_.Unlink(name));
      }
      cache_.Flush();
      EXPECT_TRUE(cache_.Bucket().empty());
      EXPECT_EQ(cache_.metrics().counter("writeback.conflicts").value(), 0);
    }
  }
}

TEST_P(UnansweredTest, WhereConditionsAreNotCheckedNobodyPutsWhatALateUploadWouldOverride) {
  TestBucket bucket = GetParam();
  bucket.atomic_conditions = false;
  CacheHarness cache(bucket);
  cache.options().late_arrival_ns = 10'000'000'000;
  cache.Reopen();
  ASSERT_OK(cache.WriteFile("f", "first"));
  Result<ObjectInfo> first = Error{Errc::kNotFound, ""};
  cache.faulty().Inject(StoreCall::kPut, StoreFault::kLoseAnswer);
  cache.faulty().Meanwhile(StoreCall::kPut, [&] {
    first = cache.memory().Head(cache.ctx(), "f", {});
    ASSERT_OK(cache.memory().Delete(cache.ctx(), {"f", "", std::nullopt}));
  });
  cache.clock().Advance(cache.options().writeback_delay_ns);
  ASSERT_OK(cache->RunWriteBack(cache.ctx(), /*ignore_delay=*/false));
  ASSERT_OK(first);
  ASSERT_OK(cache.Unlink("f"));
  ASSERT_OK(cache.WriteFile("f", "second"));
  cache.clock().Advance(cache.options().writeback_delay_ns);
  ASSERT_OK(cache->RunWriteBack(cache.ctx(), /*ignore_delay=*/false));
  EXPECT_EQ(cache.Requests("put"), 1);
  StringBody late("first");
  PutOptions options;
  options.metadata = first->metadata;
  ASSERT_OK(cache.memory().Put(cache.ctx(), "f", late, options));
  cache.clock().Advance(cache.options().late_arrival_ns);
  cache.Flush();
  EXPECT_EQ(cache.Bucket(), (std::map<std::string, std::string>{{"f", "second"}}));
}

INSTANTIATE_TEST_SUITE_P(Buckets, UnansweredTest, SharedBuckets(), testing::PrintToStringParamName());

}  // namespace
}  // namespace pailfs::cache
