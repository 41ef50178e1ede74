// The view of the past over both kinds of buckets: one that reads "as of" a time, and one that lists versions.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "cache/moment.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

using Tree = std::map<std::string, std::string>;
using Names = std::vector<std::string>;

constexpr int64_t kSecondNs = 1'000'000'000;

class PastTest : public testing::TestWithParam<TestBucket> {
 protected:
  // Flushes, and returns the name of the moment; the next change comes later.
  std::string Now() {
    cache_.Flush();
    const std::string name = FormatMoment(cache_.clock().WallNs() / 1000);
    cache_.clock().Advance(10 * kSecondNs);
    return name;
  }
  Errc ErrorOf(const std::string& path) {
    const auto [dir, name] = SplitPath(path);
    const auto found = cache_->Lookup(cache_.ctx(), cache_.At(dir), name);
    return found.ok() ? Errc::kInternal : found.error().code;
  }
  Result<std::string> Xattr(const std::string& path, std::string_view name) {
    return cache_->GetXattr(cache_.At(path), name);
  }
  int64_t Listings() { return cache_.Requests("list") + cache_.Requests("list_versions"); }

  CacheHarness cache_{GetParam()};
};

TEST_P(PastTest, ADirectoryIsShownAsItWas) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "one"));
  const std::string first = Now();
  ASSERT_OK(cache_.WriteFile("d/f", "second"));
  ASSERT_OK(cache_.WriteFile("d/g", "new"));
  const std::string second = Now();
  ASSERT_OK(cache_.Unlink("d/f"));
  ASSERT_OK(cache_.Rename("d/g", "d/h"));
  const std::string third = Now();
  EXPECT_EQ(cache_.Names(".snapshot/" + first), (Names{"d"}));
  EXPECT_EQ(cache_.Names(".snapshot/" + first + "/d"), (Names{"f"}));
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + first + "/d/f").value(), "one");
  EXPECT_EQ(cache_.Names(".snapshot/" + second + "/d"), (Names{"f", "g"}));
  EXPECT_EQ(cache_.ReadFile("d/.snapshot/" + second + "/f").value(), "second");
  EXPECT_EQ(cache_.Names("d/.snapshot/" + third), (Names{"h"}));
  EXPECT_EQ(cache_.ReadFile("d/.snapshot/" + third + "/h").value(), "new");
  EXPECT_EQ(ErrorOf("d/.snapshot/" + third + "/f"), Errc::kNotFound);
  EXPECT_EQ(cache_.Names("d"), (Names{"h"}));
}

TEST_P(PastTest, WhatIsDirtyIsNotPastYet) {
  ASSERT_OK(cache_.WriteFile("f", "in the bucket"));
  Now();
  ASSERT_OK(cache_.WriteFile("f", "not yet"));
  ASSERT_OK(cache_.WriteFile("g", "not yet"));
  EXPECT_EQ(cache_.Names(".snapshot/now"), (Names{"f"}));
  EXPECT_EQ(cache_.ReadFile(".snapshot/now/f").value(), "in the bucket");
}

TEST_P(PastTest, DirectoriesThatWereNotThereAreNotThere) {
  ASSERT_OK(cache_.WriteFile("f", "1"));
  const std::string before = Now();
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "1"));
  const std::string there = Now();
  ASSERT_OK(cache_.Unlink("d/f"));
  ASSERT_OK(cache_.RemoveDirectory("d"));
  const std::string gone = Now();
  ASSERT_OK(cache_.WriteFile("d", "a file now"));
  const std::string file = Now();
  EXPECT_EQ(ErrorOf(".snapshot/" + before + "/d"), Errc::kNotFound);
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + there + "/d/f").value(), "1");
  EXPECT_EQ(ErrorOf(".snapshot/" + gone + "/d"), Errc::kNotFound);
  EXPECT_EQ(cache_.Names(".snapshot/" + gone), (Names{"f"}));
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + file + "/d").value(), "a file now");
  // A directory that is there now says of moments before it that it was not.
  ASSERT_OK(cache_.Unlink("d"));
  ASSERT_OK(cache_.MakeDirectory("d"));
  Now();
  EXPECT_EQ(ErrorOf("d/.snapshot/" + before), Errc::kNotFound);
  EXPECT_EQ(cache_.Names("d/.snapshot/" + there), (Names{"f"}));
}

