#include "cache/metadata_codec.h"

#include <strings.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr size_t kNsDigits = 9;
constexpr uint64_t kMaxSymlinkBytes = 4095;  // Linux: PATH_MAX without its NUL

constexpr std::array<std::string_view, 14> kOwnNames{
    "mode",       "uid",        "gid",        "mtime",      "ctime",    "atime", "rdev", "xattr", "file-permissions",
    "file-owner", "file-group", "file-mtime", "file-atime", "pailfs-op"};

bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <typename T>
std::optional<T> Parse(std::string_view text, int base) {
  T value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// Decimal, or with the prefixes of C: geesefs reads "0x1f" and "017".
template <typename T>
std::optional<T> Number(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  std::string_view digits = *text;
  if (digits.size() < 2 || digits[0] != '0') return Parse<T>(digits, 10);
  if (digits[1] == 'x' || digits[1] == 'X') return Parse<T>(digits.substr(2), 16);
  return Parse<T>(digits, 8);
}

// (uid_t)-1 is nobody's: chown takes it for "leave it".
std::optional<uint32_t> Id(const std::string* text) {
  const auto id = Number<uint32_t>(text);
  return id == UINT32_MAX ? std::nullopt : id;
}

// A known file type or none, and permissions.
std::optional<uint32_t> ValidMode(std::optional<uint32_t> mode) {
  if (!mode || (*mode & ~uint32_t{S_IFMT | 07777}) != 0) return std::nullopt;
  switch (*mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
      return mode;
    default:
      return std::nullopt;
  }
}

std::optional<uint32_t> OctalMode(const std::string* text) {
  return text == nullptr ? std::nullopt : ValidMode(Parse<uint32_t>(*text, 8));
}

// s3fs and geesefs write decimals; rclone writes octal digits under the same name, which make no mode when read as
// decimal: "100644", "40755", "120777".
std::optional<uint32_t> Mode(const std::string* text) {
  const auto mode = ValidMode(Number<uint32_t>(text));
  return mode ? mode : OctalMode(text);
}

std::optional<int64_t> Nanoseconds(int64_t seconds, int64_t fraction_ns) {
  int64_t ns = 0;
  // Towards zero first, so that the first second that an int64_t can hold is not lost.
  if (seconds < 0) {
    ++seconds;
    fraction_ns -= kNsPerSecond;
  }
  if (__builtin_mul_overflow(seconds, kNsPerSecond, &ns) || __builtin_add_overflow(ns, fraction_ns, &ns)) {
    return std::nullopt;
  }
  return ns;
}

// What stands after a decimal point, in nanoseconds; further digits are cut off.
std::optional<int64_t> Fraction(std::string_view digits) {
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::string ns(digits.substr(0, kNsDigits));
  ns.resize(kNsDigits, '0');
  return Parse<int64_t>(ns, 10);
}

// "1354040105", "1354040105.123456789", "-12.5". s3fs writes tv_sec, a point and tv_nsec in nine digits, so that its
// fraction counts upwards before 1970 too; rclone writes a decimal number, without zeros at the end.
std::optional<int64_t> Seconds(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view all = *text;
  const size_t dot = std::min(all.find('.'), all.size());
  const auto seconds = Parse<int64_t>(all.substr(0, dot), 10);
  if (!seconds) return std::nullopt;
  if (dot == all.size()) return Nanoseconds(*seconds, 0);
  const std::string_view digits = all.substr(dot + 1);
  const auto fraction = Fraction(digits);
  if (!fraction) return std::nullopt;
  const bool decimal = all.starts_with('-') && (digits.size() != kNsDigits || *seconds == 0);
  if (!decimal || *fraction == 0) return Nanoseconds(*seconds, *fraction);
  if (*seconds == INT64_MIN) return std::nullopt;
  return Nanoseconds(*seconds - 1, kNsPerSecond - *fraction);
}

// "1595002920000000000ns"; without the suffix milliseconds.
std::optional<int64_t> AwsTime(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  std::string_view digits = *text;
  const bool ns = digits.ends_with("ns");
  if (ns) digits.remove_suffix(2);
  const auto value = Parse<int64_t>(digits, 10);
  int64_t scaled = 0;
  if (!value || __builtin_mul_overflow(*value, ns ? 1 : 1'000'000, &scaled)) return std::nullopt;
  return scaled;
}

// "+02:00" or "Z", in seconds.
std::optional<int64_t> ZoneOffset(std::string_view zone) {
  if (zone == "Z") return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto hours = Parse<uint32_t>(zone.substr(1, 2), 10);
  const auto minutes = Parse<uint32_t>(zone.substr(4, 2), 10);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int64_t offset = int64_t{*hours} * 3600 + int64_t{*minutes} * 60;
  return zone[0] == '-' ? -offset : offset;
}

// "2026-11-22T08:00:00.123456789Z", "2026-11-22T10:00:00+02:00".
std::optional<int64_t> Rfc3339(const std::string* text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text == nullptr || text->size() <= kShape.size()) return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i) {
    const char c = (*text)[i];
    if (kShape[i] == '0' ? c < '0' || c > '9' : c != kShape[i]) return std::nullopt;
  }
  const auto field = [text](size_t at, size_t digits) {
    return *Parse<uint32_t>(std::string_view(*text).substr(at, digits), 10);
  };
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(field(0, 4))),
                                         std::chrono::month(field(5, 2)), std::chrono::day(field(8, 2)));
  if (!date.ok() || field(11, 2) > 23 || field(14, 2) > 59 || field(17, 2) > 60) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(kShape.size());
  std::optional<int64_t> fraction = 0;
  if (rest.starts_with('.')) {
    const size_t zone = std::min(rest.find_first_of("Z+-"), rest.size());
    fraction = Fraction(rest.substr(1, zone - 1));
    rest.remove_prefix(zone);
  }
  const auto offset = ZoneOffset(rest);
  if (!fraction || !offset) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t of_day = int64_t{field(11, 2)} * 3600 + int64_t{field(14, 2)} * 60 + int64_t{field(17, 2)};
  return Nanoseconds(days * 86'400 + of_day - *offset, *fraction);
}

