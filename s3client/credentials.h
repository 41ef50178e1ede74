// Where the keys for signing come from, as users of AWS expect it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/op_context.h"
#include "base/result.h"
#include "base/s3wire/sigv4.h"
#include "s3client/http.h"

namespace pailfs::s3client {

struct IssuedCredentials {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  s3wire::Credentials keys;     // access_key_id empty: sign nothing (public buckets)
  int64_t expires_us = kNever;  // wall clock, since 1970 UTC
  std::string source;           // for people: "profile work in /root/.aws/credentials"; no secrets
};

// Thread-safe.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  // The credentials in force; asks their source again before they expire. Errors: kAccessDenied (there are none, or
  // their source refuses), kUnavailable (the source does not answer), kInvalidArgument (a file that is wrong: which
  // line).
  virtual Result<IssuedCredentials> Get(const OpContext& ctx) = 0;
  // The server refused `used` (ExpiredToken, InvalidAccessKeyId …): the next Get asks the source anew.
  virtual void Invalidate(const s3wire::Credentials& used) = 0;
};

// What the environment and the options of a mount say.
struct CredentialsOptions {
  bool anonymous = false;
  std::string profile;      // empty: AWS_PROFILE, else "default"
  std::string passwd_file;  // as s3fs has it: "[bucket:]KEY:SECRET" lines; readable by its owner only, or kAccessDenied
  std::string bucket;       // for passwd_file
  std::string region;       // for STS; empty: the configured one
};

// getenv, or what a test says instead. Nullopt: not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The chain, in the order of the AWS SDKs: passwd_file (when given) → AWS_ACCESS_KEY_ID … in the environment →
// web identity token → shared config and credentials files (profile: keys, credential_process, role_arn with
// source_profile or credential_source, web identity) → ECS/EKS container endpoint → EC2 instance metadata (IMDSv2).
// A profile that is named in the options goes before the environment. References must outlive the provider.
std::unique_ptr<CredentialsProvider> NewCredentialsProvider(const CredentialsOptions& options, FileSystem& files,
                                                            Clock& clock, HttpTransport& transport,
                                                            Environment environment);

// What the shared config file says for a profile besides keys: region, endpoint_url (the s3 service's own first),
// ca_bundle, s3.addressing_style. Empty where it says nothing.
struct ProfileSettings {
  std::string region;
  std::string endpoint_url;
  std::string ca_bundle;
  std::string addressing_style;
};
Result<ProfileSettings> ReadProfileSettings(const std::string& profile, FileSystem& files,
                                            const Environment& environment);

}  // namespace pailfs::s3client
