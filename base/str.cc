#include "base/str.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

namespace pailfs {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// The number at the start of `text`, and what follows it.
std::optional<std::pair<double, std::string_view>> SplitNumber(std::string_view text) {
  size_t end = 0;
  size_t dots = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) {
    if (text[end] == '.') ++dots;
    ++end;
  }
  if (end == 0 || dots > 1 || text.substr(0, end) == ".") return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + end, value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + end) return std::nullopt;
  return std::pair(value, text.substr(end));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::optional<uint64_t> ParseUint(std::string_view text) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<uint64_t> ParseSize(std::string_view text) {
  const Error bad{Errc::kInvalidArgument, StrCat("'", text, "' is not a size; write for example 512M or 20G")};
  const auto split = SplitNumber(text);
  if (!split) return bad;
  std::string unit = Lower(split->second);
  if (unit.ends_with("ib")) {
    unit.resize(unit.size() - 2);
  } else if (unit.ends_with('b')) {
    unit.pop_back();
  }
  static constexpr std::string_view kUnits = "kmgtp";
  double factor = 1;
  if (!unit.empty()) {
    const size_t power = kUnits.find(unit);
    if (unit.size() != 1 || power == std::string_view::npos) return bad;
    factor = std::pow(1024.0, static_cast<double>(power + 1));
  }
  const double bytes = split->first * factor;
  if (bytes >= 9.2e18) return bad;
  if (factor == 1) {
    if (const auto whole = ParseUint(text.substr(0, text.size() - split->second.size()))) return *whole;
  }
  return static_cast<uint64_t>(bytes);
}

Result<int64_t> ParseDurationNs(std::string_view text) {
  static constexpr std::array kUnits{Unit{"", 1e9},   Unit{"ms", 1e6},   Unit{"s", 1e9},
                                     Unit{"m", 6e10}, Unit{"h", 3.6e12}, Unit{"d", 8.64e13}};
  const Error bad{Errc::kInvalidArgument, StrCat("'", text, "' is not a time; write for example 500ms, 2s, 5m or 1h")};
  const auto split = SplitNumber(text);
  if (!split) return bad;
  for (const Unit& unit : kUnits) {
    if (split->second != unit.name) continue;
    const double ns = split->first * unit.factor;
    if (ns > 9.2e18) return bad;
    return static_cast<int64_t>(ns);
  }
  return bad;
}

std::string FormatSize(uint64_t bytes) {
  static constexpr std::array<const char*, 6> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[48];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string FormatTimeUtc(int64_t wall_ns) {
  const time_t seconds = static_cast<time_t>(wall_ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[48];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, length);
}

std::optional<std::string> NearestWord(std::string_view word, std::span<const std::string_view> known) {
  std::optional<std::string> nearest;
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    // Levenshtein distance, one row at a time.
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t substituted = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    if (row[candidate.size()] < best) {
      best = row[candidate.size()];
      nearest = std::string(candidate);
    }
  }
  return nearest;
}

}  // namespace pailfs
