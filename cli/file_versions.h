// The versions of one file, as the view `.versions/<file>` of a mount shows them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/node.h"

namespace pailfs::cli {

struct FileVersion {
  std::string name;  // in the view; empty for a deletion
  std::string time;  // when it was stored: "2026-11-22T08:00:00Z"
  std::string version_id;
  bool deleted = false;
  uint64_t size_bytes = 0;
  std::string etag;
  timespec mtime{};
  std::optional<size_t> place;  // in the history that the mount tells, newest first
};

// Is it the view of a file, and not that of a directory, which has views of its entries?
Result<bool> IsVersionsOfFile(const Node& view);

// Newest first, deletions included.
Result<std::vector<FileVersion>> ListFileVersions(const Node& view);

// "2026-11-22T08:00:00.123456789Z", without the fraction where it is 0.
std::string FormatExactTime(const timespec& time);

}  // namespace pailfs::cli
