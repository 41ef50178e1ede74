// The Ceph RADOS Gateway that ctest's fixture `rgw` started (tests/servers/README.md).
#pragma once

#include <string>

namespace pailfs {

struct RgwServer {
  std::string endpoint;  // "http://127.0.0.1:PORT"
  std::string region;
  std::string access_key_id;
  std::string secret_access_key;

  int port() const;
};

// Ends the process with a message when there is none.
const RgwServer& Rgw();

}  // namespace pailfs
