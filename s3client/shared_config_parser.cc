#include <algorithm>

#include "base/str.h"
#include "s3client/shared_config.h"
#include "s3client/small_file.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// Without a comment that a blank precedes.
std::string_view WithoutComment(std::string_view value) {
  for (size_t i = 1; i < value.size(); ++i) {
    const bool comment = value[i] == '#' || value[i] == ';';
    if (comment && kBlanks.find(value[i - 1]) != std::string_view::npos) return Trimmed(value.substr(0, i));
  }
  return value;
}

class Parser {
 public:
  Parser(SharedFile kind, std::string_view file_name) : kind_(kind), file_name_(file_name) {}

  Result<ParsedConfig> Parse(std::string_view text) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    while (!text.empty()) {
      const size_t end = text.find('\n');
      ++line_;
      RETURN_IF_ERROR(Line(text.substr(0, end)));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    // Whatever the order in which they stand.
    for (auto& [name, value] : explicit_default_.values) {
      config_.profiles["default"].values.insert_or_assign(name, std::move(value));
    }
    return std::move(config_);
  }

 private:
  enum class Where : uint8_t { kBeforeSections, kIgnored, kSection };

  Error Wrong(std::string_view what) const {
    return {Errc::kInvalidArgument, StrCat(file_name_, ": line ", line_, ": ", what)};
  }

  Status Line(std::string_view line) {
    const std::string_view content = Trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') return {};
    const size_t indent = std::min(line.find_first_not_of(kBlanks), line.size());
    if (where_ == Where::kSection && value_ != nullptr && indent > value_indent_) return Continue(content);
    if (content.front() == '[') return Section(content);
    if (where_ == Where::kBeforeSections) return Wrong("a setting before the first [section]");
    if (where_ == Where::kIgnored) return {};
    return Setting(content, indent);
  }

  Status Section(std::string_view content) {
    const size_t end = content.find(']');
    if (end == std::string_view::npos) return Wrong("a section without its ']'");
    std::string_view name = Trimmed(content.substr(1, end - 1));
    if (name.empty()) return Wrong("a section without a name");
    value_ = nullptr;
    section_ = Find(name);
    where_ = section_ != nullptr ? Where::kSection : Where::kIgnored;
    return {};
  }

  // Null: none of ours.
  ConfigSection* Find(std::string_view name) {
    if (kind_ == SharedFile::kCredentials) return &config_.profiles[std::string(name)];
    if (name == "default") return &config_.profiles["default"];
    const size_t blank = name.find_first_of(kBlanks);
    if (blank == std::string_view::npos) return nullptr;
    const std::string_view kind = name.substr(0, blank);
    name = Trimmed(name.substr(blank));
    if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) {
      name = name.substr(1, name.size() - 2);
    }
    if (kind == "profile") {
      ConfigSection* found = &config_.profiles[std::string(name)];
      return name == "default" ? &explicit_default_ : found;
    }
    if (kind == "sso-session") return &config_.sso_sessions[std::string(name)];
    if (kind == "services") return &config_.services[std::string(name)];
    return nullptr;
  }

  Status Setting(std::string_view content, size_t indent) {
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos) return Wrong("neither a [section], nor name = value, nor a comment");
    const std::string name = Lower(Trimmed(content.substr(0, equals)));
    if (name.empty()) return Wrong("a value without a name");
    std::string_view text = Trimmed(content.substr(equals + 1));
    // A command may hold what looks like a comment.
    if (name != "credential_process") text = WithoutComment(text);
    value_ = &section_->values[name];
    value_indent_ = indent;
    *value_ = ConfigValue{.text = std::string(text), .nested = {}};
    return {};
  }

  Status Continue(std::string_view content) {
    if (!value_->text.empty()) {
      value_->text += StrCat("\n", content);
      return {};
    }
    const size_t equals = content.find('=');
    const std::string name = Lower(Trimmed(content.substr(0, std::min(equals, content.size()))));
    if (equals == std::string_view::npos || name.empty()) return Wrong("an indented line that is not name = value");
    value_->nested.insert_or_assign(name, std::string(WithoutComment(Trimmed(content.substr(equals + 1)))));
    return {};
  }

  const SharedFile kind_;
  const std::string_view file_name_;
  ParsedConfig config_;
  ConfigSection explicit_default_;  // [profile default], which goes before [default]
  int line_ = 0;
  Where where_ = Where::kBeforeSections;
  ConfigSection* section_ = nullptr;
  ConfigValue* value_ = nullptr;  // of the last setting of the section
  size_t value_indent_ = 0;
};

}  // namespace

Result<ParsedConfig> ParseSharedConfig(std::string_view text, SharedFile kind, std::string_view file_name) {
  return Parser(kind, file_name).Parse(text);
}

}  // namespace pailfs::s3client
