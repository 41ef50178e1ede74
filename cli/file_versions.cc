#include "cli/file_versions.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>

#include "base/str.h"

namespace pailfs::cli {
namespace {

// Newest first, a line for each version and delete marker: "<time>~<id>", "<time>~<id> deleted".
constexpr char kHistoryXattr[] = "user.pailfs.history";
constexpr std::string_view kDeleted = " deleted";

FileVersion ParseName(std::string_view name) {
  FileVersion version;
  const size_t tilde = name.find('~');
  version.time = name.substr(0, tilde);
  if (tilde != std::string_view::npos) version.version_id = name.substr(tilde + 1);
  return version;
}

Result<FileVersion> ReadVersion(const Node& view, const std::string& name) {
  ASSIGN_OR_RETURN(const Node node, Node::Find(view.fd(), name));
  FileVersion version = ParseName(name);
  version.name = name;
  version.size_bytes = node.size();
  version.mtime = node.st().st_mtim;
  ASSIGN_OR_RETURN(const auto id, node.Xattr("user.pailfs.version_id"));
  if (id && !id->empty()) version.version_id = *id;
  ASSIGN_OR_RETURN(const auto etag, node.Xattr("user.pailfs.etag"));
  version.etag = etag.value_or("");
  return version;
}

// Takes from the history what the directory does not show: deletions, and the order.
void AddHistory(std::string_view lines, std::vector<FileVersion>* versions) {
  std::map<std::string, size_t, std::less<>> places;
  for (size_t i = 0; i < versions->size(); ++i) places[(*versions)[i].name] = i;
  for (size_t place = 0; !lines.empty(); ++place) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    if (line.empty()) continue;
    const bool deleted = line.ends_with(kDeleted);
    if (deleted) {
      line.remove_suffix(kDeleted.size());
      FileVersion deletion = ParseName(line);
      deletion.deleted = true;
      deletion.place = place;
      versions->push_back(std::move(deletion));
    } else if (const auto shown = places.find(line); shown != places.end()) {
      (*versions)[shown->second].place = place;
    }
  }
}

}  // namespace

Result<bool> IsVersionsOfFile(const Node& view) {
  ASSIGN_OR_RETURN(const auto history, view.Xattr(kHistoryXattr));
  if (history) return true;
  ASSIGN_OR_RETURN(const auto names, view.List());
  for (const std::string& name : names) {
    const auto entry = Node::Find(view.fd(), name);
    if (entry.ok()) return !entry->IsDirectory();
  }
  return false;
}

Result<std::vector<FileVersion>> ListFileVersions(const Node& view) {
  std::vector<FileVersion> versions;
  ASSIGN_OR_RETURN(const auto names, view.List());
  for (const std::string& name : names) {
    auto version = ReadVersion(view, name);
    if (version.Is(Errc::kNotFound)) continue;  // removed meanwhile
    if (!version.ok()) return version.error().With(name);
    versions.push_back(std::move(*version));
  }
  ASSIGN_OR_RETURN(const auto history, view.Xattr(kHistoryXattr));
  if (history) AddHistory(*history, &versions);
  // A long history is cut off; what is beyond it is older.
  std::stable_sort(versions.begin(), versions.end(), [](const FileVersion& a, const FileVersion& b) {
    if (a.place || b.place) return a.place.value_or(SIZE_MAX) < b.place.value_or(SIZE_MAX);
    return a.time > b.time;
  });
  return versions;
}

std::string FormatExactTime(const timespec& time) {
  std::string text = FormatTimeUtc(time.tv_sec * 1'000'000'000);
  if (time.tv_nsec == 0) return text;
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%09ld", time.tv_nsec);
  text.insert(text.size() - 1, fraction);
  return text;
}

}  // namespace pailfs::cli
