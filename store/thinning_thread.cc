#include "store/thinning_thread.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

namespace pailfs::store {

ThinningThread::ThinningThread(const Clock& clock, int64_t first_ns, int64_t interval_ns,
                               std::function<void(const OpContext&)> thin)
    : clock_(clock), first_ns_(first_ns), interval_ns_(interval_ns), thin_(std::move(thin)), thread_([this] {
        Run();
      }) {}

ThinningThread::~ThinningThread() {
  stop_.request_stop();
  {
    MutexLock lock(mu_);
    ending_.NotifyAll();
  }
  thread_.join();
}

void ThinningThread::Run() {
  pthread_setname_np(pthread_self(), "pailfs-thin");
  OpContext ctx;
  ctx.stop = stop_.get_token();
  int64_t due_ns = clock_.MonotonicNs() + first_ns_;
  MutexLock lock(mu_);
  while (!stop_.stop_requested()) {
    const int64_t left_ns = due_ns - clock_.MonotonicNs();
    if (left_ns > 0) {
      ending_.WaitFor(mu_, std::chrono::nanoseconds(left_ns));
      continue;
    }
    lock.Unlock();
    thin_(ctx);
    due_ns = clock_.MonotonicNs() + interval_ns_;
    lock.Lock();
  }
}

}  // namespace pailfs::store
