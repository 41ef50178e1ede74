// The status of a mount as JSON (the daemon's answer) and as text for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "cache/mount_cache.h"

namespace pailfs::cli {

struct MountStatus {
  std::string source;
  std::string mountpoint;
  std::string cache_directory;
  std::string state;  // "mounted", "draining", "ended"
  std::string error;  // of "ended": why something is left
  int64_t pid = 0;
  cache::CacheStatus cache;
  std::vector<std::pair<std::string, std::string>> server;  // what is known of a remote server: name, value
  std::map<std::string, int64_t> counters;
};

std::string StatusToJson(const MountStatus& status);

// "3 files, 1.2 MiB, 4 deletions"; "nothing".
std::string LeftToUpload(uint64_t files, uint64_t bytes, uint64_t deletes);
std::string LeftToUpload(const JsonValue& status);

// Some lines about one mount.
std::string StatusToText(const JsonValue& status);

}  // namespace pailfs::cli
