// Files, directories, links and special files as the commands for the past handle them: found by name in an open
// directory, then held, so that a name that is exchanged meanwhile leads nowhere else.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pailfs::cli {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { std::ignore = Close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  // What could not be written before may show here.
  Status Close();

 private:
  int fd_;
};

// The owner can be kept by root alone; others own what they make.
enum class Owners : uint8_t { kKeep, kOurs };
Owners OwnersWeCanKeep();

// The path of what has the name in the directory; of the directory itself, where `name` is empty.
std::string JoinPath(std::string_view directory, std::string_view name);

enum class Difference : uint8_t { kNone, kMetadata, kContent, kType };

using Xattrs = std::map<std::string, std::string>;

// Not thread-safe. Errors are those of the system calls; the caller adds the path.
class Node {
 public:
  // `name` in `directory` (AT_FDCWD: a path); "." is the directory itself. A symbolic link is not followed.
  // kNotFound, kNotADirectory.
  static Result<Node> Find(int directory, const std::string& name);
  // The same, with nullopt for what is not there; `directory` -1 is a directory that is not there either.
  static Result<std::optional<Node>> Look(int directory, const std::string& name);
  // Links are followed. kNotADirectory.
  static Result<Node> FindDirectory(const std::string& path);

  // Good for *at() calls and fstat(2), not for reading.
  int fd() const { return fd_.get(); }
  const struct stat& st() const { return st_; }
  uint64_t size() const { return static_cast<uint64_t>(st_.st_size); }
  bool IsDirectory() const { return S_ISDIR(st_.st_mode); }
  bool IsRegular() const { return S_ISREG(st_.st_mode); }
  bool IsLink() const { return S_ISLNK(st_.st_mode); }

  Result<std::string> LinkTarget() const;
  Result<Descriptor> OpenForReading() const;
  // Sorted by bytes, without "." and "..".
  Result<std::vector<std::string>> List() const;
  // nullopt: has none of that name, or can have none.
  Result<std::optional<std::string>> Xattr(const std::string& name) const;
  // "etag" or "version_id" of the object that holds the content; nullopt while the content is newer than that.
  Result<std::optional<std::string>> OfObject(const std::string& what) const;
  // Those that belong to a file's owner: user.*, without what pailfs tells there, and ACLs.
  Result<Xattrs> OwnXattrs() const;

  // Gives it the mode, owner, xattrs and mtime of `source`. Set-ids are not kept for another owner than the source's.
  Status CopyMetadata(const Node& source, Owners owners) const;

 private:
  Node(Descriptor fd, const struct stat& st) : fd_(std::move(fd)), st_(st) {}
  // Leads to the inode, whatever is at its name.
  std::string Path() const;
  Status SetXattrs(const Xattrs& wanted) const;

  Descriptor fd_;
  struct stat st_;
};

struct Comparison {
  Owners owners = Owners::kKeep;  // kOurs: owners are not compared, nor set-ids that could not be kept
  bool directory_mtimes = false;
};
// What makes `now` another than `then`. Content is compared by size and ETag, by size and mtime where one has no ETag.
Result<Difference> Compare(const Node& then, const Node& now, const Comparison& comparison);

}  // namespace pailfs::cli
