// Does something again and again in the background, by the store's clock: the thinning of a store that is open for
// long.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/op_context.h"

namespace pailfs::store {

class ThinningThread {
 public:
  // Calls `thin` `first_ns` from now, and `interval_ns` after each time that it returned. Its context is stopped when
  // the thread is to end.
  ThinningThread(const Clock& clock, int64_t first_ns, int64_t interval_ns, std::function<void(const OpContext&)> thin);
  // Returns when `thin` has returned.
  ~ThinningThread();

 private:
  void Run();

  const Clock& clock_;
  const int64_t first_ns_;
  const int64_t interval_ns_;
  const std::function<void(const OpContext&)> thin_;
  std::stop_source stop_;

  Mutex mu_;  // only for the wait
  CondVar ending_;
  std::thread thread_;
};

}  // namespace pailfs::store
