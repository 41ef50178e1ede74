// Opening a store: its format, and replaying the log from the last checkpoint.

#include <algorithm>
#include <cstdio>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {
namespace {

constexpr std::string_view kFormatName = "FORMAT";
constexpr uint64_t kScanStep = kVolumeAlignment;
constexpr uint64_t kBallastBytes = 64 << 20;
constexpr std::string_view kCountersRow = "Mcounters";

std::string Number16(uint64_t number) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

// "name=value" lines.
std::string FormatValue(std::string_view text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == '=') {
      return std::string(line.substr(name.size() + 1));
    }
    at = end + 1;
  }
  return "";
}

Result<std::string> ReadRange(File& file, uint64_t offset, uint64_t length) {
  std::string bytes(length, '\0');
  ASSIGN_OR_RETURN(const size_t got, file.ReadAt(offset, std::as_writable_bytes(std::span(bytes))));
  bytes.resize(got);
  return bytes;
}

// Is there a good batch at or behind `offset`? Then what came before it had been acknowledged.
Result<bool> AnyBatchBehind(File& file, const Superblock& superblock, uint64_t offset, uint64_t size) {
  for (uint64_t at = offset; at + kBatchHeaderBytes <= size; at += kScanStep) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadRange(file, at, kBatchHeaderBytes));
    if (DecodeBatchHeader(bytes, superblock.volume, at, superblock.salt)) return true;
  }
  return false;
}

}  // namespace

std::string IndexPath(const std::string& directory) { return directory + "/index"; }
std::string VolumesPath(const std::string& directory) { return directory + "/volumes"; }
std::string VolumePath(const std::string& directory, uint64_t volume) {
  return StrCat(VolumesPath(directory), '/', Number16(volume), ".vol");
}
std::string BodyPath(const std::string& directory, BodyId body) {
  const std::string id = Number16(body);
  return StrCat(directory, "/bodies/", id.substr(0, 13), '/', id);
}

KvOptions IndexOptions() {
  KvOptions options;
  options.write_buffer_bytes = 16 << 20;
  options.block_cache_bytes = 24 << 20;
  options.max_open_files = 256;
  return options;
}

Result<std::vector<uint64_t>> ListVolumes(FileSystem& files, const std::string& directory) {
  ASSIGN_OR_RETURN(const auto names, files.List(VolumesPath(directory)));
  std::vector<uint64_t> volumes;
  for (const std::string& name : names) {
    uint64_t volume = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), volume, 16);
    if (parsed.ec == std::errc() && std::string_view(parsed.ptr) == ".vol") volumes.push_back(volume);
  }
  std::sort(volumes.begin(), volumes.end());
  return volumes;
}

Result<StoreFormat> ReadFormat(FileSystem& files, const std::string& directory) {
  const std::string path = StrCat(directory, '/', kFormatName);
  auto text = ReadFile(files, path);
  if (text.Is(Errc::kNotFound)) return Error{Errc::kNotFound, StrCat("there is no store in ", directory)};
  if (!text.ok()) return std::move(text).error();
  const std::string uuid = FormatValue(*text, "store");
  StoreFormat format;
  for (size_t i = 0; i + 1 < uuid.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(uuid.data() + i, uuid.data() + i + 2, byte, 16);
    format.store_uuid.push_back(static_cast<char>(byte));
  }
  if (!text->starts_with("pailfs-store\n") || format.store_uuid.size() != 16) {
    return Error{Errc::kCorrupt, StrCat(path, " is not the FORMAT file of a store; run 'pailfs store check ", directory, "'")};
  }
  if (FormatValue(*text, "format") != "1" || !FormatValue(*text, "incompat").empty()) {
    return Error{Errc::kUnsupported, StrCat("store ", directory, " has a format that this version does not know (format ",
                                            FormatValue(*text, "format"), ", features '", FormatValue(*text, "incompat"),
                                            "'); use the version that made it")};
  }
  format.read_only = !FormatValue(*text, "ro_compat").empty();
  return format;
}

Result<Superblock> ReadSuperblock(File& file) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadRange(file, 0, kVolumeAlignment));
  return DecodeSuperblock(bytes);
}

