#include <gtest/gtest.h>

#include <string>

#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

using Tree = std::map<std::string, std::string>;

class EngineTest : public testing::TestWithParam<TestBucket> {
 protected:
  CacheHarness cache_{GetParam()};
};

TEST_P(EngineTest, AFileIsVisibleAtOnceAndInTheBucketAfterWriteBack) {
  ASSERT_OK(cache_.MakeDirectory("a"));
  ASSERT_OK(cache_.WriteFile("a/b.txt", "hello"));
  EXPECT_EQ(cache_.Tree(), (Tree{{"a/", "/"}, {"a/b.txt", "hello"}}));
  EXPECT_TRUE(cache_.Bucket().empty());
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"a/", "/"}, {"a/b.txt", "hello"}}));
  cache_.ReopenEmpty();
  EXPECT_EQ(cache_.Tree(), (Tree{{"a/", "/"}, {"a/b.txt", "hello"}}));
}

TEST_P(EngineTest, NothingIsUploadedBeforeTheDelay) {
  ASSERT_OK(cache_.WriteFile("f", "1"));
  ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), false));
  EXPECT_EQ(cache_.Requests("put"), 0);
  cache_.clock().Advance(2'100'000'000);
  ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), false));
  EXPECT_EQ(cache_.Bucket().at("f"), "1");
}

TEST_P(EngineTest, CreatedAndDeletedQuicklyCostsNoRequest) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  cache_.Flush();
  const int64_t puts = cache_.Requests("put");
  ASSERT_OK(cache_.WriteFile("d/f", "1"));
  ASSERT_OK(cache_.Unlink("d/f"));
  cache_.Flush();
  EXPECT_EQ(cache_.Requests("delete_batch") + cache_.Requests("delete"), 0);
  EXPECT_LE(cache_.Requests("put") - puts, 2);  // the markers of d and the root, whose times changed
}

TEST_P(EngineTest, TemporaryFileAndRenameIsOnePut) {
  ASSERT_OK(cache_.WriteFile("f", "old"));
  cache_.Flush();
  const int64_t puts = cache_.Requests("put");
  ASSERT_OK(cache_.WriteFile(".f.tmp", "new"));
  ASSERT_OK(cache_.Rename(".f.tmp", "f"));
  EXPECT_EQ(cache_.ReadFile("f").value(), "new");
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"f", "new"}}));
  EXPECT_LE(cache_.Requests("put") - puts, 2);  // the file, and the root's marker
  EXPECT_EQ(cache_.Requests("copy"), 0);
}

TEST_P(EngineTest, RenamedFilesAreCopiedByTheServer) {
  ASSERT_OK(cache_.WriteFile("f", "content"));
  cache_.Flush();
  const int64_t sent = cache_.Requests("bytes_in");
  ASSERT_OK(cache_.Rename("f", "g"));
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"g", "content"}}));
  EXPECT_EQ(cache_.Requests("bytes_in"), sent);
}

TEST_P(EngineTest, ADirectoryMovesWithEverythingBelow) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.MakeDirectory("d/sub"));
  for (int i = 0; i < 20; ++i) ASSERT_OK(cache_.WriteFile(StrCat("d/sub/f", i), StrCat(i)));
  cache_.Flush();
  ASSERT_OK(cache_.Rename("d", "e"));
  Tree expected{{"e/", "/"}, {"e/sub/", "/"}};
  for (int i = 0; i < 20; ++i) expected[StrCat("e/sub/f", i)] = StrCat(i);
  EXPECT_EQ(cache_.Tree(), expected);
  // A new tree under the old name must wait for the old objects to leave.
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.MakeDirectory("d/sub"));
  ASSERT_OK(cache_.WriteFile("d/sub/f1", "new"));
  expected["d/"] = expected["d/sub/"] = "/";
  expected["d/sub/f1"] = "new";
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), expected);
  cache_.ReopenEmpty();
  EXPECT_EQ(cache_.Tree(), expected);
}

TEST_P(EngineTest, ExchangedFilesChangePlaces) {
  ASSERT_OK(cache_.WriteFile("a", "A"));
  ASSERT_OK(cache_.WriteFile("b", "B"));
  cache_.Flush();
  ASSERT_OK(cache_.Rename("a", "b", RenameMode::kExchange));
  EXPECT_EQ(cache_.Tree(), (Tree{{"a", "B"}, {"b", "A"}}));
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"a", "B"}, {"b", "A"}}));
}

