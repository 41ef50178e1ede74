#include "base/named_snapshot.h"

#include <cstdint>

#include "base/str.h"

namespace pailfs {

std::string KeyOfSnapshot(std::string_view name) {
  return StrCat(kSnapshotPrefix, name);
}

int64_t SnapshotTimeUs(const ObjectInfo& object, bool store_reads_as_of) {
  if (const std::string* text = FindMetadata(object.metadata, kSnapshotTimeMetadata)) {
    // Times are nanoseconds elsewhere.
    constexpr uint64_t kLatestUs = INT64_MAX / 1000;
    const auto time_us = ParseUint(*text);
    if (time_us && *time_us > 0 && *time_us <= kLatestUs) return static_cast<int64_t>(*time_us);
  }
  constexpr int64_t kSecondUs = 1'000'000;
  if (store_reads_as_of) return object.last_modified_us;
  return object.last_modified_us / kSecondUs * kSecondUs + kSecondUs - 1;
}

}  // namespace pailfs
