// Making the index anew from the volumes.

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/str.h"
#include "store/check.h"
#include "store/log_reader.h"
#include "store/records.pb.h"

namespace pailfs::store {
namespace {

// A body file without a row may be all that is left of an object whose rows are lost, so none counts as an orphan.
Result<BodyId> BehindAllBodyFiles(FileSystem& files, const std::string& directory) {
  BodyId behind = 1;
  ASSIGN_OR_RETURN(const auto groups, files.List(BodiesPath(directory)));
  for (const std::string& group : groups) {
    ASSIGN_OR_RETURN(const auto names, files.List(StrCat(BodiesPath(directory), '/', group)));
    for (const std::string& name : names) {
      BodyId body = 0;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), body, 16);
      if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) behind = std::max(behind, body + 1);
    }
  }
  return behind;
}

Status BuildIndex(FileSystem& files, const std::string& directory, const std::string& store_uuid,
                  const std::string& path) {
  RETURN_IF_ERROR(RemoveTree(files, path));
  ASSIGN_OR_RETURN(const auto index, KvStore::Open(files, path, IndexOptions()));
  BodyId next_body = 1;
  ASSIGN_OR_RETURN(const LogSummary log, ReplayLog(files, directory, store_uuid, *index, &next_body));
  if (log.volumes.empty())
    return Error{Errc::kCorrupt, StrCat("store ", directory, " has no volumes to rebuild its index from")};
  for (const LogDamage& damage : log.damages) {
    LogError("store ", directory, ": volume ", Number16(damage.volume), " is damaged at offset ", damage.offset,
             "; the index is rebuilt without it");
  }
  ASSIGN_OR_RETURN(const BodyId behind_files, BehindAllBodyFiles(files, directory));
  pb::Applied applied;
  applied.set_seq(log.last_seq);
  applied.set_volume(log.volume);
  applied.set_offset(log.offset);
  applied.set_commit_us(log.last_time_us);
  applied.set_next_body(std::max(next_body, behind_files));
  applied.set_first_orphan(applied.next_body());
  const std::string row = AppliedRow();
  KvBatch batch;
  batch.Put(row, SealValue(row, log.last_seq, applied.SerializeAsString()));
  return index->Write(batch, KvDurability::kSync);
}

}  // namespace

Status RebuildIndex(FileSystem& files, const std::string& directory) {
  ASSIGN_OR_RETURN(const StoreFormat format, ReadFormat(files, directory));
  if (format.read_only) {
    return Error{Errc::kReadOnly, StrCat("store ", directory, " uses features that this version can only read")};
  }
  ASSIGN_OR_RETURN(const auto lock, files.Lock(directory + "/LOCK"));
  const std::string path = IndexPath(directory);
  const std::string fresh = path + ".new";
  RETURN_IF_ERROR(BuildIndex(files, directory, format.store_uuid, fresh));
  ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (exists) {
    std::string old;
    for (int number = 1;; ++number) {
      old = StrCat(path, ".old-", number);
      ASSIGN_OR_RETURN(const bool taken, files.Exists(old));
      if (!taken) break;
    }
    RETURN_IF_ERROR(files.Rename(path, old));
    LogInfo("store ", directory, ": the index there was is kept as ", old);
  }
  RETURN_IF_ERROR(files.Rename(fresh, path));
  return files.SyncDirectory(directory);
}

}  // namespace pailfs::store
