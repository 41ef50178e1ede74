// From libfuse's callbacks to the verbs.
#pragma once

#include <functional>
#include <stop_token>

#include "fs/device_io.h"
#include "fs/reply.h"
#include "fs/verbs.h"

struct fuse_lowlevel_ops;

namespace pailfs::fs {

// What libfuse hands to every callback as userdata. Must outlive the fuse session.
struct Connection {
  Verbs& verbs;
  Timeouts timeouts;
  std::stop_token session_end;
  DeviceIo io;
};

const fuse_lowlevel_ops& Operations();

}  // namespace pailfs::fs
