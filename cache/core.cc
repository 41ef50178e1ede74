#include "cache/core.h"

#include <algorithm>
#include <cstdio>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "cache/key_names.h"

namespace pailfs::cache {
namespace {

// Numbers of inodes and operations: the epoch above, a counter below.
constexpr int kEpochShift = 40;
constexpr uint64_t kLocalNumberBit = 1ULL << 63;
constexpr size_t kTrimAttempts = 16;
// A file that is open for writing is uploaded only after it has been left alone for this long, or has been dirty for so
// long.
constexpr int64_t kOpenForWriteDelayNs = 15'000'000'000;
constexpr int64_t kLongestDirtyNs = 120'000'000'000;
// How long a directory's marker waits for the directory's dirty entries.
constexpr int64_t kMarkerPatienceNs = 30'000'000'000;
constexpr int64_t kFirstRetryNs = 500'000'000;
constexpr int64_t kLastRetryNs = 60'000'000'000;

}  // namespace

Core::Core(FileSystem& files_in, ObjectStore& store_in, Clock& clock_in, Random& random_in, Metrics& metrics_in,
           MountOptions options_in)
    : files(files_in),
      store(store_in),
      clock(clock_in),
      random(random_in),
      metrics(metrics_in),
      options(std::move(options_in)),
      capabilities(store_in.capabilities()) {}

std::string Core::DataPath(Ino ino) const {
  char name[32];
  std::snprintf(name, sizeof name, "/data/%02x/%016llx", static_cast<unsigned>(ino & 0xff),
                static_cast<unsigned long long>(ino));
  return options.directory + name;
}

std::string Core::OperationToken(Ino ino, uint64_t operation) const {
  return StrCat(mount_id, ".", ino, ".", operation);
}

// --- the table ---

InodePtr Core::Cached(Ino ino) {
  const auto it = table_.find(ino);
  if (it == table_.end()) return nullptr;
  Touch(it->second);
  return it->second;
}

void Core::Touch(const InodePtr& inode) {
  recency_.splice(recency_.end(), recency_, inode->recency);
}

InodePtr Core::Insert(InodeRecord record, bool in_meta) {
  auto inode = std::make_shared<Inode>(std::move(record), in_meta);
  if (inode->record.IsDirectory()) inode->known = db->ListingComplete(inode->ino);
  if (!inode->record.operation_key.empty()) ++open_keys[inode->record.operation_key];
  inode->recency = recency_.insert(recency_.end(), inode->ino);
  table_[inode->ino] = inode;
  TrimTable();
  return inode;
}

void Core::ForgetCached(Ino ino) {
  const auto it = table_.find(ino);
  if (it == table_.end()) return;
  recency_.erase(it->second->recency);
  table_.erase(it);
}

bool Core::CanLeaveMemory(const Inode& inode) const {
  return !inode.in_meta && inode.opens == 0 && inode.directory_opens == 0 && !inode.stepping && !inode.loading &&
         inode.dirty_order == 0;
}

void Core::TrimTable() {
  for (size_t attempt = 0; attempt < kTrimAttempts && table_.size() > options.max_cached_inodes; ++attempt) {
    const InodePtr& oldest = table_.at(recency_.front());
    // One reference is the table's.
    if (oldest.use_count() == 1 && CanLeaveMemory(*oldest)) {
      table_.erase(recency_.front());
      recency_.pop_front();
    } else {
      recency_.splice(recency_.end(), recency_, recency_.begin());
    }
  }
}

Result<InodePtr> Core::Get(Ino ino) {
  if (InodePtr cached = Cached(ino)) return cached;
  ASSIGN_OR_RETURN(auto found, db->FindInode(ino));
  if (!found) return Error{Errc::kStale, "the file is gone"};
  return Insert(std::move(found->record), found->in_meta);
}

Result<InodePtr> Core::GetDirectory(Ino ino) {
  ASSIGN_OR_RETURN(InodePtr inode, Get(ino));
  if (!inode->record.IsDirectory()) return Error{Errc::kNotADirectory, "not a directory"};
  return inode;
}

Attributes Core::AttributesOf(const Inode& inode) {
  Attributes attributes = inode.record.ToAttributes();
  if (options.uid) attributes.uid = *options.uid;
  if (options.gid) attributes.gid = *options.gid;
  // With entries unknown the number of subdirectories is unknown too; 1 tells find(1) not to rely on it.
  const bool known = inode.record.past ? inode.record.past->listed_us != 0 : inode.known;
  if (inode.record.IsDirectory() && !known && inode.record.parent != 0) attributes.nlink = 1;
  return attributes;
}

Result<Attributes> Core::AttributesOf(Ino ino, bool* known) {
  if (const auto it = table_.find(ino); it != table_.end()) {
    if (known != nullptr) *known = !it->second->record.attributes_unknown;
    Attributes attributes = AttributesOf(*it->second);
    InodeContent& content = it->second->content;
    MutexLock lock(content.mu);
    if (content.loaded && content.exists && it->second->record.limit() == 0) {
      attributes.allocated_bytes = content.allocated_bytes;
    }
    return attributes;
  }
  ASSIGN_OR_RETURN(auto found, db->FindInode(ino));
  if (!found) return Error{Errc::kStale, "the file is gone"};
  if (known != nullptr) *known = !found->record.attributes_unknown;
  Inode inode(std::move(found->record), found->in_meta);
  if (inode.record.IsDirectory()) inode.known = db->ListingComplete(ino);
  return AttributesOf(inode);
}

// --- numbers ---

// 2^23 openings, 2^40 files made in each; operations alike.
void Core::StartEpoch(uint64_t epoch) {
  next_number = epoch << kEpochShift;
  next_operation = (epoch << kEpochShift) + 1;
}

Ino Core::NewNumber() {
  return kLocalNumberBit | next_number++;
}

Result<Ino> Core::NumberOf(std::string_view key, std::string_view etag, int64_t last_modified_us) {
  // Listings have milliseconds where headers have seconds.
  const int64_t last_modified_s = last_modified_us / 1'000'000;
  const Ino derived = StableHash64(StrCat(key, '\0', etag, '\0', last_modified_s)) & ~kLocalNumberBit;
  if (derived <= kRootIno) return NewNumber();
  if (table_.contains(derived)) return NewNumber();
  ASSIGN_OR_RETURN(const auto taken, db->FindInode(derived));
  return taken ? NewNumber() : derived;
}

// --- becoming dirty ---

void Core::Save(const Inode& inode, Transaction& txn) {
  db->PutInode(txn, inode.record, inode.in_meta);
}

Status Core::EnterMeta(const InodePtr& inode, Transaction& txn) {
  InodePtr at = inode;
  while (!at->in_meta) {
    at->in_meta = true;
    Save(*at, txn);
    ASSIGN_OR_RETURN(const auto blocks, db->BlockRows(at->ino, /*in_meta=*/false));
    for (const auto& [segment, bits] : blocks) db->PutBlocks(txn, at->ino, segment, bits, /*in_meta=*/true);
    if (at->record.parent == 0) break;
    db->PutDentry(txn, at->record.parent, {at->record.name, at->ino, at->record.mode & S_IFMT}, /*in_meta=*/true);
    ASSIGN_OR_RETURN(InodePtr parent, Get(at->record.parent));
    ++parent->meta_children;
    at = std::move(parent);
  }
  return {};
}

void Core::NoteChanged(Inode& inode) {
  inode.last_change_ns = clock.MonotonicNs();
  inode.failures = 0;
  inode.as_recovered = false;
  inode.record.changed_operation = next_operation;
}

Status Core::MarkChanged(const InodePtr& inode, Change change, Transaction& txn) {
  InodeRecord& record = inode->record;
  switch (change) {
    case Change::kContent:
      if (!record.content_dirty) record.synced_generation = 0;
      record.content_dirty = true;
      ++record.content_generation;
      break;
    case Change::kAttributes:
      ++inode->attribute_generation;
      // A directory that no object stands for gets one only when it is given attributes of its own.
      record.attributes_dirty = true;
      break;
    case Change::kPlace:
      break;
  }
  NoteChanged(*inode);
  RETURN_IF_ERROR(EnterMeta(inode, txn));
  Save(*inode, txn);
  UpdateQueue(inode);
  return {};
}

Status Core::TouchDirectory(const InodePtr& dir, Transaction& txn) {
  dir->record.mtime_ns = dir->record.ctime_ns = NowNs();
  // The time of an implicit directory is not worth an object.
  if (dir->record.origin || dir->record.attributes_dirty) return MarkChanged(dir, Change::kAttributes, txn);
  Save(*dir, txn);
  return {};
}

void Core::NoteFailure(Inode& inode) {
  ++inode.failures;
  inode.retry_ns = clock.MonotonicNs() + PauseAfter(inode.failures);
}

int64_t Core::PauseAfter(int failures) {
  int64_t pause = kFirstRetryNs;
  for (int i = 1; i < failures && pause < kLastRetryNs; ++i) pause *= 2;
  return std::min(pause, kLastRetryNs);
}

int64_t Core::DueOf(const Inode& inode) const {
  const int64_t now = clock.MonotonicNs();
  if (inode.failures > 0) return inode.retry_ns;
  if (inode.urgent || inode.must_evacuate || flushers > 0 || (pressure > 0 && inode.record.content_dirty)) return now;
  int64_t due = inode.last_change_ns + options.writeback_delay_ns;
  if (inode.write_opens > 0 && inode.record.content_dirty) {
    due = std::min(inode.last_change_ns + std::max(options.writeback_delay_ns, kOpenForWriteDelayNs),
                   inode.dirty_since_ns + kLongestDirtyNs);
  }
  if (inode.record.IsDirectory() && inode.dirty_children > 0)
    due = std::max(due, inode.dirty_since_ns + kMarkerPatienceNs);
  return due;
}

bool Core::NeedsStep(const Inode& inode) {
  if (inode.freed) return false;
  const InodeRecord& record = inode.record;
  // Until it is known what a step left in the bucket, linked or not.
  if (!record.operation_key.empty()) return true;
  if (record.parent == 0) return inode.must_evacuate;
  if (record.content_dirty || record.attributes_dirty) return true;
  const auto target = TargetKey(inode);
  return target.ok() && IsDisplaced(inode, *target);
}

void Core::UpdateQueue(const InodePtr& inode) {
  const bool needed = NeedsStep(*inode);
  if (inode->queued) queue.erase({inode->due_ns, inode->ino});
  inode->queued = false;
  if (needed && inode->dirty_order == 0) {
    inode->dirty_order = next_order++;
    inode->dirty_since_ns = clock.MonotonicNs();
    dirty_by_order[inode->dirty_order] = inode->ino;
  } else if (!needed && inode->dirty_order != 0) {
    dirty_by_order.erase(inode->dirty_order);
    inode->dirty_order = 0;
    inode->urgent = false;
    inode->aborted_uploads = 0;
    failing.erase(inode->ino);
    inode->last_error.reset();
    progress_changed.NotifyAll();
  }
  const Ino count_in = needed && inode->ino != kRootIno ? inode->record.parent : 0;
  if (inode->counted_in != count_in) {
    if (const InodePtr parent = inode->counted_in != 0 ? Cached(inode->counted_in) : nullptr) {
      if (--parent->dirty_children == 0 && parent->queued && parent != inode) UpdateQueue(parent);
    }
    if (const InodePtr parent = count_in != 0 ? Cached(count_in) : nullptr) ++parent->dirty_children;
    inode->counted_in = count_in;
  }
  if (!needed || inode->stepping) return;
  inode->due_ns = DueOf(*inode);
  inode->queued = true;
  const auto [place, inserted] = queue.insert({inode->due_ns, inode->ino});
  if (place == queue.begin()) work_changed.NotifyOne();
}

void Core::Dequeue(const InodePtr& inode) {
  if (inode->queued) queue.erase({inode->due_ns, inode->ino});
  inode->queued = false;
}

void Core::MakeUrgent(const InodePtr& inode) {
  inode->urgent = true;
  inode->failures = 0;
  UpdateQueue(inode);
}

// --- becoming clean ---

Status Core::SettleIfClean(const InodePtr& start) {
  InodePtr inode = start;
  while (inode->in_meta && !inode->freed && inode->ino != kRootIno && inode->record.parent != 0 &&
         inode->dirty_order == 0 && !inode->stepping && inode->meta_children == 0 && inode->record.holds == 0) {
    Transaction txn;
    const InodeRecord& record = inode->record;
    db->PutInode(txn, record, /*in_meta=*/false);
    db->PutDentry(txn, record.parent, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/false);
    ASSIGN_OR_RETURN(const auto blocks, db->BlockRows(record.ino, /*in_meta=*/true));
    for (const auto& [segment, bits] : blocks) {
      db->PutBlocks(txn, record.ino, segment, bits, /*in_meta=*/false);
      txn.meta.Delete(BlocksKey(record.ino, segment));
    }
    txn.meta.Delete(InodeKey(record.ino));
    txn.meta.Delete(DentryKey(record.parent, record.name));
    if (record.origin) {
      // It was elsewhere and came back.
      ASSIGN_OR_RETURN(const auto displaced, db->FindDisplaced(record.origin->key));
      if (displaced == record.ino) db->RemoveDisplaced(txn, record.origin->key);
    }
    RETURN_IF_ERROR(db->Settle(txn));
    inode->in_meta = false;
    ASSIGN_OR_RETURN(InodePtr parent, Get(record.parent));
    --parent->meta_children;
    inode = std::move(parent);
  }
  return {};
}

Status Core::Commit(Transaction& txn, KvDurability durability) {
  return db->Commit(txn, durability);
}

// --- leaving ---

Status Core::AddTombstone(const Origin& origin, Transaction& txn, Ino successor) {
  if (origin.superseded) return {};
  ASSIGN_OR_RETURN(const bool pending, db->HasTombstone(txn, origin.key));
  if (!pending) ++tombstones;
  db->PutTombstone(txn, origin.key, {origin.etag, origin.version_id, NowNs(), successor});
  db->RemoveDisplaced(txn, origin.key);
  const int64_t due = flushers > 0 ? clock.MonotonicNs() : clock.MonotonicNs() + options.writeback_delay_ns;
  if (tombstones == 1 || due < tombstones_due_ns) tombstones_due_ns = due;
  work_changed.NotifyOne();
  return {};
}

Status Core::RemoveTombstone(const std::string& key, Transaction& txn) {
  ASSIGN_OR_RETURN(const bool pending, db->HasTombstone(txn, key));
  if (!pending) return {};
  db->RemoveTombstone(txn, key);
  --tombstones;
  return {};
}

Status Core::DropLink(const InodePtr& inode, Transaction& txn, Ino held_by) {
  InodeRecord& record = inode->record;
  if (inode->in_meta && record.parent != 0) {
    if (const InodePtr parent = Cached(record.parent)) --parent->meta_children;
  }
  record.parent = 0;
  record.ctime_ns = NowNs();
  record.held = held_by != 0;
  const bool stays =
      inode->opens > 0 || inode->directory_opens > 0 || inode->stepping || record.held || !record.operation_key.empty();
  if (stays) {
    RETURN_IF_ERROR(EnterMeta(inode, txn));
    // Where its bytes stay in reach by their version, the object need not wait for the last close.
    if (!record.held && !inode->stepping && record.operation_key.empty() && record.origin &&
        record.origin->HasOwnVersion()) {
      RETURN_IF_ERROR(AddTombstone(*record.origin, txn));
      record.origin->superseded = true;
    }
    Save(*inode, txn);
    if (record.origin && !record.origin->superseded) db->PutDisplaced(txn, record.origin->key, inode->ino);
    UpdateQueue(inode);
    return {};
  }
  return FreeIfUnused(inode, txn);
}

Status Core::FreeIfUnused(const InodePtr& inode, Transaction& txn) {
  if (inode->freed || inode->record.parent != 0 || inode->record.held || inode->opens > 0 ||
      inode->directory_opens > 0 || inode->stepping || !inode->record.operation_key.empty()) {
    return {};
  }
  if (inode->record.origin) RETURN_IF_ERROR(AddTombstone(*inode->record.origin, txn));
  if (inode->record.holds != 0) RETURN_IF_ERROR(ReleaseHeld(inode, txn));
  RETURN_IF_ERROR(db->RemoveInode(txn, inode->ino));
  inode->freed = true;
  UpdateQueue(inode);
  ForgetCached(inode->ino);
  if (inode->record.IsRegular()) discard_content(inode);
  return {};
}

Status Core::ReleaseHeld(const InodePtr& inode, Transaction& txn) {
  const Ino held = inode->record.holds;
  if (held == 0) return {};
  inode->record.holds = 0;
  auto replaced = Get(held);
  if (replaced.Is(Errc::kStale)) return {};
  if (!replaced.ok()) return std::move(replaced).error();
  (*replaced)->record.held = false;
  if ((*replaced)->opens > 0 || (*replaced)->stepping) {
    Save(**replaced, txn);
    return {};
  }
  return FreeIfUnused(*replaced, txn);
}

}  // namespace pailfs::cache
