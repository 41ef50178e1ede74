// copy_file_range: what is shared with the source, what is not lost, and what no bytes are moved for.

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/support/faulty_file_system.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

using Tree = std::map<std::string, std::string>;

constexpr uint64_t kSize = (40 << 20) + 12'345;
// The kernel asks for at most 2 GiB at a time, which is not a number of whole blocks.
constexpr uint64_t kPart = (17 << 20) - 4096;
constexpr uint64_t kAll = 1ULL << 40;
constexpr OpenFlags kWrite{true, false};
constexpr OpenFlags kTruncate{true, true};

// A file of zeros with a few words in it, around the border of the first part too.
void MakeLarge(CacheHarness& cache, const std::string& name) {
  ASSERT_OK(cache.WriteFile(name, ""));
  AttributeChange change;
  change.size_bytes = kSize;
  ASSERT_OK(cache->SetAttributes(cache.ctx(), cache.At(name), change));
  ASSERT_OK(cache.WriteAt(name, 1000, "begin"));
  ASSERT_OK(cache.WriteAt(name, kPart - 3, "border"));
}

std::string ReadSome(CacheHarness& cache, const std::string& name, uint64_t offset, size_t length) {
  std::string text(length, '?');
  const auto got = cache->Read(cache.ctx(), cache.At(name), offset, std::as_writable_bytes(std::span(text)));
  return got.ok() ? text.substr(0, *got) : got.error().message;
}

class CopyRangeTest : public testing::TestWithParam<TestBucket> {
 protected:
  // "f" in the bucket, and "g", empty and open for writing.
  void Begin() {
    MakeLarge(cache_, "f");
    cache_.Flush();
    ASSERT_OK(cache_.WriteFile("g", "what it was"));
    cache_.Flush();
    ASSERT_OK(cache_->Open(cache_.ctx(), cache_.At("g"), kTruncate));
  }
  uint64_t Copy(uint64_t offset, uint64_t length) {
    return cache_->CopyRange(cache_.ctx(), cache_.At("f"), offset, cache_.At("g"), offset, length).value();
  }
  CacheHarness cache_{GetParam()};
};

TEST_P(CopyRangeTest, PartsOfALargeFileMoveNoBytes) {
  Begin();
  const int64_t gets = cache_.Requests("get");
  const int64_t parts = cache_.Requests("upload_part");
  const int64_t copies = cache_.Requests("copy");
  for (uint64_t copied = 0; copied < kSize;) copied += Copy(copied, kPart);
  cache_->Close(cache_.At("g"), kTruncate);
  cache_.Flush();
  EXPECT_EQ(cache_.Requests("get"), gets);
  EXPECT_EQ(cache_.Requests("upload_part"), parts);
  EXPECT_EQ(cache_.Requests("copy"), copies + 1);
  EXPECT_EQ(cache_->GetAttributes(cache_.At("g"))->size_bytes, kSize);
  EXPECT_EQ(ReadSome(cache_, "g", kPart - 3, 6), "border");
  EXPECT_EQ(cache_.Bucket().at("g"), cache_.Bucket().at("f"));
}

TEST_P(CopyRangeTest, APartSurvivesACrash) {
  Begin();
  EXPECT_EQ(Copy(0, kPart), kPart);
  cache_->Close(cache_.At("g"), kTruncate);
  cache_.Crash();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(cache_->GetAttributes(cache_.At("g"))->size_bytes, kPart);
    EXPECT_EQ(ReadSome(cache_, "g", 1000, 5), "begin");
    cache_.Flush();
  }
  EXPECT_EQ(cache_.Bucket().at("g"), cache_.Bucket().at("f").substr(0, kPart));
}

