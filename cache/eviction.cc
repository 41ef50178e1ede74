// Room in the cache: least recently used clean bytes go first, dirty ones never.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "cache/file_data.h"

namespace pailfs::cache {
namespace {

constexpr size_t kMostCandidates = 4096;

}  // namespace

void FileData::NoteUse(Ino ino) {
  MutexLock lock(recency_mu_);
  const auto it = places_.find(ino);
  if (it != places_.end()) {
    recency_.splice(recency_.end(), recency_, it->second);
  } else {
    places_[ino] = recency_.insert(recency_.end(), ino);
  }
}

void FileData::DropUse(Ino ino) {
  MutexLock lock(recency_mu_);
  const auto it = places_.find(ino);
  if (it == places_.end()) return;
  recency_.erase(it->second);
  places_.erase(it);
}

uint64_t FileData::Evict(uint64_t bytes) {
  uint64_t freed = 0;
  size_t candidates = 0;
  {
    MutexLock lock(recency_mu_);
    candidates = std::min(recency_.size(), kMostCandidates);
  }
  for (; candidates > 0 && freed < bytes; --candidates) {
    Ino ino = 0;
    {
      MutexLock lock(recency_mu_);
      if (recency_.empty()) break;
      ino = recency_.front();
      recency_.splice(recency_.end(), recency_, recency_.begin());
    }
    InodePtr inode;
    {
      MutexLock lock(core_.mu);
      auto found = core_.Get(ino);
      if (found.ok()) inode = std::move(*found);
    }
    if (inode == nullptr) {
      DropUse(ino);
      continue;
    }
    freed += EvictOne(inode);
  }
  return freed;
}

uint64_t FileData::EvictOne(const InodePtr& inode) {
  if (!inode->gate.TryAcquireExclusive()) return 0;
  const ExclusiveHold hold(inode->gate);
  const Snapshot snapshot = SnapshotOf(inode);
  if (snapshot.gone || snapshot.record.limit() == 0 || !Load(inode, snapshot).ok()) return 0;
  bool open = false;
  {
    MutexLock lock(core_.mu);
    open = inode->opens > 0 || inode->stepping;
  }
  if (!open && !snapshot.record.content_dirty) return EvictWhole(inode);
  return PunchClean(inode, snapshot.record);
}

uint64_t FileData::EvictWhole(const InodePtr& inode) {
  uint64_t allocated = 0;
  {
    MutexLock lock(core_.mu);
    Transaction txn;
    inode->record.complete = false;
    if (!core_.db->RemoveBlocks(txn, inode->ino, inode->in_meta).ok()) return 0;
    core_.Save(*inode, txn);
    // Durably, before the bytes go: an older record would call them dirty.
    if (!core_.Commit(txn, KvDurability::kSync).ok()) return 0;
    MutexLock content_lock(inode->content.mu);
    InodeContent& content = inode->content;
    content.blocks = BlockMap();
    content.file.reset();
    content.exists = false;
    content.name_synced = false;
    allocated = content.allocated_bytes;
    content.allocated_bytes = 0;
  }
  DropUse(inode->ino);
  const Status removed = core_.files.Unlink(core_.DataPath(inode->ino));
  if (!removed.ok() && !removed.Is(Errc::kNotFound)) LogWarning("cache: ", removed.error().message);
  budget_.Settle(0, -static_cast<int64_t>(allocated));
  core_.metrics.counter("cache.evicted_files").Add();
  return allocated;
}

uint64_t FileData::PunchClean(const InodePtr& inode, const InodeRecord& record) {
  const auto opened = FileOf(inode, record.size, /*create=*/false);
  if (!opened.ok() || !*opened) return 0;
  const uint64_t blocks_end = record.limit() / kBlockBytes;  // a block that is partly beyond the limit stays
  std::vector<ByteRange> clean;
  {
    MutexLock lock(core_.mu);
    MutexLock content_lock(inode->content.mu);
    BlockMap& blocks = inode->content.blocks;
    const bool complete = inode->record.complete;
    if (complete) {
      blocks.MarkPresent(0, (record.limit() + kBlockBytes - 1) / kBlockBytes);
      inode->record.complete = false;
    }
    for (uint64_t block = 0; block < blocks_end;) {
      if (!blocks.IsPresent(block) || blocks.IsDirty(block)) {
        ++block;
        continue;
      }
      uint64_t last = block + 1;
      while (last < blocks_end && blocks.IsPresent(last) && !blocks.IsDirty(last)) ++last;
      blocks.ClearPresent(block, last);
      clean.push_back({block * kBlockBytes, (last - block) * kBlockBytes});
      block = last;
    }
    if (clean.empty() && !complete) return 0;
  }
  {
    // The bits go before the bytes do.
    MutexLock lock(core_.mu);
    Transaction txn;
    if (!SaveBlocks(inode, txn).ok()) return 0;
    core_.Save(*inode, txn);
    if (!core_.Commit(txn, KvDurability::kSync).ok()) return 0;
  }
  for (const ByteRange& range : clean) {
    if (!(*opened)->PunchHole(range.offset, range.length).ok()) break;
  }
  uint64_t before = 0;
  {
    MutexLock lock(inode->content.mu);
    before = inode->content.allocated_bytes;
  }
  Account(inode);
  MutexLock lock(inode->content.mu);
  return before - std::min(before, inode->content.allocated_bytes);
}

void FileData::DeleteLater(Ino ino, uint64_t allocated_bytes) {
  bool first = false;
  {
    MutexLock lock(recency_mu_);
    first = pending_deletes_.empty();
    pending_deletes_.emplace_back(ino, allocated_bytes);
  }
  // A full queue has a task in it that will see this one too.
  if (first && deleter_ != nullptr) [[maybe_unused]]
    const bool queued = deleter_->TrySubmit([this] { DeletePending(); });
}

void FileData::DeletePending() {
  std::vector<std::pair<Ino, uint64_t>> given_up;
  {
    MutexLock lock(recency_mu_);
    given_up.swap(pending_deletes_);
  }
  if (given_up.empty()) return;
  {
    MutexLock lock(core_.mu);
    const Status synced = core_.db->Sync();
    if (!synced.ok()) {
      LogError("the cache database: ", synced.error().message);
      return;
    }
  }
  for (const auto& [ino, allocated_bytes] : given_up) {
    const Status removed = core_.files.Unlink(core_.DataPath(ino));
    if (!removed.ok() && !removed.Is(Errc::kNotFound)) LogWarning("cache: ", removed.error().message);
    budget_.Settle(0, -static_cast<int64_t>(allocated_bytes));
  }
}

void FileData::Discard(const InodePtr& inode) {
  uint64_t allocated = 0;
  {
    MutexLock lock(inode->content.mu);
    if (inode->content.loaded && !inode->content.exists) return;
    allocated = inode->content.allocated_bytes;
    if (!inode->content.loaded) {
      const auto stat = core_.files.Stat(core_.DataPath(inode->ino));
      if (stat.ok()) allocated = stat->allocated_bytes;
    }
    inode->content.file.reset();
    inode->content.exists = false;
    inode->content.allocated_bytes = 0;
  }
  DropUse(inode->ino);
  DeleteLater(inode->ino, allocated);
}

Status FileData::Forget(const InodePtr& inode, Transaction& txn) {
  RETURN_IF_ERROR(core_.db->RemoveBlocks(txn, inode->ino, inode->in_meta));
  MutexLock lock(inode->content.mu);
  InodeContent& content = inode->content;
  content.blocks = BlockMap();
  content.file.reset();
  // The bytes of before would be taken for those of the object.
  if (content.exists || !content.loaded) {
    const Status removed = core_.files.Unlink(core_.DataPath(inode->ino));
    if (!removed.ok() && !removed.Is(Errc::kNotFound)) return removed;
  }
  budget_.Settle(0, -static_cast<int64_t>(content.allocated_bytes));
  content.exists = false;
  content.name_synced = false;
  content.allocated_bytes = 0;
  content.loaded = true;
  return {};
}

// All of them at once and durably, so that a cache file's name is durable when its own directory is synced.
Status FileData::MakeShards(const std::string& root) {
  ASSIGN_OR_RETURN(const bool exists, core_.files.Exists(root + "/ff"));
  if (exists) return {};
  RETURN_IF_ERROR(core_.files.MakeDirectory(root));
  for (Ino shard = 0; shard <= 0xff; ++shard) {
    const std::string path = core_.DataPath(shard);
    RETURN_IF_ERROR(core_.files.MakeDirectory(path.substr(0, path.rfind('/'))));
  }
  RETURN_IF_ERROR(core_.files.SyncDirectory(root));
  return core_.files.SyncDirectory(core_.options.directory);
}

Status FileData::Recover() {
  const std::string root = core_.options.directory + "/data";
  RETURN_IF_ERROR(MakeShards(root));
  ASSIGN_OR_RETURN(const auto shards, core_.files.List(root));
  uint64_t total = 0;
  for (const std::string& shard : shards) {
    const std::string directory = root + "/" + shard;
    ASSIGN_OR_RETURN(const auto names, core_.files.List(directory));
    for (const std::string& name : names) {
      const std::string path = directory + "/" + name;
      Ino ino = 0;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), ino, 16);
      const bool named_right = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
      ASSIGN_OR_RETURN(const auto found, core_.db->FindInode(ino));
      if (!named_right || !found) {
        RETURN_IF_ERROR(core_.files.Unlink(path));
        continue;
      }
      const auto stat = core_.files.Stat(path);
      if (!stat.ok()) return stat.error();
      total += stat->allocated_bytes;
      NoteUse(ino);
    }
  }
  budget_.Settle(0, static_cast<int64_t>(total));
  return {};
}

}  // namespace pailfs::cache
