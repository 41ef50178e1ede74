// Counters and gauges by name, for `pailfs status` and for tests that assert counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"

namespace pailfs {

class Counter {
 public:
  void Add(int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void Set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Thread-safe. References stay valid as long as the registry.
class Metrics {
 public:
  Counter& counter(std::string_view name);
  // name -> value of all that were asked for.
  std::map<std::string, int64_t> Snapshot() const;

 private:
  mutable Mutex mu_;
  std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters_ GUARDED_BY(mu_);
};

}  // namespace pailfs
