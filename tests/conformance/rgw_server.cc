#include "tests/conformance/rgw_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "base/random.h"
#include "base/str.h"

namespace pailfs::conformance {
namespace {

constexpr const char* kScript = PAILFS_SOURCE_DIR "/tests/servers/rgw";
// The script's fixed test keys.
constexpr const char* kAccessKeyId = "PAILFSTESTMAIN000001";
constexpr const char* kSecretAccessKey = "pailfs-main-secret-for-loopback-tests-01";
constexpr int kPortsNeeded = 41;

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "Ceph RGW is needed for this test: " << why << "\nInstall it as root: tests/servers/rgw install"
            << std::endl;
  std::exit(1);
}

bool IsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return free;
}

int FreePorts() {
  for (int tries = 0; tries < 200; ++tries) {
    const int first = static_cast<int>(20'000 + SystemRandom().Below(10'000));
    bool free = true;
    for (int port = first; free && port < first + kPortsNeeded; ++port) free = IsFree(port);
    if (free) return first;
  }
  Die("no free ports");
}

int Run(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A process of its own waits for the end of this one, even of one that is killed, and then clears up.
class Cleaner {
 public:
  explicit Cleaner(const std::string& directory) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) Die("no pipe");
    pid_ = fork();
    if (pid_ < 0) Die("no fork");
    if (pid_ == 0) {
      setsid();
      close(ends[1]);
      char byte;
      while (read(ends[0], &byte, 1) > 0) {
      }
      execl(kScript, kScript, "stop", "--purge", "--dir", directory.c_str(), nullptr);
      _exit(127);
    }
    close(ends[0]);
    write_end_ = ends[1];
  }
  void CleanUp() {
    close(write_end_);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_ = 0;
  int write_end_ = -1;
};

std::optional<Cleaner>& TheCleaner() {
  static std::optional<Cleaner> cleaner;
  return cleaner;
}

void CleanUp() {
  if (TheCleaner()) TheCleaner()->CleanUp();
}

RgwServer Start() {
  if (const char* port = std::getenv("PAILFS_TEST_RGW")) {
    return {StrCat("http://127.0.0.1:", port), kAccessKeyId, kSecretAccessKey};
  }
  std::string directory = testing::TempDir() + "pailfs-rgw-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) Die(StrCat("no directory ", directory));
  TheCleaner().emplace(directory);
  std::atexit(CleanUp);
  for (int tries = 0; tries < 3; ++tries) {
    const int port = FreePorts();
    if (Run(StrCat(kScript, " start --quiet --dir ", directory, " --port ", port)) == 0) {
      return {StrCat("http://127.0.0.1:", port), kAccessKeyId, kSecretAccessKey};
    }
  }
  Die("it does not start");
}

}  // namespace

const RgwServer& Rgw() {
  static const RgwServer server = Start();
  return server;
}

}  // namespace pailfs::conformance
