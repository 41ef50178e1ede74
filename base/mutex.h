// The project's mutex and condition variable, with clang's thread-safety annotations
// (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html). The lock order is in docs/LOCKING.md.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define PAILFS_TSA(x) __attribute__((x))
#else
#define PAILFS_TSA(x)
#endif

#define CAPABILITY(x) PAILFS_TSA(capability(x))
#define SCOPED_CAPABILITY PAILFS_TSA(scoped_lockable)
#define GUARDED_BY(x) PAILFS_TSA(guarded_by(x))
#define PT_GUARDED_BY(x) PAILFS_TSA(pt_guarded_by(x))
#define ACQUIRED_BEFORE(...) PAILFS_TSA(acquired_before(__VA_ARGS__))
#define REQUIRES(...) PAILFS_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) PAILFS_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) PAILFS_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) PAILFS_TSA(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) PAILFS_TSA(try_acquire_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS PAILFS_TSA(no_thread_safety_analysis)

namespace pailfs {

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  bool try_lock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // For lock -> decide -> unlock -> act -> lock sequences.
  void Unlock() RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void Lock() ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// Waits may wake spuriously: always wait in a loop over the condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when the time passed without a notification.
  bool WaitFor(Mutex& mutex, std::chrono::nanoseconds timeout) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified = cv_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace pailfs
