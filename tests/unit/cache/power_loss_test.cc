// Power losses at any moment: what fsync acknowledged is there. The file system drops what was not synced, under the cache
// files and under the databases. The seed is printed.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/support/faulty_file_system.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";

class Driver {
 public:
  explicit Driver(uint64_t seed) : random_(seed), cache_(VersioningState::kEnabled, seed, files_) {
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
      files_.Restart(random_.OneIn(3) ? Survival::kNothing : random_.OneIn(2) ? Survival::kEverything : Survival::kRandom, random_);
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
            << name << " has " << content->size() << " bytes of something else";
      }
    }
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
    switch (random_.Below(8)) {
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
      case 4: return Fsync(name);
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
};

TEST(PowerLossTest, WhatFsyncAcknowledgedIsThere) {
  const char* given = std::getenv("PAILFS_SEED");
  const char* rounds = std::getenv("PAILFS_ROUNDS");
  const uint64_t first = given != nullptr ? ParseUint(given).value_or(1) : 1;
  const uint64_t count = rounds != nullptr ? ParseUint(rounds).value_or(1) : 100;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    std::cout << "seed " << seed << std::endl;
    SCOPED_TRACE(StrCat("PAILFS_SEED=", seed));
    Driver(seed).Run(6);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace pailfs::cache
