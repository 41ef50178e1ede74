// Waiting for the process that holds a store or cache which we want to mount.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace pailfs::cli {

// The pid in DIRECTORY/LOCK.
std::optional<pid_t> LockHolder(FileSystem& files, const std::string& directory);

// Is it likely to let go soon? True for a daemon whose file system is unmounted and that still uploads, and for a
// command of ours; false for a daemon with a living mount, and for any other program.
bool HolderIsEnding(pid_t holder);

// Not thread-safe.
class LockWait {
 public:
  LockWait(std::string directory, std::function<void(std::string_view)> note);
  // After the lock was refused: pauses and returns true when trying again makes sense. For a minute at most; after a
  // second it tells who is waited for.
  bool Again();

 private:
  const std::string directory_;
  const std::function<void(std::string_view)> note_;
  const int64_t started_ns_;
  bool told_ = false;
};

}  // namespace pailfs::cli
