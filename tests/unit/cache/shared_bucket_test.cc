// A bucket that others change too, behind listings that carry no metadata: what is asked for when, and what is seen.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/unit/cache/shared_bucket_fixture.h"

namespace pailfs::cache {
namespace {

class SharedBucketTest : public SharedBucketFixture {};

TEST_P(SharedBucketTest, WhatOthersDoIsSeenAfterTheTtl) {
  Put("kept", "kept");
  Put("replaced", "old");
  Put("deleted", "deleted");
  Put("d/deleted", "deleted");
  EXPECT_EQ(cache_.ReadFile("replaced").value(), "old");
  EXPECT_NE(cache_.At("d/deleted"), 0U);
  EXPECT_NE(cache_.At("deleted"), 0U);
  const Ino kept = cache_.At("kept");
  const Ino replaced = cache_.At("replaced");
  Put("replaced", "new");
  Put("added", "new");
  Delete("deleted");
  Delete("d/deleted");
  const int64_t asked = Asked();
  EXPECT_NE(cache_.At("deleted"), 0U);
  EXPECT_EQ(cache_.At("added"), 0U);
  EXPECT_EQ(Asked(), asked) << "within the ttl";
  WaitOutTtl();
  EXPECT_EQ(cache_.ReadFile("added").value(), "new");
  EXPECT_EQ(cache_.ReadFile("replaced").value(), "new");
  EXPECT_NE(cache_.At("replaced"), replaced);
  EXPECT_EQ(cache_.At("kept"), kept);
  EXPECT_EQ(cache_.At("deleted"), 0U);
  EXPECT_EQ(cache_.At("d"), 0U) << "an implicit directory ends with its last key";
  const std::map<std::string, std::string> expected{{"added", "new"}, {"kept", "kept"}, {"replaced", "new"}};
  EXPECT_EQ(cache_.Tree(), expected);
}

TEST_P(SharedBucketTest, OpeningAReplacedFileSendsTheKernelToTheNewOne) {
  Put("f", "old");
  const Ino old = cache_.At("f");
  Put("f", "new");
  WaitOutTtl();
  EXPECT_TRUE(cache_->Open(cache_.ctx(), old, {}).Is(Errc::kStale));
  EXPECT_EQ(cache_.ReadFile("f").value(), "new");
}

TEST_P(SharedBucketTest, AnOpenFileNeverMixesTwoObjects) {
  const std::string old_bytes(3 << 20, 'o');
  Put("f", old_bytes);
  const Ino old = cache_.At("f");
  ASSERT_OK(cache_->Open(cache_.ctx(), old, {}));
  Put("f", std::string(3 << 20, 'n'));
  WaitOutTtl();
  EXPECT_EQ(List(kRootIno).size(), 1U);
  std::string content(old_bytes.size(), '?');
  const auto read = cache_->Read(cache_.ctx(), old, 0, std::as_writable_bytes(std::span(content)));
  if (GetParam().versioning == VersioningState::kEnabled) {
    ASSERT_OK(read);
    EXPECT_TRUE(content == old_bytes);
  } else {
    EXPECT_TRUE(read.Is(Errc::kStale));
  }
  cache_->Close(old, {});
  EXPECT_EQ(cache_.ReadFile("f").value(), std::string(3 << 20, 'n'));
}

TEST_P(SharedBucketTest, AListingCostsItsPagesAndAttributesAreAskedForOnce) {
  constexpr int kFiles = 2500;
  for (int i = 0; i < kFiles; ++i) Put(StrCat("d/f", i), "x", {{"mode", "33216"}, {"uid", "7"}});
  const Ino dir = cache_.At("d");
  const int64_t lists = cache_.Requests("list");
  const int64_t heads = cache_.Requests("head");
  const auto entries = List(dir);
  EXPECT_EQ(entries.size(), static_cast<size_t>(kFiles));
  EXPECT_FALSE(entries[0].attributes_known);
  EXPECT_EQ(cache_.Requests("list") - lists, 3);
  EXPECT_EQ(cache_.Requests("head"), heads);
  const auto look = [&] {
    ASSERT_OK(cache_->OpenDirectory(cache_.ctx(), dir));
    for (const DirectoryEntry& entry : entries) {
      const auto found = cache_->Lookup(cache_.ctx(), dir, entry.name);
      ASSERT_OK(found);
      ASSERT_EQ(found->mode, S_IFREG | 0700U);
      ASSERT_EQ(found->uid, 7U);
    }
    cache_->CloseDirectory(dir);
  };
  look();
  EXPECT_EQ(cache_.Requests("head") - heads, kFiles);
  const auto again = [&](std::string_view when) {
    const int64_t heads_before = cache_.Requests("head");
    const int64_t lists_before = cache_.Requests("list");
    cache_.At("d");
    look();
    EXPECT_EQ(cache_.Requests("head"), heads_before) << when;
    EXPECT_LE(cache_.Requests("list") - lists_before, 4) << when << ": three pages, and one of the root";
  };
  again("at once");
  WaitOutTtl();
  again("after the ttl");
  cache_.Reopen();
  again("after a restart");
}

TEST_P(SharedBucketTest, WithoutPosixMetadataNothingIsAskedForAttributes) {
  cache_.options().posix_metadata = false;
  cache_.ReopenEmpty();
  for (int i = 0; i < 50; ++i) Put(StrCat("f", i), "x", {{"mode", "33216"}});
  const int64_t heads = cache_.Requests("head");
  for (const DirectoryEntry& entry : List(kRootIno)) {
    EXPECT_TRUE(entry.attributes_known);
    EXPECT_NE(cache_.At(entry.name), 0U);
  }
  EXPECT_EQ(cache_.Requests("head"), heads);
  // Yet what others stored with an object is not lost when its bytes change.
  Put("tagged", "x", {{"color", "blue"}, {"mode", "33216"}}, "text/plain");
  WaitOutTtl();
  ASSERT_OK(cache_.WriteFile("tagged", "changed"));
  cache_.Flush();
  const auto info = cache_.memory().Head(cache_.ctx(), "tagged", {});
  ASSERT_OK(info);
  EXPECT_EQ(info->headers.type, "text/plain");
  ASSERT_NE(FindMetadata(info->metadata, "color"), nullptr);
  EXPECT_EQ(*FindMetadata(info->metadata, "color"), "blue");
}

TEST_P(SharedBucketTest, ADirectoryMovesByCopiesAlone) {
  constexpr int kFiles = 30;
  for (int i = 0; i < kFiles; ++i) Put(StrCat("d/f", i), StrCat("x", i), {{"color", "blue"}}, "text/plain");
  (void)cache_.At("d");
  const int64_t heads = cache_.Requests("head");
  ASSERT_OK(cache_.Rename("d", "e"));
  cache_.Flush();
  EXPECT_EQ(cache_.Requests("head"), heads);
  EXPECT_EQ(cache_.Requests("get"), 0);
  EXPECT_EQ(cache_.Requests("copy"), kFiles);
  for (int i = 0; i < kFiles; ++i) {
    const auto info = cache_.memory().Head(cache_.ctx(), StrCat("e/f", i), {});
    ASSERT_OK(info);
    EXPECT_EQ(info->headers.type, "text/plain");
    EXPECT_NE(FindMetadata(info->metadata, "color"), nullptr);
  }
  EXPECT_TRUE(cache_.memory().Head(cache_.ctx(), "d/f0", {}).Is(Errc::kNotFound));
}

TEST_P(SharedBucketTest, WhatWasMovedAndMovedBackFollowsTheBucketAgain) {
  for (const char* key : {"f", "g", "d/f"}) Put(key, "old");
  EXPECT_EQ(cache_.Tree().size(), 4U);
  ASSERT_OK(cache_.Rename("f", "h"));
  ASSERT_OK(cache_.Rename("h", "f"));
  ASSERT_OK(cache_.Rename("f", "g", RenameMode::kExchange));
  ASSERT_OK(cache_.Rename("f", "g", RenameMode::kExchange));
  ASSERT_OK(cache_.Rename("d", "e"));
  ASSERT_OK(cache_.Rename("e", "d"));
  cache_.Flush();
  EXPECT_EQ(cache_.Requests("copy"), 0);
  for (const char* key : {"f", "g", "d/f"}) Put(key, "new");
  WaitOutTtl();
  const std::map<std::string, std::string> expected{{"d/", "/"}, {"d/f", "new"}, {"f", "new"}, {"g", "new"}};
  EXPECT_EQ(cache_.Tree(), expected);
}

TEST_P(SharedBucketTest, OutOfReachWhatIsKnownIsServed) {
  Put("d/seen", "seen");
  Put("d/not read", "not read");
  EXPECT_EQ(cache_.ReadFile("d/seen").value(), "seen");
  (void)List(cache_.At("d"));
  cache_.faulty().SetDown(true);
  for (int round = 0; round < 3; ++round) {
    WaitOutTtl();
    const int64_t asked = Asked();
    EXPECT_EQ(cache_.ReadFile("d/seen").value(), "seen");
    EXPECT_LE(Asked() - asked, 1) << "a bucket that does not answer is left alone for a while";
    EXPECT_EQ(List(cache_.At("d")).size(), round == 0 ? 2U : 3U);
    EXPECT_NE(cache_->GetStatus().unreachable, "");
    EXPECT_TRUE(cache_->Lookup(cache_.ctx(), cache_.At("d"), "absent").Is(Errc::kNotFound));
    ASSERT_OK(cache_.WriteFile("d/written", StrCat("written ", round)));
    EXPECT_EQ(cache_.ReadFile("d/written").value(), StrCat("written ", round));
  }
  // Nothing is known of it: it is not absent, it cannot be asked for.
  EXPECT_TRUE(cache_.ReadFile("d/not read").Is(Errc::kUnavailable) || cache_.At("d/not read") == 0);
  cache_.faulty().SetDown(false);
  cache_.clock().Advance(60'000'000'000);
  EXPECT_EQ(cache_.ReadFile("d/not read").value(), "not read");
  EXPECT_EQ(cache_->GetStatus().unreachable, "");
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket()["d/written"], "written 2");
}

TEST_P(SharedBucketTest, OutOfReachAnUnknownNameIsNotAbsent) {
  Put("d/f", "x");
  const Ino dir = cache_.At("d");
  ASSERT_NE(dir, 0U);
  cache_.faulty().SetDown(true);
  const auto found = cache_->Lookup(cache_.ctx(), dir, "f");
  EXPECT_TRUE(found.Is(Errc::kUnavailable));
  EXPECT_TRUE(cache_->OpenDirectory(cache_.ctx(), dir).Is(Errc::kUnavailable));
}

TEST_P(SharedBucketTest, OutOfReachAfterARestartTheOldListingsServe) {
  Put("d/f", "x");
  EXPECT_EQ(cache_.ReadFile("d/f").value(), "x");
  (void)List(cache_.At("d"));
  cache_.Reopen();
  cache_.faulty().SetDown(true);
  EXPECT_EQ(cache_.ReadFile("d/f").value(), "x");
  EXPECT_EQ(List(cache_.At("d")).size(), 1U);
}

TEST_P(SharedBucketTest, InALargeDirectoryANameIsAskedForAloneOrWithItsNeighbours) {
  constexpr int kFiles = 1500;
  for (int i = 0; i < kFiles; ++i) Put(StrCat("f", 10'000 + i), "x");
  EXPECT_EQ(List(kRootIno).size(), static_cast<size_t>(kFiles));
  for (int i = 0; i < 600; ++i) ASSERT_NE(cache_.At(StrCat("f", 10'000 + i)), 0U);
  Delete("f10300");
  Put("f10400", "longer");
  WaitOutTtl();
  const int64_t lists = cache_.Requests("list");
  const int64_t heads = cache_.Requests("head");
  for (int i = 200; i < 500; ++i) {
    const Ino ino = cache_.At(StrCat("f", 10'000 + i));
    EXPECT_EQ(ino == 0, i == 300) << i;
  }
  EXPECT_EQ(cache_.ReadFile("f10400").value(), "longer");
  EXPECT_LE(cache_.Requests("list") - lists, 3);
  EXPECT_LE(cache_.Requests("head") - heads, 6);
}

TEST_P(SharedBucketTest, AnObjectBesideADirectoryIsShownWhereverThePageEnds) {
  // "a" is the last of its page, "a/b" stands on the next one, "a-…" between them.
  for (int i = 0; i < 999; ++i) Put(StrCat("A", 1000 + i), "x");
  Put("a", "object");
  for (int i = 0; i < 1500; ++i) Put(StrCat("a-", 1000 + i), "x");
  Put("a/b", "inside");
  const auto entries = List(kRootIno);
  EXPECT_EQ(entries.size(), 999U + 1 + 1500 + 1);
  EXPECT_EQ(cache_.ReadFile("a/b").value(), "inside");
  std::string beside;
  for (const DirectoryEntry& entry : entries) {
    if (entry.name.starts_with("%pailfs-")) beside = entry.name;
  }
  EXPECT_EQ(cache_.ReadFile(beside).value(), "object");
}

TEST_P(SharedBucketTest, AMarkerThatOthersChangeOrRemoveIsFollowed) {
  Put("d/", "", {{"mode", "16832"}});  // 0700
  Put("d/f", "x");
  const Ino dir = cache_.At("d");
  EXPECT_EQ(cache_->GetAttributes(dir)->mode, S_IFDIR | 0700U);
  Put("d/", "", {{"mode", "16872"}});  // 0750
  WaitOutTtl();
  (void)List(dir);
  EXPECT_EQ(cache_.At("d"), dir);
  EXPECT_EQ(cache_->GetAttributes(dir)->mode, S_IFDIR | 0750U);
  Delete("d/");
  WaitOutTtl();
  (void)List(dir);
  EXPECT_EQ(cache_.ReadFile("d/f").value(), "x");
  ASSERT_OK(cache_.Unlink("d/f"));
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (std::map<std::string, std::string>{{"d/", "/"}})) << "its marker came back with its end";
}

TEST_P(SharedBucketTest, ASymbolicLinkIsKnownByItsMetadata) {
  Put("link", "target", {{"mode", "41471"}});
  const auto entries = List(kRootIno);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_FALSE(entries[0].attributes_known);
  const auto found = cache_->Lookup(cache_.ctx(), kRootIno, "link");
  ASSERT_OK(found);
  EXPECT_TRUE(S_ISLNK(found->mode));
  EXPECT_EQ(cache_->ReadLink(cache_.ctx(), found->ino).value(), "target");
}

TEST_P(SharedBucketTest, NamesThatAreNotUtf8CanBeRefused) {
  cache_.options().utf8_names = true;
  cache_.Reopen();
  for (const char* wrong : {"a\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82"}) {
    EXPECT_TRUE(cache_.WriteFile(wrong, "x").Is(Errc::kInvalidArgument));
    EXPECT_TRUE(cache_.MakeDirectory(wrong).Is(Errc::kInvalidArgument));
  }
  ASSERT_OK(cache_.WriteFile("\xe2\x82\xac \xf0\x9f\x98\x80", "x"));
  EXPECT_TRUE(cache_.Rename("\xe2\x82\xac \xf0\x9f\x98\x80", "b\xff").Is(Errc::kInvalidArgument));
}

TEST_P(SharedBucketTest, NewFilesInANewDirectoryCostOnePutEach) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  const int64_t lists = cache_.Requests("list");
  const int64_t heads = cache_.Requests("head");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(cache_.At(StrCat("d/f", i)), 0U);
    ASSERT_OK(cache_.WriteFile(StrCat("d/f", i), "x"));
  }
  cache_.Flush();
  EXPECT_EQ(cache_.Requests("put"), 21);
  EXPECT_EQ(cache_.Requests("list"), lists);
  EXPECT_EQ(cache_.Requests("head"), heads);
}

INSTANTIATE_TEST_SUITE_P(Buckets, SharedBucketTest, SharedBuckets(), testing::PrintToStringParamName());

}  // namespace
}  // namespace pailfs::cache
