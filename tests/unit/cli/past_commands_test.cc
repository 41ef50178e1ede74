// versions, undelete and snapshot.
#include "base/json.h"
#include "cli/file_versions.h"
#include "cli/snapshot_commands.h"
#include "cli/undelete_command.h"
#include "cli/versions_command.h"
#include "tests/unit/cli/past_tree.h"

namespace pailfs::cli {
namespace {

constexpr const char* kTime1 = "2026-11-20T08:00:00Z";
constexpr const char* kTime2 = "2026-11-21T08:00:00Z";
constexpr const char* kTime3 = "2026-11-22T08:00:00Z";

class PastCommandsTest : public PastTree {
 protected:
  std::string ViewPath(const std::string& rest) { return Path(".versions/" + rest); }
  // A version of the file in the view of the root.
  void Version(const std::string& rest, const std::string& time, const std::string& id, const std::string& content) {
    const std::string path = StrCat(ViewPath(rest), '/', time, '~', id);
    Write(path, content);
    SetXattr(path, "user.pailfs.version_id", id);
    SetXattr(path, "user.pailfs.etag", "e" + id);
    SetTime(path, 1'000'000'000);
  }
  Printed Versions(const std::vector<std::string>& paths, bool json = false) {
    return Run([&] { return VersionsCommand({paths, json}, Names()); });
  }
  Printed Undelete(const std::vector<std::string>& paths, bool dry_run = false) {
    return Run([&] { return UndeleteCommand({paths, dry_run}, Names()); });
  }
};

TEST_F(PastCommandsTest, VersionsAreATableNewestFirst) {
  REQUIRE_XATTRS(root());
  Version("f", kTime1, "v1", "one");
  Version("f", kTime3, "v3", "three");
  const std::string history = StrCat(kTime3, "~v3\n", kTime2, "~d2 deleted\n", kTime1, "~v1\n");
  ASSERT_TRUE(SetXattr(ViewPath("f"), "user.pailfs.history", history));
  Write(Path("f"), "three");
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.version_id", "v3"));
  const Printed table = Versions({Path("f")});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_EQ(table.out, StrCat("TIME                         SIZE  VERSION  STATE\n",  //
                              kTime3, "            5  v3       current\n",            //
                              kTime2, "            -  d2       deleted\n",            //
                              kTime1, "            3  v1\n"));
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.state", "dirty"));
  EXPECT_EQ(Versions({Path("f")}).out.find("current"), std::string::npos) << "not uploaded yet";
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.state", "clean"));
  ASSERT_TRUE(SetXattr(Path("f"), "user.pailfs.version_id", "v4"));
  EXPECT_EQ(Versions({Path("f")}).out.find("current"), std::string::npos) << "changed since";
}

TEST_F(PastCommandsTest, VersionsAsJson) {
  REQUIRE_XATTRS(root());
  Version("gone/f", kTime1, "v1", "one");
  ASSERT_TRUE(SetXattr(ViewPath("gone/f"), "user.pailfs.history", StrCat(kTime2, "~d2 deleted\n")));
  Version("g", kTime1, "g1", "g");
  const Printed printed = Versions({Path("gone/f"), Path("g")}, true);
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  const auto json = JsonValue::Parse(printed.out);
  ASSERT_TRUE(json.ok()) << printed.out;
  ASSERT_EQ(json->items().size(), 2U);
  EXPECT_EQ(json->items()[0]["path"].string(), Path("gone/f"));
  const auto& versions = json->items()[0]["versions"].items();
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_TRUE(versions[0]["deleted"].boolean());
  EXPECT_EQ(versions[0]["version_id"].string(), "d2");
  EXPECT_EQ(versions[1]["time"].string(), kTime1);
  EXPECT_EQ(versions[1]["size"].integer(), 3);
  EXPECT_EQ(versions[1]["etag"].string(), "ev1");
  EXPECT_EQ(versions[1]["mtime"].string(), "2001-09-09T01:46:40.000000007Z");
  EXPECT_FALSE(versions[1]["current"].boolean());
  EXPECT_FALSE(versions[1]["deleted"].boolean());
}

TEST_F(PastCommandsTest, VersionsOfSeveralFilesHaveHeadings) {
  Version("a\nb", kTime1, "v1", "one");
  Version("c", kTime1, "v2", "two");
  const Printed printed = Versions({Path("a\nb"), Path("none"), Path("c")});
  EXPECT_EQ(printed.exit_code, 1);
  EXPECT_TRUE(printed.out.starts_with(StrCat(Path("a\\x0ab"), ":\nTIME "))) << printed.out;
  EXPECT_NE(printed.out.find(StrCat("\n\n", Path("c"), ":\n")), std::string::npos) << printed.out;
  EXPECT_EQ(printed.err, StrCat("pailfs: the bucket has no version of ", Path("none"), "\n"));
}

TEST_F(PastCommandsTest, VersionsOfADirectoryAreInTheView) {
  std::filesystem::create_directories(Path("d"));
  const Printed present = Versions({Path("d")});
  EXPECT_EQ(present.exit_code, 2);
  EXPECT_NE(present.err.find(StrCat("'ls ", Path("d/.versions"), "'")), std::string::npos) << present.err;
  EXPECT_EQ(Versions({root()}).exit_code, 2);
  Version("gone/f", kTime1, "v1", "x");
  const Printed gone = Versions({Path("gone")});
  EXPECT_EQ(gone.exit_code, 2);
  EXPECT_NE(gone.err.find(StrCat("was a directory; 'ls ", Path(".versions/gone"), "'")), std::string::npos) << gone.err;
  EXPECT_EQ(Versions({Outside("f")}).exit_code, 2);
}

TEST_F(PastCommandsTest, TheHistoryOrdersWhatHappenedInOneSecond) {
  Version("f", kTime1, "a", "x");
  Version("f", kTime1, "b", "x");
  const std::string history = StrCat(kTime1, "~b\n", kTime1, "~d1 deleted\n", kTime1, "~a\n");
  ASSERT_TRUE(SetXattr(ViewPath("f"), "user.pailfs.history", history));
  const auto view = Node::Find(AT_FDCWD, ViewPath("f"));
  ASSERT_TRUE(view.ok());
  const auto versions = ListFileVersions(*view);
  ASSERT_TRUE(versions.ok());
  ASSERT_EQ(versions->size(), 3U);
  EXPECT_EQ((*versions)[0].version_id, "b");
  EXPECT_TRUE((*versions)[1].deleted);
  EXPECT_EQ((*versions)[2].version_id, "a");
}

TEST_F(PastCommandsTest, UndeleteBringsBackTheNewestVersion) {
  Version("f", kTime1, "v1", "one");
  Version("f", kTime2, "v2", "two");
  SetXattr(ViewPath("f"), "user.pailfs.history", StrCat(kTime3, "~d3 deleted\n"));
  ASSERT_EQ(chmod((ViewPath("f/") + kTime2 + "~v2").c_str(), 0640), 0);
  EXPECT_EQ(Undelete({Path("f")}, true).out, StrCat("would bring back ", Path("f"), ", 3 B, of ", kTime2, "\n"));
  EXPECT_FALSE(Exists(Path("f")));
  const Printed done = Undelete({Path("f")});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out, StrCat("brought back ", Path("f"), ", 3 B, of ", kTime2, "\n"));
  EXPECT_EQ(Read(Path("f")), "two");
  EXPECT_EQ(Stat(Path("f")).st_mode & 0777, 0640U);
  EXPECT_EQ(Stat(Path("f")).st_mtim.tv_sec, 1'000'000'000);
  const Printed again = Undelete({Path("f")});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("is not deleted"), std::string::npos) << again.err;
}

TEST_F(PastCommandsTest, UndeleteBringsBackWhatIsMissingInATree) {
  Version("gone/f", kTime1, "v1", "f");
  Version("gone/sub/-g\n", kTime2, "v2", "g");
  ASSERT_EQ(chmod(ViewPath("gone").c_str(), 0711), 0);
  const Printed done = Undelete({Path("gone")});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(Read(Path("gone/f")), "f");
  EXPECT_EQ(Read(Path("gone/sub/-g\n")), "g");
  EXPECT_EQ(Stat(Path("gone")).st_mode & 0777, 0711U) << "as it was last";
  EXPECT_EQ(Temporaries(root()), 0U);
}

TEST_F(PastCommandsTest, UndeleteNeverOverwrites) {
  Version("here", kTime1, "v1", "then");
  Version("gone", kTime1, "v2", "then");
  Write(Path("here"), "now");
  // A directory where a file was: it has a view of its own.
  Version("turned", kTime1, "v3", "then");
  Write(Path(StrCat("turned/.versions/f/", kTime1, "~v4")), "f");
  const Printed done = Undelete({root()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(Read(Path("here")), "now");
  EXPECT_EQ(Read(Path("gone")), "then");
  EXPECT_EQ(Read(Path("turned/f")), "f");
  const Printed again = Undelete({root()});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("nothing to bring back"), std::string::npos) << again.err;
}

TEST_F(PastCommandsTest, UndeleteFindsNothing) {
  EXPECT_EQ(Undelete({Path("never")}).exit_code, 1);
  std::filesystem::create_directories(ViewPath("f"));
  if (SetXattr(ViewPath("f"), "user.pailfs.history", StrCat(kTime3, "~d3 deleted\n"))) {
    EXPECT_EQ(Undelete({Path("f")}).exit_code, 1) << "deletions alone";
  }
  EXPECT_EQ(Undelete({Outside("f")}).exit_code, 2);
}

TEST_F(PastCommandsTest, SnapshotsAreMadeListedRenamedAndForgotten) {
  REQUIRE_XATTRS(root());
  const auto create = [&](const std::string& name) {
    return Run([&] { return CreateSnapshotCommand({.name = name, .new_name = "", .path = root()}, Names()); });
  };
  const auto list = [&](bool json) {
    return Run(
        [&] { return ListSnapshotsCommand({.name = "", .new_name = "", .path = root(), .json = json}, Names()); });
  };
  EXPECT_EQ(create("b").out, "snapshot b\n");
  EXPECT_EQ(create("a").exit_code, 0);
  const Printed twice = create("a");
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_EQ(twice.err, "pailfs: there is a snapshot 'a' already\n");
  EXPECT_EQ(create("a/b").exit_code, 2);
  EXPECT_EQ(create("..").exit_code, 2);
  EXPECT_EQ(list(false).out, "") << "a regular one is not listed";
  for (const auto& [name, time] : {std::pair("b", kTime1), std::pair("a", kTime2)}) {
    ASSERT_TRUE(SetXattr(Path(StrCat(".snapshot/", name)), "user.pailfs.snapshot", "named"));
    ASSERT_TRUE(SetXattr(Path(StrCat(".snapshot/", name)), "user.pailfs.time", time));
  }
  EXPECT_EQ(list(false).out, StrCat(kTime1, "        b\n", kTime2, "        a\n"));
  const auto json = JsonValue::Parse(list(true).out);
  ASSERT_TRUE(json.ok());
  ASSERT_EQ(json->items().size(), 2U);
  EXPECT_EQ(json->items()[0]["name"].string(), "b");
  EXPECT_EQ(json->items()[1]["time"].string(), kTime2);

  const auto rename = [&](const std::string& from, const std::string& to) {
    return Run([&] { return RenameSnapshotCommand({.name = from, .new_name = to, .path = root()}, Names()); });
  };
  EXPECT_EQ(rename("a", "b").err, "pailfs: there is a snapshot 'b' already\n");
  EXPECT_EQ(rename("a", "b").exit_code, 1);
  EXPECT_EQ(rename("none", "c").exit_code, 1);
  EXPECT_EQ(rename("a", "c").exit_code, 0);
  const auto forget = [&](const std::string& name) {
    return Run([&] { return DeleteSnapshotCommand({.name = name, .new_name = "", .path = root()}, Names()); });
  };
  EXPECT_EQ(forget("c").exit_code, 0);
  EXPECT_EQ(forget("c").exit_code, 1);
  EXPECT_FALSE(Exists(Path(".snapshot/c")));
}

TEST_F(PastCommandsTest, SnapshotsNeedAMountAndVersions) {
  const Printed outside =
      Run([&] { return CreateSnapshotCommand({.name = "n", .new_name = "", .path = Outside("")}, Names()); });
  EXPECT_EQ(outside.exit_code, 2);
  const Error why = WhyNoSnapshot(EOPNOTSUPP, "n", "/mnt");
  EXPECT_NE(why.message.find("pailfs store bucket versioning DIR NAME on\n"), std::string::npos);
  EXPECT_NE(why.message.find("aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration "
                             "Status=Enabled"),
            std::string::npos);
  EXPECT_EQ(why.code, Errc::kUnsupported);
}

TEST_F(PastCommandsTest, TheMountTellsTheNames) {
  REQUIRE_XATTRS(root());
  EXPECT_TRUE(ReadPastNames(root()).Is(Errc::kUnsupported));
  ASSERT_TRUE(SetXattr(root(), "user.pailfs.snapdir", ".zfs/.history"));
  const auto names = ReadPastNames(root());
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(names->snapshot, ".zfs");
  EXPECT_EQ(names->versions, ".history");
  ASSERT_TRUE(SetXattr(root(), "user.pailfs.snapdir", ""));
  const auto off = ReadPastNames(root());
  ASSERT_TRUE(off.Is(Errc::kUnsupported));
  EXPECT_NE(off.error().message.find("snapdir=off"), std::string::npos);
}

}  // namespace
}  // namespace pailfs::cli
