#include "store/volume_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kScanStep = kVolumeAlignment;

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

}  // namespace

std::string Number16(uint64_t number) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

std::string FormatPath(const std::string& directory) {
  return directory + "/FORMAT";
}
std::string IndexPath(const std::string& directory) {
  return directory + "/index";
}
std::string VolumesPath(const std::string& directory) {
  return directory + "/volumes";
}
std::string BodiesPath(const std::string& directory) {
  return directory + "/bodies";
}
std::string VolumePath(const std::string& directory, uint64_t volume) {
  return StrCat(VolumesPath(directory), '/', Number16(volume), ".vol");
}
std::string BodyPath(const std::string& directory, BodyId body) {
  const std::string id = Number16(body);
  return StrCat(BodiesPath(directory), '/', id.substr(0, 13), '/', id);
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
  const std::string path = FormatPath(directory);
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
    return Error{Errc::kCorrupt,
                 StrCat(path, " is not the FORMAT file of a store; run 'pailfs store check ", directory, "'")};
  }
  if (FormatValue(*text, "format") != "1" || !FormatValue(*text, "incompat").empty()) {
    return Error{Errc::kUnsupported,
                 StrCat("store ", directory, " has a format that this version does not know (format ",
                        FormatValue(*text, "format"), ", features '", FormatValue(*text, "incompat"),
                        "'); use the version that made it")};
  }
  format.read_only = !FormatValue(*text, "ro_compat").empty();
  return format;
}

Status WriteFormat(FileSystem& files, const std::string& directory, const std::string& store_uuid) {
  const std::string uuid = Hex({reinterpret_cast<const uint8_t*>(store_uuid.data()), store_uuid.size()});
  return WriteFileDurably(files, FormatPath(directory),
                          StrCat("pailfs-store\nformat=1\nstore=", uuid, "\ncompat=\nro_compat=\nincompat=\n"));
}

Result<Superblock> ReadSuperblock(File& file) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadRange(file, 0, kVolumeAlignment));
  return DecodeSuperblock(bytes);
}

Result<std::optional<uint64_t>> NextBatch(File& file, const Superblock& superblock, uint64_t offset) {
  ASSIGN_OR_RETURN(const FileStat stat, file.Stat());
  for (uint64_t at = offset; at + kBatchHeaderBytes <= stat.size_bytes; at += kScanStep) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadRange(file, at, kBatchHeaderBytes));
    if (DecodeBatchHeader(bytes, superblock.volume, at, superblock.salt)) return std::optional<uint64_t>(at);
  }
  return std::optional<uint64_t>();
}

Result<ScanEnd> ScanVolume(File& file, const Superblock& superblock, uint64_t offset, bool with_needles,
                           const std::function<Status(ScannedBatch)>& visit) {
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
      // A good batch behind this one: what came before it had been acknowledged.
      ASSIGN_OR_RETURN(const auto next, NextBatch(file, superblock, behind));
      end.damaged = next.has_value();
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

}  // namespace pailfs::store
