#include "store/log_reader.h"

#include <algorithm>

namespace pailfs::store {
namespace {

class VolumeLog {
 public:
  VolumeLog(File& file, const Superblock& superblock, uint64_t limit, LogSummary* summary,
            const std::function<Status(const ScannedBatch&)>& visit)
      : file_(file), superblock_(superblock), limit_(limit), summary_(summary), visit_(visit) {}

  // Returns the end of the last good batch.
  Result<uint64_t> Read(uint64_t offset) {
    for (;;) {
      ASSIGN_OR_RETURN(const ScanEnd end, ScanVolume(file_, superblock_, offset, /*with_needles=*/true,
                                                     [this](const ScannedBatch& batch) { return Visit(batch); }));
      if (limit_ == UINT64_MAX ? !end.damaged : end.offset >= limit_) return end.offset;
      ASSIGN_OR_RETURN(const uint64_t behind, ReadRowsOnly(end.offset));
      if (behind != 0) {
        summary_->damages.push_back({LogDamage::Kind::kNeedles, superblock_.volume, end.offset});
        offset = behind;
        continue;
      }
      summary_->damages.push_back({LogDamage::Kind::kBatch, superblock_.volume, end.offset});
      ASSIGN_OR_RETURN(const auto next, NextBatch(file_, superblock_, end.offset + kVolumeAlignment));
      if (!next || *next >= limit_) return limit_ == UINT64_MAX ? end.offset : limit_;
      offset = *next;
    }
  }

 private:
  // Behind the limit lies what a failed write left: it was never acknowledged.
  Status Visit(const ScannedBatch& batch) {
    if (batch.header.offset >= limit_) return {};
    summary_->last_seq = std::max(summary_->last_seq, batch.header.seq_first + batch.header.count - 1);
    summary_->last_time_us = std::max(summary_->last_time_us, batch.header.time_us);
    return visit_(batch);
  }

  // The rows of one batch whose needles are damaged; its end, or 0 when the rows are damaged too.
  Result<uint64_t> ReadRowsOnly(uint64_t offset) {
    uint64_t end = 0;
    const auto first_only = [&](const ScannedBatch& batch) -> Status {
      if (end != 0 || batch.header.offset != offset) return Error{Errc::kCancelled, "one is enough"};
      RETURN_IF_ERROR(Visit(batch));
      end = offset + batch.header.TotalBytes();
      return {};
    };
    const auto scanned = ScanVolume(file_, superblock_, offset, /*with_needles=*/false, first_only);
    if (!scanned.ok() && !scanned.Is(Errc::kCancelled)) return scanned.error();
    return end;
  }

  File& file_;
  const Superblock& superblock_;
  const uint64_t limit_;
  LogSummary* const summary_;
  const std::function<Status(const ScannedBatch&)>& visit_;
};

}  // namespace

Result<LogSummary> ReadLog(FileSystem& files, const std::string& directory, const std::string& store_uuid,
                           uint64_t volume, uint64_t offset, const std::function<Status(const ScannedBatch&)>& visit) {
  LogSummary summary;
  ASSIGN_OR_RETURN(summary.volumes, ListVolumes(files, directory));
  for (const uint64_t id : summary.volumes) {
    ASSIGN_OR_RETURN(const auto file, files.Open(VolumePath(directory, id), OpenMode::kRead));
    const auto superblock = ReadSuperblock(*file);
    if (!superblock.ok()) {
      ASSIGN_OR_RETURN(const FileStat stat, file->Stat());
      // The last volume may have been begun when the power went.
      const bool unused = id == summary.volumes.back() && stat.size_bytes <= kVolumeAlignment;
      if (!unused) summary.damages.push_back({LogDamage::Kind::kSuperblock, id, 0});
      continue;
    }
    if (superblock->store_uuid != store_uuid || superblock->volume != id) {
      summary.damages.push_back({LogDamage::Kind::kForeign, id, 0});
      continue;
    }
    if (id < volume) continue;
    const auto limit = LogicalEnd(files, directory, summary.volumes, id);
    VolumeLog log(*file, *superblock, limit.ok() ? *limit : UINT64_MAX, &summary, visit);
    ASSIGN_OR_RETURN(summary.offset, log.Read(id == volume ? offset : 0));
    summary.volume = id;
  }
  return summary;
}

namespace {

// A row that compaction logged again is older than its place in the log.
Result<bool> IsOutdated(const KvStore& index, const LogRow& row) {
  ASSIGN_OR_RETURN(const auto there, index.Get(row.key));
  if (!there) return false;
  ASSIGN_OR_RETURN(const OpenedValue mine, OpenValue(row.key, *row.value));
  ASSIGN_OR_RETURN(const OpenedValue theirs, OpenValue(row.key, *there));
  return mine.row_seq < theirs.row_seq;
}

}  // namespace

Result<LogSummary> ReplayLog(FileSystem& files, const std::string& directory, const std::string& store_uuid,
                             KvStore& into, BodyId* next_body) {
  return ReadLog(files, directory, store_uuid, 0, 0, [&](const ScannedBatch& batch) -> Status {
    const bool relocated = (batch.header.flags & kBatchRelocated) != 0;
    KvBatch changes;
    for (const LogRow& row : batch.rows) {
      if (row.key.size() == 9 && row.key.front() == 'B')
        *next_body = std::max(*next_body, GetBig64(row.key.substr(1)) + 1);
      if (!row.value) {
        changes.Delete(row.key);
        continue;
      }
      if (relocated) {
        ASSIGN_OR_RETURN(const bool outdated, IsOutdated(into, row));
        if (outdated) continue;
      }
      changes.Put(row.key, *row.value);
    }
    return changes.empty() ? Status() : into.Write(changes, KvDurability::kNoSync);
  });
}

}  // namespace pailfs::store