TEST_P(EngineTest, RenameErrors) {
  ASSERT_OK(cache_.WriteFile("a", "A"));
  ASSERT_OK(cache_.WriteFile("b", "B"));
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/x", "x"));
  ASSERT_OK(cache_.MakeDirectory("e"));
  EXPECT_TRUE(cache_.Rename("a", "b", RenameMode::kNoReplace).Is(Errc::kAlreadyExists));
  EXPECT_TRUE(cache_.Rename("nothing", "b").Is(Errc::kNotFound));
  EXPECT_TRUE(cache_.Rename("a", "d").Is(Errc::kIsADirectory));
  EXPECT_TRUE(cache_.Rename("d", "a").Is(Errc::kNotADirectory));
  EXPECT_TRUE(cache_.Rename("e", "d").Is(Errc::kNotEmpty));
  EXPECT_TRUE(cache_.Rename("d", "d/y").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(cache_.RemoveDirectory("d").Is(Errc::kNotEmpty));
  EXPECT_TRUE(cache_.WriteFile(std::string(256, 'n'), "").Is(Errc::kNameTooLong));
  EXPECT_TRUE(cache_.MakeDirectory(".pailfs").Is(Errc::kNotPermitted));
}

TEST_P(EngineTest, AnUnlinkedOpenFileStaysReadable) {
  ASSERT_OK(cache_.WriteFile("f", "content"));
  cache_.Flush();
  cache_.ReopenEmpty();
  const Ino ino = cache_.At("f");
  ASSERT_OK(cache_->Open(cache_.ctx(), ino, {}));
  ASSERT_OK(cache_.Unlink("f"));
  ASSERT_OK(cache_.WriteFile("f", "another"));
  cache_.Flush();
  std::string bytes(7, '?');
  ASSERT_EQ(cache_->Read(cache_.ctx(), ino, 0, std::as_writable_bytes(std::span(bytes))).value(), 7U);
  EXPECT_EQ(bytes, "content");
  EXPECT_EQ(cache_->GetAttributes(ino)->nlink, 0U);
  cache_->Close(ino, {});
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"f", "another"}}));
}

TEST_P(EngineTest, PartialChangesKeepTheRest) {
  std::string content(1'000'000, 'a');
  ASSERT_OK(cache_.WriteFile("f", content));
  cache_.Flush();
  cache_.ReopenEmpty();
  ASSERT_OK(cache_.WriteAt("f", 300'001, "XYZ"));
  content.replace(300'001, 3, "XYZ");
  EXPECT_EQ(cache_.ReadFile("f").value(), content);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket().at("f"), content);
}

TEST_P(EngineTest, ChangesBehindTheEndOfTheObjectKeepBothSides) {
  for (const uint64_t gap : {0, 1, 5000, 200'000}) {
    SCOPED_TRACE(StrCat("gap ", gap));
    const std::string name = StrCat("f", gap);
    std::string content(6'000'000, 'a');  // too large to be fetched whole, and it ends inside a block
    ASSERT_OK(cache_.WriteFile(name, content));
    cache_.Flush();
    cache_.ReopenEmpty();
    ASSERT_OK(cache_.WriteAt(name, content.size() + gap, "XYZ"));
    content += std::string(gap, '\0') + "XYZ";
    cache_.Crash();
    cache_.Flush();
    EXPECT_TRUE(cache_.Bucket().at(name) == content);
    EXPECT_TRUE(cache_.ReadFile(name).value() == content);
    ASSERT_OK(cache_.WriteAt(name, content.size(), "more"));
    content += "more";
    EXPECT_TRUE(cache_.ReadFile(name).value() == content);
  }
}

TEST_P(EngineTest, TruncatedBytesNeverComeBack) {
  ASSERT_OK(cache_.WriteFile("f", std::string(500'000, 'a')));
  cache_.Flush();
  cache_.ReopenEmpty();
  const Ino ino = cache_.At("f");
  AttributeChange change;
  change.size_bytes = 100;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), ino, change));
  change.size_bytes = 400'000;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), ino, change));
  const std::string expected = std::string(100, 'a') + std::string(399'900, '\0');
  EXPECT_EQ(cache_.ReadFile("f").value(), expected);
  cache_.Crash();
  EXPECT_EQ(cache_.ReadFile("f").value(), expected);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket().at("f"), expected);
}

TEST_P(EngineTest, AfterACrashEverythingClosedIsThere) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.WriteFile("d/f", "1"));
  cache_.Crash();
  EXPECT_EQ(cache_.Tree(), (Tree{{"d/", "/"}, {"d/f", "1"}}));
  ASSERT_OK(cache_.Rename("d", "e"));
  ASSERT_OK(cache_.WriteFile("e/f", "22"));
  cache_.Crash();
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"e/", "/"}, {"e/f", "22"}}));
}

