// Compaction: what is still alive in a mostly dead volume is logged again, then the volume is removed.
//
// Alive is a needle that its body's row points to, and a row that the index has in exactly this state. Whether it still
// is, the commit thread decides, in the group that moves it. Rows keep their old row_seq; a deletion that an older
// volume might contradict is logged as a new deletion of what is not there. A volume is removed only when a checkpoint
// covers what was moved out of it, each removal is durable before the next one is considered, and the volume before it
// is cut at the end that only the removed superblock knew. A crash in between leaves rows twice in the log, the same
// ones.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kMostChunkBytes = 2 << 20;  // logged in one go: other mutations wait for no more than this

uint64_t NeedleDataBytes(const pb::Body& body) {
  if (body.kind() == pb::Body::PACKED) return body.length();
  return (body.length() + kSumBlockBytes - 1) / kSumBlockBytes * sizeof(uint32_t);
}

bool HasNeedle(const pb::Body& body) {
  return body.kind() == pb::Body::PACKED || body.kind() == pb::Body::FILE;
}

}  // namespace

struct StoreCore::LiveNeedle {
  BodyId body = 0;
  uint64_t offset = 0;  // of its data
  uint64_t bytes = 0;
};

// What is to be moved in one group.
struct StoreCore::Relocation {
  std::vector<LogRow> rows;  // deletions only where they must be kept
  std::vector<std::pair<LiveNeedle, std::string>> needles;
  uint64_t bytes = 0;
};

Status StoreCore::OnCommitThread(std::function<Status()> task) {
  Operation operation;
  operation.alone = std::move(task);
  return Enqueue(std::move(operation));
}

// By volume, for volumes before the open one.
Result<std::map<uint64_t, std::vector<StoreCore::LiveNeedle>>> StoreCore::LiveNeedles(uint64_t below_volume) const {
  std::map<uint64_t, std::vector<LiveNeedle>> live;
  KvIterator it = index->NewIterator();
  for (it.Seek("B"); it.Valid() && it.key().starts_with('B'); it.Next()) {
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(it.key(), it.value()));
    pb::Body body;
    if (!body.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
      return Error{Errc::kCorrupt, "a body row of the store's index is damaged; run 'pailfs store check'"};
    }
    if (!HasNeedle(body) || body.volume() >= below_volume) continue;
    live[body.volume()].push_back({GetBig64(it.key().substr(1)), body.offset(), NeedleDataBytes(body)});
  }
  RETURN_IF_ERROR(it.status());
  return live;
}

Result<uint64_t> StoreCore::LiveRowBytes(File& file, const Superblock& superblock) const {
  uint64_t bytes = 0;
  RETURN_IF_ERROR(ScanVolume(file, superblock, 0, /*with_needles=*/false, [&](const ScannedBatch& batch) -> Status {
    for (const LogRow& row : batch.rows) {
      ASSIGN_OR_RETURN(const auto now, index->Get(row.key));
      if (row.value && now == row.value) bytes += RowBytes(row.key, row.value->size());
    }
    return {};
  }));
  return bytes;
}

// On the commit thread: moves what is alive still.
Status StoreCore::Relocate(uint64_t volume, const Relocation& relocation) {
  const CommitView::Overlay nothing;
  CommitView view = OwnView(nothing);
  for (const LogRow& row : relocation.rows) {
    ASSIGN_OR_RETURN(const auto now, index->Get(row.key));
    if (now == row.value) view.own_[row.key] = row.value;
  }
  for (const auto& [needle, data] : relocation.needles) {
    const std::string row = BodyRow(needle.body);
    ASSIGN_OR_RETURN(const auto payload, view.Get(row));
    pb::Body body;
    if (!payload || !body.ParseFromString(*payload) || body.volume() != volume || body.offset() != needle.offset)
      continue;
    const bool packed = body.kind() == pb::Body::PACKED;
    body.set_volume(kPlaceLater);
    body.set_offset(kPlaceLater);
    view.Put(row, body);
    view.AddNeedle({needle.body, packed ? NeedleKind::kBody : NeedleKind::kSums, data});
  }
  return view.own_.empty() ? Status() : WriteOwn(view, kBatchRelocated);
}

