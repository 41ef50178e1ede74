#include "cli/node.h"

#include <dirent.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/str.h"
#include "cache/posix_acl.h"

namespace pailfs::cli {
namespace {

bool IsOwnXattr(std::string_view name) {
  return (name.starts_with("user.") && !name.starts_with("user.pailfs.")) || name == cache::kAccessAclXattr ||
         name == cache::kDefaultAclXattr;
}

// Those that a copy of `source` can have.
mode_t ModeToKeep(const struct stat& source, Owners owners) {
  mode_t mode = source.st_mode & 07777;
  if (owners == Owners::kKeep) return mode;
  if (source.st_uid != geteuid()) mode &= ~static_cast<mode_t>(S_ISUID);
  if (source.st_gid != getegid() && !S_ISDIR(source.st_mode)) mode &= ~static_cast<mode_t>(S_ISGID);
  return mode;
}

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// The answer of a call that is asked for its size first, again when it grew in between.
template <typename Call>
Result<std::string> ReadSized(std::string_view what, const Call& call) {
  for (;;) {
    const ssize_t size = call(nullptr, 0);
    if (size < 0) return ErrnoError(errno, what);
    std::string value(static_cast<size_t>(size), '\0');
    const ssize_t got = size == 0 ? 0 : call(value.data(), value.size());
    if (got < 0 && errno == ERANGE) continue;
    if (got < 0) return ErrnoError(errno, what);
    value.resize(static_cast<size_t>(got));
    return value;
  }
}

// Regular files only; sizes are equal.
Result<bool> SameContent(const Node& then, const Node& now) {
  ASSIGN_OR_RETURN(const auto etag_then, then.OfObject("etag"));
  ASSIGN_OR_RETURN(const auto etag_now, now.OfObject("etag"));
  if (etag_then && etag_now) return *etag_then == *etag_now;
  return SameTime(then.st().st_mtim, now.st().st_mtim);
}

Result<Difference> CompareContent(const Node& then, const Node& now) {
  if ((then.st().st_mode & S_IFMT) != (now.st().st_mode & S_IFMT)) return Difference::kType;
  bool same = true;
  if (then.IsRegular()) {
    same = then.size() == now.size();
    if (same) {
      ASSIGN_OR_RETURN(same, SameContent(then, now));
    }
  } else if (then.IsLink()) {
    ASSIGN_OR_RETURN(const std::string target_then, then.LinkTarget());
    ASSIGN_OR_RETURN(const std::string target_now, now.LinkTarget());
    same = target_then == target_now;
  } else if (S_ISCHR(then.st().st_mode) || S_ISBLK(then.st().st_mode)) {
    same = then.st().st_rdev == now.st().st_rdev;
  }
  return same ? Difference::kNone : Difference::kContent;
}

}  // namespace

Status Descriptor::Close() {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && close(fd) != 0) return ErrnoError(errno, "closing it");
  return {};
}

Owners OwnersWeCanKeep() {
  return geteuid() == 0 ? Owners::kKeep : Owners::kOurs;
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (name.empty()) return std::string(directory);
  return StrCat(directory, directory.ends_with('/') ? "" : "/", name);
}

