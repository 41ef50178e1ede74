// Logging. To stderr: with journald's "<N>" priority prefixes under systemd (JOURNAL_STREAM set), with time and level
// otherwise; to syslog once a daemon has left its terminal. Control characters are written as \xNN. Never log secrets,
// file content, or user metadata values.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/str.h"

namespace pailfs {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// Thread-safe. Messages below the level are dropped; the default is kInfo.
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);
// From now on to syslog(3) as `ident`.
void LogToSyslog(std::string_view ident);
void LogMessage(LogLevel level, std::string_view message);

template <typename... Pieces>
void LogDebug(const Pieces&... pieces) {
  if (LogEnabled(LogLevel::kDebug)) LogMessage(LogLevel::kDebug, StrCat(pieces...));
}
template <typename... Pieces>
void LogInfo(const Pieces&... pieces) {
  if (LogEnabled(LogLevel::kInfo)) LogMessage(LogLevel::kInfo, StrCat(pieces...));
}
template <typename... Pieces>
void LogWarning(const Pieces&... pieces) {
  if (LogEnabled(LogLevel::kWarning)) LogMessage(LogLevel::kWarning, StrCat(pieces...));
}
template <typename... Pieces>
void LogError(const Pieces&... pieces) {
  if (LogEnabled(LogLevel::kError)) LogMessage(LogLevel::kError, StrCat(pieces...));
}

}  // namespace pailfs
