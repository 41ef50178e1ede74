// The bytes on the disk: stores that exist must stay readable.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "base/str.h"
#include "store/index_keys.h"
#include "store/volume_format.h"
#include "store/volume_reader.h"
#include "tests/unit/store/store_under_test.h"

namespace pailfs::store {
namespace {

std::string HexOf(std::string_view bytes) {
  return Hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

Superblock TestSuperblock() {
  return {"0123456789abcdef", 7, "SALTsaltSALTsalt", 42, 8192};
}

TEST(FormatTest, Superblock) {
  const std::string bytes = EncodeSuperblock(TestSuperblock());
  ASSERT_EQ(bytes.size(), 4096u);
  EXPECT_EQ(HexOf(bytes.substr(0, 72)),
            "5041494c564f4c31"                  // PAILVOL1
            "01000000"                          // version
            "30313233343536373839616263646566"  // store
            "0700000000000000"                  // volume
            "53414c5473616c7453414c5473616c74"  // salt
            "2a00000000000000"                  // first seq
            "0020000000000000"                  // end of the volume before
                + HexOf(bytes.substr(68, 4)));
  EXPECT_EQ(bytes.substr(72), std::string(4096 - 72, '\0'));
  const auto decoded = DecodeSuperblock(bytes);
  ASSERT_OK(decoded);
  EXPECT_EQ(decoded->store_uuid, "0123456789abcdef");
  EXPECT_EQ(decoded->volume, 7u);
  EXPECT_EQ(decoded->first_seq, 42u);
  EXPECT_EQ(decoded->previous_end, 8192u);
}

TEST(FormatTest, AnyChangedByteOfASuperblockIsFound) {
  const std::string bytes = EncodeSuperblock(TestSuperblock());
  for (size_t at = 0; at < 72; ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    EXPECT_FALSE(DecodeSuperblock(changed).ok()) << at;
  }
}

BatchHeader TestHeader() {
  BatchHeader header;
  header.flags = kBatchRelocated;
  header.volume = 7;
  header.offset = 8192;
  header.seq_first = 42;
  header.count = 3;
  header.time_us = 1'700'000'000'000'000;
  header.row_bytes = 20;
  header.body_bytes = 40;
  return header;
}

TEST(FormatTest, BatchHeader) {
  const std::string bytes = EncodeBatchHeader(TestHeader(), "rows", "SALTsaltSALTsalt");
  ASSERT_EQ(bytes.size(), kBatchHeaderBytes);
  EXPECT_EQ(HexOf(bytes.substr(0, 60)),
            "50564231"          // PVB1
            "0100"              // version
            "0200"              // flags
            "01000000"          // epoch
            "0700000000000000"  // volume
            "0020000000000000"  // its own offset
            "2a00000000000000"  // first seq
            "03000000"          // sequence numbers
            "00401e18240a0600"  // time
            "14000000"          // bytes of rows
            "2800000000000000"  // bytes of needles
  );
  EXPECT_EQ(TestHeader().TotalBytes(), 4096u);
}

TEST(FormatTest, ABatchHeaderHoldsOnlyAtItsPlaceAndWithItsSalt) {
  const std::string bytes = EncodeBatchHeader(TestHeader(), "rows", "SALTsaltSALTsalt");
  const auto decoded = DecodeBatchHeader(bytes, 7, 8192, "SALTsaltSALTsalt");
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(RowsMatch(*decoded, "rows", "SALTsaltSALTsalt"));
  EXPECT_FALSE(RowsMatch(*decoded, "rowS", "SALTsaltSALTsalt"));
  EXPECT_FALSE(DecodeBatchHeader(bytes, 8, 8192, "SALTsaltSALTsalt").has_value());
  EXPECT_FALSE(DecodeBatchHeader(bytes, 7, 4096, "SALTsaltSALTsalt").has_value());
  EXPECT_FALSE(DecodeBatchHeader(bytes, 7, 8192, "saltSALTsaltSALT").has_value());
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(DecodeBatchHeader(changed, 7, 8192, "SALTsaltSALTsalt").has_value()) << at;
  }
}

TEST(FormatTest, RowsAndNeedles) {
  std::string rows;
  AppendRow(rows, {"key", "value"});
  AppendRow(rows, {"gone", std::nullopt});
  EXPECT_EQ(HexOf(rows),
            "03000000"
            "05000000"
            "6b6579"
            "76616c7565"
            "04000000"
            "ffffffff"
            "676f6e65");
  const auto decoded = DecodeRows(rows);
  ASSERT_OK(decoded);
  ASSERT_EQ(decoded->size(), 2u);
  EXPECT_EQ((*decoded)[0].value, "value");
  EXPECT_FALSE((*decoded)[1].value.has_value());

  std::string needle;
  AppendNeedle(needle, {0x1122, NeedleKind::kSums, "123456789"});
  EXPECT_EQ(HexOf(needle),
            "50564e31"
            "2211000000000000"
            "09000000"
            "02000000" +
                HexOf(needle.substr(20, 4)) +
                "839206e3"  // CRC32C of 123456789
                "313233343536373839"
                "000000");
  ASSERT_OK(DecodeNeedles(needle));
  for (size_t at = 0; at < 28 + 9; ++at) {
    std::string changed = needle;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(DecodeNeedles(changed).ok()) << at;
  }
}

TEST(FormatTest, AValueIsBoundToItsRow) {
  const std::string value = SealValue("Ckey", 0x0102, "payload");
  EXPECT_EQ(HexOf(value), "01000000" + HexOf(value.substr(4, 4)) + "0000000000000102" + HexOf("payload"));
  const auto opened = OpenValue("Ckey", value);
  ASSERT_OK(opened);
  EXPECT_EQ(opened->row_seq, 0x0102u);
  EXPECT_EQ(opened->payload, "payload");
  EXPECT_ERRC(OpenValue("CkeY", value), Errc::kCorrupt);
  for (size_t at = 4; at < value.size(); ++at) {
    std::string changed = value;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_ERRC(OpenValue("Ckey", changed), Errc::kCorrupt);
  }
}

TEST(FormatTest, Rows) {
  EXPECT_EQ(HexOf(CurrentRow(1, "a")),
            "43"
            "00000001"
            "61"
            "0001");
  EXPECT_EQ(HexOf(VersionRow(1, "a", 2)),
            "56"
            "00000001"
            "61"
            "0001"
            "fffffffffffffffd");
  EXPECT_EQ(HexOf(BodyRow(3)),
            "42"
            "0000000000000003");
  EXPECT_EQ(HexOf(GarbageRow(4, 3)),
            "47"
            "0000000000000004"
            "0000000000000003");
  EXPECT_EQ(HexOf(PartRow(5, 6)),
            "50"
            "0000000000000005"
            "00000006");
}

TEST(FormatTest, EscapedKeysKeepTheOrderOfKeys) {
  SeededRandom random(20261122);
  for (int i = 0; i < 20'000; ++i) {
    std::string keys[2];
    for (std::string& key : keys) {
      const uint64_t size = random.Below(4);
      for (uint64_t at = 0; at < size; ++at) key.push_back("\0\1\2a\xFE\xFF"[random.Below(6)]);
    }
    EXPECT_EQ(keys[0] < keys[1], EscapeKey(keys[0]) < EscapeKey(keys[1])) << HexOf(keys[0]) << " " << HexOf(keys[1]);
    EXPECT_TRUE(keys[0] == keys[1] || !EscapeKey(keys[1]).starts_with(EscapeKey(keys[0])));
    const std::string escaped = EscapeKey(keys[0]) + "rest";
    const auto back = UnescapeKey(escaped);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->first, keys[0]);
    EXPECT_EQ(back->second, "rest");
  }
}

TEST(FormatTest, FormatFile) {
  StoreUnderTest harness;
  ASSERT_OK(MakeDirectories(harness.files, kDirectory));
  ASSERT_OK(WriteFormat(harness.files, kDirectory, "0123456789abcdef"));
  const auto text = ReadFile(harness.files, FormatPath(kDirectory));
  ASSERT_OK(text);
  EXPECT_EQ(*text, "pailfs-store\nformat=1\nstore=30313233343536373839616263646566\ncompat=\nro_compat=\nincompat=\n");
}

// Replaces one line of the FORMAT file of a store that is closed.
void SetFeature(StoreUnderTest& harness, const std::string& from, const std::string& to) {
  auto text = ReadFile(harness.files, FormatPath(kDirectory));
  ASSERT_OK(text);
  const size_t at = text->find("\n" + from + "\n");
  ASSERT_NE(at, std::string::npos);
  text->replace(at + 1, from.size(), to);
  ASSERT_OK(WriteFileDurably(harness.files, FormatPath(kDirectory), *text));
}

TEST(FormatTest, AnUnknownIncompatibleFeatureIsRefused) {
  for (const auto& [from, to] : {std::pair("incompat=", "incompat=striping"), std::pair("format=1", "format=2")}) {
    StoreUnderTest harness;
    harness.Open();
    harness.Close();
    SetFeature(harness, from, to);
    const Status opened = harness.TryOpen();
    EXPECT_ERRC(opened, Errc::kUnsupported);
    EXPECT_NE(opened.error().message.find(kDirectory), std::string::npos);
  }
}

TEST(FormatTest, AnUnknownReadOnlyCompatibleFeatureLeavesReading) {
  StoreUnderTest harness;
  harness.Open();
  ASSERT_OK(harness.Put("a", "content"));
  harness.Close();
  SetFeature(harness, "ro_compat=", "ro_compat=future");
  harness.Open();
  EXPECT_EQ(harness.Get("a").value(), "content");
  EXPECT_ERRC(harness.Put("b", "x"), Errc::kReadOnly);
  EXPECT_ERRC(harness.bucket->Delete({}, {"a", "", std::nullopt}), Errc::kReadOnly);
  EXPECT_EQ(harness.Get("a").value(), "content");
}

TEST(FormatTest, AnUnknownCompatibleFeatureDoesNotMatter) {
  StoreUnderTest harness;
  harness.Open();
  harness.Close();
  SetFeature(harness, "compat=", "compat=hint");
  harness.Open();
  EXPECT_OK(harness.Put("b", "x"));
}

}  // namespace
}  // namespace pailfs::store
