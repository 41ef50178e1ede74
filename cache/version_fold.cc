#include "cache/version_fold.h"

#include <algorithm>
#include <utility>

namespace pailfs::cache {

std::optional<ObjectInfo> VersionFold::Add(ObjectInfo version) {
  std::optional<ObjectInfo> before;
  if (!versions_.empty() && versions_.back().key != version.key) before = Finish();
  versions_.push_back(std::move(version));
  return before;
}

std::optional<ObjectInfo> VersionFold::Finish() {
  std::optional<ObjectInfo> current;
  int64_t since_us = 0;
  for (auto version = versions_.rbegin(); version != versions_.rend(); ++version) {
    since_us = std::max(since_us, version->last_modified_us);
    if (since_us > time_us_) break;
    current = std::move(*version);
  }
  versions_.clear();
  if (current && current->is_delete_marker) current.reset();
  return current;
}

}  // namespace pailfs::cache
