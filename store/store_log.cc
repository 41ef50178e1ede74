// Writing the log. A file on which a write or a sync failed is never written again: the kernel may have dropped its
// pages.

#include <algorithm>

#include "base/str.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {
namespace {

constexpr size_t kOpenVolumes = 64;

std::string CountsPayload(const ObjectCounts& counts) {
  std::string payload;
  PutBig64(payload, static_cast<uint64_t>(counts.objects));
  PutBig64(payload, static_cast<uint64_t>(counts.bytes));
  return payload;
}

}  // namespace

// The B rows learn where their needles will lie; their size does not depend on the numbers (fixed64).
Status StoreCore::PlaceNeedles(Group& group, uint64_t batch_offset, uint64_t row_bytes) {
  uint64_t at = batch_offset + NeedlesOffset(row_bytes);
  for (const Needle& needle : group.needles) {
    const std::string row = BodyRow(needle.body);
    const auto it = group.overlay.find(row);
    if (it != group.overlay.end() && it->second) {
      ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *it->second));
      pb::Body body;
      body.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()));
      body.set_volume(superblock_.volume);
      body.set_offset(at + kNeedleHeaderBytes);
      it->second = SealValue(row, opened.row_seq, body.SerializeAsString());
    }
    at += NeedleBytes(needle.data.size());
  }
  return {};
}

std::string StoreCore::EncodeGroup(const Group& group, BatchHeader header) const {
  std::string rows;
  rows.reserve(header.row_bytes);
  for (const auto& [row, value] : group.overlay) AppendRow(rows, {row, value});
  std::string bytes = EncodeBatchHeader(header, rows, superblock_.salt);
  bytes.reserve(header.TotalBytes());
  bytes.append(rows);
  bytes.resize(NeedlesOffset(header.row_bytes), '\0');
  for (const Needle& needle : group.needles) AppendNeedle(bytes, needle);
  bytes.resize(header.TotalBytes(), '\0');
  return bytes;
}

Status StoreCore::LogGroup(Group& group, uint16_t flags) {
  BatchHeader header;
  for (const auto& [row, value] : group.overlay) {
    header.row_bytes += static_cast<uint32_t>(RowBytes(row, value ? value->size() : 0));
  }
  for (const Needle& needle : group.needles) header.body_bytes += NeedleBytes(needle.data.size());
  header.flags = flags;
  header.seq_first = group.first_seq;
  header.count = static_cast<uint32_t>(group.next_seq - group.first_seq);
  header.time_us = last_time_us_;
  bool unknown = false;
  Status failure;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (log_ != nullptr && log_offset_ + header.TotalBytes() > options.volume_bytes && log_offset_ > kVolumeAlignment) {
      SealVolume();
    }
    failure = log_ == nullptr ? StartVolume() : Status();
    if (failure.ok()) {
      header.volume = superblock_.volume;
      header.offset = log_offset_;
      RETURN_IF_ERROR(PlaceNeedles(group, log_offset_, header.row_bytes));
      failure = AppendDurably(EncodeGroup(group, header));
      if (failure.ok()) return {};
    }
    unknown = unknown || failure.Is(Errc::kAmbiguous);
    if (failure.Is(Errc::kNoSpace)) break;
  }
  if (unknown || !failure.Is(Errc::kNoSpace)) {
    broken_ = Error{Errc::kReadOnly, StrCat("the store is read-only after a failed write: ", failure.error().message)};
  }
  // A batch that may be on the disk counts when the store is opened again, unless a volume was begun behind it.
  if (unknown) return Error{Errc::kAmbiguous, failure.error().message};
  return failure;
}

Status StoreCore::WriteGroup(Group& group, uint16_t flags) {
  std::map<BucketId, ObjectCounts> counts;
  for (const auto& [bucket, change] : group.counts) {
    ObjectCounts now = CountsOf(bucket);
    now.objects += change.objects;
    now.bytes += change.bytes;
    const std::string row = CountsRow(bucket);
    group.overlay[row] = SealValue(row, group.next_seq - 1, CountsPayload(now));
    counts[bucket] = now;
  }
  RETURN_IF_ERROR(LogGroup(group, flags));
  last_seq_ = group.next_seq - 1;
  KvBatch batch;
  for (const auto& [row, value] : group.overlay) {
    if (value) {
      batch.Put(row, *value);
    } else {
      batch.Delete(row);
    }
  }
  const Status indexed = index->Write(batch, KvDurability::kNoSync);
  if (!indexed.ok()) {
    // It is in the log, so it happened; but this process can no longer show it.
    broken_ = Error{Errc::kReadOnly, StrCat("the store's index cannot be written: ", indexed.error().message)};
    return Error{Errc::kAmbiguous, indexed.error().message};
  }
  visible_seq_ = last_seq_;
  for (const auto& [row, value] : group.overlay) {
    if (!value) range_compactor_->CountDeletion(row);
  }
  MutexLock lock(counts_mu_);
  for (const auto& [bucket, now] : counts) counts_[bucket] = now;
  return {};
}

