#include "cache/upload_plan.h"

#include <algorithm>

namespace pailfs::cache {
namespace {

constexpr uint64_t kPreferredPartBytes = 16 << 20;
// A clean stretch shorter than this is not worth a request of its own.
constexpr uint64_t kMinCopyBytes = 8 << 20;
constexpr uint64_t kPartsPlanned = 9'000;

struct Stretch {
  PartKind kind;
  uint64_t offset;
  uint64_t length;
};

uint64_t End(const Stretch& stretch) { return stretch.offset + stretch.length; }

// Alternating stretches; dirty ones grow to at least a whole part, at the cost of the clean ones that follow.
std::vector<Stretch> Stretches(uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty) {
  std::vector<Stretch> stretches;
  const auto add = [&stretches](PartKind kind, uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    if (!stretches.empty() && stretches.back().kind == kind) {
      stretches.back().length = end - stretches.back().offset;
    } else {
      stretches.push_back({kind, begin, end - begin});
    }
  };
  uint64_t at = 0;
  const auto add_dirty = [&](uint64_t begin, uint64_t end) {
    begin = std::max(begin, at);
    end = std::min(std::max(end, begin + kMinPartBytes), size);
    if (begin >= end) return;
    if (begin - at < kMinCopyBytes) {
      add(PartKind::kUpload, at, end);
    } else {
      add(PartKind::kCopy, at, begin);
      add(PartKind::kUpload, begin, end);
    }
    at = end;
  };
  for (const ByteRange& range : dirty) {
    if (range.offset + range.length > at) add_dirty(range.offset, std::min(range.offset + range.length, size));
  }
  if (limit < size && at < size) add_dirty(limit, size);
  if (at < size) add(size - at < kMinCopyBytes && !stretches.empty() ? PartKind::kUpload : PartKind::kCopy, at, size);
  return stretches;
}

}  // namespace

std::vector<PlannedPart> PlanUpload(uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty) {
  const uint64_t part_bytes = std::max(kPreferredPartBytes, size / kPartsPlanned + 1);
  std::vector<PlannedPart> parts;
  for (const Stretch& stretch : Stretches(size, limit, dirty)) {
    const uint64_t most = stretch.kind == PartKind::kCopy ? kMaxSinglePutBytes : part_bytes;
    for (uint64_t at = stretch.offset; at < End(stretch);) {
      uint64_t length = std::min(most, End(stretch) - at);
      // What would be left over must be a part of its own.
      const uint64_t rest = End(stretch) - at - length;
      if (rest > 0 && rest < kMinPartBytes) length -= kMinPartBytes;
      parts.push_back({static_cast<int>(parts.size()) + 1, stretch.kind, at, length});
      at += length;
    }
  }
  return parts;
}

}  // namespace pailfs::cache
