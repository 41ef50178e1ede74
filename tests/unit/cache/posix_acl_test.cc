#include "cache/posix_acl.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "tests/support/seeds.h"

namespace pailfs::cache {
namespace {

constexpr uint16_t kUserObject = 1;
constexpr uint16_t kUser = 2;
constexpr uint16_t kGroupObject = 4;
constexpr uint16_t kGroup = 8;
constexpr uint16_t kMask = 16;
constexpr uint16_t kOther = 32;
constexpr uint32_t kNoId = UINT32_MAX;

struct Entry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id = kNoId;
};

std::string Acl(const std::vector<Entry>& entries) {
  std::string acl("\x02\0\0\0", 4);
  const auto put = [&acl](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) acl.push_back(static_cast<char>(value >> (8 * i)));
  };
  for (const Entry& entry : entries) {
    put(entry.tag, 2);
    put(entry.permissions, 2);
    put(entry.id, 4);
  }
  return acl;
}

std::string Minimal(uint16_t user, uint16_t group, uint16_t other) {
  return Acl({{kUserObject, user}, {kGroupObject, group}, {kOther, other}});
}

// u::<user> u:1000:<named> g::<group> m::<mask> o::<other>
std::string Extended(uint16_t user, uint16_t named, uint16_t group, uint16_t mask, uint16_t other) {
  return Acl({{kUserObject, user}, {kUser, named, 1000}, {kGroupObject, group}, {kMask, mask}, {kOther, other}});
}

// As setfacl -m u:1000:rwx on a file of mode 0640 makes it.
TEST(PosixAclTest, BytesAsTheKernelHasThem) {
  const unsigned char bytes[] = {2,  0, 0, 0,                          //
                                 1,  0, 6, 0, 0xff, 0xff, 0xff, 0xff,  //
                                 2,  0, 7, 0, 0xe8, 3,    0,    0,     //
                                 4,  0, 4, 0, 0xff, 0xff, 0xff, 0xff,  //
                                 16, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,  //
                                 32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
  const std::string acl(reinterpret_cast<const char*>(bytes), sizeof bytes);
  EXPECT_EQ(acl, Extended(6, 7, 4, 7, 0));
  EXPECT_TRUE(ValidateAcl(acl).ok());
  const auto access = ModeFromAcl(acl, S_IFREG | 0640);
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->mode, uint32_t{S_IFREG | 0670}) << "the group bits show the mask";
  EXPECT_EQ(access->acl, acl);
}

TEST(PosixAclTest, Valid) {
  EXPECT_TRUE(ValidateAcl(Minimal(7, 5, 0)).ok());
  EXPECT_TRUE(ValidateAcl(Extended(7, 5, 0, 7, 1)).ok());
  // A mask without named entries, and the same user twice, are fine for the kernel too.
  EXPECT_TRUE(ValidateAcl(Acl({{kUserObject, 7}, {kGroupObject, 5}, {kMask, 7}, {kOther, 0}})).ok());
  EXPECT_TRUE(ValidateAcl(Acl({{kUserObject, 7},
                               {kUser, 1, 5},
                               {kUser, 2, 5},
                               {kGroupObject, 5},
                               {kGroup, 1, 0},
                               {kMask, 7},
                               {kOther, 0}}))
                  .ok());
}

