#include "cache/loader.h"

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "cache/key_names.h"
#include "cache/metadata_codec.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kNsPerUs = 1000;
constexpr size_t kAskingThreads = 32;
constexpr size_t kMostAsked = 1000;

// "c" of "a/b/c" and of "a/b/c/".
std::string LastSegment(std::string_view key) {
  if (key.ends_with('/')) key.remove_suffix(1);
  return std::string(key.substr(key.rfind('/') + 1));
}

}  // namespace

Loader::Loader(Core& core) : core_(core) {
  if (core.options.background) asking_ = std::make_unique<ThreadPool>("pailfs-details", kAskingThreads, kMostAsked);
}

void Loader::Stop() {
  stop_.request_stop();
  asking_.reset();
}

InodeRecord Loader::DefaultDirectory(Ino ino, Ino parent, std::string name) const {
  InodeRecord record;
  record.ino = ino;
  record.parent = parent;
  record.name = std::move(name);
  record.mode = S_IFDIR | (0777 & ~core_.options.default_umask);
  record.uid = core_.options.default_uid;
  record.gid = core_.options.default_gid;
  return record;
}

InodeRecord Loader::RecordOf(const ObjectInfo& info, Ino ino, Ino parent, std::string name) const {
  const MountOptions& options = core_.options;
  InodeRecord record;
  record.ino = ino;
  record.parent = parent;
  record.name = std::move(name);
  PosixMetadata posix;
  if (options.posix_metadata) posix = DecodeMetadata(info.metadata, info.headers, info.key, info.size_bytes);
  const uint32_t type = FileTypeOf(posix, info.headers, info.key, info.size_bytes);
  const uint32_t default_mode = (S_ISDIR(type) ? 0777 : 0666) & ~options.default_umask;
  record.mode = type | (posix.mode ? *posix.mode & 07777 : S_ISLNK(type) ? 0777 : default_mode);
  record.uid = posix.uid.value_or(options.default_uid);
  record.gid = posix.gid.value_or(options.default_gid);
  record.rdev = posix.rdev.value_or(0);
  record.size = S_ISREG(type) || S_ISLNK(type) ? info.size_bytes : 0;
  record.mtime_ns = posix.mtime_ns.value_or(info.last_modified_us * kNsPerUs);
  record.ctime_ns = posix.ctime_ns.value_or(record.mtime_ns);
  record.atime_ns = posix.atime_ns.value_or(record.mtime_ns);
  record.xattrs = std::move(posix.xattrs);
  if (posix.symlink_target && S_ISLNK(type)) {
    record.symlink_target = *posix.symlink_target;
    record.size = record.symlink_target.size();
  }
  record.headers = info.headers;
  record.attributes_unknown = !info.has_metadata;
  if (IsHashedName(record.name)) record.segment = LastSegment(info.key);
  for (const auto& [key, value] : info.metadata) {
    if (!IsPosixMetadataName(key)) record.foreign_metadata.emplace_back(key, value);
  }
  record.origin = Origin{info.key,
                         info.etag,
                         info.version_id,
                         info.size_bytes,
                         info.size_bytes,
                         info.last_modified_us,
                         /*superseded=*/false};
  return record;
}

Result<std::optional<ObjectInfo>> Loader::HeadIfThere(const OpContext& ctx, std::string_view key,
                                                      const VersionSelector& version) {
  auto info = core_.store.Head(ctx, key, version);
  if (info.Is(Errc::kNotFound)) return std::optional<ObjectInfo>();
  if (!info.ok()) return std::move(info).error();
  return std::optional<ObjectInfo>(std::move(*info));
}

Result<bool> Loader::AnyUnder(const OpContext& ctx, const std::string& prefix) {
  ListRequest request;
  request.prefix = prefix;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const bool some_hidden, core_.AnySpokenForUnder(prefix));
    if (!some_hidden) request.max_keys = 1;
  }
  do {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(const ListPage page, core_.store.List(ctx, request));
    request.continuation_token = page.next_token;
    MutexLock lock(core_.mu);
    for (const ObjectInfo& info : page.objects) {
      ASSIGN_OR_RETURN(const bool hidden, core_.KeyIsSpokenFor(info.key));
      if (!hidden) return true;
      request.max_keys = kMaxListKeys;
    }
  } while (!request.continuation_token.empty());
  return false;
}

// A common prefix that only keys of moved and deleted inodes have is no directory.
Result<bool> Loader::IsDirectory(const OpContext& ctx, const std::string& common_prefix) {
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const bool some_hidden, core_.AnySpokenForUnder(common_prefix));
    if (!some_hidden) return true;
  }
  return AnyUnder(ctx, common_prefix);
}