// A needle as it lies in the log; kCorrupt.
Result<std::string> StoreCore::ReadNeedle(File& file, const LiveNeedle& needle) const {
  std::string bytes(NeedleBytes(needle.bytes), '\0');
  if (needle.offset < kVolumeAlignment + kNeedleHeaderBytes) return Error{Errc::kCorrupt, "a body row points nowhere"};
  ASSIGN_OR_RETURN(const size_t got,
                   file.ReadAt(needle.offset - kNeedleHeaderBytes, std::as_writable_bytes(std::span(bytes))));
  bytes.resize(got);
  ASSIGN_OR_RETURN(const auto found, DecodeNeedles(bytes));
  if (found.size() != 1 || found[0].needle.body != needle.body || found[0].needle.data.size() != needle.bytes) {
    return Error{Errc::kCorrupt, StrCat("body ", needle.body, " is not where its row says")};
  }
  return std::string(found[0].needle.data);
}

Status StoreCore::MoveNeedles(uint64_t volume, File& file, std::vector<LiveNeedle> needles) {
  std::sort(needles.begin(), needles.end(),
            [](const LiveNeedle& a, const LiveNeedle& b) { return a.offset < b.offset; });
  const uint64_t chunk_bytes = std::min(kMostChunkBytes, options.volume_bytes / 8);
  Relocation relocation;
  const auto flush = [&]() -> Status {
    if (relocation.needles.empty()) return {};
    RETURN_IF_ERROR(OnCommitThread([&] { return Relocate(volume, relocation); }));
    relocation = {};
    return {};
  };
  for (const LiveNeedle& needle : needles) {
    ASSIGN_OR_RETURN(std::string data, ReadNeedle(file, needle));
    relocation.bytes += data.size();
    relocation.needles.emplace_back(needle, std::move(data));
    if (relocation.bytes >= chunk_bytes) RETURN_IF_ERROR(flush());
  }
  return flush();
}

Status StoreCore::MoveRows(uint64_t volume, File& file, const Superblock& superblock, uint64_t end,
                           bool keep_deletions) {
  const uint64_t chunk_bytes = std::min(kMostChunkBytes, options.volume_bytes / 8);
  Relocation relocation;
  const auto flush = [&]() -> Status {
    if (relocation.rows.empty()) return {};
    RETURN_IF_ERROR(OnCommitThread([&] { return Relocate(volume, relocation); }));
    relocation = {};
    return {};
  };
  const auto move = [&](const ScannedBatch& batch) -> Status {
    if (batch.header.offset >= end) return {};
    for (const LogRow& row : batch.rows) {
      if (!row.value && !keep_deletions) continue;
      ASSIGN_OR_RETURN(const auto now, index->Get(row.key));
      if (now != row.value) continue;
      relocation.bytes += RowBytes(row.key, row.value ? row.value->size() : 0);
      relocation.rows.push_back(row);
      if (relocation.bytes >= chunk_bytes) RETURN_IF_ERROR(flush());
    }
    return {};
  };
  ASSIGN_OR_RETURN(const ScanEnd scanned, ScanVolume(file, superblock, 0, /*with_needles=*/false, move));
  if (end == UINT64_MAX ? scanned.damaged : scanned.offset < end) {
    return Error{Errc::kCorrupt, StrCat("the log is damaged at offset ", scanned.offset)};
  }
  return flush();
}

// What lies behind the end of a volume was never acknowledged. The superblock of the next volume says so until it goes.
Status StoreCore::CutAtEnd(uint64_t volume, uint64_t end) {
  const std::string path = VolumePath(directory, volume);
  auto file = files.Open(path, OpenMode::kReadWrite);
  if (file.Is(Errc::kNotFound)) return {};
  if (!file.ok()) return std::move(file).error();
  ASSIGN_OR_RETURN(const FileStat stat, (*file)->Stat());
  if (stat.size_bytes <= end) return {};
  RETURN_IF_ERROR((*file)->Truncate(end));
  return (*file)->Sync();
}

