#include "fs/mount_point.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/log.h"
#include "base/str.h"

extern char** environ;

namespace pailfs::fs {
namespace {

constexpr std::string_view kType = "fuse.pailfs";
constexpr const char* kDevice = "/dev/fuse";
constexpr const char* kFusermount = "fusermount3";
constexpr int kReadaheadKib = 1024;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

// proc(5) writes space, tab, newline and backslash as three octal digits.
std::string UnescapeOctal(std::string_view text) {
  const auto digit = [&text](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool HaveFusermount() {
  const char* path = std::getenv("PATH");
  for (const std::string_view directory : Split(StrCat("/usr/bin:/bin:", path != nullptr ? path : ""), ':')) {
    if (access(StrCat(directory, "/", kFusermount).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Status CheckDevice() {
  if (access(kDevice, R_OK | W_OK) == 0) return {};
  if (errno == ENOENT) {
    return Error{Errc::kNotFound, StrCat(kDevice,
                                         " is missing: load the kernel module (modprobe fuse), or start the container "
                                         "with --device ",
                                         kDevice)};
  }
  return ErrnoError(errno, StrCat(kDevice, " cannot be opened, ask the administrator for access to it"));
}

Status UnmountAsRoot(const std::string& path, bool lazy) {
  if (umount2(path.c_str(), (lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW) == 0) return {};
  const int error_number = errno;
  if (error_number == EBUSY) return Error{Errc::kBusy, StrCat(path, " is in use (lsof ", path, " shows by whom)")};
  if (error_number == EINVAL) return Error{Errc::kInvalidArgument, StrCat(path, " is not mounted")};
  return ErrnoError(error_number, StrCat("unmounting ", path));
}

Status UnmountAsUser(const std::string& path, bool lazy) {
  std::vector<std::string> arguments{kFusermount, "-u", "-q"};
  if (lazy) arguments.emplace_back("-z");
  arguments.insert(arguments.end(), {"--", path});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, kFusermount, nullptr, nullptr, argv.data(), environ);
  if (failed != 0) return ErrnoError(failed, StrCat("running ", kFusermount, " (install the package fuse3)"));
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0) {
    if (errno != EINTR) return ErrnoError(errno, "waiting for fusermount3");
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return {};
  ASSIGN_OR_RETURN(const bool mounted, IsPailfsMount(path));
  if (!mounted) return Error{Errc::kInvalidArgument, StrCat(path, " is not mounted")};
  return Error{Errc::kBusy, StrCat(path, " could not be unmounted: it is in use, or mounted by somebody else")};
}

// In an option, a comma and a backslash stand for themselves only after a backslash.
std::string EscapeOption(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::optional<MountedFileSystem> FindMount(std::string_view mountinfo, std::string_view path) {
  std::optional<MountedFileSystem> found;
  for (const std::string_view line : Split(mountinfo, '\n')) {
    // id parent major:minor root mountpoint options [tags…] - type source super-options
    const auto fields = Split(line, ' ');
    size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") ++dash;
    if (dash + 1 >= fields.size() || UnescapeOctal(fields[4]) != path) continue;
    // Later lines are mounted on top of earlier ones.
    found = MountedFileSystem{std::string(fields[2]), std::string(fields[dash + 1])};
  }
  return found;
}

Result<std::optional<MountedFileSystem>> FindMount(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  std::stringstream text;
  text << file.rdbuf();
  if (!file.good() && !file.eof()) return Error{Errc::kIo, "reading /proc/self/mountinfo"};
  return FindMount(std::string_view(text.str()), path);
}

Result<std::string> CanonicalMountPoint(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  const std::string name = slash == std::string::npos ? trimmed : trimmed.substr(slash + 1);
  std::string parent = slash == std::string::npos ? "." : trimmed.substr(0, std::max<size_t>(slash, 1));
  const bool is_link = [&trimmed] {
    char target[PATH_MAX];
    return readlink(trimmed.c_str(), target, sizeof target) >= 0;
  }();
  const bool whole = is_link || name.empty() || name == "." || name == "..";
  char resolved[PATH_MAX];
  if (realpath(whole ? trimmed.c_str() : parent.c_str(), resolved) == nullptr) {
    return ErrnoError(errno, StrCat("mount point ", path));
  }
  if (whole) return std::string(resolved);
  return StrCat(resolved, std::string_view(resolved) == "/" ? "" : "/", name);
}

Result<bool> IsPailfsMount(const std::string& path) {
  const auto canonical = CanonicalMountPoint(path);
  if (canonical.Is(Errc::kNotFound) || canonical.Is(Errc::kNotADirectory)) return false;
  if (!canonical.ok()) return canonical.error();
  ASSIGN_OR_RETURN(const auto mounted, FindMount(*canonical));
  return mounted && mounted->type == kType;
}

Status CheckMountPoint(const std::string& path) {
  ASSIGN_OR_RETURN(const bool mounted, IsPailfsMount(path));
  if (mounted) return Error{Errc::kBusy, StrCat(path, " is mounted already; unmount it first: pailfs umount ", path)};
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) {
      return Error{Errc::kNotFound, StrCat("mount point ", path, " does not exist; make it first: mkdir -p ", path)};
    }
    if (errno == ENOTCONN) {
      return Error{
          Errc::kBusy,
          StrCat("at ", path, " a file system is mounted whose daemon is dead; unmount it first: umount ", path)};
    }
    return ErrnoError(errno, StrCat("mount point ", path));
  }
  if (!S_ISDIR(st.st_mode)) return Error{Errc::kNotADirectory, StrCat("mount point ", path, " is not a directory")};
  RETURN_IF_ERROR(CheckDevice());
  if (geteuid() != 0 && !HaveFusermount()) {
    return Error{Errc::kNotFound,
                 "fusermount3 is missing, which mounts for users other than root: install the package fuse3"};
  }
  return {};
}

std::string KernelOptions(const SessionOptions& options) {
  std::string text = StrCat("fsname=", EscapeOption(options.source), ",subtype=pailfs,default_permissions");
  if (options.allow_other) text += ",allow_other";
  if (options.read_only) text += ",ro";
  for (const std::string& option : options.kernel_options) text += StrCat(",", EscapeOption(option));
  return text;
}

void SetReadahead(const std::string& path) {
  const auto mounted = FindMount(path);
  if (!mounted.ok() || !*mounted) return;
  const std::string setting = StrCat("/sys/class/bdi/", (*mounted)->device, "/read_ahead_kb");
  std::ofstream file(setting);
  file << kReadaheadKib << std::flush;
  if (!file.good()) LogDebug("readahead stays as it is: ", setting, " cannot be written");
}

Status UnmountPath(const std::string& mountpoint, bool lazy) {
  ASSIGN_OR_RETURN(const std::string path, CanonicalMountPoint(mountpoint));
  return geteuid() == 0 ? UnmountAsRoot(path, lazy) : UnmountAsUser(path, lazy);
}

}  // namespace pailfs::fs
