// Inodes and directories of the past.

#include "cache/past.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <unordered_set>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "cache/key_names.h"
#include "cache/moment.h"
#include "cache/posix_acl.h"

namespace pailfs::cache {
namespace {

constexpr size_t kAskingThreads = 16;
constexpr size_t kMostAsked = 1000;
constexpr int kMostAttempts = 3;
// S3 dates a multipart object by its start; uploads take this long at most.
constexpr int64_t kSettledUs = int64_t{7} * 86'400 * 1'000'000;
// Of moments that are told from now, and of what has versions.
constexpr int64_t kMovingViewTtlNs = 1'000'000'000;
// A store dates a commit before it can be read.
constexpr int64_t kCommittedUs = int64_t{60} * 1'000'000;
// A name that was found is asked for again only where the moment was so short ago.
constexpr int64_t kProbedAgainUs = 10'000'000;
// More inodes of the past than this are too much: what is known of it is dropped.
constexpr uint64_t kMostInodes = 1'000'000;

bool IsInUse(const InodePtr& inode) {
  return inode != nullptr && (inode->opens > 0 || inode->directory_opens > 0 || inode->loading);
}

std::string IdentityOf(const PastPlace& place) {
  return StrCat('d', static_cast<int>(place.kind), '\0', place.root, '\0', place.prefix, '\0', place.time_us);
}

}  // namespace

Past::Past(Core& core, Loader& loader) : core_(core), loader_(loader) {
  if (core.options.background) asking_ = std::make_unique<ThreadPool>("pailfs-past", kAskingThreads, kMostAsked);
}

void Past::Stop() {
  asking_.reset();
}

bool Past::IsEntrance(std::string_view name) const {
  const MountOptions& options = core_.options;
  return options.snapshot_view != SnapshotView::kOff &&
         (name == options.snapshot_name || name == options.versions_name);
}

int64_t Past::NameTtlNs(const Inode& dir) {
  if (!dir.record.past) return 0;  // an entrance follows its directory, wherever that moves
  return dir.record.past->kind == Kind::kTree ? INT64_MAX : kMovingViewTtlNs;
}

// --- numbers and rows ---

Result<Ino> Past::NumberFor(std::string_view identity, const std::function<bool(const InodeRecord&)>& is_same,
                            bool* exists) {
  for (uint64_t attempt = 0;; ++attempt) {
    const Ino ino = StableHash64(identity, attempt) | kPastBits;
    ASSIGN_OR_RETURN(const auto found, core_.db->FindInode(ino));
    *exists = found.has_value();
    if (!found || is_same(found->record)) return ino;
  }
}

Result<Ino> Past::PutDirectory(const PastPlace& place, Ino parent, std::string_view name, const Entry* entry,
                               Transaction& txn) {
  bool exists = false;
  const auto is_same = [&place](const InodeRecord& record) { return record.past && record.past->IsSame(place); };
  ASSIGN_OR_RETURN(const Ino ino, NumberFor(IdentityOf(place), is_same, &exists));
  const bool has_marker = place.kind == Kind::kTree || (place.kind == Kind::kVersions && place.prefix != place.root);
  if (exists) {
    // Who may see the versions of a directory's files is asked for each time.
    const bool changes = has_marker && place.kind == Kind::kVersions;
    if (!place.named && !place.alive && !changes) return ino;
    ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
    PastPlace& known = *inode->record.past;
    if (known.named >= place.named && known.alive >= place.alive && !changes) return ino;
    known.named = known.named || place.named;
    known.alive = known.alive || place.alive;
    inode->record.attributes_unknown = inode->record.attributes_unknown || changes;
    core_.Save(*inode, txn);
    return ino;
  }
  InodeRecord record = loader_.DefaultDirectory(ino, parent, std::string(name));
  if (entry != nullptr && entry->object) {
    record = loader_.RecordOf(*entry->object, ino, parent, std::string(name));
    record.mode = (record.mode & 07777) | S_IFDIR;
    record.origin->superseded = true;
  } else {
    record.attributes_unknown = has_marker && (entry == nullptr || !entry->marker_known);
    const int64_t time_us = place.kind == Kind::kTree ? place.time_us : NowUs();
    if (place.kind != Kind::kTree || place.prefix == place.root) {
      record.mtime_ns = record.ctime_ns = record.atime_ns = time_us * 1000;
    }
  }
  record.past = place;
  core_.db->PutInode(txn, record, /*in_meta=*/false);
  ++inodes_;
  return ino;
}

Result<Ino> Past::PutFile(const ObjectInfo& info, Ino parent, std::string_view name, Transaction& txn) {
  bool exists = false;
  const auto is_same = [&info](const InodeRecord& record) {
    return record.origin && !record.past && record.origin->key == info.key &&
           record.origin->version_id == info.version_id && record.origin->etag == info.etag;
  };
  const std::string identity = StrCat('f', info.key, '\0', info.version_id, '\0', info.etag);
  ASSIGN_OR_RETURN(const Ino ino, NumberFor(identity, is_same, &exists));
  if (exists) return ino;
  InodeRecord record = loader_.RecordOf(info, ino, parent, std::string(name));
  record.origin->superseded = true;
  record.ctime_ns = info.last_modified_us * 1000;
  core_.db->PutInode(txn, record, /*in_meta=*/false);
  ++inodes_;
  return ino;
}

Result<bool> Past::IsKnownAlive(const PastPlace& moment) {
  MutexLock lock(core_.mu);
  bool exists = false;
  const auto is_same = [&moment](const InodeRecord& record) { return record.past && record.past->IsSame(moment); };
  ASSIGN_OR_RETURN(const Ino ino, NumberFor(IdentityOf(moment), is_same, &exists));
  if (!exists) return false;
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
  if (inode->record.past->alive && IsSettled(moment)) return true;
  if (!Holds(*inode->record.past, Knowledge::kFresh)) return false;
  return core_.db->HasChildren(ino);
}

Result<InodePtr> Past::DirectoryAt(const PastPlace& place, Ino parent, std::string_view name) {
  MutexLock lock(core_.mu);
  Transaction txn;
  ASSIGN_OR_RETURN(const Ino ino, PutDirectory(place, parent, name, nullptr, txn));
  RETURN_IF_ERROR(core_.Commit(txn));
  return core_.Get(ino);
}

std::string Past::MarkerKey(const std::string& prefix) const {
  return prefix.empty() ? StrCat(kReservedPrefix, "root") : prefix;
}

// --- entering and looking up ---

Result<Ino> Past::Enter(Ino dir, std::string_view name) {
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const InodePtr present, core_.GetDirectory(dir));
  if (present->record.parent == 0) return Error{Errc::kNotFound, "the directory was removed"};
  PastPlace place;
  place.kind = name == core_.options.snapshot_name ? Kind::kSnapshots : Kind::kVersions;
  ASSIGN_OR_RETURN(place.prefix, core_.DirectoryPrefix(dir));
  place.root = place.prefix;
  Transaction txn;
  ASSIGN_OR_RETURN(const Ino ino, PutDirectory(place, dir, name, nullptr, txn));
  RETURN_IF_ERROR(core_.Commit(txn));
  // Whoever may look into the directory may look into its past. Names of moments are the whole bucket's: only the owner
  // of the mounted directory may give and take them.
  ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
  ASSIGN_OR_RETURN(const InodePtr root, core_.Get(kRootIno));
  const InodeRecord& of = present->record;
  InodeRecord& record = inode->record;
  uint32_t mode = of.mode & ~static_cast<uint32_t>(S_IWGRP | S_IWOTH);
  if (of.uid != root->record.uid) mode &= ~static_cast<uint32_t>(S_IWUSR);
  std::map<std::string, std::string> acl;
  if (const auto found = of.xattrs.find(std::string(kAccessAclXattr)); found != of.xattrs.end()) {
    ASSIGN_OR_RETURN(acl[found->first], ApplyChmodToAcl(found->second, mode));
  }
  const bool same = record.parent == dir && record.mode == mode && record.uid == of.uid && record.gid == of.gid &&
                    record.mtime_ns == of.mtime_ns && record.xattrs == acl;
  if (same) return ino;
  record.parent = dir;
  record.xattrs = std::move(acl);
  record.mode = mode;
  record.uid = of.uid;
  record.gid = of.gid;
  record.mtime_ns = record.ctime_ns = record.atime_ns = of.mtime_ns;
  Transaction update;
  core_.Save(*inode, update);
  RETURN_IF_ERROR(core_.Commit(update));
  return ino;
}

