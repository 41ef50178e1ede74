// FlushAll with write-back's own threads: it waits, tries again what may succeed, and gives up on what cannot.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/str.h"
#include "cache/mount_cache.h"
#include "tests/support/faulty_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/temporary_directory.h"

namespace pailfs::cache {
namespace {

class FlushTest : public testing::Test {
 protected:
  FlushTest() : memory_(SystemClock(), {.sole_owner = true}), faulty_(memory_) {
    MountOptions options;
    options.directory = directory_.path() + "/cache";
    options.writeback_delay_ns = 3'600'000'000'000;
    auto opened = MountCache::Open(PosixFileSystem(), faulty_, SystemClock(), SystemRandom(), metrics_, options);
    EXPECT_TRUE(opened.ok());
    cache_ = std::move(*opened);
  }

  void Write(const std::string& name, std::string_view content) {
    NewInode inode;
    inode.mode = S_IFREG | 0644;
    const auto made = cache_->Create(ctx_, kRootIno, name, inode, {}, {true, false}, false);
    ASSERT_TRUE(made.ok()) << made.error().message;
    ASSERT_TRUE(cache_->Write(ctx_, made->ino, 0, AsBytes(content), false).ok());
    ASSERT_TRUE(cache_->Flush(ctx_, made->ino).ok());
    cache_->Close(made->ino, {true, false});
  }
  Status Flush() { return cache_->FlushAll(ctx_, nullptr); }
  bool InBucket(std::string_view key) { return memory_.Head(ctx_, key, {}).ok(); }

  OpContext ctx_;
  Metrics metrics_;
  MemoryStore memory_;
  FaultyStore faulty_;
  TemporaryDirectory directory_;
  std::unique_ptr<MountCache> cache_;
};

TEST_F(FlushTest, WhatMaySucceedLaterIsTriedAgain) {
  Write("a", "1");
  Write("b", "2");
  faulty_.Inject(StoreCall::kPut, StoreFault::kFail, 1, Errc::kUnavailable);
  faulty_.Inject(StoreCall::kPut, StoreFault::kLoseAnswer, 2);
  const Status flushed = Flush();
  ASSERT_TRUE(flushed.ok()) << flushed.error().message;
  EXPECT_TRUE(InBucket("a"));
  EXPECT_TRUE(InBucket("b"));
  EXPECT_EQ(cache_->GetStatus().error_count, 0U);
}

TEST_F(FlushTest, WhatFailsForGoodIsSaidAndKept) {
  Write("refused", "1");
  for (int nth = 1; nth <= 20; ++nth) faulty_.Inject(StoreCall::kPut, StoreFault::kFail, nth, Errc::kAccessDenied);
  const Status flushed = Flush();
  ASSERT_TRUE(flushed.Is(Errc::kAccessDenied));
  EXPECT_NE(flushed.error().message.find("/"), std::string::npos) << flushed.error().message;
  EXPECT_GT(cache_->GetStatus().dirty_inodes, 0U);
  faulty_.Heal();
  const Status again = Flush();
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(InBucket("refused"));
  EXPECT_EQ(cache_->GetStatus().dirty_inodes, 0U);
}

TEST_F(FlushTest, DeletionsThatAreRefusedEndTheFlush) {
  Write("doomed", "1");
  ASSERT_TRUE(Flush().ok());
  ASSERT_TRUE(cache_->Unlink(ctx_, kRootIno, "doomed").ok());
  for (int nth = 1; nth <= 20; ++nth) {
    faulty_.Inject(StoreCall::kDeleteBatch, StoreFault::kFail, nth, Errc::kAccessDenied);
  }
  const Status flushed = Flush();
  ASSERT_TRUE(flushed.Is(Errc::kAccessDenied));
  EXPECT_LT(faulty_.calls(StoreCall::kDeleteBatch), 10);
  EXPECT_EQ(cache_->GetStatus().error_count, 1U);
  faulty_.Heal();
  const Status again = Flush();
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_FALSE(InBucket("doomed"));
}

TEST_F(FlushTest, AStoppedFlushEnds) {
  Write("held", "1");
  faulty_.Hold(StoreCall::kPut);
  std::stop_source stop;
  OpContext ctx;
  ctx.stop = stop.get_token();
  const Status flushed = cache_->FlushAll(ctx, [&stop](const CacheStatus&) { stop.request_stop(); });
  EXPECT_TRUE(flushed.Is(Errc::kCancelled));
  faulty_.Release(StoreCall::kPut);
  ASSERT_TRUE(Flush().ok());
  EXPECT_TRUE(InBucket("held"));
}

}  // namespace
}  // namespace pailfs::cache
