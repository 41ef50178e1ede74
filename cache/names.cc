// Verbs on names: lookup, create, unlink, rename, directories.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cache/engine.h"
#include "cache/key_names.h"
#include "cache/posix_acl.h"

namespace pailfs::cache {
namespace {

// After so many single names were asked for, the whole directory is listed instead.
constexpr uint32_t kProbesBeforeListing = 8;
constexpr size_t kReadDirectoryChunk = 128;
constexpr int kMostDetailAttempts = 3;
// Inodes waiting for write-back stay in memory, so there is a limit to them.
constexpr size_t kMostDirtyInodes = 100'000;

}  // namespace

Status Engine::CheckName(Ino parent, std::string_view name) const {
  if (name.size() > kMaxNameBytes) return Error{Errc::kNameTooLong, "the name is longer than 255 bytes"};
  if (parent == kRootIno && core_.options.prefix.empty() && name == kReservedSegment) {
    return Error{Errc::kNotPermitted, "the name .pailfs is reserved"};
  }
  return {};
}

// Names that only show odd keys of the bucket, or that no key can have.
Status Engine::CheckNewName(std::string_view name) const {
  if (core_.options.utf8_names && !IsUtf8(name)) {
    return Error{Errc::kInvalidArgument, "the names of a bucket on an S3 server are UTF-8"};
  }
  if (!IsReservedName(name)) return {};
  return Error{Errc::kNotPermitted, "names that begin with %pailfs- stand for keys that have no name of their own"};
}

Status Engine::CheckWritable() const {
  if (core_.options.read_only) return Error{Errc::kReadOnly, "mounted read-only"};
  return {};
}

Result<InodePtr> Engine::InodeOf(Ino ino) {
  MutexLock lock(core_.mu);
  return core_.Get(ino);
}

Result<InodePtr> Engine::Directory(Ino ino) {
  MutexLock lock(core_.mu);
  return core_.GetDirectory(ino);
}

Status Engine::Resolve(const OpContext& ctx, Ino parent, std::string_view name, Purpose purpose) {
  ASSIGN_OR_RETURN(const InodePtr dir, Directory(parent));
  // Whether it has a marker decides what a change in it entails.
  RETURN_IF_ERROR(loader_.LoadDetails(ctx, dir));
  if (core_.options.ttl_ns) {
    return IsHashedName(name) ? loader_.LoadDirectory(ctx, dir, Loader::Knowledge::kFresh)
                              : loader_.Revalidate(ctx, dir, name, purpose);
  }
  bool list = false;
  {
    MutexLock lock(core_.mu);
    if (dir->known || dir->record.parent == 0) return {};
    ASSIGN_OR_RETURN(const auto found, core_.db->FindDentry(parent, name));
    if (found && found->current) return {};
    list = ++dir->probes > kProbesBeforeListing || IsHashedName(name);
  }
  if (list) return loader_.LoadDirectory(ctx, dir, Loader::Knowledge::kAny);
  return loader_.Probe(ctx, dir, name);
}

Result<std::optional<Dentry>> Engine::Find(Ino parent, std::string_view name) {
  ASSIGN_OR_RETURN(const InodePtr dir, core_.GetDirectory(parent));
  if (dir->record.parent == 0) return Error{Errc::kNotFound, "the directory was removed"};
  return core_.db->FindDentry(parent, name);
}

Result<Attributes> Engine::Lookup(const OpContext& ctx, Ino parent, std::string_view name) {
  if (name.size() > kMaxNameBytes) return Error{Errc::kNameTooLong, "the name is longer than 255 bytes"};
  if (!CheckName(parent, name).ok()) return Error{Errc::kNotFound, "no such file"};
  ASSIGN_OR_RETURN(Ino ino, NumberOf(ctx, parent, name));
  for (int attempt = 0;; ++attempt) {
    InodePtr inode;
    {
      MutexLock lock(core_.mu);
      if (attempt > 0 && !IsPast(ino)) {
        ASSIGN_OR_RETURN(const auto dentry, Find(parent, name));
        if (!dentry) return Error{Errc::kNotFound, "no such file"};
        ino = dentry->ino;
      }
      ASSIGN_OR_RETURN(inode, core_.Get(ino));
      const bool knows = !inode->record.attributes_unknown || !core_.options.posix_metadata;
      if (knows || attempt == kMostDetailAttempts) return AttributesUnder(parent, ino);
    }
    // May find another object under the name.
    RETURN_IF_ERROR(LoadDetails(ctx, inode));
  }
}

Result<Attributes> Engine::AttributesUnder(Ino parent, Ino ino) {
  ASSIGN_OR_RETURN(Attributes attributes, core_.AttributesOf(ino));
  if (!IsPast(ino)) return attributes;
  ASSIGN_OR_RETURN(const InodePtr dir, core_.Get(parent));
  attributes.name_ttl_ns = Past::NameTtlNs(*dir);
  return attributes;
}

// --- making ---

Status Engine::WaitForDirtyRoom(const OpContext& ctx) {
  if (!core_.options.background) return {};
  MutexLock lock(core_.mu);
  while (core_.dirty_by_order.size() > kMostDirtyInodes && core_.failing.size() < kMostDirtyInodes) {
    RETURN_IF_ERROR(ctx.Check());
    core_.progress_changed.WaitFor(core_.mu, std::chrono::milliseconds(20));
  }
  return {};
}

// The object that a deletion is about to remove is overwritten instead: one request, and never a moment without it.
Status Engine::AdoptTombstone(const InodePtr& inode, Transaction& txn) {
  const auto key = core_.TargetKey(*inode);
  if (!key.ok()) return {};
  ASSIGN_OR_RETURN(auto tombstone, core_.db->FindTombstone(*key));
  if (!tombstone) return {};
  tombstone->successor = inode->ino;
  core_.db->PutTombstone(txn, *key, *tombstone);
  return {};
}

Result<InodePtr> Engine::MakeLocked(Ino parent, std::string_view name, const NewInode& inode, const Caller& caller) {
  ASSIGN_OR_RETURN(const InodePtr dir, core_.GetDirectory(parent));
  ASSIGN_OR_RETURN(const auto existing, Find(parent, name));
  if (existing) return Error{Errc::kAlreadyExists, "the file exists"};
  RETURN_IF_ERROR(CheckNewName(name));

  Transaction txn;
  InodeRecord record;
  record.ino = core_.NewNumber();
  record.parent = parent;
  record.name = std::string(name);
  record.mode = inode.mode;
  record.uid = caller.uid;
  record.gid = caller.gid;
  if ((dir->record.mode & S_ISGID) != 0) {
    record.gid = dir->record.gid;
    if (S_ISDIR(inode.mode)) record.mode |= S_ISGID;
  }
  const auto default_acl = dir->record.xattrs.find(std::string(kDefaultAclXattr));
  if (default_acl != dir->record.xattrs.end() && !S_ISLNK(inode.mode)) {
    ASSIGN_OR_RETURN(const InheritedAcl inherited, InheritAcl(default_acl->second, record.mode, S_ISDIR(record.mode)));
    record.mode = inherited.mode;
    if (!inherited.access.empty()) record.xattrs[std::string(kAccessAclXattr)] = inherited.access;
    if (!inherited.default_acl.empty()) record.xattrs[std::string(kDefaultAclXattr)] = inherited.default_acl;
  } else if (!S_ISLNK(inode.mode)) {
    record.mode &= ~(caller.umask & 0777);
  }
  record.rdev = inode.rdev;
  record.symlink_target = inode.symlink_target;
  record.size = inode.symlink_target.size();
  record.atime_ns = record.mtime_ns = record.ctime_ns = core_.NowNs();
  record.complete = S_ISREG(inode.mode);

  const InodePtr made = core_.Insert(std::move(record), /*in_meta=*/false);
  const auto key = core_.TargetKey(*made);
  if (!key.ok()) {
    core_.ForgetCached(made->ino);
    return key.error();
  }
  if (S_ISDIR(inode.mode)) {
    ++dir->record.subdirectories;
    made->known = true;
    core_.db->SetListingComplete(txn, made->ino, true);
  }
  {
    MutexLock content_lock(made->content.mu);
    made->content.loaded = true;
  }
  RETURN_IF_ERROR(AdoptTombstone(made, txn));
  RETURN_IF_ERROR(core_.MarkChanged(made, S_ISREG(inode.mode) ? Change::kContent : Change::kAttributes, txn));
  RETURN_IF_ERROR(core_.TouchDirectory(dir, txn));
  RETURN_IF_ERROR(core_.Commit(txn));
  return made;
}

Result<Attributes> Engine::Make(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode,
                                const Caller& caller) {
  RETURN_IF_ERROR(CheckWritable());
  if (IsPast(parent)) return MakeInPast(ctx, parent, name, inode);
  RETURN_IF_ERROR(CheckChange(parent, name));
  RETURN_IF_ERROR(WaitForDirtyRoom(ctx));
  RETURN_IF_ERROR(Resolve(ctx, parent, name));
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr made, MakeLocked(parent, name, inode, caller));
  return core_.AttributesOf(*made);
}