Status StoreCore::RemoveVolume(uint64_t volume, const Superblock& superblock) {
  RETURN_IF_ERROR(CutAtEnd(volume - 1, superblock.previous_end));
  // A reader that found its place in the index before the move still gets the file.
  ASSIGN_OR_RETURN(std::shared_ptr<File> file, Volume(volume));
  {
    MutexLock lock(volumes_mu_);
    retired_[volume] = {visible_seq_.load(), std::move(file)};
    volumes_.erase(volume);
  }
  RETURN_IF_ERROR(files.Unlink(VolumePath(directory, volume)));
  return files.SyncDirectory(VolumesPath(directory));
}

void StoreCore::CloseRetired() {
  const uint64_t oldest = OldestRead();
  MutexLock lock(volumes_mu_);
  std::erase_if(retired_, [oldest](const auto& entry) { return entry.second.moved_seq <= oldest; });
}

Status StoreCore::CompactVolume(uint64_t volume, uint64_t end, int dead_percent, const std::vector<LiveNeedle>& needles,
                                bool keep_deletions, CompactionResult* result) {
  ASSIGN_OR_RETURN(const auto file, Volume(volume));
  ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(*file));
  ASSIGN_OR_RETURN(const FileStat stat, file->Stat());
  const uint64_t most_live = stat.size_bytes / 100 * static_cast<uint64_t>(100 - dead_percent);
  uint64_t live = 0;
  for (const LiveNeedle& needle : needles) live += NeedleBytes(needle.bytes);
  if (live > most_live) return {};
  ASSIGN_OR_RETURN(const uint64_t live_rows, LiveRowBytes(*file, superblock));
  live += live_rows;
  if (live > most_live) return {};
  RETURN_IF_ERROR(MoveNeedles(volume, *file, needles));
  RETURN_IF_ERROR(MoveRows(volume, *file, superblock, end, keep_deletions));
  RETURN_IF_ERROR(Checkpoint());
  RETURN_IF_ERROR(RemoveVolume(volume, superblock));
  ++result->volumes_removed;
  result->bytes_freed += stat.size_bytes - std::min(live, stat.size_bytes);
  metrics.counter("store.volumes_compacted").Add();
  return {};
}

Result<CompactionResult> StoreCore::Compact(int dead_percent) {
  if (dead_percent < 1 || dead_percent > 100) {
    return Error{Errc::kInvalidArgument, "the share of dead bytes is 1 to 100 percent"};
  }
  MutexLock one_at_a_time(compaction_mu_);
  uint64_t open_volume = 0;
  RETURN_IF_ERROR(OnCommitThread([&] {
    open_volume = superblock_.volume;
    return Status();
  }));
  RETURN_IF_ERROR(Checkpoint());  // frees what was deleted, so that it counts as dead
  CloseRetired();
  ASSIGN_OR_RETURN(const auto volumes, ListVolumes(files, directory));
  ASSIGN_OR_RETURN(auto needles, LiveNeedles(open_volume));
  CompactionResult result;
  bool older_left = false;
  for (const uint64_t volume : volumes) {
    if (volume >= open_volume) break;
    const uint64_t removed_before = result.volumes_removed;
    const auto end = LogicalEnd(files, directory, volumes, volume);
    const Status done = end.ok() ? CompactVolume(volume, *end, dead_percent, needles[volume], older_left, &result)
                                 : Status(end.error());
    if (done.Is(Errc::kCorrupt)) {
      // What is damaged stays where it is, for check to describe.
      LogError("store ", directory, ": volume ", Number16(volume), " is not compacted: ", done.error().message,
               "; run 'pailfs store check --level data'");
    } else if (!done.ok()) {
      return done.error();
    }
    older_left = older_left || result.volumes_removed == removed_before;
  }
  CloseRetired();
  return result;
}

Result<CompactionResult> EmbeddedStore::Compact(int dead_percent) {
  return core_->Compact(dead_percent);
}

}  // namespace pailfs::store
