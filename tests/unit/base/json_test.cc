#include "base/json.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/str.h"

namespace pailfs {
namespace {

TEST(JsonTest, EscapesWhatMustBeEscaped) {
  EXPECT_EQ(JsonString("plain/käse 🪣"), "\"plain/käse 🪣\"");
  EXPECT_EQ(JsonString("a\"b\\c\nd\te"), R"("a\"b\\c\nd\te")");
  EXPECT_EQ(JsonString(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonTest, BytesThatAreNoUtf8BecomeLoneSurrogates) {
  EXPECT_EQ(JsonString("\xff"), R"("\udcff")");
  EXPECT_EQ(JsonString("a\xc3"), R"("a\udcc3")");          // cut short
  EXPECT_EQ(JsonString("\xc0\xaf"), R"("\udcc0\udcaf")");  // overlong "/"
  EXPECT_EQ(JsonString("\xe0\x80\xaf"), R"("\udce0\udc80\udcaf")");
  EXPECT_EQ(JsonString("\xed\xa0\x80"), R"("\udced\udca0\udc80")");            // a surrogate in UTF-8
  EXPECT_EQ(JsonString("\xf4\x90\x80\x80"), R"("\udcf4\udc90\udc80\udc80")");  // over U+10FFFF
}

TEST(JsonTest, AnyBytesComeBack) {
  constexpr uint64_t kSeed = 20261128;
  SCOPED_TRACE(StrCat("seed ", kSeed));
  SeededRandom random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    const std::string bytes = random.Bytes(random.Below(12));
    const auto parsed = JsonValue::Parse(JsonString(bytes));
    ASSERT_TRUE(parsed.ok()) << JsonString(bytes);
    EXPECT_EQ(parsed->string(), bytes);
  }
}

TEST(JsonTest, WritesNestedValuesOnOneLine) {
  JsonWriter json;
  json.BeginObject();
  json.Field("text", "x");
  json.Field("number", int64_t{-3});
  json.Field("big", uint64_t{1} << 63);
  json.Field("yes", true);
  json.BeginArray("list");
  for (int i = 0; i < 2; ++i) {
    json.BeginObject();
    json.Field("i", int64_t{i});
    json.EndObject();
  }
  json.EndArray();
  json.BeginObject("empty");
  json.EndObject();
  json.Field("last", false);
  json.EndObject();
  EXPECT_EQ(json.text(), R"({"text":"x","number":-3,"big":9223372036854775808,"yes":true,"list":[{"i":0},{"i":1}],)"
                         R"("empty":{},"last":false})");
}

TEST(JsonTest, ReadsWhatOthersWrite) {
  const auto value =
      JsonValue::Parse(" { \"a\" : [ 1 , {\"b\":\"\\u00e4\\ud83e\\udea3\\/\"} ], \"t\": true, \"n\": null } ");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ((*value)["a"].items().at(0).integer(), 1);
  EXPECT_EQ((*value)["a"].items().at(1)["b"].string(), "ä🪣/");
  EXPECT_TRUE((*value)["t"].boolean());
  EXPECT_EQ((*value)["absent"]["deeper"].string(), "");
}

TEST(JsonTest, NumbersThatAreNotWholeReadAsZero) {
  const auto value = JsonValue::Parse("[-7, 1.5, 2e3, -0.25E-2, 99999999999999999999, 3]");
  ASSERT_TRUE(value.ok());
  std::vector<int64_t> numbers;
  for (const JsonValue& item : value->items()) numbers.push_back(item.integer());
  EXPECT_EQ(numbers, (std::vector<int64_t>{-7, 0, 0, 0, 0, 3}));
  for (const char* text : {"-", "1.", ".5", "1e", "1e+", "+1", "0x1"})
    EXPECT_FALSE(JsonValue::Parse(text).ok()) << text;
}

TEST(JsonTest, TheLastOfMembersWithOneNameCounts) {
  const auto value = JsonValue::Parse(R"({"a": "first", "a": "last"})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ((*value)["a"].string(), "last");
}

TEST(JsonTest, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "\"open", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "1 2", "{}}",
                           "'a'", "\"line\nbreak\""}) {
    EXPECT_TRUE(JsonValue::Parse(text).Is(Errc::kInvalidArgument)) << text;
  }
  EXPECT_FALSE(JsonValue::Parse(std::string(100'000, '[')).ok());
}

}  // namespace
}  // namespace pailfs