// kAmbiguous: the bytes may be on the disk. After any other error they are not.
Status StoreCore::AppendDurably(std::string_view bytes) {
  RETURN_IF_ERROR(EnsureRoom(bytes.size()));
  Status written = log_->WriteAt(log_offset_, AsBytes(bytes));
  if (written.ok()) {
    const Status synced = log_->Sync();
    if (!synced.ok()) {
      log_.reset();
      return Error{Errc::kAmbiguous, synced.error().message};
    }
    log_offset_ += bytes.size();
    logged_since_checkpoint_ += bytes.size();
    metrics.counter("store.log_bytes").Add(static_cast<int64_t>(bytes.size()));
    metrics.counter("store.log_syncs").Add();
    return {};
  }
  // A batch that is cut off was never written.
  const bool cut = log_->Truncate(log_offset_).ok() && log_->Sync().ok();
  log_.reset();
  return cut ? written : Status(Error{Errc::kAmbiguous, written.error().message});
}

Status StoreCore::EnsureRoom(uint64_t bytes) {
  if (log_offset_ + bytes <= log_allocated_) return {};
  const uint64_t needed = log_offset_ + bytes;
  const uint64_t ahead = std::max(needed, std::min(log_allocated_ + options.allocate_bytes, options.volume_bytes));
  uint64_t to = ahead;
  Status allocated = log_->Allocate(log_allocated_, to - log_allocated_, /*keep_size=*/false);
  if (allocated.Is(Errc::kNoSpace) && needed < ahead) {
    to = needed;
    allocated = log_->Allocate(log_allocated_, to - log_allocated_, /*keep_size=*/false);
  }
  // Without fallocate the file simply grows.
  if (!allocated.ok() && !allocated.Is(Errc::kUnsupported)) return allocated;
  log_allocated_ = to;
  return {};
}

Status StoreCore::StartVolume() {
  Superblock next;
  next.store_uuid = store_uuid_;
  next.volume = superblock_.volume + 1;
  next.salt = random.Bytes(16);
  next.first_seq = last_seq_ + 1;
  next.previous_end = log_offset_;
  const std::string path = VolumePath(directory, next.volume);
  ASSIGN_OR_RETURN(std::shared_ptr<File> file, files.Open(path, OpenMode::kCreateEmpty));
  RETURN_IF_ERROR(file->WriteAt(0, AsBytes(EncodeSuperblock(next))));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(files.SyncDirectory(VolumesPath(directory)));
  superblock_ = std::move(next);
  log_ = std::move(file);
  log_offset_ = log_allocated_ = kVolumeAlignment;
  MutexLock lock(volumes_mu_);
  volumes_[superblock_.volume] = log_;
  return {};
}

// The seal tells a reader that nothing is missing; where it cannot be written, the next volume's superblock tells the
// end.
void StoreCore::SealVolume() {
  BatchHeader header;
  header.flags = kBatchSeals;
  header.volume = superblock_.volume;
  header.offset = log_offset_;
  header.seq_first = last_seq_ + 1;
  header.time_us = last_time_us_;
  std::string bytes = EncodeBatchHeader(header, "", superblock_.salt);
  bytes.resize(header.TotalBytes(), '\0');
  if (AppendDurably(bytes).ok()) {
    // Gives back what was allocated ahead; not synced, since the seal ends the volume anyway.
    const Status trimmed = log_->Truncate(log_offset_);
    if (!trimmed.ok()) metrics.counter("store.untrimmed_volumes").Add();
  }
  log_.reset();
}

Result<std::shared_ptr<File>> StoreCore::Volume(uint64_t volume) {
  {
    MutexLock lock(volumes_mu_);
    const auto it = volumes_.find(volume);
    if (it != volumes_.end()) return it->second;
  }
  auto opened = files.Open(VolumePath(directory, volume), OpenMode::kRead);
  MutexLock lock(volumes_mu_);
  // Compacted away since the caller looked into the index.
  const auto retired = retired_.find(volume);
  if (retired != retired_.end()) return retired->second.file;
  if (!opened.ok()) return std::move(opened).error();
  std::shared_ptr<File> file = std::move(*opened);
  if (volumes_.size() >= kOpenVolumes) volumes_.erase(volumes_.begin());
  volumes_[volume] = file;
  return file;
}

}  // namespace pailfs::store