Result<std::vector<Loader::Found>> Loader::Interpret(const OpContext& ctx, const std::string& prefix, ListPage page,
                                                     bool moved) {
  std::vector<Found> found;
  std::unordered_set<std::string> directories;
  bool some_hidden = false;
  if (!moved) {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(some_hidden, core_.AnySpokenForUnder(prefix));
  }
  for (const std::string& common : page.common_prefixes) {
    if (common == kReservedPrefix) continue;
    if (some_hidden) {
      ASSIGN_OR_RETURN(const bool is_directory, IsDirectory(ctx, common));
      if (!is_directory) continue;
    }
    Found entry;
    entry.segment = common.substr(prefix.size(), common.size() - prefix.size() - 1);
    entry.name = core_.NameOf(entry.segment, KeySegmentKind::kDirectory);
    entry.is_directory = true;
    directories.insert(entry.segment);
    // A store of our own is near; elsewhere markers are asked for when somebody looks.
    if (core_.capabilities.sole_owner) {
      ASSIGN_OR_RETURN(auto marker, HeadIfThere(ctx, common));
      entry.has_object = marker.has_value();
      entry.marker_known = true;
      if (marker) entry.info = std::move(*marker);
    }
    found.push_back(std::move(entry));
  }
  for (ObjectInfo& info : page.objects) {
    Found entry;
    entry.segment = info.key.substr(prefix.size());
    const auto kind =
        directories.contains(entry.segment) ? KeySegmentKind::kObjectBesideDirectory : KeySegmentKind::kObject;
    entry.name = core_.NameOf(entry.segment, kind);
    entry.info = std::move(info);
    entry.has_object = true;
    found.push_back(std::move(entry));
  }
  return found;
}

Result<bool> Loader::AddEntry(const InodePtr& dir, const Found& found, const std::string& prefix, bool moved,
                              Transaction& txn) {
  const std::string key = found.has_object ? found.info.key : StrCat(prefix, found.segment, "/");
  if (!moved) {
    ASSIGN_OR_RETURN(const bool spoken_for, core_.KeyIsSpokenFor(key));
    if (spoken_for) return false;
  }
  InodeRecord record;
  if (found.is_directory) {
    ASSIGN_OR_RETURN(const Ino ino, core_.NumberOf(key, "", 0));
    record = DirectoryRecord(found, ino, dir->ino);
  } else {
    ASSIGN_OR_RETURN(const Ino ino, core_.NumberOf(key, found.info.etag, found.info.last_modified_us));
    record = RecordOf(found.info, ino, dir->ino, found.name);
  }
  core_.db->PutInode(txn, record, /*in_meta=*/false);
  core_.db->PutDentry(txn, dir->ino, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/false);
  return true;
}

InodeRecord Loader::DirectoryRecord(const Found& found, Ino ino, Ino parent) const {
  InodeRecord record =
      found.has_object ? RecordOf(found.info, ino, parent, found.name) : DefaultDirectory(ino, parent, found.name);
  record.mode = (record.mode & 07777) | S_IFDIR;
  if (!found.has_object) record.attributes_unknown = !found.marker_known;
  if (IsHashedName(found.name)) record.segment = found.segment;
  return record;
}

bool Loader::IsSameObject(const InodeRecord& record, const Found& found) {
  if (found.is_directory && !found.marker_known) return true;
  if (!found.has_object) return !record.origin;
  if (!record.origin || record.origin->etag != found.info.etag) return false;
  if (!found.info.version_id.empty() && record.origin->version_id != found.info.version_id) return false;
  const int64_t known_us = record.origin->last_modified_us;
  const int64_t now_us = found.info.last_modified_us;
  if (known_us == now_us || known_us == 0) return true;
  // Headers have whole seconds, and the time of an object of ours is that of the answer.
  constexpr int64_t kSecondUs = 1'000'000;
  const bool coarse = known_us % kSecondUs == 0 || now_us % kSecondUs == 0;
  return coarse && std::abs(known_us - now_us) < 2 * kSecondUs;
}

// An object of ours whose time was known about only when it was written.
bool Loader::TellsTime(const InodeRecord& record, const Found& found) {
  return found.has_object && record.origin && record.origin->last_modified_us != found.info.last_modified_us &&
         (!found.is_directory || found.marker_known);
}

