#include "s3client/small_exchange.h"

#include <array>

#include "base/str.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

class SmallExchange : public CredentialsTest {
 protected:
  // What is sent until `answers` are used up; the last one again and again.
  Result<HttpAnswer> Ask(std::vector<Result<HttpAnswer>> answers) {
    size_t next = 0;
    network_.SetScript([&](const SentRequest&) { return answers[std::min(next++, answers.size() - 1)]; });
    return AskBriefly(ctx_, network_, {.method = "GET", .url = "http://h/", .headers = {}, .body = nullptr}, "body",
                      {.attempts = 3, .attempt_timeout_ns = 1000});
  }
  static HttpAnswer Status(int status) { return {.status = status, .headers = {}, .body = {}}; }
};

TEST_F(SmallExchange, AsksAgainWhenBusyOrSilent) {
  EXPECT_EQ(Ask({Status(503), Error{Errc::kUnavailable, "reset"}, Status(200)})->status, 200);
  ASSERT_EQ(network_.sent().size(), 3U);
  EXPECT_EQ(network_.sent()[2].body, "body");
  EXPECT_EQ(network_.sent()[2].time_left_ns, 1000);
}

TEST_F(SmallExchange, GivesUpInTheEnd) {
  EXPECT_EQ(Ask({Status(429)})->status, 429);
  EXPECT_ERRC(Ask({Error{Errc::kTimedOut, "slow"}}), Errc::kUnavailable);
  EXPECT_ERRC(Ask({Error{Errc::kCorrupt, "not HTTP"}}), Errc::kUnavailable);
  EXPECT_EQ(network_.sent().size(), 9U);
}

TEST_F(SmallExchange, OtherAnswersStand) {
  EXPECT_EQ(Ask({Status(403)})->status, 403);
  EXPECT_EQ(network_.sent().size(), 1U);
}

TEST_F(SmallExchange, EndsWithTheCall) {
  ctx_.deadline_ns = clock_.MonotonicNs() + 500;
  network_.SetScript([&](const SentRequest& request) -> Result<HttpAnswer> {
    EXPECT_EQ(request.time_left_ns, 500);
    clock_.Advance(500);
    return Error{Errc::kTimedOut, "slow"};
  });
  EXPECT_ERRC(AskBriefly(ctx_, network_, {.method = "GET", .url = "http://h/", .headers = {}, .body = nullptr}, "", {}),
              Errc::kTimedOut);
  EXPECT_EQ(network_.sent().size(), 1U);
}

TEST(ServiceUrl, Parts) {
  const auto url = ParseServiceUrl("HTTPS://Sts.Example.com:8443/a/b?c=d");
  ASSERT_OK(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->authority, "sts.example.com:8443");
  EXPECT_EQ(url->host, "sts.example.com");
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(ParseServiceUrl("http://[fd00:ec2::23]:80")->host, "fd00:ec2::23");
  EXPECT_EQ(ParseServiceUrl("http://[::1]?x")->target, "/?x");
}

TEST(ServiceUrl, Refused) {
  for (const char* text : {"", "h", "ftp://h/", "http://", "http:///p", "http://u:s3cr3t@h/", "http://h:0/",
                           "http://h:99999/", "http://h:/", "http://h:x/", "http://[::1/", "http://[::1]x/",
                           "http://h/a b", "http://h/a\n", "http://h/#s3cr3t", "http://h ", "http://a%2f/"}) {
    const auto url = ParseServiceUrl(text);
    ASSERT_ERRC(url, Errc::kInvalidArgument);
    ExpectNoSecret(url.error().message);
  }
}

TEST(WithoutSecrets, LeavesNoneAndStaysShort) {
  const std::array<std::string_view, 3> secrets = {"s3cr3t-a", "", "s3cr3t-b"};
  EXPECT_EQ(WithoutSecrets("a s3cr3t-a\nb s3cr3t-bs3cr3t-a", secrets), "a [secret] b [secret][secret]");
  const std::string text = WithoutSecrets(StrCat(std::string(295, 'x'), "s3cr3t-a"), secrets);
  ExpectNoSecret(text);
  EXPECT_LE(text.size(), 303U);
}

}  // namespace
}  // namespace pailfs::s3client
