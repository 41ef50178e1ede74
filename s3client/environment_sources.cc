// Keys, and a web identity, that environment variables name.
#include <memory>

#include "base/str.h"
#include "s3client/credential_source.h"
#include "s3client/shared_config.h"
#include "s3client/sts_client.h"

namespace pailfs::s3client {
namespace {

class EnvironmentSource : public CredentialSource {
 public:
  explicit EnvironmentSource(const SourceContext& context) : context_(context) {}

  std::string_view name() const override { return "environment"; }

  Result<SourceAnswer> Ask(const OpContext& /*ctx*/) override {
    s3wire::Credentials keys{.access_key_id = Variable(context_.environment, "AWS_ACCESS_KEY_ID"),
                             .secret_access_key = Variable(context_.environment, "AWS_SECRET_ACCESS_KEY"),
                             .session_token = Variable(context_.environment, "AWS_SESSION_TOKEN")};
    const bool has_id = !keys.access_key_id.empty();
    const bool has_secret = !keys.secret_access_key.empty();
    if (!has_id && !has_secret) return SourceAnswer::Nothing("AWS_ACCESS_KEY_ID is not set");
    if (!has_id) return Error{Errc::kInvalidArgument, "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"};
    if (!has_secret) return Error{Errc::kInvalidArgument, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"};
    return SourceAnswer({.keys = std::move(keys),
                         .expires_us = IssuedCredentials::kNever,
                         .source = "AWS_ACCESS_KEY_ID in the environment"});
  }

 private:
  const SourceContext& context_;
};

class WebIdentitySource : public CredentialSource {
 public:
  explicit WebIdentitySource(const SourceContext& context) : context_(context) {}

  std::string_view name() const override { return "web identity"; }

  Result<SourceAnswer> Ask(const OpContext& ctx) override {
    const Environment& environment = context_.environment;
    const std::string token_file = Variable(environment, "AWS_WEB_IDENTITY_TOKEN_FILE");
    if (token_file.empty()) return SourceAnswer::Nothing("AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    s3wire::RoleRequest role;
    role.role_arn = Variable(environment, "AWS_ROLE_ARN");
    if (role.role_arn.empty()) {
      return Error{Errc::kInvalidArgument, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not"};
    }
    role.session_name = Variable(environment, "AWS_ROLE_SESSION_NAME");
    if (role.session_name.empty()) role.session_name = DefaultSessionName(context_);

    // The files say at most where STS is: pods have none.
    ASSIGN_OR_RETURN(const SharedConfig config, ReadSharedConfig(context_.files, environment));
    const auto profile = config.Find(NamedProfile(context_.options.profile, environment).value_or("default"));
    const ConfigSection none;
    ASSIGN_OR_RETURN(StsEndpoint endpoint,
                     FindStsEndpoint(context_, config, profile.ok() ? (*profile)->settings : none));
    const StsClient sts(context_, std::move(endpoint));
    ASSIGN_OR_RETURN(IssuedCredentials issued, AskWithWebIdentity(ctx, context_, sts, role, token_file));
    issued.source = StrCat("role ", role.role_arn, " with the web identity in ", token_file);
    return SourceAnswer(std::move(issued));
  }

 private:
  const SourceContext& context_;
};

}  // namespace

std::unique_ptr<CredentialSource> NewEnvironmentSource(const SourceContext& context) {
  return std::make_unique<EnvironmentSource>(context);
}

std::unique_ptr<CredentialSource> NewWebIdentitySource(const SourceContext& context) {
  return std::make_unique<WebIdentitySource>(context);
}

}  // namespace pailfs::s3client
