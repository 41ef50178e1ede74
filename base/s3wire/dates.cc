#include "base/s3wire/dates.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>

#include "base/str.h"

namespace pailfs::s3wire {
namespace {

using std::chrono::microseconds;

constexpr int64_t kUsPerSecond = 1'000'000;
constexpr int64_t kFirst =
    std::chrono::duration_cast<microseconds>(std::chrono::sys_days(std::chrono::year(0) / 1 / 1).time_since_epoch())
        .count();
constexpr int64_t kEnd = std::chrono::duration_cast<microseconds>(
                             std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1).time_since_epoch())
                             .count();

constexpr std::array<std::string_view, 7> kWeekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Fields {
  int year = 0;
  int month = 1;  // 1 to 12
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int us = 0;
  unsigned weekday = 0;  // 0: Sunday
};

Fields Split(int64_t time_us) {
  const std::chrono::sys_time<microseconds> time{microseconds(std::clamp(time_us, kFirst, kEnd - 1))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<int>(static_cast<unsigned>(date.month())),
          .day = static_cast<int>(static_cast<unsigned>(date.day())),
          .hour = static_cast<int>(clock.hours().count()),
          .minute = static_cast<int>(clock.minutes().count()),
          .second = static_cast<int>(clock.seconds().count()),
          .us = static_cast<int>(clock.subseconds().count()),
          .weekday = std::chrono::weekday(day).c_encoding()};
}

// Also sets the weekday. Nothing when there is no such day or time of day.
std::optional<int64_t> Join(Fields& fields) {
  const std::chrono::year_month_day date(std::chrono::year(fields.year),
                                         std::chrono::month(static_cast<unsigned>(fields.month)),
                                         std::chrono::day(static_cast<unsigned>(fields.day)));
  if (!date.ok() || fields.hour > 23 || fields.minute > 59 || fields.second > 59) return std::nullopt;
  const std::chrono::sys_days day(date);
  fields.weekday = std::chrono::weekday(day).c_encoding();
  const int64_t seconds =
      int64_t{day.time_since_epoch().count()} * 86'400 + fields.hour * 3'600 + fields.minute * 60 + fields.second;
  return seconds * kUsPerSecond + fields.us;
}

template <typename... Args>
std::string Print(const char* format, Args... args) {
  char text[128];
  const int length = std::snprintf(text, sizeof text, format, args...);
  return {text, static_cast<size_t>(length)};
}

// Takes a text apart from its front; after the first thing that does not fit, ok() is false and stays so.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return rest_.empty(); }

  void Literal(std::string_view text) {
    ok_ = ok_ && rest_.starts_with(text);
    if (ok_) rest_.remove_prefix(text.size());
  }
  // Exactly so many digits.
  int Digits(size_t count) {
    int value = 0;
    for (size_t i = 0; i < count; ++i) value = value * 10 + Digit();
    return value;
  }
  // The index of the name of three letters.
  template <size_t N>
  int Name(const std::array<std::string_view, N>& names) {
    const auto found = std::find(names.begin(), names.end(), rest_.substr(0, 3));
    ok_ = ok_ && found != names.end();
    if (!ok_) return 0;
    rest_.remove_prefix(3);
    return static_cast<int>(found - names.begin());
  }
  // ".123" as microseconds; 0 where there is none.
  int Fraction() {
    if (!ok_ || !rest_.starts_with('.')) return 0;
    rest_.remove_prefix(1);
    int value = 0;
    int digits = 0;
    for (; ok_ && (digits == 0 || (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9')); ++digits) {
      const int digit = Digit();
      if (digits < 6) value = value * 10 + digit;
    }
    ok_ = ok_ && digits <= 9;
    for (; digits < 6; ++digits) value *= 10;
    return value;
  }

 private:
  int Digit() {
    ok_ = ok_ && !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
    if (!ok_) return 0;
    const int digit = rest_.front() - '0';
    rest_.remove_prefix(1);
    return digit;
  }

  std::string_view rest_;
  bool ok_ = true;
};

// "23:59:59"
void ScanClock(Scanner& scan, Fields& f) {
  f.hour = scan.Digits(2);
  scan.Literal(":");
  f.minute = scan.Digits(2);
  scan.Literal(":");
  f.second = scan.Digits(2);
}

Error Bad(std::string_view form) {
  return {Errc::kCorrupt, StrCat("not a time of the form ", form)};
}

}  // namespace

std::string FormatIso8601Basic(int64_t time_us) {
  const Fields f = Split(time_us);
  return Print("%04d%02d%02dT%02d%02d%02dZ", f.year, f.month, f.day, f.hour, f.minute, f.second);
}

std::string FormatScopeDate(int64_t time_us) {
  return FormatIso8601Basic(time_us).substr(0, 8);
}

std::string FormatIso8601(int64_t time_us) {
  const Fields f = Split(time_us);
  return Print("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", f.year, f.month, f.day, f.hour, f.minute, f.second, f.us / 1'000);
}

std::string FormatHttpDate(int64_t time_us) {
  const Fields f = Split(time_us);
  return Print("%s, %02d %s %04d %02d:%02d:%02d GMT", kWeekdays[f.weekday].data(), f.day,
               kMonths[static_cast<size_t>(f.month - 1)].data(), f.year, f.hour, f.minute, f.second);
}

Result<int64_t> ParseIso8601Basic(std::string_view text) {
  Scanner scan(text);
  Fields f;
  f.year = scan.Digits(4);
  f.month = scan.Digits(2);
  f.day = scan.Digits(2);
  scan.Literal("T");
  f.hour = scan.Digits(2);
  f.minute = scan.Digits(2);
  f.second = scan.Digits(2);
  scan.Literal("Z");
  const auto time_us = Join(f);
  if (!scan.ok() || !scan.AtEnd() || !time_us) return Bad("20130524T000000Z");
  return *time_us;
}

Result<int64_t> ParseIso8601(std::string_view text) {
  Scanner scan(text);
  Fields f;
  f.year = scan.Digits(4);
  scan.Literal("-");
  f.month = scan.Digits(2);
  scan.Literal("-");
  f.day = scan.Digits(2);
  scan.Literal("T");
  ScanClock(scan, f);
  f.us = scan.Fraction();
  scan.Literal("Z");
  const auto time_us = Join(f);
  if (!scan.ok() || !scan.AtEnd() || !time_us) return Bad("2013-05-24T00:00:00.000Z");
  return *time_us;
}

Result<int64_t> ParseHttpDate(std::string_view text) {
  Scanner scan(text);
  Fields f;
  const int weekday = scan.Name(kWeekdays);
  scan.Literal(", ");
  f.day = scan.Digits(2);
  scan.Literal(" ");
  f.month = scan.Name(kMonths) + 1;
  scan.Literal(" ");
  f.year = scan.Digits(4);
  scan.Literal(" ");
  ScanClock(scan, f);
  scan.Literal(" GMT");
  const auto time_us = Join(f);
  if (!scan.ok() || !scan.AtEnd() || !time_us || static_cast<int>(f.weekday) != weekday) {
    return Bad("Fri, 24 May 2013 00:00:00 GMT");
  }
  return *time_us;
}

}  // namespace pailfs::s3wire
