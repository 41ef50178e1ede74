#include "s3client/server_traits.h"

#include <array>
#include <utility>

#include "base/str.h"

namespace pailfs::s3client {
namespace {

constexpr std::array<std::string_view, 3> kVersionings{"off", "enabled", "suspended"};
constexpr std::array<std::string_view, 3> kForms{"no", "quoted", "unquoted"};
constexpr std::array<std::string_view, 2> kFlags{"no", "yes"};

template <size_t N>
std::optional<size_t> IndexOf(const std::array<std::string_view, N>& words, std::string_view word) {
  for (size_t i = 0; i < N; ++i) {
    if (words[i] == word) return i;
  }
  return std::nullopt;
}

template <typename Traits>
auto Flags(Traits& traits) {
  return std::array{std::pair{std::string_view("put_if_absent"), &traits.put_if_absent},
                    std::pair{std::string_view("complete_conditions"), &traits.complete_conditions},
                    std::pair{std::string_view("copy_source_conditions"), &traits.copy_source_conditions},
                    std::pair{std::string_view("copy_conditions"), &traits.copy_conditions},
                    std::pair{std::string_view("delete_if_match"), &traits.delete_if_match},
                    std::pair{std::string_view("checksums"), &traits.checksums},
                    std::pair{std::string_view("etag_is_md5"), &traits.etag_is_md5},
                    std::pair{std::string_view("batch_delete"), &traits.batch_delete},
                    std::pair{std::string_view("list_metadata"), &traits.list_metadata}};
}

bool ReadLine(ServerTraits& traits, std::string_view name, std::string_view value) {
  if (name == "versioning") {
    const auto index = IndexOf(kVersionings, value);
    traits.versioning = static_cast<VersioningState>(index.value_or(0));
    return index.has_value();
  }
  if (name == "put_if_match") {
    const auto index = IndexOf(kForms, value);
    traits.put_if_match = static_cast<IfMatchForm>(index.value_or(0));
    return index.has_value();
  }
  if (name == "probed_at_us") {
    const auto time_us = ParseUint(value);
    traits.probed_at_us = static_cast<int64_t>(time_us.value_or(0));
    return time_us.has_value() && traits.probed_at_us >= 0;
  }
  for (const auto& [flag, member] : Flags(traits)) {
    if (flag != name) continue;
    const auto index = IndexOf(kFlags, value);
    *member = index == 1;
    return index.has_value();
  }
  return true;  // of a later version: passed over
}

}  // namespace

std::string ServerTraits::ToText() const {
  std::string text = StrCat("versioning ", kVersionings[static_cast<size_t>(versioning)], "\nprobed_at_us ",
                            probed_at_us, "\nput_if_match ", kForms[static_cast<size_t>(put_if_match)], "\n");
  for (const auto& [name, member] : Flags(*this)) text += StrCat(name, " ", kFlags[*member ? 1 : 0], "\n");
  return text;
}

Result<ServerTraits> ServerTraits::FromText(std::string_view text) {
  ServerTraits traits;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos || !ReadLine(traits, line.substr(0, blank), line.substr(blank + 1))) {
      return Error{Errc::kCorrupt, StrCat("traits of a server: '", line.substr(0, 100), "' cannot be read")};
    }
  }
  return traits;
}

}  // namespace pailfs::s3client
