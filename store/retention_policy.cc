#include "store/retention_policy.h"

#include <algorithm>

namespace pailfs::store {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;
constexpr uint64_t kFirstMondaySeconds = 4 * kDaySeconds;  // 1970-01-01 was a Thursday

// The moment so many seconds before `now_us`, 1970 at the earliest.
uint64_t Before(uint64_t now_us, uint64_t seconds) {
  return seconds > now_us / kSecondUs ? 0 : now_us - seconds * kSecondUs;
}

// Whether one of the instants first, first + period, … is in [from, to).
bool GridMeets(uint64_t from_us, uint64_t to_us, uint64_t first_us, uint64_t period_us) {
  if (from_us <= first_us) return first_us < to_us;
  const uint64_t past = (from_us - first_us) % period_us;
  return past == 0 ? from_us < to_us : to_us > from_us && to_us - from_us > period_us - past;
}

}  // namespace

RetentionRule::RetentionRule(const RetentionPolicy& policy, std::vector<uint64_t> snapshots_us, uint64_t now_us)
    : policy_(policy), snapshots_us_(std::move(snapshots_us)), now_us_(now_us) {
  std::sort(snapshots_us_.begin(), snapshots_us_.end());
}

bool RetentionRule::KeepsSince(uint64_t since_us) const {
  return policy_.forever || since_us > Before(now_us_, policy_.keep_all_s);
}

bool RetentionRule::HasInstant(const CurrentInterval& interval) const {
  struct Grid {
    uint64_t kept_s;
    uint64_t period_s;
    uint64_t first_s;
  };
  const Grid grids[] = {{policy_.hourly_s, kHourSeconds, 0},
                        {policy_.daily_s, kDaySeconds, 0},
                        {policy_.weekly_s, kWeekSeconds, kFirstMondaySeconds}};
  return std::any_of(std::begin(grids), std::end(grids), [&](const Grid& grid) {
    const uint64_t from_us = std::max(interval.from_us, Before(now_us_, grid.kept_s));
    return grid.kept_s > 0 && from_us < interval.to_us &&
           GridMeets(from_us, interval.to_us, grid.first_s * kSecondUs, grid.period_s * kSecondUs);
  });
}

bool RetentionRule::HasSnapshot(const CurrentInterval& interval) const {
  const auto snapshot = std::lower_bound(snapshots_us_.begin(), snapshots_us_.end(), interval.from_us);
  return snapshot != snapshots_us_.end() && *snapshot < interval.to_us;
}

bool RetentionRule::Keeps(std::span<const CurrentInterval> intervals) const {
  if (policy_.forever || intervals.empty()) return true;
  return std::any_of(intervals.begin(), intervals.end(), [this](const CurrentInterval& interval) {
    const bool unknown = interval.to_us == 0 || interval.to_us < interval.from_us;
    return unknown || KeepsSince(interval.to_us) || HasInstant(interval) || HasSnapshot(interval);
  });
}

}  // namespace pailfs::store
