// Bytes that are no answers: each is refused with kCorrupt, and none does harm.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "base/random.h"
#include "base/s3wire/xml.h"
#include "base/str.h"
#include "tests/unit/s3wire/xml_samples.h"

namespace pailfs::s3wire {
namespace {

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out(text);
  const size_t at = out.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? out : out.replace(at, from.size(), to);
}

TEST(BrokenXml, TheSamplesAreWhole) {
  for (const Sample& sample : AllSamples()) {
    const auto error = sample.parse(sample.xml);
    EXPECT_FALSE(error.has_value()) << sample.name << ": " << (error ? error->message : "");
  }
}

TEST(BrokenXml, CutAtEveryByte) {
  for (const Sample& sample : AllSamples()) {
    for (size_t length = 0; length < sample.xml.size(); ++length) {
      // In a buffer of its own, so that a read past the end shows.
      const std::vector<char> cut(sample.xml.begin(), sample.xml.begin() + static_cast<std::ptrdiff_t>(length));
      const auto error = sample.parse({cut.data(), cut.size()});
      ASSERT_TRUE(error.has_value()) << sample.name << " cut to " << length << " bytes";
      ASSERT_EQ(error->code, Errc::kCorrupt) << sample.name << " cut to " << length << " bytes: " << error->message;
    }
  }
}

TEST(BrokenXml, FieldsThatAreMissingOrWrong) {
  const std::string_view key = "<Key>a+b%20&amp;&lt;&#x9;</Key>";
  for (const std::string& xml :
       {Replaced(kRgwList, key, ""), Replaced(kRgwList, key, "<Key/>"), Replaced(kRgwList, key, "<Key><b>k</b></Key>"),
        Replaced(kRgwList, "<Size>4</Size>", ""), Replaced(kRgwList, "<Size>4</Size>", "<Size></Size>"),
        Replaced(kRgwList, "<Size>4</Size>", "<Size>-4</Size>"),
        Replaced(kRgwList, "<Size>4</Size>", "<Size> 4</Size>"),
        Replaced(kRgwList, "<Size>4</Size>", "<Size>9223372036854775808</Size>"),
        Replaced(kRgwList, "<Size>4</Size>", "<Size>18446744073709551616</Size>"),
        Replaced(kRgwList, "<IsTruncated>false</IsTruncated>", ""),
        Replaced(kRgwList, "<IsTruncated>false</IsTruncated>", "<IsTruncated/>"),
        Replaced(kMinioList, "<content-type>", "<content-type><a/>"),
        Replaced(kRgwList, "<IsTruncated>false</IsTruncated>", "<IsTruncated>maybe</IsTruncated>"),
        // An endless listing otherwise, or one that ends too early.
        Replaced(kRgwList, "<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>"),
        Replaced(kRgwList, "2024-03-01T", "2024-13-01T"),
        Replaced(kRgwList, "<Marker></Marker>", "<EncodingType>x</EncodingType>"),
        Replaced(kAwsList, "%283%29", "%283%2"), Replaced(kAwsList, "c%20d/", "c%2")}) {
    EXPECT_TRUE(ParseListObjectsV2(xml).Is(Errc::kCorrupt)) << xml;
  }
  for (const std::string& xml : {Replaced(kAwsVersions, "<VersionId>03jpff</VersionId>", ""),
                                 Replaced(kAwsVersions, "<IsLatest>false</IsLatest>", ""),
                                 Replaced(kAwsVersions, "<NextKeyMarker>my+second%2Bimage.jpg</NextKeyMarker>", "")}) {
    EXPECT_TRUE(ParseListVersions(xml).Is(Errc::kCorrupt)) << xml;
  }
  EXPECT_TRUE(ParseInitiateMultipartUpload("<InitiateMultipartUploadResult/>").Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseCompleteMultipartUpload("<CompleteMultipartUploadResult/>").Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseCopyObject(kCopyPart).Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseListParts(Replaced(kParts, "<PartNumber>2<", "<PartNumber>0<")).Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseListParts(Replaced(kParts, "<PartNumber>2<", "<PartNumber>10001<")).Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseListParts(Replaced(kParts, "<ETag>\"aaaa\"</ETag>", "<ETag>\"\"</ETag>")).Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseListMultipartUploads(Replaced(kUploads, "<UploadId>VXBsb2Fk</UploadId>", "")).Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseDelete(Replaced(kDelete, "<Code>AccessDenied</Code>", "")).Is(Errc::kCorrupt));
}

TEST(BrokenXml, DocumentsThatAreNone) {
  const std::string good(kVersioning);
  ASSERT_TRUE(ParseVersioning(StrCat("\r\n ", good, "\n\n")).ok());
  for (const std::string& xml :
       {std::string(), std::string("   "), std::string("hello"), std::string("<html><body>502</body></html>"),
        std::string("<>"), std::string("</a>"), std::string("<?xml version=\"1.0\"?>"), good + good, good + "x",
        "x" + good, good + std::string(1, '\0'), std::string(1, '\0') + good, "<!DOCTYPE a [<!ENTITY b \"c\">]>" + good,
        Replaced(good, "</Status>", "</status>"), std::string("\xFF\xFE<\0a\0/\0>\0", 10)}) {
    EXPECT_TRUE(ParseVersioning(xml).Is(Errc::kCorrupt)) << xml;
  }
}

TEST(BrokenXml, BigOnesAreRefusedOrSurvived) {
  EXPECT_TRUE(ParseListObjectsV2(std::string(kMaxXmlBytes + 1, ' ')).Is(Errc::kCorrupt));
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "<a>";
  EXPECT_TRUE(ParseListObjectsV2(deep).Is(Errc::kCorrupt));
  std::string closed = "<ListBucketResult><IsTruncated>false</IsTruncated>" + deep;
  for (int i = 0; i < 200'000; ++i) closed += "</a>";
  EXPECT_TRUE(ParseListObjectsV2(closed + "</ListBucketResult>").ok());
  std::string headers;
  for (size_t i = 0; i <= kMaxListedMetadata; ++i) headers += StrCat("<x-amz-meta-", i, "/>");
  EXPECT_TRUE(
      ParseListObjectsV2(Replaced(kMinioList, "<UserMetadata>", "<UserMetadata>" + headers)).Is(Errc::kCorrupt));
}

// The document with a few bytes changed, removed, repeated or taken from elsewhere in it.
std::string Mutated(std::string_view xml, Random& random) {
  static constexpr std::string_view kMarkup = "<>/&;\"'=!?-[]#x %+\r\n";
  std::string text(xml);
  for (uint64_t count = 1 + random.Below(4); count > 0 && !text.empty(); --count) {
    const size_t at = random.Below(text.size());
    const size_t length = std::min<size_t>(1 + random.Below(30), text.size() - at);
    switch (random.Below(6)) {
      case 0:
        text[at] = static_cast<char>(random.Below(256));
        break;
      case 1:
        text[at] = kMarkup[random.Below(kMarkup.size())];
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(random.Below(text.size()), text.substr(at, length));
        break;
      case 4:
        text.insert(at, 1, kMarkup[random.Below(kMarkup.size())]);
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

TEST(BrokenXml, RandomMutations) {
  const uint64_t seed = SystemRandom().Next();
  std::cout << "seed " << seed << "\n";
  SCOPED_TRACE(StrCat("seed ", seed));
  SeededRandom random(seed);
  const std::vector<Sample> samples = AllSamples();
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1'500);
  size_t refused = 0;
  size_t rounds = 0;
  for (; rounds < 100'000 && std::chrono::steady_clock::now() < end; ++rounds) {
    const std::string text = Mutated(samples[random.Below(samples.size())].xml, random);
    for (const Sample& sample : samples) {
      const auto error = sample.parse(text);
      // The root may have become another one's; what stands under <Error> is an error of any kind.
      if (error && text.find("<Error") == std::string::npos) {
        ASSERT_EQ(error->code, Errc::kCorrupt) << text;
      }
      if (error) ++refused;
    }
  }
  std::cout << rounds << " rounds, accepted " << rounds * samples.size() - refused << "\n";
  EXPECT_LT(refused, rounds * samples.size());        // and some got past the parser
  EXPECT_GT(refused, rounds * (samples.size() - 5));  // most have another root
}

}  // namespace
}  // namespace pailfs::s3wire
