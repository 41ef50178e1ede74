// JSON (RFC 8259) as the program writes it, and as it reads its own answers and those of others.
//
// Keys and paths are bytes, JSON is text: a byte that is not part of valid UTF-8 is written as \udc80 to \udcff, as
// Python's "surrogateescape" does, so that nothing is lost and `os.fsencode(json.loads(text))` gives the bytes back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pailfs {

// `text` in quotes.
std::string JsonString(std::string_view text);

// One object or array on one line. The text is complete after as many End calls as Begin calls. Not thread-safe.
class JsonWriter {
 public:
  void BeginObject();
  void BeginObject(std::string_view name);
  void BeginArray();
  void BeginArray(std::string_view name);
  void EndObject();
  void EndArray();
  void Field(std::string_view name, std::string_view value);
  void Field(std::string_view name, const char* value) { Field(name, std::string_view(value)); }
  void Field(std::string_view name, int64_t value);
  void Field(std::string_view name, uint64_t value);
  void Field(std::string_view name, bool value);
  const std::string& text() const { return text_; }

 private:
  void Comma();
  void Name(std::string_view name);
  std::string text_;
  bool first_ = true;
};

// A value that was read. What has another type than the one asked for reads as empty or 0.
class JsonValue {
 public:
  // kInvalidArgument; the message holds nothing of the text, which may be secret. Nesting over 32 levels is refused.
  // Of members with one name the last counts. Numbers that are not whole, or do not fit, read as 0.
  static Result<JsonValue> Parse(std::string_view text);

  const JsonValue& operator[](std::string_view name) const;  // of an object; an empty value where there is none
  const std::vector<JsonValue>& items() const { return items_; }
  const std::map<std::string, JsonValue, std::less<>>& members() const { return members_; }
  bool is_string() const { return is_string_; }
  const std::string& string() const { return string_; }
  int64_t integer() const { return integer_; }
  uint64_t size() const { return integer_ < 0 ? 0 : static_cast<uint64_t>(integer_); }
  bool boolean() const { return boolean_; }

 private:
  friend class JsonParser;
  bool is_string_ = false;
  std::string string_;
  int64_t integer_ = 0;
  bool boolean_ = false;
  std::vector<JsonValue> items_;
  std::map<std::string, JsonValue, std::less<>> members_;
};

}  // namespace pailfs
