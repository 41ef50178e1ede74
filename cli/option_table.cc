#include "cli/option_table.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/str.h"
#include "s3client/endpoint.h"

namespace pailfs::cli {
namespace {

constexpr uint64_t kSmallestCache = 16 << 20;
constexpr uint64_t kMostConnections = 1000;
constexpr uint64_t kMostMoments = 10'000;

Error Bad(std::string_view name, std::string_view value, std::string_view expected) {
  return Error{Errc::kInvalidArgument, StrCat(name, "=", value, ": expected ", expected)};
}

Result<bool> OnOrOff(std::string_view name, std::string_view value) {
  if (value.empty() || value == "on" || value == "true" || value == "yes") return true;
  if (value == "off" || value == "false" || value == "no") return false;
  return Bad(name, value, "on or off");
}

Result<uint32_t> ParseId(std::string_view name, std::string_view value, std::optional<uint32_t> named) {
  const auto number = ParseUint(value);
  if (number && *number < std::numeric_limits<uint32_t>::max()) return static_cast<uint32_t>(*number);
  if (named) return *named;
  return Bad(name, value, "a number or a name that this system knows");
}

Status ApplyCache(MountSettings& settings, std::string_view value) {
  settings.cache_directory = std::string(value);
  return {};
}

Status ApplyCacheSize(MountSettings& settings, std::string_view value) {
  auto bytes = ParseSize(value);
  if (!bytes.ok()) return std::move(bytes).error().With("cache_size");
  if (*bytes < kSmallestCache) return Bad("cache_size", value, "at least 16M");
  settings.cache_size_bytes = *bytes;
  return {};
}

Status ApplyTtl(MountSettings& settings, std::string_view value) {
  auto ns = ParseDurationNs(value);
  if (!ns.ok()) return std::move(ns).error().With("ttl");
  settings.ttl_ns = *ns;
  return {};
}

Status ApplyWritebackDelay(MountSettings& settings, std::string_view value) {
  auto ns = ParseDurationNs(value);
  if (!ns.ok()) return std::move(ns).error().With("writeback_delay");
  settings.writeback_delay_ns = *ns;
  return {};
}

Status ApplyFsync(MountSettings& settings, std::string_view value) {
  if (value != "local" && value != "bucket") return Bad("fsync", value, "local or bucket");
  settings.fsync_to_bucket = value == "bucket";
  return {};
}

Status ApplyPosix(MountSettings& settings, std::string_view value) {
  ASSIGN_OR_RETURN(settings.posix_metadata, OnOrOff("posix", value));
  return {};
}

Status ApplySnapdir(MountSettings& settings, std::string_view value) {
  constexpr std::array kViews{std::pair("hidden", cache::SnapshotView::kHidden),
                              std::pair("visible", cache::SnapshotView::kVisible),
                              std::pair("off", cache::SnapshotView::kOff)};
  for (const auto& [name, view] : kViews) {
    if (value != name) continue;
    settings.snapshot_view = view;
    return {};
  }
  return Bad("snapdir", value, "hidden, visible or off");
}

template <std::string MountSettings::*kMember>
Status ApplyViewName(MountSettings& settings, std::string_view value) {
  const bool is_name = value.size() <= cache::kMaxNameBytes && value != "." && value != ".." && value != ".pailfs" &&
                       value.find('/') == std::string_view::npos;
  if (!is_name) return Error{Errc::kInvalidArgument, StrCat("'", value, "' is no name for a directory")};
  settings.*kMember = std::string(value);
  if (settings.snapshot_name != settings.versions_name) return {};
  return Error{Errc::kInvalidArgument, StrCat("snapdir_name and versions_name are both '", value, "'")};
}

// "24h:30d:52w"
Status ApplySnapdirSeries(MountSettings& settings, std::string_view value) {
  cache::SnapshotSeries series{0, 0, 0};
  for (std::string_view rest = value; value != "none" && !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const char unit = part.empty() ? ' ' : part.back();
    int* const into = unit == 'h' ? &series.hours : unit == 'd' ? &series.days : unit == 'w' ? &series.weeks : nullptr;
    const uint64_t count = ParseUint(part.substr(0, part.size() - (part.empty() ? 0 : 1))).value_or(kMostMoments + 1);
    if (count > kMostMoments || into == nullptr) {
      return Bad("snapdir_series", value, "full hours, days and weeks such as 24h:30d:52w, or none");
    }
    *into = static_cast<int>(count);
  }
  settings.snapshot_series = series;
  return {};
}

Status ApplyUid(MountSettings& settings, std::string_view value) {
  const passwd* entry = getpwnam(std::string(value).c_str());
  ASSIGN_OR_RETURN(settings.uid, ParseId("uid", value, entry ? std::optional(entry->pw_uid) : std::nullopt));
  return {};
}

Status ApplyGid(MountSettings& settings, std::string_view value) {
  const group* entry = getgrnam(std::string(value).c_str());
  ASSIGN_OR_RETURN(settings.gid, ParseId("gid", value, entry ? std::optional(entry->gr_gid) : std::nullopt));
  return {};
}

Status ApplyUmask(MountSettings& settings, std::string_view value) {
  uint32_t mask = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), mask, 8);
  if (value.empty() || parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || mask > 0777) {
    return Bad("umask", value, "octal digits such as 022");
  }
  settings.umask = mask;
  return {};
}

