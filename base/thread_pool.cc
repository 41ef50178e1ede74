#include "base/thread_pool.h"

#include <pthread.h>

namespace pailfs {

ThreadPool::ThreadPool(std::string name, size_t threads, size_t max_queued)
    : name_(std::move(name)), max_queued_(max_queued) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mu_);
    ending_ = true;
  }
  work_or_end_.NotifyAll();
  room_or_idle_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::TrySubmit(std::function<void()> task) {
  MutexLock lock(mu_);
  if (ending_ || queue_.size() >= max_queued_) return false;
  queue_.push_back(std::move(task));
  work_or_end_.NotifyOne();
  return true;
}

void ThreadPool::Submit(std::function<void()> task) {
  MutexLock lock(mu_);
  while (queue_.size() >= max_queued_ && !ending_) room_or_idle_.Wait(mu_);
  queue_.push_back(std::move(task));
  work_or_end_.NotifyOne();
}

void ThreadPool::Drain() {
  MutexLock lock(mu_);
  while (!queue_.empty() || running_ > 0) room_or_idle_.Wait(mu_);
}

void ThreadPool::Run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  MutexLock lock(mu_);
  for (;;) {
    while (queue_.empty() && !ending_) work_or_end_.Wait(mu_);
    if (queue_.empty()) return;
    {
      const std::function<void()> task = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
      lock.Unlock();
      room_or_idle_.NotifyAll();
      task();
    }
    lock.Lock();
    --running_;
    room_or_idle_.NotifyAll();
  }
}

}  // namespace pailfs
