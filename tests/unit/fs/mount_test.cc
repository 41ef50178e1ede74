// A real mount over a cache in memory, used through ordinary system calls. Needs /dev/fuse.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "base/str.h"
#include "fs/session.h"
#include "tests/support/ram_mount_cache.h"

namespace pailfs::fs {
namespace {

constexpr uid_t kNobody = 65534;

class MountTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/pailfs-mount-test-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    mountpoint_ = path;
    ASSERT_EQ(access("/dev/fuse", R_OK | W_OK), 0) << "this test needs /dev/fuse: " << strerror(errno);
    SessionOptions options;
    options.mountpoint = mountpoint_;
    options.source = "ram,with:comma";
    options.allow_other = geteuid() == 0;
    auto session = Session::Mount(cache_, options);
    ASSERT_TRUE(session.ok()) << session.error().message;
    session_ = std::move(*session);
    server_ = std::thread([this] { EXPECT_TRUE(session_->Run().ok()); });
  }

  void TearDown() override {
    if (session_ != nullptr) {
      const Status unmounted = session_->Unmount(/*lazy=*/false);
      EXPECT_TRUE(unmounted.ok()) << unmounted.error().message;
      if (!unmounted.ok()) {
        (void)session_->Unmount(/*lazy=*/true).ok();
        session_->Stop();
      }
      server_.join();
      session_.reset();
    }
    EXPECT_EQ(cache_.open_count(), 0u);
    rmdir(mountpoint_.c_str());
  }

  std::string Path(const std::string& name) const { return mountpoint_ + "/" + name; }

  void Put(const std::string& name, std::string_view content, mode_t mode = 0644) {
    const int fd = open(Path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, mode);
    ASSERT_GE(fd, 0) << strerror(errno);
    ASSERT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ASSERT_EQ(close(fd), 0);
  }

  std::string Get(const std::string& name) {
    const int fd = open(Path(name).c_str(), O_RDONLY);
    if (fd < 0) return StrCat("error ", errno);
    std::string content;
    char buffer[65536];
    for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;)
      content.append(buffer, static_cast<size_t>(got));
    close(fd);
    return content;
  }

  struct stat Stat(const std::string& name) {
    struct stat st {};
    EXPECT_EQ(lstat(Path(name).c_str(), &st), 0) << name << ": " << strerror(errno);
    return st;
  }

  // Runs `body` as another user in another process; its result is the exit status.
  static int AsNobody(const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) {
      if (setgid(kNobody) != 0 || setuid(kNobody) != 0) _exit(99);
      _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  RamMountCache cache_;
  std::string mountpoint_;
  std::unique_ptr<Session> session_;
  std::thread server_;
};

TEST_F(MountTest, ShowsItselfWithTypeAndSource) {
  const auto mounted = IsPailfsMount(mountpoint_);
  ASSERT_TRUE(mounted.ok());
  EXPECT_TRUE(*mounted);
  FILE* mounts = fopen("/proc/self/mounts", "r");
  ASSERT_NE(mounts, nullptr);
  bool found = false;
  char line[4096];
  while (fgets(line, sizeof line, mounts) != nullptr) {
    found = found || std::string_view(line).starts_with(StrCat("ram,with:comma ", mountpoint_, " fuse.pailfs "));
  }
  fclose(mounts);
  EXPECT_TRUE(found);
  SessionOptions again;
  again.mountpoint = mountpoint_;
  RamMountCache other;
  EXPECT_TRUE(Session::Mount(other, again).Is(Errc::kBusy));
}

TEST_F(MountTest, WritesReadsAppendsTruncates) {
  Put("file", "hello");
  EXPECT_EQ(Get("file"), "hello");
  const int fd = open(Path("file").c_str(), O_WRONLY | O_APPEND);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(pwrite(fd, " world", 6, 0), 6);  // O_APPEND wins
  ASSERT_EQ(fsync(fd), 0);
  ASSERT_EQ(close(fd), 0);
  EXPECT_EQ(Get("file"), "hello world");
  ASSERT_EQ(truncate(Path("file").c_str(), 4), 0);
  EXPECT_EQ(Get("file"), "hell");
  ASSERT_EQ(truncate(Path("file").c_str(), 6), 0);
  EXPECT_EQ(Get("file"), std::string("hell\0\0", 6));
  Put("file", "x");  // O_TRUNC
  EXPECT_EQ(Get("file"), "x");
  EXPECT_EQ(open(Path("file").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600), -1);
  EXPECT_EQ(errno, EEXIST);
}

