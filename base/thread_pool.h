// A bounded pool of threads. A task never waits for another task of the same pool.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pailfs {

// Thread-safe.
class ThreadPool {
 public:
  // Threads are named `name` (15 bytes at most are shown by the system).
  ThreadPool(std::string name, size_t threads, size_t max_queued);
  // Runs what is queued, then ends.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // False, and the task is dropped, when the queue is full or the pool is ending.
  [[nodiscard]] bool TrySubmit(std::function<void()> task);
  // Waits for room in the queue.
  void Submit(std::function<void()> task);
  // Waits until nothing is queued or running.
  void Drain();

 private:
  void Run();

  const std::string name_;
  const size_t max_queued_;
  Mutex mu_;
  CondVar work_or_end_;
  CondVar room_or_idle_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mu_);
  size_t running_ GUARDED_BY(mu_) = 0;
  bool ending_ GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace pailfs