Result<Node> Node::Find(int directory, const std::string& name) {
  Descriptor fd(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (fd.get() < 0 || fstat(fd.get(), &st) != 0) return ErrnoError(errno, "looking it up");
  return Node(std::move(fd), st);
}

Result<std::optional<Node>> Node::Look(int directory, const std::string& name) {
  if (directory == -1) return std::optional<Node>();
  auto node = Find(directory, name);
  if (node.Is(Errc::kNotFound) || node.Is(Errc::kNotADirectory)) return std::optional<Node>();
  if (!node.ok()) return std::move(node).error();
  return std::optional(std::move(*node));
}

Result<Node> Node::FindDirectory(const std::string& path) {
  Descriptor fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat st {};
  if (fd.get() < 0 || fstat(fd.get(), &st) != 0) return ErrnoError(errno, "looking it up");
  return Node(std::move(fd), st);
}

std::string Node::Path() const {
  return StrCat("/proc/self/fd/", fd_.get());
}

Result<std::string> Node::LinkTarget() const {
  char target[4096];
  const ssize_t got = readlinkat(fd_.get(), "", target, sizeof target);
  if (got < 0) return ErrnoError(errno, "reading the link");
  return std::string(target, static_cast<size_t>(got));
}

Result<Descriptor> Node::OpenForReading() const {
  Descriptor fd(open(Path().c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoError(errno, "opening it");
  return fd;
}

Result<std::vector<std::string>> Node::List() const {
  const int fd = openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoError(errno, "opening the directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd), closedir);
  if (!stream) {
    close(fd);
    return ErrnoError(errno, "opening the directory");
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoError(errno, "reading the directory");
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<std::string>> Node::Xattr(const std::string& name) const {
  const std::string path = Path();
  auto value = ReadSized(StrCat("reading the extended attribute ", name),
                         [&](char* buffer, size_t size) { return getxattr(path.c_str(), name.c_str(), buffer, size); });
  if (value.Is(Errc::kNoData) || value.Is(Errc::kUnsupported)) return std::optional<std::string>();
  if (!value.ok()) return std::move(value).error();
  return std::optional(std::move(*value));
}

Result<std::optional<std::string>> Node::OfObject(const std::string& what) const {
  // A file that is changed keeps telling of the object that it was.
  ASSIGN_OR_RETURN(const auto state, Xattr("user.pailfs.state"));
  if (state && *state != "clean") return std::optional<std::string>();
  ASSIGN_OR_RETURN(auto value, Xattr("user.pailfs." + what));
  if (value && value->empty()) value.reset();
  return value;
}

Result<Xattrs> Node::OwnXattrs() const {
  const std::string path = Path();
  const auto list = ReadSized("listing the extended attributes",
                              [&](char* buffer, size_t size) { return listxattr(path.c_str(), buffer, size); });
  if (list.Is(Errc::kUnsupported)) return Xattrs();
  if (!list.ok()) return list.error();
  Xattrs xattrs;
  for (size_t start = 0; start < list->size();) {
    const std::string name = list->c_str() + start;
    start += name.size() + 1;
    if (!IsOwnXattr(name)) continue;
    ASSIGN_OR_RETURN(auto value, Xattr(name));
    if (value) xattrs.emplace(name, std::move(*value));
  }
  return xattrs;
}

Status Node::SetXattrs(const Xattrs& wanted) const {
  const std::string path = Path();
  ASSIGN_OR_RETURN(const Xattrs present, OwnXattrs());
  for (const auto& [name, value] : present) {
    if (wanted.contains(name)) continue;
    if (removexattr(path.c_str(), name.c_str()) != 0 && errno != ENODATA) {
      return ErrnoError(errno, StrCat("removing the extended attribute ", name));
    }
  }
  for (const auto& [name, value] : wanted) {
    const auto at = present.find(name);
    if (at != present.end() && at->second == value) continue;
    if (setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
      return ErrnoError(errno, StrCat("setting the extended attribute ", name));
    }
  }
  return {};
}

Status Node::CopyMetadata(const Node& source, Owners owners) const {
  const struct stat& wanted = source.st();
  if (owners == Owners::kKeep && (wanted.st_uid != st_.st_uid || wanted.st_gid != st_.st_gid) &&
      fchownat(fd_.get(), "", wanted.st_uid, wanted.st_gid, AT_EMPTY_PATH) != 0) {
    return ErrnoError(errno, "setting the owner");
  }
  if (!IsLink()) {
    ASSIGN_OR_RETURN(const Xattrs xattrs, source.OwnXattrs());
    RETURN_IF_ERROR(SetXattrs(xattrs));
    // After the owner and the ACLs, which change it.
    if (chmod(Path().c_str(), ModeToKeep(wanted, owners)) != 0) return ErrnoError(errno, "setting the mode");
  }
  const timespec times[] = {{0, UTIME_OMIT}, wanted.st_mtim};
  if (utimensat(AT_FDCWD, Path().c_str(), times, 0) != 0) return ErrnoError(errno, "setting the time");
  return {};
}

Result<Difference> Compare(const Node& then, const Node& now, const Comparison& comparison) {
  ASSIGN_OR_RETURN(const Difference content, CompareContent(then, now));
  if (content != Difference::kNone) return content;
  const struct stat& a = then.st();
  const struct stat& b = now.st();
  if (comparison.owners == Owners::kKeep && (a.st_uid != b.st_uid || a.st_gid != b.st_gid)) {
    return Difference::kMetadata;
  }
  if (then.IsLink()) return SameTime(a.st_mtim, b.st_mtim) ? Difference::kNone : Difference::kMetadata;
  const bool compare_mtimes = !then.IsDirectory() || comparison.directory_mtimes;
  if (ModeToKeep(a, comparison.owners) != (b.st_mode & 07777) || (compare_mtimes && !SameTime(a.st_mtim, b.st_mtim))) {
    return Difference::kMetadata;
  }
  ASSIGN_OR_RETURN(const Xattrs xattrs_then, then.OwnXattrs());
  ASSIGN_OR_RETURN(const Xattrs xattrs_now, now.OwnXattrs());
  return xattrs_then == xattrs_now ? Difference::kNone : Difference::kMetadata;
}

}  // namespace pailfs::cli
