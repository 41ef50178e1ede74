#include "cache/key_names.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "base/random.h"
#include "tests/support/seeds.h"

namespace pailfs::cache {
namespace {

constexpr KeySegmentKind kObject = KeySegmentKind::kObject;
constexpr KeySegmentKind kDirectory = KeySegmentKind::kDirectory;
constexpr KeySegmentKind kBeside = KeySegmentKind::kObjectBesideDirectory;

bool IsPosixName(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
}

// Segments as an enemy would choose them: every piece of an escape, joined at random.
std::string Segment(SeededRandom& random) {
  constexpr std::array<std::string_view, 16> kPieces{"%pailfs-",
                                                     "%pailfs-name-",
                                                     "%pailfs-file-",
                                                     "%pailfs-empty",
                                                     "%pailfs-dot",
                                                     "%pailfs-dotdot",
                                                     "%pailfs-long-",
                                                     "name-",
                                                     "file-",
                                                     "0123456789abcdef0123456789abcdef",
                                                     "-",
                                                     ".",
                                                     "a",
                                                     "%",
                                                     "\xc3\xa9",
                                                     ""};
  std::string segment;
  for (uint64_t i = random.Below(5); i > 0; --i) segment += kPieces[random.Below(kPieces.size())];
  if (random.OneIn(4)) {
    for (const char c : random.Bytes(random.Below(6))) segment += c == '/' || c == '\0' ? '_' : c;
  }
  if (random.OneIn(3)) {
    // Around the limit: plain, and with each prefix before it.
    const size_t size = 238 + random.Below(24);
    if (segment.size() < size) segment.resize(size, 'x');
  }
  return segment;
}

TEST(KeyNamesTest, OrdinaryNamesAreThemselves) {
  for (const char* name :
       {"a", "...", ".a", "..a", " ", "a\nb", "%41", "%pailfs", "%pailfs-", "%pailfs-foo", "%pailfs-emptyx",
        "%pailfs-name-", "%pailfs-name-foo", "%pailfs-long-1", "\xff\xfe", "*.conflict-host-1"}) {
    EXPECT_EQ(NameOfKeySegment(name, kObject), name);
    EXPECT_EQ(NameOfKeySegment(name, kDirectory), name);
    EXPECT_EQ(KeySegmentOfName(name), name);
    EXPECT_FALSE(IsReservedName(name)) << name;
  }
  const std::string longest(255, 'a');
  EXPECT_EQ(NameOfKeySegment(longest, kObject), longest);
}

TEST(KeyNamesTest, Format) {
  EXPECT_EQ(NameOfKeySegment("", kDirectory), "%pailfs-empty");
  EXPECT_EQ(NameOfKeySegment(".", kObject), "%pailfs-dot");
  EXPECT_EQ(NameOfKeySegment("..", kDirectory), "%pailfs-dotdot");
  EXPECT_EQ(NameOfKeySegment("a", kBeside), "%pailfs-file-a");
  EXPECT_EQ(NameOfKeySegment(".", kBeside), "%pailfs-file-.");
  EXPECT_EQ(NameOfKeySegment("%pailfs-dot", kObject), "%pailfs-name-%pailfs-dot");
  EXPECT_EQ(NameOfKeySegment("%pailfs-name-%pailfs-dot", kObject), "%pailfs-name-%pailfs-name-%pailfs-dot");
  EXPECT_EQ(NameOfKeySegment("%pailfs-file-a", kObject), "%pailfs-name-%pailfs-file-a");
  EXPECT_EQ(NameOfKeySegment(std::string(300, 'a'), kObject),
            "%pailfs-long-9835fa6bf4e20a9b9ea812506302e989-" + std::string(209, 'a'));
}

TEST(KeyNamesTest, LongSegmentsAreToldApart) {
  const std::string a(256, 'a');
  std::string b = a;
  b.back() = 'b';
  EXPECT_TRUE(IsHashedName(NameOfKeySegment(a, kObject)));
  EXPECT_NE(NameOfKeySegment(a, kObject), NameOfKeySegment(b, kObject));
  EXPECT_NE(NameOfKeySegment(a, kObject), NameOfKeySegment(a, kBeside));
  // "a…" fits its name, but not with the prefix.
  const std::string c(250, 'a');
  EXPECT_FALSE(IsHashedName(NameOfKeySegment(c, kObject)));
  EXPECT_TRUE(IsHashedName(NameOfKeySegment(c, kBeside)));
  // A key that is literally a hashed name.
  const std::string hashed = NameOfKeySegment(a, kObject);
  EXPECT_NE(NameOfKeySegment(hashed, kObject), hashed);
}

TEST(KeyNamesTest, LongNamesEndWithAWholeCharacter) {
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string segment(shift, 'a');
    while (segment.size() < 400) segment += "\xf0\x9f\xaa\xa3";
    const std::string name = NameOfKeySegment(segment, kObject);
    ASSERT_GT(name.size(), 250u);
    EXPECT_EQ(name.substr(name.size() - 4), "\xf0\x9f\xaa\xa3");
  }
  // Bytes that are no UTF-8 are cut anywhere, but not to nothing.
  EXPECT_GT(NameOfKeySegment(std::string(400, '\x80'), kObject).size(), 250u);
}

TEST(KeyNamesTest, ReservedNamesAreThoseThatAreOnlyFound) {
  for (const char* name : {"%pailfs-empty", "%pailfs-dot", "%pailfs-dotdot", "%pailfs-file-", "%pailfs-file-a"}) {
    EXPECT_TRUE(IsReservedName(name)) << name;
  }
  EXPECT_TRUE(IsReservedName(NameOfKeySegment(std::string(256, 'a'), kObject)));
  EXPECT_FALSE(IsReservedName("%pailfs-name-%pailfs-dot"));
}

// From keys to names: valid, one to one, and back.
TEST(KeyNamesTest, EverySegmentHasANameOfItsOwn) {
  ForSeeds(20, [](uint64_t seed) {
    SeededRandom random(seed);
    // In one directory a segment is an object or a directory, or both.
    std::map<std::string, std::pair<std::string, bool>> segment_of;
    for (int i = 0; i < 2000; ++i) {
      const std::string segment = Segment(random);
      for (const KeySegmentKind kind : {kObject, kDirectory, kBeside}) {
        const std::string name = NameOfKeySegment(segment, kind);
        ASSERT_TRUE(IsPosixName(name)) << name;
        const auto [it, fresh] = segment_of.try_emplace(name, segment, kind == kBeside);
        ASSERT_EQ(it->second, std::make_pair(segment, kind == kBeside)) << "both are shown as " << name;
        ASSERT_TRUE(IsHashedName(name) || KeySegmentOfName(name) == segment) << name;
      }
    }
  });
}

// From names to keys: what may be created is found again under the same name.
TEST(KeyNamesTest, EveryNameThatMayBeGivenComesBack) {
  ForSeeds(20, [](uint64_t seed) {
    SeededRandom random(seed);
    std::map<std::string, std::string> name_of;
    for (int i = 0; i < 2000; ++i) {
      const std::string name = Segment(random);
      if (!IsPosixName(name) || IsReservedName(name)) continue;
      const std::string segment = KeySegmentOfName(name);
      ASSERT_EQ(NameOfKeySegment(segment, kObject), name);
      ASSERT_EQ(NameOfKeySegment(segment, kDirectory), name);
      ASSERT_EQ(name_of.try_emplace(segment, name).first->second, name) << "two names for " << segment;
    }
  });
}

}  // namespace
}  // namespace pailfs::cache
