#include "cache/key_names.h"

#include <algorithm>
#include <span>

#include "base/hash.h"

namespace pailfs::cache {
namespace {

constexpr size_t kMaxBytes = 255;
constexpr std::string_view kEmpty = "%pailfs-empty";
constexpr std::string_view kDot = "%pailfs-dot";
constexpr std::string_view kDotDot = "%pailfs-dotdot";
constexpr std::string_view kFile = "%pailfs-file-";
constexpr std::string_view kLong = "%pailfs-long-";
constexpr std::string_view kName = "%pailfs-name-";
constexpr size_t kHashDigits = 32;

// Segments that are literally such a name move up by one kName, those that are one kName above it by another, and so
// on: a one-to-one mapping without a name that would be nobody's.
bool LooksEscaped(std::string_view name) {
  while (name.starts_with(kName)) name.remove_prefix(kName.size());
  return IsReservedName(name);
}

std::string HashedName(std::string_view segment, std::string_view what_for) {
  const Sha256Digest digest = Sha256Of(std::string(what_for).append(segment));
  std::string name(kLong);
  name.append(Hex(std::span(digest).first(kHashDigits / 2))).push_back('-');
  size_t shown = std::min(segment.size(), kMaxBytes - name.size());
  // Not in the middle of a UTF-8 character.
  for (int i = 0; i < 3 && shown > 0 && shown < segment.size() && (segment[shown] & 0xc0) == 0x80; ++i) --shown;
  return name.append(segment.substr(0, shown));
}

}  // namespace

bool IsHashedName(std::string_view name) {
  if (!name.starts_with(kLong)) return false;
  const std::string_view rest = name.substr(kLong.size());
  return rest.size() > kHashDigits && rest[kHashDigits] == '-' &&
         rest.substr(0, kHashDigits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool IsReservedName(std::string_view name) {
  return name == kEmpty || name == kDot || name == kDotDot || name.starts_with(kFile) || IsHashedName(name);
}

std::string HashedNameOfKeySegment(std::string_view segment, std::string_view what_for) {
  return HashedName(segment, what_for);
}

std::string NameOfKeySegment(std::string_view segment, KeySegmentKind kind) {
  std::string_view prefix;
  if (kind == KeySegmentKind::kObjectBesideDirectory) {
    prefix = kFile;
  } else if (segment.empty()) {
    return std::string(kEmpty);
  } else if (segment == ".") {
    return std::string(kDot);
  } else if (segment == "..") {
    return std::string(kDotDot);
  } else if (LooksEscaped(segment)) {
    prefix = kName;
  }
  if (prefix.size() + segment.size() > kMaxBytes) return HashedName(segment, prefix);
  return std::string(prefix).append(segment);
}

std::string KeySegmentOfName(std::string_view name) {
  if (name == kEmpty) return "";
  if (name == kDot) return ".";
  if (name == kDotDot) return "..";
  if (name.starts_with(kFile)) return std::string(name.substr(kFile.size()));
  if (name.starts_with(kName) && LooksEscaped(name)) return std::string(name.substr(kName.size()));
  return std::string(name);
}

}  // namespace pailfs::cache
