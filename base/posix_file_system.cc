#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file_system.h"
#include "base/str.h"

namespace pailfs {
namespace {

constexpr uint64_t kStatBlockBytes = 512;

// Repeats a system call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

FileStat ToFileStat(const struct stat& st) {
  return {static_cast<uint64_t>(st.st_size), static_cast<uint64_t>(st.st_blocks) * kStatBlockBytes,
          static_cast<int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec,
          static_cast<uint32_t>(st.st_mode) & 07777U};
}

class PosixFile : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t got = Retry([&] {
        return pread(fd_.get(), buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
      });
      if (got < 0) return Failure();
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    size_t done = 0;
    while (done < data.size()) {
      const ssize_t put = Retry(
          [&] { return pwrite(fd_.get(), data.data() + done, data.size() - done, static_cast<off_t>(offset + done)); });
      if (put < 0) return Failure();
      done += static_cast<size_t>(put);
    }
    return {};
  }

  Status Sync() override {
    return Check(Retry([&] { return fdatasync(fd_.get()); }));
  }
  Status Truncate(uint64_t size) override {
    return Check(Retry([&] { return ftruncate(fd_.get(), static_cast<off_t>(size)); }));
  }
  Status Allocate(uint64_t offset, uint64_t length, bool keep_size) override {
    return Fallocate(keep_size ? FALLOC_FL_KEEP_SIZE : 0, offset, length);
  }
  Status PunchHole(uint64_t offset, uint64_t length) override {
    return Fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  }
  Result<FileStat> Stat() override {
    struct stat st {};
    if (fstat(fd_.get(), &st) != 0) return Failure();
    return ToFileStat(st);
  }
  Result<std::optional<uint64_t>> SeekData(uint64_t offset) override {
    const off_t found = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (found >= 0) return std::optional<uint64_t>(static_cast<uint64_t>(found));
    if (errno == ENXIO) return std::optional<uint64_t>();
    return Failure();
  }
  Result<uint64_t> SeekHole(uint64_t offset) override {
    const off_t found = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_HOLE);
    if (found < 0) return Failure();
    return static_cast<uint64_t>(found);
  }
  int fd() const override { return fd_.get(); }

 private:
  Error Failure() const { return ErrnoError(errno, path_); }
  Status Check(int result) const {
    if (result != 0) return Failure();
    return {};
  }
  Status Fallocate(int mode, uint64_t offset, uint64_t length) {
    return Check(
        Retry([&] { return fallocate(fd_.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)); }));
  }

  const Descriptor fd_;
  const std::string path_;
};

class PosixLock : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}

 private:
  const Descriptor fd_;
};

class RealFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreate:
        flags |= O_RDWR | O_CREAT;
        break;
      case OpenMode::kCreateEmpty:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
      case OpenMode::kCreateNew:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    const int fd = Retry([&] { return open(path.c_str(), flags, 0600); });
    if (fd < 0) return ErrnoError(errno, path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return Check(rename(from.c_str(), to.c_str()), StrCat("renaming ", from, " to ", to));
  }
  Status Unlink(const std::string& path) override { return Check(unlink(path.c_str()), path); }
  Status MakeDirectory(const std::string& path) override {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoError(errno, path);
    return {};
  }
  Status RemoveDirectory(const std::string& path) override { return Check(rmdir(path.c_str()), path); }
  Result<std::vector<std::string>> List(const std::string& path) override {
    DIR* dir = opendir(path.c_str());
    if (dir == nullptr) return ErrnoError(errno, path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int failure = errno;
    closedir(dir);
    if (failure != 0) return ErrnoError(failure, path);
    return names;
  }
  Result<bool> Exists(const std::string& path) override {
    if (access(path.c_str(), F_OK) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ErrnoError(errno, path);
  }
  Result<FileStat> Stat(const std::string& path) override {
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) return ErrnoError(errno, path);
    return ToFileStat(st);
  }
  Status SyncDirectory(const std::string& path) override { return SyncPath(path, fsync); }
  Status SyncAll(const std::string& path) override { return SyncPath(path, syncfs); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return ErrnoError(errno, path);
    auto lock = std::make_unique<PosixLock>(fd);
    char text[32] = {};
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoError(errno, path);
      const ssize_t got = pread(fd, text, sizeof text - 1, 0);
      std::string holder(text, got > 0 ? static_cast<size_t>(got) : 0);
      while (!holder.empty() && holder.back() == '\n') holder.pop_back();
      return Error{Errc::kBusy, StrCat(path, " is in use by process ", holder.empty() ? "(unknown)" : holder)};
    }
    const int length = std::snprintf(text, sizeof text, "%d\n", getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, static_cast<size_t>(length), 0) != length) {
      return ErrnoError(errno, path);
    }
    return std::unique_ptr<FileLock>(std::move(lock));
  }
  Result<SpaceInfo> Space(const std::string& path) override {
    struct statvfs st {};
    if (statvfs(path.c_str(), &st) != 0) return ErrnoError(errno, path);
    return SpaceInfo{st.f_blocks * st.f_frsize, st.f_bavail * st.f_frsize};
  }

 private:
  static Status Check(int result, std::string_view what) {
    if (result != 0) return ErrnoError(errno, what);
    return {};
  }
  static Status SyncPath(const std::string& path, int (*sync_call)(int)) {
    const Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return ErrnoError(errno, path);
    return Check(Retry([&] { return sync_call(fd.get()); }), path);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static RealFileSystem fs;
  return fs;
}

}  // namespace pailfs
