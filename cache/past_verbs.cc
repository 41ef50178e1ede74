// Where the verbs meet the view of the past.

#include "cache/engine.h"

namespace pailfs::cache {

Status Engine::CheckChangeable(Ino ino) const {
  RETURN_IF_ERROR(CheckWritable());
  if (IsPast(ino)) return Error{Errc::kReadOnly, "the past cannot be changed"};
  return {};
}

Status Engine::CheckChange(Ino parent, std::string_view name) const {
  RETURN_IF_ERROR(CheckChangeable(parent));
  RETURN_IF_ERROR(CheckName(parent, name));
  if (past_.IsEntrance(name)) return Error{Errc::kNotPermitted, "the name is that of the view of the past"};
  return {};
}

Result<Ino> Engine::NumberOf(const OpContext& ctx, Ino parent, std::string_view name) {
  if (IsPast(parent)) {
    ASSIGN_OR_RETURN(const InodePtr dir, Directory(parent));
    return past_.Lookup(ctx, dir, name);
  }
  if (past_.IsEntrance(name)) return past_.Enter(parent, name);
  RETURN_IF_ERROR(Resolve(ctx, parent, name));
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const auto dentry, Find(parent, name));
  if (!dentry) return Error{Errc::kNotFound, "no such file"};
  return dentry->ino;
}

Status Engine::LoadDetails(const OpContext& ctx, const InodePtr& inode) {
  return IsPast(inode->ino) ? past_.LoadDetails(ctx, inode) : loader_.LoadDetails(ctx, inode);
}

Status Engine::LoadEntries(const OpContext& ctx, const InodePtr& dir, Loader::Knowledge want) {
  return IsPast(dir->ino) ? past_.Load(ctx, dir, want) : loader_.LoadDirectory(ctx, dir, want);
}

Result<InodePtr> Engine::DirectoryOfMoments(Ino ino) {
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(InodePtr dir, core_.GetDirectory(ino));
  if (dir->record.past && dir->record.past->kind == PastPlace::Kind::kSnapshots) return dir;
  return Error{Errc::kReadOnly, "the past cannot be changed"};
}

Result<Attributes> Engine::MakeInPast(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode) {
  ASSIGN_OR_RETURN(const InodePtr dir, DirectoryOfMoments(parent));
  if (!S_ISDIR(inode.mode)) return Error{Errc::kReadOnly, "only directories can be made here: snapshots"};
  const auto flush = [this, &ctx]() -> Status {
    if (core_.options.background) return FlushAll(ctx, nullptr);
    RETURN_IF_ERROR(RunWriteBack(ctx, /*ignore_delay=*/true));
    return {};
  };
  ASSIGN_OR_RETURN(const Ino made, past_.MakeSnapshot(ctx, dir, name, flush));
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(Attributes attributes, core_.AttributesOf(made));
  attributes.name_ttl_ns = Past::NameTtlNs(*dir);
  return attributes;
}

Status Engine::RemoveInPast(const OpContext& ctx, Ino parent, std::string_view name) {
  ASSIGN_OR_RETURN(const InodePtr dir, DirectoryOfMoments(parent));
  return past_.RemoveSnapshot(ctx, dir, name);
}

Status Engine::RenameInPast(const OpContext& ctx, Ino parent, std::string_view name, Ino new_parent,
                            std::string_view new_name, RenameMode mode) {
  if (!IsPast(parent) || !IsPast(new_parent)) return Error{Errc::kReadOnly, "the past cannot be changed"};
  ASSIGN_OR_RETURN(const InodePtr dir, DirectoryOfMoments(parent));
  ASSIGN_OR_RETURN(const InodePtr new_dir, DirectoryOfMoments(new_parent));
  if (mode == RenameMode::kExchange) return Error{Errc::kInvalidArgument, "snapshots cannot be exchanged"};
  return past_.RenameSnapshot(ctx, new_dir, name, new_name);
}

Status Engine::VisitEntrances(const InodePtr& dir, uint64_t cookie, const EntryVisitor& visit, bool* more) {
  const MountOptions& options = core_.options;
  *more = true;
  if (IsPast(dir->ino) || options.snapshot_view != SnapshotView::kVisible) return {};
  const std::pair<const std::string&, uint64_t> entrances[] = {{options.snapshot_name, kCookieOfSnapshots},
                                                               {options.versions_name, kCookieOfVersions}};
  for (const auto& [name, entrance_cookie] : entrances) {
    if (cookie >= entrance_cookie) continue;
    ASSIGN_OR_RETURN(const Ino ino, past_.Enter(dir->ino, name));
    DirectoryEntry entry{name, entrance_cookie, {}, true};
    {
      MutexLock lock(core_.mu);
      ASSIGN_OR_RETURN(entry.attributes, AttributesUnder(dir->ino, ino));
    }
    *more = visit(entry);
    if (!*more) return {};
  }
  return {};
}

}  // namespace pailfs::cache