// Attributes only: the inode stays, and so do its cached bytes.
Status Loader::Update(Inode& inode, const Found& found, Ino parent, Transaction& txn) {
  InodeRecord& record = inode.record;
  if (found.has_object && !found.info.has_metadata) {
    // What was known of it is shown until somebody looks.
    const uint64_t limit = record.limit();
    record.origin = Origin{found.info.key,        found.info.etag, found.info.version_id,
                           found.info.size_bytes, limit,           found.info.last_modified_us,
                           /*superseded=*/false};
    record.attributes_unknown = true;
  } else {
    InodeRecord now = found.is_directory ? DirectoryRecord(found, record.ino, parent)
                                         : RecordOf(found.info, record.ino, parent, record.name);
    now.subdirectories = record.subdirectories;
    now.complete = record.complete;
    now.content_generation = record.content_generation;
    record = std::move(now);
  }
  core_.Save(inode, txn);
  return {};
}

Result<bool> Loader::KeepEntry(const InodePtr& dir, const Dentry& known, const Found& found,
                               std::vector<Changed>* changed, Transaction& txn) {
  if (core_.Cached(known.ino) == nullptr) {
    // Most are as they were: these need no place in memory.
    ASSIGN_OR_RETURN(const auto stored, core_.db->FindInode(known.ino));
    if (!stored) return false;
    const InodeRecord& record = stored->record;
    const bool same = record.IsDirectory() == found.is_directory && !stored->in_meta && known.current &&
                      IsSameObject(record, found) && !TellsTime(record, found) &&
                      (found.is_directory || (record.origin && record.origin->key == found.info.key &&
                                              record.origin->size == found.info.size_bytes));
    if (same) return true;
  }
  ASSIGN_OR_RETURN(const InodePtr got, core_.Get(known.ino));
  Inode& inode = *got;
  InodeRecord& record = inode.record;
  if (inode.in_meta || (found.has_object && core_.changed_keys.contains(found.info.key))) return true;
  const bool both_directories = record.IsDirectory() && found.is_directory;
  const bool same_bytes = !record.IsDirectory() && !found.is_directory && record.origin &&
                          record.origin->key == found.info.key && record.origin->etag == found.info.etag &&
                          record.origin->size == found.info.size_bytes;
  if (!both_directories && !same_bytes) {
    RETURN_IF_ERROR(Drop(dir, known, changed));
    return false;
  }
  if (!IsSameObject(record, found)) {
    RETURN_IF_ERROR(Update(inode, found, dir->ino, txn));
    changed->push_back({dir->ino, known.name, known.ino});
  }
  if (TellsTime(record, found)) {
    record.origin->last_modified_us = found.info.last_modified_us;
    core_.Save(inode, txn);
  }
  if (!known.current || known.type != (record.mode & S_IFMT)) {
    core_.db->PutDentry(txn, dir->ino, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/false);
  }
  return true;
}

Status Loader::Apply(Ino dir, const std::vector<Found>& found, const std::string& prefix, bool moved) {
  std::vector<Changed> changed;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(dir));
    Transaction txn;
    uint32_t subdirectories = 0;
    for (const Found& entry : found) {
      ASSIGN_OR_RETURN(const auto known, core_.db->FindDentry(dir, entry.name));
      if (known) {
        if (moved) continue;
        ASSIGN_OR_RETURN(const bool kept, KeepEntry(inode, *known, entry, &changed, txn));
        if (kept) continue;
      }
      ASSIGN_OR_RETURN(const bool added, AddEntry(inode, entry, prefix, moved, txn));
      if (added && entry.is_directory) ++subdirectories;
    }
    if (subdirectories > 0) {
      inode->record.subdirectories += subdirectories;
      core_.Save(*inode, txn);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
  TellKernel(changed);
  return {};
}

void Loader::TellKernel(const std::vector<Changed>& changed) {
  for (const Changed& name : changed) core_.invalidate(name.ino, name.dir, name.name);
}

Result<bool> Loader::MayBeDropped(const Dentry& entry, const std::string& prefix) {
  auto got = core_.Get(entry.ino);
  if (got.Is(Errc::kStale)) return true;
  if (!got.ok()) return std::move(got).error();
  const Inode& inode = **got;
  if (inode.in_meta || inode.stepping || inode.dirty_order != 0) return false;
  std::string key = prefix + inode.record.Segment();
  if (!inode.record.IsDirectory()) {
    return inode.record.origin && inode.record.origin->key == key && !core_.changed_keys.contains(key);
  }
  key.push_back('/');
  if (inode.record.origin && inode.record.origin->key != key) return false;
  const auto changed = core_.changed_keys.lower_bound(key);
  return changed == core_.changed_keys.end() || !changed->starts_with(key);
}

