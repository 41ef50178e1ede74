#include "base/s3wire/sts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/s3wire/dates.h"

namespace pailfs::s3wire {
namespace {

constexpr std::string_view kRole = R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>the/secret+key</SecretAccessKey>
      <SessionToken>the-token==</SessionToken><Expiration>2026-11-09T13:34:41Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>
</AssumeRoleResponse>)";

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out(text);
  for (size_t at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size())) {
    out.replace(at, from.size(), to);
  }
  return out;
}

TEST(Sts, Bodies) {
  RoleRequest request{"arn:aws:iam::1:role/r", "me@host", "", 0};
  EXPECT_EQ(AssumeRoleBody(request),
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me%40host&Version=2011-06-15");
  request.external_id = "a b";
  request.duration_seconds = 900;
  EXPECT_EQ(AssumeRoleBody(request),
            "Action=AssumeRole&DurationSeconds=900&ExternalId=a%20b&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=me%40host&Version=2011-06-15");
  EXPECT_EQ(AssumeRoleWithWebIdentityBody(request, "e.y=&"),
            "Action=AssumeRoleWithWebIdentity&DurationSeconds=900&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=me%40host&Version=2011-06-15&WebIdentityToken=e.y%3D%26");
}

TEST(Sts, AnswersOfBothActions) {
  for (const std::string& xml :
       {std::string(kRole), Replaced(kRole, "AssumeRoleRes", "AssumeRoleWithWebIdentityRes")}) {
    const auto role = ParseRoleCredentials(xml);
    ASSERT_TRUE(role.ok()) << role.error().message;
    EXPECT_EQ(role->keys.access_key_id, "ASIAEXAMPLE");
    EXPECT_EQ(role->keys.secret_access_key, "the/secret+key");
    EXPECT_EQ(role->keys.session_token, "the-token==");
    EXPECT_EQ(role->expires_us, *ParseIso8601("2026-11-09T13:34:41Z"));
  }
}

TEST(Sts, AnswersThatAreCutOrWrongAreCorruptAndKeepTheirSecrets) {
  std::vector<std::string> broken = {
      Replaced(kRole, "AccessKeyId", "Other"),         Replaced(kRole, "SecretAccessKey", "Other"),
      Replaced(kRole, "SessionToken", "Other"),        Replaced(kRole, "Expiration", "Other"),
      Replaced(kRole, "2026-11-09T13:34:41Z", "soon"), Replaced(kRole, "AssumeRoleResponse", "Other")};
  for (size_t length = 0; length < kRole.size(); ++length) broken.emplace_back(kRole.substr(0, length));
  for (const std::string& xml : broken) {
    const auto role = ParseRoleCredentials(xml);
    ASSERT_TRUE(role.Is(Errc::kCorrupt)) << xml;
    EXPECT_EQ(role.error().message.find("secret"), std::string::npos) << role.error().message;
    EXPECT_EQ(role.error().message.find("token=="), std::string::npos) << role.error().message;
  }
}

TEST(Sts, Errors) {
  const auto error = ParseStsError(
      "<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Type>Sender</Type>"
      "<Code>AccessDenied</Code><Message>not you</Message></Error><RequestId>r1</RequestId></ErrorResponse>");
  ASSERT_TRUE(error.ok()) << error.error().message;
  EXPECT_EQ(error->code, "AccessDenied");
  EXPECT_EQ(error->message, "not you");
  EXPECT_EQ(error->request_id, "r1");
  EXPECT_EQ(ParseStsError("<Error><Code>X</Code></Error>")->code, "X");
  EXPECT_TRUE(ParseStsError("<html/>").Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseStsError("").Is(Errc::kCorrupt));
}

}  // namespace
}  // namespace pailfs::s3wire