TEST_P(EngineTest, AChangedFileThatIsReplacedAndCrashedIsStillItself) {
  const std::string content(1'000'000, 'a');
  ASSERT_OK(cache_.WriteFile("f", content));
  cache_.Flush();
  cache_.ReopenEmpty();
  ASSERT_TRUE(cache_.ReadFile("f").value() == content);
  const Ino ino = cache_.At("f");
  ASSERT_OK(cache_.WriteAt("f", 500'000, "XYZ"));
  ASSERT_OK(cache_.WriteFile("new", "new"));
  ASSERT_OK(cache_.Rename("new", "f"));
  cache_.Crash();
  std::string bytes(content.size(), '?');
  ASSERT_OK(cache_->Read(cache_.ctx(), ino, 0, std::as_writable_bytes(std::span(bytes))));
  EXPECT_EQ(bytes.substr(499'999, 5), "aXYZa");
}

TEST_P(EngineTest, MetadataSurvivesTheBucket) {
  ASSERT_OK(cache_.WriteFile("f", "x"));
  const Ino ino = cache_.At("f");
  AttributeChange change;
  change.mode = 04751;
  change.uid = 1000;
  change.gid = 2000;
  change.mtime_ns = 1'234'567'890'123'456'789;
  change.atime_ns = -1;
  ASSERT_OK(cache_->SetAttributes(cache_.ctx(), ino, change));
  ASSERT_OK(cache_->SetXattr(ino, "user.colour", "blue\n\xff", XattrMode::kCreate));
  NewInode link;
  link.mode = S_IFLNK | 0777;
  link.symlink_target = "../elsewhere";
  ASSERT_OK(cache_->Make(cache_.ctx(), kRootIno, "link", link, {7, 8, 0}));
  NewInode fifo;
  fifo.mode = S_IFIFO | 0600;
  ASSERT_OK(cache_->Make(cache_.ctx(), kRootIno, "fifo", fifo, {}));
  NewInode device;
  device.mode = S_IFCHR | 0600;
  device.rdev = 0x103;
  ASSERT_OK(cache_->Make(cache_.ctx(), kRootIno, "null", device, {}));
  cache_.Flush();
  cache_.ReopenEmpty();
  const auto f = cache_->GetAttributes(cache_.At("f"));
  ASSERT_OK(f);
  EXPECT_EQ(f->mode, static_cast<uint32_t>(S_IFREG | 04751));
  EXPECT_EQ(f->uid, 1000U);
  EXPECT_EQ(f->gid, 2000U);
  EXPECT_EQ(f->mtime_ns, 1'234'567'890'123'456'789);
  EXPECT_EQ(f->atime_ns, -1);
  EXPECT_EQ(cache_->GetXattr(cache_.At("f"), "user.colour").value(), "blue\n\xff");
  EXPECT_EQ(cache_->ReadLink(cache_.ctx(), cache_.At("link")).value(), "../elsewhere");
  EXPECT_EQ(cache_->GetAttributes(cache_.At("link"))->uid, 7U);
  EXPECT_TRUE(S_ISFIFO(cache_->GetAttributes(cache_.At("fifo"))->mode));
  EXPECT_EQ(cache_->GetAttributes(cache_.At("null"))->rdev, 0x103U);
}

TEST_P(EngineTest, ACloneOfACleanFileMovesNoBytes) {
  const std::string content(3'000'000, 'c');
  ASSERT_OK(cache_.WriteFile("f", content));
  cache_.Flush();
  cache_.ReopenEmpty();
  ASSERT_OK(cache_.WriteFile("g", ""));
  const auto copied = cache_->CopyRange(cache_.ctx(), cache_.At("f"), 0, cache_.At("g"), 0, 10'000'000);
  ASSERT_OK(copied);
  EXPECT_EQ(*copied, content.size());
  if (GetParam().versioning == VersioningState::kEnabled) {
    EXPECT_EQ(cache_.Requests("bytes_out"), 0);
  }
  ASSERT_OK(cache_.Unlink("f"));
  EXPECT_EQ(cache_.ReadFile("g").value(), content);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"g", content}}));
}