Result<Ino> Past::Lookup(const OpContext& ctx, const InodePtr& dir, std::string_view name) {
  PastPlace place;
  bool probe = false;
  const auto known = [&]() REQUIRES(core_.mu) -> Result<Ino> {
    ASSIGN_OR_RETURN(const auto dentry, core_.db->FindDentry(dir->ino, name));
    if (!dentry) return Error{Errc::kNotFound, "no such file"};
    return dentry->ino;
  };
  {
    MutexLock lock(core_.mu);
    if (!dir->record.past) return Error{Errc::kNotADirectory, "not a directory"};
    place = *dir->record.past;
    if (place.kind == Kind::kTree) {
      const bool all = Holds(place, Knowledge::kFresh);
      auto found = known();
      if (all || (found.ok() && IsSettled(place))) return found;
      probe = !IsHashedName(name) && ++dir->probes <= kProbesBeforeListing;
    }
  }
  switch (place.kind) {
    case Kind::kSnapshots:
      return LookupMoment(ctx, dir, place, name);
    case Kind::kVersions:
      return LookupVersions(ctx, dir, place, name);
    case Kind::kFile:
      RETURN_IF_ERROR(Load(ctx, dir, Knowledge::kAny));
      break;
    case Kind::kTree:
      if (!probe) {
        RETURN_IF_ERROR(Load(ctx, dir, Knowledge::kFresh));
        break;
      }
      ASSIGN_OR_RETURN(const auto entry, Probe(ctx, place, name));
      if (!entry) return Error{Errc::kNotFound, "no such file"};
      Listed listed;
      RETURN_IF_ERROR(Apply(dir->ino, place, {*entry}, &listed));
      break;
  }
  MutexLock lock(core_.mu);
  return known();
}

