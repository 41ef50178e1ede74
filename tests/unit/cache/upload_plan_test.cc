#include "cache/upload_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "tests/support/seeds.h"

namespace pailfs::cache {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kTiB = 1024 * kGiB;
constexpr uint64_t kBlock = 128 * kKiB;

uint64_t Bytes(const std::vector<PlannedPart>& plan, PartKind kind) {
  uint64_t sum = 0;
  for (const PlannedPart& part : plan) sum += part.kind == kind ? part.length : 0;
  return sum;
}

size_t Count(const std::vector<PlannedPart>& plan, PartKind kind) {
  return static_cast<size_t>(
      std::count_if(plan.begin(), plan.end(), [kind](const PlannedPart& part) { return part.kind == kind; }));
}

// Everything that a server, and the content, demand of a plan.
void Check(const std::vector<PlannedPart>& plan, uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty) {
  ASSERT_LE(plan.size(), static_cast<size_t>(kMaxParts));
  uint64_t at = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    const PlannedPart& part = plan[i];
    ASSERT_EQ(part.part_number, static_cast<int>(i) + 1);
    ASSERT_EQ(part.offset, at);
    ASSERT_GT(part.length, 0u);
    ASSERT_LE(part.length, kMaxSinglePutBytes);
    ASSERT_TRUE(part.length >= kMinPartBytes || i + 1 == plan.size()) << "part " << i + 1 << " of " << plan.size();
    at += part.length;
    if (part.kind == PartKind::kUpload) continue;
    ASSERT_LE(at, limit) << "copies what the origin does not have";
    for (const ByteRange& range : dirty) {
      ASSERT_TRUE(range.offset >= at || range.offset + range.length <= part.offset) << "copies what was changed";
    }
  }
  ASSERT_EQ(at, size);
}

std::vector<PlannedPart> CheckedPlan(uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty) {
  auto plan = PlanUpload(size, limit, dirty);
  Check(plan, size, limit, dirty);
  return plan;
}

TEST(UploadPlanTest, AnEmptyFileHasNoParts) {
  EXPECT_TRUE(CheckedPlan(0, 0, {}).empty());
}

TEST(UploadPlanTest, ANewFileIsSentInPartsOf16MiB) {
  const auto plan = CheckedPlan(100 * kMiB, 0, {});
  EXPECT_EQ(plan.size(), 7u);
  EXPECT_EQ(plan[0].length, 16 * kMiB);
  EXPECT_EQ(Bytes(plan, PartKind::kCopy), 0u);
}

TEST(UploadPlanTest, AnUntouchedFileIsCopiedInLargeParts) {
  const auto plan = CheckedPlan(12 * kGiB, 12 * kGiB, {});
  EXPECT_EQ(plan.size(), 3u);
  EXPECT_EQ(Bytes(plan, PartKind::kUpload), 0u);
  EXPECT_EQ(Bytes(CheckedPlan(1, 1, {}), PartKind::kCopy), 1u);
}

TEST(UploadPlanTest, AppendingOneByteToOneGiB) {
  const auto plan = CheckedPlan(kGiB + 1, kGiB, {});
  EXPECT_EQ(Bytes(plan, PartKind::kUpload), 1u);
  EXPECT_EQ(plan.size(), 2u);
  // Where the last block was only partly filled, it is dirty as a whole.
  const uint64_t old_size = kGiB - 5;
  const auto odd = CheckedPlan(old_size + 1, old_size, {{kGiB - kBlock, kBlock}});
  EXPECT_LT(Bytes(odd, PartKind::kUpload), 17 * kMiB);
  EXPECT_EQ(odd.size(), 2u);
}

TEST(UploadPlanTest, OneByteIn100GiBIsOnePart) {
  for (const uint64_t offset : {uint64_t{0}, 50 * kGiB, 100 * kGiB - kBlock}) {
    const auto plan = CheckedPlan(100 * kGiB, 100 * kGiB, {{offset, kBlock}});
    EXPECT_EQ(Count(plan, PartKind::kUpload), 1u);
    EXPECT_LE(Bytes(plan, PartKind::kUpload), 5 * kMiB);
  }
}

