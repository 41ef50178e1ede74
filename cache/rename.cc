// Renaming: one change of a dentry; the objects follow by write-back.

#include "base/str.h"
#include "cache/engine.h"
#include "cache/key_names.h"

namespace pailfs::cache {

Result<bool> Engine::IsAncestor(Ino ancestor, Ino of) {
  for (Ino at = of;;) {
    if (at == ancestor) return true;
    if (at == kRootIno) return false;
    ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(at));
    if (inode->record.parent == 0) return false;
    at = inode->record.parent;
  }
}

Status Engine::CheckReplace(const InodePtr& from, const InodePtr& to) {
  if (to->record.IsDirectory()) {
    if (!from->record.IsDirectory()) return Error{Errc::kIsADirectory, "is a directory"};
    ASSIGN_OR_RETURN(const bool has_children, core_.db->HasChildren(to->ino));
    if (has_children) return Error{Errc::kNotEmpty, "the directory is not empty"};
  } else if (from->record.IsDirectory()) {
    return Error{Errc::kNotADirectory, "not a directory"};
  }
  return {};
}

Status Engine::RememberOrigin(const InodePtr& inode, Transaction& txn) {
  const auto& origin = inode->record.origin;
  if (origin && !origin->superseded) core_.db->PutDisplaced(txn, origin->key, inode->ino);
  return {};
}

// A directory's descendants are displaced with it; a worker enters them one by one.
Status Engine::NoteMove(const InodePtr& inode, const std::string& old_key, Transaction& txn) {
  if (!inode->record.IsDirectory()) return {};
  ASSIGN_OR_RETURN(const bool has_children, core_.db->HasChildren(inode->ino));
  if (!has_children) return {};
  core_.db->PutMovedPrefix(txn, old_key, inode->ino);
  core_.moved_prefixes[old_key] = inode->ino;
  return {};
}

// Gives the inode, which is in meta, its place; its old dentry is removed by the caller.
Status Engine::Place(const InodePtr& inode, const InodePtr& dir, std::string_view name, Transaction& txn) {
  ASSIGN_OR_RETURN(const std::string old_key, core_.TargetKey(*inode));
  InodeRecord& record = inode->record;
  if (record.parent != dir->ino) {
    ASSIGN_OR_RETURN(const InodePtr old_dir, core_.Get(record.parent));
    --old_dir->meta_children;
    ++dir->meta_children;
    RETURN_IF_ERROR(core_.EnterMeta(dir, txn));
    if (record.IsDirectory()) {
      if (old_dir->record.subdirectories > 0) --old_dir->record.subdirectories;
      ++dir->record.subdirectories;
    }
  }
  record.parent = dir->ino;
  record.SetName(name);
  record.ctime_ns = core_.NowNs();
  core_.db->PutDentry(txn, dir->ino, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/true);
  RETURN_IF_ERROR(RememberOrigin(inode, txn));
  RETURN_IF_ERROR(NoteMove(inode, old_key, txn));
  return core_.MarkChanged(inode, Change::kPlace, txn);
}

Status Engine::Exchange(const InodePtr& from_dir, const InodePtr& from, const InodePtr& to_dir, const InodePtr& to) {
  const std::string from_name = from->record.name;
  const std::string to_name = to->record.name;
  for (const auto& [moving, target] : {std::pair(from, to_dir), std::pair(to, from_dir)}) {
    if (!moving->record.IsDirectory()) continue;
    ASSIGN_OR_RETURN(const bool inside, IsAncestor(moving->ino, target->ino));
    if (inside) return Error{Errc::kInvalidArgument, "a directory cannot move into itself"};
  }
  Transaction txn;
  RETURN_IF_ERROR(core_.EnterMeta(from, txn));
  RETURN_IF_ERROR(core_.EnterMeta(to, txn));
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, from_dir->ino, from_name));
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, to_dir->ino, to_name));
  RETURN_IF_ERROR(Place(from, to_dir, to_name, txn));
  RETURN_IF_ERROR(Place(to, from_dir, from_name, txn));
  RETURN_IF_ERROR(core_.TouchDirectory(from_dir, txn));
  RETURN_IF_ERROR(core_.TouchDirectory(to_dir, txn));
  RETURN_IF_ERROR(core_.Commit(txn));
  // Back where their objects are, they follow the bucket again.
  RETURN_IF_ERROR(core_.SettleIfClean(from));
  return core_.SettleIfClean(to);
}

