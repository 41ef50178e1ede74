// MountCache: the tree that a mount shows, and the process that makes the bucket follow it.
//
// Namespace mutations are one database batch each and visible at once; the bucket follows by write-back
// (docs/ARCHITECTURE.md, "The model"). fs/ calls this class and nothing else of cache/.
//
// Inodes are named by number: persistent, never reused, equal to st_ino and to the kernel's nodeid. There are no lookup
// counts and no handle objects: Open and Close count openings of an inode, so a new worker can rebuild them.
//
// Thread-safe. Calls that take an OpContext may wait (for a bucket listing, a download, room in the cache) and give up
// with kCancelled or kTimedOut; the others touch memory and the local databases only. Errors are those of POSIX for the
// operation (base/error.h maps them to errno).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/object_store.h"
#include "base/op_context.h"
#include "base/random.h"
#include "base/result.h"

namespace pailfs::cache {

using Ino = uint64_t;
inline constexpr Ino kRootIno = 1;
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr uint64_t kMaxFileBytes = 5ULL << 40;  // S3's object limit: EFBIG beyond

// Inodes of the view of the past: read-only, but for the names of snapshots.
inline constexpr Ino kPastBits = 3ULL << 62;
constexpr bool IsPast(Ino ino) {
  return (ino & kPastBits) == kPastBits;
}

struct Attributes {
  Ino ino = 0;
  uint32_t mode = 0;  // type and permissions, as st_mode
  uint32_t nlink = 1;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;  // as st_rdev
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  int64_t atime_ns = 0;  // since 1970 UTC
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  int64_t name_ttl_ns = INT64_MAX;  // so long the name and these attributes may be believed at most
};

// The process on whose behalf an inode is made.
struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;  // applied unless the directory has a default ACL
};

struct NewInode {
  uint32_t mode = 0;  // type (S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK) and permissions
  uint64_t rdev = 0;
  std::string symlink_target;
};

struct AttributeChange {
  static constexpr int64_t kNow = INT64_MIN;
  std::optional<uint32_t> mode;  // permissions; the type bits are ignored
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size_bytes;
  std::optional<int64_t> atime_ns;  // kNow: the time of the call
  std::optional<int64_t> mtime_ns;
  bool kill_privileges = false;  // clear setuid (and setgid where group-executable), as chown and truncate by others do
};

struct OpenFlags {
  bool write = false;
  bool truncate = false;
};

enum class RenameMode : uint8_t { kReplace, kNoReplace, kExchange };
enum class XattrMode : uint8_t { kCreateOrReplace, kCreate, kReplace };
enum class SeekTo : uint8_t { kData, kHole };
enum class AllocateMode : uint8_t { kExtend, kKeepSize, kPunchHole, kZeroRange, kZeroRangeKeepSize };

struct DirectoryEntry {
  std::string name;
  uint64_t cookie = 0;  // resume after this entry; stable while the mount lives and across restarts
  Attributes attributes;
  // False: only ino, size and, where it says S_IFDIR, the type hold; Lookup asks for the rest.
  bool attributes_known = true;
};

struct FileSystemStats {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t files = 0;
};

// What the kernel caches and must forget. Called without locks held.
class KernelNotifier {
 public:
  virtual ~KernelNotifier() = default;
  virtual void InvalidateInode(Ino ino) = 0;  // attributes and pages
  virtual void InvalidateEntry(Ino parent, std::string_view name) = 0;
};

// Whether directories have `.snapshot` and `.versions`.
enum class SnapshotView : uint8_t { kHidden, kVisible, kOff };

// The moments that `.snapshot` lists beside the named ones: so many full hours, midnights and Mondays (UTC).
struct SnapshotSeries {
  int hours = 24;
  int days = 30;
  int weeks = 52;
};