Status ApplyAllowOther(MountSettings& settings, std::string_view value) {
  ASSIGN_OR_RETURN(settings.allow_other, OnOrOff("allow_other", value));
  return {};
}

Status ApplyRo(MountSettings& settings, std::string_view) {
  settings.read_only = true;
  return {};
}

Status ApplyRw(MountSettings& settings, std::string_view) {
  settings.read_only = false;
  return {};
}

// Options whose value is taken as it is.
template <std::string S3Settings::*kMember>
Status ApplyS3Text(MountSettings& settings, std::string_view value) {
  settings.s3.*kMember = std::string(value);
  return {};
}

Status ApplyEndpoint(MountSettings& settings, std::string_view value) {
  const bool has_scheme = value.starts_with("http://") || value.starts_with("https://");
  if (!has_scheme || !s3client::ParseEndpoint(value).ok()) {
    return Bad("endpoint", value, "http://HOST[:PORT] or https://HOST[:PORT]");
  }
  settings.s3.endpoint = std::string(value);
  return {};
}

Status ApplyAddressing(MountSettings& settings, std::string_view value) {
  if (value != "auto" && value != "path" && value != "virtual")
    return Bad("addressing", value, "auto, path or virtual");
  settings.s3.addressing = value == "auto" ? "" : std::string(value);
  return {};
}

Status ApplySse(MountSettings& settings, std::string_view value) {
  if (value != "s3" && value != "kms" && value != "c") return Bad("sse", value, "s3, kms or c");
  settings.s3.encryption = std::string(value);
  return {};
}

Status ApplyAnonymous(MountSettings& settings, std::string_view) {
  settings.s3.anonymous = true;
  return {};
}

Status ApplyRequesterPays(MountSettings& settings, std::string_view) {
  settings.s3.requester_pays = true;
  return {};
}

