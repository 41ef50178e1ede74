#include "store/range_compactor.h"

#include <pthread.h>

namespace pailfs::store {
namespace {

constexpr size_t kTableAndBucketBytes = 5;

}  // namespace

RangeCompactor::RangeCompactor(KvStore& index, Metrics& metrics, uint64_t most_deletions)
    : index_(index), metrics_(metrics), most_deletions_(most_deletions), thread_([this] { Run(); }) {}

RangeCompactor::~RangeCompactor() {
  {
    MutexLock lock(mu_);
    ending_ = true;
    work_.NotifyAll();
  }
  thread_.join();
}

void RangeCompactor::CountDeletion(std::string_view row) {
  if (row.size() < kTableAndBucketBytes || (row.front() != 'C' && row.front() != 'V')) return;
  const BucketId bucket = GetBig32(row.substr(1));
  uint64_t& count = deletions_[bucket];
  if (++count < most_deletions_) return;
  count = 0;
  MutexLock lock(mu_);
  due_.insert(bucket);
  work_.NotifyAll();
}

void RangeCompactor::Run() {
  pthread_setname_np(pthread_self(), "pailfs-tidy");
  MutexLock lock(mu_);
  for (;;) {
    while (due_.empty() && !ending_) work_.Wait(mu_);
    if (ending_) return;
    const BucketId bucket = *due_.begin();
    due_.erase(due_.begin());
    lock.Unlock();
    index_.CompactRange(CurrentPrefix(bucket), CurrentPrefix(bucket + 1));
    index_.CompactRange(VersionPrefix(bucket), VersionPrefix(bucket + 1));
    metrics_.counter("store.ranges_compacted").Add();
    lock.Lock();
  }
}

}  // namespace pailfs::store
