#include "cli/put_object.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/str.h"

namespace pailfs::cli {
namespace {

constexpr uint64_t kSmallestPart = 64 << 20;

class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// A range of an open file.
class FdBody : public BodySource {
 public:
  FdBody(int fd, uint64_t offset, uint64_t size) : fd_(fd), offset_(offset), size_(size) {}
  uint64_t size_bytes() const override { return size_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    uint64_t at = offset_ + offset;
    while (!buffer.empty()) {
      const ssize_t got = pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoError(errno, "reading the file");
      if (got == 0) return Error{Errc::kCancelled, "the file became shorter while it was read"};
      buffer = buffer.subspan(static_cast<size_t>(got));
      at += static_cast<uint64_t>(got);
    }
    return {};
  }

 private:
  const int fd_;
  const uint64_t offset_;
  const uint64_t size_;
};

// Everything that can be read from `from`, in a file without a name.
Result<int> Spool(int from) {
  const char* temporary = std::getenv("TMPDIR");
  std::string path = StrCat(temporary != nullptr && temporary[0] == '/' ? temporary : "/tmp", "/pailfs-put-XXXXXX");
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return ErrnoError(errno, path);
  unlink(path.c_str());
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) return fd;
    for (ssize_t done = 0; got > 0 && done < got;) {
      const ssize_t wrote = write(fd, buffer.data() + done, static_cast<size_t>(got - done));
      if (wrote < 0 && errno != EINTR) {
        const int error = errno;
        close(fd);
        return ErrnoError(error, "keeping standard input in a temporary file");
      }
      done += std::max<ssize_t>(wrote, 0);
    }
    if (got < 0) {
      const int error = errno;
      close(fd);
      return ErrnoError(error, "reading standard input");
    }
  }
}

Result<PutResult> PutParts(ObjectStore& bucket, std::string_view key, int fd, uint64_t size,
                           const PutOptions& options) {
  const uint64_t part_size = std::max(kSmallestPart, size / kMaxParts + 1);
  ASSIGN_OR_RETURN(const std::string upload, bucket.CreateMultipartUpload({}, key, options));
  std::vector<UploadedPart> parts;
  for (uint64_t offset = 0; offset < size; offset += part_size) {
    FdBody body(fd, offset, std::min(part_size, size - offset));
    auto part = bucket.UploadPart({}, key, upload, static_cast<int>(parts.size()) + 1, body);
    if (!part.ok()) {
      const Status aborted = bucket.AbortMultipartUpload({}, key, upload);
      if (!aborted.ok()) return std::move(part).error().With("an unfinished upload is left behind");
      return std::move(part).error();
    }
    parts.push_back(std::move(*part));
  }
  return bucket.CompleteMultipartUpload({}, key, upload, parts, options.conditions);
}

}  // namespace

Result<PutResult> PutFile(ObjectStore& bucket, std::string_view key, const std::string& path,
                          const PutOptions& options) {
  const bool from_stdin = path == "-";
  const OwnedFd file(from_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st {};
  if (file.get() < 0 || fstat(file.get(), &st) != 0) return ErrnoError(errno, path);
  if (S_ISDIR(st.st_mode)) return Error{Errc::kIsADirectory, StrCat(path, " is a directory")};
  int spooled = -1;
  // Standard input may be a file that somebody has read from: only what follows is ours.
  if (!S_ISREG(st.st_mode) || from_stdin) {
    ASSIGN_OR_RETURN(spooled, Spool(file.get()));
  }
  const OwnedFd copy(spooled);
  const int fd = spooled >= 0 ? spooled : file.get();
  if (fstat(fd, &st) != 0) return ErrnoError(errno, path);
  const auto size = static_cast<uint64_t>(st.st_size);
  if (size > kMaxSinglePutBytes) return PutParts(bucket, key, fd, size, options);
  FdBody body(fd, 0, size);
  return bucket.Put({}, key, body, options);
}

}  // namespace pailfs::cli
