// What the options of a mount add up to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/mount_cache.h"

namespace pailfs::cli {

// Of the server behind s3://. What is empty is said by the environment or the profile, or is not set.
struct S3Settings {
  std::string endpoint;
  std::string region;
  std::string profile;
  std::string passwd_file;
  bool anonymous = false;
  std::string addressing;  // "path", "virtual"; empty: what fits
  std::string ca_file;
  std::string encryption;  // "s3", "kms", "c"
  std::string kms_key_id;
  std::string customer_key_file;
  std::string storage_class;
  std::string acl;
  std::string tagging;
  bool requester_pays = false;
  int64_t timeout_ns = 30'000'000'000;
  int connections = 64;
};

struct MountSettings {
  S3Settings s3;
  std::string cache_directory;  // empty: DefaultCacheDirectory
  uint64_t cache_size_bytes = 20ULL << 30;
  std::optional<int64_t> ttl_ns;  // of names and attributes; unset: by the kind of the source
  int64_t writeback_delay_ns = 2'000'000'000;
  bool fsync_to_bucket = false;
  bool posix_metadata = true;
  cache::SnapshotView snapshot_view = cache::SnapshotView::kHidden;
  std::string snapshot_name = ".snapshot";
  std::string versions_name = ".versions";
  cache::SnapshotSeries snapshot_series;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint32_t> umask;
  std::optional<bool> allow_other;  // unset: when root mounts
  bool read_only = false;
  std::vector<std::string> kernel_options;  // "nodev", "noexec", … as they were given
};

}  // namespace pailfs::cli
