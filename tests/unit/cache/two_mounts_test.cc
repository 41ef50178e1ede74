// Two mounts of one bucket change the same names at the same time. Bytes that were acknowledged are in the bucket in
// the end, unless a mount that saw them replaced or removed them; and both mounts show what the bucket has. The seed is
// printed, and with PAILFS_TRACE=1 each operation.

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/log.h"
#include "tests/support/seeds.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

class Driver {
 public:
  Driver(VersioningState versioning, uint64_t seed) : random_(seed), bucket_({versioning, true}, seed) {
    bucket_.clock().Advance(123'456'789);
    other_ = std::make_unique<CacheHarness>(bucket_, "other");
  }

  void Run(int operations) {
    for (int i = 0; i < operations && !testing::Test::HasFatalFailure(); ++i) {
      Step(random_.OneIn(2) ? bucket_ : *other_);
      if (random_.OneIn(3)) bucket_.clock().Advance(static_cast<int64_t>(random_.Below(2'000'000'000)));
      CacheHarness& mount = random_.OneIn(2) ? bucket_ : *other_;
      if (random_.OneIn(4)) {
        ASSERT_OK(mount->RunWriteBack(mount.ctx(), random_.OneIn(2)));
      }
      if (random_.OneIn(60)) mount.Crash();
    }
    // What one of them keeps as a conflict the other sees after the ttl.
    for (int round = 0; round < 3; ++round) {
      bucket_.Flush();
      other_->Flush();
      bucket_.clock().Advance(CacheHarness::kTtlNs);
    }
    if (testing::Test::HasFatalFailure()) return;
    const auto in_bucket = WithoutMarkers(bucket_.Bucket());
    EXPECT_EQ(Names(WithoutMarkers(bucket_.Tree())), Names(in_bucket));
    EXPECT_EQ(Names(WithoutMarkers(other_->Tree())), Names(in_bucket));
    EXPECT_EQ(WithoutMarkers(bucket_.Tree()), in_bucket);
    EXPECT_EQ(WithoutMarkers(other_->Tree()), in_bucket);
    std::set<std::string> contents;
    for (const auto& [name, content] : in_bucket) contents.insert(content);
    for (const auto& [content, name] : alive_) {
      EXPECT_TRUE(contents.contains(content)) << content << ", written as " << name << ", is lost";
    }
  }

 private:
  static std::map<std::string, std::string> WithoutMarkers(std::map<std::string, std::string> tree) {
    std::erase_if(tree, [](const auto& entry) { return entry.first.ends_with('/'); });
    return tree;
  }
  static std::string Names(const std::map<std::string, std::string>& tree) {
    std::string names;
    for (const auto& [name, content] : tree) names += name + "\n";
    return names;
  }

  std::string AnyName() { return StrCat(random_.OneIn(3) ? "d/" : "", "f", random_.Below(4)); }
  // Whoever changes or removes the name now knows what it takes away.
  void Sees(CacheHarness& mount, const std::string& name) {
    const auto content = mount.ReadFile(name);
    if (content.ok()) alive_.erase(*content);
  }

  void Step(CacheHarness& mount) {
    const std::string name = AnyName();
    const uint64_t operation = random_.Below(6);
    if (trace_) std::cout << (&mount == &bucket_ ? "1 " : "2 ") << operation << ' ' << name << std::endl;
    if (name.starts_with("d/") && mount.At("d") == 0) {
      const Status made = mount.MakeDirectory("d");
      ASSERT_TRUE(made.ok()) << made.error().message;
    }
    switch (operation) {
      case 0:
      case 1:
      case 2: {
        const std::string content = StrCat(name, " number ", ++written_);
        Sees(mount, name);
        ASSERT_OK(mount.WriteFile(name, content));
        alive_[content] = name;
        return;
      }
      case 3: {
        if (mount.At(name) == 0) return;
        Sees(mount, name);
        const Status removed = mount.Unlink(name);
        ASSERT_TRUE(removed.ok()) << removed.error().message;
        return;
      }
      case 4: {
        const std::string to = AnyName();
        if (mount.At(name) == 0 || to == name) return;
        if (to.starts_with("d/") && mount.At("d") == 0) return;
        if (mount.At(to) != 0) Sees(mount, to);
        if (trace_) std::cout << "  to " << to << std::endl;
        const Status renamed = mount.Rename(name, to);
        ASSERT_TRUE(renamed.ok()) << renamed.error().message;
        return;
      }
      default:
        ASSERT_OK(mount->OpenDirectory(mount.ctx(), kRootIno));
        mount->CloseDirectory(kRootIno);
    }
  }

  SeededRandom random_;
  CacheHarness bucket_;
  std::unique_ptr<CacheHarness> other_;
  std::map<std::string, std::string> alive_;  // content -> name
  int written_ = 0;
  const bool trace_ = std::getenv("PAILFS_TRACE") != nullptr;
};

class TwoMountsTest : public testing::TestWithParam<VersioningState> {};

TEST_P(TwoMountsTest, NothingThatNobodySawIsLost) {
  ForRounds(SystemRandom().Below(1'000'000), 10, [](uint64_t seed) { Driver(GetParam(), seed).Run(150); });
}

INSTANTIATE_TEST_SUITE_P(Buckets, TwoMountsTest, testing::Values(VersioningState::kEnabled, VersioningState::kOff),
                         [](const auto& instance) {
                           return std::string(instance.param == VersioningState::kEnabled ? "Enabled" : "Off");
                         });

}  // namespace
}  // namespace pailfs::cache
