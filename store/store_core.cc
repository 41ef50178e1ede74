#include "store/store_core.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/str.h"

namespace pailfs::store {
namespace {

constexpr size_t kMostOperations = 1024;
constexpr uint64_t kMostGroupBytes = 8 << 20;
constexpr uint64_t kClockWarningUs = 10'000'000;

}  // namespace

StoreCore::StoreCore(FileSystem& files_in, Clock& clock_in, Random& random_in, Metrics& metrics_in,
                     std::string directory_in, EmbeddedStoreOptions options_in)
    : files(files_in),
      clock(clock_in),
      random(random_in),
      metrics(metrics_in),
      directory(std::move(directory_in)),
      options(options_in) {}

StoreCore::~StoreCore() {
  const Status closed = Close();
  if (!closed.ok()) LogError("closing the store: ", closed.error().message);
}

Status StoreCore::Commit(uint64_t weight, std::function<Status(CommitView&)> build) {
  Operation operation;
  operation.build = std::move(build);
  operation.weight = weight;
  return Enqueue(std::move(operation));
}

Status StoreCore::Enqueue(Operation operation) {
  MutexLock lock(mu_);
  if (stopping_) return Error{Errc::kInternal, "the store is closed"};
  waiting_.push_back(&operation);
  work_.NotifyOne();
  while (!operation.done) answered_.Wait(mu_);
  return std::move(operation.result);
}

void StoreCore::Run() {
  pthread_setname_np(pthread_self(), "pailfs-commit");
  MutexLock lock(mu_);
  for (;;) {
    while (waiting_.empty() && !stopping_) {
      if (!work_.WaitFor(mu_, std::chrono::nanoseconds(options.checkpoint_ns)) && waiting_.empty() && !stopping_) {
        lock.Unlock();
        Housekeeping();
        lock.Lock();
      }
    }
    if (waiting_.empty()) return;
    std::vector<Operation*> group;
    uint64_t bytes = 0;
    size_t taken = 0;
    while (taken < waiting_.size() && taken < kMostOperations && bytes < kMostGroupBytes) {
      bytes += waiting_[taken]->weight;
      group.push_back(waiting_[taken++]);
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(taken));
    lock.Unlock();
    CommitGroup(group);
    for (Operation* operation : group) {
      if (operation->alone) operation->result = broken_.ok() ? operation->alone() : broken_;
    }
    lock.Lock();
    for (Operation* operation : group) operation->done = true;
    answered_.NotifyAll();
    lock.Unlock();
    if (logged_since_checkpoint_ >= options.checkpoint_bytes || clock.MonotonicNs() >= checkpoint_at_ns_ ||
        garbage_left_) {
      Housekeeping();
    }
    lock.Lock();
  }
}

uint64_t StoreCore::NextTime() {
  const auto wall_us = static_cast<uint64_t>(std::max<int64_t>(clock.WallNs() / 1000, 0));
  if (wall_us + kClockWarningUs < last_time_us_ && !clock_warned_) {
    clock_warned_ = true;
    LogWarning("the clock is behind the last change of store ", directory,
               "; times of new versions continue from that change until the clock has caught up");
  }
  last_time_us_ = std::max(wall_us, last_time_us_ + 1);
  return last_time_us_;
}

StoreCore::Group StoreCore::Build(const std::vector<Operation*>& operations) {
  Group group;
  group.first_seq = group.next_seq = last_seq_ + 1;
  for (Operation* operation : operations) {
    if (!operation->build) continue;
    CommitView view(*index, group.overlay, group.next_seq, [this] { return NextTime(); });
    operation->result = operation->build(view);
    if (!operation->result.ok() || view.own_.empty()) continue;
    group.next_seq = view.next_seq_;
    for (auto& [row, value] : view.own_) group.overlay[row] = std::move(value);
    group.needles.insert(group.needles.end(), view.needles_.begin(), view.needles_.end());
    for (const auto& [bucket, counts] : view.counts_) {
      group.counts[bucket].objects += counts.objects;
      group.counts[bucket].bytes += counts.bytes;
    }
    ++group.changed;
  }
  return group;
}

// Near the end of the disk only what adds no bytes goes on.
void StoreCore::RefuseGrowth(std::vector<Operation*>& operations) {
  const Status space = CheckSpace();
  if (space.ok()) return;
  std::erase_if(operations, [&space](Operation* operation) {
    if (!operation->build || operation->weight == 0) return false;
    operation->result = space;
    return true;
  });
}

void StoreCore::CommitGroup(const std::vector<Operation*>& operations) {
  std::vector<Operation*> going;
  for (Operation* operation : operations) {
    if (operation->build) going.push_back(operation);
  }
  if (broken_.ok()) RefuseGrowth(going);
  Status written = broken_;
  if (written.ok()) {
    Group group = Build(going);
    if (group.changed == 0) return;
    written = WriteGroup(group, 0);
    if (written.Is(Errc::kNoSpace) && ReleaseBallast()) {
      std::erase_if(going, [&written](Operation* operation) {
        if (operation->weight > 0) operation->result = written;
        return operation->weight > 0;
      });
      group = Build(going);
      written = group.changed > 0 ? WriteGroup(group, 0) : Status();
    }
    if (written.ok()) {
      metrics.counter("store.commits").Add();
      metrics.counter("store.committed_operations").Add(group.changed);
      return;
    }
  }
  // Also those that were refused: they may have been refused for a change that did not happen.
  for (Operation* operation : going) operation->result = written;
}

CommitView StoreCore::OwnView(const CommitView::Overlay& nothing) {
  CommitView view(*index, nothing, last_seq_ + 1, [this] { return NextTime(); });
  view.Advance();
  return view;
}

Status StoreCore::WriteOwn(CommitView& view, uint16_t flags) {
  Group group;
  group.first_seq = last_seq_ + 1;
  group.next_seq = view.next_seq_;
  group.overlay = std::move(view.own_);
  group.needles = std::move(view.needles_);
  Status written = WriteGroup(group, flags);
  if (written.Is(Errc::kNoSpace) && ReleaseBallast()) written = WriteGroup(group, flags);
  return written;
}

ObjectCounts StoreCore::CountsOf(BucketId bucket) const {
  MutexLock lock(counts_mu_);
  const auto it = counts_.find(bucket);
  return it == counts_.end() ? ObjectCounts{} : it->second;
}

}  // namespace pailfs::store
