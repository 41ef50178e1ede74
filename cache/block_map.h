// Presence and dirtiness of one file's cached bytes, in blocks of 128 KiB. Kept and stored in segments of 512 blocks
// (64 MiB of file), so that memory and database rows are proportional to what was touched.
//
// Invariant: a dirty block is present. Dirty bytes exist nowhere else, so nothing but ClearAllDirty and Truncate makes
// a dirty block anything else.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pailfs::cache {

// Not thread-safe. Ranges are [first, end) in blocks.
class BlockMap {
 public:
  static constexpr uint64_t kBlocksPerSegment = 512;
  // One stored segment: the present bits, then the dirty bits; bit i of byte j is block 8 j + i.
  static constexpr size_t kSegmentBytes = 2 * kBlocksPerSegment / 8;

  bool IsPresent(uint64_t block) const { return Test(block, kPresent); }
  bool IsDirty(uint64_t block) const { return Test(block, kDirty); }
  void MarkPresent(uint64_t first, uint64_t end);
  // And present.
  void MarkDirty(uint64_t first, uint64_t end);
  // Dirty blocks stay.
  void ClearPresent(uint64_t first, uint64_t end);
  // They stay present.
  void ClearAllDirty();
  // What is not dirty is no longer present.
  void KeepOnlyDirty();
  // Forgets the blocks from `blocks` on.
  void Truncate(uint64_t blocks);

  // The first block of the range that is absent (dirty); `end` when there is none.
  uint64_t FirstAbsent(uint64_t first, uint64_t end) const;
  uint64_t FirstDirty(uint64_t first, uint64_t end) const;
  // How many segments are in memory.
  size_t segment_count() const { return segments_.size(); }

  // Adds what a stored row says to what is known. kCorrupt when `bits` is not kSegmentBytes long; nothing changes then.
  Status LoadSegment(uint32_t segment, std::string_view bits);
  // The segments that changed since the last call, as they are to be stored, in order. Loading is no change.
  std::vector<std::pair<uint32_t, std::string>> TakeChangedSegments();

 private:
  enum Plane : size_t { kPresent = 0, kDirty = 1 };
  static constexpr size_t kWords = kBlocksPerSegment / 64;
  struct Segment {
    std::array<std::array<uint64_t, kWords>, 2> planes{};
    bool operator==(const Segment&) const = default;
  };

  bool Test(uint64_t block, Plane plane) const;
  // Applies change(segment, word, bits of the word that are in the range) to every word of the range, in the segments
  // that exist or, with `create`, in all; notes which changed.
  template <typename Change>
  void ForEachWord(uint64_t first, uint64_t end, bool create, Change change);

  std::map<uint32_t, Segment> segments_;
  std::set<uint32_t> changed_;  // some may have no segment any more: all zero
};

}  // namespace pailfs::cache
