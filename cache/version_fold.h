// What was current at a time, told from listings of versions. Passive.
//
// The order of a key's versions is the server's, newest first, and it rules: AWS dates multipart objects by their start
// and all in whole seconds, so a time alone could put a version before an older one. A version counts from its own
// time or from that of the one before it, whichever is later. What is gone from the bucket leaves the version before it
// current for longer than it was; only a store that reads "as of" a time knows better.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/object_store.h"

namespace pailfs::cache {

// Not thread-safe.
class VersionFold {
 public:
  explicit VersionFold(int64_t time_us) : time_us_(time_us) {}

  // The next version in the order of ListVersions. Returns the object that was current of the key before, when this one
  // begins another key.
  std::optional<ObjectInfo> Add(ObjectInfo version);
  // No more versions of the last key follow: what was current of it.
  std::optional<ObjectInfo> Finish();

 private:
  int64_t time_us_;
  std::string key_;
  // The newest version that counted by then, unless an older one turns out to be dated later.
  std::optional<ObjectInfo> candidate_;
};

}  // namespace pailfs::cache
