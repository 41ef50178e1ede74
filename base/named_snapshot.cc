#include "base/named_snapshot.h"

#include <charconv>

#include "base/str.h"

namespace pailfs {

std::string KeyOfSnapshot(std::string_view name) {
  return StrCat(kSnapshotPrefix, name);
}

int64_t SnapshotTimeUs(const ObjectInfo& object, bool store_reads_as_of) {
  if (const std::string* text = FindMetadata(object.metadata, kSnapshotTimeMetadata)) {
    int64_t time_us = 0;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), time_us);
    if (parsed.ec == std::errc() && parsed.ptr == text->data() + text->size() && time_us > 0) return time_us;
  }
  constexpr int64_t kSecondUs = 1'000'000;
  if (store_reads_as_of) return object.last_modified_us;
  return object.last_modified_us / kSecondUs * kSecondUs + kSecondUs - 1;
}

}  // namespace pailfs
