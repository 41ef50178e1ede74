#include "cli/control_address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/str.h"
#include "cli/source.h"

namespace pailfs::cli {

std::string RuntimeDirectory() {
  const uid_t uid = geteuid();
  if (uid == 0) return "/run/pailfs";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/') return StrCat(runtime, "/pailfs");
  return StrCat("/tmp/pailfs-", uid);
}

Status MakeRuntimeDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoError(errno, directory);
  struct stat st {};
  if (lstat(directory.c_str(), &st) != 0) return ErrnoError(errno, directory);
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
    return Error{Errc::kAccessDenied,
                 StrCat(directory, " must be a directory of ours that nobody else can enter (mode 0700)")};
  }
  return {};
}

std::string CanonicalMountpoint(std::string_view path) {
  const std::filesystem::path absolute = AbsolutePath(path);
  std::error_code error;
  const auto whole = std::filesystem::canonical(absolute, error);
  if (!error) return whole.string();
  const auto parent = std::filesystem::canonical(absolute.parent_path(), error);
  return error ? absolute.string() : (parent / absolute.filename()).string();
}

std::string SocketPath(std::string_view canonical_mountpoint) {
  const Sha256Digest digest = Sha256Of(canonical_mountpoint);
  return StrCat(RuntimeDirectory(), '/', Hex(std::span(digest).first(10)), ".sock");
}

std::vector<ControlAddress> ListControlAddresses() {
  std::vector<ControlAddress> addresses;
  const std::string directory = RuntimeDirectory();
  const auto names = PosixFileSystem().List(directory);
  if (!names.ok()) return addresses;
  for (const std::string& name : *names) {
    if (name.ends_with(".sock")) addresses.push_back({StrCat(directory, '/', name)});
  }
  std::sort(addresses.begin(), addresses.end(),
            [](const ControlAddress& a, const ControlAddress& b) { return a.socket_path < b.socket_path; });
  return addresses;
}

}  // namespace pailfs::cli
