#include "base/s3wire/uri.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

TEST(UriEncode, KeepsTheUnreservedAndNothingElse) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool kept = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
                      c == '-' || c == '_' || c == '.' || c == '~';
    const std::string text(1, c);
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(byte));
    EXPECT_EQ(UriEncode(text, Slash::kEncode), kept ? text : escaped);
    EXPECT_EQ(UriEncode(text, Slash::kKeep), kept || c == '/' ? text : escaped);
  }
}

TEST(UriEncode, Examples) {
  EXPECT_EQ(UriEncode("", Slash::kKeep), "");
  EXPECT_EQ(UriEncode("/photos/Jan/sample.jpg", Slash::kKeep), "/photos/Jan/sample.jpg");
  EXPECT_EQ(UriEncode("/photos/Jan", Slash::kEncode), "%2Fphotos%2FJan");
  EXPECT_EQ(UriEncode("/test$file.text", Slash::kKeep), "/test%24file.text");
  EXPECT_EQ(UriEncode("a b+c%20", Slash::kKeep), "a%20b%2Bc%2520");
  EXPECT_EQ(UriEncode("ü", Slash::kKeep), "%C3%BC");
  EXPECT_EQ(UriEncode("a//../b/", Slash::kKeep), "a//../b/");
}

TEST(UriDecode, IsTheInverseForAnyBytes) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE(StrCat("seed ", seed));
  SeededRandom random(seed);
  for (int round = 0; round < 500; ++round) {
    const std::string text = random.Bytes(random.Below(64));
    for (const Slash slash : {Slash::kKeep, Slash::kEncode}) {
      for (const Plus plus : {Plus::kLiteral, Plus::kSpace}) {
        const auto decoded = UriDecode(UriEncode(text, slash), plus);
        ASSERT_TRUE(decoded.ok());
        EXPECT_EQ(*decoded, text);
      }
    }
  }
}

TEST(UriDecode, PlusAndCase) {
  EXPECT_EQ(*UriDecode("a+b%2Bc%2bd", Plus::kLiteral), "a+b+c+d");
  EXPECT_EQ(*UriDecode("a+b%2Bc%2bd", Plus::kSpace), "a b+c+d");
  EXPECT_EQ(*UriDecode("test_file%283%29.png", Plus::kSpace), "test_file(3).png");
  EXPECT_EQ(*UriDecode("%00", Plus::kLiteral), std::string(1, '\0'));
}

TEST(UriDecode, RefusesHalfEscapes) {
  for (const char* text : {"%", "a%", "%4", "a%4", "%zz", "%4z", "%z4", "%%41", "% 1", "%-1", "%+1", "%0x"}) {
    EXPECT_TRUE(UriDecode(text, Plus::kLiteral).Is(Errc::kCorrupt)) << text;
    EXPECT_TRUE(UriDecode(text, Plus::kSpace).Is(Errc::kCorrupt)) << text;
  }
}

TEST(CanonicalQuery, SortsByEncodedNameThenValue) {
  EXPECT_EQ(CanonicalQuery({}), "");
  EXPECT_EQ(CanonicalQuery({{"uploads", ""}}), "uploads=");
  EXPECT_EQ(CanonicalQuery({{"prefix", "J"}, {"max-keys", "2"}}), "max-keys=2&prefix=J");
  EXPECT_EQ(CanonicalQuery({{"b", "2"}, {"b", "1"}, {"a", "z"}, {"B", "0"}}), "B=0&a=z&b=1&b=2");
  // '-' sorts after '%': the encoded names are compared, not the names.
  EXPECT_EQ(CanonicalQuery({{"a-", "1"}, {"a/", "2"}}), "a%2F=2&a-=1");
  EXPECT_EQ(CanonicalQuery({{"prefix", "a/b c&d=e"}}), "prefix=a%2Fb%20c%26d%3De");
  // A name that begins with another one: "a" before "a-", though '=' sorts after '-'.
  EXPECT_EQ(CanonicalQuery({{"a-", "1"}, {"a", "2"}}), "a=2&a-=1");
}

TEST(ParseQuery, GivesBackWhatWasWritten) {
  const Query query{{"delimiter", "/"}, {"prefix", "a b+c&d=e%"}, {"uploads", ""}};
  EXPECT_EQ(*ParseQuery(CanonicalQuery(query)), query);
  EXPECT_EQ(*ParseQuery(""), Query{});
  EXPECT_EQ(*ParseQuery("uploads"), (Query{{"uploads", ""}}));
  EXPECT_EQ(*ParseQuery("&&a=b=c&&"), (Query{{"a", "b=c"}}));
  EXPECT_EQ(*ParseQuery("=&a+b=c+d"), (Query{{"", ""}, {"a b", "c d"}}));
}

TEST(ParseQuery, RefusesHalfEscapesAndFloods) {
  EXPECT_TRUE(ParseQuery("a=%").Is(Errc::kCorrupt));
  EXPECT_TRUE(ParseQuery("%f=a").Is(Errc::kCorrupt));
  std::string flood;
  for (size_t i = 0; i < kMaxQueryParameters; ++i) flood += "a&";
  EXPECT_EQ(ParseQuery(flood)->size(), kMaxQueryParameters);
  EXPECT_TRUE(ParseQuery(flood + "a").Is(Errc::kInvalidArgument));
}

}  // namespace
}  // namespace pailfs::s3wire
