// How a file is cut into the parts of a multipart upload: untouched ranges are copied by the server, changed ones are
// sent.
#pragma once

#include <cstdint>
#include <vector>

#include "base/object_store.h"

namespace pailfs::cache {

enum class PartKind : uint8_t { kUpload, kCopy };

struct PlannedPart {
  int part_number = 0;  // from 1
  PartKind kind = PartKind::kUpload;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// The parts cover [0, size) in order; each but the last has at least kMinPartBytes, none more than kMaxSinglePutBytes;
// there are at most kMaxParts up to kMaxObjectBytes. `dirty`: ranges, ascending, whose bytes differ from the origin's;
// beyond `limit` everything does. Sends what is dirty, whole parts around it, and short clean stretches that a request
// of their own would cost more.
std::vector<PlannedPart> PlanUpload(uint64_t size, uint64_t limit, const std::vector<ByteRange>& dirty);

}  // namespace pailfs::cache