// --- making entries known ---

bool Past::IsSettled(const PastPlace& place) const {
  return NowUs() - place.time_us >= kProbedAgainUs;
}

bool Past::IsFinal(const PastPlace& place, int64_t listed_us) const {
  if (place.kind != Kind::kTree) return false;
  return listed_us - place.time_us >= (core_.capabilities.sole_owner ? kCommittedUs : kSettledUs);
}

bool Past::Holds(const PastPlace& place, Knowledge want) const {
  if (place.listed_us == 0) return false;
  if (want == Knowledge::kAny || IsFinal(place, place.listed_us)) return true;
  int64_t valid_us = core_.options.ttl_ns.value_or(0) / 1000;
  if (place.kind == Kind::kTree) valid_us = std::max(valid_us, place.listed_us - place.time_us);
  const int64_t age_us = NowUs() - place.listed_us;
  return age_us >= 0 && age_us < valid_us;
}

bool Past::IsLocal(const Inode& dir) const {
  const auto& place = dir.record.past;
  return place && place->kind == Kind::kTree && Holds(*place, Knowledge::kFresh);
}

Status Past::Load(const OpContext& ctx, const InodePtr& dir, Knowledge want) {
  PastPlace place;
  bool too_many = false;
  {
    MutexLock lock(core_.mu);
    for (;;) {
      if (!dir->record.past) return Error{Errc::kNotADirectory, "not a directory"};
      place = *dir->record.past;
      if (Holds(place, want)) return {};
      if (!dir->loading) break;
      RETURN_IF_ERROR(ctx.Check());
      core_.load_ended.WaitFor(core_.mu, std::chrono::milliseconds(20));
    }
    RETURN_IF_ERROR(ctx.Check());
    too_many = inodes_ > kMostInodes;
    dir->loading = true;
  }
  Status loaded = too_many ? Discard() : Status();
  if (loaded.ok()) loaded = LoadOnce(ctx, dir, place);
  MutexLock lock(core_.mu);
  dir->loading = false;
  core_.load_ended.NotifyAll();
  if (!loaded.ok()) return std::move(loaded).error().With("listing " + core_.PathOf(*dir));
  return {};
}

Past::Listed Past::BeginListing() {
  MutexLock lock(core_.mu);
  Listed listed;
  listed.discards = discards_;
  return listed;
}

