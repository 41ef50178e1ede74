// What FileSystem promises, asked of the real one and of the simulated one.
#include "base/file_system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/str.h"
#include "tests/support/faulty_file_system.h"

namespace pailfs {
namespace {

class Disk {
 public:
  virtual ~Disk() = default;
  virtual FileSystem& fs() = 0;
  virtual std::string root() = 0;
};

class RealDisk : public Disk {
 public:
  RealDisk() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-files-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~RealDisk() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  FileSystem& fs() override { return PosixFileSystem(); }
  std::string root() override { return root_; }

 private:
  std::string root_;
};

class SimulatedDisk : public Disk {
 public:
  FileSystem& fs() override { return fs_; }
  std::string root() override { return "/disk"; }
  SimulatedDisk() { EXPECT_TRUE(fs_.MakeDirectory("/disk").ok()); }

 private:
  FaultyFileSystem fs_;
};

class FileSystemTest : public testing::TestWithParam<bool> {
 protected:
  FileSystemTest() {
    if (GetParam()) {
      disk_ = std::make_unique<RealDisk>();
    } else {
      disk_ = std::make_unique<SimulatedDisk>();
    }
  }
  FileSystem& fs() { return disk_->fs(); }
  std::string Path(std::string_view name) { return StrCat(disk_->root(), '/', name); }
  std::unique_ptr<File> Open(std::string_view name, OpenMode mode) {
    auto file = fs().Open(Path(name), mode);
    EXPECT_TRUE(file.ok()) << file.error().message;
    return file.ok() ? std::move(*file) : nullptr;
  }
  void Write(std::string_view name, std::string_view content) {
    EXPECT_TRUE(Open(name, OpenMode::kCreateEmpty)->WriteAt(0, AsBytes(content)).ok());
  }
  std::string Read(std::string_view name) {
    const auto content = ReadFile(fs(), Path(name));
    return content.ok() ? *content : "ERROR " + content.error().message;
  }
  static std::string ReadAt(File& file, uint64_t offset, size_t length) {
    std::string buffer(length, '?');
    const auto got = file.ReadAt(offset, std::as_writable_bytes(std::span(buffer)));
    if (!got.ok()) return "ERROR " + got.error().message;
    return buffer.substr(0, *got);
  }
  std::vector<std::string> List(std::string_view name) {
    auto names = *fs().List(Path(name));
    std::sort(names.begin(), names.end());
    return names;
  }