TEST_P(PastTest, MetadataAreThoseOfTheTime) {
  ASSERT_OK(cache_.WriteFile("f", "1"));
  NewInode link;
  link.mode = S_IFLNK | 0777;
  link.symlink_target = "f";
  ASSERT_OK(cache_->Make(cache_.ctx(), kRootIno, "l", link, {0, 0, 022}));
  AttributeChange change;
  change.mode = 0600;
  change.uid = 5;
  change.mtime_ns = 123'456'789'000'000'001;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), cache_.At("f"), change));
  ASSERT_OK(cache_->SetXattr(cache_.At("f"), "user.colour", "blue", XattrMode::kCreateOrReplace));
  change.mode = 0710;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), kRootIno, change));
  const std::string first = Now();
  const Tree kept = cache_.Describe("");
  change.mode = 0644;
  change.mtime_ns = 1;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), cache_.At("f"), change));
  ASSERT_OK(cache_->RemoveXattr(cache_.At("f"), "user.colour"));
  ASSERT_OK(cache_.Unlink("l"));
  Now();
  EXPECT_EQ(cache_.Describe(".snapshot/" + first), kept);
}

// Nothing but its time changes when an empty file is truncated.
TEST_P(PastTest, ATruncatedEmptyFileHasANewTimeInTheBucketToo) {
  ASSERT_OK(cache_.WriteFile("f", ""));
  Now();
  ASSERT_OK(cache_.WriteFile("f", ""));
  const std::string second = Now();
  const int64_t mtime_ns = cache_->GetAttributes(cache_.At("f"))->mtime_ns;
  EXPECT_EQ(cache_->GetAttributes(cache_.At(".snapshot/" + second + "/f"))->mtime_ns, mtime_ns);
  cache_.ReopenEmpty();
  EXPECT_EQ(cache_->GetAttributes(cache_.At("f"))->mtime_ns, mtime_ns);
}

// A close that is late (the kernel's come when they come) does not keep an object in the bucket.
TEST_P(PastTest, AnUnlinkedFileLeavesTheBucketWhileItIsOpen) {
  ASSERT_OK(cache_.WriteFile("f", "still read"));
  Now();
  cache_.ReopenEmpty();
  const Ino ino = cache_.At("f");
  ASSERT_OK(cache_->Open(cache_.ctx(), ino, {}));
  ASSERT_OK(cache_.Unlink("f"));
  const std::string moment = Now();
  EXPECT_EQ(cache_.Bucket(), Tree{});
  EXPECT_EQ(cache_.Names(".snapshot/" + moment), Names{});
  std::string content(10, '?');
  ASSERT_OK(cache_->Read(cache_.ctx(), ino, 0, std::as_writable_bytes(std::span(content))));
  EXPECT_EQ(content, "still read");
  ASSERT_OK(cache_.WriteFile("f", "another"));
  cache_->Close(ino, {});
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"f", "another"}}));
}

TEST_P(PastTest, NothingCanBeChanged) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "1"));
  const std::string past = ".snapshot/" + Now() + "/d";
  const Ino dir = cache_.At(past);
  const Ino file = cache_.At(past + "/f");
  ASSERT_NE(file, 0U);
  EXPECT_TRUE(cache_.WriteFile(past + "/f", "2").Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.WriteFile(past + "/new", "2").Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_->Open(cache_.ctx(), file, {true, false}).Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.MakeDirectory(past + "/new").Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.Unlink(past + "/f").Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.RemoveDirectory(past).Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.Rename(past + "/f", past + "/g").Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.Rename(past + "/f", "g").Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_.Rename("d/f", past + "/f").Is(Errc::kReadOnly));
  AttributeChange change;
  change.mode = 0600;
  EXPECT_TRUE(cache_->SetAttributes(cache_.ctx(), file, change).Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_->SetAttributes(cache_.ctx(), dir, change).Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_->SetXattr(file, "user.a", "b", XattrMode::kCreateOrReplace).Is(Errc::kReadOnly));
  EXPECT_TRUE(cache_->RemoveXattr(file, "user.a").Is(Errc::kReadOnly));
  // The entrances are no names of the present.
  EXPECT_FALSE(cache_.MakeDirectory(".snapshot").ok());
  EXPECT_FALSE(cache_.WriteFile(".versions", "1").ok());
  EXPECT_TRUE(cache_.RemoveDirectory(".snapshot").Is(Errc::kNotPermitted));
  EXPECT_TRUE(cache_.Rename("d", ".snapshot").Is(Errc::kNotPermitted));
  EXPECT_TRUE(cache_.Rename(".snapshot", "x").Is(Errc::kNotPermitted));
  EXPECT_EQ(cache_.ReadFile("d/f").value(), "1");
}

