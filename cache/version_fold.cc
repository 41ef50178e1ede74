#include "cache/version_fold.h"

#include <utility>

namespace pailfs::cache {

std::optional<ObjectInfo> VersionFold::Add(ObjectInfo version) {
  std::optional<ObjectInfo> before;
  if (key_ != version.key) before = Finish();
  key_ = version.key;
  if (version.last_modified_us > time_us_) {
    candidate_.reset();
  } else if (!candidate_) {
    candidate_ = std::move(version);
  }
  return before;
}

std::optional<ObjectInfo> VersionFold::Finish() {
  std::optional<ObjectInfo> current = std::exchange(candidate_, std::nullopt);
  key_.clear();
  if (current && current->is_delete_marker) current.reset();
  return current;
}

}  // namespace pailfs::cache
