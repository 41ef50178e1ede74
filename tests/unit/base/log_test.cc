#include "base/log.h"

#include <gtest/gtest.h>

namespace pailfs {
namespace {

TEST(Log, OneMessageIsOneLineWithTimeAndLevel) {
  testing::internal::CaptureStderr();
  LogWarning("cannot upload a\nb", '\x1b', "[31m: ", 403);
  LogDebug("not shown by default");
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_EQ(line.substr(20), " pailfs warning: cannot upload a\\x0ab\\x1b[31m: 403\n");
  EXPECT_EQ(line.substr(19, 1), "Z");
}

TEST(Log, Levels) {
  SetLogLevel(LogLevel::kDebug);
  EXPECT_TRUE(LogEnabled(LogLevel::kDebug));
  SetLogLevel(LogLevel::kError);
  EXPECT_FALSE(LogEnabled(LogLevel::kWarning));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  SetLogLevel(LogLevel::kInfo);
}

}  // namespace
}  // namespace pailfs
