#include "s3client/issued_json.h"

#include "base/random.h"
#include "base/s3wire/dates.h"
#include "base/str.h"
#include "tests/support/seeds.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kProcess = R"({"Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "s3cr3t-a",
  "SessionToken": "s3cr3t-t", "Expiration": "2026-05-19T18:06:10+00:00", "Extra": [1.5, null]})";
constexpr std::string_view kEndpoint = R"({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIA",
  "SecretAccessKey": "s3cr3t-a", "Token": "s3cr3t-t", "Expiration": "2026-05-19T18:06:10Z"})";

TEST(IssuedJson, OfAProcess) {
  const auto issued = ParseProcessCredentials(kProcess);
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "ASIA");
  EXPECT_EQ(issued->keys.secret_access_key, "s3cr3t-a");
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-t");
  EXPECT_EQ(issued->expires_us, *s3wire::ParseIso8601("2026-05-19T18:06:10Z"));
  const auto lasting =
      ParseProcessCredentials(R"({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "b", "SessionToken": null})");
  ASSERT_OK(lasting);
  EXPECT_EQ(lasting->expires_us, IssuedCredentials::kNever);
  EXPECT_EQ(lasting->keys.session_token, "");
}

TEST(IssuedJson, OfAnEndpoint) {
  const auto issued = ParseEndpointCredentials(kEndpoint);
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-t");
  const auto failed = ParseEndpointCredentials(R"({"Code": "AssumeRoleUnauthorizedAccess", "Message": "s3cr3t"})");
  ASSERT_ERRC(failed, Errc::kAccessDenied);
  EXPECT_EQ(failed.error().message, "the answer is AssumeRoleUnauthorizedAccess");
  ExpectNoSecret(ParseEndpointCredentials(R"({"Code": "s3cr3t: x"})").error().message);
}

TEST(IssuedJson, WhatIsMissingIsNamed) {
  const auto message = [](std::string_view json) {
    const auto issued = ParseProcessCredentials(json);
    EXPECT_ERRC(issued, Errc::kInvalidArgument);
    return issued.ok() ? "" : issued.error().message;
  };
  EXPECT_EQ(message(""), "what it printed is not JSON");
  EXPECT_EQ(message("[]"), "what it printed is not of \"Version\": 1");
  EXPECT_EQ(message(R"({"Version": 2})"), "what it printed is not of \"Version\": 1");
  EXPECT_EQ(message(R"({"Version": 1})"), "no AccessKeyId in the answer");
  EXPECT_EQ(message(R"({"Version": 1, "AccessKeyId": 5})"), "no AccessKeyId in the answer");
  EXPECT_EQ(message(R"({"Version": 1, "AccessKeyId": "A"})"), "no SecretAccessKey in the answer");
  EXPECT_EQ(message(R"({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "b", "Expiration": "s3cr3t"})"),
            "Expiration is not a time in ISO 8601");
}

TEST(IssuedJson, Expirations) {
  const int64_t noon = *s3wire::ParseIso8601("2026-05-19T12:00:00Z");
  for (const char* text : {"2026-05-19T12:00:00Z", "2026-05-19T12:00:00.000Z", "2026-05-19T14:00:00+02:00",
                           "2026-05-19T06:30:00-0530", "2026-05-19T12:00:00.0+00:00"}) {
    const auto time = ParseExpiration(text);
    ASSERT_OK(time);
    EXPECT_EQ(*time, noon) << text;
  }
  for (const char* text : {"", "T", "tomorrow", "2026-05-19", "2026-05-19T12:00:00", "2026-05-19T12:00:00+2",
                           "2026-05-19T12:00:00+24:00", "2026-05-19T12:00:00+02:60", "2026-05-19T12:00:00+02:00Z",
                           "2026-05-19T12:00:00Z+02:00", "2026-13-19T12:00:00Z"}) {
    EXPECT_ERRC(ParseExpiration(text), Errc::kInvalidArgument);
  }
}

TEST(IssuedJson, CutAndMutatedAnswersKeepTheirSecrets) {
  const auto parse = [](std::string_view json) {
    const auto process = ParseProcessCredentials(json);
    if (!process.ok()) ExpectNoSecret(process.error().message);
    const auto endpoint = ParseEndpointCredentials(json);
    if (!endpoint.ok()) ExpectNoSecret(endpoint.error().message);
  };
  for (const std::string_view sample : {kProcess, kEndpoint}) {
    for (size_t length = 0; length < sample.size(); ++length) parse(sample.substr(0, length));
    ForSeeds(200, [&](uint64_t seed) {
      SeededRandom random(seed);
      std::string text(sample);
      for (uint64_t i = random.Below(6) + 1; i > 0; --i) {
        text[random.Below(text.size())] = random.Bytes(1).front();
      }
      parse(text);
    });
  }
}

}  // namespace
}  // namespace pailfs::s3client
