#include "cache/loader.h"

#include "base/log.h"
#include "base/str.h"
#include "cache/key_names.h"
#include "cache/metadata_codec.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kNsPerUs = 1000;

// Counts a listing under way, so that keys that leave the bucket meanwhile are remembered.
class ListingScope {
 public:
  explicit ListingScope(Core& core) : core_(core) {
    MutexLock lock(core_.mu);
    ++core_.listings_under_way;
  }
  ~ListingScope() {
    MutexLock lock(core_.mu);
    if (--core_.listings_under_way == 0) core_.gone_keys.clear();
  }
  ListingScope(const ListingScope&) = delete;
  ListingScope& operator=(const ListingScope&) = delete;

 private:
  Core& core_;
};

}  // namespace

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
  for (const auto& [key, value] : info.metadata) {
    if (!IsPosixMetadataName(key)) record.foreign_metadata.emplace_back(key, value);
  }
  record.origin = Origin{info.key, info.etag, info.version_id, info.size_bytes, info.size_bytes, info.last_modified_us,
                         /*superseded=*/false};
  return record;
}

Result<std::optional<ObjectInfo>> Loader::HeadIfThere(const OpContext& ctx, std::string_view key) {
  auto info = core_.store.Head(ctx, key, {});
  if (info.Is(Errc::kNotFound)) return std::optional<ObjectInfo>();
  if (!info.ok()) return std::move(info).error();
  return std::optional<ObjectInfo>(std::move(*info));
}

Result<bool> Loader::AnyUnder(const OpContext& ctx, const std::string& prefix) {
  ListRequest request;
  request.prefix = prefix;
  request.max_keys = 1;
  ASSIGN_OR_RETURN(const ListPage page, core_.store.List(ctx, request));
  return !page.objects.empty();
}

Result<std::vector<Loader::Found>> Loader::Interpret(const OpContext& ctx, const std::string& prefix, ListPage page) {
  std::vector<Found> found;
  std::unordered_set<std::string> directories;
  for (const std::string& common : page.common_prefixes) {
    if (common == kReservedPrefix) continue;
    Found entry;
    const std::string segment = common.substr(prefix.size(), common.size() - prefix.size() - 1);
    entry.name = NameOfKeySegment(segment, KeySegmentKind::kDirectory);
    entry.is_directory = true;
    directories.insert(segment);
    ASSIGN_OR_RETURN(auto marker, HeadIfThere(ctx, common));
    if (marker) {
      entry.info = std::move(*marker);
      entry.has_object = true;
    }
    found.push_back(std::move(entry));
  }
  for (ObjectInfo& info : page.objects) {
    if (info.key == prefix) continue;  // the directory's own marker
    Found entry;
    const std::string segment = info.key.substr(prefix.size());
    bool beside_directory = directories.contains(segment);
    if (!info.has_metadata) {
      ASSIGN_OR_RETURN(auto head, HeadIfThere(ctx, info.key));
      if (!head) continue;
      info = std::move(*head);
    }
    // "a" and "a/…" may stand on different pages: '/' sorts after '-' and '.'.
    if (!beside_directory && !page.next_token.empty()) {
      ASSIGN_OR_RETURN(beside_directory, AnyUnder(ctx, info.key + "/"));
    }
    entry.name = NameOfKeySegment(segment, beside_directory ? KeySegmentKind::kObjectBesideDirectory : KeySegmentKind::kObject);
    entry.info = std::move(info);
    entry.has_object = true;
    found.push_back(std::move(entry));
  }
  return found;
}

Status Loader::AddEntry(Ino dir, const Found& found, const std::string& prefix, bool moved, Transaction& txn) {
  const std::string key = found.has_object ? found.info.key : prefix + KeySegmentOfName(found.name) + "/";
  ASSIGN_OR_RETURN(const auto known, core_.db->FindDentry(dir, found.name));
  if (known) return {};
  if (!moved) {
    ASSIGN_OR_RETURN(const bool spoken_for, core_.KeyIsSpokenFor(key));
    if (spoken_for) return {};
  }
  InodeRecord record;
  if (found.is_directory) {
    ASSIGN_OR_RETURN(const Ino ino, core_.NumberOf(key, "", 0));
    if (found.has_object) {
      record = RecordOf(found.info, ino, dir, found.name);
      record.mode = (record.mode & 07777) | S_IFDIR;
    } else {
      record = DefaultDirectory(ino, dir, found.name);
    }
  } else {
    ASSIGN_OR_RETURN(const Ino ino, core_.NumberOf(key, found.info.etag, found.info.last_modified_us));
    record = RecordOf(found.info, ino, dir, found.name);
  }
  core_.db->PutInode(txn, record, /*in_meta=*/false);
  core_.db->PutDentry(txn, dir, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/false);
  return {};
}

Status Loader::Apply(Ino dir, const std::vector<Found>& found, const std::string& prefix, bool moved) {
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(dir));
  Transaction txn;
  uint32_t subdirectories = 0;
  for (const Found& entry : found) {
    ASSIGN_OR_RETURN(const auto known, core_.db->FindDentry(dir, entry.name));
    if (!known && entry.is_directory) ++subdirectories;
    RETURN_IF_ERROR(AddEntry(dir, entry, prefix, moved, txn));
  }
  if (subdirectories > 0) {
    inode->record.subdirectories += subdirectories;
    core_.Save(*inode, txn);
  }
  return core_.Commit(txn);
}

