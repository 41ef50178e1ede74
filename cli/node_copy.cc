#include "cli/node_copy.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/random.h"
#include "base/str.h"

namespace pailfs::cli {
namespace {

constexpr std::string_view kTemporaryPrefix = ".pailfs-restore-";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr size_t kRandomLetters = 6;
constexpr int kMostTries = 100;
constexpr size_t kBufferBytes = 1 << 20;

std::string RandomName() {
  std::string name(kTemporaryPrefix);
  for (size_t i = 0; i < kRandomLetters; ++i) name.push_back(kLetters[SystemRandom().Below(kLetters.size())]);
  return name;
}

Status WriteAll(int fd, const char* data, size_t length) {
  while (length > 0) {
    const ssize_t wrote = write(fd, data, length);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return ErrnoError(errno, "writing");
    data += wrote;
    length -= static_cast<size_t>(wrote);
  }
  return {};
}

Error Stopped() {
  return Error{Errc::kCancelled, "interrupted"};
}

Error EndedEarly(uint64_t done, uint64_t size) {
  return Error{Errc::kIo, StrCat("the source ended after ", done, " of ", size, " bytes")};
}

// From another file system; both stand at their start.
Status CopyThroughMemory(int source, int target, uint64_t size, CopyObserver& observer) {
  std::vector<char> buffer(kBufferBytes);
  for (uint64_t done = 0; done < size;) {
    if (observer.StopRequested()) return Stopped();
    const ssize_t got = read(source, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "reading");
    if (got == 0) return EndedEarly(done, size);
    RETURN_IF_ERROR(WriteAll(target, buffer.data(), static_cast<size_t>(got)));
    done += static_cast<uint64_t>(got);
    observer.OnBytes(static_cast<uint64_t>(got));
  }
  return {};
}

bool CannotCopyRanges(int error_number) {
  return error_number == EXDEV || error_number == EOPNOTSUPP || error_number == EINVAL || error_number == ENOSYS;
}

// The first call asks for the whole file: the mount then leaves the copying to the bucket.
Status CopyContent(int source, int target, uint64_t size, bool same_mount, CopyObserver& observer) {
  for (uint64_t done = 0; done < size;) {
    const ssize_t got = copy_file_range(source, nullptr, target, nullptr, size - done, 0);
    if (got < 0 && errno == EINTR && !observer.StopRequested()) continue;
    if (got < 0 && errno == EINTR) return Stopped();
    if (got < 0 && done == 0 && !same_mount && CannotCopyRanges(errno)) {
      return CopyThroughMemory(source, target, size, observer);
    }
    if (got < 0) return ErrnoError(errno, "copying");
    if (got == 0) return EndedEarly(done, size);
    done += static_cast<uint64_t>(got);
    observer.OnBytes(static_cast<uint64_t>(got));
  }
  return {};
}

// Makes the node under a name that nothing has, without content.
Status MakeEmpty(const Node& source, int directory, const std::string& name, Descriptor* file) {
  if (source.IsRegular()) {
    *file = Descriptor(openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    return file->get() >= 0 ? Status() : ErrnoError(errno, "making a file");
  }
  if (source.IsLink()) {
    ASSIGN_OR_RETURN(const std::string target, source.LinkTarget());
    const int made = symlinkat(target.c_str(), directory, name.c_str());
    return made == 0 ? Status() : ErrnoError(errno, "making a symbolic link");
  }
  const mode_t type = source.st().st_mode & S_IFMT;
  const int made = mknodat(directory, name.c_str(), type | 0600, source.st().st_rdev);
  return made == 0 ? Status() : ErrnoError(errno, "making a special file");
}

// Others may write in that directory too: what they put under the name must not get an owner and a mode from us.
Status CheckOurs(const Node& node, const Node& source, int file) {
  struct stat opened {};
  const bool regular = source.IsRegular();
  const bool same_file =
      !regular || (fstat(file, &opened) == 0 && opened.st_dev == node.st().st_dev && opened.st_ino == node.st().st_ino);
  const bool same_type = (node.st().st_mode & S_IFMT) == (source.st().st_mode & S_IFMT);
  if (same_file && same_type && node.st().st_nlink == 1) return {};
  return Error{Errc::kBusy, "somebody replaced the temporary file"};
}

}  // namespace

bool IsTemporaryName(std::string_view name) {
  return name.size() == kTemporaryPrefix.size() + kRandomLetters && name.starts_with(kTemporaryPrefix) &&
         name.find_first_not_of(kLetters, kTemporaryPrefix.size()) == std::string_view::npos;
}

Result<TemporaryCopy> TemporaryCopy::Make(const Node& source, int directory, Owners owners, CopyObserver& observer) {
  std::string name = RandomName();
  Descriptor file;
  Status made = MakeEmpty(source, directory, name, &file);
  for (int tries = 1; made.Is(Errc::kAlreadyExists) && tries < kMostTries; ++tries) {
    name = RandomName();
    made = MakeEmpty(source, directory, name, &file);
  }
  if (!made.ok()) return std::move(made).error();
  TemporaryCopy copy(directory, std::move(name));
  ASSIGN_OR_RETURN(const Node node, Node::Find(directory, copy.name_));
  RETURN_IF_ERROR(CheckOurs(node, source, file.get()));
  if (source.IsRegular()) {
    ASSIGN_OR_RETURN(const Descriptor from, source.OpenForReading());
    const bool same_mount = source.st().st_dev == node.st().st_dev;
    RETURN_IF_ERROR(CopyContent(from.get(), file.get(), source.size(), same_mount, observer));
    // Before the time is set, which a late write would change again.
    RETURN_IF_ERROR(file.Close());
  }
  RETURN_IF_ERROR(node.CopyMetadata(source, owners));
  return copy;
}

TemporaryCopy::~TemporaryCopy() {
  if (!name_.empty()) unlinkat(directory_, name_.c_str(), 0);
}

Status TemporaryCopy::TakeName(const std::string& name, Replace replace) {
  const unsigned flags = replace == Replace::kNever ? RENAME_NOREPLACE : 0;
  if (renameat2(directory_, name_.c_str(), directory_, name.c_str(), flags) != 0) {
    return ErrnoError(errno, "giving the copy its name");
  }
  name_.clear();
  return {};
}

}  // namespace pailfs::cli
