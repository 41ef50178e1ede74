// s3_imposter: the S3 imposter as a program. Prints "port access-key secret" in one line and serves until SIGTERM.
//
//   s3_imposter [--port N] [--bucket NAME]… [--versioning on|off] [--quirk NAME]… [--region NAME]
//
// --quirk rgw stands for all that Ceph RGW does.

#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/str.h"
#include "tests/support/s3_imposter.h"

namespace pailfs {
namespace {

struct Arguments {
  S3ImposterOptions options;
  std::vector<std::string> buckets;
  MemoryStoreOptions store;
};

// False for what is not understood.
bool Read(const std::string& name, const std::string& value, Arguments& arguments) {
  if (name == "--port") {
    const auto port = ParseUint(value);
    if (port) arguments.options.port = static_cast<int>(*port);
    return port.has_value();
  }
  if (name == "--bucket") {
    arguments.buckets.push_back(value);
    return true;
  }
  if (name == "--region") {
    arguments.options.region = value;
    return true;
  }
  if (name == "--versioning") {
    arguments.store.versioning = value == "on" ? VersioningState::kEnabled : VersioningState::kOff;
    return value == "on" || value == "off";
  }
  if (name != "--quirk") return false;
  auto& quirks = arguments.options.quirks;
  if (value == "rgw") quirks.insert(quirks.end(), kRgwQuirks);
  const auto quirk = S3QuirkOf(value);
  if (quirk) quirks.push_back(*quirk);
  return quirk || value == "rgw";
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && Read(argv[i], argv[i + 1], arguments)) continue;
    std::cerr << "s3_imposter: " << argv[i] << (i + 1 < argc ? StrCat(" ", argv[i + 1]) : "") << "?\nquirks: rgw";
    for (const std::string_view name : S3QuirkNames()) std::cerr << ' ' << name;
    std::cerr << '\n';
    return 2;
  }
  // Blocked before there are threads, so that only sigwait takes it.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  std::vector<std::unique_ptr<MemoryStore>> stores;
  S3Imposter imposter(arguments.options);
  for (const std::string& name : arguments.buckets) {
    imposter.AddBucket(name, *stores.emplace_back(std::make_unique<MemoryStore>(SystemClock(), arguments.store)));
  }
  std::cout << imposter.port() << ' ' << imposter.credentials().access_key_id << ' '
            << imposter.credentials().secret_access_key << std::endl;
  int signal = 0;
  sigwait(&ends, &signal);
  for (const std::string& violation : imposter.violations()) std::cerr << "violation: " << violation << '\n';
  return 0;
}

}  // namespace
}  // namespace pailfs

int main(int argc, char** argv) {
  return pailfs::Main(argc, argv);
}
