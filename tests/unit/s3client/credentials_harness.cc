#include "tests/unit/s3client/credentials_harness.h"

#include "base/s3wire/dates.h"
#include "base/str.h"

namespace pailfs::s3client {

std::string SentRequest::Header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (header == name) return value;
  }
  return "";
}

HttpExchange ScriptedTransport::Perform(const OpContext& ctx, const HttpRequest& request, HttpReceiver* receiver) {
  EXPECT_EQ(receiver, nullptr);
  SentRequest sent{.method = request.method,
                   .url = request.url,
                   .headers = request.headers,
                   .body = {},
                   .time_left_ns = ctx.deadline_ns - ctx.NowNs()};
  if (request.body != nullptr) {
    sent.body.resize(request.body->size_bytes());
    EXPECT_OK(request.body->ReadAt(0, std::as_writable_bytes(std::span(sent.body))));
  }
  return {.sent = true, .answer = Answer(sent)};
}

Result<HttpAnswer> ScriptedTransport::Answer(const SentRequest& request) {
  Script script;
  {
    const MutexLock lock(mu_);
    sent_.push_back(request);
    script = script_;
    if (!script) {
      auto after = answers_.upper_bound(request.url);
      while (after != answers_.begin()) {
        --after;
        if (request.url.starts_with(after->first)) return after->second;
      }
    }
  }
  if (script) return script(request);
  return Error{Errc::kUnavailable, "connection refused"};
}

void ScriptedTransport::SetScript(Script script) {
  const MutexLock lock(mu_);
  script_ = std::move(script);
}

void ScriptedTransport::On(const std::string& url, int status, const std::string& body) {
  const MutexLock lock(mu_);
  answers_[url] = HttpAnswer{.status = status, .headers = {}, .body = body};
}

std::vector<SentRequest> ScriptedTransport::sent() const {
  const MutexLock lock(mu_);
  return sent_;
}

CredentialsTest::CredentialsTest() {
  EXPECT_OK(MakeDirectories(files_, "/home/u/.aws"));
  Set("HOME", "/home/u");
  options_.bucket = "photos";
  ctx_.clock = &clock_;
}

void CredentialsTest::Write(std::string_view path, std::string_view content) {
  const auto file = files_.Open(std::string(path), OpenMode::kCreateEmpty);
  ASSERT_OK(file);
  ASSERT_OK((*file)->WriteAt(0, AsBytes(content)));
}

Environment CredentialsTest::environment() {
  return [variables = variables_](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

std::unique_ptr<CredentialsProvider> CredentialsTest::Provider() {
  return NewCredentialsProvider(options_, files_, clock_, network_, environment());
}

Result<IssuedCredentials> CredentialsTest::Get() {
  auto issued = Provider()->Get(ctx_);
  if (issued.ok()) ExpectNoSecret(issued->source);
  return issued;
}

std::string CredentialsTest::Refusal(Errc code) {
  const auto issued = Get();
  EXPECT_ERRC(issued, code);
  if (issued.ok()) return "";
  ExpectNoSecret(issued.error().message);
  return issued.error().message;
}

std::string CredentialsTest::NowPlus(int64_t seconds) const {
  return s3wire::FormatIso8601(clock_.WallNs() / 1000 + seconds * 1'000'000);
}

std::string CredentialsTest::RoleXml(std::string_view name, std::string_view action) const {
  return StrCat("<", action, "Response><", action, "Result><Credentials><AccessKeyId>", name,
                "</AccessKeyId><SecretAccessKey>s3cr3t-", name, "</SecretAccessKey><SessionToken>s3cr3t-token-", name,
                "</SessionToken><Expiration>", NowPlus(3600), "</Expiration></Credentials></", action, "Result></",
                action, "Response>");
}

std::string CredentialsTest::EndpointJson(std::string_view name, int64_t seconds) const {
  return StrCat(R"({"Code": "Success", "AccessKeyId": ")", name, R"(", "SecretAccessKey": "s3cr3t-)", name,
                R"(", "Token": "s3cr3t-token-)", name, R"(", "Expiration": ")", NowPlus(seconds), R"("})");
}

void ExpectNoSecret(std::string_view text) {
  EXPECT_EQ(text.find(kSecretMark), std::string_view::npos) << text;
}

}  // namespace pailfs::s3client
