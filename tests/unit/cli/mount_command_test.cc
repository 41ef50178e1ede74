#include "cli/mount_command.h"

#include <gtest/gtest.h>

namespace pailfs::cli {
namespace {

Result<MountRequest> Parse(std::vector<std::string> words) {
  std::vector<char*> argv;
  static std::string program = "mount.pailfs";
  argv.push_back(program.data());
  for (std::string& word : words) argv.push_back(word.data());
  return ParseHelperArguments(static_cast<int>(argv.size()), argv.data());
}

TEST(MountHelperTest, TakesWhatMountPasses) {
  const auto request = Parse({"store:/s/photos", "/mnt", "-o", "rw,noexec", "-v", "-n", "-s"});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->source, "store:/s/photos");
  EXPECT_EQ(request->mountpoint, "/mnt");
  EXPECT_EQ(request->option_lists, (std::vector<std::string>{"rw,noexec"}));
  EXPECT_TRUE(request->verbose);
  EXPECT_TRUE(request->tolerate_unknown);
  EXPECT_FALSE(request->fake);
  EXPECT_FALSE(request->foreground);
}

TEST(MountHelperTest, FlagsMayComeFirstAndTogether) {
  const auto request = Parse({"-sfnv", "-oro", "store:/s/photos", "-t", "fuse.pailfs", "/mnt", "-o", "ttl=1s"});
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(request->fake);
  EXPECT_EQ(request->mountpoint, "/mnt");
  EXPECT_EQ(request->option_lists, (std::vector<std::string>{"ro", "ttl=1s"}));
}

TEST(MountHelperTest, RefusesTheRest) {
  EXPECT_TRUE(Parse({"store:/s/photos"}).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse({"store:/s/photos", "/mnt", "more"}).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse({"store:/s/photos", "/mnt", "-o"}).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse({"store:/s/photos", "/mnt", "-x"}).Is(Errc::kInvalidArgument));
}

}  // namespace
}  // namespace pailfs::cli
