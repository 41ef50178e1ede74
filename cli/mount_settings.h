// What the options of a mount add up to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pailfs::cli {

struct MountSettings {
  std::string cache_directory;  // empty: DefaultCacheDirectory
  uint64_t cache_size_bytes = 20ULL << 30;
  std::optional<int64_t> ttl_ns;  // of names and attributes in the kernel; a store of ours is ours alone: long
  int64_t writeback_delay_ns = 2'000'000'000;
  bool fsync_to_bucket = false;
  bool posix_metadata = true;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint32_t> umask;
  std::optional<bool> allow_other;  // unset: when root mounts
  bool read_only = false;
  std::vector<std::string> kernel_options;  // "nodev", "noexec", … as they were given
};

}  // namespace pailfs::cli