Result<Attributes> Engine::Create(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode,
                                  const Caller& caller, OpenFlags flags, bool exclusive) {
  RETURN_IF_ERROR(CheckChange(parent, name));
  RETURN_IF_ERROR(WaitForDirtyRoom(ctx));
  RETURN_IF_ERROR(Resolve(ctx, parent, name));
  Ino ino = 0;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const auto existing, Find(parent, name));
    if (!existing) {
      ASSIGN_OR_RETURN(const InodePtr made, MakeLocked(parent, name, inode, caller));
      ++made->opens;
      ++made->write_opens;
      return core_.AttributesOf(*made);
    }
    if (exclusive) return Error{Errc::kAlreadyExists, "the file exists"};
    if (S_ISDIR(existing->type)) return Error{Errc::kIsADirectory, "is a directory"};
    ino = existing->ino;
  }
  RETURN_IF_ERROR(Open(ctx, ino, flags));
  return GetAttributes(ino);
}

Result<std::string> Engine::ReadLink(const OpContext& ctx, Ino ino) {
  ASSIGN_OR_RETURN(const InodePtr inode, InodeOf(ino));
  Origin origin;
  {
    MutexLock lock(core_.mu);
    if (!inode->record.IsSymlink()) return Error{Errc::kInvalidArgument, "not a symbolic link"};
    if (!inode->record.symlink_target.empty() || !inode->record.origin) return inode->record.symlink_target;
    origin = *inode->record.origin;
  }
  class TargetSink : public BodySink {
   public:
    Status Write(std::span<const std::byte> data) override {
      target.append(AsChars(data));
      if (target.size() > 4096) return Error{Errc::kNameTooLong, "the target of the symbolic link is too long"};
      return {};
    }
    std::string target;
  } sink;
  GetOptions options;
  options.version.version_id = origin.VersionToRead();
  options.if_match = origin.etag;
  ASSIGN_OR_RETURN(const ObjectInfo info, core_.store.Get(ctx, origin.key, options, sink));
  MutexLock lock(core_.mu);
  // s3fs pads the target with spaces.
  while (!sink.target.empty() && sink.target.back() == ' ') sink.target.pop_back();
  inode->record.symlink_target = sink.target;
  inode->record.size = sink.target.size();
  Transaction txn;
  core_.Save(*inode, txn);
  RETURN_IF_ERROR(core_.Commit(txn));
  return sink.target;
}

