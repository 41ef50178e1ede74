#include "cache/metadata_codec.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <strings.h>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kMostSeconds = INT64_MAX / kNsPerSecond - 1;
constexpr std::string_view kOperationName = "pailfs-op";

// Ours first, then those of other dialects with the same meaning.
constexpr std::array<std::string_view, 27> kNames{
    "mode", "uid", "gid", "mtime", "ctime", "atime", "rdev", "xattr",
    "file-permissions", "file-owner", "file-group", "file-mtime", "file-atime",
    kOperationName,
    "permissions", "owner", "group",
    "goog-reserved-posix-mode", "goog-reserved-posix-uid", "goog-reserved-posix-gid", "goog-reserved-file-mtime",
    "goog-reserved-file-is-symlink", "gcsfuse_mtime", "gcsfuse_symlink_target",
    "--symlink-target", "user-agent", "user-agent-id"};

bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<uint64_t> Number(const std::string* text, int base) {
  if (text == nullptr || text->empty()) return std::nullopt;
  uint64_t value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) return std::nullopt;
  return value;
}

std::optional<uint32_t> Number32(const std::string* text, int base) {
  const auto value = Number(text, base);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

// "-12", "1354040105.123456789": the fraction is decimal, whatever its length.
std::optional<int64_t> Seconds(const std::string* text) {
  if (text == nullptr || text->empty()) return std::nullopt;
  std::string_view rest = *text;
  const bool negative = rest.front() == '-';
  if (negative) rest.remove_prefix(1);
  const size_t dot = std::min(rest.find('.'), rest.size());
  const auto whole = ParseUint(rest.substr(0, dot));
  if (!whole || *whole > static_cast<uint64_t>(kMostSeconds)) return std::nullopt;
  int64_t fraction = 0;
  if (dot < rest.size()) {
    std::string digits(rest.substr(dot + 1, 9));
    digits.resize(9, '0');
    const auto parsed = ParseUint(digits);
    if (rest.size() == dot + 1 || !parsed) return std::nullopt;
    fraction = static_cast<int64_t>(*parsed);
  }
  const int64_t seconds = static_cast<int64_t>(*whole);
  // s3fs writes tv_sec and tv_nsec, so the fraction counts upwards for times before 1970 too.
  return (negative ? -seconds : seconds) * kNsPerSecond + fraction;
}

// "1595002920000000000ns"; without the suffix milliseconds.
std::optional<int64_t> AwsTime(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  std::string_view digits = *text;
  const bool ns = digits.ends_with("ns");
  if (ns) digits.remove_suffix(2);
  int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  if (ns) return value;
  if (value > INT64_MAX / 1'000'000 || value < INT64_MIN / 1'000'000) return std::nullopt;
  return value * 1'000'000;
}

// RFC 3339 in UTC: "2026-11-22T08:00:00.123456789Z".
std::optional<int64_t> Rfc3339(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  tm parts{};
  int used = 0;
  if (std::sscanf(text->c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &used) != 6) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(*text).substr(static_cast<size_t>(used));
  if (!rest.ends_with('Z')) return std::nullopt;
  rest.remove_suffix(1);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  const std::string seconds = StrCat(static_cast<int64_t>(timegm(&parts)), rest);
  return Seconds(&seconds);
}

std::string FormatSeconds(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond;
  int64_t fraction = ns % kNsPerSecond;
  if (fraction < 0) {
    fraction += kNsPerSecond;
    --seconds;
  }
  if (fraction == 0) return StrCat(seconds);
  std::string digits = StrCat(fraction);

  return StrCat(seconds, '.', std::string(9 - digits.size(), '0'), digits);
}

bool IsPlain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.' ||
         c == '~';
}

std::string UrlEncode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (IsPlain(c)) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

std::string UrlDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() + 0 &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// s3fs: url-encoded {"name":"base64",…}. Names with quotes or backslashes are escaped as in JSON.
std::string EncodeXattrs(const std::map<std::string, std::string>& xattrs) {
  std::string json = "{";
  for (const auto& [name, value] : xattrs) {
    if (json.size() > 1) json.push_back(',');
    json.push_back('"');
    for (const char c : name) {
      if (c == '"' || c == '\\') json.push_back('\\');
      json.push_back(c);
    }
    json.append("\":\"").append(Base64Encode(value)).push_back('"');
  }
  json.push_back('}');
  return UrlEncode(json);
}

// A quoted string at `at`; moves past it.
std::optional<std::string> QuotedString(std::string_view json, size_t* at) {
  const size_t begin = json.find('"', *at);
  if (begin == std::string_view::npos) return std::nullopt;
  std::string text;
  for (size_t i = begin + 1; i < json.size(); ++i) {
    if (json[i] == '"') {
      *at = i + 1;
      return text;
    }
    if (json[i] == '\\' && i + 1 < json.size()) ++i;
    text.push_back(json[i]);
  }
  return std::nullopt;
}

std::map<std::string, std::string> DecodeXattrs(const std::string* text) {
  std::map<std::string, std::string> xattrs;
  if (text == nullptr) return xattrs;
  const std::string json = UrlDecode(*text);
  for (size_t at = 0;;) {
    const auto name = QuotedString(json, &at);
    const auto encoded = name ? QuotedString(json, &at) : std::nullopt;
    std::string value;
    if (!encoded) return xattrs;
    if (!name->empty() && Base64Decode(*encoded, &value)) xattrs[*name] = value;
  }
}

