// When a request is sent again, and how many may be under way. Passive: no thread, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/random.h"

namespace pailfs::s3client {

struct RetryOptions {
  int64_t base_delay_ns = 50'000'000;
  int64_t max_delay_ns = 8'000'000'000;
  int64_t budget_ns = 30'000'000'000;  // from the first attempt, or the last progress, to the beginning of the last one
  int max_attempts = 12;               // without progress
};

// The pauses of one call: the nth is uniform in [0, base * 2^n], at most max ("full jitter"), or what the server asked
// for if that is longer. Not thread-safe.
class RetryPolicy {
 public:
  RetryPolicy(const RetryOptions& options, int64_t now_ns, Random& random)
      : options_(options), random_(random), start_ns_(now_ns) {}

  // An attempt failed in a way that another one may mend. The pause before the next; nullopt: give up.
  std::optional<int64_t> NextDelayNs(int64_t now_ns, std::optional<int64_t> retry_after_ns);
  // Bytes have moved that the next attempt need not move again: time and attempts count from here.
  void NoteProgress(int64_t now_ns);
  // Time that does not count: spent in moving bytes.
  void Excuse(int64_t ns) { start_ns_ += ns; }
  int64_t end_ns() const { return start_ns_ + options_.budget_ns; }

 private:
  const RetryOptions options_;
  Random& random_;
  int64_t start_ns_;
  int attempts_ = 0;  // that failed
};

// How many requests may be under way: halved when the server asks to slow down, grown by one for each window of
// successes. Not thread-safe.
class ConcurrencyLimit {
 public:
  explicit ConcurrencyLimit(int most) : most_(most), allowed_(most) {}

  bool MayStart() const { return under_way_ < allowed(); }
  void Start() { ++under_way_; }
  // Requests that began before the last halving say nothing about what came of it: `generation` is that of Start.
  void EndWell();
  void EndSlowedDown(uint64_t generation);
  void EndOtherwise() { --under_way_; }
  uint64_t generation() const { return generation_; }
  int allowed() const { return static_cast<int>(allowed_); }
  int under_way() const { return under_way_; }

 private:
  const int most_;
  double allowed_;
  int under_way_ = 0;
  uint64_t generation_ = 0;  // of halvings
};

}  // namespace pailfs::s3client
