// S3Store::Open: are the options right, is the bucket there, what can its server do.

#include <utility>

#include "base/log.h"
#include "base/s3wire/xml.h"
#include "base/str.h"
#include "s3client/probe.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

Result<Endpoint> EndpointOf(const S3Options& options) {
  if (!options.endpoint.empty()) return ParseEndpoint(options.endpoint);
  return AwsEndpoint(options.region.empty() ? "us-east-1" : options.region);
}

Status CheckOptions(const S3Options& options, const Endpoint& endpoint) {
  constexpr size_t kKeyBytes = 32;
  RETURN_IF_ERROR(CheckBucketName(options.bucket));
  if (options.encryption != ServerSideEncryption::kCustomerKey) return {};
  if (options.customer_key.size() != kKeyBytes) {
    return Error{Errc::kInvalidArgument, "the customer's key must have 32 bytes"};
  }
  if (!endpoint.tls && !endpoint.is_loopback) {
    return Error{Errc::kInvalidArgument, "a customer's key is sent over https only"};
  }
  return {};
}

// Nullopt: we may not ask.
Result<std::optional<VersioningState>> AskVersioning(const OpContext& ctx, S3Caller& caller) {
  S3Request request;
  request.method = "GET";
  request.query = {{"versioning", ""}};
  request.answers = Answers::kXml;
  S3Failure failure;
  const auto answer = caller.Call(ctx, request, &failure);
  const bool not_for_us = failure.s3_code == "AccessDenied" || answer.Is(Errc::kUnsupported);
  if (!answer.ok() && not_for_us) return std::optional<VersioningState>();
  RETURN_IF_ERROR(answer);
  ASSIGN_OR_RETURN(const VersioningState state, s3wire::ParseVersioning(answer->body));
  return std::optional(state);
}

}  // namespace

Result<std::unique_ptr<S3Store>> S3Store::Open(const OpContext& ctx, HttpTransport& transport,
                                               CredentialsProvider& credentials, Clock& clock, Random& random,
                                               Metrics& metrics, const S3Options& options,
                                               const std::optional<ServerTraits>& known) {
  ASSIGN_OR_RETURN(Endpoint endpoint, EndpointOf(options));
  RETURN_IF_ERROR(CheckOptions(options, endpoint));
  S3Options chosen = options;
  if (chosen.region.empty()) chosen.region = RegionOfAwsHost(endpoint.host);
  const std::string where = StrCat("bucket ", options.bucket, " at ", endpoint.host);
  const auto caller = std::make_shared<S3Caller>(transport, credentials, clock, random, metrics, chosen, endpoint);

  auto versioning = AskVersioning(ctx, *caller);
  if (!versioning.ok()) return std::move(versioning).error().With(where);
  ServerTraits traits;
  traits.versioning = versioning->value_or(VersioningState::kOff);
  {
    S3StoreImpl plain(caller, chosen, traits);
    ListRequest one;
    one.max_keys = 1;
    const auto listed = plain.List(ctx, one);
    if (!listed.ok()) return listed.error().With(StrCat(where, ": listing it"));
  }
  const bool still_true = known && (!*versioning || known->versioning == **versioning);
  if (still_true) {
    traits = *known;
  } else if (!options.read_only && options.probe) {
    auto probed = ProbeServer(ctx, caller, random, chosen, *versioning);
    if (!probed.ok()) return std::move(probed).error().With(StrCat(where, ": finding out what it can do"));
    traits = *probed;
  }
  return std::unique_ptr<S3Store>(std::make_unique<S3StoreImpl>(caller, chosen, traits));
}

}  // namespace pailfs::s3client
