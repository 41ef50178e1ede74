// A mount: the FUSE connection, its threads, and the answers to the kernel.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/mount_cache.h"

namespace pailfs::fs {

struct SessionOptions {
  std::string mountpoint;
  std::string source;  // shown in /proc/mounts
  bool allow_other = false;
  bool read_only = false;
  std::vector<std::string> kernel_options;  // nodev, nosuid, noexec, …: passed on
  double entry_timeout_s = 3600;            // how long the kernel may keep what it was told
  double attribute_timeout_s = 3600;
  double negative_timeout_s = 3600;  // of names that are not there
  size_t threads = 8;                // that read requests
  size_t io_threads = 32;            // for what may wait for the bucket or for room
};

// Thread-safe.
class Session {
 public:
  // Mounts. `cache` must outlive the session. Errors: kNotFound (no /dev/fuse, no mount point, no fusermount3),
  // kNotADirectory, kBusy, kAccessDenied; the message says what to do.
  static Result<std::unique_ptr<Session>> Mount(cache::MountCache& cache, const SessionOptions& options);
  // Speaks FUSE on a descriptor that somebody else connected, from INIT on, and closes it in the end. Mounts nothing:
  // `mountpoint` and `kernel_options` do not matter.
  static Result<std::unique_ptr<Session>> Serve(cache::MountCache& cache, const SessionOptions& options,
                                                int descriptor);
  // Unmounts if it is still mounted.
  ~Session();

  // Serves the kernel until the file system is unmounted or Stop was called. Once; uses SIGURG to end its threads.
  Status Run();
  // Makes Run return soon; may be called from any thread.
  void Stop();
  // Unmounts: what `umount` does; with `lazy` as soon as nobody uses it. kBusy.
  Status Unmount(bool lazy);

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Unmounts a mount point of this or another process: umount2(2) for root, fusermount3 for others. kBusy,
// kInvalidArgument (not mounted).
Status UnmountPath(const std::string& mountpoint, bool lazy);

// Is `path` a mount point of file system type fuse.pailfs? Reads /proc/self/mountinfo.
Result<bool> IsPailfsMount(const std::string& path);

}  // namespace pailfs::fs