std::string FormatSeconds(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond;
  int64_t fraction = ns % kNsPerSecond;
  if (fraction < 0) {
    fraction += kNsPerSecond;
    --seconds;
  }
  if (fraction == 0) return StrCat(seconds);
  const std::string digits = StrCat(fraction);
  return StrCat(seconds, '.', std::string(kNsDigits - digits.size(), '0'), digits);
}

bool IsPlain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' ||
         c == '.' || c == '~';
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
    if (text[i] == '%' && i + 2 < text.size() &&
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

// "atime:1/ctime:2/gid:3/mode:33188/mtime:4/uid:5/…"
UserMetadata S3cmdFields(const std::string* attributes) {
  UserMetadata fields;
  std::string_view rest = attributes == nullptr ? std::string_view() : *attributes;
  while (!rest.empty()) {
    const std::string_view field = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    const size_t colon = field.find(':');
    if (colon != std::string_view::npos) fields.emplace_back(field.substr(0, colon), field.substr(colon + 1));
  }
  return fields;
}

template <typename T>
void SetIfAbsent(std::optional<T>& target, const std::optional<T>& value) {
  if (!target) target = value;
}

}  // namespace

bool IsPosixMetadataName(std::string_view name) {
  return std::any_of(kOwnNames.begin(), kOwnNames.end(), [name](std::string_view own) { return Same(own, name); });
}

