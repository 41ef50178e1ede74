// Named snapshots as a bucket keeps them, for every mount and for whatever removes old versions: the object
// `.pailfs/snapshots/NAME` at the root of the bucket names the moment when it was stored, or, where it is not empty,
// another one that its metadata say. Nobody may remove a version that was current then.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/object_store.h"

namespace pailfs {

inline constexpr std::string_view kSnapshotPrefix = ".pailfs/snapshots/";
// User metadata: the moment, in decimal microseconds since 1970 UTC; absent: when the object was stored.
inline constexpr std::string_view kSnapshotTimeMetadata = "pailfs-time-us";

std::string KeyOfSnapshot(std::string_view name);

// The moment that `object`, with its metadata, names: everything stored up to and including it counts. A store that
// cannot read "as of" a time tells times in whole seconds in some answers: all of that second counts there.
int64_t SnapshotTimeUs(const ObjectInfo& object, bool store_reads_as_of);

}  // namespace pailfs
