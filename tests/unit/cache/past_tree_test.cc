// Directories as they were, told from many versions: what is shown, and how many listings that takes.

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "cache/moment.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

using Names = std::vector<std::string>;

class PastTreeTest : public testing::Test {
 protected:
  void Put(const std::string& key) {
    StringBody body(key);
    ASSERT_OK(cache_.memory().Put(cache_.ctx(), key, body, {}));
  }
  void PutMany(const std::string& prefix, int count) {
    char number[16];
    for (int i = 0; i < count; ++i) {
      std::snprintf(number, sizeof number, "%05d", i);
      Put(prefix + number);
    }
  }
  void Delete(const std::string& key) { ASSERT_OK(cache_.memory().Delete(cache_.ctx(), {key, "", {}})); }
  std::string Now() {
    std::string name = FormatMoment(cache_.clock().WallNs() / 1000);
    cache_.clock().Advance(10'000'000'000);
    return ".snapshot/" + name;
  }
  int64_t Listings() { return cache_.Requests("list_versions"); }

  CacheHarness cache_{TestBucket{VersioningState::kEnabled, /*shared=*/true}};
};

TEST_F(PastTreeTest, ALargeDirectoryCostsOneListingForAThousandVersions) {
  PutMany("d/", 12'300);
  const std::string moment = Now();
  Delete("d/00007");
  Put("d/new");
  Now();
  ASSERT_NE(cache_.At(moment + "/d"), 0U);
  const int64_t before = Listings();
  const Names names = cache_.Names(moment + "/d");
  EXPECT_EQ(names.size(), 12'300U);
  EXPECT_TRUE(std::binary_search(names.begin(), names.end(), "00007"));
  EXPECT_LE(Listings() - before, 13);
  const int64_t known = Listings();
  EXPECT_EQ(cache_.Names(moment + "/d").size(), 12'300U);
  EXPECT_EQ(cache_.ReadFile(moment + "/d/12299").value(), "d/12299");
  EXPECT_EQ(Listings(), known);
}

TEST_F(PastTreeTest, PrefixesThatWereDeadAreNotShown) {
  Put("a");
  Put("a/under");
  PutMany("b/", 10'500);
  Put("b-file");
  Put("gone/x");
  for (int i = 0; i < 5; ++i) PutMany(StrCat("s", i, "/"), 3);
  Delete("gone/x");
  const std::string moment = Now();
  Put("later/x");
  Delete("s0/00000");
  for (int i = 0; i < 2'000; ++i) Put("many");
  Now();
  ASSERT_NE(cache_.At(moment), 0U);
  const int64_t before = Listings();
  EXPECT_EQ(cache_.Names(moment), (Names{"%pailfs-file-a", "a", "b", "b-file", "s0", "s1", "s2", "s3", "s4"}));
  // Ten flat ones, those of the directory itself, and one for each prefix that follows.
  EXPECT_LE(Listings() - before, 10 + 3 + 7);
  const int64_t known = Listings();
  EXPECT_EQ(cache_.Names(moment + "/s0"), (Names{"00000", "00001", "00002"}));
  EXPECT_EQ(cache_.Names(moment + "/a"), (Names{"under"}));
  EXPECT_EQ(Listings(), known) << "what was asked whether it was there is known as a whole";
  EXPECT_EQ(cache_.Names(moment + "/b").size(), 10'500U);
  EXPECT_EQ(cache_.ReadFile(moment + "/%pailfs-file-a").value(), "a");
}

TEST_F(PastTreeTest, ManyVersionsOfOneKeyAcrossPages) {
  PutMany("x", 9'990);
  for (int i = 0; i < 1'500; ++i) {
    StringBody body("xy");
    ASSERT_OK(cache_.memory().Put(cache_.ctx(), "xy", body, {}));
    if (i == 700) cache_.clock().Advance(5'000'000'000);
  }
  const std::string moment = Now();
  Put("xz");
  Put("xy");
  Now();
  const Names names = cache_.Names(moment);
  EXPECT_EQ(names.size(), 9'991U);
  EXPECT_EQ(names.back(), "xy");
}

TEST_F(PastTreeTest, OneNameOfALargeDirectoryIsAskedForAlone) {
  PutMany("d/", 5'000);
  const std::string moment = Now();
  Put("d/new");
  Now();
  const int64_t before = Listings();
  EXPECT_EQ(cache_.ReadFile(moment + "/d/04321").value(), "d/04321");
  EXPECT_EQ(cache_.At(moment + "/d/new"), 0U);
  EXPECT_LE(Listings() - before, 8);
}

// While versioning is suspended there is one null version, which each write replaces: what it was is gone.
TEST(PastSuspendedTest, WhatNullVersionsWereIsGone) {
  for (const bool shared : {false, true}) {
    CacheHarness cache(TestBucket{VersioningState::kEnabled, shared});
    const auto now = [&cache] {
      cache.Flush();
      std::string name = FormatMoment(cache.clock().WallNs() / 1000);
      cache.clock().Advance(10'000'000'000);
      return ".snapshot/" + name;
    };
    ASSERT_OK(cache.WriteFile("f", "kept"));
    const std::string enabled = now();
    cache.memory().SetVersioning(VersioningState::kSuspended);
    cache.Reopen();
    ASSERT_OK(cache.WriteFile("f", "replaced"));
    const std::string replaced = now();
    ASSERT_OK(cache.WriteFile("f", "last"));
    const std::string last = now();
    cache.memory().SetVersioning(VersioningState::kEnabled);
    cache.Reopen();
    ASSERT_OK(cache.WriteFile("f", "present"));
    now();
    EXPECT_EQ(cache.ReadFile(enabled + "/f").value(), "kept");
    EXPECT_EQ(cache.ReadFile(last + "/f").value(), "last");
    EXPECT_EQ(cache.ReadFile("f").value(), "present");
    if (shared) {
      // Nobody tells that there was another one in between.
      EXPECT_EQ(cache.ReadFile(replaced + "/f").value(), "kept");
    } else {
      EXPECT_EQ(cache.At(replaced + "/f"), 0U);
    }
    EXPECT_EQ(cache.Names(".versions/f").size(), 3U);
  }
}

}  // namespace
}  // namespace pailfs::cache
