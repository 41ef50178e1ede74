// The config and credentials files that all tools for AWS share (~/.aws/config, ~/.aws/credentials).
//
// Sections in brackets, "name = value" lines in them, comments in lines of their own (# or ;) or behind a blank. A line
// that is indented deeper than the setting above it belongs to that setting: nested settings where the setting's own
// value is empty ("s3 =", then "addressing_style = path"), more of the value otherwise. Names of settings are case
// insensitive, sections with one name are one, the last value counts.
//
// Source: "Shared config and credentials files" in the AWS SDKs and Tools Reference Guide; where that says nothing,
// what the AWS CLI accepts.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"
#include "s3client/credentials.h"

namespace pailfs::s3client {

// Names in lower case.
struct ConfigValue {
  std::string text;
  std::map<std::string, std::string, std::less<>> nested;
};
struct ConfigSection {
  std::map<std::string, ConfigValue, std::less<>> values;

  // Empty where there is none.
  const std::string& Text(std::string_view name) const;
  const std::string& Nested(std::string_view name, std::string_view nested_name) const;
};
using ConfigSections = std::map<std::string, ConfigSection, std::less<>>;

enum class SharedFile : uint8_t { kConfig, kCredentials };

struct ParsedConfig {
  ConfigSections profiles;  // config: [default] and [profile NAME]; credentials: [NAME]
  ConfigSections sso_sessions;
  ConfigSections services;
};
// Pure. Sections of other kinds are passed over. kInvalidArgument, with "FILE: line N: " and nothing of the line, which
// may be secret.
Result<ParsedConfig> ParseSharedConfig(std::string_view text, SharedFile kind, std::string_view file_name);

// The paths in force; empty where neither a variable nor HOME says one.
struct SharedConfigPaths {
  std::string config;
  std::string credentials;
};
SharedConfigPaths FindSharedConfig(const Environment& environment);

struct Profile {
  ConfigSection settings;  // of both files; the credentials file's come first
  std::string keys_file;   // the file that aws_access_key_id is from; the three settings of keys are from it alone
};
struct SharedConfig {
  SharedConfigPaths paths;
  std::map<std::string, Profile, std::less<>> profiles;
  ConfigSections sso_sessions;
  ConfigSections services;

  // "/home/me/.aws/config and /home/me/.aws/credentials".
  std::string FileNames() const;
  // kInvalidArgument: none of this name; the message has the likely one.
  Result<const Profile*> Find(const std::string& name) const;
};
// Files that are absent are empty. Errors: as ParseSharedConfig, kAccessDenied (may not be read), kIo.
Result<SharedConfig> ReadSharedConfig(FileSystem& files, const Environment& environment);

// The profile that `option` (may be empty) and AWS_PROFILE choose. Nullopt: none was named, so it is "default".
std::optional<std::string> NamedProfile(const std::string& option, const Environment& environment);

// A variable's value; empty where it is not set.
std::string Variable(const Environment& environment, const std::string& name);
// `path` with a leading "~/" replaced by HOME.
std::string ExpandHome(const std::string& path, const Environment& environment);

// Where the profile says that a service ("s3", "sts") is: its [services] section, else its endpoint_url. Empty: the
// service's own place, also where the profile or AWS_IGNORE_CONFIGURED_ENDPOINT_URLS says that such settings do not
// count.
std::string ProfileEndpoint(const SharedConfig& config, const ConfigSection& profile, std::string_view service,
                            const Environment& environment);
// The same, but AWS_ENDPOINT_URL_<SERVICE> and AWS_ENDPOINT_URL go before.
std::string ServiceEndpoint(const SharedConfig& config, const ConfigSection& profile, std::string_view service,
                            const Environment& environment);

}  // namespace pailfs::s3client
