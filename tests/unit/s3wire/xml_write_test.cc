#include "base/s3wire/xml_write.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/s3wire/xml.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

constexpr std::string_view kHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr std::string_view kNamespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

// What a parser reads from `text` written as a key.
Result<std::string> ThroughXml(std::string_view text) {
  std::string xml = "<DeleteResult><Deleted><Key>";
  RETURN_IF_ERROR(AppendXmlText(xml, text));
  ASSIGN_OR_RETURN(const DeleteAnswer answer, ParseDelete(xml + "</Key></Deleted></DeleteResult>"));
  return answer.deleted.at(0).key;
}

TEST(XmlText, ComesBackAsItWas) {
  for (const std::string_view text :
       {"a", "a/b c", "&<>\"'", "]]>", "&amp;", "&#10;", "a\tb\nc\rd\r\ne", " ", "\n", "\t a ", "ü\xE2\x82\xAC",
        "\xF0\x9F\x90\x9F", "\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBD", "\xF4\x8F\xBF\xBF", "\x7F", "<!-- -->",
        "<![CDATA["}) {
    const auto back = ThroughXml(text);
    ASSERT_TRUE(back.ok()) << text << ": " << back.error().message;
    EXPECT_EQ(*back, text);
  }
}

TEST(XmlText, RefusesWhatXmlCannotCarry) {
  for (const std::string& text : {std::string("a\x01"),
                                  std::string("\x1F"),
                                  std::string(1, '\0'),
                                  std::string("\x08"),
                                  std::string("\x0B"),
                                  std::string("\x80"),
                                  std::string("\xFF"),
                                  std::string("\xC3"),
                                  std::string("\xC3("),
                                  std::string("\xC0\xAF"),
                                  std::string("\xC1\xBF"),
                                  std::string("\xE0\x80\x80"),
                                  std::string("\xE0\x9F\xBF"),
                                  std::string("\xE2\x82"),
                                  std::string("\xED\xA0\x80"),
                                  std::string("\xED\xBF\xBF"),
                                  std::string("\xEF\xBF\xBE"),
                                  std::string("\xEF\xBF\xBF"),
                                  std::string("\xF0\x8F\xBF\xBF"),
                                  std::string("\xF0\x9F\x90"),
                                  std::string("\xF4\x90\x80\x80"),
                                  std::string("\xF5\x80\x80\x80")}) {
    std::string out;
    EXPECT_TRUE(AppendXmlText(out, text).Is(Errc::kInvalidArgument)) << testing::PrintToString(text);
  }
}

TEST(XmlText, RandomBytesAreCarriedOrRefused) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE(StrCat("seed ", seed));
  SeededRandom random(seed);
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = random.Bytes(1 + random.Below(6));
    const auto back = ThroughXml(text);
    if (back.ok()) {
      ASSERT_EQ(*back, text);
    } else {
      ASSERT_EQ(back.error().code, Errc::kInvalidArgument);
    }
  }
}

TEST(CompleteXml, Golden) {
  const std::vector<UploadedPart> parts{{1, "a54357aff0632cce46d942af68356b38", 5 << 20}, {7, "x&y", 1}};
  EXPECT_EQ(
      *WriteCompleteMultipartUpload(parts),
      StrCat(kHead, "<CompleteMultipartUpload", kNamespace,
             "><Part><PartNumber>1</PartNumber><ETag>&quot;a54357aff0632cce46d942af68356b38&quot;</ETag></Part>"
             "<Part><PartNumber>7</PartNumber><ETag>&quot;x&amp;y&quot;</ETag></Part></CompleteMultipartUpload>"));
}

TEST(CompleteXml, RefusesWhatS3Would) {
  const auto refused = [](const std::vector<UploadedPart>& parts) {
    return WriteCompleteMultipartUpload(parts).Is(Errc::kInvalidArgument);
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({{0, "e", 1}}));
  EXPECT_TRUE(refused({{kMaxParts + 1, "e", 1}}));
  EXPECT_TRUE(refused({{2, "e", 1}, {1, "e", 1}}));
  EXPECT_TRUE(refused({{1, "e", 1}, {1, "e", 1}}));
  EXPECT_TRUE(refused({{1, "", 1}}));
  EXPECT_TRUE(refused({{1, "\x01", 1}}));
  EXPECT_TRUE(refused(std::vector<UploadedPart>(static_cast<size_t>(kMaxParts) + 1, {1, "e", 1})));
}

TEST(DeleteXml, Golden) {
  const std::vector<DeleteItem> items{{"a & b", "", {}}, {"c\r", "V<1>", {}}, {"d", "", "etag"}};
  const std::string objects =
      "<Object><Key>a &amp; b</Key></Object><Object><Key>c&#13;</Key><VersionId>V&lt;1&gt;</VersionId></Object>"
      "<Object><Key>d</Key><ETag>&quot;etag&quot;</ETag></Object></Delete>";
  EXPECT_EQ(*WriteDelete(items, DeleteReport::kAll), StrCat(kHead, "<Delete", kNamespace, ">", objects));
  EXPECT_EQ(*WriteDelete(items, DeleteReport::kFailures),
            StrCat(kHead, "<Delete", kNamespace, "><Quiet>true</Quiet>", objects));
}

TEST(DeleteXml, RefusesKeysThatXmlCannotCarryAndBatchesThatS3WouldNotTake) {
  const auto odd = WriteDelete(std::vector<DeleteItem>{{"fine", "", {}}, {"a\x01", "", {}}}, DeleteReport::kAll);
  ASSERT_TRUE(odd.Is(Errc::kInvalidArgument));
  EXPECT_EQ(odd.error().message,
            "the key of item 1 of the batch: XML cannot carry the character at byte 1 of the text");
  EXPECT_TRUE(WriteDelete({}, DeleteReport::kAll).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(WriteDelete(std::vector<DeleteItem>{{"", "", {}}}, DeleteReport::kAll).Is(Errc::kInvalidArgument));
  std::vector<DeleteItem> many(kMaxBatchDelete, DeleteItem{"k", "", {}});
  EXPECT_TRUE(WriteDelete(many, DeleteReport::kAll).ok());
  many.push_back(many.front());
  EXPECT_TRUE(WriteDelete(many, DeleteReport::kAll).Is(Errc::kInvalidArgument));
}

TEST(VersioningXml, Golden) {
  const std::string enabled =
      StrCat(kHead, "<VersioningConfiguration", kNamespace, "><Status>Enabled</Status></VersioningConfiguration>");
  EXPECT_EQ(*WriteVersioning(VersioningState::kEnabled), enabled);
  for (const VersioningState state : {VersioningState::kEnabled, VersioningState::kSuspended}) {
    EXPECT_EQ(*ParseVersioning(*WriteVersioning(state)), state);
  }
  EXPECT_TRUE(WriteVersioning(VersioningState::kOff).Is(Errc::kInvalidArgument));
}

}  // namespace
}  // namespace pailfs::s3wire