Status Loader::ListInto(const OpContext& ctx, Ino dir, const std::string& prefix, bool moved) {
  ListRequest request;
  request.prefix = prefix;
  request.delimiter = "/";
  request.with_metadata = core_.options.posix_metadata && core_.capabilities.list_metadata;
  do {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(ListPage page, core_.store.List(ctx, request));
    request.continuation_token = page.next_token;
    ASSIGN_OR_RETURN(const auto found, Interpret(ctx, prefix, std::move(page)));
    RETURN_IF_ERROR(Apply(dir, found, prefix, moved));
  } while (!request.continuation_token.empty());
  return {};
}

Status Loader::LoadDirectory(const OpContext& ctx, const InodePtr& dir) {
  std::string prefix;
  {
    MutexLock lock(core_.mu);
    while (dir->loading) {
      RETURN_IF_ERROR(ctx.Check());
      core_.load_ended.WaitFor(core_.mu, std::chrono::milliseconds(20));
    }
    if (dir->known || dir->record.parent == 0) return {};
    ASSIGN_OR_RETURN(prefix, core_.DirectoryPrefix(dir->ino));
    dir->loading = true;
  }
  const ListingScope scope(core_);
  Status listed = ListInto(ctx, dir->ino, prefix, /*moved=*/false);
  MutexLock lock(core_.mu);
  dir->loading = false;
  core_.load_ended.NotifyAll();
  if (!listed.ok()) return std::move(listed).error().With("listing " + core_.PathOf(*dir));
  const auto prefix_now = core_.DirectoryPrefix(dir->ino);
  // Moved while it was listed: what was listed stays, the rest is asked for again.
  if (!prefix_now.ok() || *prefix_now != prefix) return {};
  dir->known = true;
  Transaction txn;
  core_.db->SetListingComplete(txn, dir->ino, true);
  return core_.Commit(txn);
}

Status Loader::LoadSubtree(const OpContext& ctx, const InodePtr& dir) {
  std::vector<Ino> pending{dir->ino};
  while (!pending.empty()) {
    const Ino ino = pending.back();
    pending.pop_back();
    InodePtr inode;
    {
      MutexLock lock(core_.mu);
      auto found = core_.Get(ino);
      if (found.Is(Errc::kStale)) continue;
      if (!found.ok()) return std::move(found).error();
      inode = std::move(*found);
    }
    RETURN_IF_ERROR(LoadDirectory(ctx, inode));
    uint64_t cookie = 0;
    for (;;) {
      ASSIGN_OR_RETURN(const auto children, core_.db->Children(ino, cookie, 256));
      if (children.empty()) break;
      for (const Dentry& child : children) {
        if (S_ISDIR(child.type)) pending.push_back(child.ino);
      }
      cookie = CookieOfName(children.back().name);
    }
  }
  return {};
}

Status Loader::Probe(const OpContext& ctx, const InodePtr& dir, std::string_view name) {
  std::string prefix;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(prefix, core_.DirectoryPrefix(dir->ino));
  }
  const ListingScope scope(core_);
  const std::string key = prefix + KeySegmentOfName(name);
  Found entry;
  entry.name = std::string(name);
  ASSIGN_OR_RETURN(const bool is_directory, AnyUnder(ctx, key + "/"));
  if (is_directory && NameOfKeySegment(KeySegmentOfName(name), KeySegmentKind::kDirectory) == name) {
    entry.is_directory = true;
    ASSIGN_OR_RETURN(auto marker, HeadIfThere(ctx, key + "/"));
    entry.has_object = marker.has_value();
    if (marker) entry.info = std::move(*marker);
  } else {
    const auto kind = is_directory ? KeySegmentKind::kObjectBesideDirectory : KeySegmentKind::kObject;
    if (NameOfKeySegment(KeySegmentOfName(name), kind) != name) return {};
    ASSIGN_OR_RETURN(auto info, HeadIfThere(ctx, key));
    if (!info) return {};
    entry.has_object = true;
    entry.info = std::move(*info);
  }
  return Apply(dir->ino, {entry}, prefix, /*moved=*/false);
}

Status Loader::LoadMoved(const OpContext& ctx, Ino dir, const std::string& prefix) {
  RETURN_IF_ERROR(ListInto(ctx, dir, prefix, /*moved=*/true));
  ASSIGN_OR_RETURN(const auto children, core_.db->Children(dir, 0, SIZE_MAX));
  for (const Dentry& child : children) {
    if (S_ISDIR(child.type)) RETURN_IF_ERROR(LoadMoved(ctx, child.ino, prefix + KeySegmentOfName(child.name) + "/"));
  }
  return {};
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
  const InodePtr root = core_.Insert(std::move(record), /*in_meta=*/true);
  Transaction txn;
  core_.Save(*root, txn);
  return core_.Commit(txn);
}

}  // namespace pailfs::cache
