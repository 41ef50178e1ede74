// The life of a mount: open, attach, serve, drain, close; what signals do to it, and what it answers to `pailfs
// status`.
#pragma once

#include <string>

#include "cli/mount_settings.h"
#include "cli/report.h"
#include "cli/source.h"

namespace pailfs::cli {

struct MountPlan {
  Source source;
  MountSettings settings;  // with a cache directory
  std::string mountpoint;  // canonical
  bool foreground = false;
};

// Blocks until the mount has ended and drained. SIGTERM and SIGINT unmount it (as soon as nobody uses it, when it is
// busy) and drain; a second one leaves what is not uploaded in the cache. SIGHUP counts in the foreground, and is
// ignored in a daemon. The exit code is that of mount(8): kExitInterrupted after a second signal, kExitSystem when
// something could not be uploaded.
int RunMount(const MountPlan& plan, Report& report);

}  // namespace pailfs::cli
