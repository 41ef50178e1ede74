#include "cache/version_fold.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace pailfs::cache {
namespace {

ObjectInfo Version(std::string key, std::string id, int64_t time_us) {
  ObjectInfo info;
  info.key = std::move(key);
  info.version_id = std::move(id);
  info.last_modified_us = time_us;
  return info;
}

ObjectInfo Marker(std::string key, std::string id, int64_t time_us) {
  ObjectInfo info = Version(std::move(key), std::move(id), time_us);
  info.is_delete_marker = true;
  return info;
}

// "key=id key=id" of what was current.
std::string CurrentAt(int64_t time_us, const std::vector<ObjectInfo>& versions) {
  VersionFold fold(time_us);
  std::string text;
  const auto add = [&text](const std::optional<ObjectInfo>& info) {
    if (info) text.append(text.empty() ? "" : " ").append(info->key).append("=").append(info->version_id);
  };
  for (const ObjectInfo& version : versions) add(fold.Add(version));
  add(fold.Finish());
  return text;
}

TEST(VersionFoldTest, NothingIsNothing) {
  EXPECT_EQ(CurrentAt(100, {}), "");
}

TEST(VersionFoldTest, TheNewestThatWasThere) {
  const std::vector<ObjectInfo> history{Version("a", "3", 30), Version("a", "2", 20), Version("a", "1", 10),
                                        Version("b", "1", 20)};
  EXPECT_EQ(CurrentAt(9, history), "");
  EXPECT_EQ(CurrentAt(10, history), "a=1");
  EXPECT_EQ(CurrentAt(19, history), "a=1");
  EXPECT_EQ(CurrentAt(20, history), "a=2 b=1");
  EXPECT_EQ(CurrentAt(1000, history), "a=3 b=1");
}

TEST(VersionFoldTest, DeletedAndMadeAgain) {
  const std::vector<ObjectInfo> history{Version("a", "3", 30), Marker("a", "2", 20), Version("a", "1", 10),
                                        Marker("b", "2", 15), Version("b", "1", 10)};
  EXPECT_EQ(CurrentAt(12, history), "a=1 b=1");
  EXPECT_EQ(CurrentAt(15, history), "a=1");
  EXPECT_EQ(CurrentAt(25, history), "");
  EXPECT_EQ(CurrentAt(30, history), "a=3");
}

TEST(VersionFoldTest, TheOrderRulesWithinASecond) {
  EXPECT_EQ(CurrentAt(10, {Version("a", "3", 10), Version("a", "2", 10), Version("a", "1", 10)}), "a=3");
  EXPECT_EQ(CurrentAt(10, {Marker("a", "2", 10), Version("a", "1", 10)}), "");
}

TEST(VersionFoldTest, AVersionThatIsDatedBeforeTheOneItReplacedCountsFromThere) {
  // A multipart upload that was begun at 5 and completed after 7.
  const std::vector<ObjectInfo> history{Version("a", "big", 5), Version("a", "small", 7), Version("a", "first", 3)};
  EXPECT_EQ(CurrentAt(6, history), "a=first");
  EXPECT_EQ(CurrentAt(7, history), "a=big");
}

TEST(VersionFoldTest, NullVersions) {
  // Versioning was switched on after the first, and suspended before the last.
  const std::vector<ObjectInfo> on{Version("a", "v2", 20), Version("a", "null", 10)};
  EXPECT_EQ(CurrentAt(10, on), "a=null");
  EXPECT_EQ(CurrentAt(20, on), "a=v2");
  const std::vector<ObjectInfo> suspended{Version("a", "null", 30), Version("a", "v1", 20)};
  EXPECT_EQ(CurrentAt(25, suspended), "a=v1");
  EXPECT_EQ(CurrentAt(30, suspended), "a=null");
}

}  // namespace
}  // namespace pailfs::cache
