#include "base/s3wire/dates.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kExample = 1'369'353'600 * kSecond;  // 2013-05-24T00:00:00Z
constexpr int64_t kYear0 = -62'167'219'200 * kSecond;
constexpr int64_t kYear10000 = 253'402'300'800 * kSecond;

TEST(Dates, KnownTimes) {
  EXPECT_EQ(FormatIso8601Basic(kExample), "20130524T000000Z");
  EXPECT_EQ(FormatScopeDate(kExample), "20130524");
  EXPECT_EQ(FormatIso8601(kExample), "2013-05-24T00:00:00.000Z");
  EXPECT_EQ(FormatHttpDate(kExample), "Fri, 24 May 2013 00:00:00 GMT");
  EXPECT_EQ(FormatHttpDate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(FormatHttpDate(784'111'777 * kSecond), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110
  EXPECT_EQ(FormatIso8601(951'782'399'999'999), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(FormatIso8601(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Dates, ParseKnownTimes) {
  EXPECT_EQ(*ParseIso8601Basic("20130524T000000Z"), kExample);
  EXPECT_EQ(*ParseIso8601("2013-05-24T00:00:00Z"), kExample);
  EXPECT_EQ(*ParseIso8601("2013-05-24T00:00:00.000Z"), kExample);
  EXPECT_EQ(*ParseIso8601("2013-05-24T00:00:00.5Z"), kExample + 500'000);
  EXPECT_EQ(*ParseIso8601("2013-05-24T00:00:00.012345Z"), kExample + 12'345);
  EXPECT_EQ(*ParseIso8601("2013-05-24T00:00:00.123456789Z"), kExample + 123'456);
  EXPECT_EQ(*ParseHttpDate("Fri, 24 May 2013 00:00:00 GMT"), kExample);
  EXPECT_EQ(*ParseIso8601("2000-02-29T12:00:00.000Z"), 951'825'600 * kSecond);
  EXPECT_EQ(*ParseIso8601("0001-01-01T00:00:00.000Z"), -62'135'596'800 * kSecond);  // MinIO's "never"
}

TEST(Dates, RoundTrips) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE(StrCat("seed ", seed));
  SeededRandom random(seed);
  for (int round = 0; round < 20'000; ++round) {
    const int64_t ms =
        kYear0 / 1'000 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(kYear10000 - kYear0) / 1'000));
    const int64_t time_us = ms * 1'000;
    const int64_t whole = ms / 1'000 * kSecond - (ms % 1'000 < 0 ? kSecond : 0);
    ASSERT_EQ(*ParseIso8601(FormatIso8601(time_us)), time_us);
    ASSERT_EQ(*ParseIso8601Basic(FormatIso8601Basic(time_us)), whole);
    ASSERT_EQ(*ParseHttpDate(FormatHttpDate(time_us)), whole);
  }
}

TEST(Dates, TimesOutsideAreTheNearestInside) {
  for (const int64_t time_us : {std::numeric_limits<int64_t>::max(), kYear10000, kYear10000 - 1}) {
    EXPECT_EQ(FormatIso8601(time_us), "9999-12-31T23:59:59.999Z");
    EXPECT_EQ(FormatHttpDate(time_us), "Fri, 31 Dec 9999 23:59:59 GMT");
  }
  for (const int64_t time_us : {std::numeric_limits<int64_t>::min(), kYear0 - 1, kYear0}) {
    EXPECT_EQ(FormatIso8601Basic(time_us), "00000101T000000Z");
  }
}

TEST(Dates, BadIso8601Basic) {
  for (const char* text : {"",
                           "2",
                           "20130524",
                           "20130524T000000",
                           "20130524T000000z",
                           "20130524t000000Z",
                           "20130524T000000Z ",
                           " 20130524T000000Z",
                           "20130524T240000Z",
                           "20130524T006000Z",
                           "20130524T000060Z",
                           "20130229T000000Z",
                           "20130001T000000Z",
                           "20131301T000000Z",
                           "20130100T000000Z",
                           "20130132T000000Z",
                           "20130431T000000Z",
                           "-0130524T000000Z",
                           "+0130524T000000Z",
                           "2013 524T000000Z",
                           "2013-05-24T00:00:00Z",
                           "20130524T000000.000Z"}) {
    EXPECT_TRUE(ParseIso8601Basic(text).Is(Errc::kCorrupt)) << text;
  }
}

TEST(Dates, BadIso8601) {
  for (const char* text :
       {"", "2013-05-24", "2013-05-24T00:00:00", "2013-05-24T00:00:00.Z", "2013-05-24T00:00:00.",
        "2013-05-24T00:00:00.1234567890Z", "2013-05-24T00:00:00,5Z", "2013-05-24T00:00:00+00:00",
        "2013-05-24 00:00:00Z", "2013-05-24T24:00:00Z", "2013-05-24T23:60:00Z", "2013-05-24T23:59:60Z",
        "1900-02-29T00:00:00Z", "2013-5-24T00:00:00Z", "2013-05-24T00:00:00ZZ", "12013-05-24T00:00:00Z",
        "2013-05-24T00:00:00.12a4Z", "2013-05-24T-1:00:00Z"}) {
    EXPECT_TRUE(ParseIso8601(text).Is(Errc::kCorrupt)) << text;
  }
  EXPECT_TRUE(ParseIso8601(std::string_view("2013-05-24T00:00:00Z\0", 21)).Is(Errc::kCorrupt));
}

TEST(Dates, BadHttpDates) {
  for (const char* text :
       {"", "Fri", "Fri, 24 May 2013 00:00:00", "Fri, 24 May 2013 00:00:00 UTC", "Sat, 24 May 2013 00:00:00 GMT",
        "fri, 24 May 2013 00:00:00 GMT", "Fri, 24 may 2013 00:00:00 GMT", "Fri,24 May 2013 00:00:00 GMT",
        "Fri, 24 May 13 00:00:00 GMT", "Fri, 32 May 2013 00:00:00 GMT", "Fri, 00 May 2013 00:00:00 GMT",
        "Friday, 24-May-13 00:00:00 GMT", "Fri May 24 00:00:00 2013", "Fri, 24 May 2013 24:00:00 GMT",
        "Fri, 24 May 2013 00:00:00 GMT ", "Fri, 4 May 2013 00:00:00 GMT", "Xyz, 24 May 2013 00:00:00 GMT"}) {
    EXPECT_TRUE(ParseHttpDate(text).Is(Errc::kCorrupt)) << text;
  }
}

// Any change of a byte gives an error or another time that is written back as it was read.
TEST(Dates, EveryMutationIsRefusedOrRead) {
  const std::string good = "2013-05-24T01:02:03.004Z";
  size_t refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[i] = static_cast<char>(byte);
      const auto time_us = ParseIso8601(text);
      if (time_us.ok()) {
        EXPECT_EQ(FormatIso8601(*time_us), text);
      } else {
        EXPECT_EQ(time_us.error().code, Errc::kCorrupt);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, good.size() * 245);
}

}  // namespace
}  // namespace pailfs::s3wire
