#include "base/str.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace pailfs {
namespace {

TEST(StrCat, JoinsStringsCharactersAndIntegers) {
  EXPECT_EQ(StrCat(), "");
  EXPECT_EQ(StrCat("a", '/', std::string("b"), std::string_view("c"), -5, uint8_t{200}, int64_t{7}), "a/bc-52007");
  EXPECT_EQ(StrCat(std::numeric_limits<uint64_t>::max(), ' ', std::numeric_limits<int64_t>::min()),
            "18446744073709551615 -9223372036854775808");
}

TEST(ParseUint, WholeTextOnly) {
  EXPECT_EQ(ParseUint("0"), 0U);
  EXPECT_EQ(ParseUint("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1x", "0x10", "18446744073709551616"}) {
    EXPECT_EQ(ParseUint(text), std::nullopt) << text;
  }
}

TEST(ParseSize, UnitsArePowersOf1024) {
  const std::array<std::pair<const char*, uint64_t>, 13> good{{{"0", 0},
                                                               {"4096", 4096},
                                                               {"4096B", 4096},
                                                               {"64k", 64 << 10},
                                                               {"64K", 64 << 10},
                                                               {"64KB", 64 << 10},
                                                               {"64KiB", 64 << 10},
                                                               {"512M", 512 << 20},
                                                               {"20G", uint64_t{20} << 30},
                                                               {"1.5T", uint64_t{3} << 39},
                                                               {"2P", uint64_t{2} << 50},
                                                               {".5m", 1 << 19},
                                                               {"9007199254740993", 9007199254740993}}};
  for (const auto& [text, bytes] : good) {
    const auto parsed = ParseSize(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ParseSize, RefusesTheRestAndQuotesIt) {
  for (const char* text : {"", "G", "-1G", "+1G", "1GG", "1 G", "1X", "1iB1", "0x10", "1e5", "1.2.3G", ".", "nan",
                           "inf", "99999999999P", "18446744073709551616"}) {
    const auto parsed = ParseSize(text);
    EXPECT_TRUE(parsed.Is(Errc::kInvalidArgument)) << text;
    if (!parsed.ok()) {
      EXPECT_NE(parsed.error().message.find(text), std::string::npos);
    }
  }
}

TEST(ParseDurationNs, UnitsAndBareSeconds) {
  const std::array<std::pair<const char*, int64_t>, 9> good{{{"0", 0},
                                                             {"2", 2'000'000'000},
                                                             {"2s", 2'000'000'000},
                                                             {"0.5s", 500'000'000},
                                                             {"500ms", 500'000'000},
                                                             {"3m", 180'000'000'000},
                                                             {"1h", 3'600'000'000'000},
                                                             {"1.5h", 5'400'000'000'000},
                                                             {"2d", 172'800'000'000'000}}};
  for (const auto& [text, ns] : good) {
    const auto parsed = ParseDurationNs(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, ns) << text;
  }
  for (const char* text : {"", "s", "-1s", "1 s", "1w", "1S", "1sec", "1e9", "999999999d", "."}) {
    EXPECT_TRUE(ParseDurationNs(text).Is(Errc::kInvalidArgument)) << text;
  }
}

TEST(FormatSize, ThreeFiguresOrSo) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1024), "1.0 KiB");
  EXPECT_EQ(FormatSize(13'207'024'435), "12.3 GiB");
  EXPECT_EQ(FormatSize(std::numeric_limits<uint64_t>::max()), "16384.0 PiB");
}

TEST(FormatTimeUtc, IsoWithZ) {
  EXPECT_EQ(FormatTimeUtc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimeUtc(1'795'334'400'999'999'999), "2026-11-22T08:00:00Z");
}

TEST(NearestWord, FindsMisspellingsOnly) {
  constexpr std::array<std::string_view, 4> kKnown{"cache", "cache_size", "ttl", "writeback_delay"};
  EXPECT_EQ(NearestWord("cach_size", kKnown), "cache_size");
  EXPECT_EQ(NearestWord("writeback-delay", kKnown), "writeback_delay");
  EXPECT_EQ(NearestWord("tl", kKnown), "ttl");
  EXPECT_EQ(NearestWord("ttl", kKnown), "ttl");
  EXPECT_EQ(NearestWord("region", kKnown), std::nullopt);
  EXPECT_EQ(NearestWord("x", {}), std::nullopt);
}

}  // namespace
}  // namespace pailfs
