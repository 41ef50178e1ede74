// Runs the program: exit codes and messages of what needs no mount.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/file_system.h"
#include "base/json.h"
#include "base/str.h"
#include "tests/support/temporary_directory.h"

extern char** environ;

namespace pailfs::cli {
namespace {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class ProgramTest : public testing::Test {
 protected:
  Outcome Run(const std::vector<std::string>& words, const std::string& input = "",
              const std::string& name = "pailfs") {
    std::ofstream(dir_.path() + "/in", std::ios::binary) << input;
    std::vector<std::string> arguments{name};
    arguments.insert(arguments.end(), words.begin(), words.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, (dir_.path() + "/in").c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, (dir_.path() + "/out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, (dir_.path() + "/err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t pid = 0;
    EXPECT_EQ(posix_spawn(&pid, PAILFS_BINARY, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    waitpid(pid, &status, 0);
    Outcome outcome;
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = Content("/out");
    outcome.err = Content("/err");
    return outcome;
  }
  std::string Content(const std::string& name) { return *ReadFile(PosixFileSystem(), dir_.path() + name); }
  std::string Path(const std::string& name) { return dir_.path() + name; }
  std::string Place(const std::string& rest) { return StrCat("store:", dir_.path(), "/s/", rest); }
  // Mount options that keep the machine's own configuration and directories out.
  std::vector<std::string> MountWords(const std::string& source, const std::string& mountpoint,
                                      const std::string& options) {
    std::ofstream(Path("/empty.toml")).flush();
    return {"mount", source, mountpoint, "--config", Path("/empty.toml"), "-o", "cache=" + Path("/c") + options};
  }
  void MakeStore() { ASSERT_EQ(Run({"store", "init", Path("/s"), "--bucket", "photos"}).exit_code, 0); }

  TemporaryDirectory dir_;
};

TEST_F(ProgramTest, HelpVersionAndUsage) {
  EXPECT_EQ(Run({"--version"}).out, StrCat("pailfs ", PAILFS_VERSION, "\n"));
  EXPECT_EQ(Run({"--help"}).exit_code, 0);
  EXPECT_TRUE(Run({"mount", "--help"}).out.starts_with("Usage: pailfs mount SOURCE MOUNTPOINT"));
  EXPECT_TRUE(Run({"object", "ls", "-h"}).out.starts_with("Usage: pailfs object ls "));
  EXPECT_EQ(Run({}).exit_code, 2);
  EXPECT_EQ(Run({"mount"}).exit_code, 1);
  EXPECT_EQ(Run({"umount"}).exit_code, 1);
  EXPECT_EQ(Run({"object"}).exit_code, 2);
  EXPECT_EQ(Run({"object", "ls"}).exit_code, 2);
  EXPECT_EQ(Run({"object", "ls", Place("photos"), "--wrong"}).exit_code, 2);
  EXPECT_EQ(Run({"store", "check", Path("/s"), "--level", "deep"}).exit_code, 2);
  const Outcome typo = Run({"mout"});
  EXPECT_EQ(typo.exit_code, 2);
  EXPECT_EQ(typo.err, "pailfs: unknown command 'mout'; did you mean 'mount'?\nTry 'pailfs --help'.\n");
}

TEST_F(ProgramTest, MountRefusesBadOptions) {
  ASSERT_EQ(mkdir(Path("/m").c_str(), 0700), 0);
  const Outcome unknown = Run(MountWords(Place("photos"), Path("/m"), ",cache_sise=1G"));
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_EQ(unknown.err, "pailfs: unknown option 'cache_sise'; did you mean 'cache_size'?\n");
  EXPECT_EQ(Run(MountWords(Place("photos"), Path("/m"), ",fsync=maybe")).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(Path("/s"))) << "nothing is made by a command that is refused";
  const Outcome no_config = Run({"mount", Place("photos"), Path("/m"), "--config", Path("/absent")});
  EXPECT_EQ(no_config.exit_code, 2);
  EXPECT_NE(no_config.err.find("/absent"), std::string::npos) << no_config.err;
}

TEST_F(ProgramTest, MountRefusesBadSources) {
  ASSERT_EQ(mkdir(Path("/m").c_str(), 0700), 0);
  const Outcome s3 = Run({"mount", "s3://bucket", Path("/m"), "-o",
                          StrCat("endpoint=http://127.0.0.1:9,anonymous,timeout=1s,cache=", Path("/c"))});
  EXPECT_EQ(s3.exit_code, 32);
  EXPECT_NE(s3.err.find("bucket bucket at 127.0.0.1:9"), std::string::npos) << s3.err;
  EXPECT_EQ(Run(MountWords("s3://", Path("/m"), "")).exit_code, 1);
  EXPECT_EQ(Run(MountWords("photos", Path("/m"), "")).exit_code, 1);
  EXPECT_EQ(Run(MountWords(Place("No_Bucket"), Path("/m"), "")).exit_code, 1);
}

TEST_F(ProgramTest, MountRefusesBadMountPoints) {
  const Outcome missing = Run(MountWords(Place("photos"), Path("/absent"), ""));
  EXPECT_EQ(missing.exit_code, 32);
  EXPECT_NE(missing.err.find(StrCat("mount point ", Path("/absent"), " does not exist")), std::string::npos)
      << missing.err;
  std::ofstream(Path("/file")).flush();
  const Outcome file = Run(MountWords(Place("photos"), Path("/file"), ""));
  EXPECT_EQ(file.exit_code, 32);
  EXPECT_NE(file.err.find("is not a directory"), std::string::npos) << file.err;
  ASSERT_EQ(mkdir(Path("/m").c_str(), 0700), 0);
  const Outcome inside = Run({"mount", Place("photos"), Path("/m"), "-o", StrCat("cache=", Path("/m/c"))});
  EXPECT_EQ(inside.exit_code, 32);
  EXPECT_NE(inside.err.find("lies inside the mount point"), std::string::npos) << inside.err;
}

TEST_F(ProgramTest, MountNamesWhoHoldsTheStore) {
  MakeStore();
  ASSERT_EQ(mkdir(Path("/m").c_str(), 0700), 0);
  const int fd = open(Path("/s/LOCK").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  const std::string pid = StrCat(getpid(), "\n");
  ASSERT_EQ(ftruncate(fd, 0), 0);
  ASSERT_EQ(pwrite(fd, pid.data(), pid.size(), 0), static_cast<ssize_t>(pid.size()));
  const Outcome mount = Run(MountWords(Place("photos"), Path("/m"), ""));
  EXPECT_EQ(mount.exit_code, 32);
  EXPECT_NE(mount.err.find(StrCat("is in use by process ", getpid())), std::string::npos) << mount.err;
  const Outcome ls = Run({"object", "ls", Place("photos")});
  EXPECT_EQ(ls.exit_code, 2);
  EXPECT_NE(ls.err.find(StrCat("is in use by process ", getpid())), std::string::npos) << ls.err;
  EXPECT_NE(ls.err.find("unmount it first"), std::string::npos) << ls.err;
  close(fd);
  EXPECT_EQ(Run({"object", "ls", Place("photos")}).exit_code, 0);
}

TEST_F(ProgramTest, MountRefusesAnUnknownFormat) {
  MakeStore();
  ASSERT_EQ(mkdir(Path("/m").c_str(), 0700), 0);
  std::string format = Content("/s/FORMAT");
  const size_t at = format.find("format=1");
  ASSERT_NE(at, std::string::npos) << format;
  format.replace(at, 8, "format=9");
  ASSERT_TRUE(WriteFileDurably(PosixFileSystem(), Path("/s/FORMAT"), format).ok());
  const Outcome mount = Run(MountWords(Place("photos"), Path("/m"), ""));
  EXPECT_EQ(mount.exit_code, 32);
  EXPECT_NE(mount.err.find("does not know"), std::string::npos) << mount.err;
  EXPECT_EQ(Run({"object", "ls", Place("photos")}).exit_code, 2);
}

TEST_F(ProgramTest, TheHelperFakesAndTolerates) {
  ASSERT_EQ(mkdir(Path("/m").c_str(), 0700), 0);
  const std::vector<std::string> words{Place("photos"), Path("/m"), "-f", "-o",
                                       StrCat("rw,cache=", Path("/c"), ",strange=1")};
  EXPECT_EQ(Run(words, "", "/sbin/mount.pailfs").exit_code, 1);
  std::vector<std::string> sloppy = words;
  sloppy.push_back("-s");
  EXPECT_EQ(Run(sloppy, "", "/sbin/mount.fuse.pailfs").exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(Path("/s")));
  EXPECT_EQ(Run({Place("photos")}, "", "mount.pailfs").exit_code, 1);
}

TEST_F(ProgramTest, DaemonCommandsWithoutAMount) {
  EXPECT_EQ(Run({"umount", dir_.path()}).exit_code, 32);
  const Outcome status = Run({"status", dir_.path()});
  EXPECT_EQ(status.exit_code, 1);
  EXPECT_NE(status.err.find("is not a pailfs mount"), std::string::npos) << status.err;
  EXPECT_EQ(Run({"flush", dir_.path()}).exit_code, 1);
}

TEST_F(ProgramTest, ObjectsGoInAndComeOut) {
  MakeStore();
  std::string body = "line\n";
  body.append("\0\xff", 2);
  EXPECT_EQ(Run({"object", "put", "-", Place("photos/a/b.txt"), "--content-type", "text/x", "--meta", "colour=blue",
                 "--meta", "list=1,2"},
                body)
                .exit_code,
            0);
  EXPECT_EQ(Run({"object", "cat", Place("photos/a/b.txt")}).out, body);
  const std::string stat = Run({"object", "stat", Place("photos/a/b.txt")}).out;
  for (const char* line : {"Key: a/b.txt\n", "Content-Length: 7\n", "Content-Type: text/x\n",
                           "x-amz-meta-colour: blue\n", "x-amz-meta-list: 1,2\n"}) {
    EXPECT_NE(stat.find(line), std::string::npos) << stat;
  }
  const auto json = JsonValue::Parse(Run({"object", "stat", Place("photos/a/b.txt"), "--json"}).out);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["metadata"]["colour"].string(), "blue");
  EXPECT_EQ((*json)["headers"]["Content-Type"].string(), "text/x");
  EXPECT_EQ((*json)["size"].integer(), 7);
}

TEST_F(ProgramTest, ListsLikeAws) {
  MakeStore();
  for (const char* key : {"a/b.txt", "a/c/d.txt", "top"}) {
    ASSERT_EQ(Run({"object", "put", Path("/in"), Place(StrCat("photos/", key))}, "12345").exit_code, 0);
  }
  const auto without_times = [](const std::string& listing) {
    std::string out;
    for (size_t start = 0; start < listing.size();) {
      const size_t end = listing.find('\n', start);
      out += listing.substr(start + 19, end - start - 19) + "\n";
      start = end + 1;
    }
    return out;
  };
  EXPECT_EQ(without_times(Run({"object", "ls", Place("photos")}).out), "        PRE a/\n          5 top\n");
  EXPECT_EQ(without_times(Run({"object", "ls", Place("photos/a/")}).out), "        PRE c/\n          5 b.txt\n");
  EXPECT_EQ(without_times(Run({"object", "ls", "--recursive", Place("photos/a")}).out),
            "          5 a/b.txt\n          5 a/c/d.txt\n");
  const auto json = JsonValue::Parse(Run({"object", "ls", "--json", "-r", Place("photos")}).out);
  ASSERT_TRUE(json.ok());
  ASSERT_EQ(json->items().size(), 3U);
  EXPECT_EQ(json->items()[1]["key"].string(), "a/c/d.txt");
  EXPECT_EQ(Run({"object", "ls", Place("photos/none")}).exit_code, 1);
  EXPECT_EQ(Run({"object", "ls", Place("movies")}).exit_code, 1);
  EXPECT_EQ(Run({"object", "ls", "store:" + Path("/elsewhere/photos")}).exit_code, 1);
}

TEST_F(ProgramTest, DeletesAndListsVersions) {
  MakeStore();
  for (const char* body : {"one", "two"}) {
    ASSERT_EQ(Run({"object", "put", "-", Place("photos/k")}, body).exit_code, 0);
  }
  ASSERT_EQ(Run({"object", "rm", Place("photos/k")}).exit_code, 0);
  EXPECT_EQ(Run({"object", "cat", Place("photos/k")}).exit_code, 1);
  EXPECT_EQ(Run({"object", "rm", Place("photos/k")}).exit_code, 1) << "no delete marker for what is not there";
  const auto versions = JsonValue::Parse(Run({"object", "versions", Place("photos/k"), "--json"}).out);
  ASSERT_TRUE(versions.ok());
  ASSERT_EQ(versions->items().size(), 3U);
  EXPECT_TRUE(versions->items()[0]["is_delete_marker"].boolean());
  const std::string oldest = versions->items()[2]["version_id"].string();
  EXPECT_EQ(Run({"object", "cat", Place("photos/k"), "--version-id", oldest}).out, "one");
  ASSERT_EQ(Run({"object", "rm", Place("photos/k"), "--version-id", oldest}).exit_code, 0);
  EXPECT_EQ(Run({"object", "cat", Place("photos/k"), "--version-id", oldest}).exit_code, 1);
  const std::string table = Run({"object", "versions", Place("photos/k")}).out;
  EXPECT_TRUE(table.starts_with("TIME ")) << table;
  EXPECT_NE(table.find("deleted"), std::string::npos);
  EXPECT_NE(table.find("old"), std::string::npos);
}

TEST_F(ProgramTest, DeletesRecursively) {
  MakeStore();
  for (const char* key : {"d/1", "d/2", "e"}) {
    ASSERT_EQ(Run({"object", "put", "-", Place(StrCat("photos/", key))}, "x").exit_code, 0);
  }
  EXPECT_EQ(Run({"object", "rm", "-r", Place("photos/d/")}).out, "deleted d/1\ndeleted d/2\n");
  EXPECT_EQ(Run({"object", "ls", "-r", Place("photos/d/")}).exit_code, 1);
  EXPECT_EQ(Run({"object", "cat", Place("photos/e")}).out, "x");
  EXPECT_EQ(Run({"object", "rm", "-r", Place("photos/d/")}).exit_code, 1);
  EXPECT_EQ(Run({"object", "rm", Place("photos")}).exit_code, 2) << "a bucket is no object";
}

TEST_F(ProgramTest, KeysCannotSpeakToTheTerminal) {
  MakeStore();
  ASSERT_EQ(Run({"object", "put", "-", Place("photos/a\x1b[2Jb")}, "x").exit_code, 0);
  EXPECT_EQ(Run({"object", "ls", Place("photos")}).out.find('\x1b'), std::string::npos);
  EXPECT_NE(Run({"object", "ls", Place("photos")}).out.find("a\\x1b[2Jb"), std::string::npos);
}

TEST_F(ProgramTest, StoresAndBuckets) {
  EXPECT_EQ(Run({"store", "bucket", "list", Path("/s")}).exit_code, 1);
  MakeStore();
  EXPECT_EQ(Run({"store", "init", Path("/s")}).exit_code, 1);
  EXPECT_EQ(Run({"store", "init", Path("/t"), "--bucket", "No_Name"}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(Path("/t")));
  EXPECT_EQ(Run({"store", "bucket", "create", Path("/s"), "movies", "--versioning", "off"}).exit_code, 0);
  EXPECT_EQ(Run({"store", "bucket", "create", Path("/s"), "movies"}).exit_code, 1);
  const std::string buckets = Run({"store", "bucket", "list", Path("/s")}).out;
  EXPECT_NE(buckets.find("versioning off        movies\n"), std::string::npos) << buckets;
  EXPECT_NE(buckets.find("versioning on         photos\n"), std::string::npos) << buckets;
  EXPECT_EQ(Run({"store", "bucket", "versioning", Path("/s"), "movies"}).out, "off\n");
  EXPECT_EQ(Run({"store", "bucket", "versioning", Path("/s"), "movies", "on"}).exit_code, 0);
  EXPECT_EQ(Run({"store", "bucket", "versioning", Path("/s"), "movies"}).out, "on\n");
  EXPECT_EQ(Run({"store", "bucket", "versioning", Path("/s"), "none"}).exit_code, 1);
  ASSERT_EQ(Run({"object", "put", "-", Place("movies/m")}, "x").exit_code, 0);
  EXPECT_EQ(Run({"store", "bucket", "delete", Path("/s"), "movies"}).exit_code, 1);
  EXPECT_EQ(Run({"store", "bucket", "delete", Path("/s"), "photos"}).exit_code, 0);
}

TEST_F(ProgramTest, CheckAndRebuild) {
  MakeStore();
  ASSERT_EQ(Run({"object", "put", "-", Place("photos/k")}, "body").exit_code, 0);
  for (const char* level : {"quick", "index", "data"}) {
    const Outcome check = Run({"store", "check", Path("/s"), "--level", level});
    EXPECT_EQ(check.exit_code, 0) << check.out << check.err;
    EXPECT_NE(check.out.find("clean"), std::string::npos);
  }
  std::filesystem::remove_all(Path("/s/index"));
  EXPECT_EQ(Run({"store", "rebuild", Path("/s")}).exit_code, 0);
  EXPECT_EQ(Run({"object", "cat", Place("photos/k")}).out, "body");
  EXPECT_EQ(Run({"store", "check", Path("/absent")}).exit_code, 2);
}

TEST_F(ProgramTest, UsageOfAStore) {
  MakeStore();
  ASSERT_EQ(Run({"store", "bucket", "create", Path("/s"), "movies"}).exit_code, 0);
  for (const char* body : {"one", "three"}) {
    ASSERT_EQ(Run({"object", "put", "-", Place("photos/k")}, body).exit_code, 0);
  }
  ASSERT_EQ(Run({"object", "put", "-", Place("photos/d")}, "deleted").exit_code, 0);
  ASSERT_EQ(Run({"object", "rm", Place("photos/d")}).exit_code, 0);
  const std::string text = Run({"store", "usage", Path("/s")}).out;
  for (const char* part : {"photos: versioning on\n", "movies: versioning on\n", "1 objects ", "2 versions ",
                           "1 delete markers\n", "keeps everything for 30d, daily states for 365d", "on disk: "}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  const auto json = JsonValue::Parse(Run({"store", "usage", Path("/s"), "photos", "--json"}).out);
  ASSERT_TRUE(json.ok());
  EXPECT_GT((*json)["bytes_on_disk"].integer(), 0);
  ASSERT_EQ((*json)["buckets"].items().size(), 1U);
  const JsonValue& photos = (*json)["buckets"].items()[0];
  EXPECT_EQ(photos["bucket"].string(), "photos");
  EXPECT_EQ(photos["versioning"].string(), "on");
  EXPECT_EQ(photos["objects"].integer(), 1);
  EXPECT_EQ(photos["object_bytes"].integer(), 5);
  EXPECT_EQ(photos["noncurrent_versions"].integer(), 2);
  EXPECT_EQ(photos["noncurrent_bytes"].integer(), 10);
  EXPECT_EQ(photos["delete_markers"].integer(), 1);
  EXPECT_EQ(photos["retention"]["daily_s"].integer(), 365 * 86'400);
  EXPECT_EQ(Run({"store", "usage", Path("/s"), "none"}).exit_code, 1);
  EXPECT_EQ(Run({"store", "usage", Path("/absent")}).exit_code, 1);
}

TEST_F(ProgramTest, RetentionOfABucket) {
  MakeStore();
  const auto retention = [this](std::vector<std::string> words) {
    words.insert(words.begin(), {"store", "retention", Path("/s"), "photos"});
    return Run(words);
  };
  EXPECT_EQ(retention({}).out, "photos keeps everything for 30d, daily states for 365d, and named snapshots\n");
  EXPECT_EQ(
      retention({"--hourly", "90m", "--weekly", "52w"}).out,
      "photos keeps everything for 30d, hourly states for 90m, daily states for 365d, weekly states for 364d, and "
      "named snapshots\n");
  EXPECT_EQ(retention({"--forever"}).out, "photos keeps everything forever\n");
  EXPECT_EQ(retention({}).out, "photos keeps everything forever\n");
  const auto json = JsonValue::Parse(retention({"--daily", "0", "--json"}).out);
  ASSERT_TRUE(json.ok());
  EXPECT_FALSE((*json)["forever"].boolean());
  EXPECT_EQ((*json)["keep_all_s"].integer(), 30 * 86'400);
  EXPECT_EQ((*json)["hourly_s"].integer(), 5400);
  EXPECT_EQ((*json)["daily_s"].integer(), 0);
  for (const char* wrong : {"", "5x", "500ms", "-1d", "1.00001s", "99999999w", "9999999999999999d"}) {
    const Outcome refused = retention({StrCat("--keep-all=", wrong)});
    EXPECT_EQ(refused.exit_code, 2) << wrong;
    EXPECT_TRUE(refused.err.starts_with("pailfs: ")) << refused.err;
  }
  EXPECT_EQ(retention({"--forever", "--daily", "1d"}).exit_code, 2);
  EXPECT_EQ(Run({"store", "retention", Path("/s")}).exit_code, 2);
  EXPECT_EQ(Run({"store", "retention", Path("/s"), "none"}).exit_code, 1);
  EXPECT_NE(retention({}).out.find("everything for 30d, hourly states for 90m"), std::string::npos)
      << "a command that is refused changes nothing";
}

TEST_F(ProgramTest, ThinsAStore) {
  MakeStore();
  ASSERT_EQ(Run({"store", "bucket", "create", Path("/s"), "movies"}).exit_code, 0);
  for (const char* body : {"one", "two", "three"}) {
    ASSERT_EQ(Run({"object", "put", "-", Place("photos/k")}, body).exit_code, 0);
    ASSERT_EQ(Run({"object", "put", "-", Place("movies/k")}, body).exit_code, 0);
  }
  EXPECT_EQ(Run({"store", "thin", Path("/s")}).out,
            "movies: removed 0 old versions of 0 B and 0 delete markers\n"
            "photos: removed 0 old versions of 0 B and 0 delete markers\n");
  ASSERT_EQ(Run({"store", "retention", Path("/s"), "photos", "--keep-all", "0", "--daily", "0"}).exit_code, 0);
  EXPECT_EQ(Run({"store", "thin", Path("/s"), "photos", "--dry-run"}).out,
            "photos: would remove 2 old versions of 6 B and 0 delete markers\n");
  const auto json = JsonValue::Parse(Run({"store", "thin", Path("/s"), "--json"}).out);
  ASSERT_TRUE(json.ok());
  ASSERT_EQ(json->items().size(), 2U);
  EXPECT_EQ(json->items()[0]["versions"].integer(), 0);
  EXPECT_EQ(json->items()[1]["bucket"].string(), "photos");
  EXPECT_EQ(json->items()[1]["versions"].integer(), 2);
  EXPECT_EQ(json->items()[1]["bytes"].integer(), 6);
  EXPECT_FALSE(json->items()[1]["dry_run"].boolean());
  EXPECT_EQ(Run({"object", "cat", Place("photos/k")}).out, "three");
  EXPECT_EQ(Run({"store", "check", Path("/s"), "--level", "data"}).exit_code, 0);
  EXPECT_EQ(Run({"store", "thin", Path("/s"), "none"}).exit_code, 1);
  const int fd = open(Path("/s/LOCK").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  const Outcome busy = Run({"store", "thin", Path("/s")});
  close(fd);
  EXPECT_EQ(busy.exit_code, 2);
  EXPECT_NE(busy.err.find("unmount it first"), std::string::npos) << busy.err;
}

TEST_F(ProgramTest, CommandsForThePastTakeTheirWords) {
  EXPECT_EQ(Run({"versions"}).exit_code, 2);
  EXPECT_EQ(Run({"restore", dir_.path()}).exit_code, 2);
  EXPECT_EQ(Run({"diff", dir_.path()}).exit_code, 2);
  EXPECT_EQ(Run({"undelete"}).exit_code, 2);
  EXPECT_EQ(Run({"snapshot"}).exit_code, 2);
  EXPECT_EQ(Run({"snapshot", "rename", "a"}).exit_code, 2);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"versions", Path("/f"), Path("/g"), "--json"},
           {"restore", "--at", "-2h", "--to", Path("/f"), "--delete", "-n", "--", Path("/-f")},
           {"diff", Path("/f"), "--from", "-2h", "--to", "-1h"},
           {"undelete", Path("/f"), "--dry-run"},
           {"snapshot", "create", "n", dir_.path()},
           {"snapshot", "list", dir_.path()},
           {"snapshot", "delete", "n", dir_.path()},
           {"snapshot", "rename", "n", "m", dir_.path()}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_NE(outcome.err.find("is not in a pailfs mount"), std::string::npos) << words[0] << ": " << outcome.err;
  }
}

// The program itself, on a directory that says that it is a mount.
TEST_F(ProgramTest, RestoresWithTheNamesThatTheMountTells) {
  const auto tell = [](const std::string& path) {
    return setxattr(path.c_str(), "user.pailfs.snapdir", ".then/.versions", 15, 0) == 0;
  };
  std::filesystem::create_directories(Path("/m/.then/-2h/d"));
  ASSERT_TRUE(tell(Path("/m"))) << "there are no extended attributes";
  std::ofstream(Path("/m/.then/-2h/d/-f"), std::ios::binary) << "then";
  const Outcome restore = Run({"restore", "--at", "-2h", Path("/m/d")});
  EXPECT_EQ(restore.exit_code, 0) << restore.err;
  EXPECT_EQ(restore.out, "restored 1 file, 1 directory; 0 unchanged\n");
  EXPECT_EQ(Content("/m/d/-f"), "then");
  EXPECT_EQ(Run({"diff", Path("/m/d"), "--from", "-2h"}).exit_code, 0);
  EXPECT_EQ(WEXITSTATUS(std::system(
                StrCat("'", PAILFS_BINARY, "' restore '", Path("/m/d"), "' --at -2h > /dev/full 2>/dev/null").c_str())),
            2);
}

TEST_F(ProgramTest, AFullDiskIsNoSuccess) {
  MakeStore();
  ASSERT_EQ(Run({"object", "put", "-", Place("photos/k")}, "body").exit_code, 0);
  const std::string command =
      StrCat("'", PAILFS_BINARY, "' object cat '", Place("photos/k"), "' > /dev/full 2>/dev/null");
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 2);
  const std::string listing = StrCat("'", PAILFS_BINARY, "' object ls '", Place("photos"), "' > /dev/full 2>/dev/null");
  EXPECT_EQ(WEXITSTATUS(std::system(listing.c_str())), 2);
}

}  // namespace
}  // namespace pailfs::cli
