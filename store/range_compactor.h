// Keeps listings from wading through deletions: LevelDB leaves a tombstone for each deleted row until a compaction
// reaches it, and a cursor steps over all of them. Where a bucket's tables have seen many deletions they are compacted,
// in a thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <thread>

#include "base/kv_store.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "store/index_keys.h"

namespace pailfs::store {

class RangeCompactor {
 public:
  // `index` must outlive it.
  RangeCompactor(KvStore& index, Metrics& metrics, uint64_t most_deletions);
  // Waits for a compaction under way; does not begin those that are due.
  ~RangeCompactor();

  // Called from one thread, after the row was deleted.
  void CountDeletion(std::string_view row);

 private:
  void Run();

  KvStore& index_;
  Metrics& metrics_;
  const uint64_t most_deletions_;
  std::map<BucketId, uint64_t> deletions_;  // of the thread that counts

  Mutex mu_;
  CondVar work_;
  std::set<BucketId> due_ GUARDED_BY(mu_);
  bool ending_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace pailfs::store
