#include "store/retention_policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "tests/support/seeds.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kSecond = 1'000'000;
constexpr uint64_t kHour = kHourSeconds * kSecond;
constexpr uint64_t kDay = kDaySeconds * kSecond;
constexpr uint64_t kWeek = kWeekSeconds * kSecond;

// 2024-01-01 00:00 UTC, a Monday.
constexpr uint64_t kMonday = 1'704'067'200 * kSecond;
constexpr uint64_t kNow = kMonday + 400 * kDay + 15 * kHour;

bool Keeps(const RetentionPolicy& policy, const std::vector<CurrentInterval>& intervals,
           std::vector<uint64_t> snapshots = {}, uint64_t now_us = kNow) {
  return RetentionRule(policy, std::move(snapshots), now_us).Keeps(intervals);
}

RetentionPolicy Only(uint64_t keep_all_s, uint64_t hourly_s = 0, uint64_t daily_s = 0, uint64_t weekly_s = 0) {
  return {false, keep_all_s, hourly_s, daily_s, weekly_s};
}

TEST(RetentionPolicyTest, EverythingStaysForAWhileFromWhenItCeasedToBeCurrent) {
  const RetentionPolicy policy = Only(30 * kDaySeconds);
  const uint64_t limit = kNow - 30 * kDay;
  EXPECT_TRUE(Keeps(policy, {{1, kNow - 1}}));
  EXPECT_TRUE(Keeps(policy, {{kNow - 2, kNow - 1}}));
  EXPECT_TRUE(Keeps(policy, {{1, limit + 1}}));
  EXPECT_FALSE(Keeps(policy, {{1, limit}})) << "it was not current at any moment of the last 30 days";
  EXPECT_FALSE(Keeps(policy, {{1, limit - 1}}));
}

TEST(RetentionPolicyTest, NothingAtAll) {
  EXPECT_FALSE(Keeps(Only(0), {{kNow - 2, kNow - 1}}));
  EXPECT_FALSE(Keeps(Only(0), {{kNow - 2, kNow}}));
  EXPECT_TRUE(Keeps(Only(0), {{kNow - 2, kNow + 1}})) << "the clock went back: this is not long ago";
}

TEST(RetentionPolicyTest, Forever) {
  RetentionPolicy policy = Only(0);
  policy.forever = true;
  EXPECT_TRUE(Keeps(policy, {{1, 2}}));
  EXPECT_TRUE(RetentionRule(policy, {}, kNow).KeepsLoneMarker(1));
}

TEST(RetentionPolicyTest, WhatDoesNotSayWhenItWasCurrentStays) {
  EXPECT_TRUE(Keeps(Only(0), {}));
  EXPECT_TRUE(Keeps(Only(0), {{5, 0}}));
  EXPECT_TRUE(Keeps(Only(0), {{5, 6}, {9, 0}}));
  EXPECT_TRUE(Keeps(Only(0), {{6, 5}}));
}

TEST(RetentionPolicyTest, InstantsOfTheGrids) {
  struct Case {
    RetentionPolicy policy;
    CurrentInterval interval;
    bool kept;
  };
  const RetentionPolicy hourly = Only(0, 1000 * kDaySeconds);
  const RetentionPolicy daily = Only(0, 0, 1000 * kDaySeconds);
  const RetentionPolicy weekly = Only(0, 0, 0, 1000 * kDaySeconds);
  const Case cases[] = {
      {hourly, {kMonday + 1, kMonday + kHour}, false},
      {hourly, {kMonday + 1, kMonday + kHour + 1}, true},
      {hourly, {kMonday, kMonday + 1}, true},
      {hourly, {kMonday - 1, kMonday}, false},
      {hourly, {kMonday, kMonday}, false},
      {daily, {kMonday + 1, kMonday + kDay}, false},
      {daily, {kMonday + 1, kMonday + kDay + 1}, true},
      {daily, {kMonday, kMonday + 1}, true},
      {daily, {kMonday + kHour, kMonday + 2 * kHour}, false},
      {weekly, {kMonday + 1, kMonday + kWeek}, false},
      {weekly, {kMonday + 1, kMonday + kWeek + 1}, true},
      {weekly, {kMonday, kMonday + 1}, true},
      {weekly, {kMonday - kDay, kMonday}, false},
      {weekly, {kMonday + kDay, kMonday + 6 * kDay}, false},
      {weekly, {1, kMonday}, true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Keeps(c.policy, {c.interval}), c.kept)
        << c.policy.hourly_s << ' ' << c.policy.daily_s << ' ' << c.interval.from_us - kMonday << " to "
        << c.interval.to_us - kMonday;
  }
}

