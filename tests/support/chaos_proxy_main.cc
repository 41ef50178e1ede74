// chaos_proxy: the chaos proxy as a program. Prints its port in one line and runs until SIGTERM, then says on stderr
// what it did.
//
//   chaos_proxy --to HOST:PORT [--listen PORT] [--seed N] [--level off|light|medium|heavy] [--retry-after SECONDS]
//               [--stall-ms N]
//
// SIGUSR1 begins an outage (connections are refused), SIGUSR2 ends it.

#include <csignal>
#include <iostream>
#include <map>
#include <string>

#include "base/str.h"
#include "tests/support/chaos_proxy.h"

namespace pailfs {
namespace {

bool ReadServer(const std::string& value, ChaosProxyOptions& options) {
  const size_t colon = value.rfind(':');
  if (colon == std::string::npos) return false;
  const std::string host = value.substr(0, colon);
  options.server_address = host == "localhost" ? "127.0.0.1" : host;
  options.server_port = static_cast<int>(ParseUint(value.substr(colon + 1)).value_or(0));
  return options.server_port > 0;
}

// False for what is not understood.
bool Read(const std::string& name, const std::string& value, ChaosProxyOptions& options) {
  static const std::map<std::string, ChaosLevel> levels = {{"off", ChaosLevel::kOff},
                                                           {"light", ChaosLevel::kLight},
                                                           {"medium", ChaosLevel::kMedium},
                                                           {"heavy", ChaosLevel::kHeavy}};
  if (name == "--to") return ReadServer(value, options);
  if (name == "--level") {
    const auto level = levels.find(value);
    if (level != levels.end()) options.level = level->second;
    return level != levels.end();
  }
  const auto number = ParseUint(value);
  if (!number) return false;
  if (name == "--listen") options.port = static_cast<int>(*number);
  if (name == "--seed") options.seed = *number;
  if (name == "--retry-after") options.retry_after_s = static_cast<int>(*number);
  if (name == "--stall-ms") options.stall_ms = static_cast<int>(*number);
  return name == "--listen" || name == "--seed" || name == "--retry-after" || name == "--stall-ms";
}

int Main(int argc, char** argv) {
  ChaosProxyOptions options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && Read(argv[i], argv[i + 1], options)) continue;
    std::cerr << "chaos_proxy: " << argv[i] << (i + 1 < argc ? StrCat(" ", argv[i + 1]) : "") << "?\n";
    return 2;
  }
  if (options.server_port == 0) {
    std::cerr << "chaos_proxy: --to HOST:PORT is missing\n";
    return 2;
  }
  // Blocked before there are threads, so that only sigwait takes them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  ChaosProxy proxy(options);
  std::cout << proxy.port() << std::endl;
  int signal = 0;
  while (signal != SIGTERM && signal != SIGINT) {
    sigwait(&signals, &signal);
    if (signal == SIGUSR1) proxy.SetOutage(ChaosOutage::kRefuse);
    if (signal == SIGUSR2) proxy.SetOutage(ChaosOutage::kNone);
  }
  std::cerr << "seed " << options.seed << ", requests " << proxy.requests() << ", faults " << proxy.faults() << '\n';
  for (size_t i = 0; i < kChaosFaults; ++i) {
    const auto fault = static_cast<ChaosFault>(i);
    if (proxy.faults(fault) > 0) std::cerr << ChaosFaultName(fault) << ' ' << proxy.faults(fault) << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace pailfs

int main(int argc, char** argv) {
  return pailfs::Main(argc, argv);
}
