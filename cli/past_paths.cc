#include "cli/past_paths.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/str.h"
#include "cli/node.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

constexpr char kNamesXattr[] = "user.pailfs.snapdir";

Result<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), std::free);
  if (!real) return ErrnoError(errno, Printable(path));
  return std::string(real.get());
}

std::optional<struct stat> StatDirectory(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return std::nullopt;
  return st;
}

bool IsDots(std::string_view name) {
  return name == "." || name == "..";
}

Result<PastPlace> PlaceOfDirectory(const std::string& path, const PastNamesReader& read_names) {
  ASSIGN_OR_RETURN(PastNames names, read_names(path));
  return PastPlace{path, "", std::move(names)};
}

// Of a path that exists.
Result<PastPlace> PlaceOfExisting(const std::string& path, const SplitPath& split, const PastNamesReader& read_names) {
  const auto directory = StatDirectory(path);
  const auto parent = StatDirectory(split.directory);
  auto names = read_names(split.directory);
  // The past of a mount's root is in the mount, not where it is mounted.
  const bool is_root = directory && parent && directory->st_dev != parent->st_dev;
  if (directory && (is_root || !names.ok())) return PlaceOfDirectory(path, read_names);
  if (!names.ok()) return std::move(names).error();
  return PastPlace{split.directory, split.name, std::move(*names)};
}

}  // namespace

std::vector<std::string> PastNames::Visible(std::vector<std::string> all) const {
  std::erase_if(all, [this](const std::string& name) { return Hides(name); });
  return all;
}

Result<PastNames> ReadPastNames(const std::string& directory) {
  char value[2 * NAME_MAX + 2];
  const ssize_t got = getxattr(directory.c_str(), kNamesXattr, value, sizeof value);
  if (got < 0 && errno != ENODATA && errno != EOPNOTSUPP) return ErrnoError(errno, Printable(directory));
  if (got < 0) return Error{Errc::kUnsupported, StrCat(Printable(directory), " is not in a pailfs mount")};
  const std::string_view names(value, static_cast<size_t>(got));
  const size_t slash = names.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == names.size()) {
    return Error{Errc::kUnsupported, StrCat("the mount of ", Printable(directory),
                                            " does not show the past; mount it without snapdir=off")};
  }
  return PastNames{std::string(names.substr(0, slash)), std::string(names.substr(slash + 1))};
}

std::string PastPlace::Live() const {
  return JoinPath(base, rest);
}

std::string PastPlace::Snapshot(const std::string& time) const {
  return JoinPath(JoinPath(JoinPath(base, names.snapshot), time), rest);
}

std::string PastPlace::Versions() const {
  return JoinPath(JoinPath(base, names.versions), rest);
}

Result<SplitPath> SplitLastName(const std::string& path) {
  if (path.empty()) return Error{Errc::kInvalidArgument, "a path is empty"};
  std::string text = path;
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  size_t slash = text.rfind('/');
  const std::string last = slash == std::string::npos ? text : text.substr(slash + 1);
  struct stat st {};
  const bool through_link = text != path && lstat(text.c_str(), &st) == 0 && S_ISLNK(st.st_mode);
  if (IsDots(last) || through_link) {
    ASSIGN_OR_RETURN(text, RealPath(text));
    slash = text.rfind('/');
  }
  if (text == "/") return SplitPath{"/", "."};
  if (slash == std::string::npos) return SplitPath{".", text};
  return SplitPath{slash == 0 ? "/" : text.substr(0, slash), text.substr(slash + 1)};
}

Result<PastPlace> FindPastPlace(const std::string& path, const PastNamesReader& read_names) {
  ASSIGN_OR_RETURN(SplitPath split, SplitLastName(path));
  if (split.name == ".") return PlaceOfDirectory(split.directory, read_names);
  const std::string whole = JoinPath(split.directory, split.name);
  struct stat st {};
  if (lstat(whole.c_str(), &st) == 0) return PlaceOfExisting(whole, split, read_names);
  if (errno != ENOENT && errno != ENOTDIR) return ErrnoError(errno, Printable(path));
  std::string rest = split.name;
  while (!StatDirectory(split.directory)) {
    const size_t slash = split.directory.rfind('/');
    const std::string name = slash == std::string::npos ? split.directory : split.directory.substr(slash + 1);
    if (name == "..") return Error{Errc::kNotFound, StrCat(Printable(path), ": '..' below what does not exist")};
    if (!name.empty() && name != ".") rest = StrCat(name, '/', rest);
    split.directory = slash == std::string::npos ? "." : slash == 0 ? "/" : split.directory.substr(0, slash);
  }
  ASSIGN_OR_RETURN(PastNames names, read_names(split.directory));
  return PastPlace{split.directory, std::move(rest), std::move(names)};
}

Status CheckTimeText(std::string_view time) {
  if (!time.empty() && !IsDots(time) && time.find('/') == std::string_view::npos) return {};
  return Error{Errc::kInvalidArgument,
               StrCat("'", Printable(time),
                      "' is neither a time nor the name of a snapshot; write it as 2026-11-22T08:00:00Z, 2026-11-22, "
                      "-2h, yesterday")};
}

Status CheckTimeIsKnown(const PastPlace& place, const std::string& time, const PastNamesReader& read_names) {
  // The root of the mount was there for as long as anything was.
  PastPlace root{place.base, "", place.names};
  for (auto here = StatDirectory(root.base); here;) {
    const std::string above = JoinPath(root.base, "..");
    const auto parent = StatDirectory(above);
    if (!parent || parent->st_dev != here->st_dev || parent->st_ino == here->st_ino) break;
    auto names = read_names(above);
    if (!names.ok()) break;
    root = {above, "", std::move(*names)};
    here = parent;
  }
  const auto there = Node::FindDirectory(root.Snapshot(time));
  if (there.ok()) return {};
  if (!there.Is(Errc::kNotFound) && !there.Is(Errc::kInvalidArgument)) {
    return there.error().With(Printable(root.Snapshot(time)));
  }
  return Error{Errc::kNotFound, StrCat("the mount knows no time and no snapshot '", Printable(time), "'; 'ls ",
                                       Printable(JoinPath(place.base, place.names.snapshot)), "' shows some")};
}

}  // namespace pailfs::cli
