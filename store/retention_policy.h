// Which noncurrent versions of a bucket stay. Pure: no clock, no store.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pailfs::store {

inline constexpr uint64_t kHourSeconds = 3600;
inline constexpr uint64_t kDaySeconds = 24 * kHourSeconds;
inline constexpr uint64_t kWeekSeconds = 7 * kDaySeconds;
inline constexpr uint64_t kMostRetentionSeconds = 1000 * 366 * kDaySeconds;

// Of one bucket. 0 means none.
struct RetentionPolicy {
  bool forever = false;                    // nothing goes; the rest is remembered
  uint64_t keep_all_s = 30 * kDaySeconds;  // everything, from when it ceased to be current
  // Later only what was current at one of these instants, which count for so long:
  uint64_t hourly_s = 0;                 // whole hours, UTC
  uint64_t daily_s = 365 * kDaySeconds;  // midnights UTC
  uint64_t weekly_s = 0;                 // Mondays 00:00 UTC
  bool operator==(const RetentionPolicy&) const = default;
};

// When a version was the current one: from <= t < to, microseconds since 1970 UTC. to = 0: not known.
struct CurrentInterval {
  uint64_t from_us = 0;
  uint64_t to_us = 0;
};

// A policy at one moment. Thread-safe: constant.
class RetentionRule {
 public:
  // `snapshots_us`: the moments of the named snapshots, in any order.
  RetentionRule(const RetentionPolicy& policy, std::vector<uint64_t> snapshots_us, uint64_t now_us);

  // Whether a noncurrent version stays that was current in these intervals. One that does not say when it was, stays.
  bool Keeps(std::span<const CurrentInterval> intervals) const;
  // Whether a delete marker stays that is all that is left of its key.
  bool KeepsLoneMarker(uint64_t committed_us) const { return KeepsSince(committed_us); }

 private:
  bool KeepsSince(uint64_t since_us) const;
  bool HasInstant(const CurrentInterval& interval) const;
  bool HasSnapshot(const CurrentInterval& interval) const;

  const RetentionPolicy policy_;
  std::vector<uint64_t> snapshots_us_;  // ascending
  const uint64_t now_us_;
};

}  // namespace pailfs::store
