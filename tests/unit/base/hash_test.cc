#include "base/hash.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/random.h"
#include "base/str.h"

namespace pailfs {
namespace {

TEST(Crc32c, PublishedVectors) {
  EXPECT_EQ(Crc32c(""), 0U);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);
  // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string ascending(32, '\0');
  std::iota(ascending.begin(), ascending.end(), '\0');
  EXPECT_EQ(Crc32c(ascending), 0x46DD794EU);
  EXPECT_EQ(Crc32c(std::string(ascending.rbegin(), ascending.rend())), 0x113FDB5CU);
}

TEST(Crc32c, ContinuesAndCombinesAtAnyCut) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE(StrCat("seed ", seed));
  SeededRandom random(seed);
  for (int round = 0; round < 200; ++round) {
    const std::string data = random.Bytes(random.Below(100'000));
    const size_t cut = random.Below(data.size() + 1);
    const std::string_view front = std::string_view(data).substr(0, cut);
    const std::string_view back = std::string_view(data).substr(cut);
    EXPECT_EQ(Crc32c(back, Crc32c(front)), Crc32c(data));
    EXPECT_EQ(Crc32c(AsBytes(back), Crc32c(AsBytes(front))), Crc32c(data));
    EXPECT_EQ(Crc32cCombine(Crc32c(front), Crc32c(back), back.size()), Crc32c(data));
  }
}

TEST(Crc32c, CombinesLengthsOverFourGigabytes) {
  // crc(A‖zeros) without 5 GiB of zeros at hand: three steps must give what one gives.
  const uint32_t a = Crc32c("a");
  const std::string mebibyte(1 << 20, '\0');
  const uint32_t zeros_1m = Crc32c(mebibyte);
  uint32_t zeros = 0;
  uint64_t length = 0;
  for (int i = 0; i < 5 << 10; ++i, length += mebibyte.size()) zeros = Crc32cCombine(zeros, zeros_1m, mebibyte.size());
  ASSERT_EQ(length, uint64_t{5} << 30);
  uint32_t stepwise = a;
  for (int i = 0; i < 5 << 10; ++i) stepwise = Crc32cCombine(stepwise, zeros_1m, mebibyte.size());
  EXPECT_EQ(Crc32cCombine(a, zeros, length), stepwise);
}

TEST(StableHash64, IsWhatItAlwaysWas) {
  // Stored on disks: these may not change.
  EXPECT_EQ(StableHash64(""), StableHash64("", 0));
  EXPECT_NE(StableHash64("a"), StableHash64("b"));
  EXPECT_NE(StableHash64("a", 1), StableHash64("a", 2));
  EXPECT_EQ(StableHash64(""), 0xEFD01F60BA992926U);
  EXPECT_EQ(StableHash64("a/b.txt"), 0x587FEB171FA0BA7DU);
}

TEST(Digests, PublishedVectors) {
  EXPECT_EQ(Hex(Md5Of("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Hex(Md5Of("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Hex(Md5Of("12345678901234567890123456789012345678901234567890123456789012345678901234567890")),
            "57edf4a22be3c955ac49da2e2107b67a");
  EXPECT_EQ(Hex(Sha256Of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256Of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HmacSha256, PublishedVectors) {
  // RFC 4231, 4.2, 4.3, 4.4 and 4.7; the last with a key longer than a block.
  EXPECT_EQ(Hex(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(Hex(HmacSha256(std::string(20, '\xaa'), std::string(50, '\xdd'))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(Hex(HmacSha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(Hex(HmacSha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Md5, InPiecesAndMoved) {
  Md5 first;
  first.Update(AsBytes("a"));
  Md5 second = std::move(first);
  second.Update(AsBytes(""));
  second.Update(AsBytes("bc"));
  Md5 third;
  third.Update(AsBytes("something else"));
  third = std::move(second);
  EXPECT_EQ(third.Finish(), Md5Of("abc"));
}

TEST(Base64, PublishedVectors) {
  // RFC 4648, section 10.
  const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {std::string("\0\xFF", 2), "AP8="}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(Base64Encode(plain), encoded);
    std::string decoded = "leftover";
    EXPECT_TRUE(Base64Decode(encoded, &decoded)) << encoded;
    EXPECT_EQ(decoded, plain);
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Z=g=", "=Zg=", "====", "Zm9v Zg=", " Zm9v", "Zm9v\n", "Zm9-",
                           "Zm9vZ", "Zg==Zg=="}) {
    std::string decoded;
    EXPECT_FALSE(Base64Decode(text, &decoded)) << text;
  }
}

}  // namespace
}  // namespace pailfs
