// Profiles: keys, commands, roles, and chains of them.
#include "base/s3wire/sigv4.h"
#include "base/str.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kBase = "[base]\naws_access_key_id=BASE\naws_secret_access_key=s3cr3t-base\n";

class ProfileSource : public CredentialsTest {
 protected:
  ProfileSource() {
    Set("AWS_EC2_METADATA_DISABLED", "true");
    options_.profile = "work";
    network_.On("https://sts.", 200, RoleXml("ROLE"));
  }
  std::string RefusalOf(std::string_view config, Errc code) {
    Write(kConfig, config);
    return Refusal(code);
  }
};

TEST_F(ProfileSource, Keys) {
  Write(kCredentials,
        "[work]\naws_access_key_id = A\naws_secret_access_key = s3cr3t # mine\naws_session_token=s3cr3t-t\n");
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "A");
  EXPECT_EQ(issued->keys.secret_access_key, "s3cr3t");
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-t");
  EXPECT_EQ(issued->expires_us, IssuedCredentials::kNever);
  EXPECT_EQ(issued->source, "profile work in /home/u/.aws/credentials");
}

TEST_F(ProfileSource, HalfOfTheKeys) {
  EXPECT_EQ(RefusalOf("[profile work]\naws_access_key_id = A\n", Errc::kInvalidArgument),
            "credentials from the profile: profile work: /home/u/.aws/config has no aws_secret_access_key");
  RefusalOf("[profile work]\naws_secret_access_key = s3cr3t\n", Errc::kInvalidArgument);
}

TEST_F(ProfileSource, ACommand) {
  Write(kConfig,
        "[profile work]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"P\", "
        "\"SecretAccessKey\": \"s3cr3t\", \"Expiration\": \"2030-01-01T00:00:00Z\"}' # ; x\n");
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "P");
  EXPECT_EQ(issued->source, "credential_process of the profile work");
  EXPECT_LT(issued->expires_us, IssuedCredentials::kNever);
}

TEST_F(ProfileSource, ACommandThatFails) {
  EXPECT_EQ(RefusalOf("[profile work]\ncredential_process = echo s3cr3t; exit 4\n", Errc::kUnavailable),
            "credentials from the profile: profile work: credential_process (run it by hand to see what it says): it "
            "ended with code 4");
  EXPECT_NE(RefusalOf("[profile work]\ncredential_process = echo s3cr3t\n", Errc::kInvalidArgument).find("not JSON"),
            std::string::npos);
}

TEST_F(ProfileSource, ARoleWithTheKeysOfAnotherProfile) {
  Write(kCredentials, kBase);
  Write(kConfig,
        "[profile work]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=base\nexternal_id=s3cr3t-x\n"
        "role_session_name=me\nduration_seconds=900\nregion=eu-west-1\n");
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "ROLE");
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-token-ROLE");
  EXPECT_EQ(issued->source,
            "role arn:aws:iam::1:role/r of the profile work, with profile base in /home/u/.aws/credentials");
  ASSERT_EQ(network_.sent().size(), 1U);
  const SentRequest sent = network_.sent()[0];
  EXPECT_EQ(sent.url, "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(sent.body,
            "Action=AssumeRole&DurationSeconds=900&ExternalId=s3cr3t-x&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=me&Version=2011-06-15");
  EXPECT_EQ(sent.Header("Host"), "sts.eu-west-1.amazonaws.com");

  // Signed as the signer signs it.
  s3wire::SignableRequest request{
      .method = "POST",
      .path = "/",
      .query = {},
      .headers = {{"Host", sent.Header("Host")}, {"Content-Type", sent.Header("Content-Type")}}};
  ASSERT_OK(s3wire::SignRequest(request, s3wire::PayloadSha256(sent.body), {"BASE", "s3cr3t-base", ""},
                                {.time_us = clock_.WallNs() / 1000, .region = "eu-west-1", .service = "sts"}));
  EXPECT_EQ(sent.headers, request.headers);
}