PosixMetadata DecodeMetadata(const UserMetadata& metadata, const ContentHeaders&, std::string_view, uint64_t) {
  const auto find = [&metadata](std::string_view name) { return FindMetadata(metadata, name); };
  PosixMetadata posix;
  // s3fs, geesefs, rclone.
  posix.mode = Mode(find("mode"));
  posix.uid = Id(find("uid"));
  posix.gid = Id(find("gid"));
  posix.mtime_ns = Seconds(find("mtime"));
  posix.ctime_ns = Seconds(find("ctime"));
  posix.atime_ns = Seconds(find("atime"));
  posix.rdev = Number<uint64_t>(find("rdev"));
  posix.xattrs = DecodeXattrs(find("xattr"));
  SetIfAbsent(posix.mtime_ns, Rfc3339(find("mtime")));
  SetIfAbsent(posix.atime_ns, Rfc3339(find("atime")));
  // The AWS file services.
  SetIfAbsent(posix.mode, OctalMode(find("file-permissions")));
  SetIfAbsent(posix.uid, Id(find("file-owner")));
  SetIfAbsent(posix.gid, Id(find("file-group")));
  SetIfAbsent(posix.mtime_ns, AwsTime(find("file-mtime")));
  SetIfAbsent(posix.atime_ns, AwsTime(find("file-atime")));
  // s3sync.
  SetIfAbsent(posix.mode, ValidMode(Number<uint32_t>(find("permissions"))));
  SetIfAbsent(posix.uid, Id(find("owner")));
  SetIfAbsent(posix.gid, Id(find("group")));
  // Google's POSIX preservation, gcsfuse.
  SetIfAbsent(posix.mode, OctalMode(find("goog-reserved-posix-mode")));
  SetIfAbsent(posix.uid, Id(find("goog-reserved-posix-uid")));
  SetIfAbsent(posix.gid, Id(find("goog-reserved-posix-gid")));
  SetIfAbsent(posix.mtime_ns, Seconds(find("goog-reserved-file-mtime")));
  SetIfAbsent(posix.atime_ns, Seconds(find("goog-reserved-file-atime")));
  SetIfAbsent(posix.mtime_ns, Rfc3339(find("gcsfuse_mtime")));
  // s3cmd.
  const UserMetadata s3cmd = S3cmdFields(find("s3cmd-attrs"));
  SetIfAbsent(posix.mode, Mode(FindMetadata(s3cmd, "mode")));
  SetIfAbsent(posix.uid, Id(FindMetadata(s3cmd, "uid")));
  SetIfAbsent(posix.gid, Id(FindMetadata(s3cmd, "gid")));
  SetIfAbsent(posix.mtime_ns, Seconds(FindMetadata(s3cmd, "mtime")));
  if (const std::string* target = find("--symlink-target")) posix.symlink_target = UrlDecode(*target);
  if (const std::string* target = find("gcsfuse_symlink_target")) posix.symlink_target = *target;
  if (posix.symlink_target && posix.symlink_target->empty()) posix.symlink_target.reset();
  const std::string* reserved = find("goog-reserved-file-is-symlink");
  posix.is_symlink = posix.symlink_target.has_value() || (reserved != nullptr && *reserved == "true");
  return posix;
}

void DropContentMetadata(UserMetadata& metadata) {
  std::erase_if(metadata,
                [](const auto& pair) { return Same(pair.first, "md5chksum") || Same(pair.first, "s3cmd-attrs"); });
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

uint32_t FileTypeOf(const PosixMetadata& posix, const ContentHeaders& headers, std::string_view key,
                    uint64_t size_bytes) {
  if (key.ends_with('/')) return S_IFDIR;
  const uint32_t type = posix.mode.value_or(0) & S_IFMT;
  if (posix.is_symlink || type == S_IFLNK) {
    const bool body_is_target = size_bytes > 0 && size_bytes <= kMaxSymlinkBytes;
    return posix.symlink_target || body_is_target ? S_IFLNK : S_IFREG;
  }
  if (size_bytes > 0) return S_IFREG;
  if (type != 0) return type;
  return headers.type == "application/x-directory" || headers.type == "httpd/unix-directory" ? S_IFDIR : S_IFREG;
}

uint64_t XattrMetadataBytes(const std::map<std::string, std::string>& xattrs) {
  return xattrs.empty() ? 0 : EncodeXattrs(xattrs).size() + std::string_view("xattr").size();
}

}  // namespace pailfs::cache
