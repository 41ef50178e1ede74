#include "cli/file_versions.h"

#include <algorithm>
#include <cstdio>

#include "base/str.h"

namespace pailfs::cli {
namespace {

constexpr char kDeletionsXattr[] = "user.pailfs.deletions";

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
  const timespec& changed = node.st().st_ctim;
  if (FormatTimeUtc(changed.tv_sec * 1'000'000'000) == version.time) version.stored_ns = changed.tv_nsec;
  ASSIGN_OR_RETURN(const auto id, node.Xattr("user.pailfs.version_id"));
  if (id && !id->empty()) version.version_id = *id;
  ASSIGN_OR_RETURN(const auto etag, node.Xattr("user.pailfs.etag"));
  version.etag = etag.value_or("");
  return version;
}

void AddDeletions(std::string_view lines, std::vector<FileVersion>* versions) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    if (line.empty()) continue;
    FileVersion deletion = ParseName(line);
    deletion.deleted = true;
    versions->push_back(std::move(deletion));
  }
}

}  // namespace

Result<bool> IsVersionsOfFile(const Node& view) {
  ASSIGN_OR_RETURN(const auto deletions, view.Xattr(kDeletionsXattr));
  if (deletions) return true;
  ASSIGN_OR_RETURN(const auto names, view.List());
  for (const std::string& name : names) {
    const auto entry = Node::Find(view.fd(), name);
    if (entry.ok()) return !entry->IsDirectory();
  }
  return false;
}

Result<std::vector<FileVersion>> ListFileVersions(const Node& view, bool exists) {
  std::vector<FileVersion> versions;
  ASSIGN_OR_RETURN(const auto names, view.List());
  for (const std::string& name : names) {
    auto version = ReadVersion(view, name);
    if (version.Is(Errc::kNotFound)) continue;  // removed meanwhile
    if (!version.ok()) return version.error().With(name);
    versions.push_back(std::move(*version));
  }
  ASSIGN_OR_RETURN(const auto deletions, view.Xattr(kDeletionsXattr));
  if (deletions) AddDeletions(*deletions, &versions);
  std::stable_sort(versions.begin(), versions.end(), [exists](const FileVersion& a, const FileVersion& b) {
    if (a.time != b.time) return a.time > b.time;
    if (a.deleted != b.deleted) return a.deleted != exists;
    return a.stored_ns > b.stored_ns;
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
