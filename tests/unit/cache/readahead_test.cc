#include "cache/readahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "cache/block_map.h"
#include "tests/support/seeds.h"

namespace pailfs::cache {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr uint64_t kBlock = 128 * kKiB;
constexpr uint64_t kFirst = kMiB + kBlock;
constexpr uint64_t kLimit = 16 * kMiB;

// A file in the cache, empty at first: asks the policy for what is absent, fetches it, counts.
class File {
 public:
  explicit File(uint64_t size, uint64_t limit = kLimit) : size_(size), limit_(limit) {}

  void Read(uint64_t offset, uint64_t length) {
    if (offset >= size_) return;
    length = std::min(length, size_ - offset);
    if (IsLocal(offset, length)) return;
    const ByteRange range = readahead_.OnRead(offset, length, size_, limit_);
    ASSERT_LE(range.offset, offset);
    ASSERT_GE(range.offset + range.length, offset + length) << "holds all of the read";
    ASSERT_LE(range.offset + range.length, size_);
    ASSERT_EQ(range.offset % kBlock, 0u);
    ASSERT_TRUE((range.offset + range.length) % kBlock == 0 || range.offset + range.length == size_);
    Fetch(range.offset / kBlock, Blocks(range.offset + range.length));
  }

  uint64_t bytes() const { return bytes_; }
  uint64_t requests() const { return requests_; }

 private:
  static uint64_t Blocks(uint64_t end) { return (end + kBlock - 1) / kBlock; }
  bool IsLocal(uint64_t offset, uint64_t length) const {
    const uint64_t end = Blocks(offset + length);
    return present_.FirstAbsent(offset / kBlock, end) == end;
  }
  // One request for each stretch of absent blocks.
  void Fetch(uint64_t first, uint64_t end) {
    while ((first = present_.FirstAbsent(first, end)) < end) {
      uint64_t stop = first;
      while (stop < end && !present_.IsPresent(stop)) ++stop;
      ++requests_;
      bytes_ += std::min(stop * kBlock, size_) - first * kBlock;
      present_.MarkPresent(first, stop);
      first = stop;
    }
  }

