#include "cache/block_map.h"

#include <algorithm>
#include <bit>

namespace pailfs::cache {
namespace {

uint32_t SegmentOf(uint64_t block) { return static_cast<uint32_t>(block / BlockMap::kBlocksPerSegment); }
size_t WordOf(uint64_t block) { return static_cast<size_t>(block % BlockMap::kBlocksPerSegment / 64); }
uint64_t BitOf(uint64_t block) { return uint64_t{1} << (block % 64); }

}  // namespace

bool BlockMap::Test(uint64_t block, Plane plane) const {
  const auto it = segments_.find(SegmentOf(block));
  return it != segments_.end() && (it->second.planes[plane][WordOf(block)] & BitOf(block)) != 0;
}

void BlockMap::Assign(uint64_t first, uint64_t end, Plane plane, bool value) {
  for (uint64_t block = first; block < end;) {
    const uint32_t index = SegmentOf(block);
    const uint64_t stop = std::min(end, (index + uint64_t{1}) * kBlocksPerSegment);
    if (!value && !segments_.contains(index)) {
      block = stop;
      continue;
    }
    auto& words = segments_[index].planes[plane];
    bool changed = false;
    for (; block < stop; ++block) {
      uint64_t& word = words[WordOf(block)];
      const uint64_t next = value ? word | BitOf(block) : word & ~BitOf(block);
      changed = changed || next != word;
      word = next;
    }
    if (changed) changed_.insert(index);
  }
}

void BlockMap::ClearAllDirty() {
  for (auto& [index, segment] : segments_) {
    auto& words = segment.planes[kDirty];
    if (std::any_of(words.begin(), words.end(), [](uint64_t word) { return word != 0; })) changed_.insert(index);
    words.fill(0);
  }
}

void BlockMap::KeepOnlyDirty() {
  for (auto& [index, segment] : segments_) {
    segment.planes[kPresent] = segment.planes[kDirty];
    changed_.insert(index);
  }
}

void BlockMap::Truncate(uint64_t blocks) {
  for (auto& [index, segment] : segments_) {
    const uint64_t end = (index + uint64_t{1}) * kBlocksPerSegment;
    if (end <= blocks) continue;
    const uint64_t first = std::max<uint64_t>(blocks, index * kBlocksPerSegment);
    for (const Plane plane : {kPresent, kDirty}) {
      auto& words = segment.planes[plane];
      for (uint64_t block = first; block < end; ++block) words[WordOf(block)] &= ~BitOf(block);
    }
    changed_.insert(index);
  }
}

uint64_t BlockMap::FirstAbsent(uint64_t first, uint64_t end) const {
  while (first < end) {
    const auto it = segments_.find(SegmentOf(first));
    if (it == segments_.end()) return first;
    const uint64_t missing = ~it->second.planes[kPresent][WordOf(first)] >> (first % 64);
    if (missing != 0) return std::min(end, first + static_cast<uint64_t>(std::countr_zero(missing)));
    first = (first / 64 + 1) * 64;
  }
  return end;
}

uint64_t BlockMap::FirstDirty(uint64_t first, uint64_t end) const {
  while (first < end) {
    const auto it = segments_.lower_bound(SegmentOf(first));
    if (it == segments_.end()) return end;
    first = std::max<uint64_t>(first, it->first * kBlocksPerSegment);
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
  return {};
}

std::vector<std::pair<uint32_t, std::string>> BlockMap::TakeChangedSegments() {
  std::vector<std::pair<uint32_t, std::string>> rows;
  for (const uint32_t index : changed_) {
    std::string bits;
    for (const auto& words : segments_[index].planes) {
      for (size_t byte = 0; byte < kBlocksPerSegment / 8; ++byte) {
        bits.push_back(static_cast<char>(words[byte / 8] >> (8 * (byte % 8))));
      }
    }
    rows.emplace_back(index, std::move(bits));
  }
  changed_.clear();
  return rows;
}

}  // namespace pailfs::cache
