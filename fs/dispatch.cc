#include "fs/dispatch.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "fs/fuse_api.h"

namespace pailfs::fs {
namespace {

constexpr uint32_t kMaxWriteBytes = 1 << 20;

Connection& ConnectionOf(fuse_req_t req) {
  return *static_cast<Connection*>(fuse_req_userdata(req));
}
Verbs& VerbsOf(fuse_req_t req) {
  return ConnectionOf(req).verbs;
}

Reply ReplyTo(fuse_req_t req) {
  const Connection& connection = ConnectionOf(req);
  return {req, connection.timeouts, connection.session_end};
}

Request RequestOf(fuse_req_t req) {
  const fuse_ctx* ctx = fuse_req_ctx(req);
  return {.caller = {.uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask},
          .kill_privileges = CurrentRequestFacts().kill_privileges};
}

uint64_t Unsigned(off_t offset) {
  return static_cast<uint64_t>(offset);
}

std::span<const std::byte> Bytes(const char* data, size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

void Init(void*, fuse_conn_info* conn) {
  constexpr uint32_t kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPORT_SUPPORT |
                               FUSE_CAP_DONT_MASK | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                               FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_POSIX_ACL | FUSE_CAP_EXPLICIT_INVAL_DATA;
  // The kernel does locks by itself; its write-back cache loses data when we die; splicing is slower than a buffer that
  // is used again; HANDLE_KILLPRIV (the first) does not say who writes, its successor is negotiated in DeviceIo.
  constexpr uint32_t kUnwanted = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_WRITEBACK_CACHE |
                                 FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                                 FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_IOCTL_DIR;
  conn->want = static_cast<uint32_t>((conn->want | (conn->capable & kWanted)) & ~kUnwanted);
  conn->max_write = kMaxWriteBytes;
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  VerbsOf(req).Lookup(ReplyTo(req), parent, name);
}

// Inodes are found again by their numbers, so that nothing is held for the kernel.
void Forget(fuse_req_t req, fuse_ino_t, uint64_t) {
  ReplyTo(req).None();
}
void ForgetMulti(fuse_req_t req, size_t, fuse_forget_data*) {
  ReplyTo(req).None();
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  VerbsOf(req).GetAttributes(ReplyTo(req), ino);
}

int64_t ToNs(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void SetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set, fuse_file_info*) {
  using Change = cache::AttributeChange;
  Change change;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.mode = attr->st_mode & 07777U;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = attr->st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = attr->st_gid;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size_bytes = Unsigned(attr->st_size);
  if ((to_set & FUSE_SET_ATTR_ATIME) != 0) change.atime_ns = ToNs(attr->st_atim);
  if ((to_set & FUSE_SET_ATTR_MTIME) != 0) change.mtime_ns = ToNs(attr->st_mtim);
  if ((to_set & FUSE_SET_ATTR_ATIME_NOW) != 0) change.atime_ns = Change::kNow;
  if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime_ns = Change::kNow;
  VerbsOf(req).SetAttributes(ReplyTo(req), RequestOf(req), ino, change);
}

void ReadLink(fuse_req_t req, fuse_ino_t ino) {
  VerbsOf(req).ReadLink(ReplyTo(req), ino);
}

void MkNod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  VerbsOf(req).Make(ReplyTo(req), RequestOf(req), parent, name, {.mode = mode, .rdev = rdev, .symlink_target = {}});
}

void MkDir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  VerbsOf(req).Make(ReplyTo(req), RequestOf(req), parent, name,
                    {.mode = S_IFDIR | (mode & 07777U), .rdev = 0, .symlink_target = {}});
}

void SymLink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  VerbsOf(req).Make(ReplyTo(req), RequestOf(req), parent, name,
                    {.mode = S_IFLNK | 0777U, .rdev = 0, .symlink_target = target});
}

void Link(fuse_req_t req, fuse_ino_t, fuse_ino_t, const char*) {
  VerbsOf(req).Link(ReplyTo(req));
}
void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  VerbsOf(req).Unlink(ReplyTo(req), parent, name);
}
void RmDir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  VerbsOf(req).RemoveDirectory(ReplyTo(req), parent, name);
}

void Rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned int flags) {
  VerbsOf(req).Rename(ReplyTo(req), parent, name, new_parent, new_name, flags);
}

