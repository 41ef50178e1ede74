// Opening a store: its format, and replaying the log from the last checkpoint.

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kIdSeed = 0x7061696c;

// The names of directories that were just made must survive too.
Status SyncParents(FileSystem& files, std::string path) {
  while (path.size() > 1) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return files.SyncDirectory(".");
    path.resize(std::max<size_t>(slash, 1));
    const Status synced = files.SyncDirectory(path);
    // Above what we made there may be directories that we must not open.
    if (!synced.ok()) return synced.Is(Errc::kAccessDenied) ? Status() : synced;
  }
  return {};
}

}  // namespace

Status StoreCore::MakeStore() {
  const auto volumes = ListVolumes(files, directory);
  if (volumes.ok() && !volumes->empty()) {
    return Error{Errc::kCorrupt,
                 StrCat(directory, " has the volumes of a store but no FORMAT file; put it back from a backup")};
  }
  store_uuid_ = random.Bytes(16);
  RETURN_IF_ERROR(files.MakeDirectory(VolumesPath(directory)));
  RETURN_IF_ERROR(files.MakeDirectory(BodiesPath(directory)));
  RETURN_IF_ERROR(files.MakeDirectory(IndexPath(directory)));
  RETURN_IF_ERROR(files.SyncDirectory(directory));
  RETURN_IF_ERROR(SyncParents(files, directory));
  return WriteFormat(files, directory, store_uuid_);
}

Status StoreCore::OpenFormat() {
  auto format = ReadFormat(files, directory);
  if (!format.ok() && !format.Is(Errc::kNotFound)) return std::move(format).error();
  if (!format.ok()) {
    if (!options.create_if_missing) return std::move(format).error();
    RETURN_IF_ERROR(MakeDirectories(files, directory));
  }
  auto locked = files.Lock(directory + "/LOCK");
  if (!locked.ok()) return std::move(locked).error().With("store " + directory);
  lock_ = std::move(*locked);
  // Another process may have made it before we had the lock.
  format = ReadFormat(files, directory);
  if (format.Is(Errc::kNotFound)) {
    RETURN_IF_ERROR(MakeStore());
  } else if (!format.ok()) {
    return std::move(format).error();
  } else {
    store_uuid_ = format->store_uuid;
    if (format->read_only) {
      broken_ = Error{Errc::kReadOnly, StrCat("store ", directory, " uses features that this version can only read")};
    }
  }
  id_secret_ = StableHash64(store_uuid_, kIdSeed);
  return {};
}

Status StoreCore::OpenIndex() {
  auto opened = KvStore::Open(files, IndexPath(directory), IndexOptions());
  if (opened.Is(Errc::kNoSpace) && ReleaseBallast())
    opened = KvStore::Open(files, IndexPath(directory), IndexOptions());
  if (opened.ok()) {
    index = std::move(*opened);
    return {};
  }
  if (!opened.Is(Errc::kCorrupt)) return std::move(opened).error();
  return std::move(opened).error().With(StrCat("the index of store ", directory,
                                               " is damaged; run 'pailfs store check ", directory,
                                               "', then 'pailfs store rebuild ", directory, "'"));
}

Status StoreCore::Open() {
  RETURN_IF_ERROR(OpenFormat());
  Status opened = OpenIndex();
  Position from;
  if (opened.ok()) opened = LoadApplied(&from);
  if (opened.ok()) opened = Replay(from);
  if (opened.ok()) opened = LoadCounts();
  // A store with features that we do not know may keep its files for reasons that we do not know.
  if (opened.ok() && broken_.ok()) opened = RemoveOrphans();
  if (opened.ok() && broken_.ok()) opened = MakeBallast();
  if (!opened.ok()) {
    index.reset();
    lock_.reset();
    return opened;
  }
  visible_seq_ = last_seq_;
  garbage_left_ = false;
  checkpoint_at_ns_ = clock.MonotonicNs() + options.checkpoint_ns;
  range_compactor_ = std::make_unique<RangeCompactor>(*index, metrics, options.most_deletions);
  committer_ = std::thread([this] { Run(); });
  return {};
}