Status ApplyTimeout(MountSettings& settings, std::string_view value) {
  auto ns = ParseDurationNs(value);
  if (!ns.ok()) return std::move(ns).error().With("timeout");
  if (*ns < 1'000'000'000) return Bad("timeout", value, "at least 1s");
  settings.s3.timeout_ns = *ns;
  return {};
}

Status ApplyConnections(MountSettings& settings, std::string_view value) {
  const auto number = ParseUint(value);
  if (!number || *number < 1 || *number > kMostConnections) {
    return Bad("connections", value, StrCat("a number from 1 to ", kMostConnections));
  }
  settings.s3.connections = static_cast<int>(*number);
  return {};
}

constexpr OptionKind kOurs = OptionKind::kOurs;
constexpr OptionKind kKernel = OptionKind::kKernel;
constexpr OptionKind kIgnored = OptionKind::kIgnored;

constexpr std::array kTable{
    OptionSpec{"cache", "DIR", kOurs, "the cache directory (default: one for each source under /var/cache/pailfs)",
               ApplyCache},
    OptionSpec{"cache_size", "SIZE", kOurs, "limit of cached file data, not yet uploaded data included (default 20G)",
               ApplyCacheSize},
    OptionSpec{"ttl", "TIME", kOurs,
               "how long what is known of names is believed (default 1s; a store is ours alone: 1h)", ApplyTtl},
    OptionSpec{"writeback_delay", "TIME", kOurs, "how long a file rests before it is uploaded (default 2s)",
               ApplyWritebackDelay},
    OptionSpec{"fsync", "local|bucket", kOurs, "where data is when fsync() returns (default local: in the cache)",
               ApplyFsync},
    OptionSpec{"posix", "on|off", kOurs, "keep modes, owners and times with the objects (default on)", ApplyPosix},
    OptionSpec{"snapdir", "hidden|visible|off", kOurs,
               "the past in .snapshot and .versions of each directory (default hidden)", ApplySnapdir},
    OptionSpec{"snapdir_name", "NAME", kOurs, "instead of .snapshot", ApplyViewName<&MountSettings::snapshot_name>},
    OptionSpec{"versions_name", "NAME", kOurs, "instead of .versions", ApplyViewName<&MountSettings::versions_name>},
    OptionSpec{"snapdir_series", "24h:30d:52w", kOurs, "moments that .snapshot lists: full hours, days, weeks; or none",
               ApplySnapdirSeries},
    OptionSpec{"uid", "USER", kOurs, "show everything as owned by this user", ApplyUid},
    OptionSpec{"gid", "GROUP", kOurs, "show everything as owned by this group", ApplyGid},
    OptionSpec{"umask", "OCTAL", kOurs, "permissions taken from objects that carry none (default 022)", ApplyUmask},
    OptionSpec{"allow_other", "[on|off]", kOurs, "other users may use the mount (default on for root, off otherwise)",
               ApplyAllowOther},
    OptionSpec{"ro", "", kOurs, "read-only", ApplyRo},
    OptionSpec{"rw", "", kOurs, "read and write (default)", ApplyRw},
    OptionSpec{"endpoint", "URL", kOurs, "s3://: the server (default AWS_ENDPOINT_URL, the profile's, or AWS)",
               ApplyEndpoint},
    OptionSpec{"region", "NAME", kOurs, "s3://: the region (default AWS_REGION or the profile's)",
               ApplyS3Text<&S3Settings::region>},
    OptionSpec{"profile", "NAME", kOurs, "s3://: of ~/.aws/config and credentials (default AWS_PROFILE)",
               ApplyS3Text<&S3Settings::profile>},
    OptionSpec{"passwd_file", "FILE", kOurs, "s3://: a file with KEY:SECRET, readable by its owner only",
               ApplyS3Text<&S3Settings::passwd_file>},
    OptionSpec{"anonymous", "", kOurs, "s3://: sign nothing, for public buckets", ApplyAnonymous},
    OptionSpec{"addressing", "auto|path|virtual", kOurs,
               "s3://: where the bucket's name stands in URLs (default auto: what fits)", ApplyAddressing},
    OptionSpec{"ca_file", "FILE", kOurs, "s3://: PEM certificates to trust instead of the system's (AWS_CA_BUNDLE)",
               ApplyS3Text<&S3Settings::ca_file>},
    OptionSpec{"sse", "s3|kms|c", kOurs, "s3://: encryption by the server", ApplySse},
    OptionSpec{"sse_kms_key", "ID", kOurs, "s3://: the key for sse=kms (default the bucket's)",
               ApplyS3Text<&S3Settings::kms_key_id>},
    OptionSpec{"sse_c_key_file", "FILE", kOurs,
               "s3://: the key for sse=c: 32 bytes or their base64, readable by its owner only",
               ApplyS3Text<&S3Settings::customer_key_file>},
    OptionSpec{"storage_class", "NAME", kOurs, "s3://: of what is written", ApplyS3Text<&S3Settings::storage_class>},
    OptionSpec{"acl", "NAME", kOurs, "s3://: canned ACL of what is written", ApplyS3Text<&S3Settings::acl>},
    OptionSpec{"tagging", "NAME=VALUE[&…]", kOurs, "s3://: tags of what is written", ApplyS3Text<&S3Settings::tagging>},
    OptionSpec{"requester_pays", "", kOurs, "s3://: we pay for requests and transfer", ApplyRequesterPays},
    OptionSpec{"timeout", "TIME", kOurs, "s3://: how long a request is tried before it fails (default 30s)",
               ApplyTimeout},
    OptionSpec{"connections", "N", kOurs, "s3://: most requests at a time (default 64)", ApplyConnections},
    OptionSpec{"nodev", "", kKernel, "no device files", nullptr},
    OptionSpec{"dev", "", kKernel, "device files work", nullptr},
    OptionSpec{"nosuid", "", kKernel, "set-user-ID bits have no effect", nullptr},
    OptionSpec{"suid", "", kKernel, "set-user-ID bits have effect", nullptr},
    OptionSpec{"noexec", "", kKernel, "no programs are run from the mount", nullptr},
    OptionSpec{"exec", "", kKernel, "programs can be run from the mount", nullptr},
    OptionSpec{"noatime", "", kKernel, "reading does not change access times", nullptr},
    OptionSpec{"sync", "", kKernel, "writes are synchronous", nullptr},
    OptionSpec{"async", "", kKernel, "writes are not synchronous", nullptr},
    OptionSpec{"dirsync", "", kKernel, "directory changes are synchronous", nullptr},
    OptionSpec{"defaults", "", kIgnored, "nothing", nullptr},
    OptionSpec{"auto", "", kIgnored, "for mount -a", nullptr},
    OptionSpec{"noauto", "", kIgnored, "for mount -a", nullptr},
    OptionSpec{"nofail", "", kIgnored, "for mount -a and systemd", nullptr},
    OptionSpec{"user", "[NAME]", kIgnored, "for mount(8)", nullptr},
    OptionSpec{"users", "", kIgnored, "for mount(8)", nullptr},
    OptionSpec{"nouser", "", kIgnored, "for mount(8)", nullptr},
    OptionSpec{"owner", "", kIgnored, "for mount(8)", nullptr},
    OptionSpec{"group", "", kIgnored, "for mount(8)", nullptr},
    OptionSpec{"_netdev", "", kIgnored, "for mount -a and systemd", nullptr},
    OptionSpec{"comment", "TEXT", kIgnored, "for people", nullptr},
    OptionSpec{"x-*", "[TEXT]", kIgnored, "for other programs; X-* too", nullptr},
    OptionSpec{"default_permissions", "", kIgnored, "the kernel always checks permissions", nullptr},
    OptionSpec{"relatime", "", kIgnored, "", nullptr},
    OptionSpec{"norelatime", "", kIgnored, "", nullptr},
    OptionSpec{"strictatime", "", kIgnored, "", nullptr},
    OptionSpec{"nostrictatime", "", kIgnored, "", nullptr},
    OptionSpec{"atime", "", kIgnored, "", nullptr},
    OptionSpec{"diratime", "", kIgnored, "", nullptr},
    OptionSpec{"nodiratime", "", kIgnored, "", nullptr},
    OptionSpec{"lazytime", "", kIgnored, "", nullptr},
    OptionSpec{"nolazytime", "", kIgnored, "", nullptr},
    OptionSpec{"silent", "", kIgnored, "", nullptr},
    OptionSpec{"loud", "", kIgnored, "", nullptr},
};

struct Word {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

Word SplitWord(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return {word, {}, false};
  return {word.substr(0, equals), word.substr(equals + 1), true};
}

const OptionSpec* Find(std::string_view name) {
  if (name.starts_with("x-") || name.starts_with("X-")) name = "x-*";
  for (const OptionSpec& spec : kTable) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

std::string Shown(const OptionSpec& spec) {
  if (spec.argument.empty()) return std::string(spec.name);
  if (spec.argument.front() != '[') return StrCat(spec.name, '=', spec.argument);
  return StrCat(spec.name, "[=", spec.argument.substr(1));
}

}  // namespace

std::span<const OptionSpec> OptionTable() {
  return kTable;
}

std::vector<std::string> SplitOptions(std::string_view list) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\' && i + 1 < list.size()) {
      words.back().push_back(list[++i]);
    } else if (list[i] == ',') {
      words.emplace_back();
    } else {
      words.back().push_back(list[i]);
    }
  }
  std::erase(words, "");
  return words;
}