TEST_P(EngineTest, AnAnswerThatIsLostIsAskedFor) {
  ASSERT_OK(cache_.WriteFile("f", "content"));
  cache_.faulty().Inject(StoreCall::kPut, StoreFault::kLoseAnswer);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"f", "content"}}));
  ASSERT_OK(cache_.WriteFile("f", "changed"));
  cache_.faulty().Inject(StoreCall::kPut, StoreFault::kLoseRequest);
  cache_.Flush();
  EXPECT_EQ(cache_.Bucket(), (Tree{{"f", "changed"}}));
}

TEST_P(EngineTest, AFileUnlinkedWhileNobodyKnowsItsUploadLeavesNothing) {
  for (const bool crash : {false, true}) {
    SCOPED_TRACE(crash);
    ASSERT_OK(cache_.WriteFile("f", "content"));
    ASSERT_OK(cache_.WriteFile("g", "moved"));
    cache_.clock().Advance(10'000'000'000);
    // The first two requests are the files' uploads: done, unanswered, and then the network is gone.
    cache_.faulty().Inject(StoreCall::kPut, StoreFault::kLoseAnswer, 1);
    cache_.faulty().Inject(StoreCall::kPut, StoreFault::kLoseAnswer, 2);
    cache_.faulty().Inject(StoreCall::kHead, StoreFault::kFail, 1);
    cache_.faulty().Inject(StoreCall::kHead, StoreFault::kFail, 2);
    ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), false));
    EXPECT_EQ(cache_.Bucket(), (Tree{{"f", "content"}, {"g", "moved"}}));
    ASSERT_OK(cache_.Unlink("f"));
    ASSERT_OK(cache_.Rename("g", "h"));
    if (crash) cache_.Crash();
    cache_.Flush();
    EXPECT_EQ(cache_.Bucket(), (Tree{{"h", "moved"}}));
    EXPECT_EQ(cache_.Tree(), (Tree{{"h", "moved"}}));
    ASSERT_OK(cache_.Unlink("h"));
    cache_.Flush();
    EXPECT_TRUE(cache_.Bucket().empty());
  }
}

TEST_P(EngineTest, ADeletionThatFailsIsTriedAgainLater) {
  ASSERT_OK(cache_.WriteFile("f", "content"));
  cache_.Flush();
  ASSERT_OK(cache_.Unlink("f"));
  cache_.clock().Advance(10'000'000'000);
  cache_.faulty().Inject(StoreCall::kDeleteBatch, StoreFault::kFail);
  EXPECT_FALSE(cache_->RunWriteBack(cache_.ctx(), false).ok());
  const int64_t deletions = cache_.faulty().calls(StoreCall::kDeleteBatch);
  ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), false));
  EXPECT_EQ(cache_.faulty().calls(StoreCall::kDeleteBatch), deletions) << "without a pause";
  cache_.clock().Advance(10'000'000'000);
  ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), false));
  EXPECT_TRUE(cache_.Bucket().empty());
}

TEST_P(EngineTest, AForeignChangeIsAConflictAndBothAreKept) {
  ASSERT_OK(cache_.WriteFile("f", "mine"));
  StringBody body("theirs");
  ASSERT_OK(cache_.memory().Put(cache_.ctx(), "f", body, {}));
  ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), true));
  cache_.Flush();
  const Tree tree = cache_.Tree();
  ASSERT_EQ(tree.size(), 2U);
  EXPECT_EQ(tree.at("f"), "theirs");
  EXPECT_TRUE(tree.rbegin()->first.starts_with("f.conflict-host-"));
  EXPECT_EQ(tree.rbegin()->second, "mine");
}