TEST_F(MountTest, LargeContentPassesUnchanged) {
  std::string content(5'000'003, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 + i / 251);
  Put("large", content);
  EXPECT_EQ(Stat("large").st_size, 5'000'003);
  EXPECT_TRUE(Get("large") == content);
}

TEST_F(MountTest, NamesAndSizesHaveLimits) {
  const std::string longest(255, 'n');
  Put(longest, "1");
  EXPECT_EQ(Get(longest), "1");
  EXPECT_EQ(open(Path(std::string(256, 'n')).c_str(), O_WRONLY | O_CREAT, 0600), -1);
  EXPECT_EQ(errno, ENAMETOOLONG);
  const auto limit = static_cast<off_t>(cache::kMaxFileBytes);
  const int fd = open(Path("big").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(pwrite(fd, "x", 1, limit), -1);
  EXPECT_EQ(errno, EFBIG);
  EXPECT_EQ(ftruncate(fd, limit + 1), -1);
  EXPECT_EQ(errno, EFBIG);
  EXPECT_EQ(fallocate(fd, 0, limit, 1), -1);
  EXPECT_EQ(errno, EFBIG);
  close(fd);
}

TEST_F(MountTest, RenamesWithFlags) {
  Put("a", "A");
  Put("b", "B");
  EXPECT_EQ(renameat2(AT_FDCWD, Path("a").c_str(), AT_FDCWD, Path("b").c_str(), RENAME_NOREPLACE), -1);
  EXPECT_EQ(errno, EEXIST);
  ASSERT_EQ(renameat2(AT_FDCWD, Path("a").c_str(), AT_FDCWD, Path("b").c_str(), RENAME_EXCHANGE), 0);
  EXPECT_EQ(Get("a"), "B");
  EXPECT_EQ(Get("b"), "A");
  ASSERT_EQ(rename(Path("a").c_str(), Path("b").c_str()), 0);
  EXPECT_EQ(Get("b"), "B");
  EXPECT_EQ(access(Path("a").c_str(), F_OK), -1);
  ASSERT_EQ(mkdir(Path("d").c_str(), 0755), 0);
  EXPECT_EQ(rename(Path("b").c_str(), Path("d").c_str()), -1);
  EXPECT_EQ(errno, EISDIR);
  EXPECT_EQ(rename(Path("d").c_str(), Path("d/below").c_str()), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(renameat2(AT_FDCWD, Path("b").c_str(), AT_FDCWD, Path("w").c_str(), RENAME_WHITEOUT), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(MountTest, MakesEveryKindOfInode) {
  umask(022);
  ASSERT_EQ(mkdir(Path("dir").c_str(), 0777), 0);
  EXPECT_EQ(Stat("dir").st_mode, S_IFDIR | 0755u);
  EXPECT_EQ(Stat("").st_nlink, 3u);
  ASSERT_EQ(symlink("some/where", Path("link").c_str()), 0);
  char target[64] = {};
  ASSERT_EQ(readlink(Path("link").c_str(), target, sizeof target), 10);
  EXPECT_STREQ(target, "some/where");
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0644), 0);
  EXPECT_TRUE(S_ISFIFO(Stat("fifo").st_mode));
  ASSERT_EQ(mknod(Path("regular").c_str(), S_IFREG | 0640, 0), 0);
  EXPECT_EQ(Stat("regular").st_mode, S_IFREG | 0640u);
  if (geteuid() == 0) {
    ASSERT_EQ(mknod(Path("null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    EXPECT_EQ(Stat("null").st_rdev, makedev(1, 3));
  }
  EXPECT_EQ(link(Path("regular").c_str(), Path("other").c_str()), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(rmdir(Path("regular").c_str()), -1);
  EXPECT_EQ(errno, ENOTDIR);
  Put("dir/inside", "");
  EXPECT_EQ(rmdir(Path("dir").c_str()), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
}

TEST_F(MountTest, ReadsDirectoriesOfAnySizeWholeAndOnce) {
  constexpr int kFiles = 3000;
  for (int i = 0; i < kFiles; ++i) Put(StrCat("file-with-a-rather-long-name-", i), "");
  std::multiset<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(mountpoint_)) names.insert(entry.path().filename());
  EXPECT_EQ(names.size(), size_t{kFiles});
  for (int i = 0; i < kFiles; ++i) ASSERT_EQ(names.count(StrCat("file-with-a-rather-long-name-", i)), 1u);
}

TEST_F(MountTest, KeepsTimesToTheNanosecond) {
  Put("file", "x");
  const timespec times[2] = {{1'000'000'001, 123'456'789}, {-5, 999'999'999}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("file").c_str(), times, 0), 0);
  const struct stat st = Stat("file");
  EXPECT_EQ(st.st_atim.tv_sec, 1'000'000'001);
  EXPECT_EQ(st.st_atim.tv_nsec, 123'456'789);
  EXPECT_EQ(st.st_mtim.tv_sec, -5);
  EXPECT_EQ(st.st_mtim.tv_nsec, 999'999'999);
  const timespec only_modified[2] = {{0, UTIME_OMIT}, {7, 1}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("file").c_str(), only_modified, 0), 0);
  EXPECT_EQ(Stat("file").st_atim.tv_sec, 1'000'000'001);
  EXPECT_EQ(Stat("file").st_mtim.tv_sec, 7);
}

TEST_F(MountTest, ExtendedAttributes) {
  Put("file", "x");
  const std::string path = Path("file");
  ASSERT_EQ(setxattr(path.c_str(), "user.one", "value", 5, XATTR_CREATE), 0);
  EXPECT_EQ(setxattr(path.c_str(), "user.one", "value", 5, XATTR_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(setxattr(path.c_str(), "user.two", "value", 5, XATTR_REPLACE), -1);
  EXPECT_EQ(errno, ENODATA);
  ASSERT_EQ(setxattr(path.c_str(), "user.empty", "", 0, 0), 0);
  char buffer[64];
  EXPECT_EQ(getxattr(path.c_str(), "user.empty", buffer, sizeof buffer), 0);
  EXPECT_EQ(getxattr(path.c_str(), "user.one", nullptr, 0), 5);
  EXPECT_EQ(getxattr(path.c_str(), "user.one", buffer, 4), -1);
  EXPECT_EQ(errno, ERANGE);
  ASSERT_EQ(getxattr(path.c_str(), "user.one", buffer, sizeof buffer), 5);
  EXPECT_EQ(std::string_view(buffer, 5), "value");
  const ssize_t listed = listxattr(path.c_str(), buffer, sizeof buffer);
  ASSERT_GT(listed, 0);
  EXPECT_EQ(std::string_view(buffer, static_cast<size_t>(listed)), std::string_view("user.empty\0user.one\0", 20));
  EXPECT_EQ(listxattr(path.c_str(), nullptr, 0), listed);
  EXPECT_EQ(listxattr(path.c_str(), buffer, 3), -1);
  EXPECT_EQ(errno, ERANGE);
  ASSERT_EQ(removexattr(path.c_str(), "user.one"), 0);
  EXPECT_EQ(removexattr(path.c_str(), "user.one"), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(MountTest, HolesCanBePunchedAndFound) {
  constexpr off_t kBlock = 4096;
  Put("file", std::string(4 * kBlock, 'd'));
  const int fd = open(Path("file").c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kBlock, kBlock), 0);
  EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), kBlock);
  EXPECT_EQ(lseek(fd, kBlock, SEEK_DATA), 2 * kBlock);
  EXPECT_EQ(lseek(fd, 2 * kBlock, SEEK_HOLE), 4 * kBlock);
  EXPECT_EQ(lseek(fd, 4 * kBlock, SEEK_DATA), -1);
  EXPECT_EQ(errno, ENXIO);
  char byte = 'x';
  ASSERT_EQ(pread(fd, &byte, 1, kBlock + 10), 1);
  EXPECT_EQ(byte, '\0');
  EXPECT_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, kBlock), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ASSERT_EQ(fallocate(fd, 0, 0, 8 * kBlock), 0);
  EXPECT_EQ(lseek(fd, 0, SEEK_END), 8 * kBlock);
  close(fd);
}

TEST_F(MountTest, CopiesRanges) {
  Put("from", "0123456789");
  const int from = open(Path("from").c_str(), O_RDONLY);
  const int to = open(Path("to").c_str(), O_WRONLY | O_CREAT, 0600);
  off_t at = 2;
  EXPECT_EQ(copy_file_range(from, &at, to, nullptr, 100, 0), 8);
  close(from);
  close(to);
  EXPECT_EQ(Get("to"), "23456789");
}

TEST_F(MountTest, SharedMappingsReachTheFile) {
  Put("file", std::string(8192, 'a'));
  const int fd = open(Path("file").c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  void* mapping = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_NE(mapping, MAP_FAILED) << strerror(errno);
  static_cast<char*>(mapping)[5000] = 'b';
  ASSERT_EQ(msync(mapping, 8192, MS_SYNC), 0);
  ASSERT_EQ(munmap(mapping, 8192), 0);
  close(fd);
  const auto found = cache_.Lookup({}, cache::kRootIno, "file");
  ASSERT_TRUE(found.ok());
  std::byte byte{};
  ASSERT_TRUE(cache_.Read({}, found->ino, 5000, std::span(&byte, 1)).ok());
  EXPECT_EQ(byte, std::byte{'b'});
}

TEST_F(MountTest, UnlinkedFilesLiveUntilTheyAreClosed) {
  Put("file", "still here");
  const size_t inodes = cache_.inode_count();
  const int fd = open(Path("file").c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(unlink(Path("file").c_str()), 0);
  struct stat st {};
  ASSERT_EQ(fstat(fd, &st), 0);
  EXPECT_EQ(st.st_nlink, 0u);
  char buffer[16] = {};
  EXPECT_EQ(pread(fd, buffer, sizeof buffer, 0), 10);
  EXPECT_EQ(pwrite(fd, "STILL", 5, 0), 5);
  EXPECT_EQ(ftruncate(fd, 5), 0);
  ASSERT_EQ(fstat(fd, &st), 0);
  EXPECT_EQ(st.st_size, 5);
  EXPECT_EQ(cache_.inode_count(), inodes);
  close(fd);
}

TEST_F(MountTest, HandlesThatTheKernelNeverClosedAreClosedAtTheEnd) {
  // An unmount overtakes the releases of what was closed just before; the check is in TearDown.
  for (int i = 0; i < 200; ++i) Put(StrCat("file-", i), "x");
  for (int i = 0; i < 200; ++i) EXPECT_EQ(close(open(Path(StrCat("file-", i)).c_str(), O_RDWR)), 0);
}

TEST_F(MountTest, LocksExcludeOtherProcesses) {
  Put("file", "x");
  const int fd = open(Path("file").c_str(), O_RDWR);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  struct flock range {};
  range.l_type = F_WRLCK;
  ASSERT_EQ(fcntl(fd, F_SETLK, &range), 0);
  const std::string path = Path("file");
  const pid_t child = fork();
  if (child == 0) {
    const int other = open(path.c_str(), O_RDWR);
    const bool flock_refused = flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
    struct flock wanted {};
    wanted.l_type = F_WRLCK;
    const bool posix_refused = fcntl(other, F_SETLK, &wanted) == -1 && (errno == EAGAIN || errno == EACCES);
    _exit((flock_refused ? 1 : 0) + (posix_refused ? 2 : 0));
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 3);
  close(fd);
}

TEST_F(MountTest, WritingByOthersClearsSetuidAndSetgid) {
  ASSERT_EQ(geteuid(), 0U) << "needs root";
  const auto mode_after = [this](const std::function<int(const char*)>& change) {
    Put("program", "code");
    EXPECT_EQ(chmod(Path("program").c_str(), 06777), 0);
    EXPECT_EQ(Stat("program").st_mode & 07777u, 06777u);
    const std::string path = Path("program");
    EXPECT_EQ(AsNobody([&] { return change(path.c_str()); }), 0);
    return Stat("program").st_mode & 07777u;
  };
  EXPECT_EQ(mode_after([](const char* path) {
              const int fd = open(path, O_WRONLY);
              return write(fd, "x", 1) == 1 ? 0 : 1;
            }),
            0777u);
  EXPECT_EQ(mode_after([](const char* path) { return truncate(path, 1); }), 0777u);
  EXPECT_EQ(mode_after([](const char* path) { return open(path, O_WRONLY | O_TRUNC) >= 0 ? 0 : 1; }), 0777u);
  EXPECT_EQ(mode_after([](const char* path) { return fallocate(open(path, O_WRONLY), 0, 0, 100); }), 0777u);
  // Reading changes nothing, and neither does writing as root.
  EXPECT_EQ(mode_after([](const char* path) { return open(path, O_RDONLY) >= 0 ? 0 : 1; }), 06777u);
  const int fd = open(Path("program").c_str(), O_WRONLY);
  ASSERT_EQ(write(fd, "x", 1), 1);
  close(fd);
  EXPECT_EQ(Stat("program").st_mode & 07777u, 06777u);
  // A new owner takes them away, whoever makes the change.
  ASSERT_EQ(chown(Path("program").c_str(), 1, 1), 0);
  EXPECT_EQ(Stat("program").st_mode & 07777u, 0777u);
}

TEST_F(MountTest, PermissionsAreChecked) {
  ASSERT_EQ(geteuid(), 0U) << "needs root";
  Put("secret", "x", 0600);
  const std::string path = Path("secret");
  EXPECT_EQ(AsNobody([&] { return open(path.c_str(), O_RDONLY) == -1 && errno == EACCES ? 0 : 1; }), 0);
  const std::string created = Path("new");
  EXPECT_EQ(AsNobody([&] { return open(created.c_str(), O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES ? 0 : 1; }),
            0);
  ASSERT_EQ(chmod(mountpoint_.c_str(), 0777), 0);
  EXPECT_EQ(AsNobody([&] {
              umask(027);
              return open(created.c_str(), O_WRONLY | O_CREAT, 0666) >= 0 ? 0 : 1;
            }),
            0);
  EXPECT_EQ(Stat("new").st_uid, kNobody);
  EXPECT_EQ(Stat("new").st_mode & 0777u, 0640u);
}

TEST_F(MountTest, ChangesFromElsewhereAreSeen) {
  Put("file", "before");
  EXPECT_EQ(Get("file"), "before");
  const auto found = cache_.Lookup({}, cache::kRootIno, "file");
  ASSERT_TRUE(found.ok());
  cache_.ReplaceContent(found->ino, "afterwards");
  // The kernel is told by a thread: whoever opens the file later sees the change soon.
  while (Stat("file").st_size != 10) std::this_thread::yield();
  EXPECT_EQ(Get("file"), "afterwards");
}

TEST_F(MountTest, StatfsAnswers) {
  struct statvfs st {};
  ASSERT_EQ(statvfs(mountpoint_.c_str(), &st), 0);
  EXPECT_EQ(st.f_blocks * st.f_frsize, 1u << 30);
  EXPECT_EQ(st.f_namemax, 255u);
}

TEST_F(MountTest, IsBusyWhileAFileIsOpen) {
  Put("file", "x");
  const int fd = open(Path("file").c_str(), O_RDONLY);
  EXPECT_TRUE(session_->Unmount(/*lazy=*/false).Is(Errc::kBusy));
  close(fd);
}

TEST(SessionTest, StopEndsRunAndUnmounts) {
  char path[] = "/tmp/pailfs-mount-test-XXXXXX";
  ASSERT_NE(mkdtemp(path), nullptr);
  RamMountCache cache;
  SessionOptions options;
  options.mountpoint = path;
  options.source = "ram";
  auto session = Session::Mount(cache, options);
  ASSERT_TRUE(session.ok()) << session.error().message;
  std::thread stopper([&session] { (*session)->Stop(); });
  EXPECT_TRUE((*session)->Run().ok());
  stopper.join();
  session->reset();
  const auto mounted = IsPailfsMount(path);
  EXPECT_TRUE(mounted.ok() && !*mounted);
  EXPECT_EQ(rmdir(path), 0);
}

}  // namespace
}  // namespace pailfs::fs
