// Retry policy, concurrency limit, traits as text, endpoints, header text.

#include <gtest/gtest.h>

#include "s3client/endpoint.h"
#include "s3client/header_text.h"
#include "s3client/retry_policy.h"
#include "s3client/server_traits.h"
#include "tests/support/results.h"

namespace pailfs::s3client {
namespace {

TEST(RetryPolicyTest, PausesGrowToTheirBound) {
  SeededRandom random(1);
  RetryOptions options;
  options.base_delay_ns = 100;
  options.max_delay_ns = 1000;
  options.budget_ns = 1'000'000;
  options.max_attempts = 1000;
  int64_t most = 0;
  RetryPolicy policy(options, 0, random);
  for (int i = 1; i < 200; ++i) {
    const auto delay = policy.NextDelayNs(0, {});
    ASSERT_TRUE(delay);
    EXPECT_LE(*delay, i < 5 ? 100 << (i - 1) : 1000);
    most = std::max(most, *delay);
  }
  EXPECT_GT(most, 900);
}

TEST(RetryPolicyTest, GivesUpAfterItsAttemptsOrItsTime) {
  SeededRandom random(1);
  RetryOptions options;
  options.max_attempts = 3;
  RetryPolicy policy(options, 0, random);
  EXPECT_TRUE(policy.NextDelayNs(0, {}));
  EXPECT_TRUE(policy.NextDelayNs(0, {}));
  EXPECT_FALSE(policy.NextDelayNs(0, {}));
  RetryPolicy late(options, 0, random);
  EXPECT_FALSE(late.NextDelayNs(options.budget_ns, {}));
  // Progress begins it anew; what is excused does not count.
  late.NoteProgress(options.budget_ns);
  EXPECT_TRUE(late.NextDelayNs(options.budget_ns, {}));
  late.Excuse(options.budget_ns);
  EXPECT_TRUE(late.NextDelayNs(2 * options.budget_ns + 1, {}));
}

TEST(RetryPolicyTest, TheServersWishIsHonoured) {
  SeededRandom random(1);
  RetryPolicy policy({}, 0, random);
  EXPECT_EQ(policy.NextDelayNs(0, 7'000'000'000), 7'000'000'000);
  EXPECT_FALSE(policy.NextDelayNs(0, 60'000'000'000));  // later than anybody waits
}

TEST(ConcurrencyLimitTest, HalvesAndGrowsByOneAWindow) {
  ConcurrencyLimit limit(16);
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(limit.MayStart());
    limit.Start();
  }
  EXPECT_FALSE(limit.MayStart());
  const uint64_t generation = limit.generation();
  limit.EndSlowedDown(generation);
  EXPECT_EQ(limit.allowed(), 8);
  limit.EndSlowedDown(generation);  // of the same crowd
  EXPECT_EQ(limit.allowed(), 8);
  EXPECT_FALSE(limit.MayStart());
  while (limit.under_way() > 0) limit.EndOtherwise();
  for (int i = 0; i < 9; ++i) {
    limit.Start();
    limit.EndWell();
  }
  EXPECT_EQ(limit.allowed(), 9);
  for (int i = 0; i < 1000; ++i) {
    limit.Start();
    limit.EndWell();
  }
  EXPECT_EQ(limit.allowed(), 16);
  for (int i = 0; i < 10; ++i) {
    limit.Start();
    limit.EndSlowedDown(limit.generation());
  }
  EXPECT_EQ(limit.allowed(), 1);
  EXPECT_TRUE(limit.MayStart());
}

TEST(ServerTraitsTest, TextAndBack) {
  ServerTraits traits;
  traits.versioning = VersioningState::kSuspended;
  traits.probed_at_us = 123;
  traits.put_if_match = IfMatchForm::kUnquoted;
  traits.put_if_absent = traits.checksums = true;
  EXPECT_EQ(traits.ToText(),
            "versioning suspended\nprobed_at_us 123\nput_if_match unquoted\nput_if_absent yes\ncomplete_conditions no\n"
            "copy_source_conditions no\ncopy_conditions no\ndelete_if_match no\nchecksums yes\netag_is_md5 no\n"
            "batch_delete no\nlist_metadata no\n");
  const auto back = ServerTraits::FromText(traits.ToText() + "later_word 7\n");
  ASSERT_OK(back);
  EXPECT_EQ(*back, traits);
  for (const char* bad : {"versioning maybe", "checksums", "probed_at_us -1", "checksums 1"}) {
    EXPECT_ERRC(ServerTraits::FromText(bad), Errc::kCorrupt);
  }
}

TEST(EndpointTest, PartsOfAUrl) {
  const auto endpoint = ParseEndpoint("http://127.0.0.1:8080/base/");
  ASSERT_OK(endpoint);
  EXPECT_EQ(*endpoint, (Endpoint{.tls = false, .host = "127.0.0.1:8080", .path = "/base", .is_loopback = true}));
  EXPECT_EQ(ParseEndpoint("https://s3.test:443")->host, "s3.test");
  EXPECT_TRUE(ParseEndpoint("s3.eu-west-1.amazonaws.com")->is_aws);
  for (const char* bad : {"", "ftp://x", "http://", "http://user:secret@host", "http://host?x=y", "http://a b"}) {
    EXPECT_ERRC(ParseEndpoint(bad), Errc::kInvalidArgument);
  }
}

TEST(EndpointTest, Regions) {
  EXPECT_EQ(AwsEndpoint("cn-north-1").host, "s3.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(RegionOfAwsHost("bucket.s3.eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(RegionOfAwsHost("s3-ap-southeast-2.amazonaws.com"), "ap-southeast-2");
  EXPECT_EQ(RegionOfAwsHost("bucket.s3.amazonaws.com"), "");
  EXPECT_EQ(RegionOfAwsHost("s3.test"), "");
}

TEST(EndpointTest, VirtualHostsOnAmazonWhereTheNameAllows) {
  const Endpoint aws = AwsEndpoint("us-east-1");
  EXPECT_EQ(ResolveAddressing(Addressing::kAuto, aws, "bucket"), Addressing::kVirtualHost);
  EXPECT_EQ(ResolveAddressing(Addressing::kAuto, aws, "a.bucket"), Addressing::kPath);
  EXPECT_EQ(ResolveAddressing(Addressing::kAuto, *ParseEndpoint("http://minio:9000"), "bucket"), Addressing::kPath);
  const Target target = TargetOf(aws, Addressing::kVirtualHost, "bucket", "a//b");
  EXPECT_EQ(target.host, "bucket.s3.us-east-1.amazonaws.com");
  EXPECT_EQ(target.path, "/a//b");
}

TEST(HeaderTextTest, WhatHttpCannotCarryIsEncoded) {
  EXPECT_EQ(EncodeHeaderText("plain text, 33188"), "plain text, 33188");
  EXPECT_EQ(EncodeHeaderText("grün"), "=?UTF-8?B?Z3LDvG4=?=");
  EXPECT_EQ(EncodeHeaderText("\xff"), "=?unknown-8bit?B?/w==?=");
  EXPECT_EQ(DecodeHeaderText("=?UTF-8?Q?gr=C3=BCn_wie?="), "grün wie");
  EXPECT_EQ(DecodeHeaderText("=?ISO-8859-1?Q?gr=FCn?= und =?utf-8?b?YmxhdQ==?="), "grün und blau");
  EXPECT_EQ(DecodeHeaderText("=?UTF-8?B?w7w=?= =?UTF-8?B?w7w=?="), "üü");
  for (const char* kept : {"=?UTF-8?B?", "=?x", "=?KOI8-R?B?w7w=?=", "a =? b ?= c", "=?UTF-8?Q?=C?="}) {
    EXPECT_EQ(DecodeHeaderText(kept), kept);
  }
}

TEST(HeaderTextTest, EveryTextComesBack) {
  SeededRandom random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text = random.Bytes(random.Below(120));
    if (random.OneIn(2)) {
      for (char& c : text) c = "aü =?UTF-8B\t"[static_cast<uint8_t>(c) % 12];
    }
    const std::string encoded = EncodeHeaderText(text);
    EXPECT_EQ(DecodeHeaderText(encoded), text) << encoded;
    for (const char c : encoded) EXPECT_TRUE(c >= 0x20 && c < 0x7F);
  }
}

}  // namespace
}  // namespace pailfs::s3client
