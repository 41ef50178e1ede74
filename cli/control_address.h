// Where the daemon of a mount listens: a socket in a directory that only its user can enter, named by the mount point.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pailfs::cli {

struct ControlAddress {
  std::string socket_path;
};

// /run/pailfs for root, $XDG_RUNTIME_DIR/pailfs or /tmp/pailfs-UID otherwise.
std::string RuntimeDirectory();
// Makes it. kAccessDenied when it belongs to somebody else or others may enter it.
Status MakeRuntimeDirectory(const std::string& directory);
// The path as the kernel knows the mount point: absolute, links resolved, even when the mount itself does not answer.
std::string CanonicalMountpoint(std::string_view path);
std::string SocketPath(std::string_view canonical_mountpoint);
// All sockets there are, those of dead daemons included.
std::vector<ControlAddress> ListControlAddresses();

}  // namespace pailfs::cli