Result<ScanEnd> ScanVolume(File& file, const Superblock& superblock, uint64_t offset, bool with_needles,
                           const std::function<Status(ScannedBatch)>& visit) {
  ASSIGN_OR_RETURN(const FileStat stat, file.Stat());
  ScanEnd end{std::max(offset, kVolumeAlignment), false, false};
  for (;;) {
    ASSIGN_OR_RETURN(const std::string header_bytes, ReadRange(file, end.offset, kBatchHeaderBytes));
    const auto decoded = DecodeBatchHeader(header_bytes, superblock.volume, end.offset, superblock.salt);
    bool good = decoded.has_value();
    ScannedBatch batch;
    if (good) {
      batch.header = decoded->header;
      ASSIGN_OR_RETURN(const std::string rows, ReadRange(file, end.offset + kBatchHeaderBytes, batch.header.row_bytes));
      good = rows.size() == batch.header.row_bytes && RowsMatch(*decoded, rows, superblock.salt);
      if (good) {
        ASSIGN_OR_RETURN(batch.rows, DecodeRows(rows));
      }
    }
    if (good && with_needles) {
      batch.needles_at = end.offset + NeedlesOffset(batch.header.row_bytes);
      ASSIGN_OR_RETURN(batch.needles, ReadRange(file, batch.needles_at, batch.header.body_bytes));
      good = batch.needles.size() == batch.header.body_bytes && DecodeNeedles(batch.needles).ok();
    }
    if (!good) {
      const uint64_t behind = end.offset + (decoded ? decoded->header.TotalBytes() : kScanStep);
      ASSIGN_OR_RETURN(end.damaged, AnyBatchBehind(file, superblock, behind, stat.size_bytes));
      return end;
    }
    const uint16_t flags = batch.header.flags;
    end.offset += batch.header.TotalBytes();
    RETURN_IF_ERROR(visit(std::move(batch)));
    if ((flags & kBatchSeals) != 0) {
      end.sealed = true;
      return end;
    }
  }
}

Result<uint64_t> LogicalEnd(FileSystem& files, const std::string& directory, const std::vector<uint64_t>& volumes,
                            uint64_t volume) {
  const auto next = std::upper_bound(volumes.begin(), volumes.end(), volume);
  if (next == volumes.end()) return UINT64_MAX;
  ASSIGN_OR_RETURN(auto file, files.Open(VolumePath(directory, *next), OpenMode::kRead));
  const auto superblock = ReadSuperblock(*file);
  if (!superblock.ok() && std::next(next) == volumes.end()) return UINT64_MAX;
  if (!superblock.ok()) return superblock.error();
  return *next == volume + 1 ? superblock->previous_end : UINT64_MAX;
}

Status StoreCore::OpenFormat() {
  auto format = ReadFormat(files, directory);
  if (format.Is(Errc::kNotFound)) {
    if (!options.create_if_missing) return std::move(format).error();
    RETURN_IF_ERROR(MakeDirectories(files, directory));
  } else if (!format.ok()) {
    return std::move(format).error();
  }
  auto locked = files.Lock(directory + "/LOCK");
  if (!locked.ok()) return std::move(locked).error().With("store " + directory);
  lock_ = std::move(*locked);
  if (format.ok()) {
    if (format->read_only) {
      broken_ = Error{Errc::kReadOnly, StrCat("store ", directory, " uses features that this version can only read")};
    }
    store_uuid_ = format->store_uuid;
  } else {
    store_uuid_ = random.Bytes(16);
    RETURN_IF_ERROR(files.MakeDirectory(VolumesPath(directory)));
    RETURN_IF_ERROR(files.MakeDirectory(directory + "/bodies"));
    RETURN_IF_ERROR(files.SyncDirectory(directory));
    const std::string uuid = Hex({reinterpret_cast<const uint8_t*>(store_uuid_.data()), store_uuid_.size()});
    RETURN_IF_ERROR(WriteFileDurably(files, StrCat(directory, '/', kFormatName),
                                     StrCat("pailfs-store\nformat=1\nstore=", uuid, "\ncompat=\nro_compat=\nincompat=\n")));
  }
  id_secret_ = StableHash64(store_uuid_, kBallastBytes);
  return {};
}

Status StoreCore::Open() {
  RETURN_IF_ERROR(OpenFormat());
  auto opened = KvStore::Open(files, IndexPath(directory), IndexOptions());
  if (!opened.ok()) {
    if (!opened.Is(Errc::kCorrupt)) return std::move(opened).error();
    return std::move(opened).error().With(StrCat("the index of store ", directory, " is damaged; run 'pailfs store check ",
                                                 directory, "', then 'pailfs store rebuild ", directory, "'"));
  }
  index = std::move(*opened);
  Position from;
  Status replayed = LoadApplied(&from);
  if (replayed.ok()) replayed = Replay(from);
  if (!replayed.ok()) {
    index.reset();
    lock_.reset();
    return replayed;
  }
  RETURN_IF_ERROR(RemoveOrphans());
  checkpoint_at_ns_ = clock.MonotonicNs() + options.checkpoint_ns;
  committer_ = std::thread([this] { Run(); });
  return {};
}

