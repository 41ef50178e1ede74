// The room that cached file data may take on disk. Reservations are made before bytes are written and turned into use
// afterwards, so `used + reserved` never passes the limit.
#pragma once

#include <cstdint>
#include <functional>

#include "base/mutex.h"
#include "base/op_context.h"
#include "base/result.h"

namespace pailfs::cache {

// Thread-safe.
class SpaceBudget {
 public:
  // `evict(bytes)` frees clean data and returns how many bytes it freed; `press(on)` tells write-back that writers
  // wait. `uploaded()` counts the bytes that uploads took so far; that they go on taking bytes counts as progress. All
  // are called without locks held.
  SpaceBudget(uint64_t limit_bytes, std::function<uint64_t(uint64_t)> evict, std::function<void(bool)> press,
              std::function<uint64_t()> uploaded)
      : limit_bytes_(limit_bytes), evict_(std::move(evict)), press_(std::move(press)), uploaded_(std::move(uploaded)) {}

  // Waits for room, at most `timeout_ns` without any progress: then kNoSpace. kCancelled, kTimedOut. kNoSpace at once
  // when `bytes` exceed the limit.
  Status Reserve(const OpContext& ctx, uint64_t bytes, int64_t timeout_ns);
  // Evicts, but does not wait.
  bool TryReserve(uint64_t bytes);
  // Ends a reservation; `delta` is what the data on disk grew by (it may have shrunk).
  void Settle(uint64_t reserved, int64_t delta);

  bool HasRoom(uint64_t bytes) const;
  uint64_t used_bytes() const;
  uint64_t limit_bytes() const { return limit_bytes_; }

 private:
  bool TakeRoom(uint64_t bytes, uint64_t* missing);

  const uint64_t limit_bytes_;
  const std::function<uint64_t(uint64_t)> evict_;
  const std::function<void(bool)> press_;
  const std::function<uint64_t()> uploaded_;
  mutable Mutex mu_;
  CondVar freed_;
  uint64_t used_ GUARDED_BY(mu_) = 0;
  uint64_t reserved_ GUARDED_BY(mu_) = 0;
  uint64_t progress_ GUARDED_BY(mu_) = 0;  // grows whenever use shrinks
};

// A reservation that ends with its scope.
class Reservation {
 public:
  Reservation(SpaceBudget& budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
  ~Reservation() { budget_.Settle(bytes_, 0); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

 private:
  SpaceBudget& budget_;
  const uint64_t bytes_;
};

}  // namespace pailfs::cache
