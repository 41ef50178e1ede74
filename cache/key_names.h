// Keys and names. A key segment (what stands between two '/') is a POSIX name when it is not empty, not "." or "..",
// and at most 255 bytes; then it is shown as it is. Other segments, and an object "a" that stands beside keys "a/…",
// are shown under escaped names: docs/FORMATS.md, "Escaped names". Within a directory no two objects or prefixes share
// a name, and every name of up to 255 bytes stands for one segment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pailfs::cache {

enum class KeySegmentKind : uint8_t {
  kObject,
  kDirectory,
  kObjectBesideDirectory,  // the directory keeps the plain name
};

// Always a POSIX name. `segment`: any bytes but '/' and NUL.
std::string NameOfKeySegment(std::string_view segment, KeySegmentKind kind);

// The inverse: the segment that `name` stands for. A hashed name cannot be turned back and is returned as it is.
std::string KeySegmentOfName(std::string_view name);

// The hashed name of a segment whose own name shows something else; `what_for` tells those of one segment apart.
std::string HashedNameOfKeySegment(std::string_view segment, std::string_view what_for = "");

// True for the names of segments that are too long or hidden by something else. Only who has listed the directory knows
// the segment.
bool IsHashedName(std::string_view name);

// True for names that a file can be found under, but that none may be given: its key would be that of something else.
bool IsReservedName(std::string_view name);

}  // namespace pailfs::cache