TEST_P(PastTest, EveryVersionOfAFile) {
  ASSERT_OK(cache_.WriteFile("f", "one"));
  Now();
  ASSERT_OK(cache_.WriteFile("f", "second"));
  Now();
  ASSERT_OK(cache_.Unlink("f"));
  Now();
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/g", "x"));
  Now();
  EXPECT_EQ(cache_.Names(""), (Names{"d"}));
  EXPECT_EQ(cache_.Names(".versions"), (Names{"d", "f"}));
  const Names versions = cache_.Names(".versions/f");
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_EQ(cache_.ReadFile(".versions/f/" + versions[0]).value(), "one");
  EXPECT_EQ(cache_.ReadFile(".versions/f/" + versions[1]).value(), "second");
  const auto id = Xattr(".versions/f/" + versions[0], "user.pailfs.version_id");
  ASSERT_OK(id);
  EXPECT_TRUE(versions[0].ends_with("Z~" + *id)) << versions[0];
  const auto history = Xattr(".versions/f", "user.pailfs.history");
  ASSERT_OK(history);
  EXPECT_TRUE(history->ends_with(StrCat(" deleted\n", versions[1], "\n", versions[0], "\n"))) << *history;
  EXPECT_EQ(cache_->ListXattrs(cache_.At(".versions/f")).value(), Names{});
  EXPECT_EQ(cache_.Names("d/.versions"), (Names{"g"}));
  EXPECT_EQ(cache_.Names(".versions/d"), (Names{"g"}));
  EXPECT_EQ(cache_.Names(".versions/d/g").size(), 1U);
  EXPECT_EQ(ErrorOf(".versions/nothing"), Errc::kNotFound);
  // A new one is there at once.
  ASSERT_OK(cache_.WriteFile("f", "third"));
  Now();
  EXPECT_EQ(cache_.Names(".versions/f").size(), 3U);
}

TEST_P(PastTest, WhatIsPrivateStaysPrivate) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "secret"));
  AttributeChange change;
  change.mode = 0700;
  change.uid = 7;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), cache_.At("d"), change));
  const std::string moment = Now();
  const auto mode = [&](const std::string& path) { return cache_->GetAttributes(cache_.At(path))->mode & 07777; };
  EXPECT_EQ(mode(".versions/d"), 0700U);
  EXPECT_EQ(cache_->GetAttributes(cache_.At(".versions/d"))->uid, 7U);
  EXPECT_EQ(mode("d/.versions"), 0500U);
  EXPECT_EQ(mode(".snapshot/" + moment + "/d"), 0700U);
  EXPECT_EQ(mode("d/.snapshot"), 0500U) << "names of moments are the whole bucket's";
  EXPECT_EQ(mode(".snapshot"), 0755U);
  ASSERT_OK(cache_.Unlink("d/f"));
  ASSERT_OK(cache_.RemoveDirectory("d"));
  Now();
  cache_.ReopenEmpty();
  EXPECT_EQ(mode(".versions/d"), 0700U);
}

// The mode of a directory is not remembered from when its versions were looked at first.
TEST_P(PastTest, WhatIsMadePrivateIsPrivate) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "secret"));
  Now();
  const auto mode = [&] { return cache_->GetAttributes(cache_.At(".versions/d"))->mode & 07777; };
  EXPECT_EQ(mode(), 0755U);
  AttributeChange change;
  change.mode = 0700;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), cache_.At("d"), change));
  Now();
  cache_.Names(".versions");
  EXPECT_EQ(mode(), 0700U);
}