TEST(UploadPlanTest, NeighbouringChangesShareAPart) {
  // Joined they need no bytes beyond the second.
  auto plan = CheckedPlan(kGiB, kGiB, {{100 * kMiB, kMiB}, {104 * kMiB, 2 * kMiB}});
  EXPECT_EQ(Bytes(plan, PartKind::kUpload), 6 * kMiB);
  // Too far from each other to send what lies between them.
  plan = CheckedPlan(kGiB, kGiB, {{100 * kMiB, 5 * kMiB}, {113 * kMiB, 5 * kMiB}});
  EXPECT_EQ(Bytes(plan, PartKind::kUpload), 10 * kMiB);
  EXPECT_EQ(Count(plan, PartKind::kCopy), 3u);
}

TEST(UploadPlanTest, WhatWasCutOffIsNotCopied) {
  // 1 GiB, truncated to 300 MiB, then extended by a hole.
  const auto plan = CheckedPlan(500 * kMiB, 300 * kMiB, {});
  EXPECT_EQ(Bytes(plan, PartKind::kCopy), 300 * kMiB);
  // An origin that is longer than the file.
  EXPECT_EQ(Bytes(CheckedPlan(300 * kMiB, 500 * kMiB, {}), PartKind::kCopy), 300 * kMiB);
  // A dirty range that a truncation left behind.
  EXPECT_EQ(Bytes(CheckedPlan(300 * kMiB, 300 * kMiB, {{400 * kMiB, kBlock}}), PartKind::kUpload), 0u);
}

TEST(UploadPlanTest, TheLargestFilesFit) {
  for (const uint64_t size : {5 * kTiB, kMaxObjectBytes}) {
    CheckedPlan(size, 0, {});
    CheckedPlan(size, size, {});
    CheckedPlan(size, size / 2, {{0, kBlock}});
  }
}

TEST(UploadPlanTest, ChangesAllOverALargeFileStayBelowTheLimitOfParts) {
  constexpr uint64_t kSize = 200 * kGiB;
  std::vector<ByteRange> dirty;
  for (uint64_t at = 0; at < kSize; at += 14 * kMiB) dirty.push_back({at, kBlock});
  const auto plan = PlanUpload(kSize, kSize, dirty);
  EXPECT_LE(plan.size(), static_cast<size_t>(kMaxParts));
  // Uneven gaps: the long ones are copied all the same.
  dirty.clear();
  for (uint64_t at = 0; at < kSize / 2; at += 10 * kMiB) dirty.push_back({at, kBlock});
  for (uint64_t at = kSize / 2; at < kSize; at += kGiB) dirty.push_back({at, kBlock});
  const auto uneven = PlanUpload(kSize, kSize, dirty);
  EXPECT_LE(uneven.size(), static_cast<size_t>(kMaxParts));
  EXPECT_GE(Bytes(uneven, PartKind::kCopy), 99 * kGiB);
}

TEST(UploadPlanTest, RandomChanges) {
  ForSeeds(3000, [](uint64_t seed) {
    SeededRandom random(seed);
    const uint64_t scale = uint64_t{1} << (17 + random.Below(24));  // up to 1 TiB
    const uint64_t size = random.Below(scale);
    const uint64_t limit = random.OneIn(2) ? size : random.Below(scale + 1);
    std::vector<ByteRange> dirty;
    uint64_t changed = 0;
    const uint64_t typical_gap = uint64_t{1} << random.Below(30);
    for (uint64_t block = random.Below(typical_gap); block * kBlock < std::min(size, limit) && dirty.size() < 300;) {
      const uint64_t blocks = 1 + random.Below(random.OneIn(3) ? 200 : 3);
      dirty.push_back({block * kBlock, blocks * kBlock});
      changed += blocks * kBlock;
      block += blocks + 1 + random.Below(typical_gap);
    }
    const auto plan = PlanUpload(size, limit, dirty);
    Check(plan, size, limit, dirty);
    const uint64_t beyond = size > limit ? size - limit : 0;
    // Each change costs at most a part's least size, or the short clean stretch before it; two more at the ends.
    EXPECT_LE(Bytes(plan, PartKind::kUpload), changed + beyond + (dirty.size() + 2) * 8 * kMiB);
  });
}

}  // namespace
}  // namespace pailfs::cache
