// A bucket that others change too, behind listings that carry no metadata.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {

class SharedBucketFixture : public testing::TestWithParam<TestBucket> {
 protected:
  // Whole seconds would be taken for the time of a header.
  SharedBucketFixture() { cache_.clock().Advance(123'456'789); }

  void Put(std::string_view key, std::string_view bytes, UserMetadata metadata = {}, std::string type = "") {
    StringBody body(bytes);
    PutOptions options;
    options.metadata = std::move(metadata);
    options.headers.type = std::move(type);
    ASSERT_OK(cache_.memory().Put(cache_.ctx(), key, body, options));
    cache_.clock().Advance(1000);
  }
  void Delete(const std::string& key) {
    ASSERT_OK(cache_.memory().Delete(cache_.ctx(), {key, "", std::nullopt}));
    cache_.clock().Advance(1000);
  }
  void WaitOutTtl() { cache_.clock().Advance(CacheHarness::kTtlNs); }
  int64_t Asked() {
    int64_t sum = 0;
    for (const char* kind : {"head", "list", "get", "put", "copy", "delete", "delete_batch"})
      sum += cache_.Requests(kind);
    return sum;
  }
  // Names in the order of the listing.
  std::vector<DirectoryEntry> List(Ino dir) {
    std::vector<DirectoryEntry> entries;
    EXPECT_OK(cache_->OpenDirectory(cache_.ctx(), dir));
    EXPECT_OK(cache_->ReadDirectory(cache_.ctx(), dir, 2, [&entries](const DirectoryEntry& entry) {
      entries.push_back(entry);
      return true;
    }));
    cache_->CloseDirectory(dir);
    return entries;
  }

  CacheHarness cache_{GetParam()};
};

// With versions and without.
inline auto SharedBuckets() {
  return testing::Values(TestBucket{VersioningState::kEnabled, true}, TestBucket{VersioningState::kOff, true});
}

}  // namespace pailfs::cache
