#include "cache/block_map.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "tests/support/seeds.h"

namespace pailfs::cache {
namespace {

constexpr uint64_t kSegment = BlockMap::kBlocksPerSegment;

TEST(BlockMapTest, KnowsNothingAtFirst) {
  BlockMap map;
  EXPECT_FALSE(map.IsPresent(0));
  EXPECT_FALSE(map.IsDirty(0));
  EXPECT_EQ(map.FirstAbsent(3, 9), 3u);
  EXPECT_EQ(map.FirstDirty(0, 1'000'000), 1'000'000u);
  EXPECT_TRUE(map.TakeChangedSegments().empty());
}

TEST(BlockMapTest, DirtyBlocksAreNeverLost) {
  BlockMap map;
  map.MarkPresent(0, 10);
  map.MarkDirty(5, 6);
  map.ClearPresent(0, 10);
  EXPECT_TRUE(map.IsPresent(5));
  EXPECT_TRUE(map.IsDirty(5));
  EXPECT_FALSE(map.IsPresent(4));
  EXPECT_FALSE(map.IsPresent(6));
  map.ClearAllDirty();
  EXPECT_TRUE(map.IsPresent(5));
  map.ClearPresent(0, 10);
  EXPECT_FALSE(map.IsPresent(5));
}

TEST(BlockMapTest, EdgesOfWordsAndSegments) {
  for (const uint64_t edge : {uint64_t{64}, kSegment, 7 * kSegment, (uint64_t{1} << 32) - kSegment}) {
    BlockMap map;
    map.MarkPresent(edge - 1, edge + 1);
    EXPECT_EQ(map.FirstAbsent(edge - 1, edge + 5), edge + 1);
    EXPECT_FALSE(map.IsPresent(edge - 2));
    EXPECT_FALSE(map.IsPresent(edge + 1));
    map.MarkDirty(edge, edge + 1);
    EXPECT_EQ(map.FirstDirty(0, edge + 5), edge);
    EXPECT_EQ(map.FirstDirty(0, edge), edge);
    map.Truncate(edge);
    EXPECT_TRUE(map.IsPresent(edge - 1));
    EXPECT_FALSE(map.IsPresent(edge));
    EXPECT_FALSE(map.IsDirty(edge));
  }
}

TEST(BlockMapTest, EmptyRangesChangeNothing) {
  BlockMap map;
  map.MarkPresent(7, 7);
  map.MarkDirty(9, 8);
  map.ClearPresent(0, 0);
  EXPECT_TRUE(map.TakeChangedSegments().empty());
  EXPECT_EQ(map.FirstAbsent(7, 7), 7u);
  EXPECT_EQ(map.FirstDirty(7, 7), 7u);
}

TEST(BlockMapTest, MemoryFollowsWhatWasTouched) {
  BlockMap map;
  // The last block of a file of 5 TiB.
  const uint64_t last = (uint64_t{5} << 40) / (128 << 10) - 1;
  map.MarkDirty(last, last + 1);
  map.ClearPresent(0, last);
  EXPECT_EQ(map.FirstDirty(0, last + 1), last);
  EXPECT_EQ(map.segment_count(), 1u);
  map.Truncate(0);
  const auto rows = map.TakeChangedSegments();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].second, std::string(BlockMap::kSegmentBytes, '\0'));
  EXPECT_EQ(map.segment_count(), 0u);
}

TEST(BlockMapTest, ReportsASegmentOnceAndOnlyIfItChanged) {
  BlockMap map;
  map.MarkPresent(0, 1);
  map.MarkPresent(3 * kSegment, 3 * kSegment + 1);
  auto rows = map.TakeChangedSegments();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].first, 0u);
  EXPECT_EQ(rows[1].first, 3u);
  EXPECT_TRUE(map.TakeChangedSegments().empty());
  map.MarkPresent(0, 1);
  map.KeepOnlyDirty();
  map.MarkDirty(0, 0);
  map.Truncate(4 * kSegment);
  map.ClearAllDirty();
  rows = map.TakeChangedSegments();
  EXPECT_EQ(rows.size(), 2u);  // KeepOnlyDirty took a block from each
}

// The row's format is on disks: present bits first, least significant bit first.
TEST(BlockMapTest, StoredFormat) {
  BlockMap map;
  map.MarkPresent(kSegment + 3, kSegment + 4);
  map.MarkDirty(kSegment + 9, kSegment + 10);
  const auto rows = map.TakeChangedSegments();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].first, 1u);
  std::string expected(128, '\0');
  expected[0] = 1 << 3;
  expected[1] = 1 << 1;
  expected[64 + 1] = 1 << 1;
  EXPECT_EQ(rows[0].second, expected);
}

