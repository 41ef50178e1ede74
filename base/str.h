// Small text tools: concatenation, parsing of numbers, sizes and times as they stand in options.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace pailfs {

namespace str_internal {
inline void Append(std::string& out, std::string_view piece) {
  out.append(piece);
}
inline void Append(std::string& out, char piece) {
  out.push_back(piece);
}
template <typename T>
requires(std::is_integral_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, bool>) void Append(std::string& out,
                                                                                                    T piece) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, piece);
  out.append(digits, end.ptr);
}
}  // namespace str_internal

// The pieces (strings, chars, integers) one after the other.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (str_internal::Append(out, pieces), ...);
  return out;
}

// Decimal digits only, the whole text.
std::optional<uint64_t> ParseUint(std::string_view text);
// "4096", "64k", "20G", "1.5T" (powers of 1,024; optional B or iB).
Result<uint64_t> ParseSize(std::string_view text);
// "2s", "500ms", "3m", "1h", "2d"; a bare number is seconds. Nanoseconds.
Result<int64_t> ParseDurationNs(std::string_view text);
// "12.3 GiB".
std::string FormatSize(uint64_t bytes);
// "2026-11-22T08:00:00Z".
std::string FormatTimeUtc(int64_t wall_ns);
// The member of `known` nearest to `word` by edit distance, if it is near enough to be a likely misspelling.
std::optional<std::string> NearestWord(std::string_view word, std::span<const std::string_view> known);

// Bytes as text and back.
inline std::string_view AsChars(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace pailfs