template <typename T>
void SetIfAbsent(std::optional<T>& target, const std::optional<T>& value) {
  if (!target) target = value;
}

}  // namespace

bool IsPosixMetadataName(std::string_view name) {
  return std::any_of(kNames.begin(), kNames.end(), [name](std::string_view known) { return Same(known, name); });
}

PosixMetadata DecodeMetadata(const UserMetadata& metadata, const ContentHeaders&, std::string_view, uint64_t) {
  const auto find = [&metadata](std::string_view name) { return FindMetadata(metadata, name); };
  PosixMetadata posix;
  // s3fs, geesefs.
  posix.mode = Number32(find("mode"), 10);
  posix.uid = Number32(find("uid"), 10);
  posix.gid = Number32(find("gid"), 10);
  posix.mtime_ns = Seconds(find("mtime"));
  posix.ctime_ns = Seconds(find("ctime"));
  posix.atime_ns = Seconds(find("atime"));
  posix.rdev = Number(find("rdev"), 10);
  posix.xattrs = DecodeXattrs(find("xattr"));
  // The AWS file services.
  SetIfAbsent(posix.mode, Number32(find("file-permissions"), 8));
  SetIfAbsent(posix.uid, Number32(find("file-owner"), 10));
  SetIfAbsent(posix.gid, Number32(find("file-group"), 10));
  SetIfAbsent(posix.mtime_ns, AwsTime(find("file-mtime")));
  SetIfAbsent(posix.atime_ns, AwsTime(find("file-atime")));
  // s3sync, Google.
  SetIfAbsent(posix.mode, Number32(find("permissions"), 10));
  SetIfAbsent(posix.uid, Number32(find("owner"), 10));
  SetIfAbsent(posix.gid, Number32(find("group"), 10));
  SetIfAbsent(posix.mode, Number32(find("goog-reserved-posix-mode"), 8));
  SetIfAbsent(posix.uid, Number32(find("goog-reserved-posix-uid"), 10));
  SetIfAbsent(posix.gid, Number32(find("goog-reserved-posix-gid"), 10));
  SetIfAbsent(posix.mtime_ns, Seconds(find("goog-reserved-file-mtime")));
  SetIfAbsent(posix.mtime_ns, Rfc3339(find("gcsfuse_mtime")));
  if (const std::string* target = find("--symlink-target")) posix.symlink_target = UrlDecode(*target);
  if (const std::string* target = find("gcsfuse_symlink_target")) posix.symlink_target = *target;
  const std::string* reserved = find("goog-reserved-file-is-symlink");
  posix.is_symlink = posix.symlink_target.has_value() || (reserved != nullptr && *reserved == "true");
  return posix;
}

void EncodeMetadata(const PosixMetadata& posix, UserMetadata& metadata) {
  std::erase_if(metadata, [](const auto& pair) { return IsPosixMetadataName(pair.first); });
  const auto set = [&metadata](std::string_view name, std::string value) {
    metadata.emplace_back(std::string(name), std::move(value));
  };
  if (posix.mode) {
    set("mode", StrCat(*posix.mode));
    char octal[16];
    std::snprintf(octal, sizeof octal, "%07o", *posix.mode);
    set("file-permissions", octal);
  }
  if (posix.uid) {
    set("uid", StrCat(*posix.uid));
    set("file-owner", StrCat(*posix.uid));
  }
  if (posix.gid) {
    set("gid", StrCat(*posix.gid));
    set("file-group", StrCat(*posix.gid));
  }
  if (posix.mtime_ns) {
    set("mtime", FormatSeconds(*posix.mtime_ns));
    set("file-mtime", StrCat(*posix.mtime_ns, "ns"));
  }
  if (posix.ctime_ns) set("ctime", FormatSeconds(*posix.ctime_ns));
  if (posix.atime_ns) {
    set("atime", FormatSeconds(*posix.atime_ns));
    set("file-atime", StrCat(*posix.atime_ns, "ns"));
  }
  if (posix.rdev) set("rdev", StrCat(*posix.rdev));
  if (!posix.xattrs.empty()) set("xattr", EncodeXattrs(posix.xattrs));
}

uint32_t FileTypeOf(const PosixMetadata& posix, const ContentHeaders& headers, std::string_view key, uint64_t size_bytes) {
  if (key.ends_with('/')) return S_IFDIR;
  if (posix.is_symlink) return S_IFLNK;
  if (posix.mode) {
    const uint32_t type = *posix.mode & S_IFMT;
    if (type == S_IFLNK || type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK || type == S_IFDIR) {
      return type;
    }
  }
  if (size_bytes == 0 && headers.type == "application/x-directory") return S_IFDIR;
  return S_IFREG;
}

uint64_t XattrMetadataBytes(const std::map<std::string, std::string>& xattrs) {
  return xattrs.empty() ? 0 : EncodeXattrs(xattrs).size() + std::string_view("xattr").size();
}

}  // namespace pailfs::cache
