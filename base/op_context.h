// What bounds one call: a deadline and a stop token.
#pragma once

#include <cstdint>
#include <limits>
#include <stop_token>

#include "base/clock.h"
#include "base/result.h"

namespace pailfs {

struct OpContext {
  static constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();

  int64_t deadline_ns = kNoDeadline;  // on the MonotonicNs scale of `clock`
  std::stop_token stop;
  const Clock* clock = nullptr;  // the system's when null

  int64_t NowNs() const { return (clock != nullptr ? *clock : SystemClock()).MonotonicNs(); }
  // kCancelled or kTimedOut when the call should give up.
  Status Check() const {
    if (stop.stop_requested()) return Error{Errc::kCancelled, "interrupted"};
    if (deadline_ns != kNoDeadline && NowNs() >= deadline_ns) return Error{Errc::kTimedOut, "timed out"};
    return {};
  }
};

}  // namespace pailfs