struct MountOptions {
  std::string directory;                       // of the cache; made if absent
  std::string prefix;                          // of all keys; empty or ends with '/'
  uint64_t size_limit_bytes = 20ULL << 30;     // of cached file data, dirty data included
  int64_t writeback_delay_ns = 2'000'000'000;  // idle time before an upload
  // So long a request that got no answer may still be carried out; 0 in simulations.
  int64_t late_arrival_ns = 5'000'000'000;
  int64_t full_timeout_ns = 60'000'000'000;  // how long a writer waits for room before ENOSPC
  bool fsync_to_bucket = false;
  // How long what the bucket said of names and attributes is believed; then it is asked again, at lookups and opens.
  // Nullopt: nobody else changes the bucket.
  std::optional<int64_t> ttl_ns;
  bool posix_metadata = true;  // off: modes and owners neither read nor written
  bool read_only = false;
  bool utf8_names = false;      // the bucket's keys are UTF-8: no other name can be given
  std::optional<uint32_t> uid;  // overrides for everything shown
  std::optional<uint32_t> gid;
  uint32_t default_uid = 0;  // of objects without metadata
  uint32_t default_gid = 0;
  uint32_t default_umask = 022;
  std::string host_name;  // in the names of conflict copies
  SnapshotView snapshot_view = SnapshotView::kHidden;
  std::string snapshot_name = ".snapshot";
  std::string versions_name = ".versions";
  SnapshotSeries snapshot_series;
  size_t upload_threads = 32;
  bool background = true;             // false: only RunWriteBack moves anything (simulation)
  size_t max_cached_inodes = 50'000;  // in memory; the rest stays in the database
};

struct UploadError {
  std::string path;
  std::string message;
};

struct CacheStatus {
  uint64_t used_bytes = 0;
  uint64_t limit_bytes = 0;
  uint64_t dirty_inodes = 0;  // waiting for write-back or in it
  uint64_t dirty_bytes = 0;
  uint64_t pending_deletes = 0;
  uint64_t steps_in_flight = 0;
  std::vector<UploadError> errors;  // the first few files that cannot be uploaded; "(deletions)" for objects that stay
  uint64_t error_count = 0;
  std::string unreachable;  // why the bucket could not be asked lately; empty: it could
};

class MountCache {
 public:
  // Opens or makes the cache directory, recovers what an earlier process left, and starts write-back. All references
  // must outlive the cache. Errors: kBusy (another process holds the directory: its pid), kCorrupt (what to run),
  // kUnsupported (a format version we do not know), kInvalidArgument (the cache belongs to another bucket).
  static Result<std::unique_ptr<MountCache>> Open(FileSystem& files, ObjectStore& store, Clock& clock, Random& random,
                                                  Metrics& metrics, const MountOptions& options);
  virtual ~MountCache() = default;

  // Null: none (any more); nobody uses the former one when this returns.
  virtual void SetKernelNotifier(KernelNotifier* notifier) = 0;

  // --- names ---
  virtual Result<Attributes> Lookup(const OpContext& ctx, Ino parent, std::string_view name) = 0;
  virtual Result<Attributes> GetAttributes(Ino ino) = 0;
  virtual Result<Attributes> SetAttributes(const OpContext& ctx, Ino ino, const AttributeChange& change) = 0;
  // mkdir, mknod, symlink. kAlreadyExists.
  virtual Result<Attributes> Make(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode,
                                  const Caller& caller) = 0;
  // open(O_CREAT): makes a regular file or, unless `exclusive`, opens the one that is there; counts as an Open.
  virtual Result<Attributes> Create(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode,
                                    const Caller& caller, OpenFlags flags, bool exclusive) = 0;
  virtual Result<std::string> ReadLink(const OpContext& ctx, Ino ino) = 0;
  virtual Status Unlink(const OpContext& ctx, Ino parent, std::string_view name) = 0;
  virtual Status RemoveDirectory(const OpContext& ctx, Ino parent, std::string_view name) = 0;
  virtual Status Rename(const OpContext& ctx, Ino parent, std::string_view name, Ino new_parent,
                        std::string_view new_name, RenameMode mode) = 0;

