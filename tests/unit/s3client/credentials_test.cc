// Which source is asked when, and what a person reads when none has anything.
#include "s3client/credentials.h"

#include "base/str.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr char kImds[] = "http://169.254.169.254";
constexpr char kRoles[] = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";

class CredentialsOrder : public CredentialsTest {
 protected:
  void SetUpEnvironment() {
    Set("AWS_ACCESS_KEY_ID", "ENV");
    Set("AWS_SECRET_ACCESS_KEY", "s3cr3t-env");
    Set("AWS_SESSION_TOKEN", "s3cr3t-env-token");
  }
  void SetUpWebIdentity() {
    Write("/token", "s3cr3t-web\n");
    Set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    Set("AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    network_.On("https://sts.", 200, RoleXml("WEB", "AssumeRoleWithWebIdentity"));
  }
  void SetUpProfiles() {
    Write(kCredentials,
          "[default]\naws_access_key_id=FILE\naws_secret_access_key=s3cr3t-file\n"
          "[work]\naws_access_key_id=WORK\naws_secret_access_key=s3cr3t-work\n");
  }
  void SetUpContainer() {
    Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/s3cr3t-id");
    network_.On("http://169.254.170.2/v2/", 200, EndpointJson("CONTAINER"));
  }
  void SetUpInstance() {
    network_.On(StrCat(kImds, "/latest/api/token"), 200, "s3cr3t-imds");
    network_.On(kRoles, 200, "role-1\n");
    network_.On(StrCat(kRoles, "role-1"), 200, EndpointJson("INSTANCE"));
  }
  std::string KeyId() {
    const auto issued = Get();
    EXPECT_OK(issued);
    return issued.ok() ? issued->keys.access_key_id : "";
  }
};

TEST_F(CredentialsOrder, EachSourceGoesBeforeTheNext) {
  SetUpInstance();
  EXPECT_EQ(KeyId(), "INSTANCE");
  SetUpContainer();
  EXPECT_EQ(KeyId(), "CONTAINER");
  SetUpProfiles();
  EXPECT_EQ(KeyId(), "FILE");
  SetUpWebIdentity();
  EXPECT_EQ(KeyId(), "WEB");
  SetUpEnvironment();
  EXPECT_EQ(KeyId(), "ENV");
  options_.profile = "work";
  EXPECT_EQ(KeyId(), "WORK");
  Write("/passwd", "PASSWD:s3cr3t\n");
  options_.passwd_file = "/passwd";
  EXPECT_EQ(KeyId(), "PASSWD");
  options_.anonymous = true;
  EXPECT_EQ(KeyId(), "");
}

TEST_F(CredentialsOrder, AProfileOfTheEnvironmentComesAfterItsKeys) {
  SetUpProfiles();
  Set("AWS_PROFILE", "work");
  EXPECT_EQ(KeyId(), "WORK");
  SetUpEnvironment();
  EXPECT_EQ(KeyId(), "ENV");
}

TEST_F(CredentialsOrder, ANamedProfileWithoutKeysLeavesTheOthers) {
  Write(kConfig, "[profile place]\nregion=eu-west-1\n");
  options_.profile = "place";
  SetUpEnvironment();
  EXPECT_EQ(KeyId(), "ENV");
}

TEST_F(CredentialsOrder, WhatTheEnvironmentGives) {
  SetUpEnvironment();
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.secret_access_key, "s3cr3t-env");
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-env-token");
  EXPECT_EQ(issued->expires_us, IssuedCredentials::kNever);
  EXPECT_EQ(issued->source, "AWS_ACCESS_KEY_ID in the environment");
  EXPECT_TRUE(network_.sent().empty());
}

