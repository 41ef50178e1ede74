// Power losses at any moment: what fsync acknowledged is there. The file system drops what was not synced, under the
// cache files and under the databases. The seed is printed, and with PAILFS_TRACE=1 each operation.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/support/faulty_file_system.h"
#include "tests/support/seeds.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";

class Driver {
 public:
  Driver(const TestBucket& bucket, uint64_t seed) : random_(seed), cache_(bucket, seed, files_) {
    EXPECT_TRUE(MakeDirectories(files_, "/proc/sys/kernel/random").ok());
    NewBoot();
    cache_.Open();
  }

  void Run(int lives) {
    for (int life = 0; life < lives && !testing::Test::HasFatalFailure(); ++life) {
      const uint64_t operations = 5 + random_.Below(60);
      for (uint64_t i = 0; i < operations; ++i) Step();
      files_.CutPower();
      cache_.Close();
      files_.Restart(random_.OneIn(3)   ? Survival::kNothing
                     : random_.OneIn(2) ? Survival::kEverything
                                        : Survival::kRandom,
                     random_);
      NewBoot();
      cache_.Open();
      if (testing::Test::HasFatalFailure()) return;
      Check();
      if (random_.OneIn(3)) {
        cache_.Flush();
        Check();
      }
      // What is there now is what the next life starts with.
      certain_.clear();
    }
  }

 private:
  struct Certain {
    std::string content;
    std::optional<std::string> or_this;  // an unsynced replacement may have made it
  };

  void NewBoot() { ASSERT_OK(WriteFileDurably(files_, kBootId, StrCat("boot ", random_.Next()))); }
  std::string AnyName() { return StrCat("f", random_.Below(6)); }

  void Check() {
    for (const auto& [name, certain] : certain_) {
      const auto content = cache_.ReadFile(name);
      ASSERT_TRUE(content.ok()) << name << ": " << content.error().message;
      if (*content != certain.content) {
        ASSERT_TRUE(certain.or_this && *content == *certain.or_this)
            << name << ", inode " << cache_.At(name) << ", has " << content->size() << " bytes instead of "
            << certain.content.size() << ", other ones " << Difference(*content, certain.content);
      }
    }
  }
  static std::string Difference(const std::string& a, const std::string& b) {
    const size_t length = std::min(a.size(), b.size());
    size_t first = 0;
    while (first < length && a[first] == b[first]) ++first;
    size_t last = length;
    while (last > first && a[last - 1] == b[last - 1]) --last;
    return StrCat("from ", first, " to ", last);
  }
  void Trace(uint64_t operation, const std::string& name) {
    if (!trace_) return;
    const Ino ino = cache_.At(name);
    const auto attributes = cache_->GetAttributes(ino);
    std::cout << operation << " " << name << " inode " << ino << " size "
              << (attributes.ok() ? attributes->size_bytes : 0) << std::endl;
  }
  void Fsync(const std::string& name) {
    const Ino ino = cache_.At(name);
    if (ino == 0) return;
    const auto content = cache_.ReadFile(name);
    ASSERT_OK(content);
    ASSERT_OK(cache_->Fsync(cache_.ctx(), ino));
    certain_[name] = {*content, std::nullopt};
  }
  void Step() {
    const std::string name = AnyName();
    const uint64_t operation = random_.Below(8);
    Trace(operation, name);
    switch (operation) {
      case 0:
      case 1: {
        certain_.erase(name);
        ASSERT_OK(cache_.WriteFile(name, random_.Bytes(random_.Below(300'000))));
        break;
      }
      case 2: {
        if (cache_.At(name) == 0) break;
        certain_.erase(name);
        ASSERT_OK(cache_.WriteAt(name, random_.Below(200'000), random_.Bytes(1 + random_.Below(200'000))));
        break;
      }
      case 3:
      case 4:
        return Fsync(name);
      case 5: {  // as editors do, with and without fsync
        const std::string content = random_.Bytes(random_.Below(100'000));
        ASSERT_OK(cache_.WriteFile("new", content));
        certain_.erase("new");
        const bool synced = random_.OneIn(2);
        if (synced) Fsync("new");
        certain_.erase("new");
        ASSERT_OK(cache_.Rename("new", name));
        if (const auto it = certain_.find(name); it != certain_.end() && !it->second.or_this) {
          it->second.or_this = content;
        } else {
          certain_.erase(name);
        }
        break;
      }
      case 6: {
        if (cache_.At(name) == 0) break;
        certain_.erase(name);
        ASSERT_OK(cache_.Unlink(name));
        break;
      }
      default: {
        cache_.clock().Advance(1'000'000'000);
        ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), random_.OneIn(4)));
        break;
      }
    }
  }

  SeededRandom random_;
  FaultyFileSystem files_;
  CacheHarness cache_;
  std::map<std::string, Certain> certain_;
  const bool trace_ = std::getenv("PAILFS_TRACE") != nullptr;
};

class PowerLossTest : public testing::TestWithParam<TestBucket> {};

TEST_P(PowerLossTest, WhatFsyncAcknowledgedIsThere) {
  ForRounds(1, 100, [](uint64_t seed) { Driver(GetParam(), seed).Run(6); });
}

TEST_P(PowerLossTest, AnAdoptedObjectOfAnOddKeyKeepsItsKey) {
  SeededRandom random(1);
  FaultyFileSystem files;
  ASSERT_OK(MakeDirectories(files, "/proc/sys/kernel/random"));
  ASSERT_OK(WriteFileDurably(files, kBootId, "first"));
  CacheHarness cache(GetParam(), 1, files);
  const std::string key(300, 'k');
  StringBody body("from outside");
  ASSERT_OK(cache.memory().Put(cache.ctx(), key, body, {}));
  cache.Open();
  const auto names = cache.Tree();
  ASSERT_EQ(names.size(), 1U);
  const std::string name = names.begin()->first;
  ASSERT_OK(cache.WriteAt(name, 0, "changed"));
  ASSERT_OK(cache->Fsync(cache.ctx(), cache.At(name)));
  ASSERT_OK(cache->RunWriteBack(cache.ctx(), true));
  files.CutPower();
  cache.Close();
  files.Restart(Survival::kNothing, random);
  ASSERT_OK(WriteFileDurably(files, kBootId, "second"));
  cache.Open();
  ASSERT_OK(cache.WriteAt(name, 0, "again"));
  cache.Flush();
  EXPECT_EQ(cache.Bucket(), (std::map<std::string, std::string>{{key, "againedtside"}})) << "after " << name;
}

INSTANTIATE_TEST_SUITE_P(Buckets, PowerLossTest, AllBuckets(), testing::PrintToStringParamName());

}  // namespace
}  // namespace pailfs::cache