TEST_P(PastTest, AFileAndADirectoryOfOneNameBothHaveVersions) {
  ASSERT_OK(cache_.WriteFile("z", "file"));
  Now();
  ASSERT_OK(cache_.Unlink("z"));
  ASSERT_OK(cache_.MakeDirectory("z"));
  ASSERT_OK(cache_.WriteFile("z/f", "below"));
  Now();
  ASSERT_OK(cache_.Unlink("z/f"));
  ASSERT_OK(cache_.RemoveDirectory("z"));
  Now();
  EXPECT_EQ(cache_.Names(".versions"), (Names{"%pailfs-file-z", "z"}));
  EXPECT_EQ(cache_.Names(".versions/z"), (Names{"f"}));
  EXPECT_EQ(cache_.Names(".versions/%pailfs-file-z").size(), 1U);
  ASSERT_OK(cache_.WriteFile("z", "file again"));
  Now();
  const Names names = cache_.Names(".versions");
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(cache_.Names(".versions/z").size(), 2U) << "that of the file that is there";
  EXPECT_EQ(cache_.Names(".versions/" + names[0]), (Names{"f"}));
}

TEST_P(PastTest, AVersionIsOneInode) {
  ASSERT_OK(cache_.WriteFile("f", "one"));
  const std::string first = Now();
  ASSERT_OK(cache_.WriteFile("other", "x"));
  const std::string second = Now();
  ASSERT_OK(cache_.WriteFile("f", "two"));
  Now();
  const Ino ino = cache_.At(".snapshot/" + first + "/f");
  EXPECT_EQ(cache_.At(".snapshot/" + second + "/f"), ino);
  EXPECT_EQ(cache_.At(".versions/f/" + cache_.Names(".versions/f")[0]), ino);
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + first + "/f").value(), "one");
  const int64_t gets = cache_.Requests("get");
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + second + "/f").value(), "one");
  EXPECT_EQ(cache_.Requests("get"), gets);
}

TEST_P(PastTest, MomentsAreListedBackToTheFirstVersion) {
  EXPECT_EQ(cache_.Names(".snapshot"), Names{});
  ASSERT_OK(cache_.WriteFile("f", "1"));
  cache_.Flush();
  cache_.clock().Advance(3 * 86'400 * kSecondNs);
  const Names names = cache_.Names(".snapshot");
  // 24 hours, and the midnights of the two days before.
  EXPECT_GE(names.size(), 26U);
  EXPECT_LE(names.size(), 28U);
  for (const std::string& name : names) {
    EXPECT_TRUE(name.ends_with(":00:00Z")) << name;
    EXPECT_EQ(cache_.Names(".snapshot/" + name), (Names{"f"})) << name;
  }
}

TEST_P(PastTest, MomentsThatAreNone) {
  ASSERT_OK(cache_.WriteFile("f", "1"));
  Now();
  for (const char* name : {"2026-02-30", "tomorrow", "-2q", "nothing", "2199-01-01"}) {
    EXPECT_EQ(ErrorOf(StrCat(".snapshot/", name)), Errc::kNotFound) << name;
  }
  EXPECT_EQ(ErrorOf(".snapshot/1999-12-31"), Errc::kNotFound) << "there was nothing yet";
  EXPECT_EQ(cache_.Names(".snapshot/-1s"), (Names{"f"}));
}

TEST_P(PastTest, ASnapshotNamesThisMomentWithWhatWasDirty) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "1"));
  ASSERT_OK(cache_.MakeDirectory(".snapshot/before upgrade"));
  EXPECT_EQ(cache_->GetStatus().dirty_inodes, 0U);
  cache_.clock().Advance(kSecondNs);
  ASSERT_OK(cache_.WriteFile("d/f", "2"));
  Now();
  EXPECT_EQ(cache_.ReadFile(".snapshot/before upgrade/d/f").value(), "1");
  EXPECT_EQ(cache_.ReadFile("d/.snapshot/before upgrade/f").value(), "1");
  EXPECT_EQ(cache_.Names(".snapshot"), (Names{"before upgrade"}));
  EXPECT_EQ(Xattr(".snapshot/before upgrade", "user.pailfs.snapshot").value(), "named");
  EXPECT_TRUE(cache_.MakeDirectory(".snapshot/before upgrade").Is(Errc::kAlreadyExists));
  EXPECT_TRUE(cache_.MakeDirectory(".snapshot/2026-11-22").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(cache_.WriteFile(".snapshot/file", "1").Is(Errc::kReadOnly));
  // It is in the bucket: other mounts see it, and so does this one after a new start.
  cache_.ReopenEmpty();
  EXPECT_EQ(cache_.ReadFile(".snapshot/before upgrade/d/f").value(), "1");
  ASSERT_OK(cache_.Rename(".snapshot/before upgrade", ".snapshot/older"));
  EXPECT_EQ(ErrorOf(".snapshot/before upgrade"), Errc::kNotFound);
  EXPECT_EQ(cache_.ReadFile(".snapshot/older/d/f").value(), "1");
  EXPECT_EQ(cache_.Names(".snapshot"), (Names{"older"}));
  ASSERT_OK(cache_.RemoveDirectory(".snapshot/older"));
  EXPECT_EQ(ErrorOf(".snapshot/older"), Errc::kNotFound);
  EXPECT_TRUE(cache_.RemoveDirectory(".snapshot/older").Is(Errc::kNotFound));
  EXPECT_TRUE(cache_.RemoveDirectory(".snapshot/2020-01-01").Is(Errc::kReadOnly));
}

