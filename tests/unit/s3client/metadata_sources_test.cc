// The endpoints of containers and of EC2.
#include "base/str.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr char kToken[] = "http://169.254.169.254/latest/api/token";
constexpr char kRoles[] = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";

class ContainerEndpoint : public CredentialsTest {
 protected:
  ContainerEndpoint() { Set("AWS_EC2_METADATA_DISABLED", "true"); }
};

TEST_F(ContainerEndpoint, ARelativeUri) {
  Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/s3cr3t-id");
  Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://elsewhere/");
  network_.On("http://169.254.170.2/v2/s3cr3t-id", 200, EndpointJson("TASK"));
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "TASK");
  EXPECT_EQ(issued->keys.session_token, "s3cr3t-token-TASK");
  EXPECT_EQ(issued->source, "container endpoint http://169.254.170.2");
  EXPECT_EQ(network_.sent().at(0).method, "GET");
  EXPECT_EQ(network_.sent().at(0).Header("Authorization"), "");
}

TEST_F(ContainerEndpoint, TheTokenIsOfTheFileElseOfTheVariable) {
  Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
  Set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "s3cr3t-variable");
  network_.On("http://169.254.170.23/v1/credentials", 200, EndpointJson("POD"));
  ASSERT_OK(Get());
  EXPECT_EQ(network_.sent().at(0).Header("Authorization"), "s3cr3t-variable");
  Set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token");
  Refusal(Errc::kAccessDenied);
  Write("/token", "s3cr3t-file\n");
  ASSERT_OK(Get());
  EXPECT_EQ(network_.sent().at(1).Header("Authorization"), "s3cr3t-file");
  Write("/token", "s3cr3t\r\nX: y");
  Refusal(Errc::kInvalidArgument);
}

TEST_F(ContainerEndpoint, PlainHttpGoesToThisMachineOnly) {
  network_.SetScript(
      [this](const SentRequest&) { return HttpAnswer{.status = 200, .headers = {}, .body = EndpointJson("POD")}; });
  for (const char* url :
       {"https://keys.example.com/c", "http://localhost:51679/c", "http://127.0.0.1/c", "http://127.5.6.7:80/c",
        "http://[::1]:1234/c", "http://169.254.170.2/c", "http://169.254.170.23/c", "http://[fd00:ec2::23]/c"}) {
    Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    EXPECT_OK(Get());
  }
  const size_t sent = network_.sent().size();
  for (const char* url : {"http://keys.example.com/s3cr3t", "http://169.254.170.3/s3cr3t", "http://127.evil.com/s3cr3t",
                          "http://127.0.0.1.evil.com/s3cr3t", "http://10.0.0.1/s3cr3t", "ftp://localhost/s3cr3t",
                          "s3cr3t", "http://u:s3cr3t@localhost/"}) {
    Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    Refusal(Errc::kInvalidArgument);
  }
  Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.com/s3cr3t");
  Refusal(Errc::kInvalidArgument);
  EXPECT_EQ(network_.sent().size(), sent);
}

TEST_F(ContainerEndpoint, Failures) {
  Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/s3cr3t-id");
  network_.SetScript([](const SentRequest& request) { return Error{Errc::kUnavailable, request.url + " is down"}; });
  EXPECT_NE(Refusal(Errc::kUnavailable).find("http://169.254.170.2"), std::string::npos);
  EXPECT_EQ(network_.sent().size(), 3U);
  const auto answer = [this](int status, const std::string& body) {
    network_.SetScript([=](const SentRequest&) { return HttpAnswer{.status = status, .headers = {}, .body = body}; });
  };
  answer(403, "s3cr3t");
  Refusal(Errc::kAccessDenied);
  answer(500, "s3cr3t");
  Refusal(Errc::kUnavailable);
  answer(200, "{s3cr3t");
  Refusal(Errc::kUnavailable);
  answer(200, R"({"AccessKeyId": "A", "Token": "s3cr3t"})");
  Refusal(Errc::kUnavailable);
}

class InstanceMetadata : public CredentialsTest {
 protected:
  InstanceMetadata() {
    network_.On(kToken, 200, "s3cr3t-session");
    network_.On(kRoles, 200, "web server\nother");
    network_.On(StrCat(kRoles, "web%20server"), 200, EndpointJson("EC2"));
  }
};