TEST(PosixAclTest, Invalid) {
  const std::vector<std::pair<const char*, std::string>> cases{
      {"empty", ""},
      {"no entries", Acl({})},
      {"another version", "\x01" + Minimal(7, 5, 0).substr(1)},
      {"half an entry", Minimal(7, 5, 0).substr(0, 25)},
      {"more bytes", Minimal(7, 5, 0) + "x"},
      {"no owner", Acl({{kGroupObject, 5}, {kOther, 0}})},
      {"no group", Acl({{kUserObject, 5}, {kOther, 0}})},
      {"no others", Acl({{kUserObject, 5}, {kGroupObject, 0}})},
      {"two owners", Acl({{kUserObject, 5}, {kUserObject, 5}, {kGroupObject, 5}, {kOther, 0}})},
      {"two masks", Acl({{kUserObject, 5}, {kGroupObject, 5}, {kMask, 5}, {kMask, 5}, {kOther, 0}})},
      {"a named user without a mask", Acl({{kUserObject, 5}, {kUser, 5, 1}, {kGroupObject, 5}, {kOther, 0}})},
      {"a named group without a mask", Acl({{kUserObject, 5}, {kGroupObject, 5}, {kGroup, 5, 1}, {kOther, 0}})},
      {"out of order", Acl({{kUserObject, 5}, {kOther, 0}, {kGroupObject, 5}})},
      {"a user behind the group", Acl({{kUserObject, 5}, {kGroupObject, 5}, {kUser, 5, 1}, {kMask, 5}, {kOther, 0}})},
      {"an unknown permission", Minimal(8, 5, 0)},
      {"an unknown tag", Acl({{kUserObject, 5}, {kGroupObject, 5}, {3, 5}, {kOther, 0}})},
      {"a named user without an id", Extended(7, 5, 0, 7, 1).replace(16, 4, "\xff\xff\xff\xff")},
  };
  for (const auto& [what, acl] : cases) {
    EXPECT_TRUE(ValidateAcl(acl).Is(Errc::kInvalidArgument)) << what;
    EXPECT_TRUE(ModeFromAcl(acl, 0644).Is(Errc::kInvalidArgument)) << what;
    EXPECT_TRUE(ApplyChmodToAcl(acl, 0644).Is(Errc::kInvalidArgument)) << what;
    EXPECT_TRUE(InheritAcl(acl, 0644, true).Is(Errc::kInvalidArgument)) << what;
  }
}

TEST(PosixAclTest, AMinimalAclIsTheMode) {
  const auto access = ModeFromAcl(Minimal(7, 5, 1), S_IFDIR | S_ISVTX | S_ISUID | 0600);
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->mode, uint32_t{S_IFDIR | S_ISVTX | S_ISUID | 0751});
  EXPECT_EQ(access->acl, "");
}

TEST(PosixAclTest, AMaskAloneIsNotMinimal) {
  const std::string acl = Acl({{kUserObject, 6}, {kGroupObject, 6}, {kMask, 4}, {kOther, 0}});
  const auto access = ModeFromAcl(acl, 0);
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->mode, 0640u);
  EXPECT_EQ(access->acl, acl);
}

TEST(PosixAclTest, ChmodSetsTheMask) {
  EXPECT_EQ(*ApplyChmodToAcl(Extended(7, 5, 4, 7, 0), S_IFREG | S_ISUID | 0624), Extended(6, 5, 4, 2, 4));
  // Without a mask it is the group's own entry.
  EXPECT_EQ(*ApplyChmodToAcl(Minimal(7, 5, 0), 0624), Minimal(6, 2, 4));
}

TEST(PosixAclTest, ChmodAndModeAgree) {
  for (uint32_t mode = 0; mode < 01000; ++mode) {
    for (const std::string& acl : {Minimal(1, 2, 4), Extended(0, 7, 7, 1, 7)}) {
      const auto changed = ApplyChmodToAcl(acl, mode);
      ASSERT_TRUE(changed.ok());
      EXPECT_EQ(ModeFromAcl(*changed, S_IFREG)->mode, S_IFREG | mode);
    }
  }
}

TEST(PosixAclTest, AFileInherits) {
  // open(…, 0666): the mask cuts what the caller did not ask for.
  const std::string default_acl = Extended(7, 6, 5, 7, 4);
  auto inherited = InheritAcl(default_acl, S_IFREG | 0666, /*is_directory=*/false);
  ASSERT_TRUE(inherited.ok());
  EXPECT_EQ(inherited->mode, uint32_t{S_IFREG | 0664});
  EXPECT_EQ(inherited->access, Extended(6, 6, 5, 6, 4));
  EXPECT_EQ(inherited->default_acl, "");
  // A minimal default ACL ends up in the mode alone; set-id bits stay.
  inherited = InheritAcl(Minimal(7, 5, 0), S_IFREG | S_ISGID | 0776, /*is_directory=*/false);
  ASSERT_TRUE(inherited.ok());
  EXPECT_EQ(inherited->mode, uint32_t{S_IFREG | S_ISGID | 0750});
  EXPECT_EQ(inherited->access, "");
}

