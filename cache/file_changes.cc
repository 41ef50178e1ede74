// Changing the bytes of a file: writes, truncation, fallocate.

#include <algorithm>

#include "cache/file_data.h"

namespace pailfs::cache {
namespace {

// The end of the blocks that hold bytes of the origin. Where the limit lies inside a block, what is behind it in that
// block is zeros as long as the block is absent; so such a block is fetched before anything in it changes, and dirty
// afterwards.
uint64_t OriginEnd(const InodeRecord& record) {
  return BlocksUpTo(record.limit()) * kBlockBytes;
}

}  // namespace

bool FileData::MarkDirty(Inode& inode, uint64_t offset, uint64_t length, bool local_only) {
  const uint64_t end = std::min(offset + length, OriginEnd(inode.record));
  if (offset >= end) return false;
  bool changed = false;
  MutexLock lock(inode.content.mu);
  BlockMap& blocks = inode.content.blocks;
  for (uint64_t block = BlockOf(offset); block < BlocksUpTo(end); ++block) {
    if (blocks.IsDirty(block) || (local_only && !BlockIsLocal(inode.content, inode.record, block))) continue;
    blocks.MarkPresent(block, block + 1);
    blocks.MarkDirty(block, block + 1);
    changed = true;
  }
  return changed;
}

Status FileData::MarkBeforeChange(const InodePtr& inode, uint64_t offset, uint64_t length) {
  MutexLock lock(core_.mu);
  if (inode->freed) return Error{Errc::kStale, "the file is gone"};
  InodeRecord& record = inode->record;
  const bool first_change = !record.content_dirty;
  const bool bits_changed = MarkDirty(*inode, offset, length, /*local_only=*/true);
  Transaction txn;
  if (first_change) {
    RETURN_IF_ERROR(core_.MarkChanged(inode, Change::kContent, txn));
  } else {
    ++record.content_generation;
    core_.NoteChanged(*inode);
  }
  if (bits_changed) RETURN_IF_ERROR(SaveBlocks(inode, txn));
  if (first_change || bits_changed) return core_.Commit(txn);
  return {};
}

Status FileData::NoteChange(const InodePtr& inode, uint64_t offset, uint64_t length, uint64_t new_size,
                            bool kill_privileges) {
  MutexLock lock(core_.mu);
  InodeRecord& record = inode->record;
  bool save = MarkDirty(*inode, offset, length, /*local_only=*/false);
  record.size = std::max(record.size, new_size);
  record.mtime_ns = record.ctime_ns = core_.NowNs();
  if (kill_privileges && (record.mode & (S_ISUID | S_ISGID)) != 0) {
    record.DropPrivilegeBits();
    save = true;
  }
  inode->last_change_ns = core_.clock.MonotonicNs();
  core_.UpdateQueue(inode);
  if (!save) return {};
  Transaction txn;
  RETURN_IF_ERROR(SaveBlocks(inode, txn));
  core_.Save(*inode, txn);
  return core_.Commit(txn);
}

// Blocks of which only a part is about to change must be here.
Status FileData::FillEdges(const OpContext& ctx, const InodePtr& inode, const Snapshot& snapshot, uint64_t offset,
                           uint64_t length) {
  const InodeRecord& record = snapshot.record;
  const uint64_t end = offset + length;
  if (record.complete || length == 0 || offset >= OriginEnd(record)) return {};
  const uint64_t first = BlockOf(offset) * kBlockBytes;
  if (offset > first || end < std::min(first + kBlockBytes, record.limit())) {
    RETURN_IF_ERROR(Fill(ctx, inode, record, first, kBlockBytes));
  }
  const uint64_t last = BlockOf(end - 1) * kBlockBytes;
  if (last != first && last < record.limit() && end < std::min(last + kBlockBytes, record.limit())) {
    RETURN_IF_ERROR(Fill(ctx, inode, record, last, kBlockBytes));
  }
  return {};
}

Status FileData::Write(const OpContext& ctx, const InodePtr& inode, uint64_t offset, std::span<const std::byte> data,
                       bool kill_privileges) {
  if (data.empty()) return {};
  if (offset > kMaxFileBytes || data.size() > kMaxFileBytes - offset)
    return Error{Errc::kTooLarge, "the file would be too large"};
  const uint64_t room = data.size() + 3 * kBlockBytes;
  RETURN_IF_ERROR(budget_.Reserve(ctx, room, core_.options.full_timeout_ns));
  const Reservation reservation(budget_, room);
  RETURN_IF_ERROR(inode->gate.AcquireExclusive(ctx));
  const ExclusiveHold hold(inode->gate);
  const Snapshot snapshot = SnapshotOf(inode);
  if (snapshot.gone) return Error{Errc::kStale, "the file is gone"};
  RETURN_IF_ERROR(Load(inode, snapshot));
  RETURN_IF_ERROR(FillEdges(ctx, inode, snapshot, offset, data.size()));
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, snapshot.record.size, /*create=*/true));
  RETURN_IF_ERROR(MarkBeforeChange(inode, offset, data.size()));
  const Status written = file->WriteAt(offset, data);
  if (!written.ok()) {
    // All or nothing: a part that was written beyond the end must not appear.
    if (offset + data.size() > snapshot.record.size) (void)file->Truncate(snapshot.record.size).ok();
    return written;
  }
  RETURN_IF_ERROR(NoteChange(inode, offset, data.size(), offset + data.size(), kill_privileges));
  Account(inode);
  return {};
}

