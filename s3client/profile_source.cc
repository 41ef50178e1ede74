// A profile of the shared config and credentials files: its keys, its command, or the role that it names, which may be
// assumed with the credentials of another profile, and so on.
//
// Source: "Assume role credential provider" and "Process credential provider" in the AWS SDKs and Tools Reference
// Guide.
#include <algorithm>
#include <memory>
#include <vector>

#include "base/str.h"
#include "s3client/credential_process.h"
#include "s3client/credential_source.h"
#include "s3client/issued_json.h"
#include "s3client/shared_config.h"
#include "s3client/sts_client.h"

namespace pailfs::s3client {
namespace {

constexpr uint64_t kShortestRoleSeconds = 900;
constexpr uint64_t kLongestRoleSeconds = 43'200;

Error Wrong(std::string_view what) {
  return {Errc::kInvalidArgument, std::string(what)};
}

// Resolves one profile; lives for one question.
class ProfileResolver {
 public:
  ProfileResolver(const SourceContext& context, const SharedConfig& config, const ConfigSection& first)
      : context_(context), config_(config), first_(first) {}

  Result<SourceAnswer> Resolve(const OpContext& ctx, const std::string& name, const Profile& profile) {
    const bool is_source = !visited_.empty();
    const bool seen = std::find(visited_.begin(), visited_.end(), name) != visited_.end();
    const ConfigSection& settings = profile.settings;
    // A chain of roles ends at the first profile with keys; a role's own profile may have them too.
    if (is_source && HasKeys(settings)) return Keys(name, profile);
    if (seen) return Wrong(StrCat("the chain of source_profile comes back to the profile ", name));
    visited_.push_back(name);

    auto answer = settings.Text("role_arn").empty() ? WithoutRole(ctx, name, profile) : Role(ctx, name, settings);
    if (!answer.ok()) return answer.error().With(StrCat("profile ", name));
    return answer;
  }

 private:
  static bool HasKeys(const ConfigSection& settings) {
    return !settings.Text("aws_access_key_id").empty() || !settings.Text("aws_secret_access_key").empty();
  }

  static Result<SourceAnswer> Keys(const std::string& name, const Profile& profile) {
    const ConfigSection& settings = profile.settings;
    IssuedCredentials issued;
    issued.keys.access_key_id = settings.Text("aws_access_key_id");
    issued.keys.secret_access_key = settings.Text("aws_secret_access_key");
    issued.keys.session_token = settings.Text("aws_session_token");
    issued.source = StrCat("profile ", name, " in ", profile.keys_file);
    for (const char* key : {"aws_access_key_id", "aws_secret_access_key"}) {
      if (settings.Text(key).empty()) return Wrong(StrCat(profile.keys_file, " has no ", key));
    }
    return SourceAnswer(std::move(issued));
  }

  Result<SourceAnswer> WithoutRole(const OpContext& ctx, const std::string& name, const Profile& profile) const {
    const ConfigSection& settings = profile.settings;
    if (HasKeys(settings)) return Keys(name, profile);
    if (const std::string& command = settings.Text("credential_process"); !command.empty()) {
      const auto printed = RunCredentialProcess(ctx, command, {});
      if (!printed.ok()) return Unsuccessful(printed.error());
      auto issued = ParseProcessCredentials(*printed);
      if (!issued.ok()) return Unsuccessful(issued.error());
      issued->source = StrCat("credential_process of the profile ", name);
      return SourceAnswer(std::move(*issued));
    }
    if (!settings.Text("sso_session").empty() || !settings.Text("sso_start_url").empty()) {
      return Wrong(
          StrCat("signing in by sso_session is not supported; make a profile with credential_process = aws "
                 "configure export-credentials --profile ",
                 name, " --format process, and use that one"));
    }
    return SourceAnswer::Nothing(StrCat("the profile ", name, " in ", config_.FileNames(), " has no keys"));
  }

  static Error Unsuccessful(const Error& error) {
    return error.With("credential_process (run it by hand to see what it says)");
  }

