#include "cache/moment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/str.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMinuteS = 60;
constexpr int64_t kLongestS = 1'000'000'000'000;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Takes text apart from the front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool AtEnd() const { return rest_.empty(); }
  bool Take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool TakeOneOf(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly so many digits.
  std::optional<int> Digits(size_t count) {
    if (rest_.size() < count || !std::all_of(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(count), IsDigit)) {
      return std::nullopt;
    }
    int value = 0;
    std::from_chars(rest_.data(), rest_.data() + count, value);
    rest_.remove_prefix(count);
    return value;
  }
  std::optional<int64_t> Number() {
    int64_t value = 0;
    if (rest_.empty() || !IsDigit(rest_.front())) return std::nullopt;
    const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (parsed.ec != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<size_t>(parsed.ptr - rest_.data()));
    return value;
  }
  // Behind a decimal point, in microseconds; what is finer is cut off.
  std::optional<int64_t> Fraction() {
    int64_t value = 0;
    size_t digits = 0;
    for (; !rest_.empty() && IsDigit(rest_.front()); rest_.remove_prefix(1), ++digits) {
      if (digits < 6) value = value * 10 + (rest_.front() - '0');
    }
    if (digits == 0) return std::nullopt;
    for (; digits < 6; ++digits) value *= 10;
    return value;
  }

 private:
  std::string_view rest_;
};

// The named second, all of it unless a fraction says otherwise.
int64_t MomentOf(int64_t seconds, std::optional<int64_t> fraction_us) {
  return seconds * kSecondUs + fraction_us.value_or(kSecondUs - 1);
}

// timegm and mktime carry 30 February over to March.
std::optional<int64_t> SecondsOf(const std::tm& named, bool utc) {
  std::tm normal = named;
  normal.tm_isdst = -1;
  const time_t seconds = utc ? timegm(&normal) : mktime(&normal);
  const bool exists = normal.tm_mday == named.tm_mday && normal.tm_mon == named.tm_mon && named.tm_hour < 24 &&
                      named.tm_min < 60 && named.tm_sec < 60;
  if (!exists || seconds < 0) return std::nullopt;
  return seconds;
}

bool TakeDate(Scanner& in, std::string_view separator, std::tm* date) {
  const auto year = in.Digits(4);
  const bool first = in.Take(separator);
  const auto month = in.Digits(2);
  const bool second = in.Take(separator);
  const auto day = in.Digits(2);
  if (!year || !month || !day || !first || !second || *month < 1 || *month > 12 || *day < 1) return false;
  date->tm_year = *year - 1900;
  date->tm_mon = *month - 1;
  date->tm_mday = *day;
  return true;
}

// "08:00:00", "08:00"; or with no or other separators.
bool TakeTimeOfDay(Scanner& in, std::string_view separators, std::tm* time) {
  const auto hour = in.Digits(2);
  const bool separated = in.TakeOneOf(separators);
  const auto minute = in.Digits(2);
  if (!hour || !minute) return false;
  time->tm_hour = *hour;
  time->tm_min = *minute;
  if (separated && !in.TakeOneOf(separators)) return true;
  const auto second = in.Digits(2);
  if (!second) return !separated;
  time->tm_sec = *second;
  return true;
}

// Of a zone: seconds east of UTC. nullopt: none is named.
std::optional<int64_t> TakeZone(Scanner& in) {
  if (in.Take("Z") || in.Take("z") || in.Take("UTC")) return 0;
  int64_t sign = 0;
  if (in.Take("+")) sign = 1;
  if (in.Take("-")) sign = -1;
  const auto hours = in.Digits(2);
  if (sign == 0 || !hours) return std::nullopt;
  in.Take(":");
  const auto minutes = in.Digits(2);
  return sign * (*hours * 3600 + minutes.value_or(0) * kMinuteS);
}