  const uint64_t size_;
  const uint64_t limit_;
  Readahead readahead_;
  BlockMap present_;
  uint64_t bytes_ = 0;
  uint64_t requests_ = 0;
};

TEST(ReadaheadTest, WindowsDoubleUpToTheLimit) {
  Readahead readahead;
  uint64_t at = 0;
  for (const uint64_t window : {kFirst, 2 * kFirst, 4 * kFirst, 8 * kFirst, kLimit, kLimit}) {
    const ByteRange range = readahead.OnRead(at, 4 * kKiB, kGiB, kLimit);
    EXPECT_EQ(range.offset, at);
    EXPECT_EQ(range.length, window);
    at += window;
  }
}

TEST(ReadaheadTest, OneSequentialPass) {
  for (const uint64_t read : {4 * kKiB, kBlock, kMiB, uint64_t{1'000'000}, uint64_t{300'001}, 3 * kMiB}) {
    for (const uint64_t size : {kGiB, kGiB - 12'345}) {
      File file(size);
      for (uint64_t at = 0; at < size; at += read) file.Read(at, read);
      EXPECT_LE(file.bytes() * 100, size * 102) << "reads of " << read;
      EXPECT_LE(file.requests(), 70u) << "reads of " << read;
    }
  }
}

TEST(ReadaheadTest, TheFirstMiBIsOneRequest) {
  File file(kGiB);
  file.Read(0, kMiB);
  file.Read(kMiB, kBlock);  // the kernel's own readahead
  EXPECT_EQ(file.requests(), 1u);
  EXPECT_EQ(file.bytes(), kFirst);
}

TEST(ReadaheadTest, APassFromTheMiddle) {
  File file(kGiB);
  for (uint64_t at = kGiB / 2; at < kGiB; at += kMiB) file.Read(at, kMiB);
  EXPECT_EQ(file.bytes(), kGiB / 2);
  EXPECT_LE(file.requests(), 40u);
}

TEST(ReadaheadTest, AReaderThatStopsHasNotCostMuchMore) {
  for (uint64_t blocks = 1; blocks < 1000; blocks += 7) {
    File file(kGiB);
    for (uint64_t at = 0; at < blocks * kBlock; at += kBlock) file.Read(at, kBlock);
    EXPECT_LE(file.bytes(), 3 * blocks * kBlock + kFirst);
    EXPECT_LE(file.bytes(), blocks * kBlock + kLimit);
  }
}

TEST(ReadaheadTest, RandomAccessGetsItsBlocks) {
  ForSeeds(20, [](uint64_t seed) {
    SeededRandom random(seed);
    File file(100 * kGiB);
    uint64_t touched = 0;
    for (int i = 0; i < 500; ++i) {
      const uint64_t offset = kGiB + random.Below(99 * kGiB);
      const uint64_t length = 1 + random.Below(16 * kKiB);
      touched += (offset + length - 1) / kBlock - offset / kBlock + 1;
      file.Read(offset, length);
    }
    // Two of 500 that happen to be neighbours are a stream.
    EXPECT_LE(file.bytes(), touched * kBlock + 4 * kFirst);
  });
}

TEST(ReadaheadTest, LongStridesAreNoStream) {
  File file(10 * kGiB);
  for (uint64_t at = 5 * kMiB; at < 10 * kGiB; at += 10 * kMiB) file.Read(at, 4 * kKiB);
  EXPECT_EQ(file.bytes(), 1024 * kBlock);
}

TEST(ReadaheadTest, ShortSkipsForwardStay) {
  File file(kGiB);
  uint64_t at = 0;
  for (; at < 500 * kMiB; at += 2 * kMiB) file.Read(at, kMiB + 4096);
  EXPECT_LE(file.requests(), 45u);
}

TEST(ReadaheadTest, ReadingBackwardsFetchesNothingTwiceOrInVain) {
  File file(64 * kMiB);
  for (uint64_t at = 64 * kMiB; at > 0; at -= kBlock) file.Read(at - kBlock, kBlock);
  EXPECT_EQ(file.bytes(), 64 * kMiB);
}

TEST(ReadaheadTest, SeveralReadersDoNotDisturbEachOther) {
  File file(kGiB);
  constexpr uint64_t kQuarter = kGiB / 4;
  for (uint64_t at = 0; at < kQuarter; at += kBlock) {
    for (uint64_t reader = 0; reader < 4; ++reader) file.Read(reader * kQuarter + at, kBlock);
  }
  EXPECT_EQ(file.bytes(), kGiB);
  EXPECT_LE(file.requests(), 4 * 24u);
}

TEST(ReadaheadTest, AStreamSurvivesARandomReadNowAndThen) {
  File file(4 * kGiB);
  SeededRandom random(7);
  for (uint64_t at = 0; at < kGiB; at += kMiB) {
    file.Read(at, kMiB);
    if (random.OneIn(16)) file.Read(2 * kGiB + random.Below(2 * kGiB - kMiB), 4 * kKiB);
  }
  EXPECT_LE(file.requests(), 70u + 1024 / 16 * 2);
}

// The kernel's reads arrive in any order, and while the first fetch is still under way.
TEST(ReadaheadTest, ReadsThatArriveOutOfOrder) {
  ForSeeds(50, [](uint64_t seed) {
    SeededRandom random(seed);
    File file(256 * kMiB);
    std::vector<uint64_t> pending;
    for (uint64_t at = 0; at < 256 * kMiB || !pending.empty();) {
      while (pending.size() < 4 && at < 256 * kMiB) {
        pending.push_back(at);
        at += kBlock;
      }
      const size_t next = random.Below(pending.size());
      file.Read(pending[next], kBlock);
      pending.erase(pending.begin() + static_cast<ptrdiff_t>(next));
    }
    EXPECT_EQ(file.bytes(), 256 * kMiB);
    EXPECT_LE(file.requests(), 90u);
  });
}

TEST(ReadaheadTest, AReadOfWhatIsOnItsWayLeavesTheStreamAlone) {
  Readahead readahead;
  readahead.OnRead(0, kMiB, kGiB, kLimit);
  const ByteRange late = readahead.OnRead(kMiB / 2, kBlock, kGiB, kLimit);
  EXPECT_EQ(late.offset, kMiB / 2);
  EXPECT_EQ(late.length, kBlock);
  EXPECT_EQ(readahead.OnRead(kFirst, kBlock, kGiB, kLimit).length, 2 * kFirst);
}

TEST(ReadaheadTest, Edges) {
  Readahead readahead;
  EXPECT_EQ(readahead.OnRead(0, 10, 0, kLimit).length, 0u);
  EXPECT_EQ(readahead.OnRead(50, 10, 50, kLimit).length, 0u);
  EXPECT_EQ(readahead.OnRead(0, 10, 50, kLimit).length, 50u);
  EXPECT_EQ(readahead.OnRead(49, UINT64_MAX, 50, kLimit).length, 50u);
  // No window at all: what was asked for.
  Readahead none;
  EXPECT_EQ(none.OnRead(0, 2 * kBlock, kGiB, 0).length, 2 * kBlock);
  EXPECT_EQ(none.OnRead(2 * kBlock, kBlock, kGiB, 0).length, kBlock);
  // Unaligned limits are rounded up to a block.
  Readahead odd;
  EXPECT_EQ(odd.OnRead(0, 1, kGiB, kBlock + 1).length, 2 * kBlock);
}

TEST(ReadaheadTest, AnyReadsAtAll) {
  ForSeeds(200, [](uint64_t seed) {
    SeededRandom random(seed);
    const uint64_t size = random.Below(uint64_t{1} << (10 + random.Below(25)));
    File file(size, random.Below(4 * kLimit));
    uint64_t at = 0;
    for (int i = 0; i < 200 && !testing::Test::HasFatalFailure(); ++i) {
      at = random.OneIn(3) ? random.Below(size + 1) : at + random.Below(3 * kMiB);
      file.Read(at, 1 + random.Below(2 * kMiB));
    }
    EXPECT_LE(file.bytes(), size) << "nothing is fetched twice";
  });
}

}  // namespace
}  // namespace pailfs::cache