  Result<SourceAnswer> Role(const OpContext& ctx, const std::string& name, const ConfigSection& settings) {
    ASSIGN_OR_RETURN(const s3wire::RoleRequest role, RequestOf(settings));
    ASSIGN_OR_RETURN(StsEndpoint endpoint, FindStsEndpoint(context_, config_, first_));
    const StsClient sts(context_, std::move(endpoint));
    const std::string& token_file = settings.Text("web_identity_token_file");
    const std::string& source_profile = settings.Text("source_profile");
    const std::string& credential_source = settings.Text("credential_source");
    const int ways = !token_file.empty() + !source_profile.empty() + !credential_source.empty();
    if (ways != 1) {
      return Wrong(StrCat("role_arn needs ", ways == 0 ? "one" : "only one",
                          " of source_profile, credential_source and web_identity_token_file"));
    }
    std::string with;
    IssuedCredentials issued;
    if (!token_file.empty()) {
      const std::string path = ExpandHome(token_file, context_.environment);
      ASSIGN_OR_RETURN(issued, AskWithWebIdentity(ctx, context_, sts, role, path));
      with = StrCat("the web identity in ", path);
    } else {
      ASSIGN_OR_RETURN(const IssuedCredentials base,
                       source_profile.empty() ? FromSource(ctx, credential_source) : FromProfile(ctx, source_profile));
      ASSIGN_OR_RETURN(issued, sts.AssumeRole(ctx, role, base.keys));
      with = base.source;
    }
    issued.source = StrCat("role ", role.role_arn, " of the profile ", name, ", with ", with);
    return SourceAnswer(std::move(issued));
  }

  Result<s3wire::RoleRequest> RequestOf(const ConfigSection& settings) const {
    if (!settings.Text("mfa_serial").empty()) {
      return Wrong("mfa_serial is not supported: nobody is there to enter a code");
    }
    s3wire::RoleRequest role;
    role.role_arn = settings.Text("role_arn");
    role.external_id = settings.Text("external_id");
    role.session_name = settings.Text("role_session_name");
    if (role.session_name.empty()) role.session_name = DefaultSessionName(context_);
    if (const std::string& text = settings.Text("duration_seconds"); !text.empty()) {
      const auto seconds = ParseUint(text);
      if (!seconds || *seconds < kShortestRoleSeconds || *seconds > kLongestRoleSeconds) {
        return Wrong(StrCat("duration_seconds is not between ", kShortestRoleSeconds, " and ", kLongestRoleSeconds));
      }
      role.duration_seconds = *seconds;
    }
    return role;
  }

  Result<IssuedCredentials> FromProfile(const OpContext& ctx, const std::string& name) {
    const auto profile = config_.Find(name);
    if (!profile.ok()) return profile.error().With("source_profile");
    ASSIGN_OR_RETURN(SourceAnswer answer, Resolve(ctx, name, **profile));
    if (!answer.issued) return answer.nothing.With("source_profile");
    return std::move(*answer.issued);
  }

  Result<IssuedCredentials> FromSource(const OpContext& ctx, const std::string& name) const {
    std::unique_ptr<CredentialSource> source;
    if (name == "Environment") source = NewEnvironmentSource(context_);
    if (name == "Ec2InstanceMetadata") source = NewInstanceSource(context_);
    if (name == "EcsContainer") source = NewContainerSource(context_);
    if (source == nullptr) {
      return Wrong("credential_source is none of Environment, Ec2InstanceMetadata and EcsContainer");
    }
    const std::string place = StrCat("credential_source ", name);
    auto answer = source->Ask(ctx);
    if (!answer.ok()) return answer.error().With(place);
    if (!answer->issued) return answer->nothing.With(place);
    return std::move(*answer->issued);
  }

  const SourceContext& context_;
  const SharedConfig& config_;
  const ConfigSection& first_;  // the profile in use says where STS is
  std::vector<std::string> visited_;
};

class ProfileSource : public CredentialSource {
 public:
  explicit ProfileSource(const SourceContext& context) : context_(context) {}

  std::string_view name() const override { return "profile"; }

  std::vector<std::string> Files() const override {
    std::vector<std::string> files;
    const SharedConfigPaths paths = FindSharedConfig(context_.environment);
    for (const std::string& path : {paths.config, paths.credentials}) {
      if (!path.empty()) files.push_back(path);
    }
    return files;
  }

  Result<SourceAnswer> Ask(const OpContext& ctx) override {
    auto read = ReadSharedConfig(context_.files, context_.environment);
    if (!read.ok()) return read.error();
    const SharedConfig& config = *read;
    const auto named = NamedProfile(context_.options.profile, context_.environment);
    const std::string name = named.value_or("default");
    const auto profile = config.Find(name);
    if (!profile.ok() && named) return profile.error();
    if (!profile.ok()) return SourceAnswer::Nothing(profile.error().message);
    return ProfileResolver(context_, config, (*profile)->settings).Resolve(ctx, name, **profile);
  }

 private:
  const SourceContext& context_;
};

}  // namespace

std::unique_ptr<CredentialSource> NewProfileSource(const SourceContext& context) {
  return std::make_unique<ProfileSource>(context);
}

}  // namespace pailfs::s3client