TEST_F(ProfileSource, RolesThroughRoles) {
  Write(kCredentials, kBase);
  Write(kConfig,
        "[profile work]\nrole_arn=arn:r1\nsource_profile=middle\n"
        "[profile middle]\nrole_arn=arn:r2\nsource_profile=base\n");
  network_.SetScript([this](const SentRequest& request) {
    const bool inner = request.body.find("arn%3Ar2") != std::string::npos;
    return HttpAnswer{.status = 200, .headers = {}, .body = RoleXml(inner ? "INNER" : "OUTER")};
  });
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "OUTER");
  ASSERT_EQ(network_.sent().size(), 2U);
  EXPECT_NE(network_.sent()[0].Header("Authorization").find("Credential=BASE/"), std::string::npos);
  EXPECT_NE(network_.sent()[1].Header("Authorization").find("Credential=INNER/"), std::string::npos);
  EXPECT_EQ(network_.sent()[1].Header("X-Amz-Security-Token") + network_.sent()[1].Header("x-amz-security-token"),
            "s3cr3t-token-INNER");
}

TEST_F(ProfileSource, AChainThatComesBack) {
  EXPECT_EQ(RefusalOf("[profile work]\nrole_arn=arn:r1\nsource_profile=b\n[profile b]\nrole_arn=arn:r2\n"
                      "source_profile=work\n",
                      Errc::kInvalidArgument),
            "credentials from the profile: profile work: profile b: the chain of source_profile comes back to the "
            "profile work");
  RefusalOf("[profile work]\nrole_arn=arn:r1\nsource_profile=work\n", Errc::kInvalidArgument);
  EXPECT_TRUE(network_.sent().empty());
  // With keys of its own it is no loop.
  Write(kConfig,
        "[profile work]\nrole_arn=arn:r1\nsource_profile=work\naws_access_key_id=OWN\n"
        "aws_secret_access_key=s3cr3t\n");
  EXPECT_OK(Get());
  EXPECT_NE(network_.sent().at(0).Header("Authorization").find("Credential=OWN/"), std::string::npos);
}

TEST_F(ProfileSource, ARoleWithAnotherSource) {
  Write(kConfig, "[profile work]\nrole_arn=arn:r\ncredential_source=EcsContainer\n");
  Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/id");
  network_.On("http://169.254.170.2/id", 200, EndpointJson("TASK"));
  ASSERT_OK(Get());
  EXPECT_NE(network_.sent().back().Header("Authorization").find("Credential=TASK/"), std::string::npos);

  Write(kConfig, "[profile work]\nrole_arn=arn:r\ncredential_source=Ec2InstanceMetadata\n");
  EXPECT_NE(Refusal(Errc::kAccessDenied).find("AWS_EC2_METADATA_DISABLED is set"), std::string::npos);

  Write(kConfig, "[profile work]\nrole_arn=arn:r\ncredential_source=Environment\n");
  Refusal(Errc::kAccessDenied);
  Set("AWS_ACCESS_KEY_ID", "ENV");
  Set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
  ASSERT_OK(Get());
  EXPECT_NE(network_.sent().back().Header("Authorization").find("Credential=ENV/"), std::string::npos);
}

TEST_F(ProfileSource, ARoleWithAWebIdentity) {
  Write(kConfig, "[profile work]\nrole_arn=arn:r\nweb_identity_token_file=~/token\n");
  Write("/home/u/token", "s3cr3t-web");
  network_.On("https://sts.", 200, RoleXml("WEB", "AssumeRoleWithWebIdentity"));
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->source, "role arn:r of the profile work, with the web identity in /home/u/token");
  EXPECT_EQ(network_.sent().at(0).Header("Authorization"), "");
}

TEST_F(ProfileSource, RolesThatAreWrong) {
  const std::string role = "[profile work]\nrole_arn=arn:r\n";
  RefusalOf(role, Errc::kInvalidArgument);
  RefusalOf(role + "source_profile=base\ncredential_source=Environment\n", Errc::kInvalidArgument);
  RefusalOf(role + "source_profile=absent\n", Errc::kInvalidArgument);
  RefusalOf(role + "credential_source=s3cr3t\n", Errc::kInvalidArgument);
  RefusalOf(role + "source_profile=empty\n[profile empty]\nregion=x\n", Errc::kAccessDenied);
  RefusalOf(role + "source_profile=base\nmfa_serial=x\n", Errc::kInvalidArgument);
  for (const char* seconds : {"899", "43201", "15m", "-900"}) {
    RefusalOf(StrCat(role, "source_profile=base\nduration_seconds=", seconds, "\n"), Errc::kInvalidArgument);
  }
  RefusalOf(role + "source_profile=base\nregion=evil.com/\n", Errc::kInvalidArgument);
  EXPECT_NE(RefusalOf("[profile work]\nsso_session=x\n", Errc::kInvalidArgument)
                .find("aws configure export-credentials --profile work"),
            std::string::npos);
  EXPECT_TRUE(network_.sent().empty());
}

