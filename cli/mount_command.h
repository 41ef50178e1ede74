// `pailfs mount` and the mount helper: from words to a plan, checks that need no store, then the daemon.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace pailfs::cli {

struct MountRequest {
  std::string source;
  std::string mountpoint;
  std::vector<std::string> option_lists;  // each "a,b=c"
  std::optional<std::string> config_path;
  bool foreground = false;
  bool tolerate_unknown = false;  // mount -s
  bool fake = false;              // mount -f: everything but the mount
  bool verbose = false;
};

// The exit code is that of mount(8).
int MountCommand(const MountRequest& request);

// mount.pailfs SOURCE DIRECTORY [-sfnv] [-o OPTIONS]: what mount(8) runs.
int MountHelper(int argc, char** argv);
// The request behind those arguments; kInvalidArgument.
Result<MountRequest> ParseHelperArguments(int argc, char** argv);

}  // namespace pailfs::cli
