// Keys and names. A key segment (what stands between two '/') is a POSIX name when it is not empty, not "." or "..", and at
// most 255 bytes; then it is shown as it is. Other segments, and an object "a" that stands beside keys "a/…", are shown under
// escaped names that can be turned back: docs/FORMATS.md, "Escaped names".
#pragma once

#include <string>
#include <string_view>

namespace pailfs::cache {

enum class KeySegmentKind : uint8_t {
  kObject,
  kDirectory,
  kObjectBesideDirectory,  // the directory keeps the plain name
};

// An escaped name starts with "%pailfs-": then "empty", "dot", "dotdot", or "file-", "name-" and the segment. Segments that
// look like an escaped name are shown as "%pailfs-name-" and themselves.
std::string NameOfKeySegment(std::string_view segment, KeySegmentKind kind);

// The inverse: the segment that `name` stands for. Names that no segment has map to themselves.
std::string KeySegmentOfName(std::string_view name);

}  // namespace pailfs::cache
