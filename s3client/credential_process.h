// A command that prints credentials.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/op_context.h"
#include "base/result.h"

namespace pailfs::s3client {

struct ProcessLimits {
  int64_t time_ns = 60'000'000'000;
  size_t output_bytes = 64 << 10;
};

// What `command`, run by /bin/sh, prints to its standard output. It has no input, what it prints as errors is dropped
// (it may hold secrets), and it and its children are killed when a limit or the call's time is reached. Errors, without
// anything that was printed: kUnavailable (ended badly, too slow, too much, cannot be started), kTimedOut and
// kCancelled (the OpContext).
Result<std::string> RunCredentialProcess(const OpContext& ctx, const std::string& command, const ProcessLimits& limits);

}  // namespace pailfs::s3client