Status Past::LoadOnce(const OpContext& ctx, const InodePtr& dir, const PastPlace& place) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const int64_t began_us = NowUs();
    Listed listed = BeginListing();
    RETURN_IF_ERROR(LoadEntries(ctx, dir, place, &listed));
    ASSIGN_OR_RETURN(const bool noted, NoteListed(dir, std::move(listed), began_us));
    if (noted) return {};
  }
  return Error{Errc::kUnavailable, "too much of the past is asked for at once"};
}

Status Past::LoadEntries(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, Listed* listed) {
  switch (place.kind) {
    case Kind::kSnapshots:
      return LoadMoments(ctx, dir->ino, place, listed);
    case Kind::kTree:
      return LoadTree(ctx, dir, place, listed);
    case Kind::kVersions:
      return LoadVersions(ctx, dir->ino, place, listed);
    case Kind::kFile:
      return LoadFile(ctx, dir, place, listed);
  }
  return Error{Errc::kCorrupt, "a row of the cache's listing is damaged"};
}

void Past::EnterName(Ino dir, const std::string& name, Ino ino, uint32_t type, Listed* listed, Transaction& txn) {
  core_.db->PutDentry(txn, dir, {name, ino, type}, /*in_meta=*/false);
  listed->seen.push_back(CookieOfName(name));
  if (type == S_IFDIR) ++listed->subdirectories;
}