TEST(PosixAclTest, ADirectoryPassesItOn) {
  for (const std::string& default_acl : {Extended(7, 6, 5, 7, 4), Minimal(7, 5, 1)}) {
    const auto inherited = InheritAcl(default_acl, S_IFDIR | 0700, /*is_directory=*/true);
    ASSERT_TRUE(inherited.ok());
    EXPECT_EQ(inherited->mode, uint32_t{S_IFDIR | 0700});
    EXPECT_EQ(inherited->default_acl, default_acl) << "whatever the mode";
  }
}

TEST(PosixAclTest, ASymbolicLinkInheritsNothing) {
  const auto inherited = InheritAcl(Extended(7, 6, 5, 7, 4), S_IFLNK | 0777, /*is_directory=*/false);
  ASSERT_TRUE(inherited.ok());
  EXPECT_EQ(inherited->mode, uint32_t{S_IFLNK | 0777});
  EXPECT_EQ(inherited->access, "");
}

std::string RandomAcl(SeededRandom& random) {
  const auto permissions = [&random] { return static_cast<uint16_t>(random.Below(8)); };
  std::vector<Entry> entries{{kUserObject, permissions()}};
  for (uint64_t i = random.Below(4); i > 0; --i) {
    entries.push_back({kUser, permissions(), static_cast<uint32_t>(random.Below(UINT32_MAX))});
  }
  entries.push_back({kGroupObject, permissions()});
  for (uint64_t i = random.Below(4); i > 0; --i) entries.push_back({kGroup, permissions(), 5});
  if (entries.size() > 2 || random.OneIn(3)) entries.push_back({kMask, permissions()});
  entries.push_back({kOther, permissions()});
  return Acl(entries);
}

// An inherited ACL never gives more than the default ACL and the mode asked for both give.
TEST(PosixAclTest, InheritanceGivesNoMoreThanBoth) {
  ForSeeds(3000, [](uint64_t seed) {
    SeededRandom random(seed);
    const std::string default_acl = RandomAcl(random);
    const uint32_t asked = S_IFREG | static_cast<uint32_t>(random.Below(010000));
    const auto inherited = InheritAcl(default_acl, asked, false);
    ASSERT_TRUE(inherited.ok());
    const uint32_t allowed = ModeFromAcl(default_acl, 0)->mode;
    EXPECT_EQ(inherited->mode, (asked & ~0777u) | (asked & allowed));
    if (inherited->access.empty()) return;
    const auto access = ModeFromAcl(inherited->access, asked);
    ASSERT_TRUE(access.ok());
    EXPECT_EQ(access->mode, inherited->mode);
    EXPECT_EQ(access->acl, inherited->access);
    EXPECT_EQ(inherited->access.size(), default_acl.size());
  });
}

TEST(PosixAclTest, DamagedBytesAreRefusedOrUsable) {
  ForSeeds(5000, [](uint64_t seed) {
    SeededRandom random(seed);
    std::string acl = RandomAcl(random);
    for (uint64_t i = random.Below(3); i > 0; --i) acl[random.Below(acl.size())] = static_cast<char>(random.Next());
    if (random.OneIn(4)) acl.resize(random.Below(acl.size()));
    if (!ValidateAcl(acl).ok()) return;
    EXPECT_TRUE(ApplyChmodToAcl(acl, 0751).ok());
    EXPECT_EQ(ModeFromAcl(*ApplyChmodToAcl(acl, 0751), 0)->mode, 0751u);
  });
}

}  // namespace
}  // namespace pailfs::cache
