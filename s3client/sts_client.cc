#include "s3client/sts_client.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/str.h"
#include "s3client/small_exchange.h"
#include "s3client/small_file.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kGlobalRegion = "us-east-1";
constexpr std::string_view kContentType = "application/x-www-form-urlencoded; charset=utf-8";

// Those that the global endpoint stands for under "legacy".
constexpr std::array<std::string_view, 17> kOldRegions = {"ap-northeast-1",
                                                          "ap-south-1",
                                                          "ap-southeast-1",
                                                          "ap-southeast-2",
                                                          "aws-global",
                                                          "ca-central-1",
                                                          "eu-central-1",
                                                          "eu-north-1",
                                                          "eu-west-1",
                                                          "eu-west-2",
                                                          "eu-west-3",
                                                          "sa-east-1",
                                                          "us-east-1",
                                                          "us-east-2",
                                                          "us-west-1",
                                                          "us-west-2",
                                                          ""};

bool IsRegion(std::string_view region) {
  return region.size() <= 63 && std::all_of(region.begin(), region.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string FirstOf(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

// STS refuses, or is it busy?
Error Refusal(const HttpAnswer& answer, std::span<const std::string_view> secrets) {
  constexpr std::array<std::string_view, 5> kBusy = {"Throttling", "ThrottlingException", "RequestLimitExceeded",
                                                     "IDPCommunicationError", "ServiceUnavailable"};
  const auto error = s3wire::ParseStsError(answer.body);
  std::string text = StrCat("STS answered ", answer.status);
  bool busy = answer.status < 400 || answer.status >= 500 || answer.status == 429;
  if (error.ok()) {
    text += StrCat(" ", WithoutSecrets(error->code, secrets));
    // Its message repeats what should have been signed, the session token included.
    const bool repeats = error->code == "SignatureDoesNotMatch";
    if (repeats) text += ": the secret access key does not belong to the access key id";
    if (!repeats && !error->message.empty()) text += StrCat(": ", WithoutSecrets(error->message, secrets));
    busy = busy || std::find(kBusy.begin(), kBusy.end(), error->code) != kBusy.end();
  }
  return {busy ? Errc::kUnavailable : Errc::kAccessDenied, std::move(text)};
}

Result<IssuedCredentials> Post(const OpContext& ctx, HttpTransport& transport, const HttpRequest& request,
                               std::string_view body, std::span<const std::string_view> secrets) {
  const auto answer = AskBriefly(ctx, transport, request, body, {});
  if (!answer.ok()) {
    const Error& error = answer.error();
    return Error{error.code, WithoutSecrets(error.message, secrets)}.With(StrCat("asking STS at ", request.url));
  }
  if (answer->status != 200) return Refusal(*answer, secrets);
  const auto role = s3wire::ParseRoleCredentials(answer->body);
  if (!role.ok()) return Error{Errc::kUnavailable, role.error().message}.With("STS");
  return IssuedCredentials{.keys = role->keys, .expires_us = role->expires_us, .source = {}};
}

}  // namespace

Result<StsEndpoint> FindStsEndpoint(const SourceContext& context, const SharedConfig& config,
                                    const ConfigSection& profile) {
  const Environment& environment = context.environment;
  const std::string region = FirstOf({context.options.region, Variable(environment, "AWS_REGION"),
                                      Variable(environment, "AWS_DEFAULT_REGION"), profile.Text("region")});
  if (!IsRegion(region)) return Error{Errc::kInvalidArgument, "the region for STS is not the name of a region"};
  const bool global_name = region.empty() || region == "aws-global";
  const std::string signed_for(global_name ? kGlobalRegion : region);

  const std::string configured = ServiceEndpoint(config, profile, "sts", environment);
  if (!configured.empty()) {
    const auto url = ParseServiceUrl(configured);
    if (!url.ok()) return url.error().With("the endpoint of STS that is configured");
    if (url->target.find_first_of("?%") != std::string::npos) {
      return Error{Errc::kInvalidArgument, "the endpoint of STS that is configured has a query or an encoded path"};
    }
    return StsEndpoint{StrCat(url->scheme, "://", url->authority, url->target), signed_for};
  }
  const std::string endpoints =
      FirstOf({Variable(environment, "AWS_STS_REGIONAL_ENDPOINTS"), profile.Text("sts_regional_endpoints")});
  const bool legacy =
      endpoints == "legacy" && std::find(kOldRegions.begin(), kOldRegions.end(), region) != kOldRegions.end();
  if (global_name || legacy) return StsEndpoint{"https://sts.amazonaws.com/", std::string(kGlobalRegion)};
  const std::string_view domain = region.starts_with("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return StsEndpoint{StrCat("https://sts.", region, ".", domain, "/"), region};
}

Result<IssuedCredentials> StsClient::AssumeRole(const OpContext& ctx, const s3wire::RoleRequest& role,
                                                const s3wire::Credentials& keys) const {
  ASSIGN_OR_RETURN(const ServiceUrl url, ParseServiceUrl(endpoint_.url));
  const std::string body = s3wire::AssumeRoleBody(role);
  s3wire::SignableRequest signable{.method = "POST",
                                   .path = url.target,
                                   .query = {},
                                   .headers = {{"Host", url.authority}, {"Content-Type", std::string(kContentType)}}};
  const s3wire::SigningScope scope{.time_us = context_.NowUs(), .region = endpoint_.region, .service = "sts"};
  RETURN_IF_ERROR(s3wire::SignRequest(signable, s3wire::PayloadSha256(body), keys, scope));
  const HttpRequest request{
      .method = "POST", .url = endpoint_.url, .headers = std::move(signable.headers), .body = nullptr};
  const std::array<std::string_view, 3> secrets = {keys.secret_access_key, keys.session_token, role.external_id};
  return Post(ctx, context_.transport, request, body, secrets);
}

Result<IssuedCredentials> StsClient::AssumeRoleWithWebIdentity(const OpContext& ctx, const s3wire::RoleRequest& role,
                                                               std::string_view token) const {
  const HttpRequest request{.method = "POST",
                            .url = endpoint_.url,
                            .headers = {{"Content-Type", std::string(kContentType)}},
                            .body = nullptr};
  const std::array<std::string_view, 1> secrets = {token};
  return Post(ctx, context_.transport, request, s3wire::AssumeRoleWithWebIdentityBody(role, token), secrets);
}

std::string DefaultSessionName(const SourceContext& context) {
  return StrCat("pailfs-", context.NowUs() / 1'000'000);
}

Result<IssuedCredentials> AskWithWebIdentity(const OpContext& ctx, const SourceContext& context, const StsClient& sts,
                                             const s3wire::RoleRequest& role, const std::string& token_file) {
  const auto file = ReadSmallFile(context.files, token_file);
  if (!file.ok()) return Error{Errc::kAccessDenied, StrCat("the token file: ", file.error().message)};
  const std::string_view token = Trimmed(file->content);
  if (token.empty()) return Error{Errc::kInvalidArgument, StrCat("the token file ", token_file, " is empty")};
  return sts.AssumeRoleWithWebIdentity(ctx, role, token);
}

}  // namespace pailfs::s3client