TEST_P(EngineTest, WhatChangedBetweenTwoMountsIsSeen) {
  ASSERT_OK(cache_.MakeDirectory("d"));
  ASSERT_OK(cache_.MakeDirectory("gone"));
  for (const char* name : {"kept", "replaced", "deleted", "d/kept", "d/deleted", "gone/a", "becomes"}) {
    ASSERT_OK(cache_.WriteFile(name, StrCat("old ", name)));
  }
  cache_.Flush();
  (void)cache_.Tree();
  const Ino kept = cache_.At("d/kept");
  cache_.Close();
  const auto put = [this](std::string_view key, std::string_view bytes) {
    StringBody body(bytes);
    ASSERT_OK(cache_.memory().Put(cache_.ctx(), key, body, {}));
  };
  put("replaced", "new");
  put("added", "new");
  put("d/sub/added", "new");
  for (const char* key : {"deleted", "d/deleted", "gone/a", "gone/", "becomes"}) {
    ASSERT_OK(cache_.memory().Delete(cache_.ctx(), {key, "", std::nullopt}));
  }
  put("becomes/a", "new");
  cache_.Open();
  // One name first, without a listing of its directory.
  EXPECT_EQ(cache_.At("d/deleted"), 0U);
  EXPECT_EQ(cache_.ReadFile("replaced").value(), "new");
  const int64_t gets = cache_.Requests("get");
  EXPECT_EQ(cache_.ReadFile("kept").value(), "old kept");
  EXPECT_EQ(cache_.ReadFile("d/kept").value(), "old d/kept");
  EXPECT_EQ(cache_.Requests("get"), gets) << "bytes that had not changed were fetched again";
  EXPECT_EQ(cache_.At("d/kept"), kept);
  const Tree expected{{"kept", "old kept"},     {"replaced", "new"}, {"added", "new"},       {"d/", "/"},
                      {"d/kept", "old d/kept"}, {"d/sub/", "/"},     {"d/sub/added", "new"}, {"becomes/", "/"},
                      {"becomes/a", "new"}};
  EXPECT_EQ(cache_.Tree(), expected);
  // After a crash nobody can tell; listings, but no bytes.
  cache_.Crash();
  const int64_t gets_before_crash = cache_.Requests("get");
  EXPECT_EQ(cache_.Tree(), expected);
  EXPECT_EQ(cache_.Requests("get"), gets_before_crash);
  cache_.Reopen();
  const int64_t lists = cache_.Requests("list");
  EXPECT_EQ(cache_.Tree(), expected);
  EXPECT_EQ(cache_.Requests("get"), gets_before_crash);
  // After an orderly end nothing is asked for, where nobody else can have changed anything.
  if (!GetParam().shared) {
    EXPECT_EQ(cache_.Requests("list"), lists);
  }
}

TEST_P(EngineTest, OddKeysAreReachedByTheirNames) {
  const std::string segment(300, 's');
  const std::string keys[] = {"a", "a/b", "//x", "./y", segment, segment + "/below"};
  for (const std::string& key : keys) {
    StringBody body(key);
    ASSERT_OK(cache_.memory().Put(cache_.ctx(), key, body, {}));
  }
  cache_.ReopenEmpty();
  const Tree tree = cache_.Tree();
  std::string hashed_file;
  std::string hashed_below;
  for (const auto& [path, content] : tree) {
    if (content == segment) hashed_file = path;
    if (content == segment + "/below") hashed_below = path;
    EXPECT_TRUE(content == "/" || std::find(std::begin(keys), std::end(keys), content) != std::end(keys)) << path;
  }
  EXPECT_EQ(std::count_if(tree.begin(), tree.end(), [](const auto& entry) { return entry.second != "/"; }), 6);
  cache_.ReopenEmpty();
  EXPECT_EQ(cache_.ReadFile(hashed_below).value(), segment + "/below");
  ASSERT_OK(cache_.WriteAt(hashed_file, 0, "CHANGED"));
  ASSERT_OK(cache_.Rename(hashed_below, "a/renamed"));
  ASSERT_OK(cache_.Unlink("%pailfs-file-a"));
  EXPECT_TRUE(cache_.WriteFile("%pailfs-empty", "").Is(Errc::kIsADirectory));
  EXPECT_TRUE(cache_.WriteFile("a/%pailfs-empty", "").Is(Errc::kNotPermitted));
  EXPECT_TRUE(cache_.MakeDirectory("%pailfs-file-n").Is(Errc::kNotPermitted));
  EXPECT_TRUE(cache_.Rename("a/b", "a/%pailfs-dot").Is(Errc::kNotPermitted));
  cache_.Flush();
  const Tree bucket = cache_.Bucket();
  EXPECT_EQ(bucket.at(segment).substr(0, 8), "CHANGEDs");
  EXPECT_EQ(bucket.at("a/renamed"), segment + "/below");
  EXPECT_FALSE(bucket.contains(segment + "/below"));
  EXPECT_FALSE(bucket.contains("a"));
}

