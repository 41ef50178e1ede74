#include "s3client/passwd_file.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/str.h"
#include "s3client/credential_source.h"
#include "s3client/small_file.h"

namespace pailfs::s3client {
namespace {

constexpr uint32_t kGroupAndOthers = 0077;

class PasswdFileSource : public CredentialSource {
 public:
  explicit PasswdFileSource(const SourceContext& context) : context_(context) {}

  std::string_view name() const override { return "passwd_file"; }
  std::vector<std::string> Files() const override { return {context_.options.passwd_file}; }

  Result<SourceAnswer> Ask(const OpContext& /*ctx*/) override {
    const std::string& path = context_.options.passwd_file;
    const auto file = ReadSmallFile(context_.files, path);
    if (!file.ok()) return Error{Errc::kAccessDenied, file.error().message};
    if ((file->mode & kGroupAndOthers) != 0) {
      return Error{Errc::kAccessDenied,
                   StrCat(path, " holds secrets and is open to others than its owner; run: chmod 600 ", path)};
    }
    ASSIGN_OR_RETURN(s3wire::Credentials keys, ParsePasswdFile(file->content, context_.options.bucket, path));
    return SourceAnswer(
        {.keys = std::move(keys), .expires_us = IssuedCredentials::kNever, .source = StrCat("passwd_file ", path)});
  }

 private:
  const SourceContext& context_;
};

}  // namespace

Result<s3wire::Credentials> ParsePasswdFile(std::string_view text, std::string_view bucket,
                                            std::string_view file_name) {
  std::map<std::string, s3wire::Credentials, std::less<>> keys_of;  // "": all buckets
  int line_number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    const auto wrong = [&](std::string_view what) {
      return Error{Errc::kInvalidArgument, StrCat(file_name, ": line ", line_number, ": ", what)};
    };
    const auto colons = std::count(line.begin(), line.end(), ':');
    std::string name;
    if (colons == 2) {
      name = line.substr(0, line.find(':'));
      line.remove_prefix(name.size() + 1);
    }
    const size_t colon = line.find(':');
    if (colons < 1 || colons > 2 || colon == 0 || colon + 1 == line.size() || (colons == 2 && name.empty()) ||
        line.find_first_of(" \t") != std::string_view::npos) {
      return wrong("neither KEY:SECRET, nor BUCKET:KEY:SECRET, nor a comment");
    }
    s3wire::Credentials keys{.access_key_id = std::string(line.substr(0, colon)),
                             .secret_access_key = std::string(line.substr(colon + 1)),
                             .session_token = {}};
    if (!keys_of.emplace(name, std::move(keys)).second) {
      return wrong(name.empty() ? "a second line for all buckets" : "a second line for one bucket");
    }
  }
  for (const std::string_view name : {bucket, std::string_view()}) {
    const auto found = keys_of.find(name);
    if (found != keys_of.end()) return found->second;
  }
  return Error{Errc::kAccessDenied, StrCat(file_name, " has no keys for the bucket ", bucket,
                                           "; add a line KEY:SECRET or ", bucket, ":KEY:SECRET")};
}

std::unique_ptr<CredentialSource> NewPasswdFileSource(const SourceContext& context) {
  return std::make_unique<PasswdFileSource>(context);
}

}  // namespace pailfs::s3client
