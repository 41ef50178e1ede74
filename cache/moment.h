// The spellings of a moment in the past, as names in `.snapshot`.
//
//   2026-11-22T08:00:00Z  2026-11-22T08:00:00.123Z  2026-11-22T08:00:00+01:00  20261122T080000Z   a zone as ISO 8601
//   2026-11-22T08:00:00  2026-11-22 08:00  2026-11-22_08.00.00  2026-11-22                        local time
//   @GMT-2026.11.22-08.00.00                                                                      Samba, UTC
//   @1795334400  @1795334400.5                                                                    seconds since 1970
//   UTC -90s  -15m  -2h  -1d12h  -2w  -1y                                                             before now now
//   today (its midnight)  yesterday (this time of day)                                       local time
//
// The second that is named counts whole: what was stored in it had happened. A moment named from now on backwards by
// minutes or more is that of the whole minute, so that a name means the same for as long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pailfs::cache {

// Microseconds since 1970 UTC: everything up to and including it had happened. nullopt: no spelling of a moment, or no
// such day. Local time is that of the process.
std::optional<int64_t> ParseMoment(std::string_view text, int64_t now_us);

// "2026-11-22T08:00:00Z", the second that the moment lies in.
std::string FormatMoment(int64_t time_us);
// "2026-11-22T08:00:00.123456Z".
std::string FormatMomentExactly(int64_t time_us);

}  // namespace pailfs::cache
