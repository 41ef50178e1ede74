// A Ceph RADOS Gateway of this process's own, started by tests/servers/rgw on free ports, in a temporary directory.
#pragma once

#include <string>

namespace pailfs::conformance {

struct RgwServer {
  std::string endpoint;  // "http://127.0.0.1:PORT"
  std::string access_key_id;
  std::string secret_access_key;
};

// Started at the first call (4 to 40 s); ends the process with a message where it cannot be. It is stopped and its
// directory is removed when the process ends, in whatever way. PAILFS_TEST_RGW=PORT uses one that runs already.
const RgwServer& Rgw();

}  // namespace pailfs::conformance