Status FileData::Touch(const InodePtr& inode) {
  MutexLock lock(core_.mu);
  inode->record.mtime_ns = inode->record.ctime_ns = core_.NowNs();
  Transaction txn;
  RETURN_IF_ERROR(core_.MarkChanged(inode, Change::kAttributes, txn));
  return core_.Commit(txn);
}

Status FileData::Truncate(const OpContext& ctx, const InodePtr& inode, uint64_t size) {
  if (size > kMaxFileBytes) return Error{Errc::kTooLarge, "the file would be too large"};
  RETURN_IF_ERROR(inode->gate.AcquireExclusive(ctx));
  const ExclusiveHold hold(inode->gate);
  const Snapshot snapshot = SnapshotOf(inode);
  if (snapshot.gone) return Error{Errc::kStale, "the file is gone"};
  RETURN_IF_ERROR(Load(inode, snapshot));
  if (size == snapshot.record.size) return Touch(inode);
  RETURN_IF_ERROR(MarkBeforeChange(inode, 0, 0));
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, snapshot.record.size, /*create=*/size > 0));
  // The file first: after a crash between the two, its length says what is left of the origin.
  if (file) RETURN_IF_ERROR(file->Truncate(size));
  {
    MutexLock lock(core_.mu);
    InodeRecord& record = inode->record;
    record.size = size;
    if (record.origin) record.origin->limit = std::min(record.origin->limit, size);
    record.mtime_ns = record.ctime_ns = core_.NowNs();
    Transaction txn;
    {
      MutexLock content_lock(inode->content.mu);
      inode->content.blocks.Truncate(BlocksUpTo(record.limit()));
    }
    RETURN_IF_ERROR(SaveBlocks(inode, txn));
    core_.Save(*inode, txn);
    RETURN_IF_ERROR(core_.Commit(txn));
    core_.UpdateQueue(inode);
  }
  Account(inode);
  return {};
}

Status FileData::Allocate(const OpContext& ctx, const InodePtr& inode, AllocateMode mode, uint64_t offset,
                          uint64_t length) {
  if (offset > kMaxFileBytes || length > kMaxFileBytes - offset)
    return Error{Errc::kTooLarge, "the file would be too large"};
  const bool zero = mode != AllocateMode::kExtend && mode != AllocateMode::kKeepSize;
  const bool extend = mode == AllocateMode::kExtend || mode == AllocateMode::kZeroRange;
  const uint64_t room = zero ? 2 * kBlockBytes : length + 2 * kBlockBytes;
  RETURN_IF_ERROR(budget_.Reserve(ctx, room, core_.options.full_timeout_ns));
  const Reservation reservation(budget_, room);
  RETURN_IF_ERROR(inode->gate.AcquireExclusive(ctx));
  const ExclusiveHold hold(inode->gate);
  const Snapshot snapshot = SnapshotOf(inode);
  if (snapshot.gone) return Error{Errc::kStale, "the file is gone"};
  RETURN_IF_ERROR(Load(inode, snapshot));
  const uint64_t size = snapshot.record.size;
  const uint64_t end = offset + length;
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, size, /*create=*/true));
  if (zero) {
    const uint64_t zero_end = std::min(end, size);
    if (offset < zero_end) {
      RETURN_IF_ERROR(FillEdges(ctx, inode, snapshot, offset, zero_end - offset));
      RETURN_IF_ERROR(MarkBeforeChange(inode, offset, zero_end - offset));
      RETURN_IF_ERROR(file->PunchHole(offset, zero_end - offset));
      RETURN_IF_ERROR(NoteChange(inode, offset, zero_end - offset, 0, false));
    }
  } else {
    RETURN_IF_ERROR(file->Allocate(offset, length, /*keep_size=*/true));
  }
  if (extend && end > size) {
    RETURN_IF_ERROR(MarkBeforeChange(inode, 0, 0));
    RETURN_IF_ERROR(file->Truncate(end));
    RETURN_IF_ERROR(NoteChange(inode, 0, 0, end, false));
  }
  Account(inode);
  return {};
}

}  // namespace pailfs::cache
