#include "tests/support/rgw/rgw_server.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>

#include "base/str.h"

namespace pailfs {
namespace {

constexpr const char* kScript = PAILFS_SOURCE_DIR "/tests/servers/rgw";

std::string Directory() {
  if (const char* directory = std::getenv("PAILFS_RGW_DIR")) return directory;
  const char* temporary = std::getenv("TMPDIR");
  return StrCat(temporary != nullptr ? temporary : "/tmp", "/rgw");
}

// What `rgw env` says: "export NAME=value" lines.
std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> found;
  FILE* said = popen(StrCat(kScript, " env --dir '", Directory(), "'").c_str(), "r");
  if (said == nullptr) return found;
  char buffer[512];
  constexpr std::string_view kExport = "export ";
  while (std::fgets(buffer, sizeof buffer, said) != nullptr) {
    std::string_view line(buffer);
    if (line.ends_with('\n')) line.remove_suffix(1);
    const size_t equals = line.find('=');
    if (!line.starts_with(kExport) || equals == std::string_view::npos) continue;
    found[std::string(line.substr(kExport.size(), equals - kExport.size()))] = line.substr(equals + 1);
  }
  if (pclose(said) != 0) found.clear();
  return found;
}

}  // namespace

int RgwServer::port() const {
  return std::stoi(endpoint.substr(endpoint.rfind(':') + 1));
}

const RgwServer& Rgw() {
  static const RgwServer server = [] {
    auto said = Environment();
    if (said["AWS_ENDPOINT_URL"].empty()) {
      std::cerr << "no S3 server to test with: run tests/servers/rgw_fixture start" << std::endl;
      std::exit(1);
    }
    return RgwServer{said["AWS_ENDPOINT_URL"], said["AWS_REGION"], said["AWS_ACCESS_KEY_ID"],
                     said["AWS_SECRET_ACCESS_KEY"]};
  }();
  return server;
}

}  // namespace pailfs
