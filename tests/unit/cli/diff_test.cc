#include "base/json.h"
#include "cli/diff_command.h"
#include "tests/unit/cli/past_tree.h"

namespace pailfs::cli {
namespace {

class DiffTest : public PastTree {
 protected:
  Printed Diff(const std::string& path, const std::string& to = "", bool json = false) {
    return Run([&] { return DiffCommand({path, "T", to, json}, Names()); });
  }
  void Both(const std::string& rest, const std::string& content) {
    Write(Then(rest), content);
    Write(Path(rest), content);
  }
};

TEST_F(DiffTest, HasALetterForEachChange) {
  Both("d/same", "x");
  Both("d/mode", "x");
  ASSERT_EQ(chmod(Path("d/mode").c_str(), 0600), 0);
  ASSERT_EQ(chmod(Then("d/mode").c_str(), 0644), 0);
  Both("d/sub/size", "x");
  Write(Path("d/sub/size"), "xyz");
  Both("d/sub/mtime", "x");
  SetTime(Path("d/sub/mtime"), 1'100'000'000);
  Write(Then("d/type"), "x");
  Write(Path("d/type/inside"), "x");
  Write(Then("d/gone/one"), "x");
  Write(Path("d/new\nline/one"), "x");
  ASSERT_EQ(symlink("a", Then("d/link").c_str()), 0);
  ASSERT_EQ(symlink("b", Path("d/link").c_str()), 0);
  const Printed diff = Diff(Path("d"));
  EXPECT_EQ(diff.exit_code, 1);
  EXPECT_EQ(diff.out,
            "D gone\nD gone/one\nM link\nm mode\nA new\\x0aline\nA new\\x0aline/one\nM sub/mtime\nM sub/size\n"
            "T type\nA type/inside\n");
  EXPECT_EQ(diff.err, "");
}

TEST_F(DiffTest, NothingIsDifferent) {
  Both("d/sub/f", "x");
  SetTime(Path("d/sub"), 1'200'000'000);
  const Printed diff = Diff(Path("d"));
  EXPECT_EQ(diff.exit_code, 0) << "times of directories do not count";
  EXPECT_EQ(diff.out, "");
  EXPECT_EQ(Diff(Path("d"), "", true).out, "[]\n");
}

TEST_F(DiffTest, IsSortedByTheBytesOfThePaths) {
  for (const char* name : {"a/x", "a.txt", "a-b/y", "a0", "ab"}) Write(Path(StrCat("d/", name)), "x");
  std::filesystem::create_directories(Then("d"));
  EXPECT_EQ(Diff(Path("d")).out, "A a\nA a-b\nA a-b/y\nA a.txt\nA a/x\nA a0\nA ab\n");
}

TEST_F(DiffTest, EtagsDecideAboutContent) {
  Both("d/f", "x");
  REQUIRE_XATTRS(Then("d/f"));
  ASSERT_TRUE(SetXattr(Path("d/f"), "user.probe", "1"));
  SetTime(Path("d/f"), 1'100'000'000);
  ASSERT_TRUE(SetXattr(Then("d/f"), "user.pailfs.etag", "e1"));
  EXPECT_EQ(Diff(Path("d")).out, "M f\n");
  ASSERT_TRUE(SetXattr(Path("d/f"), "user.pailfs.etag", "e1"));
  EXPECT_EQ(Diff(Path("d")).out, "m f\n");
  ASSERT_TRUE(SetXattr(Path("d/f"), "user.pailfs.etag", "e2"));
  EXPECT_EQ(Diff(Path("d")).out, "M f\n");
}

TEST_F(DiffTest, OneInodeIsNotLookedAtFurther) {
  Write(Then("f"), "x");
  std::filesystem::create_directories(Path(".snapshot/U"));
  std::filesystem::create_hard_link(Then("f"), Path(".snapshot/U/f"));
  EXPECT_EQ(Diff(Path("f"), "U").exit_code, 0);
}

TEST_F(DiffTest, BetweenTwoTimes) {
  Write(Then("d/f"), "x");
  Write(Path(".snapshot/U/d/f"), "longer");
  Write(Path(".snapshot/U/d/g"), "x");
  const Printed diff = Diff(Path("d"), "U", true);
  EXPECT_EQ(diff.exit_code, 1);
  const auto json = JsonValue::Parse(diff.out);
  ASSERT_TRUE(json.ok()) << diff.out;
  ASSERT_EQ(json->items().size(), 2U);
  EXPECT_EQ(json->items()[0]["change"].string(), "changed");
  EXPECT_EQ(json->items()[0]["path"].string(), "f");
  EXPECT_EQ(json->items()[1]["change"].string(), "added");
}

TEST_F(DiffTest, OfWhatWasThereAtOneTimeOnly) {
  Write(Then("gone/f"), "x");
  EXPECT_EQ(Diff(Path("gone")).out, "D .\nD f\n");
  Write(Path("new/f"), "x");
  EXPECT_EQ(Diff(Path("new")).out, "A .\nA f\n");
  Write(Then("file"), "x");
  Write(Path("file"), "xx");
  EXPECT_EQ(Diff(Path("file")).out, "M .\n");
  Write(Path("d"), "x");
  EXPECT_EQ(Diff(root()).out, "A d\nM file\nD gone\nD gone/f\nA new\nA new/f\n") << "without the views of the past";
}

TEST_F(DiffTest, TroubleIsTwo) {
  const Printed neither = Diff(Path("never"));
  EXPECT_EQ(neither.exit_code, 2);
  EXPECT_NE(neither.err.find("was not there at T, and is not there now"), std::string::npos) << neither.err;
  Write(Path("f"), "x");
  const Printed time = Run([&] { return DiffCommand({Path("f"), "yestreday", "", false}, Names()); });
  EXPECT_EQ(time.exit_code, 2);
  EXPECT_NE(time.err.find("knows no time and no snapshot 'yestreday'"), std::string::npos) << time.err;
  EXPECT_EQ(Diff(Path("f"), "a/b").exit_code, 2);
  EXPECT_EQ(Diff(Outside("f")).exit_code, 2);
}

}  // namespace
}  // namespace pailfs::cli
