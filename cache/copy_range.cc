// copy_file_range: sharing an origin where that can be, else moving bytes.

#include <algorithm>

#include "cache/engine.h"

namespace pailfs::cache {
namespace {

constexpr uint64_t kCopyChunkBytes = 1 << 20;
// The kernel cuts what it is asked for at about 2 GiB. Less than this of a longer file is copied as bytes.
constexpr uint64_t kLeastSharedBytes = 16 << 20;

bool IsSameVersion(const Origin& a, const Origin& b) {
  return a.key == b.key && a.version_id == b.version_id && a.etag == b.etag;
}

}  // namespace

// The beginning of a clean file copied to an empty one, or what follows on that: both have the same origin, and the
// bucket copies later. How many bytes; 0: they must be moved.
Result<uint64_t> Engine::ShareOrigin(const InodePtr& source, uint64_t offset, uint64_t length, const InodePtr& target) {
  MutexLock lock(core_.mu);
  const InodeRecord& from = source->record;
  InodeRecord& to = target->record;
  if (source == target || from.content_dirty || !from.origin || !from.origin->HasOwnVersion() || from.size == 0 ||
      from.origin->limit != from.size || to.size != offset || offset >= from.size || target->stepping ||
      target->freed || !to.operation_key.empty()) {
    return 0;
  }
  const uint64_t end = std::min(from.size, offset + std::min(length, from.size - offset));
  const bool whole = end == from.size;
  if (!whole && end - offset < kLeastSharedBytes) return 0;
  if (offset > 0) {
    const bool follows = to.origin && IsSameVersion(*to.origin, *from.origin) && to.limit() == offset;
    if (!follows) return 0;
    MutexLock content_lock(target->content.mu);
    if (!target->content.loaded || target->content.blocks.FirstDirty(0, BlocksUpTo(offset)) != BlocksUpTo(offset)) {
      return 0;
    }
  }
  // Nothing of the target is here only: without its cache file, the record tells all.
  Transaction txn;
  RETURN_IF_ERROR(data_.Forget(target, txn));
  if (offset == 0) {
    // What the truncated file was is overwritten by the copy, or goes from where it was.
    if (to.origin) {
      const auto key = core_.TargetKey(*target);
      const Ino successor = key.ok() && to.origin->key == *key ? target->ino : 0;
      RETURN_IF_ERROR(core_.AddTombstone(*to.origin, txn, successor));
    }
    to.origin = from.origin;
    to.origin->superseded = true;  // the object at that key is the source's, not ours to delete
    to.headers = from.headers;
  }
  to.origin->limit = to.size = end;
  to.complete = false;
  to.mtime_ns = to.ctime_ns = core_.NowNs();
  if (whole) {
    to.content_dirty = false;
    ++to.content_generation;
    RETURN_IF_ERROR(core_.MarkChanged(target, Change::kAttributes, txn));
  } else {
    // A part is no copy of an object: it is put together from ranges.
    RETURN_IF_ERROR(core_.MarkChanged(target, Change::kContent, txn));
  }
  RETURN_IF_ERROR(core_.Commit(txn));
  return end - offset;
}

Result<uint64_t> Engine::CopyRange(const OpContext& ctx, Ino source, uint64_t source_offset, Ino target,
                                   uint64_t target_offset, uint64_t length) {
  ASSIGN_OR_RETURN(const InodePtr from, InodeOf(source));
  ASSIGN_OR_RETURN(const InodePtr to, InodeOf(target));
  if (!from->record.IsRegular() || !to->record.IsRegular()) return Error{Errc::kInvalidArgument, "not regular files"};
  if (source == target && source_offset < target_offset + length && target_offset < source_offset + length) {
    return Error{Errc::kInvalidArgument, "the ranges overlap"};
  }
  if (source_offset == target_offset) {
    RETURN_IF_ERROR(to->gate.AcquireExclusive(ctx));
    const ExclusiveHold hold(to->gate);
    RETURN_IF_ERROR(data_.LoadContent(to));
    ASSIGN_OR_RETURN(const uint64_t shared, ShareOrigin(from, source_offset, length, to));
    if (shared > 0) return shared;
  }
  std::vector<std::byte> buffer(std::min(length, kCopyChunkBytes));
  uint64_t copied = 0;
  while (copied < length) {
    const size_t want = std::min<uint64_t>(buffer.size(), length - copied);
    ASSIGN_OR_RETURN(const size_t got, data_.Read(ctx, from, source_offset + copied, std::span(buffer).first(want)));
    if (got == 0) break;
    const Status written = data_.Write(ctx, to, target_offset + copied, std::span(buffer).first(got), false);
    if (!written.ok()) {
      if (copied > 0) break;
      return written.error();
    }
    copied += got;
  }
  return copied;
}

}  // namespace pailfs::cache
