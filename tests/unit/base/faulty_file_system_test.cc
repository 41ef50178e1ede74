// The simulated disk must be believed before the tests that rest on it are: what it loses and what it keeps.
#include "tests/support/faulty_file_system.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/str.h"

namespace pailfs {
namespace {

class FaultyFileSystemTest : public testing::Test {
 protected:
  std::unique_ptr<File> Create(const std::string& path, std::string_view content) {
    auto file = fs_.Open(path, OpenMode::kCreate);
    EXPECT_TRUE(file.ok() && (*file)->WriteAt(0, AsBytes(content)).ok());
    return std::move(*file);
  }
  // Synced content under a synced name.
  void CreateDurably(const std::string& path, std::string_view content) {
    EXPECT_TRUE(Create(path, content)->Sync().ok());
    EXPECT_TRUE(fs_.SyncDirectory(ParentDirectory(path)).ok());
  }
  std::vector<std::string> List(const std::string& path) { return fs_.List(path).value(); }
  std::string Read(const std::string& path) {
    const auto content = ReadFile(fs_, path);
    return content.ok() ? *content : std::string(ErrcName(content.error().code));
  }

  SeededRandom random_{1};
  FaultyFileSystem fs_;
};

TEST_F(FaultyFileSystemTest, ASyncedFileWithoutASyncedNameIsGone) {
  ASSERT_TRUE(Create("/f", "content")->Sync().ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/f"), "not found");
}

TEST_F(FaultyFileSystemTest, ASyncedNameWithoutASyncedFileIsEmpty) {
  Create("/f", "content");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/f"), "");
}

TEST_F(FaultyFileSystemTest, EverythingMaySurviveUnsynced) {
  ASSERT_TRUE(fs_.MakeDirectory("/d").ok());
  Create("/d/f", "content");
  fs_.PowerLoss(Survival::kEverything, random_);
  EXPECT_EQ(Read("/d/f"), "content");
}

TEST_F(FaultyFileSystemTest, ADirectoryItselfNeedsItsParentSynced) {
  ASSERT_TRUE(fs_.MakeDirectory("/d").ok());
  CreateDurably("/d/f", "content");
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_FALSE(*fs_.Exists("/d"));
}

TEST_F(FaultyFileSystemTest, OverwritingFallsBackToTheLastSync) {
  CreateDurably("/f", "old old");
  const auto file = Create("/f", "new");
  ASSERT_TRUE(file->Truncate(20'000).ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/f"), "old old");
}

TEST_F(FaultyFileSystemTest, PagesSurviveOneByOne) {
  const std::string old_content(64 * 4096, 'o');
  CreateDurably("/f", old_content);
  Create("/f", std::string(64 * 4096, 'n'));
  fs_.PowerLoss(Survival::kRandom, random_);
  const std::string content = Read("/f");
  ASSERT_EQ(content.size(), old_content.size());
  int survived = 0;
  for (size_t page = 0; page < 64; ++page) {
    const std::string bytes = content.substr(page * 4096, 4096);
    ASSERT_EQ(bytes.find_first_not_of(bytes[0]), std::string::npos) << "a page is whole";
    survived += bytes[0] == 'n' ? 1 : 0;
  }
  EXPECT_GT(survived, 0);
  EXPECT_LT(survived, 64);
}

TEST_F(FaultyFileSystemTest, ASizeMaySurviveWithoutThePages) {
  std::set<std::string> outcomes;
  for (int round = 0; round < 50; ++round) {
    CreateDurably("/f", "abc");
    ASSERT_TRUE(Create("/f", "abc")->WriteAt(4096, AsBytes("def")).ok());
    fs_.PowerLoss(Survival::kRandom, random_);
    outcomes.insert(Read("/f"));
    ASSERT_TRUE(fs_.Unlink("/f").ok());
  }
  const std::string gap(4093, '\0');
  EXPECT_EQ(outcomes, (std::set<std::string>{"abc", "abc" + gap + "def", "abc" + gap + std::string(3, '\0')}));
}

TEST_F(FaultyFileSystemTest, PunchedAndTruncatedPagesComeBackUnlessSynced) {
  CreateDurably("/f", std::string(8192, 'x'));
  auto file = std::move(*fs_.Open("/f", OpenMode::kReadWrite));
  ASSERT_TRUE(file->PunchHole(0, 4096).ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/f"), std::string(8192, 'x'));
  file = std::move(*fs_.Open("/f", OpenMode::kReadWrite));
  ASSERT_TRUE(file->PunchHole(0, 4096).ok());
  ASSERT_TRUE(file->Truncate(4100).ok());
  ASSERT_TRUE(file->Sync().ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/f"), std::string(4096, '\0') + "xxxx");
}

TEST_F(FaultyFileSystemTest, UnlinkAndRenameNeedADirectorySync) {
  CreateDurably("/a", "A");
  CreateDurably("/b", "B");
  ASSERT_TRUE(fs_.Rename("/a", "/b").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/a") + Read("/b"), "AB");
  ASSERT_TRUE(fs_.Unlink("/a").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/a"), "A");
  ASSERT_TRUE(fs_.Rename("/a", "/b").ok());
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(*fs_.List("/"), std::vector<std::string>{"b"});
  EXPECT_EQ(Read("/b"), "A");
}

TEST_F(FaultyFileSystemTest, ARenameIsOneChangeAndRandomOtherwise) {
  std::set<std::string> outcomes;
  for (int round = 0; round < 100; ++round) {
    for (const std::string& name : List("/")) ASSERT_TRUE(fs_.Unlink("/" + name).ok());
    CreateDurably("/old", "1");
    ASSERT_TRUE(fs_.Rename("/old", "/new").ok());
    Create("/other", "");
    fs_.PowerLoss(Survival::kRandom, random_);
    std::string names;
    for (const std::string& name : List("/")) names += name + ' ';
    outcomes.insert(names);
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"old ", "new ", "old other ", "new other "}));
}

TEST_F(FaultyFileSystemTest, ARenameBetweenDirectoriesNeverHalves) {
  ASSERT_TRUE(fs_.MakeDirectory("/d").ok());
  ASSERT_TRUE(fs_.MakeDirectory("/e").ok());
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  CreateDurably("/d/f", "F");
  ASSERT_TRUE(fs_.Rename("/d/f", "/e/f").ok());
  ASSERT_TRUE(fs_.SyncDirectory("/e").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/e/f"), "F");
  EXPECT_FALSE(*fs_.Exists("/d/f"));
}

TEST_F(FaultyFileSystemTest, SyncAllKeepsEverything) {
  ASSERT_TRUE(MakeDirectories(fs_, "/a/b").ok());
  Create("/a/b/f", "F");
  ASSERT_TRUE(fs_.SyncAll("/").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/a/b/f"), "F");
}

TEST_F(FaultyFileSystemTest, HelpersAreDurable) {
  ASSERT_TRUE(MakeDirectories(fs_, "/a/b").ok());
  ASSERT_TRUE(WriteFileDurably(fs_, "/a/b/f", "one").ok());
  fs_.PowerLoss(Survival::kNothing, random_);
  EXPECT_EQ(Read("/a/b/f"), "one");
  // Replacing is atomic wherever the power goes.
  for (uint64_t calls = 0;; ++calls) {
    fs_.Inject({.let_pass = calls, .cut_power = true});
    const bool written = WriteFileDurably(fs_, "/a/b/f", "two").ok();
    fs_.ClearFaults();
    fs_.CutPower();
    fs_.Restart(Survival::kRandom, random_);
    const std::string content = Read("/a/b/f");
    if (written) {
      EXPECT_EQ(content, "two");
      EXPECT_GE(calls, 5U);
      break;
    }
    EXPECT_TRUE(content == "one" || content == "two") << content;
    ASSERT_TRUE(WriteFileDurably(fs_, "/a/b/f", "one").ok());
  }
}

TEST_F(FaultyFileSystemTest, HandlesAndLocksEndWithThePower) {
  CreateDurably("/f", "F");
  const auto file = std::move(*fs_.Open("/f", OpenMode::kReadWrite));
  auto lock = fs_.Lock("/LOCK");
  ASSERT_TRUE(lock.ok());
  fs_.CutPower();
  EXPECT_TRUE(fs_.Open("/f", OpenMode::kRead).Is(Errc::kIo));
  EXPECT_TRUE(file->WriteAt(0, AsBytes("x")).Is(Errc::kIo));
  fs_.Restart(Survival::kEverything, random_);
  char buffer[1];
  EXPECT_TRUE(file->ReadAt(0, std::as_writable_bytes(std::span(buffer))).Is(Errc::kIo));
  EXPECT_TRUE(file->WriteAt(0, AsBytes("x")).Is(Errc::kIo));
  EXPECT_TRUE(file->Sync().Is(Errc::kIo));
  EXPECT_EQ(Read("/f"), "F");
  auto again = fs_.Lock("/LOCK");
  ASSERT_TRUE(again.ok());
  lock->reset();  // of the life before: does not free the new one
  EXPECT_TRUE(fs_.Lock("/LOCK").Is(Errc::kBusy));
}

TEST_F(FaultyFileSystemTest, FaultsHitTheNthCall) {
  const auto file = Create("/f", "");
  fs_.Inject({.call = FsCall::kWrite, .let_pass = 2, .times = 2, .code = Errc::kNoSpace});
  std::string outcome;
  for (int i = 0; i < 6; ++i) outcome += file->WriteAt(0, AsBytes("ab")).Is(Errc::kNoSpace) ? 'x' : '.';
  EXPECT_EQ(outcome, "..xx..");
  fs_.Inject({.call = FsCall::kOpen, .path_part = "other"});
  EXPECT_TRUE(fs_.Open("/f", OpenMode::kRead).ok());
  EXPECT_TRUE(fs_.Open("/other", OpenMode::kRead).Is(Errc::kIo));
  EXPECT_EQ(fs_.Calls(FsCall::kWrite), 7U);
  EXPECT_EQ(fs_.ChangingCalls(), 8U);
}

TEST_F(FaultyFileSystemTest, AFailedWriteIsTorn) {
  const auto file = Create("/f", "........");
  fs_.Inject({.call = FsCall::kWrite});
  EXPECT_TRUE(file->WriteAt(0, AsBytes("XXXXXXXX")).Is(Errc::kIo));
  EXPECT_EQ(Read("/f"), "XXXX....");
}

TEST_F(FaultyFileSystemTest, AFailedSyncLosesWhatASecondOneDoesNotBringBack) {
  CreateDurably("/f", "old");
  const auto file = Create("/f", "new");
  fs_.Inject({.call = FsCall::kSync});
  EXPECT_TRUE(file->Sync().Is(Errc::kIo));
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(Read("/f"), "new") << "as long as the page cache has it";
  fs_.PowerLoss(Survival::kEverything, random_);
  EXPECT_EQ(Read("/f"), "old");
}

TEST_F(FaultyFileSystemTest, AFullDiskIsFullUntilSpaceIsFreed) {
  fs_.SetCapacity(10 * 4096);
  const auto file = Create("/f", std::string(8 * 4096, 'x'));
  const Status written = file->WriteAt(8 * 4096, AsBytes(std::string(3 * 4096, 'y')));
  EXPECT_TRUE(written.Is(Errc::kNoSpace));
  EXPECT_EQ(file->Stat()->size_bytes, 10U * 4096) << "what fitted was written";
  EXPECT_EQ(fs_.Space("/")->free_bytes, 0U);
  EXPECT_TRUE(file->WriteAt(0, AsBytes("overwriting needs none")).ok());
  EXPECT_TRUE(file->Allocate(0, 11 * 4096, true).Is(Errc::kNoSpace));
  ASSERT_TRUE(file->PunchHole(0, 2 * 4096).ok());
  EXPECT_EQ(fs_.Space("/")->free_bytes, 2U * 4096);
  EXPECT_TRUE(file->WriteAt(12 * 4096, AsBytes("z")).ok());
}

TEST_F(FaultyFileSystemTest, AnUnlinkedFileTakesSpaceWhileItIsOpen) {
  auto file = Create("/f", std::string(4096, 'x'));
  ASSERT_TRUE(fs_.Unlink("/f").ok());
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  EXPECT_EQ(fs_.UsedBytes(), 4096U);
  file.reset();
  EXPECT_EQ(fs_.UsedBytes(), 0U);
}

}  // namespace
}  // namespace pailfs