Status StoreCore::LoadApplied(Position* from) {
  ASSIGN_OR_RETURN(const auto value, index->Get(AppliedRow()));
  if (!value) return {};
  ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(AppliedRow(), *value));
  pb::Applied applied;
  if (!applied.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
    return Error{Errc::kCorrupt, StrCat("the checkpoint of store ", directory,
                                        " is damaged; run 'pailfs store rebuild ", directory, "'")};
  }
  last_seq_ = checkpoint_seq_ = applied.seq();
  last_time_us_ = applied.commit_us();
  next_body_ = applied.next_body();
  first_orphan_ = applied.first_orphan();
  *from = {applied.volume(), applied.offset()};
  return {};
}

Status StoreCore::ApplyBatch(const ScannedBatch& batch) {
  KvBatch changes;
  for (const LogRow& row : batch.rows) {
    // Rows that compaction logged again are in the index already, or were replaced since.
    if ((batch.header.flags & kBatchRelocated) != 0 && !row.key.starts_with('B')) continue;
    if (row.value) {
      changes.Put(row.key, *row.value);
    } else {
      changes.Delete(row.key);
    }
    if (row.key.starts_with('B') && row.key.size() == 9) {
      next_body_ = std::max(next_body_.load(), GetBig64(row.key.substr(1)) + 1);
    }
  }
  last_seq_ = std::max(last_seq_, batch.header.seq_first + batch.header.count - 1);
  last_time_us_ = std::max(last_time_us_, batch.header.time_us);
  logged_since_checkpoint_ += batch.header.TotalBytes();
  return index->Write(changes, KvDurability::kNoSync);
}

Status StoreCore::ReplayVolume(uint64_t volume, uint64_t from_offset, uint64_t limit, Position* end) {
  const std::string path = VolumePath(directory, volume);
  ASSIGN_OR_RETURN(auto file, files.Open(path, OpenMode::kRead));
  auto superblock = ReadSuperblock(*file);
  if (!superblock.ok()) return std::move(superblock).error().With(path);
  superblock_ = *superblock;
  if (superblock_.store_uuid != store_uuid_ || superblock_.volume != volume) {
    return Error{Errc::kCorrupt, StrCat(path, " is a volume of another store or under another's name")};
  }
  const auto damaged = [&](uint64_t offset) {
    return Error{Errc::kCorrupt,
                 StrCat(path, " is damaged at offset ", offset,
                        ", before changes that had been acknowledged; run 'pailfs store check ", directory, "'")};
  };
  const auto apply = [&](const ScannedBatch& batch) -> Status {
    // Behind `limit` lies what a failed write left: it was never acknowledged.
    if (batch.header.offset >= limit) return {};
    if (batch.header.seq_first > last_seq_ + 1) return damaged(batch.header.offset);
    return ApplyBatch(batch);
  };
  ASSIGN_OR_RETURN(const ScanEnd scanned, ScanVolume(*file, superblock_, from_offset, /*with_needles=*/true, apply));
  const bool last = limit == UINT64_MAX;
  if (last ? scanned.damaged : scanned.offset < limit) return damaged(scanned.offset);
  *end = {volume, scanned.offset};
  return {};
}

// A lost volume must not look like a shorter history.
Status StoreCore::CheckContiguous(Position from, const std::vector<uint64_t>& volumes) const {
  uint64_t expected = std::max<uint64_t>(from.volume, 1);
  for (const uint64_t volume : volumes) {
    if (volume != expected) break;
    ++expected;
  }
  const bool complete = volumes.empty() ? from.volume == 0 : expected == volumes.back() + 1;
  if (complete) return {};
  if (from.volume == 0) {
    return Error{Errc::kCorrupt,
                 StrCat("the index of store ", directory, " is lost; run 'pailfs store rebuild ", directory, "'")};
  }
  return Error{Errc::kCorrupt, StrCat("store ", directory, " has lost volume ", Number16(expected),
                                      "; run 'pailfs store check ", directory, "'")};
}

