// A machine on which nothing is configured: a home, an environment, a clock and a network that a test fills. Every
// secret of these tests contains kSecretMark, so that a message can be searched for any of them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/op_context.h"
#include "s3client/credentials.h"
#include "s3client/http.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/results.h"

namespace pailfs::s3client {

inline constexpr std::string_view kSecretMark = "s3cr3t";

struct SentRequest {
  std::string method;
  std::string url;
  s3wire::Headers headers;
  std::string body;
  int64_t time_left_ns = 0;

  std::string Header(std::string_view name) const;  // empty: none
};

// Answers as it is told, and remembers what was sent. Thread-safe.
class ScriptedTransport : public HttpTransport {
 public:
  using Script = std::function<Result<HttpAnswer>(const SentRequest&)>;

  HttpExchange Perform(const OpContext& ctx, const HttpRequest& request, HttpReceiver* receiver) override;
  void SetScript(Script script);
  // One answer for requests whose URL begins with `url`; the longest that fits counts.
  void On(const std::string& url, int status, const std::string& body);
  std::vector<SentRequest> sent() const;

 private:
  Result<HttpAnswer> Answer(const SentRequest& request);

  mutable Mutex mu_;
  Script script_ GUARDED_BY(mu_);
  std::map<std::string, HttpAnswer> answers_ GUARDED_BY(mu_);
  std::vector<SentRequest> sent_ GUARDED_BY(mu_);
};

class CredentialsTest : public testing::Test {
 protected:
  static constexpr std::string_view kConfig = "/home/u/.aws/config";
  static constexpr std::string_view kCredentials = "/home/u/.aws/credentials";

  CredentialsTest();

  void Write(std::string_view path, std::string_view content);
  void Set(const std::string& name, const std::string& value) { variables_[name] = value; }
  Environment environment();
  std::unique_ptr<CredentialsProvider> Provider();
  // Of a new provider.
  Result<IssuedCredentials> Get();
  // The message of the error that a new provider gives, after it was searched for secrets.
  std::string Refusal(Errc code);
  std::string NowPlus(int64_t seconds) const;
  // STS's answer, valid for an hour.
  std::string RoleXml(std::string_view name, std::string_view action = "AssumeRole") const;
  // {"AccessKeyId": …} as endpoints give it.
  std::string EndpointJson(std::string_view name, int64_t seconds = 3600) const;

  ManualClock clock_;
  FaultyFileSystem files_{clock_};
  ScriptedTransport network_;
  std::map<std::string, std::string> variables_;
  CredentialsOptions options_;
  OpContext ctx_;
};

void ExpectNoSecret(std::string_view text);

}  // namespace pailfs::s3client