bool IsUnknownOption(std::string_view word) {
  return Find(SplitWord(word).name) == nullptr;
}

Status ApplyOption(MountSettings& settings, std::string_view text) {
  const Word word = SplitWord(text);
  const OptionSpec* spec = Find(word.name);
  if (spec == nullptr) {
    std::vector<std::string_view> names;
    for (const OptionSpec& known : kTable) names.push_back(known.name);
    const auto nearest = NearestWord(word.name, names);
    return Error{Errc::kInvalidArgument, StrCat("unknown option '", word.name, "'",
                                                nearest ? StrCat("; did you mean '", *nearest, "'?")
                                                        : "; 'pailfs mount --help' lists all options")};
  }
  const bool needs_value = !spec->argument.empty() && spec->argument.front() != '[';
  if (needs_value && word.value.empty()) {
    return Error{Errc::kInvalidArgument, StrCat("option ", spec->name, " needs a value: ", Shown(*spec))};
  }
  if (spec->argument.empty() && word.has_value) {
    return Error{Errc::kInvalidArgument, StrCat("option ", spec->name, " takes no value")};
  }
  if (spec->kind == OptionKind::kOurs) return spec->apply(settings, word.value);
  if (spec->kind == OptionKind::kKernel) settings.kernel_options.emplace_back(text);
  return {};
}