TEST_F(ProfileSource, WhatStsRefusesIsSaidWithoutSecrets) {
  Write(kCredentials, kBase);
  Write(kConfig, "[profile work]\nrole_arn=arn:r\nsource_profile=base\nexternal_id=s3cr3t-x\n");
  const auto refuse = [this](std::string_view code, std::string_view message) {
    network_.On("https://sts.", 403,
                StrCat("<ErrorResponse><Error><Code>", code, "</Code><Message>", message,
                       "</Message></Error></ErrorResponse>"));
    return Refusal(Errc::kAccessDenied);
  };
  EXPECT_NE(refuse("AccessDenied", "User: u is not authorized").find("AccessDenied: User: u is not authorized"),
            std::string::npos);
  EXPECT_NE(refuse("SignatureDoesNotMatch", "should have been s3cr3t%2Dbase").find("secret access key does not belong"),
            std::string::npos);
  refuse("AccessDenied", "the external id s3cr3t-x and s3cr3t-base");
}

TEST_F(ProfileSource, WhereStsIs) {
  Write(kCredentials, kBase);
  const std::string role = "[profile work]\nrole_arn=arn:r\nsource_profile=base\n";
  const auto place = [&](std::string_view more) {
    Write(kConfig, StrCat(role, more));
    network_.SetScript(
        [this](const SentRequest&) { return HttpAnswer{.status = 200, .headers = {}, .body = RoleXml("ROLE")}; });
    EXPECT_OK(Get());
    return network_.sent().empty() ? "" : network_.sent().back().url;
  };
  EXPECT_EQ(place(""), "https://sts.amazonaws.com/");
  EXPECT_NE(network_.sent().back().Header("Authorization").find("/us-east-1/sts/"), std::string::npos);
  EXPECT_EQ(place("region=cn-north-1\n"), "https://sts.cn-north-1.amazonaws.com.cn/");
  EXPECT_EQ(place("region=eu-west-1\nsts_regional_endpoints=legacy\n"), "https://sts.amazonaws.com/");
  EXPECT_EQ(place("region=eu-south-1\nsts_regional_endpoints=legacy\n"), "https://sts.eu-south-1.amazonaws.com/");
  EXPECT_EQ(place("region=eu-west-1\nendpoint_url=https://all:1\n"), "https://all:1/");
  EXPECT_EQ(place("services=s\nendpoint_url=https://all:1\n[services s]\nsts=\n  endpoint_url=https://one/x\n"),
            "https://one/x");
  Set("AWS_DEFAULT_REGION", "eu-west-2");
  EXPECT_EQ(place("region=eu-west-1\n"), "https://sts.eu-west-2.amazonaws.com/");
  Set("AWS_REGION", "eu-west-3");
  EXPECT_EQ(place("region=eu-west-1\n"), "https://sts.eu-west-3.amazonaws.com/");
  options_.region = "sa-east-1";
  EXPECT_EQ(place("region=eu-west-1\n"), "https://sts.sa-east-1.amazonaws.com/");
  Set("AWS_ENDPOINT_URL", "https://env");
  EXPECT_EQ(place("endpoint_url=https://all:1\n"), "https://env/");
  Set("AWS_ENDPOINT_URL_STS", "http://env-sts:8080/");
  EXPECT_EQ(place(""), "http://env-sts:8080/");
  Set("AWS_ENDPOINT_URL_STS", "http://u:s3cr3t@env/");
  Refusal(Errc::kInvalidArgument);
  Set("AWS_ENDPOINT_URL_STS", "http://env/?s3cr3t");
  Refusal(Errc::kInvalidArgument);
  Set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
  EXPECT_EQ(place(""), "https://sts.sa-east-1.amazonaws.com/");
}

TEST_F(ProfileSource, FilesThatCannotBeRead) {
  Write(kCredentials, kBase);
  files_.Inject({.call = FsCall::kOpen, .path_part = "credentials", .code = Errc::kIo});
  Refusal(Errc::kIo);
}

}  // namespace
}  // namespace pailfs::s3client