std::optional<int64_t> ParseDateAndTime(std::string_view text) {
  const bool compact = text.size() > 4 && IsDigit(text[4]);
  Scanner in(text);
  std::tm named{};
  if (!TakeDate(in, compact ? "" : "-", &named)) return std::nullopt;
  std::optional<int64_t> fraction_us;
  if (!in.AtEnd() && in.TakeOneOf("Tt _")) {
    if (!TakeTimeOfDay(in, ":.", &named)) return std::nullopt;
    if (in.TakeOneOf(".,")) {
      fraction_us = in.Fraction();
      if (!fraction_us) return std::nullopt;
    }
  }
  if (in.AtEnd()) {
    const auto seconds = SecondsOf(named, /*utc=*/false);
    return seconds ? std::optional(MomentOf(*seconds, fraction_us)) : std::nullopt;
  }
  const auto east = TakeZone(in);
  const auto seconds = SecondsOf(named, /*utc=*/true);
  if (!east || !in.AtEnd() || !seconds || *seconds < *east) return std::nullopt;
  return MomentOf(*seconds - *east, fraction_us);
}

std::optional<int64_t> ParseSamba(Scanner in) {
  std::tm named{};
  if (!TakeDate(in, ".", &named) || !in.Take("-") || !TakeTimeOfDay(in, ".", &named) || !in.AtEnd()) {
    return std::nullopt;
  }
  const auto seconds = SecondsOf(named, /*utc=*/true);
  return seconds ? std::optional(MomentOf(*seconds, std::nullopt)) : std::nullopt;
}

std::optional<int64_t> ParseUnix(Scanner in) {
  const auto seconds = in.Number();
  if (!seconds || *seconds > kLongestS) return std::nullopt;
  std::optional<int64_t> fraction_us;
  if (in.Take(".")) {
    fraction_us = in.Fraction();
    if (!fraction_us) return std::nullopt;
  }
  return in.AtEnd() ? std::optional(MomentOf(*seconds, fraction_us)) : std::nullopt;
}

std::optional<int64_t> ParseAgo(Scanner in, int64_t now_us) {
  struct Unit {
    std::string_view name;
    int64_t seconds;
  };
  constexpr std::array kUnits{Unit{"s", 1},     Unit{"m", kMinuteS},  Unit{"h", 3600},
                              Unit{"d", 86400}, Unit{"w", 7 * 86400}, Unit{"y", 365 * 86400}};
  int64_t ago_s = 0;
  bool by_seconds = false;
  do {
    const auto number = in.Number();
    const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&in](const Unit& u) { return in.Take(u.name); });
    if (!number || unit == kUnits.end() || *number > kLongestS / unit->seconds) return std::nullopt;
    by_seconds = by_seconds || unit->seconds == 1;
    ago_s += *number * unit->seconds;
  } while (!in.AtEnd());
  int64_t seconds = now_us / kSecondUs - ago_s;
  if (!by_seconds) seconds = seconds / kMinuteS * kMinuteS;
  if (seconds < 0) return std::nullopt;
  return MomentOf(seconds, std::nullopt);
}

// So many days before today, at this time of day or at midnight.
std::optional<int64_t> DaysAgo(int64_t now_us, int days, bool midnight) {
  const time_t now = now_us / kSecondUs;
  std::tm local{};
  localtime_r(&now, &local);
  local.tm_mday -= days;
  local.tm_isdst = -1;
  local.tm_sec = 0;
  if (midnight) local.tm_hour = local.tm_min = 0;
  const time_t seconds = mktime(&local);
  return seconds < 0 ? std::nullopt : std::optional(MomentOf(seconds, std::nullopt));
}

}  // namespace

std::optional<int64_t> ParseMoment(std::string_view text, int64_t now_us) {
  if (text == "now") return now_us;
  if (text == "today") return DaysAgo(now_us, 0, /*midnight=*/true);
  if (text == "yesterday") return DaysAgo(now_us, 1, /*midnight=*/false);
  Scanner in(text);
  if (in.Take("@GMT-")) return ParseSamba(in);
  if (in.Take("@")) return ParseUnix(in);
  if (in.Take("-")) return ParseAgo(in, now_us);
  return ParseDateAndTime(text);
}

std::string FormatMoment(int64_t time_us) {
  return FormatTimeUtc(time_us * 1000);
}

std::string FormatMomentExactly(int64_t time_us) {
  std::string text = FormatMoment(time_us);
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>(time_us % kSecondUs));
  return text.replace(text.size() - 1, 1, fraction);
}

}  // namespace pailfs::cache
