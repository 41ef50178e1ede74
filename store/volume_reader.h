// The files of a store, and reading its log. Thread-safe; used by the store itself, by check and by rebuild.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/kv_store.h"
#include "store/volume_format.h"

namespace pailfs::store {

std::string FormatPath(const std::string& directory);
std::string IndexPath(const std::string& directory);
std::string VolumesPath(const std::string& directory);
std::string BodiesPath(const std::string& directory);
std::string VolumePath(const std::string& directory, uint64_t volume);
std::string BodyPath(const std::string& directory, BodyId body);
std::string Number16(uint64_t number);  // 16 hex digits, as in the names of files
// Ids of the volumes there are, ascending.
Result<std::vector<uint64_t>> ListVolumes(FileSystem& files, const std::string& directory);
// KvOptions of the index.
KvOptions IndexOptions();

struct StoreFormat {
  std::string store_uuid;  // 16 bytes
  bool read_only = false;  // an unknown ro_compat feature
};
// kNotFound: no store. kUnsupported: an unknown incompatible feature.
Result<StoreFormat> ReadFormat(FileSystem& files, const std::string& directory);
Status WriteFormat(FileSystem& files, const std::string& directory, const std::string& store_uuid);

struct ScannedBatch {
  BatchHeader header;
  std::vector<LogRow> rows;
  std::string needles;      // the bytes of the needle area
  uint64_t needles_at = 0;  // its offset in the volume
};
struct ScanEnd {
  uint64_t offset = 0;  // behind the last good batch
  bool sealed = false;
  bool damaged = false;  // good batches follow a bad one: acknowledged data is damaged
};
// Calls `visit` with each batch from `offset` on, in order. The needles are read, and verified, only on demand.
Result<ScanEnd> ScanVolume(File& file, const Superblock& superblock, uint64_t offset, bool with_needles,
                           const std::function<Status(ScannedBatch)>& visit);
// The first good batch at or behind `offset`, a multiple of kVolumeAlignment.
Result<std::optional<uint64_t>> NextBatch(File& file, const Superblock& superblock, uint64_t offset);
Result<Superblock> ReadSuperblock(File& file);
// Where the log goes on in the volume after `volume`; what lies behind was never acknowledged. UINT64_MAX: no such
// limit.
Result<uint64_t> LogicalEnd(FileSystem& files, const std::string& directory, const std::vector<uint64_t>& volumes,
                            uint64_t volume);

}  // namespace pailfs::store
