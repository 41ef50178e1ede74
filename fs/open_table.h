// What the kernel has open, so that it can be closed when the connection ends: RELEASE is sent asynchronously, and an
// unmount drops those that are still on their way.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "base/mutex.h"
#include "cache/mount_cache.h"

namespace pailfs::fs {

// Thread-safe.
class OpenTable {
 public:
  explicit OpenTable(cache::MountCache& cache) : cache_(cache) {}

  // After the cache has opened it, and before the kernel is told.
  void Opened(cache::Ino ino, cache::OpenFlags flags);
  void DirectoryOpened(cache::Ino ino);
  // Closes it in the cache too.
  void Close(cache::Ino ino, cache::OpenFlags flags);
  void CloseDirectory(cache::Ino ino);
  // Closes whatever is open.
  void CloseAll();

 private:
  struct Openings {
    size_t readers = 0;
    size_t writers = 0;
    size_t directories = 0;
  };

  // Takes one off; false when there is none.
  bool Take(cache::Ino ino, size_t Openings::*kind);

  cache::MountCache& cache_;
  Mutex mu_;
  std::unordered_map<cache::Ino, Openings> open_ GUARDED_BY(mu_);
};

}  // namespace pailfs::fs
