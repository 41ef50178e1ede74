#include "s3client/shared_config.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/str.h"
#include "s3client/small_file.h"

namespace pailfs::s3client {
namespace {

const std::string& Empty() {
  static const std::string kEmpty;
  return kEmpty;
}

constexpr std::array<std::string_view, 3> kKeySettings = {"aws_access_key_id", "aws_secret_access_key",
                                                          "aws_session_token"};

// Keys are never put together from two files.
void Add(const ConfigSection& section, const std::string& file, Profile& profile) {
  if (!section.Text(kKeySettings[0]).empty() || !section.Text(kKeySettings[1]).empty()) {
    for (const std::string_view name : kKeySettings) {
      const auto old = profile.settings.values.find(name);
      if (old != profile.settings.values.end()) profile.settings.values.erase(old);
    }
    profile.keys_file = file;
  }
  for (const auto& [name, value] : section.values) profile.settings.values.insert_or_assign(name, value);
}

Result<ParsedConfig> ReadOne(FileSystem& files, const std::string& path, SharedFile kind) {
  if (path.empty()) return ParsedConfig();
  const auto file = ReadSmallFile(files, path);
  if (file.Is(Errc::kNotFound)) return ParsedConfig();
  if (!file.ok()) return file.error();
  return ParseSharedConfig(file->content, kind, path);
}

bool IsTrue(const std::string& value) {
  return value == "true" || value == "True" || value == "TRUE";
}

bool IgnoresEndpoints(const ConfigSection& profile, const Environment& environment) {
  return IsTrue(Variable(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) ||
         IsTrue(profile.Text("ignore_configured_endpoint_urls"));
}

}  // namespace

const std::string& ConfigSection::Text(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? Empty() : found->second.text;
}

const std::string& ConfigSection::Nested(std::string_view name, std::string_view nested_name) const {
  const auto found = values.find(name);
  if (found == values.end()) return Empty();
  const auto nested = found->second.nested.find(nested_name);
  return nested == found->second.nested.end() ? Empty() : nested->second;
}

std::string Variable(const Environment& environment, const std::string& name) {
  return environment(name).value_or("");
}

std::string ExpandHome(const std::string& path, const Environment& environment) {
  const std::string home = Variable(environment, "HOME");
  return path.starts_with("~/") && !home.empty() ? home + path.substr(1) : path;
}

SharedConfigPaths FindSharedConfig(const Environment& environment) {
  const std::string home = Variable(environment, "HOME");
  const auto path = [&](const char* variable, std::string_view name) {
    const std::string said = Variable(environment, variable);
    if (!said.empty()) return ExpandHome(said, environment);
    return home.empty() ? std::string() : StrCat(home, "/.aws/", name);
  };
  return {.config = path("AWS_CONFIG_FILE", "config"),
          .credentials = path("AWS_SHARED_CREDENTIALS_FILE", "credentials")};
}

std::string SharedConfig::FileNames() const {
  if (paths.config.empty() && paths.credentials.empty()) return "any file (HOME is not set)";
  if (paths.config.empty() || paths.credentials.empty()) return paths.config + paths.credentials;
  return StrCat(paths.config, " and ", paths.credentials);
}

Result<const Profile*> SharedConfig::Find(const std::string& name) const {
  const auto found = profiles.find(name);
  if (found != profiles.end()) return &found->second;
  std::vector<std::string_view> known;
  for (const auto& [other, profile] : profiles) known.push_back(other);
  const auto nearest = NearestWord(name, known);
  return Error{Errc::kInvalidArgument, StrCat("there is no profile ", name, " in ", FileNames(),
                                              nearest ? StrCat("; did you mean ", *nearest, "?") : "")};
}

Result<SharedConfig> ReadSharedConfig(FileSystem& files, const Environment& environment) {
  SharedConfig shared;
  shared.paths = FindSharedConfig(environment);
  ASSIGN_OR_RETURN(ParsedConfig config, ReadOne(files, shared.paths.config, SharedFile::kConfig));
  ASSIGN_OR_RETURN(const ParsedConfig credentials, ReadOne(files, shared.paths.credentials, SharedFile::kCredentials));
  for (const auto& [name, section] : config.profiles) Add(section, shared.paths.config, shared.profiles[name]);
  for (const auto& [name, section] : credentials.profiles) {
    Add(section, shared.paths.credentials, shared.profiles[name]);
  }
  shared.sso_sessions = std::move(config.sso_sessions);
  shared.services = std::move(config.services);
  return shared;
}

std::optional<std::string> NamedProfile(const std::string& option, const Environment& environment) {
  const std::string name = option.empty() ? Variable(environment, "AWS_PROFILE") : option;
  if (name.empty()) return std::nullopt;
  return name;
}

std::string ProfileEndpoint(const SharedConfig& config, const ConfigSection& profile, std::string_view service,
                            const Environment& environment) {
  if (IgnoresEndpoints(profile, environment)) return "";
  const auto services = config.services.find(profile.Text("services"));
  if (services != config.services.end()) {
    if (const std::string& url = services->second.Nested(service, "endpoint_url"); !url.empty()) return url;
  }
  return profile.Text("endpoint_url");
}

std::string ServiceEndpoint(const SharedConfig& config, const ConfigSection& profile, std::string_view service,
                            const Environment& environment) {
  if (IgnoresEndpoints(profile, environment)) return "";
  std::string upper(service);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const std::string& name : {StrCat("AWS_ENDPOINT_URL_", upper), std::string("AWS_ENDPOINT_URL")}) {
    if (std::string url = Variable(environment, name); !url.empty()) return url;
  }
  return ProfileEndpoint(config, profile, service, environment);
}

}  // namespace pailfs::s3client
