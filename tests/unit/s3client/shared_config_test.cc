#include "s3client/shared_config.h"

#include <array>

#include "base/random.h"
#include "base/str.h"
#include "tests/support/seeds.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kSample = R"(# of a workstation
[default]
region = eu-central-1
s3 =
  addressing_style = path
  # not now
  max_concurrent_requests=20

[profile work]   ; the company's
Region=us-west-2	# a tab before
services = lab
role_arn = arn:aws:iam::1:role/r#1
  role_session_name = more
source_profile = default
[profile "two words"]
credential_process = /bin/keys --a "b" # c ; d
[sso-session corp]
sso_region = us-east-1
[services lab]
s3 =
  endpoint_url = https://lab:9000
sts =
  endpoint_url = https://lab:9001
[plugins]
anything goes here
[preview]
)";

ParsedConfig Parsed(std::string_view text, SharedFile kind = SharedFile::kConfig) {
  auto parsed = ParseSharedConfig(text, kind, "f");
  EXPECT_OK(parsed);
  return parsed.ok() ? std::move(*parsed) : ParsedConfig();
}

std::string Broken(std::string_view text, SharedFile kind = SharedFile::kConfig) {
  const auto parsed = ParseSharedConfig(text, kind, "/f");
  EXPECT_ERRC(parsed, Errc::kInvalidArgument);
  if (parsed.ok()) return "";
  ExpectNoSecret(parsed.error().message);
  return parsed.error().message;
}

TEST(SharedConfig, SectionsOfEachKind) {
  const ParsedConfig config = Parsed(kSample);
  ASSERT_EQ(config.profiles.size(), 3U);
  const ConfigSection& work = config.profiles.at("work");
  EXPECT_EQ(work.Text("region"), "us-west-2");
  EXPECT_EQ(work.Text("services"), "lab");
  EXPECT_EQ(work.Text("source_profile"), "default");
  EXPECT_EQ(work.Text("absent"), "");
  EXPECT_EQ(config.profiles.at("two words").Text("credential_process"), "/bin/keys --a \"b\" # c ; d");
  EXPECT_EQ(config.sso_sessions.at("corp").Text("sso_region"), "us-east-1");
  EXPECT_EQ(config.services.at("lab").Nested("s3", "endpoint_url"), "https://lab:9000");
  EXPECT_EQ(config.services.at("lab").Nested("sts", "endpoint_url"), "https://lab:9001");
}

TEST(SharedConfig, NestedSettingsAndContinuedValues) {
  const ParsedConfig config = Parsed(kSample);
  const ConfigSection& section = config.profiles.at("default");
  EXPECT_EQ(section.Nested("s3", "addressing_style"), "path");
  EXPECT_EQ(section.Nested("s3", "max_concurrent_requests"), "20");
  EXPECT_EQ(section.Nested("s3", "absent"), "");
  EXPECT_EQ(section.Nested("region", "absent"), "");
  EXPECT_EQ(config.profiles.at("work").Text("role_arn"), "arn:aws:iam::1:role/r#1\nrole_session_name = more");
}

TEST(SharedConfig, ACredentialsFileNamesItsProfilesWithoutAWord) {
  const ParsedConfig config = Parsed("[default]\na=1\n[work]\na=2\n[profile work]\na=3\n", SharedFile::kCredentials);
  EXPECT_EQ(config.profiles.at("default").Text("a"), "1");
  EXPECT_EQ(config.profiles.at("work").Text("a"), "2");
  EXPECT_TRUE(Parsed("[work]\na=2\n").profiles.empty());
}

TEST(SharedConfig, WhatPeopleAndEditorsWrite) {
  const ParsedConfig config =
      Parsed("\xEF\xBB\xBF[default]\r\n  a = 1\r\n  b=2\r\n\r\n;c=3\r\n[ default ]\r\nA = 4\r\nd=\r\n");
  const ConfigSection& section = config.profiles.at("default");
  EXPECT_EQ(section.Text("a"), "4");
  EXPECT_EQ(section.Text("b"), "2");
  EXPECT_EQ(section.values.count("c"), 0U);
  EXPECT_EQ(section.values.count("d"), 1U);
  EXPECT_EQ(Parsed("[default]\na=x=y#z").profiles.at("default").Text("a"), "x=y#z");
  EXPECT_TRUE(Parsed("").profiles.empty());
}

TEST(SharedConfig, ProfileDefaultGoesBeforeDefault) {
  for (const char* text :
       {"[default]\na=1\nb=1\n[profile default]\na=2\n", "[profile default]\na=2\n[default]\na=1\nb=1\n"}) {
    const ParsedConfig config = Parsed(text);
    EXPECT_EQ(config.profiles.at("default").Text("a"), "2") << text;
    EXPECT_EQ(config.profiles.at("default").Text("b"), "1") << text;
  }
}

TEST(SharedConfig, ErrorsNameFileAndLineAndNothingElse) {
  EXPECT_EQ(Broken("aws_secret_access_key = s3cr3t\n"), "/f: line 1: a setting before the first [section]");
  EXPECT_EQ(Broken("# c\n\n[s3cr3t\n"), "/f: line 3: a section without its ']'");
  EXPECT_EQ(Broken("[]\n"), "/f: line 1: a section without a name");
  EXPECT_EQ(Broken("[default]\ns3cr3t\n"), "/f: line 2: neither a [section], nor name = value, nor a comment");
  EXPECT_EQ(Broken("[default]\n = s3cr3t\n"), "/f: line 2: a value without a name");
  EXPECT_EQ(Broken("[default]\ns3 =\n  s3cr3t\n"), "/f: line 3: an indented line that is not name = value");
}

