// Time as a dependency: code that reads a clock takes a Clock&, tests pass a ManualClock.
#pragma once

#include <atomic>
#include <cstdint>

namespace pailfs {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970-01-01 UTC; may jump.
  virtual int64_t WallNs() const = 0;
  // Nanoseconds since some fixed moment; never goes back.
  virtual int64_t MonotonicNs() const = 0;
};

// The system's clocks (CLOCK_REALTIME, CLOCK_MONOTONIC).
Clock& SystemClock();

// Moves only when told to.
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t wall_ns = 1'700'000'000'000'000'000) : wall_ns_(wall_ns) {}
  int64_t WallNs() const override { return wall_ns_.load(); }
  int64_t MonotonicNs() const override { return monotonic_ns_.load(); }
  void Advance(int64_t ns) {
    wall_ns_ += ns;
    monotonic_ns_ += ns;
  }
  // A step of the wall clock alone, as an administrator or NTP makes it.
  void SetWall(int64_t wall_ns) { wall_ns_ = wall_ns; }

 private:
  std::atomic<int64_t> wall_ns_;
  std::atomic<int64_t> monotonic_ns_{1};
};

}  // namespace pailfs