// The last volume may have been made and not been filled in before the power went.
Result<bool> StoreCore::DropUnusedVolume(uint64_t volume) {
  const std::string path = VolumePath(directory, volume);
  ASSIGN_OR_RETURN(auto file, files.Open(path, OpenMode::kRead));
  if (ReadSuperblock(*file).ok()) return false;
  ASSIGN_OR_RETURN(const FileStat stat, file->Stat());
  if (stat.size_bytes > kVolumeAlignment) {
    return Error{Errc::kCorrupt, StrCat(path, " has a damaged superblock; run 'pailfs store check ", directory, "'")};
  }
  RETURN_IF_ERROR(files.Unlink(path));
  return true;
}

Status StoreCore::Replay(Position from) {
  ASSIGN_OR_RETURN(auto volumes, ListVolumes(files, directory));
  std::erase_if(volumes, [&from](uint64_t volume) { return volume < from.volume; });
  RETURN_IF_ERROR(CheckContiguous(from, volumes));
  Position end = from;
  if (!volumes.empty() && volumes.back() != from.volume) {
    ASSIGN_OR_RETURN(const bool dropped, DropUnusedVolume(volumes.back()));
    if (dropped) volumes.pop_back();
  }
  for (const uint64_t volume : volumes) {
    const uint64_t from_offset = volume == from.volume ? from.offset : 0;
    ASSIGN_OR_RETURN(const uint64_t limit, LogicalEnd(files, directory, volumes, volume));
    RETURN_IF_ERROR(ReplayVolume(volume, from_offset, limit, &end));
  }
  superblock_.volume = end.volume;
  log_offset_ = end.offset;
  // Never over a torn tail: what comes next goes into a new volume, made by the first commit.
  log_.reset();
  if (end.volume == 0 || !broken_.ok()) return {};
  // Gives back what was allocated ahead.
  ASSIGN_OR_RETURN(auto file, files.Open(VolumePath(directory, end.volume), OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(const FileStat stat, file->Stat());
  return stat.size_bytes > end.offset && end.offset > 0 ? file->Truncate(end.offset) : Status();
}

Status StoreCore::LoadCounts() {
  const std::string prefix = CountsRow(0).substr(0, CountsRow(0).size() - 4);
  KvIterator it = index->NewIterator();
  MutexLock lock(counts_mu_);
  for (it.Seek(prefix); it.Valid() && it.key().starts_with(prefix); it.Next()) {
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(it.key(), it.value()));
    if (opened.payload.size() != 16 || it.key().size() != prefix.size() + 4) {
      return Error{Errc::kCorrupt, StrCat("the counters of store ", directory,
                                          " are damaged; run 'pailfs store rebuild ", directory, "'")};
    }
    counts_[GetBig32(it.key().substr(prefix.size()))] = {static_cast<int64_t>(GetBig64(opened.payload)),
                                                         static_cast<int64_t>(GetBig64(opened.payload.substr(8)))};
  }
  return it.status();
}

// Body files that were written but never committed. Ids rise, so they lie in the last directories.
Status StoreCore::RemoveOrphans() {
  const std::string root = BodiesPath(directory);
  ASSIGN_OR_RETURN(const auto names_of_directories, files.List(root));
  const std::string first = Number16(first_orphan_).substr(0, 13);
  for (const std::string& name_of_directory : names_of_directories) {
    if (name_of_directory < first) continue;
    ASSIGN_OR_RETURN(const auto names, files.List(StrCat(root, '/', name_of_directory)));
    for (const std::string& name : names) {
      BodyId body = 0;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), body, 16);
      if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size() || name.size() != 16) continue;
      next_body_ = std::max(next_body_.load(), body + 1);
      if (body < first_orphan_) continue;
      ASSIGN_OR_RETURN(const auto row, index->Get(BodyRow(body)));
      if (!row) RETURN_IF_ERROR(files.Unlink(BodyPath(directory, body)));
    }
  }
  return {};
}

}  // namespace pailfs::store
