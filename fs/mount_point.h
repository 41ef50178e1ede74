// Mount points: what is mounted where, what must hold before mounting, and unmounting.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/session.h"

namespace pailfs::fs {

struct MountedFileSystem {
  std::string device;  // "major:minor"
  std::string type;    // as in /proc/mounts: "fuse.pailfs"
};

// The file system on top at this mount point, from the text of /proc/self/mountinfo (proc(5)). `path` is absolute,
// without symbolic links.
std::optional<MountedFileSystem> FindMount(std::string_view mountinfo, std::string_view path);
// The same, of this process now.
Result<std::optional<MountedFileSystem>> FindMount(const std::string& path);

// The path without symbolic links. Its last component is not touched, so that it may be a mount whose daemon is dead.
Result<std::string> CanonicalMountPoint(const std::string& path);

// Can we mount there? Says what to do if not.
Status CheckMountPoint(const std::string& path);

// "-o" for libfuse: everything in `options` that the kernel and fusermount3 want to know.
std::string KernelOptions(const SessionOptions& options);

// The kernel reads ahead this much of a mount's files; needs root, and may fail.
void SetReadahead(const std::string& path);

}  // namespace pailfs::fs