TEST(RetentionPolicyTest, InstantsAreInForceForAsLongAsTheirGridSays) {
  const RetentionPolicy policy = Only(0, 0, 365 * kDaySeconds);
  const uint64_t midnight = kMonday + 100 * kDay;
  const CurrentInterval over_it{midnight - kHour, midnight + kHour};
  EXPECT_TRUE(Keeps(policy, {over_it}, {}, midnight + 365 * kDay));
  EXPECT_FALSE(Keeps(policy, {over_it}, {}, midnight + 365 * kDay + 1));
  EXPECT_FALSE(Keeps(Only(0, kHourSeconds), {{kNow - 1, kNow}}));
  EXPECT_TRUE(Keeps(Only(0, kHourSeconds), {{kMonday, kMonday + 1}}, {}, kMonday + kHour));
  EXPECT_FALSE(Keeps(Only(0, kHourSeconds), {{kMonday, kMonday + 1}}, {}, kMonday + kHour + 1));
  EXPECT_TRUE(Keeps(Only(0, 0, kMostRetentionSeconds), {{kMonday, kMonday + 1}})) << "longer than there is time";
}

TEST(RetentionPolicyTest, AnyIntervalMayKeepIt) {
  const RetentionPolicy policy = Only(0, 0, 1000 * kDaySeconds);
  EXPECT_TRUE(Keeps(policy, {{kMonday, kMonday + 1}, {kMonday + kHour, kMonday + 2 * kHour}}));
  EXPECT_TRUE(Keeps(policy, {{kMonday + 1, kMonday + 2}, {kMonday + kDay, kMonday + kDay + 1}}));
  EXPECT_FALSE(Keeps(policy, {{kMonday + 1, kMonday + 2}, {kMonday + kDay + 1, kMonday + 2 * kDay}}));
}

TEST(RetentionPolicyTest, NamedSnapshots) {
  const CurrentInterval interval{kMonday + 10, kMonday + 20};
  EXPECT_FALSE(Keeps(Only(0), {interval}, {kMonday + 9}));
  EXPECT_TRUE(Keeps(Only(0), {interval}, {kMonday + 10}));
  EXPECT_TRUE(Keeps(Only(0), {interval}, {kMonday + 19}));
  EXPECT_FALSE(Keeps(Only(0), {interval}, {kMonday + 20}));
  EXPECT_TRUE(Keeps(Only(0), {interval}, {kNow, kMonday + 15, 1})) << "in any order";
  EXPECT_FALSE(Keeps(Only(0), {interval}, {kNow, kMonday + 25, 1}));
}

TEST(RetentionPolicyTest, AMarkerAloneGoesByItsAge) {
  const RetentionRule rule(Only(30 * kDaySeconds, 0, kMostRetentionSeconds), {kMonday}, kNow);
  EXPECT_TRUE(rule.KeepsLoneMarker(kNow - 30 * kDay + 1));
  EXPECT_FALSE(rule.KeepsLoneMarker(kNow - 30 * kDay));
}

TEST(RetentionPolicyTest, MomentsBeforeTheEpochAreNone) {
  const RetentionPolicy policy = Only(kMostRetentionSeconds, kMostRetentionSeconds);
  EXPECT_TRUE(Keeps(policy, {{1, 2}}, {}, 0));
  EXPECT_TRUE(Keeps(policy, {{1, 2}}));
  EXPECT_TRUE(Keeps(Only(1), {{UINT64_MAX - 2, UINT64_MAX - 1}}));
}

// The same as trying one instant after the other.
TEST(RetentionPolicyTest, AgreesWithCounting) {
  ForSeeds(200, [](uint64_t seed) {
    SeededRandom random(seed);
    const RetentionPolicy policy = Only(random.Below(5) * kDaySeconds, random.Below(100) * kHourSeconds,
                                        random.Below(20) * kDaySeconds, random.Below(60) * kDaySeconds);
    const uint64_t now = kMonday + random.Below(30 * kDay);
    const std::vector<uint64_t> snapshots{kMonday - random.Below(60 * kDay), kMonday - random.Below(60 * kDay)};
    for (int i = 0; i < 50; ++i) {
      // Often at the instants themselves.
      uint64_t from = now - random.Below(70 * kDay);
      if (random.OneIn(3)) from = from / kHour * kHour + random.Below(3) - 1;
      const uint64_t to = from + random.Below(random.OneIn(2) ? 2 * kHour : 10 * kDay);
      bool kept = to + policy.keep_all_s * kSecond > now;
      for (uint64_t instant = (now - 70 * kDay) / kHour * kHour; instant < to; instant += kHour) {
        if (instant < from) continue;
        const auto in_force = [&](uint64_t seconds) { return seconds > 0 && instant + seconds * kSecond >= now; };
        kept = kept || in_force(policy.hourly_s) || (instant % kDay == 0 && in_force(policy.daily_s)) ||
               ((instant - kMonday % kWeek) % kWeek == 0 && in_force(policy.weekly_s));
      }
      for (const uint64_t snapshot : snapshots) kept = kept || (from <= snapshot && snapshot < to);
      ASSERT_EQ(Keeps(policy, {{from, to}}, snapshots, now), kept) << "from " << now - from << " to " << now - to;
    }
  });
}

}  // namespace
}  // namespace pailfs::store
