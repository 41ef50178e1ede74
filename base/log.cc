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
    case LogLevel::kDebug:
      return LOG_DEBUG;
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kError:
      return LOG_ERR;
  }
  return LOG_ERR;
}

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// Names of files may hold anything; a line of the log is one line and no escape sequence.
std::string Printable(std::string_view message) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      text.push_back(c);
    } else {
      text.append({'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return text;
}

}  // namespace

void SetLogLevel(LogLevel level) {
  g_level = level;
}
bool LogEnabled(LogLevel level) {
  return level >= g_level.load(std::memory_order_relaxed);
}

void LogToSyslog(std::string_view ident) {
  static std::string kept_ident;
  kept_ident = ident;  // openlog keeps the pointer
  openlog(kept_ident.c_str(), LOG_PID, LOG_DAEMON);
  g_to_syslog = true;
}

void LogMessage(LogLevel level, std::string_view raw_message) {
  const std::string message = Printable(raw_message);
  if (g_to_syslog) {
    syslog(Priority(level), "%s", message.c_str());
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
