// The seam to the operating system's files: cache, store and LevelDB touch the disk only through it, so that a test can
// fail any call and drop everything that was not synced (tests/support/faulty_file_system.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pailfs {

struct FileStat {
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;  // what it takes on disk
  int64_t mtime_ns = 0;
  uint32_t mode = 0600;  // permission bits, as in chmod(2)
};

// An open file. Thread-safe as pread(2) and pwrite(2) are. Errors: kIo, kNoSpace.
class File {
 public:
  virtual ~File() = default;

  // Reads up to buffer.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<std::byte> buffer) = 0;
  // Writes all of `data`, extending the file where needed.
  virtual Status WriteAt(uint64_t offset, std::span<const std::byte> data) = 0;
  // fdatasync(2): data and size are on the disk. After a failure the file must not be trusted or synced again.
  virtual Status Sync() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // fallocate(2): reserves the range; `keep_size` leaves the size alone.
  virtual Status Allocate(uint64_t offset, uint64_t length, bool keep_size) = 0;
  // fallocate(2) FALLOC_FL_PUNCH_HOLE: the range reads as zeros and takes no space.
  virtual Status PunchHole(uint64_t offset, uint64_t length) = 0;
  virtual Result<FileStat> Stat() = 0;
  // lseek(2) SEEK_DATA: the first offset >= `offset` that may hold data; nullopt when only a hole follows.
  virtual Result<std::optional<uint64_t>> SeekData(uint64_t offset) = 0;
  // lseek(2) SEEK_HOLE: the first offset >= `offset` in a hole (the end of the file counts). kRange past the end.
  virtual Result<uint64_t> SeekHole(uint64_t offset) = 0;
  // The descriptor behind, for splice and passthrough; -1 where there is none (a file of a test).
  virtual int fd() const { return -1; }
};

enum class OpenMode : uint8_t {
  kRead,         // must exist
  kReadWrite,    // must exist
  kCreate,       // read and write; made if absent, kept if there
  kCreateEmpty,  // read and write; made if absent, emptied if there
  kCreateNew,    // read and write; kAlreadyExists if there
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // for an unprivileged process
};

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Thread-safe. Paths are the host's. New files have mode 0600, directories 0700. Errors: kNotFound, kAlreadyExists,
// kAccessDenied, kNoSpace, kIo; the message names the path.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Unlink(const std::string& path) = 0;
  // Makes the directory; one that is there already is fine.
  virtual Status MakeDirectory(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& path) = 0;
  // Names in the directory, without "." and "..", in no order.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  virtual Result<FileStat> Stat(const std::string& path) = 0;
  // fsync(2) of a directory: creations, renames and unlinks in it are on the disk.
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Takes an exclusive flock(2) and writes our pid into the file. kBusy, naming the holder's pid, when it is taken.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  virtual Result<SpaceInfo> Space(const std::string& path) = 0;
  // syncfs(2): everything written to the file system of `path` is on the disk.
  virtual Status SyncAll(const std::string& path) = 0;
};

// The real one.
FileSystem& PosixFileSystem();

// The directory that a path's last name is in: "." for a bare name.
std::string ParentDirectory(const std::string& path);
// The whole of a small file. kNotFound when it is absent.
Result<std::string> ReadFile(FileSystem& fs, const std::string& path);
// Replaces a small file atomically and durably: temporary file, fdatasync, rename, fsync of the directory.
Status WriteFileDurably(FileSystem& fs, const std::string& path, std::string_view content);
// mkdir -p; what it makes is durable.
Status MakeDirectories(FileSystem& fs, const std::string& path);
// Everything below and including `path`; absent is fine.
Status RemoveTree(FileSystem& fs, const std::string& path);

}  // namespace pailfs