Status Loader::Drop(const InodePtr& dir, const Dentry& entry, std::vector<Changed>* changed) {
  auto got = core_.Get(entry.ino);
  if (!got.ok() && !got.Is(Errc::kStale)) return std::move(got).error();
  if (got.ok() && S_ISDIR(entry.type)) {
    ASSIGN_OR_RETURN(const auto children, core_.db->Children(entry.ino, 0, SIZE_MAX));
    for (const Dentry& child : children) RETURN_IF_ERROR(Drop(*got, child, changed));
  }
  Transaction txn;
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, dir->ino, entry.name));
  if (got.ok()) {
    // The object is gone already: nothing is to be deleted. An open file stays as an orphan.
    if ((*got)->record.origin) (*got)->record.origin->superseded = true;
    RETURN_IF_ERROR(core_.DropLink(*got, txn, /*held_by=*/0));
  }
  if (S_ISDIR(entry.type) && dir->record.subdirectories > 0) {
    --dir->record.subdirectories;
    core_.Save(*dir, txn);
  }
  changed->push_back({dir->ino, entry.name, entry.ino});
  return core_.Commit(txn);
}

Status Loader::DropName(const InodePtr& dir, std::string_view name, const std::string& prefix) {
  std::vector<Changed> changed;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const auto dentry, core_.db->FindDentry(dir->ino, name));
    if (!dentry || dentry->in_meta) return {};
    ASSIGN_OR_RETURN(const bool gone, MayBeDropped(*dentry, prefix));
    if (gone) RETURN_IF_ERROR(Drop(dir, *dentry, &changed));
  }
  TellKernel(changed);
  return {};
}

Status Loader::Probe(const OpContext& ctx, const InodePtr& dir, std::string_view name) {
  std::string prefix;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const bool moving, core_.IsMoving(dir->ino));
    if (moving) return {};
    ASSIGN_OR_RETURN(prefix, core_.DirectoryPrefix(dir->ino));
  }
  const ListingScope scope(core_);
  RETURN_IF_ERROR(ctx.Check());
  Found entry;
  entry.name = std::string(name);
  entry.segment = KeySegmentOfName(name);
  const std::string key = prefix + entry.segment;
  ASSIGN_OR_RETURN(const bool is_directory, AnyUnder(ctx, key + "/"));
  if (is_directory && NameOfKeySegment(entry.segment, KeySegmentKind::kDirectory) == name) {
    entry.is_directory = entry.marker_known = true;
    ASSIGN_OR_RETURN(auto marker, HeadIfThere(ctx, key + "/"));
    entry.has_object = marker.has_value();
    if (marker) entry.info = std::move(*marker);
  } else {
    const auto kind = is_directory ? KeySegmentKind::kObjectBesideDirectory : KeySegmentKind::kObject;
    if (NameOfKeySegment(entry.segment, kind) != name) return {};
    ASSIGN_OR_RETURN(auto info, HeadIfThere(ctx, key));
    if (!info) return DropName(dir, name, prefix);
    entry.has_object = true;
    entry.info = std::move(*info);
  }
  return Apply(dir->ino, {entry}, prefix, /*moved=*/false);
}

Status Loader::LoadRoot(const OpContext& ctx) {
  std::string key;
  {
    MutexLock lock(core_.mu);
    Inode probe(DefaultDirectory(kRootIno, kRootIno, ""), true);
    ASSIGN_OR_RETURN(key, core_.TargetKey(probe));
  }
  ASSIGN_OR_RETURN(auto marker, HeadIfThere(ctx, key));
  MutexLock lock(core_.mu);
  InodeRecord record = DefaultDirectory(kRootIno, kRootIno, "");
  record.mtime_ns = record.ctime_ns = record.atime_ns = core_.NowNs();
  if (marker) {
    record = RecordOf(*marker, kRootIno, kRootIno, "");
    record.mode = (record.mode & 07777) | S_IFDIR;
  }
  auto known = core_.Get(kRootIno);
  if (!known.ok() && !known.Is(Errc::kStale)) return std::move(known).error();
  if (!known.ok()) known = core_.Insert(std::move(record), /*in_meta=*/true);
  InodeRecord& root = (*known)->record;
  const bool changed = marker && (!root.origin || root.origin->etag != marker->etag ||
                                  root.origin->last_modified_us != marker->last_modified_us);
  if (changed && !root.attributes_dirty && root.operation_key.empty()) {
    record.subdirectories = root.subdirectories;
    root = std::move(record);
  }
  Transaction txn;
  core_.Save(**known, txn);
  return core_.Commit(txn);
}

}  // namespace pailfs::cache