Status Past::EnterPlaces(Ino dir, const std::vector<std::pair<std::string, PastPlace>>& places, Listed* listed) {
  for (size_t at = 0; at < places.size(); at += kRowsPerBatch) {
    MutexLock lock(core_.mu);
    Transaction txn;
    for (const auto& [name, place] : std::span(places).subspan(at, std::min(kRowsPerBatch, places.size() - at))) {
      ASSIGN_OR_RETURN(const Ino ino, PutDirectory(place, dir, name, nullptr, txn));
      EnterName(dir, name, ino, S_IFDIR, listed, txn);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
  return {};
}

Status Past::Apply(Ino dir, const PastPlace& place, const std::vector<Entry>& entries, Listed* listed) {
  std::unordered_set<std::string_view> directories;
  for (const Entry& entry : entries) {
    if (entry.is_directory) directories.insert(entry.segment);
  }
  MutexLock lock(core_.mu);
  Transaction txn;
  for (const Entry& entry : entries) {
    const bool beside = !entry.is_directory && directories.contains(entry.segment);
    const auto kind = entry.is_directory ? KeySegmentKind::kDirectory
                      : beside           ? KeySegmentKind::kObjectBesideDirectory
                                         : KeySegmentKind::kObject;
    const std::string name = NameOfKeySegment(entry.segment, kind);
    Ino ino = 0;
    if (entry.is_directory) {
      const PastPlace below{Kind::kTree, place.root, StrCat(place.prefix, entry.segment, "/"), place.time_us};
      ASSIGN_OR_RETURN(ino, PutDirectory(below, dir, name, &entry, txn));
    } else {
      ASSIGN_OR_RETURN(ino, PutFile(*entry.object, dir, name, txn));
    }
    EnterName(dir, name, ino, entry.is_directory ? S_IFDIR : S_IFREG, listed, txn);
  }
  return core_.Commit(txn);
}

Result<bool> Past::NoteListed(const InodePtr& dir, Listed listed, int64_t began_us) {
  std::sort(listed.seen.begin(), listed.seen.end());
  for (uint64_t cookie = 0;;) {
    MutexLock lock(core_.mu);
    Transaction txn;
    ASSIGN_OR_RETURN(const auto children, core_.db->Children(dir->ino, cookie, kRowsPerBatch));
    if (children.empty()) break;
    for (const Dentry& child : children) {
      cookie = CookieOfName(child.name);
      if (std::binary_search(listed.seen.begin(), listed.seen.end(), cookie)) continue;
      core_.db->RemoveListedDentry(txn, dir->ino, child.name);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
  MutexLock lock(core_.mu);
  if (listed.discards != discards_) return false;
  Transaction txn;
  dir->probes = dir->detail_misses = 0;
  dir->record.subdirectories = listed.subdirectories;
  dir->record.past->listed_us = began_us;
  core_.Save(*dir, txn);
  RETURN_IF_ERROR(core_.Commit(txn));
  return true;
}

// --- attributes ---

Status Past::LoadDetails(const OpContext& ctx, const InodePtr& inode) {
  PastPlace place;
  {
    MutexLock lock(core_.mu);
    const InodeRecord& record = inode->record;
    if (!record.attributes_unknown) return {};
    if (!record.past || (record.origin && record.past->kind == Kind::kTree)) {
      place.kind = Kind::kFile;
    } else {
      place = *record.past;
    }
  }
  if (place.kind == Kind::kFile) return loader_.LoadDetails(ctx, inode);
  std::optional<ObjectInfo> marker;
  if (place.kind == Kind::kTree) {
    ASSIGN_OR_RETURN(marker, ObjectAt(ctx, MarkerKey(place.prefix), place.time_us));
  } else {
    // Who could not look into the directory when it was last there cannot see what was in it.
    ASSIGN_OR_RETURN(marker, NewestVersion(ctx, place.prefix));
  }
  if (marker && !marker->has_metadata) {
    ASSIGN_OR_RETURN(auto whole,
                     loader_.HeadIfThere(ctx, marker->key, {.version_id = marker->version_id, .as_of_us = {}}));
    if (whole) marker = std::move(whole);
  }
  MutexLock lock(core_.mu);
  InodeRecord& record = inode->record;
  if (marker) {
    InodeRecord told = loader_.RecordOf(*marker, record.ino, record.parent, record.name);
    told.mode = (told.mode & 07777) | S_IFDIR;
    told.origin->superseded = true;
    told.past = record.past;
    told.subdirectories = record.subdirectories;
    told.segment = record.segment;
    record = std::move(told);
  }
  record.attributes_unknown = false;
  Transaction txn;
  core_.Save(*inode, txn);
  return core_.Commit(txn);
}

Result<std::string> Past::VirtualXattr(const Inode& inode, std::string_view name) {
  const auto& place = inode.record.past;
  if (name == "snapdir" && inode.record.IsDirectory()) {
    if (core_.options.snapshot_view == SnapshotView::kOff) return std::string();
    return StrCat(core_.options.snapshot_name, "/", core_.options.versions_name);
  }
  if (name == "time" && place && place->kind == Kind::kTree) return FormatMomentExactly(place->time_us);
  if (name == "snapshot" && place && place->named && place->prefix == place->root) return std::string("named");
  if (name == "history" && place && place->kind == Kind::kFile) {
    const auto stored = inode.record.xattrs.find(std::string(kHistoryXattr));
    return stored == inode.record.xattrs.end() ? std::string() : stored->second;
  }
  return Error{Errc::kNoData, "no such attribute"};
}

// --- bounds ---

Status Past::Recover() {
  ASSIGN_OR_RETURN(const uint64_t count, core_.db->CountListedFrom(kPastBits));
  {
    MutexLock lock(core_.mu);
    inodes_ = count;
  }
  return count > kMostInodes / 2 ? Discard() : Status();
}

// What is open, and what an open directory shows, stays.
Status Past::Discard() {
  {
    MutexLock lock(core_.mu);
    inodes_ = 0;
    ++discards_;
  }
  LogInfo("much is known of the past; it is forgotten, and listed again when it is asked for");
  for (Ino first = kPastBits; first != 0;) {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(auto some, core_.db->ListedFrom(first, kRowsPerBatch));
    first = some.empty() ? 0 : some.back().ino + 1;
    Transaction txn;
    for (InodeRecord& record : some) {
      const Ino ino = record.ino;
      const InodePtr parent = core_.Cached(record.parent);
      if (IsInUse(core_.Cached(ino)) || (IsPast(record.parent) && IsInUse(parent))) {
        ++inodes_;
        continue;
      }
      ASSIGN_OR_RETURN(const auto children, core_.db->Children(ino, 0, SIZE_MAX));
      for (const Dentry& child : children) core_.db->RemoveListedDentry(txn, ino, child.name);
      InodePtr inode = core_.Cached(ino);
      if (inode == nullptr) inode = std::make_shared<Inode>(std::move(record), /*meta=*/false);
      if (inode->record.past) inode->record.past->listed_us = 0;
      if (inode->record.IsRegular()) core_.discard_content(inode);
      RETURN_IF_ERROR(core_.db->RemoveInode(txn, ino));
      core_.ForgetCached(ino);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
  return {};
}

}  // namespace pailfs::cache