TEST_P(PastTest, CopyingOutMovesNoBytes) {
  const std::string content(300'000, 'a');
  ASSERT_OK(cache_.WriteFile("f", content));
  const std::string first = Now();
  ASSERT_OK(cache_.WriteFile("f", "changed"));
  Now();
  cache_.ReopenEmpty();
  const int64_t gets = cache_.Requests("get");
  const int64_t puts = cache_.Requests("put");
  // As cp does over an existing file: truncated, then copied to.
  const Ino source = cache_.At(".snapshot/" + first + "/f");
  for (const char* name : {"f", "copy"}) {
    NewInode inode;
    inode.mode = S_IFREG | 0644;
    const OpenFlags flags{true, true};
    const auto target = cache_->Create(cache_.ctx(), kRootIno, name, inode, {0, 0, 022}, flags, false);
    ASSERT_OK(target);
    ASSERT_OK(cache_->Open(cache_.ctx(), source, {}));
    const auto copied = cache_->CopyRange(cache_.ctx(), source, 0, target->ino, 0, 1ULL << 40);
    ASSERT_OK(copied);
    EXPECT_EQ(*copied, content.size());
    cache_->Close(source, {});
    cache_->Close(target->ino, flags);
  }
  cache_.Flush();
  EXPECT_EQ(cache_.Requests("get"), gets);
  EXPECT_LE(cache_.Requests("put") - puts, 1);  // the root's marker
  EXPECT_EQ(cache_.Requests("copy"), 2);
  EXPECT_EQ(cache_.Bucket(), (Tree{{"f", content}, {"copy", content}}));
  EXPECT_EQ(cache_.ReadFile("f").value(), content);
}

TEST_P(PastTest, OddKeysHaveTheSameNames) {
  for (const char* key : {"a", "a/b", "x//y", "./z", ".snapshot", ".versions/v", "long/"}) {
    StringBody body(key);
    ASSERT_OK(cache_.memory().Put(cache_.ctx(), key, body, {}));
  }
  StringBody body("long");
  ASSERT_OK(cache_.memory().Put(cache_.ctx(), std::string(300, 'n'), body, {}));
  cache_.ReopenEmpty();
  const std::string moment = Now();
  const Tree present = cache_.Tree();
  EXPECT_EQ(present.at("a/b"), "a/b");
  EXPECT_EQ(present.at("%pailfs-file-a"), "a");
  // Those that the entrances hide have other names in the present, and their own in the past.
  const Tree past = [&] {
    Tree all;
    for (const auto& [path, text] : cache_.Describe(".snapshot/" + moment)) all[path] = text;
    return all;
  }();
  EXPECT_EQ(past.size(), present.size() + 1);
  EXPECT_TRUE(past.contains("%pailfs-file-a"));
  EXPECT_TRUE(past.contains("x/%pailfs-empty/y") || past.contains("x/%pailfs-empty"));
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + moment + "/.snapshot").value(), ".snapshot");
  EXPECT_EQ(cache_.ReadFile(".snapshot/" + moment + "/.versions/v").value(), ".versions/v");
  int shown = 0;
  for (const auto& [path, content] : present) {
    if (content == ".snapshot" || content == ".versions/v") ++shown;
  }
  EXPECT_EQ(shown, 2);
}