TEST_F(CredentialsOrder, NoneAtAllSaysWhyAndWhatToDo) {
  const std::string message = Refusal(Errc::kAccessDenied);
  for (const char* part :
       {"environment: AWS_ACCESS_KEY_ID is not set", "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set",
        "profile: there is no profile default in /home/u/.aws/config and /home/u/.aws/credentials",
        "container endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set",
        "EC2 instance metadata: nothing at http://169.254.169.254 (connection refused)",
        "name a profile or a passwd_file"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
  }
  EXPECT_EQ(network_.sent().size(), 2U);
}

TEST_F(CredentialsOrder, ASourceThatIsHalfConfiguredEndsTheChain) {
  SetUpInstance();
  Set("AWS_ACCESS_KEY_ID", "ENV");
  EXPECT_EQ(Refusal(Errc::kInvalidArgument),
            "credentials from the environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
  variables_.erase("AWS_ACCESS_KEY_ID");
  Set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
  Refusal(Errc::kInvalidArgument);
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  Set("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
  EXPECT_EQ(Refusal(Errc::kInvalidArgument),
            "credentials from the web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
  Set("AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
  Refusal(Errc::kAccessDenied);  // no such file
  Write("/token", " \n");
  Refusal(Errc::kInvalidArgument);
  EXPECT_TRUE(network_.sent().empty());
}

TEST_F(CredentialsOrder, AProfileThatIsNotThereEndsTheChain) {
  SetUpInstance();
  SetUpProfiles();
  options_.profile = "worc";
  EXPECT_EQ(Refusal(Errc::kInvalidArgument),
            "credentials from the profile: there is no profile worc in /home/u/.aws/config and "
            "/home/u/.aws/credentials; did you mean work?");
  options_.profile.clear();
  Set("AWS_PROFILE", "worc");
  Refusal(Errc::kInvalidArgument);
}

TEST_F(CredentialsOrder, ABrokenFileIsNamedWithItsLine) {
  Write(kCredentials, "[default]\naws_access_key_id=A\naws_secret_access_key s3cr3t\n");
  EXPECT_NE(Refusal(Errc::kInvalidArgument).find("/home/u/.aws/credentials: line 3: "), std::string::npos);
}

TEST_F(CredentialsOrder, APasswdFileStandsAlone) {
  SetUpEnvironment();
  Write("/passwd", "other:K:s3cr3t\n");
  options_.passwd_file = "/passwd";
  Refusal(Errc::kAccessDenied);
  Write("/passwd", "K s3cr3t\n");
  Refusal(Errc::kInvalidArgument);
  Write("/passwd", std::string(2 << 20, '#'));
  Refusal(Errc::kAccessDenied);
}

TEST_F(CredentialsOrder, WebIdentityIsAskedWithoutASignature) {
  SetUpWebIdentity();
  Set("AWS_REGION", "eu-west-3");
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-token-WEB");
  EXPECT_EQ(issued->expires_us, clock_.WallNs() / 1000 + 3'600'000'000);
  EXPECT_EQ(issued->source, "role arn:aws:iam::1:role/web with the web identity in /token");
  ASSERT_EQ(network_.sent().size(), 1U);
  const SentRequest request = network_.sent()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://sts.eu-west-3.amazonaws.com/");
  EXPECT_EQ(request.Header("Authorization"), "");
  EXPECT_EQ(request.body,
            "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fweb&"
            "RoleSessionName=pailfs-1700000000&Version=2011-06-15&WebIdentityToken=s3cr3t-web");
  Set("AWS_ROLE_SESSION_NAME", "me");
  ASSERT_OK(Get());
  EXPECT_NE(network_.sent()[1].body.find("&RoleSessionName=me&"), std::string::npos);
}

TEST_F(CredentialsOrder, WhatStsRefusesIsSaidWithoutTheToken) {
  SetUpWebIdentity();
  network_.On("https://sts.", 400,
              "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>bad token s3cr3t-web here</Message>"
              "</Error></ErrorResponse>");
  EXPECT_EQ(Refusal(Errc::kAccessDenied),
            "credentials from the web identity: STS answered 400 InvalidIdentityToken: bad token [secret] here");
  network_.On("https://sts.", 400, "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>");
  Refusal(Errc::kUnavailable);
  network_.On("https://sts.", 503, "s3cr3t");
  Refusal(Errc::kUnavailable);
  network_.On("https://sts.", 403, "<html>s3cr3t</html>");
  Refusal(Errc::kAccessDenied);
  network_.On("https://sts.", 200, "<html>s3cr3t</html>");
  Refusal(Errc::kUnavailable);
  network_.On("https://sts.", 200, RoleXml("WEB", "AssumeRoleWithWebIdentity"));
  clock_.Advance(3'600'000'000'000);
  EXPECT_NE(Refusal(Errc::kUnavailable).find("expired at 2023-"), std::string::npos);
  network_.SetScript([](const SentRequest&) { return Error{Errc::kUnavailable, "reset after s3cr3t-web"}; });
  Refusal(Errc::kUnavailable);
}

TEST_F(CredentialsOrder, TheCallsOwnEndIsTold) {
  SetUpInstance();
  ctx_.deadline_ns = clock_.MonotonicNs();
  EXPECT_ERRC(Get(), Errc::kTimedOut);
}

TEST(Credentials, AccessKeyIdsAreMasked) {
  EXPECT_EQ(MaskedKeyId("AKIAIOSFODNN7EXAMPLE"), "AKIA****************");
  EXPECT_EQ(MaskedKeyId("minio"), "*****");
  EXPECT_EQ(MaskedKeyId(""), "");
}

TEST(Credentials, TheProcessHasAHome) {
  ASSERT_EQ(setenv("PAILFS_CREDENTIALS_TEST", "x", 1), 0);
  EXPECT_EQ(ProcessEnvironment()("PAILFS_CREDENTIALS_TEST"), "x");
  EXPECT_EQ(ProcessEnvironment()("PAILFS_CREDENTIALS_TEST_ABSENT"), std::nullopt);
  const std::string home = ProcessEnvironment()("HOME").value_or("");
  ASSERT_EQ(unsetenv("HOME"), 0);
  EXPECT_TRUE(ProcessEnvironment()("HOME").value_or("").starts_with('/'));
  if (!home.empty()) setenv("HOME", home.c_str(), 1);
}

}  // namespace
}  // namespace pailfs::s3client
