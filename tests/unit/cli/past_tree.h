// A plain directory laid out as a mount: `.snapshot/T` and `.versions` are ordinary directories of its root.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "base/str.h"
#include "cli/past_paths.h"
#include "tests/support/temporary_directory.h"

namespace pailfs::cli {

struct Printed {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class PastTree : public testing::Test {
 protected:
  PastTree() { std::filesystem::create_directories(root() + "/.snapshot/T"); }

  std::string root() const { return dir_.path() + "/mount"; }
  std::string Path(const std::string& rest) const { return StrCat(root(), '/', rest); }
  std::string Then(const std::string& rest) const { return StrCat(root(), "/.snapshot/T/", rest); }
  std::string Outside(const std::string& rest) const { return StrCat(dir_.path(), '/', rest); }

  // Every directory below the root is in the "mount".
  PastNamesReader Names() const {
    return [root = std::filesystem::canonical(root()).string()](const std::string& directory) -> Result<PastNames> {
      std::error_code error;
      const std::string real = std::filesystem::canonical(directory, error).string() + "/";
      if (!real.starts_with(root + "/")) return Error{Errc::kUnsupported, "is not in a pailfs mount"};
      return PastNames();
    };
  }

  static Printed Run(const std::function<int()>& command) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Printed printed;
    printed.exit_code = command();
    std::fflush(stdout);
    printed.out = testing::internal::GetCapturedStdout();
    printed.err = testing::internal::GetCapturedStderr();
    return printed;
  }

  // Makes the directories above too. All files get the time `mtime`.
  static void Write(const std::string& path, const std::string& content, time_t mtime = 1'000'000'000) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    SetTime(path, mtime);
  }
  static void SetTime(const std::string& path, time_t mtime) {
    const timespec times[] = {{mtime, 7}, {mtime, 7}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return "(none)";
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  static bool Exists(const std::string& path) {
    struct stat st {};
    return lstat(path.c_str(), &st) == 0;
  }
  static struct stat Stat(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
    return st;
  }
  static bool SetXattr(const std::string& path, const std::string& name, const std::string& value) {
    return setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0;
  }
  static std::string Xattr(const std::string& path, const std::string& name) {
    char value[256];
    const ssize_t got = getxattr(path.c_str(), name.c_str(), value, sizeof value);
    return got < 0 ? "(none)" : std::string(value, static_cast<size_t>(got));
  }
  // Leftovers of copies that were not finished.
  static size_t Temporaries(const std::string& directory) {
    size_t found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (entry.path().filename().string().starts_with(".pailfs-restore-")) ++found;
    }
    return found;
  }

 private:
  TemporaryDirectory dir_;
};

// Some file systems have no extended attributes.
#define REQUIRE_XATTRS(path) \
  ASSERT_TRUE(SetXattr(path, "user.probe", "1")) << "there are no extended attributes on " << path

}  // namespace pailfs::cli
