// Commands that talk to the daemons of mounts: umount, status, flush.
#pragma once

#include <optional>
#include <string>

namespace pailfs::cli {

// Unmounts and waits until everything is in the bucket and the daemon has ended; with `lazy` only detaches and returns.
// Exit codes of umount(8): 32 not mounted or in use; 2 when something could not be uploaded and stays in the cache.
int UmountCommand(const std::string& mountpoint, bool lazy);

struct StatusRequest {
  std::optional<std::string> mountpoint;  // all mounts
  bool json = false;
  bool watch = false;
};
// 0; 1 when the mount point named is none of ours; 2 when a daemon does not answer.
int StatusCommand(const StatusRequest& request);

// 0 when everything is in the bucket, 1 when something could not be uploaded, 2 for trouble.
int FlushCommand(const std::optional<std::string>& mountpoint);

}  // namespace pailfs::cli
