#include "s3client/header_text.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs::s3client {
namespace {

// So that a word has at most 75 characters with either charset.
constexpr size_t kBytesInWord = 42;

bool IsPlain(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == ' ' || text.back() == ' ' || text.find("=?") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// The length of the UTF-8 sequence at the beginning of `text`; 0: none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool outside = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return overlong || outside ? 0 : length;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::string> DecodeQ(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out.push_back(text[i] == '_' ? ' ' : text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string FromLatin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xC0 | byte >> 6));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3F)));
    }
  }
  return out;
}

bool SameLetters(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
         });
}

struct Word {
  std::string text;
  size_t length = 0;  // as encoded
};

// The encoded word at the beginning of `text`: "=?charset?B?text?=".
std::optional<Word> ReadWord(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 3 > text.size() || text[charset_end + 2] != '?') {
    return std::nullopt;
  }
  const size_t begin = charset_end + 3;
  const size_t end = text.find("?=", begin);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view encoded = text.substr(begin, end - begin);
  if (encoded.find_first_of("? ") != std::string_view::npos) return std::nullopt;
  const std::string_view charset = text.substr(2, charset_end - 2);
  const char encoding = text[charset_end + 1];
  std::optional<std::string> decoded;
  if (encoding == 'Q' || encoding == 'q') decoded = DecodeQ(encoded);
  if (encoding == 'B' || encoding == 'b') {
    std::string bytes;
    if (Base64Decode(encoded, &bytes)) decoded = std::move(bytes);
  }
  if (!decoded) return std::nullopt;
  if (SameLetters(charset, "iso-8859-1")) {
    decoded = FromLatin1(*decoded);
  } else if (!SameLetters(charset, "utf-8") && !SameLetters(charset, "us-ascii") &&
             !SameLetters(charset, "unknown-8bit")) {
    return std::nullopt;
  }
  return Word{std::move(*decoded), end + 2};
}

}  // namespace

std::string EncodeHeaderText(std::string_view text) {
  if (IsPlain(text)) return std::string(text);
  const bool utf8 = IsUtf8(text);
  std::string out;
  while (!text.empty()) {
    size_t length = 0;
    while (length < text.size()) {
      const size_t next = utf8 ? SequenceLength(text.substr(length)) : 1;
      if (length + next > kBytesInWord) break;
      length += next;
    }
    if (!out.empty()) out.push_back(' ');
    out += StrCat(utf8 ? "=?UTF-8?B?" : "=?unknown-8bit?B?", Base64Encode(text.substr(0, length)), "?=");
    text.remove_prefix(length);
  }
  return out;
}

std::string DecodeHeaderText(std::string_view text) {
  std::string out;
  size_t blanks_after_word = 0;  // dropped if another word follows
  while (!text.empty()) {
    if (const auto word = ReadWord(text)) {
      out.resize(out.size() - blanks_after_word);
      blanks_after_word = 0;
      out += word->text;
      text.remove_prefix(word->length);
      while (blanks_after_word < text.size() && text[blanks_after_word] == ' ') ++blanks_after_word;
      out.append(blanks_after_word, ' ');
      text.remove_prefix(blanks_after_word);
      continue;
    }
    blanks_after_word = 0;
    out.push_back(text.front());
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace pailfs::s3client
