// The embedded object store: buckets of versioned objects in a directory, without a server. docs/FORMATS.md has its
// files, docs/ARCHITECTURE.md how a commit goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/object_store.h"
#include "base/random.h"
#include "base/result.h"
#include "store/retention_policy.h"

namespace pailfs::store {

struct EmbeddedStoreOptions {
  bool create_if_missing = true;
  uint64_t packed_bytes = 256 << 10;     // bodies up to this size lie in volumes, larger ones in files of their own
  uint64_t volume_bytes = 1ULL << 30;    // a volume is sealed when it reaches this
  uint64_t allocate_bytes = 64 << 20;    // reserved ahead in the open volume
  uint64_t checkpoint_bytes = 64 << 20;  // of log between two checkpoints
  int64_t checkpoint_ns = 30'000'000'000;
  uint64_t most_deletions = 50'000;   // of rows of a bucket, before its part of the index is compacted
  uint64_t ballast_bytes = 64 << 20;  // kept for deletions on a full disk; 0: none
  uint64_t min_part_bytes = kMinPartBytes;
  // Thinning of all buckets in the background, first so long after opening; 0: never.
  int64_t first_thinning_ns = 0;
  int64_t thinning_interval_ns = 3'600'000'000'000;
};

struct BucketInfo {
  std::string name;
  VersioningState versioning = VersioningState::kOff;
  int64_t created_us = 0;
  RetentionPolicy retention;
};

// Of one bucket. Bytes are those of the objects: what versions share counts for each of them.
struct BucketUsage {
  uint64_t objects = 0;  // current ones
  uint64_t object_bytes = 0;
  uint64_t noncurrent_versions = 0;
  uint64_t noncurrent_bytes = 0;
  uint64_t delete_markers = 0;
  uint64_t uploads = 0;  // unfinished
  uint64_t upload_bytes = 0;
};

enum class ThinningMode : uint8_t {
  kRemove,
  kRemoveInUse,  // but nothing that ceased to be current within a day: a mount may be reading or copying it
  kCountOnly
};

// What went, or would go. Bytes as in BucketUsage.
struct ThinningResult {
  uint64_t versions = 0;
  uint64_t bytes = 0;
  uint64_t delete_markers = 0;
};

struct CompactionResult {
  uint64_t volumes_removed = 0;
  uint64_t bytes_freed = 0;
};

class StoreCore;
class ThinningThread;

// Thread-safe. One process owns a store. Buckets that it opened must end before it does.
class EmbeddedStore {
 public:
  // Errors: kBusy (another process holds it: its pid), kNotFound (no store there and not to be made), kUnsupported
  // (made by a newer version), kCorrupt (what to run).
  static Result<std::unique_ptr<EmbeddedStore>> Open(FileSystem& files, Clock& clock, Random& random, Metrics& metrics,
                                                     const std::string& directory, const EmbeddedStoreOptions& options);
  // Closes in order.
  ~EmbeddedStore();

  // kInvalidArgument for a name that S3 does not allow; kAlreadyExists.
  Status CreateBucket(std::string_view name, VersioningState versioning);
  Status DeleteBucket(std::string_view name);  // kNotEmpty
  Result<std::vector<BucketInfo>> ListBuckets();
  Result<BucketInfo> FindBucket(std::string_view name);  // kNotFound
  // Once on, versioning can only be suspended: kInvalidArgument for kOff.
  Status SetVersioning(std::string_view name, VersioningState versioning);
  // kNotFound; kInvalidArgument for times over kMostRetentionSeconds.
  Status SetRetention(std::string_view name, const RetentionPolicy& policy);
  // kNotFound.
  Result<std::unique_ptr<ObjectStore>> OpenBucket(std::string_view name);

  // Removes the noncurrent versions that the retention of the bucket no longer keeps, in many small commits: an
  // interrupted run has done a part of it. kNotFound; kCancelled and kTimedOut when `ctx` says so.
  Result<ThinningResult> Thin(const OpContext& ctx, std::string_view bucket, ThinningMode mode);
  // Reads the rows of everything but current objects. kNotFound.
  Result<BucketUsage> Usage(const OpContext& ctx, std::string_view bucket);
  // What the files of the store take on the disk.
  Result<uint64_t> BytesOnDisk(const OpContext& ctx);

  // Makes the index durable and frees what was deleted before.
  Status Checkpoint();
  // Rewrites sealed volumes of which at least `dead_percent` is dead. Blocks.
  Result<CompactionResult> Compact(int dead_percent = 50);
  const std::string& directory() const;

 private:
  explicit EmbeddedStore(std::unique_ptr<StoreCore> core);
  void ThinAll(const OpContext& ctx);

  std::unique_ptr<StoreCore> core_;
  std::unique_ptr<ThinningThread> thinning_;  // ends before the core
};

// True when `directory` holds a store (its FORMAT file).
Result<bool> IsStore(FileSystem& files, const std::string& directory);
// S3's rules: 3 to 63 of a-z, 0-9, '-', '.', beginning and ending with a letter or digit.
bool IsBucketName(std::string_view name);

}  // namespace pailfs::store
