#include "base/json.h"

#include <charconv>
#include <cstdio>
#include <optional>

#include "base/str.h"
#include "base/utf8.h"

namespace pailfs {
namespace {

constexpr int kDeepest = 32;

std::string Escape(unsigned unit) {
  char text[8];
  std::snprintf(text, sizeof text, "\\u%04x", unit & 0xFFFFU);
  return text;
}

void AppendUtf8(std::string& out, uint32_t code) {
  if (code >= 0xDC80 && code <= 0xDCFF) {  // a byte that was not UTF-8
    out.push_back(static_cast<char>(code - 0xDC00));
  } else if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const size_t length = Utf8Length(text);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (length == 0) {
      out += Escape(0xDC00U + static_cast<uint8_t>(c));
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      out += Escape(static_cast<uint8_t>(c));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out.push_back('"');
  return out;
}

void JsonWriter::Comma() {
  if (!first_) text_ += ',';
  first_ = false;
}

void JsonWriter::Name(std::string_view name) {
  Comma();
  text_ += JsonString(name);
  text_ += ':';
}

void JsonWriter::BeginObject() {
  Comma();
  text_ += '{';
  first_ = true;
}

void JsonWriter::BeginObject(std::string_view name) {
  Name(name);
  text_ += '{';
  first_ = true;
}

void JsonWriter::BeginArray() {
  Comma();
  text_ += '[';
  first_ = true;
}

void JsonWriter::BeginArray(std::string_view name) {
  Name(name);
  text_ += '[';
  first_ = true;
}

void JsonWriter::EndObject() {
  text_ += '}';
  first_ = false;
}

void JsonWriter::EndArray() {
  text_ += ']';
  first_ = false;
}

void JsonWriter::Field(std::string_view name, std::string_view value) {
  Name(name);
  text_ += JsonString(value);
}

void JsonWriter::Field(std::string_view name, int64_t value) {
  Name(name);
  text_ += StrCat(value);
}

void JsonWriter::Field(std::string_view name, uint64_t value) {
  Name(name);
  text_ += StrCat(value);
}

void JsonWriter::Field(std::string_view name, bool value) {
  Name(name);
  text_ += value ? "true" : "false";
}

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : rest_(text) {}

  bool Whole(JsonValue* value) {
    if (!Value(value, 0)) return false;
    SkipSpace();
    return rest_.empty();
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }

  bool Take(std::string_view token) {
    SkipSpace();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  bool Value(JsonValue* value, int depth) {
    if (depth > kDeepest) return false;
    SkipSpace();
    if (rest_.empty()) return false;
    switch (rest_.front()) {
      case '{':
        return Object(value, depth);
      case '[':
        return Array(value, depth);
      case '"':
        value->is_string_ = true;
        return String(&value->string_);
      case 't':
        value->boolean_ = true;
        return Take("true");
      case 'f':
        return Take("false");
      case 'n':
        return Take("null");
      default:
        return Number(value);
    }
  }

  bool Object(JsonValue* value, int depth) {
    if (!Take("{")) return false;
    if (Take("}")) return true;
    do {
      std::string name;
      JsonValue member;
      SkipSpace();
      if (!String(&name) || !Take(":") || !Value(&member, depth + 1)) return false;
      value->members_.insert_or_assign(std::move(name), std::move(member));
    } while (Take(","));
    return Take("}");
  }

  bool Array(JsonValue* value, int depth) {
    if (!Take("[")) return false;
    if (Take("]")) return true;
    do {
      if (!Value(&value->items_.emplace_back(), depth + 1)) return false;
    } while (Take(","));
    return Take("]");
  }

  bool Digits() {
    const size_t before = rest_.size();
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') rest_.remove_prefix(1);
    return rest_.size() < before;
  }

  bool Number(JsonValue* value) {
    const std::string_view start = rest_;
    if (rest_.starts_with('-')) rest_.remove_prefix(1);
    if (!Digits()) return false;
    bool whole = true;
    if (rest_.starts_with('.')) {
      whole = false;
      rest_.remove_prefix(1);
      if (!Digits()) return false;
    }
    if (rest_.starts_with('e') || rest_.starts_with('E')) {
      whole = false;
      rest_.remove_prefix(1);
      if (rest_.starts_with('+') || rest_.starts_with('-')) rest_.remove_prefix(1);
      if (!Digits()) return false;
    }
    const char* end = start.data() + (start.size() - rest_.size());
    if (!whole || std::from_chars(start.data(), end, value->integer_).ec != std::errc()) value->integer_ = 0;
    return true;
  }

  std::optional<uint32_t> Hex4() {
    if (rest_.size() < 4) return std::nullopt;
    uint32_t unit = 0;
    const auto parsed = std::from_chars(rest_.data(), rest_.data() + 4, unit, 16);
    if (parsed.ec != std::errc() || parsed.ptr != rest_.data() + 4) return std::nullopt;
    rest_.remove_prefix(4);
    return unit;
  }

  bool Unicode(std::string* out) {
    const auto unit = Hex4();
    if (!unit) return false;
    if (*unit < 0xD800 || *unit > 0xDBFF) {
      AppendUtf8(*out, *unit);
      return true;
    }
    if (!rest_.starts_with("\\u")) return false;
    rest_.remove_prefix(2);
    const auto low = Hex4();
    if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
    AppendUtf8(*out, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
    return true;
  }

  bool String(std::string* out) {
    if (rest_.empty() || rest_.front() != '"') return false;
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (static_cast<uint8_t>(c) < 0x20) return false;
      if (c != '\\') {
        out->push_back(c);
        continue;
      }
      if (rest_.empty()) return false;
      const char kind = rest_.front();
      rest_.remove_prefix(1);
      static constexpr std::string_view kPlain = "\"\\/bfnrt";
      const size_t at = kPlain.find(kind);
      if (kind == 'u') {
        if (!Unicode(out)) return false;
      } else if (at != std::string_view::npos) {
        out->push_back(std::string_view("\"\\/\b\f\n\r\t")[at]);
      } else {
        return false;
      }
    }
    return false;
  }

  std::string_view rest_;
};

Result<JsonValue> JsonValue::Parse(std::string_view text) {
  JsonValue value;
  if (!JsonParser(text).Whole(&value)) return Error{Errc::kInvalidArgument, "not a JSON text that we understand"};
  return value;
}

const JsonValue& JsonValue::operator[](std::string_view name) const {
  static const JsonValue kEmpty;
  const auto found = members_.find(name);
  return found == members_.end() ? kEmpty : found->second;
}

}  // namespace pailfs
