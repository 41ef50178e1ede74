// Where the keys for signing come from, as users of AWS expect it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/op_context.h"
#include "base/result.h"
#include "base/s3wire/sigv4.h"
#include "s3client/http.h"

namespace pailfs::s3client {

// The first four characters, and a star for each of the others: what may be shown of an access key id.
std::string MaskedKeyId(std::string_view access_key_id);

struct IssuedCredentials {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  s3wire::Credentials keys;     // access_key_id empty: sign nothing (public buckets)
  int64_t expires_us = kNever;  // wall clock, since 1970 UTC
  std::string source;           // for people: "profile work in /home/me/.aws/credentials"; no secrets
};

// Thread-safe.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  // The credentials in force. Those that expire are asked for again five minutes before (at half of their time, where
  // that is later), by one call; the others go on with the old ones. Those from files are read again once a file has
  // changed. While the old ones are valid and not refused, a failure is logged only. Errors: kAccessDenied (there are
  // none, or their source refuses), kUnavailable (the source does not answer), kInvalidArgument (a file or variable
  // that is wrong: which line), kIo (a file cannot be read), and those of the OpContext. The message says what to do
  // and never holds a secret.
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

// getenv, or what a test says instead. Nullopt: not set; an empty value counts as not set. Thread-safe.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
// The process's own; HOME is the account's where it is not set (under systemd).
Environment ProcessEnvironment();

// The chain, in the order of the AWS SDKs: AWS_ACCESS_KEY_ID … in the environment → web identity token → shared config
// and credentials files (profile: keys, credential_process, role_arn with source_profile or credential_source, web
// identity) → ECS/EKS container endpoint → EC2 instance metadata (IMDSv2). A profile that is named in the options goes
// before the environment. A passwd_file stands alone: nothing else is asked.
//
// A source that is configured and fails ends the chain, and the first source that had credentials is the only one that
// is asked again: nobody gets another identity than the one that was configured. References must outlive the provider.
std::unique_ptr<CredentialsProvider> NewCredentialsProvider(const CredentialsOptions& options, FileSystem& files,
                                                            Clock& clock, HttpTransport& transport,
                                                            Environment environment);

// What the shared files say for a profile besides keys: region, endpoint_url (the s3 service's own first), ca_bundle,
// s3.addressing_style. Empty where they say nothing; variables (AWS_REGION, AWS_ENDPOINT_URL …) are not looked at, but
// for AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
struct ProfileSettings {
  std::string region;
  std::string endpoint_url;
  std::string ca_bundle;
  std::string addressing_style;
};
// `profile` empty: AWS_PROFILE, else "default", which need not be there. kInvalidArgument: no such profile, or a file
// that is wrong (which line).
Result<ProfileSettings> ReadProfileSettings(const std::string& profile, FileSystem& files,
                                            const Environment& environment);

}  // namespace pailfs::s3client
