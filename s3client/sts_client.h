// Asks the Security Token Service for a role's credentials.
#pragma once

#include <string>
#include <string_view>

#include "base/op_context.h"
#include "base/result.h"
#include "base/s3wire/sigv4.h"
#include "base/s3wire/sts.h"
#include "s3client/credential_source.h"
#include "s3client/shared_config.h"

namespace pailfs::s3client {

struct StsEndpoint {
  std::string url;
  std::string region;  // to sign for
};
// A configured endpoint (ServiceEndpoint of "sts"), else the region's own: of the options, AWS_REGION,
// AWS_DEFAULT_REGION, the profile. Without a region, and in the old regions under AWS_STS_REGIONAL_ENDPOINTS=legacy,
// the global one. kInvalidArgument: a region that is none.
Result<StsEndpoint> FindStsEndpoint(const SourceContext& context, const SharedConfig& config,
                                    const ConfigSection& profile);

// Thread-safe. Errors name STS and what it says, without secrets: kAccessDenied (it refuses), kUnavailable, and the
// OpContext's. IssuedCredentials::source is left empty.
class StsClient {
 public:
  StsClient(const SourceContext& context, StsEndpoint endpoint) : context_(context), endpoint_(std::move(endpoint)) {}

  Result<IssuedCredentials> AssumeRole(const OpContext& ctx, const s3wire::RoleRequest& role,
                                       const s3wire::Credentials& keys) const;
  Result<IssuedCredentials> AssumeRoleWithWebIdentity(const OpContext& ctx, const s3wire::RoleRequest& role,
                                                      std::string_view token) const;

 private:
  const SourceContext& context_;
  const StsEndpoint endpoint_;
};

// A session name for roles that say none: "pailfs-1700000000".
std::string DefaultSessionName(const SourceContext& context);

// AssumeRoleWithWebIdentity with the token in `token_file`. Errors as StsClient's; kInvalidArgument: there is no token
// in it, kAccessDenied: it cannot be read.
Result<IssuedCredentials> AskWithWebIdentity(const OpContext& ctx, const SourceContext& context, const StsClient& sts,
                                             const s3wire::RoleRequest& role, const std::string& token_file);

}  // namespace pailfs::s3client
