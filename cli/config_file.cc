#include "cli/config_file.h"

#include <algorithm>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/str.h"
#include "cli/option_table.h"

namespace pailfs::cli {
namespace {

Error At(std::string_view path, const toml::source_region& where, std::string_view message) {
  return Error{Errc::kInvalidArgument, StrCat(path, ':', where.begin.line, ": ", message)};
}

// One "key = value" as a word, checked.
Result<std::string> WordOf(std::string_view path, const toml::key& key, const toml::node& value) {
  const std::string_view name = key.str();
  std::string word(name);
  if (const auto* text = value.as_string()) {
    word += StrCat('=', text->get());
  } else if (const auto* number = value.as_integer()) {
    word += StrCat('=', number->get());
  } else if (const auto* flag = value.as_boolean()) {
    // "ro = false" is "rw", and the other way round; what has values of its own gets one.
    if ((name == "ro" || name == "rw") && !flag->get()) {
      word = name == "ro" ? "rw" : "ro";
    } else if (name == "posix" || name == "allow_other") {
      word += flag->get() ? "=on" : "=off";
    } else if (!flag->get()) {
      return At(path, value.source(), StrCat("option ", name, " cannot be false; leave it out"));
    }
  } else {
    return At(path, value.source(), StrCat("the value of ", name, " must be a text, a whole number, true or false"));
  }
  MountSettings scratch;
  const Status status = ApplyOption(scratch, word);
  if (!status.ok()) return At(path, value.source(), status.error().message);
  return word;
}

Status AppendTable(std::string_view path, const toml::table& table, std::vector<std::string>* words) {
  for (const auto& [key, value] : table) {
    ASSIGN_OR_RETURN(std::string word, WordOf(path, key, value));
    if (words != nullptr) words->push_back(std::move(word));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> ParseConfig(std::string_view text, std::string_view path,
                                             const std::vector<std::string>& source_names) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) return At(path, parsed.error().source(), parsed.error().description());
  const toml::table& root = parsed.table();
  for (const auto& [key, value] : root) {
    if (key != "defaults" && key != "mount") {
      return At(path, value.source(),
                StrCat("unknown table '", key.str(), "'; there are [defaults] and [mount.\"SOURCE\"]"));
    }
    if (!value.is_table()) return At(path, value.source(), StrCat("'", key.str(), "' must be a table"));
  }
  std::vector<std::string> words;
  if (const auto* defaults = root["defaults"].as_table()) RETURN_IF_ERROR(AppendTable(path, *defaults, &words));
  if (const auto* mounts = root["mount"].as_table()) {
    // Tables of other sources are checked too: a mistake shows at the next mount, not at the one after a reboot.
    for (const auto& [key, value] : *mounts) {
      const auto* table = value.as_table();
      if (table == nullptr) return At(path, value.source(), StrCat("'mount.", key.str(), "' must be a table"));
      const bool ours = std::find(source_names.begin(), source_names.end(), key.str()) != source_names.end();
      RETURN_IF_ERROR(AppendTable(path, *table, ours ? &words : nullptr));
    }
  }
  return words;
}

Result<std::vector<std::string>> ReadConfig(FileSystem& files, const std::string& path, bool must_exist,
                                            const std::vector<std::string>& source_names) {
  auto text = ReadFile(files, path);
  if (text.Is(Errc::kNotFound) && !must_exist) return std::vector<std::string>();
  if (!text.ok()) return std::move(text).error().With("reading the configuration");
  return ParseConfig(*text, path, source_names);
}

}  // namespace pailfs::cli
