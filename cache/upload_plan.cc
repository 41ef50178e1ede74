#include "cache/upload_plan.h"

#include <algorithm>

namespace pailfs::cache {
namespace {

constexpr uint64_t kPreferredPartBytes = 16 << 20;
// A clean stretch shorter than this is not worth a request of its own.
constexpr uint64_t kMinCopyBytes = 8 << 20;
// Leaves room for the parts by which stretches are rounded up.
constexpr uint64_t kPartsPlanned = 9'000;

struct Stretch {
  uint64_t begin;
  uint64_t end;
};

// What is to be sent, ascending: the dirty ranges and all beyond `limit`, each grown to a part's least size, and joined
// where less than `min_copy` lies between them, before the first or behind the last.
std::vector<Stretch> Uploads(uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty, uint64_t min_copy) {
  std::vector<Stretch> uploads;
  const auto add = [&](uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    const uint64_t before = uploads.empty() ? 0 : uploads.back().end;
    if (uploads.empty() && begin < min_copy) begin = 0;
    if (uploads.empty() || (begin > before && begin - before >= min_copy)) uploads.push_back({begin, end});
    Stretch& last = uploads.back();
    last.end = std::min(size, std::max({last.end, end, last.begin + kMinPartBytes}));
  };
  for (const ByteRange& range : dirty) add(range.offset, std::min(range.offset + range.length, size));
  add(std::min(limit, size), size);
  if (!uploads.empty() && size - uploads.back().end < min_copy) uploads.back().end = size;
  return uploads;
}

void AddParts(std::vector<PlannedPart>& parts, PartKind kind, Stretch stretch, uint64_t most) {
  for (uint64_t at = stretch.begin; at < stretch.end;) {
    uint64_t length = std::min(most, stretch.end - at);
    // What would be left over must be a part of its own.
    const uint64_t rest = stretch.end - at - length;
    if (rest > 0 && rest < kMinPartBytes) length -= kMinPartBytes;
    parts.push_back({static_cast<int>(parts.size()) + 1, kind, at, length});
    at += length;
  }
}

}  // namespace

std::vector<PlannedPart> PlanUpload(uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty) {
  const uint64_t part_bytes = std::min(kMaxSinglePutBytes, std::max(kPreferredPartBytes, size / kPartsPlanned + 1));
  // Changes all over a large file make too many parts: send more of what lies between them, until they fit.
  for (uint64_t min_copy = kMinCopyBytes;; min_copy += min_copy / 8) {
    std::vector<PlannedPart> parts;
    uint64_t at = 0;
    for (const Stretch& upload : Uploads(size, limit, dirty, min_copy)) {
      AddParts(parts, PartKind::kCopy, {at, upload.begin}, kMaxSinglePutBytes);
      AddParts(parts, PartKind::kUpload, upload, part_bytes);
      at = upload.end;
    }
    AddParts(parts, PartKind::kCopy, {at, size}, kMaxSinglePutBytes);
    if (parts.size() <= kMaxParts || min_copy > size) return parts;
  }
}

}  // namespace pailfs::cache
