#include "fs/mount_point.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/str.h"

namespace pailfs::fs {
namespace {

constexpr std::string_view kMountInfo =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "40 22 0:45 / /mnt/with\\040space rw shared:2 master:3 - fuse.pailfs store:/a rw,user_id=0\n"
    "41 22 0:46 / /mnt/covered rw - fuse.pailfs store:/a rw\n"
    "42 41 0:47 / /mnt/covered rw - tmpfs tmpfs rw\n"
    "43 22 0:48 / /mnt/back\\134slash rw - fuse.pailfs a\\040-\\040b rw\n"
    "truncated line\n";

TEST(MountPointTest, FindsWhatIsOnTop) {
  const auto spaced = FindMount(kMountInfo, "/mnt/with space");
  ASSERT_TRUE(spaced);
  EXPECT_EQ(spaced->device, "0:45");
  EXPECT_EQ(spaced->type, "fuse.pailfs");
  EXPECT_EQ(FindMount(kMountInfo, "/mnt/covered")->type, "tmpfs");
  EXPECT_EQ(FindMount(kMountInfo, "/mnt/back\\slash")->device, "0:48");
  EXPECT_EQ(FindMount(kMountInfo, "/")->type, "ext4");
  EXPECT_FALSE(FindMount(kMountInfo, "/mnt"));
  EXPECT_FALSE(FindMount("", "/"));
}

TEST(MountPointTest, OptionsAreEscaped) {
  SessionOptions options;
  options.source = "store:/a,b\\c";
  options.read_only = true;
  options.kernel_options = {"nodev", "noatime"};
  EXPECT_EQ(KernelOptions(options), "fsname=store:/a\\,b\\\\c,subtype=pailfs,default_permissions,ro,nodev,noatime");
}

class MountPointFiles : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/pailfs-mount-point-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
    std::fclose(std::fopen(File().c_str(), "w"));
    ASSERT_EQ(symlink(directory_.c_str(), Link().c_str()), 0);
  }
  void TearDown() override {
    unlink(File().c_str());
    unlink(Link().c_str());
    rmdir(directory_.c_str());
  }
  std::string File() const { return directory_ + "/file"; }
  std::string Link() const { return directory_ + "/link"; }
  std::string directory_;
};

TEST_F(MountPointFiles, RefusesWhatCannotBeMountedOn) {
  const Status missing = CheckMountPoint(directory_ + "/missing");
  ASSERT_TRUE(missing.Is(Errc::kNotFound));
  EXPECT_NE(missing.error().message.find("mkdir"), std::string::npos);
  EXPECT_TRUE(CheckMountPoint(directory_ + "/missing/below").Is(Errc::kNotFound));
  EXPECT_TRUE(CheckMountPoint(File()).Is(Errc::kNotADirectory));
}

TEST_F(MountPointFiles, PathsBecomeCanonical) {
  for (const std::string& path :
       {directory_, directory_ + "/", directory_ + "//", directory_ + "/.", Link(), Link() + "/"}) {
    const auto canonical = CanonicalMountPoint(path);
    ASSERT_TRUE(canonical.ok()) << path;
    EXPECT_EQ(*canonical, directory_) << path;
  }
  EXPECT_EQ(*CanonicalMountPoint("/"), "/");
  EXPECT_EQ(*CanonicalMountPoint("/tmp"), "/tmp");
}

TEST_F(MountPointFiles, UnmountingWhatIsNotMountedSaysSo) {
  const Status unmounted = UnmountPath(directory_, /*lazy=*/false);
  EXPECT_TRUE(unmounted.Is(Errc::kInvalidArgument)) << unmounted.error().message;
  const auto mounted = IsPailfsMount(directory_);
  EXPECT_TRUE(mounted.ok() && !*mounted);
  const auto missing = IsPailfsMount(directory_ + "/missing/below");
  EXPECT_TRUE(missing.ok() && !*missing);
}

}  // namespace
}  // namespace pailfs::fs