// Neither crashes, nor says a secret.
void ParseAnything(std::string_view text) {
  for (const SharedFile kind : {SharedFile::kConfig, SharedFile::kCredentials}) {
    // In a buffer of its own, so that a read past the end shows.
    const std::vector<char> bytes(text.begin(), text.end());
    const auto parsed = ParseSharedConfig({bytes.data(), bytes.size()}, kind, "/f");
    if (parsed.ok()) continue;
    EXPECT_EQ(parsed.error().code, Errc::kInvalidArgument);
    EXPECT_TRUE(parsed.error().message.starts_with("/f: line ")) << parsed.error().message;
    ExpectNoSecret(parsed.error().message);
  }
}

TEST(SharedConfig, CutAtEveryByte) {
  for (size_t length = 0; length <= kSample.size(); ++length) ParseAnything(kSample.substr(0, length));
}

TEST(SharedConfig, MutatedSamples) {
  constexpr std::string_view kPieces =
      "[]=#; \t\r\n\"\0\xff"
      "aws_secret_access_key=s3cr3t";
  ForSeeds(300, [&](uint64_t seed) {
    SeededRandom random(seed);
    std::string text(kSample);
    for (uint64_t i = random.Below(12) + 1; i > 0; --i) {
      const size_t at = random.Below(text.size());
      switch (random.Below(4)) {
        case 0:
          text[at] = kPieces[random.Below(kPieces.size())];
          break;
        case 1:
          text.erase(at, random.Below(20));
          break;
        case 2:
          text.insert(at, kPieces.substr(random.Below(kPieces.size())));
          break;
        default:
          text.insert(at, random.Bytes(random.Below(8)));
      }
      if (text.empty()) text = "x";
    }
    ParseAnything(text);
  });
}

class SharedConfigFiles : public CredentialsTest {};

TEST_F(SharedConfigFiles, TheCredentialsFileComesFirstAndKeysAreOfOneFile) {
  Write(kConfig,
        "[default]\nregion=a\naws_access_key_id=C\naws_secret_access_key=c\naws_session_token=t\noutput=json\n");
  Write(kCredentials, "[default]\nregion=b\naws_access_key_id=K\naws_secret_access_key=k\n");
  const auto config = ReadSharedConfig(files_, environment());
  ASSERT_OK(config);
  const auto profile = config->Find("default");
  ASSERT_OK(profile);
  EXPECT_EQ((*profile)->settings.Text("aws_access_key_id"), "K");
  EXPECT_EQ((*profile)->settings.Text("aws_session_token"), "");
  EXPECT_EQ((*profile)->settings.Text("region"), "b");
  EXPECT_EQ((*profile)->settings.Text("output"), "json");
  EXPECT_EQ((*profile)->keys_file, kCredentials);
}

TEST_F(SharedConfigFiles, VariablesSayWhereTheyAre) {
  Set("AWS_CONFIG_FILE", "~/c");
  Set("AWS_SHARED_CREDENTIALS_FILE", "/etc/k");
  EXPECT_EQ(FindSharedConfig(environment()).config, "/home/u/c");
  EXPECT_EQ(FindSharedConfig(environment()).credentials, "/etc/k");
  variables_.clear();
  EXPECT_EQ(FindSharedConfig(environment()).config, "");
  EXPECT_TRUE(ReadSharedConfig(files_, environment()).ok());
}

TEST_F(SharedConfigFiles, SettingsOfAProfile) {
  Write(kConfig, kSample);
  const auto settings = ReadProfileSettings("", files_, environment());
  ASSERT_OK(settings);
  EXPECT_EQ(settings->region, "eu-central-1");
  EXPECT_EQ(settings->addressing_style, "path");
  EXPECT_EQ(settings->endpoint_url, "");

  Set("AWS_PROFILE", "work");
  EXPECT_EQ(ReadProfileSettings("", files_, environment())->endpoint_url, "https://lab:9000");
  EXPECT_EQ(ReadProfileSettings("default", files_, environment())->region, "eu-central-1");
  const auto absent = ReadProfileSettings("worc", files_, environment());
  ASSERT_ERRC(absent, Errc::kInvalidArgument);
  EXPECT_NE(absent.error().message.find("did you mean work?"), std::string::npos) << absent.error().message;
  Set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
  EXPECT_EQ(ReadProfileSettings("", files_, environment())->endpoint_url, "");
}

TEST_F(SharedConfigFiles, SettingsWithoutFilesOrWithABrokenOne) {
  EXPECT_OK(ReadProfileSettings("", files_, environment()));
  Write(kConfig, "[default]\nendpoint_url = http://h\nca_bundle = ~/ca.pem\n");
  const auto settings = ReadProfileSettings("", files_, environment());
  ASSERT_OK(settings);
  EXPECT_EQ(settings->endpoint_url, "http://h");
  EXPECT_EQ(settings->ca_bundle, "/home/u/ca.pem");
  Write(kConfig, "[default\n");
  EXPECT_ERRC(ReadProfileSettings("", files_, environment()), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace pailfs::s3client