std::string OptionsHelp() {
  static constexpr size_t kColumn = 26;
  std::string text;
  std::string kernel;
  std::string ignored;
  for (const OptionSpec& spec : kTable) {
    if (spec.kind != OptionKind::kOurs) {
      std::string& list = spec.kind == OptionKind::kKernel ? kernel : ignored;
      list += StrCat(list.empty() ? "" : " ", Shown(spec));
      continue;
    }
    std::string line = StrCat("  ", Shown(spec));
    line.resize(std::max(kColumn, line.size() + 1), ' ');
    text += StrCat(line, spec.help, '\n');
  }
  // Breaks a list of words into lines.
  const auto wrapped = [](std::string_view words) {
    std::string out = "   ";
    size_t column = out.size();
    while (!words.empty()) {
      const std::string_view word = words.substr(0, words.find(' '));
      if (column + 1 + word.size() > 100) {
        out += "\n   ";
        column = 3;
      }
      out += StrCat(' ', word);
      column += 1 + word.size();
      words.remove_prefix(std::min(words.size(), word.size() + 1));
    }
    return out;
  };
  text += StrCat("  given to the kernel:\n", wrapped(kernel), '\n');
  text += StrCat("  accepted, without effect here:\n", wrapped(ignored), '\n');
  return text;
}

std::string OptionsMarkdown() {
  std::string text =
      "# Options of a mount\n\n"
      "The same words after `-o`, in `/etc/fstab`, and in `/etc/pailfs/pailfs.toml`. Sizes are written `512M`, `20G`\n"
      "(powers of 1,024), times `500ms`, `2s`, `5m`, `1h`. A comma inside a value is written `\\,`. Of two that "
      "contradict each\n"
      "other the later one counts; the command line counts more than the file, and a source's table in the file more "
      "than\n"
      "`[defaults]`. An option that is not listed here is an error.\n\n"
      "```toml\n"
      "# /etc/pailfs/pailfs.toml\n"
      "[defaults]\n"
      "cache_size = \"50G\"\n\n"
      "[mount.\"store:/srv/pail/photos\"]\n"
      "cache = \"/fast/photos\"\n"
      "ro = true\n"
      "```\n\n"
      "| option | meaning |\n|---|---|\n";
  std::string others = "\n## Given to the kernel\n\n| option | meaning |\n|---|---|\n";
  std::string ignored =
      "\n## Accepted, without effect here\n\nThey mean something to `mount(8)` or to other programs, or describe what "
      "pailfs "
      "does anyway.\n\n";
  bool first = true;
  for (const OptionSpec& spec : kTable) {
    std::string shown;
    for (const char c : Shown(spec)) shown += c == '|' ? "\\|" : std::string(1, c);
    if (spec.kind == OptionKind::kIgnored) {
      ignored += StrCat(first ? "" : ", ", '`', Shown(spec), '`');
      first = false;
    } else {
      (spec.kind == OptionKind::kOurs ? text : others) += StrCat("| `", shown, "` | ", spec.help, " |\n");
    }
  }
  return StrCat(text, others, ignored, "\n");
}

}  // namespace pailfs::cli
