// The bytes of regular files: the cache file of each inode, which of its blocks are there and which are dirty, fetching
// what is absent, room, and eviction.
//
// A cache file is as long as its file (invariant: whenever it exists and nobody holds the gate exclusively). A block is
// local when the inode is `complete`, when its bit is set, or when it begins at or beyond the origin's limit; other
// blocks are the origin's. Below the limit a block is dirty when its bit is set; at or beyond it everything is.
//
// Order of writes: a block that holds clean bytes is marked dirty in the database before its first byte changes; a
// block that is absent gets its bytes first and its bits afterwards. So at every instant the database names a source
// for each block that has the right bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "cache/core.h"
#include "cache/space_budget.h"

namespace pailfs::cache {

inline constexpr uint64_t kBlockBytes = 128 << 10;

constexpr uint64_t BlockOf(uint64_t offset) {
  return offset / kBlockBytes;
}
constexpr uint64_t BlocksUpTo(uint64_t size) {
  return (size + kBlockBytes - 1) / kBlockBytes;
}

// Thread-safe.
class FileData {
 public:
  explicit FileData(Core& core);
  ~FileData();

  // Counts what lies in the cache directory and removes what no inode claims. Before any other call.
  Status Recover();

  Result<size_t> Read(const OpContext& ctx, const InodePtr& inode, uint64_t offset, std::span<std::byte> buffer);
  Status Write(const OpContext& ctx, const InodePtr& inode, uint64_t offset, std::span<const std::byte> data,
               bool kill_privileges);
  Status Truncate(const OpContext& ctx, const InodePtr& inode, uint64_t size);
  Status Allocate(const OpContext& ctx, const InodePtr& inode, AllocateMode mode, uint64_t offset, uint64_t length);
  Result<uint64_t> Seek(const OpContext& ctx, const InodePtr& inode, uint64_t offset, SeekTo what);
  // fdatasync of the cache file and its name; the caller makes the record durable.
  Status Sync(const OpContext& ctx, const InodePtr& inode);
  bool IsLocal(const InodePtr& inode, uint64_t offset, uint64_t length);
  // The last opening was closed.
  void Release(const InodePtr& inode);

  // --- for write-back; the caller holds the gate, shared at least ---
  // The whole buffer, from the cache file or, where blocks are absent, from the origin of `record`.
  Status ReadThrough(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, uint64_t offset,
                     std::span<std::byte> buffer);
  Result<std::unique_ptr<BodySource>> BodyOf(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record);
  // Byte ranges below the limit that are dirty, block-aligned.
  std::vector<ByteRange> DirtyRuns(const InodePtr& inode, const InodeRecord& record);
  // No block is dirty any more, and what lay behind the old limit, all of it here, has an origin now. Under Core::mu.
  Status MarkClean(const InodePtr& inode, uint64_t old_limit, uint64_t new_limit, Transaction& txn);
  void AfterStep(const InodePtr& inode);

  SpaceBudget& budget() { return budget_; }
  // Under Core::mu: the cache file of an inode that is gone is deleted soon.
  void Discard(const InodePtr& inode);
  // Under Core::mu, gate not held by a writer: the inode has no cached bytes any more.
  Status Forget(const InodePtr& inode, Transaction& txn);
  // What is known of its blocks is in memory afterwards.
  Status LoadContent(const InodePtr& inode) { return Load(inode, SnapshotOf(inode)); }
  // Deletes the files that were given up, once what gave them up is durable: a power loss must not bring back a record
  // whose bytes are gone.
  void DeletePending();

 private:
  struct Snapshot {
    InodeRecord record;
    bool in_meta = false;
    bool gone = false;
  };

  Snapshot SnapshotOf(const InodePtr& inode);
  Status Load(const InodePtr& inode, const Snapshot& snapshot);
  // The open cache file; made, at the length of the file, when `create` and absent. Null when absent.
  Result<std::shared_ptr<File>> FileOf(const InodePtr& inode, uint64_t size, bool create);
  bool BlockIsLocal(const InodeContent& content, const InodeRecord& record, uint64_t block) const;
  bool RangeIsLocal(const InodePtr& inode, const InodeRecord& record, uint64_t offset, uint64_t length);

  // Fetches the absent blocks of [offset, offset + length) below the limit into the cache file. Gate held.
  Status Fill(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, uint64_t offset, uint64_t length);
  Result<ByteRange> NextFill(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, uint64_t begin,
                             uint64_t end);
  // From the origin of `record`, or where write-back has moved the inode's bytes since.
  Status Fetch(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, ByteRange range, BodySink& sink);
  Status FetchFrom(const OpContext& ctx, const Origin& origin, ByteRange range, BodySink& sink);
  void NoteCompleteness(const InodePtr& inode);

  // Gate held exclusively.
  // Under Core::mu: the blocks of the range that have an origin are dirty now (those that are here already, when
  // `local_only`). True when any was not.
  bool MarkDirty(Inode& inode, uint64_t offset, uint64_t length, bool local_only);
  Status MarkBeforeChange(const InodePtr& inode, uint64_t offset, uint64_t length);
  Status NoteChange(const InodePtr& inode, uint64_t offset, uint64_t length, uint64_t new_size, bool kill_privileges);
  Status Touch(const InodePtr& inode);
  Status SaveBlocks(const InodePtr& inode, Transaction& txn);
  Status FillEdges(const OpContext& ctx, const InodePtr& inode, const Snapshot& snapshot, uint64_t offset,
                   uint64_t length);

  Status MakeShards(const std::string& root);
  void Account(const InodePtr& inode);
  uint64_t Evict(uint64_t bytes);
  uint64_t EvictOne(const InodePtr& inode);
  uint64_t EvictWhole(const InodePtr& inode);
  uint64_t PunchClean(const InodePtr& inode, const InodeRecord& record);
  void NoteUse(Ino ino);
  void DropUse(Ino ino);
  void DeleteLater(Ino ino, uint64_t allocated_bytes);

  Core& core_;
  SpaceBudget budget_;
  Mutex recency_mu_;
  std::list<Ino> recency_ GUARDED_BY(recency_mu_);  // files with cached bytes, least recently used first
  std::unordered_map<Ino, std::list<Ino>::iterator> places_ GUARDED_BY(recency_mu_);
  std::vector<std::pair<Ino, uint64_t>> pending_deletes_ GUARDED_BY(recency_mu_);
  std::atomic<uint64_t> uploaded_bytes_ = 0;  // that uploads read here, but for those that had failed before
  std::unique_ptr<ThreadPool> deleter_;       // null without background threads
};

}  // namespace pailfs::cache