TEST(BlockMapTest, LoadingChecksTheLengthAndIsNoChange) {
  BlockMap map;
  for (const size_t length : {size_t{0}, BlockMap::kSegmentBytes - 1, BlockMap::kSegmentBytes + 1}) {
    EXPECT_TRUE(map.LoadSegment(0, std::string(length, '\xff')).Is(Errc::kCorrupt)) << length;
  }
  EXPECT_EQ(map.segment_count(), 0u);
  // A row with a block that is dirty but not present: its bytes are ours all the same.
  std::string bits(BlockMap::kSegmentBytes, '\0');
  bits[64] = 1;
  ASSERT_TRUE(map.LoadSegment(2, bits).ok());
  EXPECT_TRUE(map.IsDirty(2 * kSegment));
  EXPECT_TRUE(map.IsPresent(2 * kSegment));
  EXPECT_TRUE(map.TakeChangedSegments().empty());
}

// The map, and what of it has been stored, against two sets.
class Model {
 public:
  explicit Model(SeededRandom& random) : random_(random) {}

  void Step() {
    const uint64_t first = random_.Below(kBlocks);
    const uint64_t end = first + random_.Below(random_.OneIn(4) ? kBlocks : 70);
    switch (random_.Below(8)) {
      case 0:
        map_.MarkPresent(first, end);
        for (uint64_t b = first; b < end; ++b) present_.insert(b);
        break;
      case 1:
        MarkDirty(first, end);
        break;
      case 2:
        map_.ClearPresent(first, end);
        Erase(first, end);
        break;
      case 3:
        Truncate(first);
        break;
      case 4:
        map_.ClearAllDirty();
        dirty_.clear();
        break;
      case 5:
        map_.KeepOnlyDirty();
        present_ = dirty_;
        break;
      case 6:
        Store();
        break;
      default:
        Reload();
        break;
    }
    Check(first, end);
  }

 private:
  static constexpr uint64_t kBlocks = 5 * kSegment / 2;

  void MarkDirty(uint64_t first, uint64_t end) {
    map_.MarkDirty(first, end);
    for (uint64_t block = first; block < end; ++block) {
      present_.insert(block);
      dirty_.insert(block);
    }
  }
  void Erase(uint64_t first, uint64_t end) {
    for (uint64_t block = first; block < end; ++block) {
      if (!dirty_.contains(block)) present_.erase(block);
    }
  }
  void Truncate(uint64_t blocks) {
    map_.Truncate(blocks);
    present_.erase(present_.lower_bound(blocks), present_.end());
    dirty_.erase(dirty_.lower_bound(blocks), dirty_.end());
  }
  void Store() {
    for (auto& [segment, bits] : map_.TakeChangedSegments()) rows_[segment] = bits;
  }
  // What is stored is all that there is.
  void Reload() {
    Store();
    map_ = BlockMap();
    for (const auto& [segment, bits] : rows_) ASSERT_TRUE(map_.LoadSegment(segment, bits).ok());
  }
  void Check(uint64_t first, uint64_t end) {
    uint64_t absent = first;
    while (absent < end && present_.contains(absent)) ++absent;
    ASSERT_EQ(map_.FirstAbsent(first, end), std::max(absent, std::min(first, end)));
    const auto dirty = dirty_.lower_bound(first);
    ASSERT_EQ(map_.FirstDirty(first, end), dirty == dirty_.end() || *dirty >= end ? end : *dirty);
    const uint64_t block = random_.Below(kBlocks);
    ASSERT_EQ(map_.IsPresent(block), present_.contains(block));
    ASSERT_EQ(map_.IsDirty(block), dirty_.contains(block));
  }

  SeededRandom& random_;
  BlockMap map_;
  std::map<uint32_t, std::string> rows_;
  std::set<uint64_t> present_;
  std::set<uint64_t> dirty_;
};

TEST(BlockMapTest, BehavesAsTwoSetsOfBlocks) {
  ForSeeds(60, [](uint64_t seed) {
    SeededRandom random(seed);
    Model model(random);
    for (int i = 0; i < 300 && !testing::Test::HasFatalFailure(); ++i) model.Step();
  });
}

}  // namespace
}  // namespace pailfs::cache