void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file) {
  VerbsOf(req).Create(ReplyTo(req), RequestOf(req), parent, name, mode, file->flags);
}
void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  VerbsOf(req).Open(ReplyTo(req), RequestOf(req), ino, file->flags);
}
void Read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info*) {
  VerbsOf(req).Read(ReplyTo(req), ino, Unsigned(offset), size);
}
void Write(fuse_req_t req, fuse_ino_t ino, const char* data, size_t size, off_t offset, fuse_file_info*) {
  VerbsOf(req).Write(ReplyTo(req), RequestOf(req), ino, Unsigned(offset), Bytes(data, size));
}
void Flush(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  VerbsOf(req).Flush(ReplyTo(req), ino);
}
void Release(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  VerbsOf(req).Close(ReplyTo(req), ino, file->fh);
}
void Fsync(fuse_req_t req, fuse_ino_t ino, int, fuse_file_info*) {
  VerbsOf(req).Fsync(ReplyTo(req), ino);
}

void OpenDir(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  VerbsOf(req).OpenDirectory(ReplyTo(req), ino);
}
void ReadDir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t cookie, fuse_file_info*) {
  VerbsOf(req).ReadDirectory(ReplyTo(req), ino, Unsigned(cookie), size, DirectoryFormat::kPlain);
}
void ReadDirPlus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t cookie, fuse_file_info*) {
  VerbsOf(req).ReadDirectory(ReplyTo(req), ino, Unsigned(cookie), size, DirectoryFormat::kWithAttributes);
}
void ReleaseDir(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  VerbsOf(req).CloseDirectory(ReplyTo(req), ino);
}

void StatFs(fuse_req_t req, fuse_ino_t) {
  VerbsOf(req).Stats(ReplyTo(req));
}

void SetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, size_t size, int flags) {
  VerbsOf(req).SetXattr(ReplyTo(req), ino, name, {value, size}, flags);
}
void GetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  VerbsOf(req).GetXattr(ReplyTo(req), ino, name, size);
}
void ListXattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  VerbsOf(req).ListXattrs(ReplyTo(req), ino, size);
}
void RemoveXattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  VerbsOf(req).RemoveXattr(ReplyTo(req), ino, name);
}

void FAllocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info*) {
  VerbsOf(req).Allocate(ReplyTo(req), RequestOf(req), ino, mode, Unsigned(offset), Unsigned(length));
}
void LSeek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, fuse_file_info*) {
  VerbsOf(req).Seek(ReplyTo(req), ino, Unsigned(offset), whence);
}
void CopyFileRange(fuse_req_t req, fuse_ino_t source, off_t source_offset, fuse_file_info*, fuse_ino_t target,
                   off_t target_offset, fuse_file_info*, size_t length, int flags) {
  if (flags != 0) return ReplyTo(req).FailErrno(EINVAL);
  VerbsOf(req).CopyRange(ReplyTo(req), RequestOf(req), source, Unsigned(source_offset), target, Unsigned(target_offset),
                         length);
}

// Locks (getlk, setlk, flock) and access checks are absent on purpose: the kernel does them.
fuse_lowlevel_ops MakeOperations() {
  fuse_lowlevel_ops ops{};
  ops.init = Init;
  ops.lookup = Lookup;
  ops.forget = Forget;
  ops.forget_multi = ForgetMulti;
  ops.getattr = GetAttr;
  ops.setattr = SetAttr;
  ops.readlink = ReadLink;
  ops.mknod = MkNod;
  ops.mkdir = MkDir;
  ops.symlink = SymLink;
  ops.link = Link;
  ops.unlink = Unlink;
  ops.rmdir = RmDir;
  ops.rename = Rename;
  ops.create = Create;
  ops.open = Open;
  ops.read = Read;
  ops.write = Write;
  ops.flush = Flush;
  ops.release = Release;
  ops.fsync = Fsync;
  ops.opendir = OpenDir;
  ops.readdir = ReadDir;
  ops.readdirplus = ReadDirPlus;
  ops.releasedir = ReleaseDir;
  ops.fsyncdir = Fsync;
  ops.statfs = StatFs;
  ops.setxattr = SetXattr;
  ops.getxattr = GetXattr;
  ops.listxattr = ListXattr;
  ops.removexattr = RemoveXattr;
  ops.fallocate = FAllocate;
  ops.lseek = LSeek;
  ops.copy_file_range = CopyFileRange;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& Operations() {
  static const fuse_lowlevel_ops ops = MakeOperations();
  return ops;
}

}  // namespace pailfs::fs