// --- removing ---

Status Engine::Unlink(const OpContext& ctx, Ino parent, std::string_view name) {
  RETURN_IF_ERROR(CheckChange(parent, name));
  RETURN_IF_ERROR(Resolve(ctx, parent, name));
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr dir, core_.GetDirectory(parent));
  ASSIGN_OR_RETURN(const auto dentry, Find(parent, name));
  if (!dentry) return Error{Errc::kNotFound, "no such file"};
  if (S_ISDIR(dentry->type)) return Error{Errc::kIsADirectory, "is a directory"};
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(dentry->ino));
  Transaction txn;
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, parent, name));
  RETURN_IF_ERROR(core_.DropLink(inode, txn, /*held_by=*/0));
  // W8: an implicit directory gets a marker before its last key goes.
  if (!dir->record.origin) dir->record.attributes_dirty = true;
  RETURN_IF_ERROR(core_.TouchDirectory(dir, txn));
  return core_.Commit(txn);
}

Status Engine::RemoveDirectory(const OpContext& ctx, Ino parent, std::string_view name) {
  RETURN_IF_ERROR(CheckWritable());
  if (IsPast(parent)) return RemoveInPast(ctx, parent, name);
  RETURN_IF_ERROR(CheckChange(parent, name));
  RETURN_IF_ERROR(Resolve(ctx, parent, name));
  InodePtr victim;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const auto dentry, Find(parent, name));
    if (!dentry) return Error{Errc::kNotFound, "no such directory"};
    if (!S_ISDIR(dentry->type)) return Error{Errc::kNotADirectory, "not a directory"};
    ASSIGN_OR_RETURN(victim, core_.Get(dentry->ino));
  }
  RETURN_IF_ERROR(loader_.LoadDirectory(ctx, victim, Loader::Knowledge::kFresh));
  RETURN_IF_ERROR(loader_.LoadDetails(ctx, victim));
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr dir, core_.GetDirectory(parent));
  ASSIGN_OR_RETURN(const auto dentry, Find(parent, name));
  if (!dentry || dentry->ino != victim->ino) return Error{Errc::kNotFound, "no such directory"};
  ASSIGN_OR_RETURN(const bool has_children, core_.db->HasChildren(victim->ino));
  if (has_children) return Error{Errc::kNotEmpty, "the directory is not empty"};
  Transaction txn;
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, parent, name));
  RETURN_IF_ERROR(core_.DropLink(victim, txn, /*held_by=*/0));
  if (dir->record.subdirectories > 0) --dir->record.subdirectories;
  if (!dir->record.origin) dir->record.attributes_dirty = true;
  RETURN_IF_ERROR(core_.TouchDirectory(dir, txn));
  return core_.Commit(txn);
}

