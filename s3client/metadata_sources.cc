// The endpoints that hand a role's credentials to a container (ECS, EKS) and to a machine (EC2, IMDSv2).
//
// Source: "Container credential provider" and "IMDS credential provider" in the AWS SDKs and Tools Reference Guide;
// "Use the Instance Metadata Service" in the Amazon EC2 User Guide.
#include <algorithm>
#include <array>
#include <memory>

#include "base/log.h"
#include "base/str.h"
#include "s3client/credential_source.h"
#include "s3client/issued_json.h"
#include "s3client/shared_config.h"
#include "s3client/small_exchange.h"
#include "s3client/small_file.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kEcsHost = "169.254.170.2";
constexpr std::array<std::string_view, 3> kPlainHosts = {kEcsHost, "169.254.170.23", "fd00:ec2::23"};
constexpr ExchangeLimits kContainerLimits{.attempts = 3, .attempt_timeout_ns = 2'000'000'000};
// A machine without the service drops the packets: it must not look like a hanging mount.
constexpr ExchangeLimits kInstanceLimits{.attempts = 2, .attempt_timeout_ns = 1'000'000'000};
constexpr int64_t kInstanceGraceUs = 10 * 60 * int64_t{1'000'000};

constexpr int kOk = 200;
constexpr int kNotFound = 404;

bool IsLoopback(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  const bool numbers = std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return numbers && host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3;
}

Error Unexpected(int status) {
  const Errc code = status == 429 || status >= 500 ? Errc::kUnavailable : Errc::kAccessDenied;
  return {code, StrCat("it answered ", status)};
}

class ContainerSource : public CredentialSource {
 public:
  explicit ContainerSource(const SourceContext& context) : context_(context) {}

  std::string_view name() const override { return "container endpoint"; }

  Result<SourceAnswer> Ask(const OpContext& ctx) override {
    const std::string relative = Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const std::string full = Get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative.empty() && full.empty()) {
      return SourceAnswer::Nothing("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set");
    }
    const std::string uri = relative.empty() ? full : StrCat("http://", kEcsHost, relative);
    const char* variable =
        relative.empty() ? "AWS_CONTAINER_CREDENTIALS_FULL_URI" : "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    const auto url = ParseServiceUrl(uri);
    if (!url.ok() || (!relative.empty() && !relative.starts_with('/'))) {
      return Error{Errc::kInvalidArgument, StrCat(variable, relative.empty() ? " is not a URL" : " is not a path")};
    }
    const bool plain_host =
        IsLoopback(url->host) || std::find(kPlainHosts.begin(), kPlainHosts.end(), url->host) != kPlainHosts.end();
    if (url->scheme != "https" && !plain_host) {
      return Error{Errc::kInvalidArgument, StrCat(variable, ": http is allowed to this machine and to ", kPlainHosts[0],
                                                  ", ", kPlainHosts[1], " and [", kPlainHosts[2], "] only; use https")};
    }
    ASSIGN_OR_RETURN(const std::string token, Token());
    const std::string place = StrCat(url->scheme, "://", url->authority);
    auto issued = AskEndpoint(ctx, uri, token, url->target);
    if (!issued.ok()) return issued.error().With(place);
    issued->source = StrCat("container endpoint ", place);
    return SourceAnswer(std::move(*issued));
  }

 private:
  std::string Get(const char* variable) const { return Variable(context_.environment, variable); }

  // The file's goes before: it is renewed.
  Result<std::string> Token() const {
    std::string token = Get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (const std::string path = Get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
      const auto file = ReadSmallFile(context_.files, path);
      if (!file.ok()) {
        return Error{Errc::kAccessDenied, StrCat("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ", file.error().message)};
      }
      token = Trimmed(file->content);
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
      return Error{Errc::kInvalidArgument, "the authorization token of the container has more than one line"};
    }
    return token;
  }

  // The path is as good as a password.
  Result<IssuedCredentials> AskEndpoint(const OpContext& ctx, const std::string& url, const std::string& token,
                                        const std::string& target) const {
    HttpRequest request{.method = "GET", .url = url, .headers = {{"Accept", "application/json"}}, .body = nullptr};
    if (!token.empty()) request.headers.emplace_back("Authorization", token);
    const auto answer = AskBriefly(ctx, context_.transport, request, "", kContainerLimits);
    if (!answer.ok()) {
      const std::array<std::string_view, 2> secrets = {target == "/" ? std::string_view() : target, token};
      return Error{answer.error().code, WithoutSecrets(answer.error().message, secrets)};
    }
    if (answer->status != kOk) return Unexpected(answer->status);
    return ParseEndpointCredentials(answer->body);
  }

  const SourceContext& context_;
};

class InstanceSource : public CredentialSource {
 public:
  explicit InstanceSource(const SourceContext& context) : context_(context) {}

  std::string_view name() const override { return "EC2 instance metadata"; }

  Result<SourceAnswer> Ask(const OpContext& ctx) override {
    const std::string disabled = Variable(context_.environment, "AWS_EC2_METADATA_DISABLED");
    if (disabled == "true" || disabled == "True" || disabled == "TRUE") {
      return SourceAnswer::Nothing("AWS_EC2_METADATA_DISABLED is set");
    }
    ASSIGN_OR_RETURN(const std::string endpoint, Endpoint());
    const auto token = Token(ctx, endpoint);
    if (!token.ok()) {
      RETURN_IF_ERROR(ctx.Check());
      return SourceAnswer::Nothing(StrCat("nothing at ", endpoint, " (", token.error().message, ")"),
                                   token.error().code);
    }
    const auto roles = Get(ctx, StrCat(endpoint, kRoles), *token);
    if (!roles.ok()) return roles.error().With(endpoint);
    const std::string_view first = std::string_view(roles->body).substr(0, roles->body.find('\n'));
    const std::string role(Trimmed(first));
    if (roles->status == kNotFound || (roles->status == kOk && role.empty())) {
      return SourceAnswer::Nothing("this machine has no role");
    }
    if (roles->status != kOk) return Unexpected(roles->status).With(endpoint);
    auto issued = Credentials(ctx, StrCat(endpoint, kRoles, s3wire::UriEncode(role, s3wire::Slash::kEncode)), *token);
    if (!issued.ok()) return issued.error().With(endpoint);
    issued->source = StrCat("role ", WithoutSecrets(role, {}), " of this EC2 instance");
    Extend(*issued);
    return SourceAnswer(std::move(*issued));
  }

 private:
  static constexpr std::string_view kRoles = "/latest/meta-data/iam/security-credentials/";

  // Without a slash at its end.
  Result<std::string> Endpoint() const {
    std::string endpoint = Variable(context_.environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const std::string mode = Variable(context_.environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (endpoint.empty()) {
      endpoint = mode == "IPv6" || mode == "ipv6" ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    }
    if (!ParseServiceUrl(endpoint).ok()) {
      return Error{Errc::kInvalidArgument, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL"};
    }
    while (endpoint.ends_with('/')) endpoint.pop_back();
    return endpoint;
  }

  Result<std::string> Token(const OpContext& ctx, const std::string& endpoint) const {
    const HttpRequest request{.method = "PUT",
                              .url = endpoint + "/latest/api/token",
                              .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}},
                              .body = nullptr};
    ASSIGN_OR_RETURN(const HttpAnswer answer, AskBriefly(ctx, context_.transport, request, "", kInstanceLimits));
    const std::string token(Trimmed(answer.body));
    if (answer.status != kOk) return Unexpected(answer.status);
    if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
      return Error{Errc::kUnavailable, "it gave no token"};
    }
    return token;
  }

  Result<HttpAnswer> Get(const OpContext& ctx, const std::string& url, const std::string& token) const {
    const HttpRequest request{
        .method = "GET", .url = url, .headers = {{"X-aws-ec2-metadata-token", token}}, .body = nullptr};
    return AskBriefly(ctx, context_.transport, request, "", kInstanceLimits);
  }

  Result<IssuedCredentials> Credentials(const OpContext& ctx, const std::string& url, const std::string& token) const {
    ASSIGN_OR_RETURN(const HttpAnswer answer, Get(ctx, url, token));
    if (answer.status != kOk) return Unexpected(answer.status);
    return ParseEndpointCredentials(answer.body);
  }

  // In trouble, the service gives credentials of the past, which S3 then goes on to take.
  void Extend(IssuedCredentials& issued) const {
    const int64_t now_us = context_.NowUs();
    if (issued.expires_us > now_us) return;
    LogWarning("the credentials of this EC2 instance are past their time; going on with them");
    issued.expires_us = now_us + kInstanceGraceUs;
  }

  const SourceContext& context_;
};

}  // namespace

std::unique_ptr<CredentialSource> NewContainerSource(const SourceContext& context) {
  return std::make_unique<ContainerSource>(context);
}

std::unique_ptr<CredentialSource> NewInstanceSource(const SourceContext& context) {
  return std::make_unique<InstanceSource>(context);
}

}  // namespace pailfs::s3client
