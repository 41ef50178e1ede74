#include "cache/block_map.h"

#include <algorithm>
#include <bit>

namespace pailfs::cache {
namespace {

constexpr uint64_t kSegments = uint64_t{1} << 32;
constexpr uint64_t kMaxBlocks = kSegments * BlockMap::kBlocksPerSegment;

uint32_t SegmentOf(uint64_t block) {
  return static_cast<uint32_t>(block / BlockMap::kBlocksPerSegment);
}
size_t WordOf(uint64_t block) {
  return static_cast<size_t>(block % BlockMap::kBlocksPerSegment / 64);
}
uint64_t BitOf(uint64_t block) {
  return uint64_t{1} << (block % 64);
}

// The lowest `count` bits; count <= 64.
uint64_t LowBits(uint64_t count) {
  return count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

}  // namespace

bool BlockMap::Test(uint64_t block, Plane plane) const {
  if (block >= kMaxBlocks) return false;
  const auto it = segments_.find(SegmentOf(block));
  return it != segments_.end() && (it->second.planes[plane][WordOf(block)] & BitOf(block)) != 0;
}

template <typename Change>
void BlockMap::ForEachWord(uint64_t first, uint64_t end, bool create, Change change) {
  end = std::min(end, kMaxBlocks);
  while (first < end) {
    auto it = create ? segments_.try_emplace(SegmentOf(first)).first : segments_.lower_bound(SegmentOf(first));
    if (it == segments_.end()) return;
    first = std::max(first, it->first * kBlocksPerSegment);
    Segment& segment = it->second;
    const Segment before = segment;
    const uint64_t stop = std::min(end, (it->first + uint64_t{1}) * kBlocksPerSegment);
    while (first < stop) {
      const uint64_t next = std::min(stop, (first / 64 + 1) * 64);
      change(segment, WordOf(first), LowBits(next - first) << (first % 64));
      first = next;
    }
    if (!(segment == before)) changed_.insert(it->first);
  }
}

void BlockMap::MarkPresent(uint64_t first, uint64_t end) {
  ForEachWord(first, end, /*create=*/true,
              [](Segment& segment, size_t word, uint64_t bits) { segment.planes[kPresent][word] |= bits; });
}

void BlockMap::MarkDirty(uint64_t first, uint64_t end) {
  ForEachWord(first, end, /*create=*/true, [](Segment& segment, size_t word, uint64_t bits) {
    segment.planes[kPresent][word] |= bits;
    segment.planes[kDirty][word] |= bits;
  });
}

void BlockMap::ClearPresent(uint64_t first, uint64_t end) {
  ForEachWord(first, end, /*create=*/false, [](Segment& segment, size_t word, uint64_t bits) {
    segment.planes[kPresent][word] &= ~bits | segment.planes[kDirty][word];
  });
}

void BlockMap::ClearAllDirty() {
  ForEachWord(0, kMaxBlocks, /*create=*/false,
              [](Segment& segment, size_t word, uint64_t) { segment.planes[kDirty][word] = 0; });
}

void BlockMap::KeepOnlyDirty() {
  ClearPresent(0, kMaxBlocks);
}

void BlockMap::Truncate(uint64_t blocks) {
  ForEachWord(blocks, kMaxBlocks, /*create=*/false, [](Segment& segment, size_t word, uint64_t bits) {
    segment.planes[kPresent][word] &= ~bits;
    segment.planes[kDirty][word] &= ~bits;
  });
}

uint64_t BlockMap::FirstAbsent(uint64_t first, uint64_t end) const {
  while (first < std::min(end, kMaxBlocks)) {
    const auto it = segments_.find(SegmentOf(first));
    if (it == segments_.end()) return first;
    const uint64_t missing = ~it->second.planes[kPresent][WordOf(first)] >> (first % 64);
    // The shift brings in zeros: no absent block further on in this word is told apart from none.
    if (missing != 0) return std::min(end, first + static_cast<uint64_t>(std::countr_zero(missing)));
    first = (first / 64 + 1) * 64;
  }
  return std::min(first, end);
}

uint64_t BlockMap::FirstDirty(uint64_t first, uint64_t end) const {
  while (first < std::min(end, kMaxBlocks)) {
    const auto it = segments_.lower_bound(SegmentOf(first));
    if (it == segments_.end()) return end;
    first = std::max(first, it->first * kBlocksPerSegment);
    if (first >= end) return end;
    const uint64_t dirty = it->second.planes[kDirty][WordOf(first)] >> (first % 64);
    if (dirty != 0) return std::min(end, first + static_cast<uint64_t>(std::countr_zero(dirty)));
    first = (first / 64 + 1) * 64;
  }
  return end;
}

Status BlockMap::LoadSegment(uint32_t segment, std::string_view bits) {
  if (bits.size() != kSegmentBytes) return Error{Errc::kCorrupt, "a block row of the cache database is damaged"};
  Segment& loaded = segments_[segment];
  for (size_t plane = 0; plane < 2; ++plane) {
    for (size_t byte = 0; byte < kBlocksPerSegment / 8; ++byte) {
      const uint64_t value = static_cast<uint8_t>(bits[plane * kBlocksPerSegment / 8 + byte]);
      loaded.planes[plane][byte / 8] |= value << (8 * (byte % 8));
    }
  }
  for (size_t word = 0; word < kWords; ++word) loaded.planes[kPresent][word] |= loaded.planes[kDirty][word];
  return {};
}

std::vector<std::pair<uint32_t, std::string>> BlockMap::TakeChangedSegments() {
  std::vector<std::pair<uint32_t, std::string>> rows;
  for (const uint32_t index : changed_) {
    const Segment& segment = segments_[index];
    std::string bits;
    bits.reserve(kSegmentBytes);
    for (const auto& words : segment.planes) {
      for (size_t byte = 0; byte < kBlocksPerSegment / 8; ++byte) {
        bits.push_back(static_cast<char>(words[byte / 8] >> (8 * (byte % 8))));
      }
    }
    if (segment == Segment{}) segments_.erase(index);
    rows.emplace_back(index, std::move(bits));
  }
  changed_.clear();
  return rows;
}

}  // namespace pailfs::cache
