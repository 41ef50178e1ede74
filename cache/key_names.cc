#include "cache/key_names.h"

namespace pailfs::cache {
namespace {

constexpr std::string_view kEscape = "%pailfs-";
constexpr std::string_view kEmpty = "%pailfs-empty";
constexpr std::string_view kDot = "%pailfs-dot";
constexpr std::string_view kDotDot = "%pailfs-dotdot";
constexpr std::string_view kName = "%pailfs-name-";
constexpr std::string_view kFile = "%pailfs-file-";

}  // namespace

std::string NameOfKeySegment(std::string_view segment, KeySegmentKind kind) {
  if (kind == KeySegmentKind::kObjectBesideDirectory) return std::string(kFile) + std::string(segment);
  if (segment.empty()) return std::string(kEmpty);
  if (segment == ".") return std::string(kDot);
  if (segment == "..") return std::string(kDotDot);
  if (segment.starts_with(kEscape)) return std::string(kName) + std::string(segment);
  return std::string(segment);
}

std::string KeySegmentOfName(std::string_view name) {
  if (name == kEmpty) return "";
  if (name == kDot) return ".";
  if (name == kDotDot) return "..";
  if (name.starts_with(kName)) return std::string(name.substr(kName.size()));
  if (name.starts_with(kFile)) return std::string(name.substr(kFile.size()));
  return std::string(name);
}

}  // namespace pailfs::cache