TEST_P(PastTest, OneListingMakesATreeKnownForEver) {
  for (int d = 0; d < 5; ++d) {
    ASSERT_OK(cache_.MakeDirectory(StrCat("d", d)));
    for (int f = 0; f < 20; ++f) ASSERT_OK(cache_.WriteFile(StrCat("d", d, "/f", f), "x"));
  }
  const std::string moment = Now();
  ASSERT_OK(cache_.Unlink("d0/f0"));
  Now();
  cache_.clock().Advance(8 * 86'400 * kSecondNs);
  const int64_t before = Listings();
  const Ino root = cache_.At(".snapshot/" + moment);
  const auto walk = [&] {
    for (const std::string& name : cache_.Names(".snapshot/" + moment)) {
      EXPECT_EQ(cache_.Names(StrCat(".snapshot/", moment, "/", name)).size(), 20U);
    }
  };
  walk();
  const int64_t first = Listings() - before;
  // Versions, and the root's attributes; or whether anything was there, and each directory as of then.
  EXPECT_EQ(first, GetParam().shared ? 2 : 1 + 6);
  walk();
  EXPECT_EQ(Listings() - before, first);
  cache_.clock().Advance(86'400 * kSecondNs);
  cache_.Reopen();
  EXPECT_EQ(cache_.At(".snapshot/" + moment), root);
  const int64_t reopened = Listings();
  walk();
  EXPECT_EQ(Listings(), reopened);
}

TEST_P(PastTest, TheEntrancesCanBeShownRenamedOrOff) {
  ASSERT_OK(cache_.WriteFile("f", "1"));
  const std::string moment = Now();
  cache_.options().snapshot_view = SnapshotView::kVisible;
  cache_.options().snapshot_name = ".zfs";
  cache_.Reopen();
  EXPECT_EQ(cache_.Names(""), (Names{".versions", ".zfs", "f"}));
  EXPECT_EQ(cache_.ReadFile(".zfs/" + moment + "/f").value(), "1");
  EXPECT_EQ(ErrorOf(".snapshot"), Errc::kNotFound);
  EXPECT_EQ(Xattr("", "user.pailfs.snapdir").value(), ".zfs/.versions");
  cache_.options().snapshot_view = SnapshotView::kOff;
  cache_.Reopen();
  EXPECT_EQ(cache_.Names(""), (Names{"f"}));
  EXPECT_EQ(ErrorOf(".zfs"), Errc::kNotFound);
  EXPECT_EQ(Xattr("", "user.pailfs.snapdir").value(), "");
  ASSERT_OK(cache_.MakeDirectory(".snapshot"));
}

INSTANTIATE_TEST_SUITE_P(Buckets, PastTest,
                         testing::Values(TestBucket{VersioningState::kEnabled, false},
                                         TestBucket{VersioningState::kEnabled, true}),
                         testing::PrintToStringParamName());

TEST(PastWithoutVersionsTest, ThereIsNoPast) {
  CacheHarness cache({VersioningState::kOff, false});
  ASSERT_OK(cache.WriteFile("f", "1"));
  cache.Flush();
  EXPECT_EQ(cache.Names(".snapshot"), Names{});
  EXPECT_EQ(cache.Names(".versions"), Names{});
  EXPECT_EQ(cache.At(".snapshot/now"), 0U);
  EXPECT_EQ(cache.At(".versions/f"), 0U);
  EXPECT_TRUE(cache.MakeDirectory(".snapshot/name").Is(Errc::kUnsupported));
}

}  // namespace
}  // namespace pailfs::cache