// --- directories ---

Status Engine::OpenDirectory(const OpContext& ctx, Ino ino) {
  ASSIGN_OR_RETURN(const InodePtr dir, Directory(ino));
  RETURN_IF_ERROR(LoadEntries(ctx, dir, Loader::Knowledge::kFresh));
  MutexLock lock(core_.mu);
  if (dir->freed) return Error{Errc::kNotFound, "the directory was removed"};
  ++dir->directory_opens;
  return {};
}

void Engine::CloseDirectory(Ino ino) {
  MutexLock lock(core_.mu);
  const InodePtr dir = core_.Cached(ino);
  if (dir == nullptr || dir->directory_opens == 0) return;
  --dir->directory_opens;
  Transaction txn;
  Status freed = core_.FreeIfUnused(dir, txn);
  if (freed.ok()) freed = core_.Commit(txn);
  if (!freed.ok()) LogWarning("the cache database: ", freed.error().message);
}

Status Engine::ReadDirectory(const OpContext& ctx, Ino ino, uint64_t cookie,
                             const std::function<bool(const DirectoryEntry&)>& visit) {
  ASSIGN_OR_RETURN(const InodePtr dir, Directory(ino));
  RETURN_IF_ERROR(LoadEntries(ctx, dir, Loader::Knowledge::kAny));
  Ino parent = 0;
  int64_t name_ttl_ns = INT64_MAX;
  {
    MutexLock lock(core_.mu);
    parent = dir->record.parent;
    if (IsPast(ino)) name_ttl_ns = Past::NameTtlNs(*dir);
  }
  if (parent == 0) return {};
  const std::pair<const char*, Ino> dots[] = {{".", ino}, {"..", parent}};
  for (uint64_t dot = cookie; dot < 2; ++dot) {
    DirectoryEntry entry{dots[dot].first, dot + 1, {}, true};
    {
      MutexLock lock(core_.mu);
      ASSIGN_OR_RETURN(entry.attributes, core_.AttributesOf(dots[dot].second));
    }
    if (!visit(entry)) return {};
  }
  bool more = true;
  RETURN_IF_ERROR(VisitEntrances(dir, cookie, visit, &more));
  while (more) {
    RETURN_IF_ERROR(ctx.Check());
    std::vector<DirectoryEntry> entries;
    {
      MutexLock lock(core_.mu);
      ASSIGN_OR_RETURN(auto children, core_.db->Children(ino, cookie, kReadDirectoryChunk));
      if (children.empty()) return {};
      cookie = CookieOfName(children.back().name);
      for (Dentry& child : children) {
        bool known = true;
        auto attributes = core_.AttributesOf(child.ino, &known);
        if (attributes.Is(Errc::kStale)) continue;
        if (!attributes.ok()) return std::move(attributes).error();
        attributes->name_ttl_ns = name_ttl_ns;
        const uint64_t entry_cookie = CookieOfName(child.name);
        entries.push_back({std::move(child.name), entry_cookie, *attributes, known || !core_.options.posix_metadata});
      }
    }
    for (const DirectoryEntry& entry : entries) {
      if (!visit(entry)) return {};
    }
  }
  return {};
}

}  // namespace pailfs::cache
