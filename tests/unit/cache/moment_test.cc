#include "cache/moment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace pailfs::cache {
namespace {

constexpr int64_t kSecond = 1'000'000;
// 2026-11-22T08:00:00Z, a Sunday.
constexpr int64_t kEight = 1'795'334'400 * kSecond;
constexpr int64_t kNow = kEight + 12'345'678;

// Local time is Berlin's while it lives.
class InBerlin {
 public:
  InBerlin() {
    if (const char* before = std::getenv("TZ")) before_ = before;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
  }
  ~InBerlin() {
    if (before_.empty()) {
      unsetenv("TZ");
    } else {
      setenv("TZ", before_.c_str(), 1);
    }
    tzset();
  }

 private:
  std::string before_;
};

int64_t WholeSecond(int64_t us) {
  return us + kSecond - 1;
}

TEST(MomentTest, WithAZone) {
  for (const char* text :
       {"2026-11-22T08:00:00Z", "2026-11-22 08:00:00Z", "2026-11-22T08:00Z", "2026-11-22_08.00.00Z", "20261122T080000Z",
        "20261122T0800Z", "2026-11-22T09:00:00+01:00", "2026-11-22T09:00:00+0100", "2026-11-22T03:30:00-04:30",
        "2026-11-22T09:00+01", "2026-11-22t08:00:00z", "2026-11-22T08:00:00UTC", "@GMT-2026.11.22-08.00.00",
        "@1795334400"}) {
    EXPECT_EQ(ParseMoment(text, kNow), WholeSecond(kEight)) << text;
  }
}

TEST(MomentTest, FractionsAreExact) {
  EXPECT_EQ(ParseMoment("2026-11-22T08:00:00.25Z", kNow), kEight + 250'000);
  EXPECT_EQ(ParseMoment("2026-11-22T08:00:00.123456789Z", kNow), kEight + 123'456);
  EXPECT_EQ(ParseMoment("@1795334400.5", kNow), kEight + 500'000);
  EXPECT_EQ(ParseMoment("@1795334400.000000", kNow), kEight);
}

TEST(MomentTest, LocalTime) {
  const InBerlin berlin;
  for (const char* text : {"2026-11-22T09:00:00", "2026-11-22 09:00", "2026-11-22_09.00.00", "20261122T090000"}) {
    EXPECT_EQ(ParseMoment(text, kNow), WholeSecond(kEight)) << text;
  }
  EXPECT_EQ(ParseMoment("2026-11-22", kNow), WholeSecond(kEight - 9 * 3600 * kSecond));
  EXPECT_EQ(ParseMoment("today", kNow), WholeSecond(kEight - 9 * 3600 * kSecond));
  // Summer time: two hours east.
  EXPECT_EQ(ParseMoment("2026-07-01T02:00:00", kNow), ParseMoment("2026-07-01T00:00:00Z", kNow));
  EXPECT_EQ(ParseMoment("yesterday", kNow), WholeSecond(kEight - 86'400 * kSecond));
  // The night before 2026-10-25 has an hour more.
  const auto sunday_noon = ParseMoment("2026-10-25T12:00:00", kNow);
  EXPECT_EQ(ParseMoment("yesterday", *sunday_noon), *sunday_noon - 25 * 3600 * kSecond);
}

TEST(MomentTest, BeforeNow) {
  EXPECT_EQ(ParseMoment("now", kNow), kNow);
  EXPECT_EQ(ParseMoment("-2h", kNow), WholeSecond(kEight - 2 * 3600 * kSecond));
  EXPECT_EQ(ParseMoment("-15m", kNow), WholeSecond(kEight - 900 * kSecond));
  EXPECT_EQ(ParseMoment("-1d12h", kNow), WholeSecond(kEight - 36 * 3600 * kSecond));
  EXPECT_EQ(ParseMoment("-2w", kNow), WholeSecond(kEight - 14 * 86'400 * kSecond));
  EXPECT_EQ(ParseMoment("-1y", kNow), WholeSecond(kEight - int64_t{365} * 86'400 * kSecond));
  EXPECT_EQ(ParseMoment("-2s", kNow), WholeSecond(kEight + 10 * kSecond));
  EXPECT_EQ(ParseMoment("-1m12s", kNow), WholeSecond(kEight - 60 * kSecond));
}

TEST(MomentTest, NoMoments) {
  for (const char* text : {"",
                           " ",
                           "-",
                           "@",
                           "@GMT-",
                           "tomorrow",
                           "backup",
                           "2026",
                           "2026-11",
                           "2026-1-1",
                           "2026-13-01",
                           "2026-00-10",
                           "2026-02-30",
                           "2025-02-29",
                           "2026-11-22T24:00:00Z",
                           "2026-11-22T08:60:00Z",
                           "2026-11-22T08:00:61Z",
                           "2026-11-22T",
                           "2026-11-22T08",
                           "2026-11-22T08:00:",
                           "2026-11-22T08:00:00.Z",
                           "2026-11-22T08:00:00X",
                           "2026-11-22T08:00:00Z ",
                           "2026-11-22x",
                           "1969-12-31T23:59:59Z",
                           "@GMT-2026-11-22-08.00.00",
                           "@GMT-2026.11.22-08.00.00Z",
                           "@12x",
                           "@-5",
                           "@99999999999999999999",
                           "-2",
                           "-2q",
                           "-h",
                           "-2h ",
                           "-2h-1m",
                           "--2h",
                           "-99999999999y",
                           "-9999999999999999999s",
                           "2h",
                           "\xff",
                           "2026-11-22\n"}) {
    EXPECT_EQ(ParseMoment(text, kNow), std::nullopt) << text;
  }
}

TEST(MomentTest, LeapDaysExist) {
  EXPECT_EQ(FormatMoment(*ParseMoment("2024-02-29T12:00:00Z", kNow)), "2024-02-29T12:00:00Z");
}

TEST(MomentTest, WhatIsFormattedIsParsed) {
  EXPECT_EQ(FormatMoment(kNow), "2026-11-22T08:00:12Z");
  EXPECT_EQ(FormatMomentExactly(kNow), "2026-11-22T08:00:12.345678Z");
  for (int64_t us = 0; us < int64_t{5'000'000'000} * kSecond; us += 12'345'678'987'654) {
    EXPECT_EQ(ParseMoment(FormatMomentExactly(us), kNow), us);
    EXPECT_EQ(ParseMoment(FormatMoment(us), kNow), us / kSecond * kSecond + kSecond - 1);
  }
}

}  // namespace
}  // namespace pailfs::cache
