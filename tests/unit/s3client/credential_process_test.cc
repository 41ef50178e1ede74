#include "s3client/credential_process.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "tests/support/results.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

std::string Failure(const std::string& command, Errc code, const ProcessLimits& limits = {},
                    const OpContext& ctx = {}) {
  const auto printed = RunCredentialProcess(ctx, command, limits);
  EXPECT_ERRC(printed, code);
  if (printed.ok()) return "";
  ExpectNoSecret(printed.error().message);
  return printed.error().message;
}

TEST(CredentialProcess, GivesWhatWasPrinted) {
  const auto printed = RunCredentialProcess({}, "printf '%s' \"a b\"; echo s3cr3t >&2", {});
  ASSERT_OK(printed);
  EXPECT_EQ(*printed, "a b");
  EXPECT_EQ(*RunCredentialProcess({}, "cat", {}), "");  // no input
}

TEST(CredentialProcess, BadEnds) {
  EXPECT_EQ(Failure("echo s3cr3t; echo s3cr3t >&2; exit 3", Errc::kUnavailable), "it ended with code 3");
  EXPECT_EQ(Failure("/nowhere/s3cr3t", Errc::kUnavailable), "it ended with code 127");
  EXPECT_EQ(Failure("kill -9 $$", Errc::kUnavailable), "it was ended by signal 9");
}

TEST(CredentialProcess, IsBoundedInTimeAndOutput) {
  const ProcessLimits brief{.time_ns = 50'000'000, .output_bytes = 1000};
  const int64_t start_ns = SystemClock().MonotonicNs();
  EXPECT_EQ(Failure("sleep 60 & sleep 60", Errc::kUnavailable, brief), "it did not end in time");
  EXPECT_EQ(Failure("exec >&-; sleep 60", Errc::kUnavailable, brief), "it did not end in time");
  EXPECT_LT(SystemClock().MonotonicNs() - start_ns, 30'000'000'000);
  const ProcessLimits small{.time_ns = 30'000'000'000, .output_bytes = 1000};
  Failure("yes s3cr3t", Errc::kUnavailable, small);
}

TEST(CredentialProcess, EndsWithTheCall) {
  std::stop_source stop;
  stop.request_stop();
  OpContext stopped;
  stopped.stop = stop.get_token();
  Failure("sleep 60", Errc::kCancelled, {}, stopped);
  OpContext late;
  late.deadline_ns = SystemClock().MonotonicNs() + 30'000'000;
  Failure("sleep 60", Errc::kTimedOut, {}, late);
}

}  // namespace
}  // namespace pailfs::s3client