Status Engine::RenameLocked(Ino parent, std::string_view name, Ino new_parent, std::string_view new_name,
                            RenameMode mode) {
  ASSIGN_OR_RETURN(const InodePtr from_dir, core_.GetDirectory(parent));
  ASSIGN_OR_RETURN(const InodePtr to_dir, core_.GetDirectory(new_parent));
  ASSIGN_OR_RETURN(const auto from_dentry, Find(parent, name));
  if (!from_dentry) return Error{Errc::kNotFound, "no such file"};
  ASSIGN_OR_RETURN(const InodePtr from, core_.Get(from_dentry->ino));
  ASSIGN_OR_RETURN(const auto to_dentry, Find(new_parent, new_name));
  if (to_dentry && to_dentry->ino == from->ino) {
    return mode == RenameMode::kNoReplace ? Status(Error{Errc::kAlreadyExists, "the file exists"}) : Status();
  }
  InodePtr to;
  if (to_dentry) {
    ASSIGN_OR_RETURN(to, core_.Get(to_dentry->ino));
  }
  if (mode == RenameMode::kExchange) {
    if (to == nullptr) return Error{Errc::kNotFound, "no such file"};
    return Exchange(from_dir, from, to_dir, to);
  }
  if (from->record.IsDirectory()) {
    ASSIGN_OR_RETURN(const bool inside, IsAncestor(from->ino, new_parent));
    if (inside) return Error{Errc::kInvalidArgument, "a directory cannot move into itself"};
  }
  Transaction txn;
  if (to != nullptr) {
    if (mode == RenameMode::kNoReplace) return Error{Errc::kAlreadyExists, "the file exists"};
    RETURN_IF_ERROR(CheckReplace(from, to));
  }
  {
    // Before anything changes: does the new path fit a key?
    ASSIGN_OR_RETURN(const std::string prefix, core_.DirectoryPrefix(new_parent));
    if (prefix.size() + KeySegmentOfName(new_name).size() + 1 > kMaxKeyBytes) {
      return Error{Errc::kNameTooLong, "the path is longer than the 1024 bytes of an object key"};
    }
  }
  RETURN_IF_ERROR(core_.EnterMeta(from, txn));
  if (to != nullptr) {
    RETURN_IF_ERROR(core_.db->RemoveDentry(txn, new_parent, new_name));
    if (to->record.IsDirectory() && to_dir->record.subdirectories > 0) --to_dir->record.subdirectories;
    // Until our bytes are safe, those that they replace are kept: a power loss may undo the replacement.
    const bool hold = from->record.IsRegular() && to->record.IsRegular() && from->record.content_dirty &&
                      from->record.synced_generation != from->record.content_generation && from->record.holds == 0;
    if (hold) {
      from->record.holds = to->ino;
      from->record.synced_generation = 0;
    }
    RETURN_IF_ERROR(core_.DropLink(to, txn, hold ? from->ino : 0));
  }
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, parent, name));
  RETURN_IF_ERROR(Place(from, to_dir, new_name, txn));
  if (!from_dir->record.origin) from_dir->record.attributes_dirty = true;
  RETURN_IF_ERROR(core_.TouchDirectory(from_dir, txn));
  if (from_dir != to_dir) RETURN_IF_ERROR(core_.TouchDirectory(to_dir, txn));
  RETURN_IF_ERROR(core_.Commit(txn));
  Transaction adoption;
  RETURN_IF_ERROR(AdoptTombstone(from, adoption));
  RETURN_IF_ERROR(core_.Commit(adoption));
  return core_.SettleIfClean(from);
}

Status Engine::Rename(const OpContext& ctx, Ino parent, std::string_view name, Ino new_parent,
                      std::string_view new_name, RenameMode mode) {
  RETURN_IF_ERROR(CheckWritable());
  if (IsPast(parent) || IsPast(new_parent)) return RenameInPast(ctx, parent, name, new_parent, new_name, mode);
  RETURN_IF_ERROR(CheckChange(parent, name));
  RETURN_IF_ERROR(CheckChange(new_parent, new_name));
  RETURN_IF_ERROR(CheckNewName(new_name));
  if (mode == RenameMode::kExchange) RETURN_IF_ERROR(CheckNewName(name));
  RETURN_IF_ERROR(Resolve(ctx, parent, name));
  RETURN_IF_ERROR(Resolve(ctx, new_parent, new_name));
  std::vector<InodePtr> to_load;
  std::vector<InodePtr> holding;
  {
    MutexLock lock(core_.mu);
    const std::pair<Ino, std::string_view> places[] = {{parent, name}, {new_parent, new_name}};
    for (const auto& [dir, entry] : places) {
      ASSIGN_OR_RETURN(const auto dentry, Find(dir, entry));
      if (!dentry) continue;
      ASSIGN_OR_RETURN(InodePtr inode, core_.Get(dentry->ino));
      if (inode->record.holds != 0) holding.push_back(inode);
      if (S_ISDIR(dentry->type)) to_load.push_back(std::move(inode));
    }
  }
  // An inode keeps one that it replaced until its own bytes are safe; before it replaces another they are made so.
  for (const InodePtr& inode : holding) RETURN_IF_ERROR(MakeSafe(ctx, inode));
  // What is below a directory that moves must be known first; W3.
  for (const InodePtr& dir : to_load) {
    RETURN_IF_ERROR(loader_.LoadSubtree(ctx, dir));
    RETURN_IF_ERROR(loader_.LoadDetails(ctx, dir));
  }
  if (!to_load.empty()) RETURN_IF_ERROR(write_back_.WaitForMoves(ctx));
  MutexLock lock(core_.mu);
  return RenameLocked(parent, name, new_parent, new_name, mode);
}

}  // namespace pailfs::cache
