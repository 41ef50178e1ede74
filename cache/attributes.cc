// Verbs on attributes, extended attributes, and the opening and closing of files.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "cache/engine.h"
#include "cache/metadata_codec.h"
#include "cache/posix_acl.h"

namespace pailfs::cache {
namespace {

constexpr std::string_view kVirtualPrefix = "user.pailfs.";
constexpr size_t kMaxXattrValueBytes = 64 << 10;

}  // namespace

Result<Attributes> Engine::GetAttributes(Ino ino) {
  MutexLock lock(core_.mu);
  return core_.AttributesOf(ino);
}

Status Engine::ChangeAttributes(const InodePtr& inode, const AttributeChange& change) {
  InodeRecord& record = inode->record;
  const int64_t now = core_.NowNs();
  Transaction txn;
  if (change.mode) {
    record.mode = (record.mode & S_IFMT) | (*change.mode & 07777);
    const auto acl = record.xattrs.find(std::string(kAccessAclXattr));
    if (acl != record.xattrs.end()) {
      ASSIGN_OR_RETURN(acl->second, ApplyChmodToAcl(acl->second, record.mode));
    }
  }
  if (change.uid) record.uid = *change.uid;
  if (change.gid) record.gid = *change.gid;
  if (change.kill_privileges && !record.IsDirectory()) {
    record.DropPrivilegeBits();
  }
  if (change.atime_ns) record.atime_ns = *change.atime_ns == AttributeChange::kNow ? now : *change.atime_ns;
  if (change.mtime_ns) record.mtime_ns = *change.mtime_ns == AttributeChange::kNow ? now : *change.mtime_ns;
  record.ctime_ns = now;
  RETURN_IF_ERROR(core_.MarkChanged(inode, Change::kAttributes, txn));
  return core_.Commit(txn);
}

Result<Attributes> Engine::SetAttributes(const OpContext& ctx, Ino ino, const AttributeChange& change) {
  RETURN_IF_ERROR(CheckChangeable(ino));
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  if (change.size_bytes) {
    if (inode->record.IsDirectory()) return Error{Errc::kIsADirectory, "is a directory"};
    if (!inode->record.IsRegular()) return Error{Errc::kInvalidArgument, "not a regular file"};
    RETURN_IF_ERROR(data_.Truncate(ctx, inode, *change.size_bytes));
  }
  MutexLock lock(core_.mu);
  if (inode->freed) return Error{Errc::kStale, "the file is gone"};
  if (change.mode || change.uid || change.gid || change.atime_ns || change.mtime_ns || change.kill_privileges) {
    RETURN_IF_ERROR(ChangeAttributes(inode, change));
  }
  return core_.AttributesOf(ino);
}

// --- opening and closing ---

Status Engine::CheckOpened(const OpContext& ctx, const InodePtr& inode) {
  if (!core_.options.ttl_ns || IsPast(inode->ino)) return {};
  Ino parent = 0;
  std::string name;
  {
    MutexLock lock(core_.mu);
    if (inode->record.parent == 0 || inode->in_meta) return {};
    parent = inode->record.parent;
    name = inode->record.name;
  }
  RETURN_IF_ERROR(Resolve(ctx, parent, name, Purpose::kOpen));
  MutexLock lock(core_.mu);
  if (inode->record.parent == 0) return Error{Errc::kStale, "another client replaced the file"};
  return {};
}

Status Engine::Open(const OpContext& ctx, Ino ino, OpenFlags flags) {
  if (flags.write || flags.truncate) RETURN_IF_ERROR(CheckChangeable(ino));
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  RETURN_IF_ERROR(CheckOpened(ctx, inode));
  {
    MutexLock lock(core_.mu);
    if (inode->freed) return Error{Errc::kStale, "the file is gone"};
    if (inode->record.IsDirectory()) return Error{Errc::kIsADirectory, "is a directory"};
    ++inode->opens;
    if (flags.write) ++inode->write_opens;
  }
  if (!flags.truncate) return {};
  const Status truncated = data_.Truncate(ctx, inode, 0);
  if (!truncated.ok()) Close(ino, flags);
  return truncated;
}

void Engine::Close(Ino ino, OpenFlags flags) {
  InodePtr inode;
  {
    MutexLock lock(core_.mu);
    inode = core_.Cached(ino);
    if (inode == nullptr || inode->opens == 0) return;
    --inode->opens;
    if (flags.write && inode->write_opens > 0) --inode->write_opens;
    Transaction txn;
    if (inode->in_meta && !inode->freed) core_.Save(*inode, txn);
    Status saved = core_.FreeIfUnused(inode, txn);
    if (saved.ok()) saved = core_.Commit(txn);
    if (!saved.ok()) LogError("the cache database: ", saved.error().message);
    // Closed for writing, it may be uploaded sooner.
    if (inode->dirty_order != 0) core_.UpdateQueue(inode);
  }
  data_.Release(inode);
}

Status Engine::TakeUnseenError(const InodePtr& inode) {
  MutexLock lock(core_.mu);
  if (!inode->unseen_error) return {};
  Error error = std::move(*inode->unseen_error);
  inode->unseen_error.reset();
  return error;
}

Status Engine::Flush(const OpContext&, Ino ino) {
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  {
    MutexLock lock(core_.mu);
    if (inode->record.content_dirty && !inode->freed) {
      Transaction txn;
      core_.Save(*inode, txn);
      RETURN_IF_ERROR(core_.Commit(txn));
    }
  }
  return TakeUnseenError(inode);
}

Status Engine::MakeSafe(const OpContext& ctx, const InodePtr& inode) {
  RETURN_IF_ERROR(data_.Sync(ctx, inode));
  MutexLock lock(core_.mu);
  Transaction txn;
  if (inode->in_meta && !inode->freed) core_.Save(*inode, txn);
  RETURN_IF_ERROR(core_.Commit(txn, KvDurability::kSync));
  if (inode->record.holds == 0 || inode->freed) return {};
  // Our bytes are safe, so what they replaced may go.
  Transaction release;
  RETURN_IF_ERROR(core_.ReleaseHeld(inode, release));
  core_.Save(*inode, release);
  RETURN_IF_ERROR(core_.Commit(release));
  Transaction adoption;
  RETURN_IF_ERROR(AdoptTombstone(inode, adoption));
  return core_.Commit(adoption);
}

Status Engine::Fsync(const OpContext& ctx, Ino ino) {
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  if (IsPast(ino)) return {};
  RETURN_IF_ERROR(TakeUnseenError(inode));
  RETURN_IF_ERROR(MakeSafe(ctx, inode));
  if (core_.options.fsync_to_bucket) return write_back_.FlushInode(ctx, inode);
  return {};
}

// --- bytes ---

Result<size_t> Engine::Read(const OpContext& ctx, Ino ino, uint64_t offset, std::span<std::byte> buffer) {
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  return data_.Read(ctx, inode, offset, buffer);
}

Status Engine::Write(const OpContext& ctx, Ino ino, uint64_t offset, std::span<const std::byte> data,
                     bool kill_privileges) {
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  return data_.Write(ctx, inode, offset, data, kill_privileges);
}

Status Engine::Allocate(const OpContext& ctx, Ino ino, AllocateMode mode, uint64_t offset, uint64_t length) {
  if (length == 0) return Error{Errc::kInvalidArgument, "an empty range"};
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  return data_.Allocate(ctx, inode, mode, offset, length);
}

Result<uint64_t> Engine::Seek(const OpContext& ctx, Ino ino, uint64_t offset, SeekTo what) {
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  return data_.Seek(ctx, inode, offset, what);
}

// --- extended attributes ---

Result<std::string> Engine::VirtualXattr(const Inode& inode, std::string_view name) {
  const InodeRecord& record = inode.record;
  name.remove_prefix(kVirtualPrefix.size());
  if (name == "state") {
    return std::string(inode.last_error         ? "error"
                       : inode.stepping         ? "uploading"
                       : inode.dirty_order != 0 ? "dirty"
                                                : "clean");
  }
  if (name == "etag" && record.origin) return record.origin->etag;
  if (name == "version_id" && record.origin && !record.origin->version_id.empty()) return record.origin->version_id;
  if (name == "storage_class" && record.origin) return std::string("STANDARD");
  return past_.VirtualXattr(inode, name);
}

Result<std::string> Engine::GetXattr(Ino ino, std::string_view name) {
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
  if (name.starts_with(kVirtualPrefix)) return VirtualXattr(*inode, name);
  const auto it = inode->record.xattrs.find(std::string(name));
  if (it == inode->record.xattrs.end()) return Error{Errc::kNoData, "no such attribute"};
  return it->second;
}

Result<std::vector<std::string>> Engine::ListXattrs(Ino ino) {
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
  std::vector<std::string> names;
  for (const auto& [name, value] : inode->record.xattrs) {
    if (!name.starts_with(kVirtualPrefix)) names.push_back(name);
  }
  return names;
}

Status Engine::SetAcl(const InodePtr& inode, std::string_view name, std::string_view value, Transaction& txn) {
  InodeRecord& record = inode->record;
  const std::string key(name);
  if (record.IsSymlink()) return Error{Errc::kUnsupported, "symbolic links have no ACL"};
  if (name == kDefaultAclXattr) {
    if (!record.IsDirectory()) return Error{Errc::kAccessDenied, "only directories have a default ACL"};
    RETURN_IF_ERROR(ValidateAcl(value));
    record.xattrs[key] = std::string(value);
  } else {
    ASSIGN_OR_RETURN(const AccessAcl access, ModeFromAcl(value, record.mode));
    record.mode = access.mode;
    if (access.acl.empty()) {
      record.xattrs.erase(key);
    } else {
      record.xattrs[key] = access.acl;
    }
  }
  record.ctime_ns = core_.NowNs();
  RETURN_IF_ERROR(core_.MarkChanged(inode, Change::kAttributes, txn));
  return core_.Commit(txn);
}

Status Engine::SetXattr(Ino ino, std::string_view name, std::string_view value, XattrMode mode) {
  RETURN_IF_ERROR(CheckChangeable(ino));
  if (name.size() > kMaxNameBytes) return Error{Errc::kRange, "the attribute's name is too long"};
  if (value.size() > kMaxXattrValueBytes) return Error{Errc::kNoSpace, "the attribute is too large"};
  if (name.starts_with(kVirtualPrefix)) return Error{Errc::kNotPermitted, "user.pailfs.* is read-only"};
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
  auto& xattrs = inode->record.xattrs;
  const auto existing = xattrs.find(std::string(name));
  if (mode == XattrMode::kCreate && existing != xattrs.end())
    return Error{Errc::kAlreadyExists, "the attribute exists"};
  if (mode == XattrMode::kReplace && existing == xattrs.end()) return Error{Errc::kNoData, "no such attribute"};
  Transaction txn;
  if (name == kAccessAclXattr || name == kDefaultAclXattr) return SetAcl(inode, name, value, txn);
  std::optional<std::string> before;
  if (existing != xattrs.end()) before = existing->second;
  xattrs[std::string(name)] = std::string(value);
  // All attributes travel in the object's user metadata, which S3 limits.
  if (XattrMetadataBytes(xattrs) + kOtherMetadataBytes > core_.capabilities.max_user_metadata_bytes) {
    if (before) {
      xattrs[std::string(name)] = *before;
    } else {
      xattrs.erase(std::string(name));
    }
    return Error{Errc::kNoSpace, "the attributes do not fit the metadata of an object"};
  }
  inode->record.ctime_ns = core_.NowNs();
  RETURN_IF_ERROR(core_.MarkChanged(inode, Change::kAttributes, txn));
  return core_.Commit(txn);
}

Status Engine::RemoveXattr(Ino ino, std::string_view name) {
  RETURN_IF_ERROR(CheckChangeable(ino));
  if (name.starts_with(kVirtualPrefix)) return Error{Errc::kNotPermitted, "user.pailfs.* is read-only"};
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
  if (inode->record.xattrs.erase(std::string(name)) == 0) return Error{Errc::kNoData, "no such attribute"};
  inode->record.ctime_ns = core_.NowNs();
  Transaction txn;
  RETURN_IF_ERROR(core_.MarkChanged(inode, Change::kAttributes, txn));
  return core_.Commit(txn);
}

}  // namespace pailfs::cache