TEST_F(InstanceMetadata, ATokenThenTheRoleThenItsCredentials) {
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->keys.access_key_id, "EC2");
  EXPECT_EQ(issued->expires_us, clock_.WallNs() / 1000 + 3'600'000'000);
  EXPECT_EQ(issued->source, "role web server of this EC2 instance");
  const auto sent = network_.sent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].method, "PUT");
  EXPECT_EQ(sent[0].Header("X-aws-ec2-metadata-token-ttl-seconds"), "21600");
  for (const SentRequest& request : sent) EXPECT_EQ(request.time_left_ns, 1'000'000'000);
  for (const size_t i : {1U, 2U}) {
    EXPECT_EQ(sent[i].method, "GET");
    EXPECT_EQ(sent[i].Header("X-aws-ec2-metadata-token"), "s3cr3t-session");
  }
}

TEST_F(InstanceMetadata, CanBeSwitchedOffAndMoved) {
  Set("AWS_EC2_METADATA_DISABLED", "true");
  EXPECT_NE(Refusal(Errc::kAccessDenied).find("AWS_EC2_METADATA_DISABLED is set"), std::string::npos);
  EXPECT_TRUE(network_.sent().empty());
  Set("AWS_EC2_METADATA_DISABLED", "false");
  Set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
  Refusal(Errc::kAccessDenied);
  EXPECT_EQ(network_.sent().back().url, "http://[fd00:ec2::254]/latest/api/token");
  Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://localhost:1338/");
  Refusal(Errc::kAccessDenied);
  EXPECT_EQ(network_.sent().back().url, "http://localhost:1338/latest/api/token");
  Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "s3cr3t");
  Refusal(Errc::kInvalidArgument);
}

TEST_F(InstanceMetadata, AMachineWithoutItIsNoError) {
  network_.SetScript([](const SentRequest&) { return Error{Errc::kTimedOut, "timed out"}; });
  EXPECT_NE(Refusal(Errc::kAccessDenied).find("nothing at http://169.254.169.254 (timed out)"), std::string::npos);
  EXPECT_EQ(network_.sent().size(), 2U);
}

TEST_F(InstanceMetadata, AMachineWithoutARole) {
  network_.On(kRoles, 404, "<html>not found</html>");
  EXPECT_NE(Refusal(Errc::kAccessDenied).find("this machine has no role"), std::string::npos);
}

TEST_F(InstanceMetadata, Failures) {
  network_.On(StrCat(kRoles, "web%20server"), 200, R"({"Code": "AssumeRoleUnauthorizedAccess", "Message": "s3cr3t"})");
  EXPECT_NE(Refusal(Errc::kAccessDenied).find("AssumeRoleUnauthorizedAccess"), std::string::npos);
  network_.On(StrCat(kRoles, "web%20server"), 500, "s3cr3t");
  Refusal(Errc::kUnavailable);
  network_.On(kRoles, 401, "s3cr3t");
  Refusal(Errc::kAccessDenied);
  network_.On(kToken, 200, "s3cr3t\r\nX: y");
  Refusal(Errc::kAccessDenied);
  network_.On(kToken, 403, "s3cr3t");
  Refusal(Errc::kAccessDenied);
}

TEST_F(InstanceMetadata, SilenceAfterAnAnswerIsNoLackOfCredentials) {
  const auto provider = Provider();
  ASSERT_OK(provider->Get(ctx_));
  network_.SetScript([](const SentRequest&) { return Error{Errc::kTimedOut, "timed out"}; });
  clock_.Advance(3'600'000'000'000);
  EXPECT_ERRC(provider->Get(ctx_), Errc::kUnavailable);
}

TEST_F(InstanceMetadata, CredentialsOfThePastAreUsedForAWhile) {
  network_.On(StrCat(kRoles, "web%20server"), 200, EndpointJson("EC2", -60));
  const auto issued = Get();
  ASSERT_OK(issued);
  EXPECT_EQ(issued->expires_us, clock_.WallNs() / 1000 + 600'000'000);
}

}  // namespace
}  // namespace pailfs::s3client