TEST_P(EngineTest, TheCacheLimitHolds) {
  cache_.options().size_limit_bytes = 16 << 20;
  cache_.Reopen();
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    const std::string content(2 << 20, static_cast<char>('a' + i));
    ASSERT_OK(cache_.WriteFile(StrCat("f", i), content));
    ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), true));
    EXPECT_LE(cache_->GetStatus().used_bytes, 16U << 20);
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(cache_.ReadFile(StrCat("f", i)).value(), std::string(2 << 20, static_cast<char>('a' + i)));
    EXPECT_LE(cache_->GetStatus().used_bytes, 16U << 20);
  }
}

TEST_P(EngineTest, AFileLargerThanTheCacheIsWrittenAndReadBack) {
  cache_.options().size_limit_bytes = 16 << 20;
  cache_.options().full_timeout_ns = 1;
  cache_.Reopen();
  NewInode inode;
  inode.mode = S_IFREG | 0644;
  const auto made = cache_->Create(cache_.ctx(), kRootIno, "f", inode, {}, {true, false}, false);
  ASSERT_OK(made);
  constexpr uint64_t kChunk = 1 << 20;
  for (uint64_t i = 0; i < 64; ++i) {
    const std::string chunk(kChunk, static_cast<char>('a' + i % 26));
    Status written = cache_->Write(cache_.ctx(), made->ino, i * kChunk, AsBytes(chunk), false);
    if (written.Is(Errc::kNoSpace)) {
      // The file is still open: what was uploaded makes room for what follows.
      ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), true));
      written = cache_->Write(cache_.ctx(), made->ino, i * kChunk, AsBytes(chunk), false);
    }
    ASSERT_TRUE(written.ok()) << "at " << i << " MiB: " << written.error().message;
    EXPECT_LE(cache_->GetStatus().used_bytes, 16U << 20);
  }
  cache_->Close(made->ino, {true, false});
  cache_.Flush();
  std::string content = cache_.ReadFile("f").value();
  for (uint64_t i = 0; i < 64; ++i) {
    ASSERT_EQ(content.compare(i * kChunk, kChunk, std::string(kChunk, static_cast<char>('a' + i % 26))), 0) << i;
  }
  EXPECT_LE(cache_->GetStatus().used_bytes, 16U << 20);
}

TEST_P(EngineTest, DirectoryCookiesResume) {
  for (int i = 0; i < 300; ++i) ASSERT_OK(cache_.WriteFile(StrCat("f", i), ""));
  std::vector<std::string> names;
  uint64_t cookie = 0;
  for (bool more = true; more;) {
    more = false;
    int taken = 0;
    ASSERT_OK(cache_->ReadDirectory(cache_.ctx(), kRootIno, cookie, [&](const DirectoryEntry& entry) {
      if (taken++ == 7) {
        more = true;
        return false;
      }
      names.push_back(entry.name);
      cookie = entry.cookie;
      return true;
    }));
  }
  EXPECT_EQ(names.size(), 302U);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

INSTANTIATE_TEST_SUITE_P(Buckets, EngineTest, AllBuckets(), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Suspended, EngineTest, testing::Values(TestBucket{VersioningState::kSuspended, false}),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace pailfs::cache
