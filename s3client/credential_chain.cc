#include "s3client/credential_chain.h"

#include <utility>

#include "base/str.h"

namespace pailfs::s3client {
namespace {

// What no server will take any more.
Status CheckTime(const IssuedCredentials& issued, int64_t now_us) {
  if (issued.expires_us > now_us) return {};
  return Error{Errc::kUnavailable,
               StrCat("it gave credentials that expired at ", FormatTimeUtc(issued.expires_us * 1000),
                      "; is the clock of this machine right?")};
}

}  // namespace

CredentialChain::CredentialChain(SourceContext context) : context_(std::move(context)) {
  const CredentialsOptions& options = context_.options;
  if (!options.passwd_file.empty()) {
    sources_.push_back(NewPasswdFileSource(context_));
    return;
  }
  if (!options.profile.empty()) sources_.push_back(NewProfileSource(context_));
  sources_.push_back(NewEnvironmentSource(context_));
  sources_.push_back(NewWebIdentitySource(context_));
  if (options.profile.empty()) sources_.push_back(NewProfileSource(context_));
  sources_.push_back(NewContainerSource(context_));
  sources_.push_back(NewInstanceSource(context_));
}

std::vector<std::string> CredentialChain::Files() const {
  if (chosen_) return sources_[*chosen_]->Files();
  std::vector<std::string> files;
  for (const auto& source : sources_) {
    for (std::string& file : source->Files()) files.push_back(std::move(file));
  }
  return files;
}

Result<IssuedCredentials> CredentialChain::Ask(const OpContext& ctx) {
  if (chosen_) return AskChosen(ctx);
  std::vector<std::string> reasons;
  for (size_t i = 0; i < sources_.size(); ++i) {
    CredentialSource& source = *sources_[i];
    auto answer = source.Ask(ctx);
    if (!answer.ok()) return answer.error().With(StrCat("credentials from the ", source.name()));
    if (answer->issued) {
      if (const Status time = CheckTime(*answer->issued, context_.NowUs()); !time.ok()) {
        return time.error().With(StrCat("credentials from the ", source.name()));
      }
      chosen_ = i;
      return std::move(*answer->issued);
    }
    reasons.push_back(StrCat(source.name(), ": ", answer->nothing.message));
  }
  return NoneFound(reasons);
}

Result<IssuedCredentials> CredentialChain::AskChosen(const OpContext& ctx) {
  CredentialSource& source = *sources_[*chosen_];
  const std::string place = StrCat("credentials from the ", source.name());
  auto answer = source.Ask(ctx);
  if (!answer.ok()) return answer.error().With(place);
  if (!answer->issued) return answer->nothing.With(place);
  if (const Status time = CheckTime(*answer->issued, context_.NowUs()); !time.ok()) return time.error().With(place);
  return std::move(*answer->issued);
}

Error CredentialChain::NoneFound(const std::vector<std::string>& reasons) const {
  std::string text = "no credentials for S3 were found (";
  for (size_t i = 0; i < reasons.size(); ++i) text += StrCat(i == 0 ? "" : "; ", reasons[i]);
  text +=
      "). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile or a passwd_file, or mount a public bucket "
      "as "
      "anonymous";
  return {Errc::kAccessDenied, std::move(text)};
}

}  // namespace pailfs::s3client