TEST_P(CopyRangeTest, WhatWasWrittenInBetweenStays) {
  for (const bool restart : {false, true}) {
    Begin();
    EXPECT_EQ(Copy(0, kPart), kPart);
    ASSERT_OK(cache_->Write(cache_.ctx(), cache_.At("g"), 1000, AsBytes("DIRTY"), false));
    ASSERT_OK(cache_->Fsync(cache_.ctx(), cache_.At("g")));
    cache_->Close(cache_.At("g"), kTruncate);
    if (restart) cache_.Reopen();
    ASSERT_OK(cache_->Open(cache_.ctx(), cache_.At("g"), kWrite));
    for (uint64_t copied = kPart; copied < kSize;) copied += Copy(copied, kAll);
    cache_->Close(cache_.At("g"), kWrite);
    EXPECT_EQ(ReadSome(cache_, "g", 1000, 5), "DIRTY");
    cache_.Flush();
    EXPECT_EQ(cache_.Bucket().at("g").substr(1000, 5), "DIRTY");
    EXPECT_EQ(cache_.Bucket().at("g").size(), kSize);
  }
}

TEST_P(CopyRangeTest, ASmallPartIsCopiedAsBytes) {
  Begin();
  EXPECT_EQ(Copy(0, 5000), 5000U);
  EXPECT_EQ(ReadSome(cache_, "g", 1000, 5), "begin");
  cache_->Close(cache_.At("g"), kTruncate);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket().at("g"), cache_.Bucket().at("f").substr(0, 5000));
}

INSTANTIATE_TEST_SUITE_P(Buckets, CopyRangeTest,
                         testing::Values(TestBucket{VersioningState::kEnabled, false},
                                         TestBucket{VersioningState::kEnabled, true}),
                         testing::PrintToStringParamName());

// A power loss between the parts of a copy, with the unlinking of cache files on the disk or not.
TEST(CopyRangePowerLossTest, WhatWasSyncedOrInTheBucketIsNotEmptied) {
  for (const bool fsync : {false, true}) {
    for (const uint64_t second : {uint64_t{0}, kPart, kAll}) {
      for (const Survival survival : {Survival::kNothing, Survival::kEverything}) {
        SCOPED_TRACE(StrCat("fsync ", fsync, ", second part ", second, ", survival ", static_cast<int>(survival)));
        SeededRandom random(1);
        FaultyFileSystem files;
        constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";
        ASSERT_OK(MakeDirectories(files, "/proc/sys/kernel/random"));
        ASSERT_OK(WriteFileDurably(files, kBootId, "first"));
        CacheHarness cache(TestBucket{}, 1, files);
        cache.Open();
        MakeLarge(cache, "f");
        ASSERT_OK(cache.WriteFile("g", "old content"));
        ASSERT_OK(cache.WriteFile("other", "x"));
        cache.Flush();
        const Ino g = cache.At("g");
        ASSERT_OK(cache->Open(cache.ctx(), g, kTruncate));
        EXPECT_EQ(cache->CopyRange(cache.ctx(), cache.At("f"), 0, g, 0, kPart).value(), kPart);
        if (fsync) {
          ASSERT_OK(cache->Fsync(cache.ctx(), g));
        }
        if (second > 0) {
          ASSERT_OK(cache->CopyRange(cache.ctx(), cache.At("f"), kPart, g, kPart, second));
        }
        for (int shard = 0; shard < 256; ++shard) {
          char path[64];
          std::snprintf(path, sizeof path, "%s/data/%02x", cache.directory().c_str(), static_cast<unsigned>(shard));
          ASSERT_OK(files.SyncDirectory(path));
        }
        // The database is synced for another file.
        if (!fsync) {
          ASSERT_OK(cache->Fsync(cache.ctx(), cache.At("other")));
        }
        files.CutPower();
        cache.Close();
        files.Restart(survival, random);
        ASSERT_OK(WriteFileDurably(files, kBootId, "second"));
        cache.Open();
        cache.Flush();
        const Tree bucket = cache.Bucket();
        const std::string& content = bucket.at("g");
        EXPECT_GE(content.size(), fsync ? kPart : 1);
        EXPECT_TRUE(content == "old content" || content == bucket.at("f").substr(0, content.size()));
        EXPECT_FALSE(content.empty());
      }
    }
  }
}

}  // namespace
}  // namespace pailfs::cache