  // --- directories ---
  // Makes the directory's entries known, as they were at most `ttl_ns` ago. With the bucket out of reach what was known
  // before does.
  virtual Status OpenDirectory(const OpContext& ctx, Ino ino) = 0;
  virtual void CloseDirectory(Ino ino) = 0;
  // Entries after `cookie` (0: from the start), "." and ".." first, until `visit` returns false; the entry for which it
  // does counts as not delivered. Cookies 1 and 2 are "." and "..".
  virtual Status ReadDirectory(const OpContext& ctx, Ino ino, uint64_t cookie,
                               const std::function<bool(const DirectoryEntry&)>& visit) = 0;

  // --- content of regular files ---
  virtual Status Open(const OpContext& ctx, Ino ino, OpenFlags flags) = 0;
  virtual void Close(Ino ino, OpenFlags flags) = 0;
  // Fewer bytes than asked only at the end of the file.
  virtual Result<size_t> Read(const OpContext& ctx, Ino ino, uint64_t offset, std::span<std::byte> buffer) = 0;
  // All or nothing.
  virtual Status Write(const OpContext& ctx, Ino ino, uint64_t offset, std::span<const std::byte> data,
                       bool kill_privileges) = 0;
  // At close(): content and attributes survive the daemon from here on. Returns an upload error that nobody has seen
  // yet.
  virtual Status Flush(const OpContext& ctx, Ino ino) = 0;
  // Survives power loss (fsync=local), or is in the bucket (fsync=bucket). Directories too.
  virtual Status Fsync(const OpContext& ctx, Ino ino) = 0;
  virtual Status Allocate(const OpContext& ctx, Ino ino, AllocateMode mode, uint64_t offset, uint64_t length) = 0;
  // kNoData is ENODATA in xattr calls, but lseek answers ENXIO: kRange.
  virtual Result<uint64_t> Seek(const OpContext& ctx, Ino ino, uint64_t offset, SeekTo what) = 0;
  // copy_file_range: how many bytes were copied; fewer than `length` at the end of the source.
  virtual Result<uint64_t> CopyRange(const OpContext& ctx, Ino source, uint64_t source_offset, Ino target,
                                     uint64_t target_offset, uint64_t length) = 0;

  // --- extended attributes: user.*, trusted.*, security.*, system.posix_acl_access, system.posix_acl_default;
  //     virtual and read-only, not listed: user.pailfs.etag, .version_id, .storage_class, .state; of directories
  //     .snapdir, of those of the past .time, .snapshot, .history ---
  virtual Result<std::string> GetXattr(Ino ino, std::string_view name) = 0;  // kNoData
  virtual Result<std::vector<std::string>> ListXattrs(Ino ino) = 0;
  virtual Status SetXattr(Ino ino, std::string_view name, std::string_view value, XattrMode mode) = 0;
  virtual Status RemoveXattr(Ino ino, std::string_view name) = 0;

  virtual Result<FileSystemStats> Stats(const OpContext& ctx) = 0;

  // --- would this call answer without the network? Hints, for dispatching. ---
  virtual bool LookupIsLocal(Ino parent, std::string_view name) = 0;
  virtual bool DirectoryIsLocal(Ino ino) = 0;
  virtual bool ReadIsLocal(Ino ino, uint64_t offset, uint64_t length) = 0;
  // False too when the cache is full and a writer would wait.
  virtual bool WriteIsLocal(Ino ino, uint64_t offset, uint64_t length) = 0;

  // --- write-back ---
  // Returns when everything changed before the call is in the bucket, or with the first error that stands in the way.
  // `progress` (may be null) is called about twice a second with what is left.
  virtual Status FlushAll(const OpContext& ctx, const std::function<void(const CacheStatus&)>& progress) = 0;
  // Without background: executes what is due (everything, when `ignore_delay`), one step at a time, until nothing is
  // left or only what cannot succeed; returns how many steps it took.
  virtual Result<size_t> RunWriteBack(const OpContext& ctx, bool ignore_delay) = 0;
  virtual CacheStatus GetStatus() = 0;
  // Ends the threads and closes the databases in order. Does not flush. No call may follow or be under way.
  virtual void Shutdown() = 0;
};

}  // namespace pailfs::cache