  std::unique_ptr<Disk> disk_;
};

TEST_P(FileSystemTest, OpenModes) {
  EXPECT_TRUE(fs().Open(Path("f"), OpenMode::kRead).Is(Errc::kNotFound));
  EXPECT_TRUE(fs().Open(Path("f"), OpenMode::kReadWrite).Is(Errc::kNotFound));
  Write("f", "hello");
  EXPECT_TRUE(fs().Open(Path("f"), OpenMode::kCreateNew).Is(Errc::kAlreadyExists));
  EXPECT_EQ(ReadAt(*Open("f", OpenMode::kCreate), 0, 10), "hello");
  EXPECT_TRUE(Open("f", OpenMode::kRead)->WriteAt(0, AsBytes("x")).Is(Errc::kBadHandle));
  EXPECT_TRUE(Open("f", OpenMode::kReadWrite)->WriteAt(5, AsBytes("!")).ok());
  EXPECT_EQ(Read("f"), "hello!");
  Open("f", OpenMode::kCreateEmpty);
  EXPECT_EQ(Read("f"), "");
  Open("g", OpenMode::kCreateNew);
  EXPECT_EQ(List(""), (std::vector<std::string>{"f", "g"}));
  EXPECT_TRUE(fs().Open(Path("absent/f"), OpenMode::kCreate).Is(Errc::kNotFound));
  EXPECT_TRUE(fs().Open(Path("f/below"), OpenMode::kCreate).Is(Errc::kNotADirectory));
}

TEST_P(FileSystemTest, ErrorsNameThePath) {
  const auto opened = fs().Open(Path("absent"), OpenMode::kRead);
  ASSERT_TRUE(opened.Is(Errc::kNotFound));
  EXPECT_NE(opened.error().message.find(Path("absent")), std::string::npos) << opened.error().message;
}

TEST_P(FileSystemTest, ReadsAndWritesAnywhere) {
  const auto file = Open("f", OpenMode::kCreate);
  EXPECT_EQ(ReadAt(*file, 0, 4), "");
  EXPECT_TRUE(file->WriteAt(10'000, AsBytes("end")).ok());
  EXPECT_EQ(file->Stat()->size_bytes, 10'003U);
  EXPECT_EQ(ReadAt(*file, 9'998, 100), std::string("\0\0end", 5));
  EXPECT_TRUE(file->WriteAt(4'094, AsBytes("across")).ok());
  EXPECT_EQ(ReadAt(*file, 4'093, 8), std::string("\0across\0", 8));
  EXPECT_EQ(ReadAt(*file, 10'003, 1), "");
  EXPECT_EQ(ReadAt(*file, 1 << 30, 1), "");
  EXPECT_TRUE(file->WriteAt(0, {}).ok());
}

TEST_P(FileSystemTest, TruncatedBytesAreGoneForGood) {
  const auto file = Open("f", OpenMode::kCreate);
  ASSERT_TRUE(file->WriteAt(0, AsBytes(std::string(9'000, 'x'))).ok());
  ASSERT_TRUE(file->Truncate(5'000).ok());
  EXPECT_EQ(file->Stat()->size_bytes, 5'000U);
  ASSERT_TRUE(file->Truncate(9'000).ok());
  EXPECT_EQ(ReadAt(*file, 0, 9'000), std::string(5'000, 'x') + std::string(4'000, '\0'));
}

TEST_P(FileSystemTest, HolesCostNothingAndAreFound) {
  constexpr uint64_t kFar = uint64_t{1} << 40;
  constexpr uint64_t kUnit = 64 << 10;
  const auto file = Open("f", OpenMode::kCreate);
  ASSERT_TRUE(file->WriteAt(kFar, AsBytes(std::string(kUnit, 'x'))).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_LE(file->Stat()->allocated_bytes, 1U << 20);
  EXPECT_EQ(*file->SeekData(0), kFar);
  EXPECT_EQ(*file->SeekHole(0), 0U);
  EXPECT_EQ(*file->SeekHole(kFar), kFar + kUnit);
  EXPECT_EQ(*file->SeekData(kFar + 5), kFar + 5);
  EXPECT_EQ(*file->SeekData(kFar + kUnit), std::nullopt);
  EXPECT_TRUE(file->SeekHole(kFar + kUnit + 1).Is(Errc::kRange));
  ASSERT_TRUE(file->PunchHole(kFar, kUnit).ok());
  EXPECT_EQ(file->Stat()->size_bytes, kFar + kUnit);
  EXPECT_EQ(*file->SeekData(0), std::nullopt);
  EXPECT_EQ(ReadAt(*file, kFar, 3), std::string(3, '\0'));
}

TEST_P(FileSystemTest, PunchingPartsOfPages) {
  const auto file = Open("f", OpenMode::kCreate);
  const std::string all(20'000, 'x');
  for (const auto& [offset, length] :
       {std::pair<uint64_t, uint64_t>{100, 50}, {4'000, 200}, {4'096, 4'096}, {1, 12'000}}) {
    ASSERT_TRUE(file->WriteAt(0, AsBytes(all)).ok());
    ASSERT_TRUE(file->PunchHole(offset, length).ok());
    std::string expected = all;
    expected.replace(offset, length, length, '\0');
    EXPECT_TRUE(ReadAt(*file, 0, 20'000) == expected) << offset << '+' << length;
  }
}

TEST_P(FileSystemTest, Allocate) {
  const auto file = Open("f", OpenMode::kCreate);
  ASSERT_TRUE(file->Allocate(0, 1 << 20, /*keep_size=*/true).ok());
  EXPECT_EQ(file->Stat()->size_bytes, 0U);
  EXPECT_GE(file->Stat()->allocated_bytes, 1U << 20);
  ASSERT_TRUE(file->Allocate(0, 2 << 20, /*keep_size=*/false).ok());
  EXPECT_EQ(file->Stat()->size_bytes, 2U << 20);
  EXPECT_EQ(ReadAt(*file, 1 << 20, 2), std::string(2, '\0'));
  EXPECT_TRUE(file->Allocate(0, 0, true).Is(Errc::kInvalidArgument));
}

TEST_P(FileSystemTest, Renames) {
  Write("a", "A");
  Write("b", "B");
  const auto replaced = Open("b", OpenMode::kRead);
  ASSERT_TRUE(fs().Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(List(""), std::vector<std::string>{"b"});
  EXPECT_EQ(Read("b"), "A");
  EXPECT_EQ(ReadAt(*replaced, 0, 1), "B") << "an open file outlives its name";
  ASSERT_TRUE(fs().Rename(Path("b"), Path("b")).ok());
  EXPECT_TRUE(fs().Rename(Path("a"), Path("c")).Is(Errc::kNotFound));

  ASSERT_TRUE(fs().MakeDirectory(Path("d")).ok());
  ASSERT_TRUE(fs().MakeDirectory(Path("e")).ok());
  Write("e/f", "F");
  EXPECT_TRUE(fs().Rename(Path("b"), Path("d")).Is(Errc::kIsADirectory));
  EXPECT_TRUE(fs().Rename(Path("d"), Path("b")).Is(Errc::kNotADirectory));
  EXPECT_TRUE(fs().Rename(Path("d"), Path("e")).Is(Errc::kNotEmpty));
  EXPECT_TRUE(fs().Rename(Path("e"), Path("e/inside")).Is(Errc::kInvalidArgument));
  ASSERT_TRUE(fs().Rename(Path("e"), Path("d")).ok());
  EXPECT_EQ(Read("d/f"), "F");
  ASSERT_TRUE(fs().Rename(Path("d/f"), Path("g")).ok());
  EXPECT_EQ(List(""), (std::vector<std::string>{"b", "d", "g"}));
}

TEST_P(FileSystemTest, UnlinkAndDirectories) {
  Write("f", "F");
  const auto open = Open("f", OpenMode::kReadWrite);
  ASSERT_TRUE(fs().Unlink(Path("f")).ok());
  EXPECT_TRUE(fs().Unlink(Path("f")).Is(Errc::kNotFound));
  EXPECT_FALSE(*fs().Exists(Path("f")));
  EXPECT_EQ(ReadAt(*open, 0, 1), "F");
  EXPECT_TRUE(open->WriteAt(1, AsBytes("more")).ok());

  ASSERT_TRUE(fs().MakeDirectory(Path("d")).ok());
  EXPECT_TRUE(fs().MakeDirectory(Path("d")).ok()) << "is there already";
  EXPECT_TRUE(fs().MakeDirectory(Path("x/y")).Is(Errc::kNotFound));
  EXPECT_TRUE(fs().Unlink(Path("d")).Is(Errc::kIsADirectory));
  Write("d/f", "");
  EXPECT_TRUE(fs().RemoveDirectory(Path("d")).Is(Errc::kNotEmpty));
  EXPECT_TRUE(fs().RemoveDirectory(Path("d/f")).Is(Errc::kNotADirectory));
  ASSERT_TRUE(fs().Unlink(Path("d/f")).ok());
  EXPECT_TRUE(fs().SyncDirectory(Path("d")).ok());
  ASSERT_TRUE(fs().RemoveDirectory(Path("d")).ok());
  EXPECT_TRUE(fs().List(Path("d")).Is(Errc::kNotFound));
  EXPECT_TRUE(fs().SyncDirectory(Path("d")).Is(Errc::kNotFound));
}

TEST_P(FileSystemTest, StatOfPaths) {
  Write("f", "12345");
  EXPECT_EQ(fs().Stat(Path("f"))->size_bytes, 5U);
  EXPECT_GT(fs().Stat(Path("f"))->mtime_ns, int64_t{1'600'000'000} * 1'000'000'000);
  EXPECT_TRUE(fs().Stat(Path("g")).Is(Errc::kNotFound));
  EXPECT_TRUE(*fs().Exists(Path("f")));
  EXPECT_FALSE(*fs().Exists(Path("f/below")));
  EXPECT_GT(fs().Space(Path(""))->total_bytes, 0U);
  EXPECT_LE(fs().Space(Path(""))->free_bytes, fs().Space(Path(""))->total_bytes);
  EXPECT_TRUE(fs().SyncAll(Path("")).ok());
}

TEST_P(FileSystemTest, ALockNamesItsHolderAndEnds) {
  auto lock = fs().Lock(Path("LOCK"));
  ASSERT_TRUE(lock.ok()) << lock.error().message;
  const auto second = fs().Lock(Path("LOCK"));
  ASSERT_TRUE(second.Is(Errc::kBusy));
  EXPECT_EQ(second.error().message, StrCat(Path("LOCK"), " is in use by process ", getpid()));
  lock->reset();
  EXPECT_TRUE(fs().Lock(Path("LOCK")).ok());
  EXPECT_TRUE(fs().Lock(Path("absent/LOCK")).Is(Errc::kNotFound));
}

TEST_P(FileSystemTest, WholeFilesAndTrees) {
  const std::string path = Path("a/b/c");
  ASSERT_TRUE(MakeDirectories(fs(), path).ok());
  ASSERT_TRUE(MakeDirectories(fs(), path).ok());
  ASSERT_TRUE(WriteFileDurably(fs(), path + "/f", "one").ok());
  const std::string large(10'000, 'x');
  ASSERT_TRUE(WriteFileDurably(fs(), path + "/f", large).ok());
  EXPECT_EQ(Read("a/b/c/f"), large);
  EXPECT_EQ(List("a/b/c"), std::vector<std::string>{"f"}) << "no temporary file stays";
  EXPECT_TRUE(ReadFile(fs(), path + "/g").Is(Errc::kNotFound));
  ASSERT_TRUE(RemoveTree(fs(), Path("a")).ok());
  ASSERT_TRUE(RemoveTree(fs(), Path("a")).ok());
  EXPECT_TRUE(List("").empty());
}

TEST(ParentDirectory, OfEachKindOfPath) {
  EXPECT_EQ(ParentDirectory("/a/b"), "/a");
  EXPECT_EQ(ParentDirectory("/a"), "/");
  EXPECT_EQ(ParentDirectory("a"), ".");
  EXPECT_EQ(ParentDirectory("a/b"), "a");
}

TEST(PosixFileSystem, StatTellsWhoMayReadAFile) {
  RealDisk disk;
  const std::string path = disk.root() + "/secret";
  const auto file = disk.fs().Open(path, OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Stat()->mode, 0600U);
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ((*file)->Stat()->mode, 0640U);
  EXPECT_EQ(disk.fs().Stat(path)->mode, 0640U);
}

INSTANTIATE_TEST_SUITE_P(Real, FileSystemTest, testing::Values(true));
INSTANTIATE_TEST_SUITE_P(Simulated, FileSystemTest, testing::Values(false));

}  // namespace
}  // namespace pailfs
