// Who may touch the bytes of one inode: readers and uploads share, writers are alone. Not a mutex: it is held over I/O,
// its waits can be interrupted, and a writer can ask an upload in progress to give way.
#pragma once

#include <stop_token>

#include "base/mutex.h"
#include "base/op_context.h"
#include "base/result.h"

namespace pailfs::cache {

// Thread-safe. Writers do not starve: a waiting writer keeps new readers out.
class ContentGate {
 public:
  // kCancelled, kTimedOut.
  Status AcquireShared(const OpContext& ctx);
  Status AcquireExclusive(const OpContext& ctx);
  bool TryAcquireExclusive();
  void ReleaseShared();
  void ReleaseExclusive();

  // Shared, for an upload that gives way: `give_way` is asked to stop when a writer waits. One at a time.
  Status AcquireForUpload(const OpContext& ctx, std::stop_source give_way);
  void ReleaseUpload();

 private:
  template <typename Condition>
  Status Wait(const OpContext& ctx, Condition ready) REQUIRES(mu_);

  Mutex mu_;
  CondVar changed_;
  int readers_ GUARDED_BY(mu_) = 0;
  int writers_waiting_ GUARDED_BY(mu_) = 0;
  bool writer_ GUARDED_BY(mu_) = false;
  std::stop_source upload_ GUARDED_BY(mu_){std::nostopstate};
};

class SharedHold {
 public:
  explicit SharedHold(ContentGate& gate) : gate_(gate) {}
  ~SharedHold() { gate_.ReleaseShared(); }
  SharedHold(const SharedHold&) = delete;
  SharedHold& operator=(const SharedHold&) = delete;

 private:
  ContentGate& gate_;
};

class ExclusiveHold {
 public:
  explicit ExclusiveHold(ContentGate& gate) : gate_(gate) {}
  ~ExclusiveHold() { gate_.ReleaseExclusive(); }
  ExclusiveHold(const ExclusiveHold&) = delete;
  ExclusiveHold& operator=(const ExclusiveHold&) = delete;

 private:
  ContentGate& gate_;
};

}  // namespace pailfs::cache
