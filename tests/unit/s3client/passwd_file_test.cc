#include "s3client/passwd_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file_system.h"
#include "base/str.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kLines =
    "# keys\n\nALL:s3cr3t-all\n  other:OTHER:s3cr3t-other \r\nphotos:MINE:s3cr3t/mine+=\n";

TEST(PasswdFile, TheBucketsOwnLineElseTheOneForAll) {
  EXPECT_EQ(ParsePasswdFile(kLines, "photos", "f")->access_key_id, "MINE");
  EXPECT_EQ(ParsePasswdFile(kLines, "photos", "f")->secret_access_key, "s3cr3t/mine+=");
  EXPECT_EQ(ParsePasswdFile(kLines, "other", "f")->secret_access_key, "s3cr3t-other");
  EXPECT_EQ(ParsePasswdFile(kLines, "third", "f")->access_key_id, "ALL");
  EXPECT_EQ(ParsePasswdFile("A:b", "x", "f")->secret_access_key, "b");
}

TEST(PasswdFile, LinesThatAreNone) {
  for (const char* line : {"s3cr3t", ":s3cr3t", "s3cr3t:", "::s3cr3t", "b::s3cr3t", "b:K:", ":K:s3cr3t", "a:b:c:s3cr3t",
                           "K: s3cr3t", "K:s3cr3t # x", "b:K:s3cr3t\nb:K:s3cr3t"}) {
    const auto keys = ParsePasswdFile(StrCat("# one\nA:s3cr3t\n", line), "b", "/f");
    ASSERT_ERRC(keys, Errc::kInvalidArgument);
    EXPECT_TRUE(keys.error().message.starts_with("/f: line ")) << keys.error().message;
    ExpectNoSecret(keys.error().message);
  }
}

TEST(PasswdFile, NoLineForTheBucket) {
  const auto keys = ParsePasswdFile("other:K:s3cr3t\n", "photos", "/f");
  ASSERT_ERRC(keys, Errc::kAccessDenied);
  EXPECT_EQ(keys.error().message, "/f has no keys for the bucket photos; add a line KEY:SECRET or photos:KEY:SECRET");
}

class PasswdFileOnDisk : public CredentialsTest {
 protected:
  PasswdFileOnDisk() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-passwd-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    options_.passwd_file = directory_ + "/passwd";
    EXPECT_OK(WriteFileDurably(PosixFileSystem(), options_.passwd_file, kLines));
  }
  ~PasswdFileOnDisk() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Result<IssuedCredentials> GetFromDisk() {
    return NewCredentialsProvider(options_, PosixFileSystem(), clock_, network_, environment())->Get(ctx_);
  }

  std::string directory_;
};

TEST_F(PasswdFileOnDisk, MustBeItsOwnersAlone) {
  for (const mode_t mode : {0600U, 0400U}) {
    ASSERT_EQ(chmod(options_.passwd_file.c_str(), mode), 0);
    const auto issued = GetFromDisk();
    ASSERT_OK(issued);
    EXPECT_EQ(issued->keys.access_key_id, "MINE");
  }
  for (const mode_t mode : {0640U, 0604U, 0660U, 0644U}) {
    ASSERT_EQ(chmod(options_.passwd_file.c_str(), mode), 0);
    const auto issued = GetFromDisk();
    ASSERT_ERRC(issued, Errc::kAccessDenied);
    EXPECT_NE(issued.error().message.find("chmod 600 " + options_.passwd_file), std::string::npos);
    ExpectNoSecret(issued.error().message);
  }
}

TEST_F(PasswdFileOnDisk, ALinkIsJudgedByItsFile) {
  const std::string file = options_.passwd_file;
  options_.passwd_file = directory_ + "/link";
  ASSERT_EQ(symlink(file.c_str(), options_.passwd_file.c_str()), 0);
  EXPECT_OK(GetFromDisk());
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_ERRC(GetFromDisk(), Errc::kAccessDenied);
}

TEST_F(PasswdFileOnDisk, ADirectoryOrNothing) {
  options_.passwd_file = directory_;
  ASSERT_EQ(chmod(directory_.c_str(), 0700), 0);
  EXPECT_ERRC(GetFromDisk(), Errc::kAccessDenied);
  options_.passwd_file = directory_ + "/absent";
  EXPECT_ERRC(GetFromDisk(), Errc::kAccessDenied);
}

}  // namespace
}  // namespace pailfs::s3client
