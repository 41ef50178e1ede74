#include "base/log.h"

#include <syslog.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "base/clock.h"

namespace pailfs {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<bool> g_to_syslog{false};

int Priority(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return LOG_DEBUG;
    case LogLevel::kInfo: return LOG_INFO;
    case LogLevel::kWarning: return LOG_WARNING;
    case LogLevel::kError: return LOG_ERR;
  }
  return LOG_ERR;
}

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "error";
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }
bool LogEnabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void LogToSyslog(std::string_view ident) {
  static std::string kept_ident;
  kept_ident = ident;  // openlog keeps the pointer
  openlog(kept_ident.c_str(), LOG_PID, LOG_DAEMON);
  g_to_syslog = true;
}

void LogMessage(LogLevel level, std::string_view message) {
  if (g_to_syslog) {
    syslog(Priority(level), "%.*s", static_cast<int>(message.size()), message.data());
    return;
  }
  static const bool under_journald = std::getenv("JOURNAL_STREAM") != nullptr;
  const std::string line =
      under_journald ? StrCat('<', Priority(level), '>', message, '\n')
                     : StrCat(FormatTimeUtc(SystemClock().WallNs()), " pailfs ", Name(level), ": ", message, '\n');
  // One write, so that lines of several threads stay whole; a log that cannot be written has nowhere to say so.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace pailfs
