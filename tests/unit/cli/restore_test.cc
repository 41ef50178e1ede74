#include <signal.h>
#include <sys/sysmacros.h>

#include "cli/node_copy.h"
#include "cli/restore_command.h"
#include "cli/tree_restore.h"
#include "tests/unit/cli/past_tree.h"

namespace pailfs::cli {
namespace {

class RestoreTest : public PastTree {
 protected:
  Printed Restore(const std::string& path, const RestoreRequest& options = {}) {
    RestoreRequest request = options;
    request.path = path;
    if (request.at.empty()) request.at = "T";
    request.patience_ms = 0;
    return Run([&] { return RestoreCommand(request, Names()); });
  }
  static RestoreRequest To(const std::string& path) { return {.path = "", .at = "", .to = path}; }
  static RestoreRequest At(const std::string& time) { return {.path = "", .at = time, .to = ""}; }
  static RestoreRequest Deleting() { return {.path = "", .at = "", .to = "", .delete_extra = true}; }
  static RestoreRequest Dry() { return {.path = "", .at = "", .to = "", .delete_extra = true, .dry_run = true}; }

  // One of each type.
  void MakeTree() {
    Write(Then("d/file"), "then", 1'000'000'001);
    Write(Then("d/sub/empty"), "", 1'000'000'002);
    Write(Then("d/sub/new\nline"), "n", 1'000'000'003);
    Write(Then("d/sub/-rf"), "r", 1'000'000'004);
    Write(Then("d/sub/a b"), "s", 1'000'000'005);
    ASSERT_EQ(symlink("file", Then("d/link").c_str()), 0);
    ASSERT_EQ(mkfifo(Then("d/fifo").c_str(), 0640), 0);
    ASSERT_EQ(chmod(Then("d/file").c_str(), 0640), 0);
    ASSERT_EQ(chmod(Then("d/sub").c_str(), 0750), 0);
    for (const char* name : {"d/link", "d/fifo"}) SetTime(Then(name), 1'000'000'006);
    for (const char* name : {"d/sub", "d"}) SetTime(Then(name), 1'000'000'010);
  }
  void ExpectTree(const std::string& top) {
    EXPECT_EQ(Read(top + "/file"), "then");
    EXPECT_EQ(Read(top + "/sub/empty"), "");
    EXPECT_EQ(Read(top + "/sub/new\nline"), "n");
    EXPECT_EQ(Read(top + "/sub/-rf"), "r");
    EXPECT_EQ(Read(top + "/sub/a b"), "s");
    EXPECT_EQ(std::filesystem::read_symlink(top + "/link"), "file");
    EXPECT_TRUE(S_ISFIFO(Stat(top + "/fifo").st_mode));
    for (const char* name : {"", "/file", "/link", "/fifo", "/sub", "/sub/empty", "/sub/-rf"}) {
      const struct stat then = Stat(Then("d") + name);
      const struct stat now = Stat(top + name);
      EXPECT_EQ(then.st_mode, now.st_mode) << name;
      EXPECT_EQ(then.st_mtim.tv_sec, now.st_mtim.tv_sec) << name;
      EXPECT_EQ(then.st_mtim.tv_nsec, now.st_mtim.tv_nsec) << name;
      EXPECT_EQ(then.st_uid, now.st_uid) << name;
    }
    EXPECT_EQ(Temporaries(root()), 0U);
  }
};

TEST_F(RestoreTest, ATreeThatIsGoneComesBackWhole) {
  MakeTree();
  const Printed done = Restore(Path("d"));
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out, "restored 7 files, 2 directories; 0 unchanged\n");
  EXPECT_EQ(done.err, "");
  ExpectTree(Path("d"));
}

TEST_F(RestoreTest, WhatIsEqualIsLeftAlone) {
  MakeTree();
  ASSERT_EQ(Restore(Path("d")).exit_code, 0);
  const ino_t before = Stat(Path("d/file")).st_ino;
  const Printed again = Restore(Path("d"), Deleting());
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.out, "restored 0 files, 0 directories; 9 unchanged\n");
  EXPECT_EQ(Stat(Path("d/file")).st_ino, before);
  Write(Path("d/file"), "now!");
  EXPECT_EQ(Restore(Path("d")).out, "restored 1 file, 0 directories; 8 unchanged\n");
  ExpectTree(Path("d"));
}

TEST_F(RestoreTest, OnlyMetadataIsChangedInPlace) {
  MakeTree();
  ASSERT_EQ(Restore(Path("d")).exit_code, 0);
  const ino_t before = Stat(Path("d/file")).st_ino;
  ASSERT_EQ(chmod(Path("d/file").c_str(), 0666), 0);
  ASSERT_EQ(chmod(Path("d/sub").c_str(), 0700), 0);
  EXPECT_EQ(Restore(Path("d")).out, "restored 1 file, 1 directory; 7 unchanged\n");
  EXPECT_EQ(Stat(Path("d/file")).st_ino, before);
  ExpectTree(Path("d"));
}

TEST_F(RestoreTest, EtagsTellContentsOfEqualSizeAndTimeApart) {
  Write(Then("f"), "then");
  REQUIRE_XATTRS(Then("f"));
  Write(Path("f"), "now!");
  ASSERT_TRUE(SetXattr(Path("f"), "user.probe", "1"));
  EXPECT_EQ(Restore(Path("f")).out, "restored 0 files, 0 directories; 1 unchanged\n") << "without ETags";
  ASSERT_TRUE(SetXattr(Then("f"), "user.pailfs.etag", "one"));
  EXPECT_EQ(Restore(Path("f")).out, "restored 0 files, 0 directories; 1 unchanged\n") << "with one";
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.etag", "two"));
  EXPECT_EQ(Restore(Path("f")).out, "restored 1 file, 0 directories; 0 unchanged\n");
  EXPECT_EQ(Read(Path("f")), "then");
}

TEST_F(RestoreTest, TheEtagOfAFileThatIsNotUploadedYetSaysNothing) {
  Write(Then("f"), "then");
  REQUIRE_XATTRS(Then("f"));
  Write(Path("f"), "now!", 1'500'000'000);
  for (const std::string& path : {Then("f"), Path("f")}) ASSERT_TRUE(SetXattr(path, "user.pailfs.etag", "one"));
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.state", "dirty"));
  const Printed refused = Restore(Path("f"));
  EXPECT_EQ(refused.exit_code, 1) << "the bucket has no version of it";
  EXPECT_NE(refused.err.find("not uploaded yet"), std::string::npos) << refused.err;
  EXPECT_EQ(Read(Path("f")), "now!");
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.state", "clean"));
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.etag", "two"));
  EXPECT_EQ(Restore(Path("f")).exit_code, 0);
  EXPECT_EQ(Read(Path("f")), "then");
}

TEST_F(RestoreTest, XattrsAndAclsComeBackWithoutWhatPailfsTells) {
  Write(Then("f"), "then");
  REQUIRE_XATTRS(Then("f"));
  const std::string acl(
      "\2\0\0\0\1\0\6\0\xff\xff\xff\xff\2\0\4\0\1\0\0\0\4\0\4\0\xff\xff\xff\xff"
      "\x10\0\4\0\xff\xff\xff\xff\x20\0\4\0\xff\xff\xff\xff",
      44);
  const bool acls = SetXattr(Then("f"), "system.posix_acl_access", acl);
  ASSERT_TRUE(SetXattr(Then("f"), "user.colour", "blue"));
  ASSERT_TRUE(SetXattr(Then("f"), "user.pailfs.version_id", "v1"));
  SetTime(Then("f"), 1'000'000'000);
  Write(Path("f"), "then");
  ASSERT_TRUE(SetXattr(Path("f"), "user.later", "x"));
  EXPECT_EQ(Restore(Path("f")).out, "restored 1 file, 0 directories; 0 unchanged\n");
  EXPECT_EQ(Xattr(Path("f"), "user.colour"), "blue");
  EXPECT_EQ(Xattr(Path("f"), "user.later"), "(none)");
  EXPECT_EQ(Xattr(Path("f"), "user.pailfs.version_id"), "(none)");
  if (acls) {
    EXPECT_EQ(Xattr(Path("f"), "system.posix_acl_access"), acl);
  }
  EXPECT_EQ(Stat(Path("f")).st_mode, Stat(Then("f")).st_mode);
}

TEST_F(RestoreTest, RootKeepsOwnersAndMakesDevices) {
  ASSERT_EQ(geteuid(), 0U) << "needs root";
  Write(Then("d/f"), "x");
  ASSERT_EQ(chown(Then("d/f").c_str(), 12, 34), 0);
  ASSERT_EQ(chmod(Then("d/f").c_str(), 04755), 0);
  const bool devices = mknod(Then("d/null").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
  ASSERT_EQ(Restore(Path("d")).exit_code, 0);
  EXPECT_EQ(Stat(Path("d/f")).st_uid, 12U);
  EXPECT_EQ(Stat(Path("d/f")).st_gid, 34U);
  EXPECT_EQ(Stat(Path("d/f")).st_mode & 07777, 04755U);
  if (devices) {
    EXPECT_EQ(Stat(Path("d/null")).st_rdev, makedev(1, 3));
  }
}

TEST_F(RestoreTest, WhatCameLaterStaysUnlessItIsToBeDeleted) {
  Write(Then("keep"), "then");
  Write(Path("keep"), "now");
  Write(Path("later/deep/file"), "l");
  Write(Path("later2"), "l");
  Write(Path(".versions/keep/x~1"), "v");
  EXPECT_EQ(Restore(root()).out, "restored 1 file, 1 directory; 0 unchanged\n");
  EXPECT_EQ(Read(Path("later/deep/file")), "l");
  const Printed deleted = Restore(root(), Deleting());
  EXPECT_EQ(deleted.exit_code, 0) << deleted.err;
  EXPECT_NE(deleted.out.find("; 4 deleted\n"), std::string::npos) << deleted.out;
  EXPECT_FALSE(Exists(Path("later")));
  EXPECT_FALSE(Exists(Path("later2")));
  EXPECT_EQ(Read(Path("keep")), "then");
  EXPECT_TRUE(Exists(Then("keep"))) << "the views of the past are no part of the tree";
  EXPECT_TRUE(Exists(Path(".versions/keep/x~1")));
}

TEST_F(RestoreTest, ADryRunChangesNothing) {
  MakeTree();
  Write(Path("d/file"), "now");
  Write(Path("d/later/x"), "l");
  const Printed dry = Restore(Path("d"), Dry());
  EXPECT_EQ(dry.exit_code, 0);
  for (const char* line :
       {"would restore %/d/file\n", "would restore %/d/sub\n", "would restore %/d/sub/new\\x0aline\n",
        "would delete %/d/later/x\n", "would delete %/d/later\n"}) {
    const std::string text = line;
    const size_t at = text.find('%');
    EXPECT_NE(dry.out.find(text.substr(0, at) + root() + text.substr(at + 1)), std::string::npos) << dry.out;
  }
  EXPECT_NE(dry.out.find("would restore 7 files, 2 directories; 0 unchanged; 2 to delete\n"), std::string::npos)
      << dry.out;
  EXPECT_EQ(Read(Path("d/file")), "now");
  EXPECT_EQ(Read(Path("d/later/x")), "l");
  EXPECT_FALSE(Exists(Path("d/sub")));
}

TEST_F(RestoreTest, ElsewhereLeavesThePathAlone) {
  MakeTree();
  Write(Path("d/file"), "now");
  EXPECT_EQ(Restore(Path("d"), To(Path("copy"))).exit_code, 0);
  ExpectTree(Path("copy"));
  EXPECT_EQ(Read(Path("d/file")), "now");
  Write(Then("file"), "then");
  EXPECT_EQ(Restore(Path("file"), To(Path("file2"))).exit_code, 0);
  EXPECT_EQ(Read(Path("file2")), "then");
  ASSERT_EQ(symlink("copy", Path("here").c_str()), 0);
  EXPECT_EQ(Restore(Path("d"), To(Path("here"))).out, "restored 0 files, 0 directories; 9 unchanged\n");
  const Printed into = Restore(Path("file"), To(Path("copy")));
  EXPECT_EQ(into.exit_code, 2);
  EXPECT_NE(into.err.find("is a directory"), std::string::npos) << into.err;
  const Printed nowhere = Restore(Path("d"), To(Path("no/where")));
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_NE(nowhere.err.find("there is no directory"), std::string::npos) << nowhere.err;
}

TEST_F(RestoreTest, OnAnotherFileSystemTheBytesAreCopied) {
  char other[] = "/tmp/pailfs-test-XXXXXX";
  ASSERT_NE(mkdtemp(other), nullptr);
  MakeTree();
  Write(Then("d/large"), std::string(3'000'000, 'x'));
  EXPECT_EQ(Restore(Path("d"), To(StrCat(other, "/copy"))).exit_code, 0);
  EXPECT_EQ(Read(StrCat(other, "/copy/large")), std::string(3'000'000, 'x'));
  EXPECT_EQ(Read(StrCat(other, "/copy/file")), "then");
  std::filesystem::remove_all(other);
}

TEST_F(RestoreTest, TypesThatChanged) {
  Write(Then("was_dir/f"), "1");
  Write(Then("was_file"), "2");
  Write(Then("was_file2"), "3");
  Write(Path("was_dir"), "now");
  std::filesystem::create_directories(Path("was_file"));
  Write(Path("was_file2/full"), "now");
  const Printed done = Restore(root());
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_NE(done.err.find("was_file2: is a directory with files now; --delete removes it"), std::string::npos)
      << done.err;
  EXPECT_EQ(Read(Path("was_dir/f")), "1");
  EXPECT_EQ(Read(Path("was_file")), "2");
  EXPECT_EQ(Read(Path("was_file2/full")), "now");
  EXPECT_EQ(Restore(root(), Deleting()).exit_code, 0);
  EXPECT_EQ(Read(Path("was_file2")), "3");
  EXPECT_EQ(Temporaries(root()), 0U);
}

TEST_F(RestoreTest, AnErrorOnOneFileDoesNotStopTheRest) {
  for (const char* name : {"a", "b", "c"}) Write(Then(StrCat("d/", name)), name);
  Write(Path("d/b/in the way"), "x");
  const Printed done = Restore(Path("d"));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.err, StrCat("pailfs: ", Path("d/b"), ": is a directory with files now; --delete removes it\n"));
  EXPECT_NE(done.out.find("; 1 failed\n"), std::string::npos) << done.out;
  EXPECT_EQ(Read(Path("d/a")), "a");
  EXPECT_EQ(Read(Path("d/c")), "c");
}

TEST_F(RestoreTest, FindsTheNearestDirectoryThatExists) {
  Write(Then("gone/deeper/f"), "then");
  const Printed no_parent = Restore(Path("gone/deeper/f"));
  EXPECT_EQ(no_parent.exit_code, 2);
  EXPECT_NE(no_parent.err.find("there is no directory " + Path("gone/deeper")), std::string::npos) << no_parent.err;
  EXPECT_EQ(Restore(Path("gone/deeper/f"), To(Path("f"))).exit_code, 0);
  EXPECT_EQ(Read(Path("f")), "then");
  EXPECT_EQ(Restore(Path("gone/")).exit_code, 0);
  EXPECT_EQ(Read(Path("gone/deeper/f")), "then");
}

TEST_F(RestoreTest, ReachesTheRootThroughALinkAndFromInside) {
  Write(Then("f"), "then");
  ASSERT_EQ(symlink(root().c_str(), Outside("link").c_str()), 0);
  EXPECT_EQ(Restore(Outside("link")).exit_code, 0);
  EXPECT_TRUE(S_ISLNK(Stat(Outside("link")).st_mode));
  EXPECT_EQ(Read(Path("f")), "then");
  Write(Then("d/g"), "then");
  std::filesystem::create_directories(Path("d"));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(Path("d"));
  const Printed here = Restore(".");
  std::filesystem::current_path(before);
  EXPECT_EQ(here.exit_code, 0) << here.err;
  EXPECT_EQ(Read(Path("d/g")), "then");
}

TEST_F(RestoreTest, SaysWhyThereIsNothingToRestore) {
  const Printed absent = Restore(Path("never"));
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_EQ(absent.err, StrCat("pailfs: ", Path("never"), " was not there at T\n"));
  const Printed time = Restore(Path("never"), At("yestreday"));
  EXPECT_EQ(time.exit_code, 1);
  EXPECT_NE(time.err.find("knows no time and no snapshot 'yestreday'"), std::string::npos) << time.err;
  for (const char* at : {"2026/11/22", "..", "."}) {
    const Printed bad = Restore(Path("never"), At(at));
    EXPECT_EQ(bad.exit_code, 2);
    EXPECT_NE(bad.err.find("is neither a time"), std::string::npos) << bad.err;
  }
  const Printed outside = Restore(Outside("x"));
  EXPECT_EQ(outside.exit_code, 2);
  EXPECT_NE(outside.err.find("is not in a pailfs mount"), std::string::npos) << outside.err;
}

TEST_F(RestoreTest, LeavesCopiesThatWereNotFinishedOut) {
  Write(Then("d/.pailfs-restore-abc123"), "half");
  Write(Then("d/f"), "then");
  EXPECT_EQ(Restore(Path("d")).out, "restored 1 file, 1 directory; 0 unchanged\n");
  EXPECT_EQ(Temporaries(Path("d")), 0U);
  EXPECT_TRUE(IsTemporaryName(".pailfs-restore-abc123"));
  EXPECT_FALSE(IsTemporaryName(".pailfs-restore-mine"));
}

// Requests the end after some files.
class Impatient : public RestoreObserver {
 public:
  explicit Impatient(uint64_t bytes) : bytes_left_(bytes) {}
  bool StopRequested() override { return stop_; }
  void OnBytes(uint64_t bytes) override {
    if (bytes >= bytes_left_) stop_ = true;
    bytes_left_ -= std::min(bytes, bytes_left_);
  }
  void OnProgress(const RestoreCounts&) override {}
  void OnPlan(std::string_view, const std::string&) override {}
  void OnFailure(const std::string& path, const Error& error) override { ADD_FAILURE() << path << error.message; }

 private:
  uint64_t bytes_left_;
  bool stop_ = false;
};

TEST_F(RestoreTest, WhatWasBrokenOffGoesOn) {
  for (int i = 0; i < 10; ++i) Write(Then(StrCat("d/", i)), "12345");
  const auto source = Node::Find(AT_FDCWD, Then("d"));
  const auto target = Node::Find(AT_FDCWD, root());
  ASSERT_TRUE(source.ok() && target.ok());
  Impatient observer(20);
  TreeRestore restore(RestoreOptions(), observer);
  restore.Restore(*source, Spot{target->fd(), "d"}, "d");
  EXPECT_EQ(restore.counts().files, 4U);
  EXPECT_EQ(restore.counts().failed, 0U);
  EXPECT_EQ(Temporaries(root()), 0U);
  EXPECT_EQ(Restore(Path("d")).out, "restored 6 files, 1 directory; 4 unchanged\n");
}

}  // namespace
}  // namespace pailfs::cli