Status StoreCore::LoadApplied(Position* from) {
  ASSIGN_OR_RETURN(const auto value, index->Get(AppliedRow()));
  if (!value) return {};
  ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(AppliedRow(), *value));
  pb::Applied applied;
  if (!applied.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
    return Error{Errc::kCorrupt, StrCat("the checkpoint of store ", directory, " is damaged; run 'pailfs store rebuild ",
                                        directory, "'")};
  }
  last_seq_ = checkpoint_seq_ = applied.seq();
  last_time_us_ = applied.commit_us();
  next_body_ = checkpoint_next_body_ = applied.next_body();
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
  ASSIGN_OR_RETURN(const ScanEnd scanned, ScanVolume(*file, superblock_, from_offset, /*with_needles=*/true,
                                                     [this, limit](const ScannedBatch& batch) {
                                                       return batch.header.offset < limit ? ApplyBatch(batch) : Status();
                                                     }));
  // Behind `limit` lies what a failed write left: it was never acknowledged.
  const bool cut_short = limit != UINT64_MAX && scanned.offset < limit;
  if (cut_short || (scanned.damaged && limit == UINT64_MAX)) {
    return Error{Errc::kCorrupt, StrCat(path, " is damaged at offset ", scanned.offset,
                                        ", before changes that had been acknowledged; run 'pailfs store check ", directory,
                                        "'")};
  }
  *end = {volume, scanned.offset};
  return {};
}

Status StoreCore::Replay(Position from) {
  ASSIGN_OR_RETURN(auto volumes, ListVolumes(files, directory));
  std::erase_if(volumes, [&from](uint64_t volume) { return volume < from.volume; });
  if (from.volume != 0 && (volumes.empty() || volumes.front() != from.volume)) {
    return Error{Errc::kCorrupt, StrCat("store ", directory, " has lost volume ", Number16(from.volume),
                                        "; run 'pailfs store check ", directory, "'")};
  }
  Position end = from;
  for (const uint64_t volume : volumes) {
    const uint64_t from_offset = volume == from.volume ? from.offset : 0;
    const auto stat = files.Stat(VolumePath(directory, volume));
    if (!stat.ok()) return stat.error();
    // The last volume may have been made and not been filled in before the power went.
    if (volume == volumes.back() && volume != from.volume) {
      ASSIGN_OR_RETURN(auto file, files.Open(VolumePath(directory, volume), OpenMode::kRead));
      if (!ReadSuperblock(*file).ok()) {
        RETURN_IF_ERROR(files.Unlink(VolumePath(directory, volume)));
        continue;
      }
    }
    ASSIGN_OR_RETURN(const uint64_t limit, LogicalEnd(files, directory, volumes, volume));
    RETURN_IF_ERROR(ReplayVolume(volume, from_offset, limit, &end));
  }
  superblock_.volume = end.volume;
  log_offset_ = end.offset;
  // Never over a torn tail: what comes next goes into a new volume, made by the first commit.
  log_.reset();
  ASSIGN_OR_RETURN(const auto counters, index->Get(kCountersRow));
  if (counters) {
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(kCountersRow, *counters));
    if (opened.payload.size() != 16) return Error{Errc::kCorrupt, "the counters of the store are damaged"};
    object_count_ = GetBig64(opened.payload);
    object_bytes_ = GetBig64(opened.payload.substr(8));
  }
  return {};
}

// Body files that were written but never committed. Ids rise, so they lie in the last directories.
Status StoreCore::RemoveOrphans() {
  const std::string root = directory + "/bodies";
  ASSIGN_OR_RETURN(const auto shards, files.List(root));
  const std::string first_shard = Number16(checkpoint_next_body_).substr(0, 13);
  for (const std::string& shard : shards) {
    if (shard < first_shard) continue;
    ASSIGN_OR_RETURN(const auto names, files.List(StrCat(root, '/', shard)));
    for (const std::string& name : names) {
      BodyId body = 0;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), body, 16);
      if (parsed.ec != std::errc() || body < checkpoint_next_body_) continue;
      next_body_ = std::max(next_body_.load(), body + 1);
      ASSIGN_OR_RETURN(const auto row, index->Get(BodyRow(body)));
      if (!row) RETURN_IF_ERROR(files.Unlink(StrCat(root, '/', shard, '/', name)));
    }
  }
  return {};
}

}  // namespace pailfs::store
