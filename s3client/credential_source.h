// One place where credentials may come from. The chain of credentials.h asks one after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/op_context.h"
#include "base/result.h"
#include "s3client/credentials.h"
#include "s3client/http.h"

namespace pailfs::s3client {

// What every source may use. Lives as long as the sources.
struct SourceContext {
  CredentialsOptions options;
  FileSystem& files;
  Clock& clock;
  HttpTransport& transport;
  Environment environment;

  int64_t NowUs() const { return clock.WallNs() / 1000; }
};

// Credentials, or why this source has none.
struct SourceAnswer {
  SourceAnswer(IssuedCredentials found) : issued(std::move(found)) {}  // NOLINT(google-explicit-constructor)
  static SourceAnswer Nothing(std::string why, Errc code = Errc::kAccessDenied) {
    SourceAnswer answer;
    answer.nothing = {code, std::move(why)};
    return answer;
  }

  std::optional<IssuedCredentials> issued;
  Error nothing{Errc::kAccessDenied, ""};  // where nothing was issued; for people

 private:
  SourceAnswer() = default;
};

// Thread-safe, without a state.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  virtual std::string_view name() const = 0;  // for people: "environment"
  // An error: the source is configured, and wrong or silent. It ends the chain: whoever configured a source does not
  // want another identity in its place. Errors as CredentialsProvider::Get's, without secrets.
  virtual Result<SourceAnswer> Ask(const OpContext& ctx) = 0;
  // Files whose change means other credentials.
  virtual std::vector<std::string> Files() const { return {}; }
};

std::unique_ptr<CredentialSource> NewPasswdFileSource(const SourceContext& context);
std::unique_ptr<CredentialSource> NewEnvironmentSource(const SourceContext& context);
std::unique_ptr<CredentialSource> NewWebIdentitySource(const SourceContext& context);
std::unique_ptr<CredentialSource> NewProfileSource(const SourceContext& context);
std::unique_ptr<CredentialSource> NewContainerSource(const SourceContext& context);
std::unique_ptr<CredentialSource> NewInstanceSource(const SourceContext& context);

}  // namespace pailfs::s3client
