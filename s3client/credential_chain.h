// The sources of credentials in their order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "s3client/credential_source.h"

namespace pailfs::s3client {

// Thread-compatible: one question at a time.
class CredentialChain {
 public:
  // With the sources that credentials.h names, in its order.
  explicit CredentialChain(SourceContext context);
  CredentialChain(const CredentialChain&) = delete;
  CredentialChain& operator=(const CredentialChain&) = delete;

  // The first source that has credentials. From then on only that one is asked: a file that is being written must not
  // make a mount go on as somebody else. Errors as CredentialsProvider::Get's: kAccessDenied, with all sources and why
  // each has none; a source's own error, with its name.
  Result<IssuedCredentials> Ask(const OpContext& ctx);

  // Of the sources that Ask would ask.
  std::vector<std::string> Files() const;

 private:
  Result<IssuedCredentials> AskChosen(const OpContext& ctx);
  Error NoneFound(const std::vector<std::string>& reasons) const;

  const SourceContext context_;
  std::vector<std::unique_ptr<CredentialSource>> sources_;
  std::optional<size_t> chosen_;
};

}  // namespace pailfs::s3client
