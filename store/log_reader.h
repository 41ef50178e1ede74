// The whole log in order, past what is damaged in it: for rebuild and check. (Opening a store reads it too, in
// store_open.cc, but refuses damage.)
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/volume_reader.h"

namespace pailfs::store {

struct LogDamage {
  enum class Kind : uint8_t {
    kSuperblock,  // the volume cannot be read at all
    kForeign,     // a volume of another store, or under another's name
    kBatch,       // rows that were acknowledged are lost
    kNeedles,     // the rows are there, bytes of bodies are not
  };
  Kind kind = Kind::kBatch;
  uint64_t volume = 0;
  uint64_t offset = 0;
};

struct LogSummary {
  std::vector<uint64_t> volumes;
  std::vector<LogDamage> damages;
  // The end of the log.
  uint64_t volume = 0;
  uint64_t offset = 0;
  uint64_t last_seq = 0;
  uint64_t last_time_us = 0;
};

// Calls `visit` with each acknowledged batch at or behind (volume, offset), in the order of the log. Of earlier volumes
// only the superblocks are read. Errors are those of the disk and of `visit`.
Result<LogSummary> ReadLog(FileSystem& files, const std::string& directory, const std::string& store_uuid,
                           uint64_t volume, uint64_t offset, const std::function<Status(const ScannedBatch&)>& visit);

// Writes the rows of the whole log into `into`, which is empty: the last writer of a row wins.
Result<LogSummary> ReplayLog(FileSystem& files, const std::string& directory, const std::string& store_uuid,
                             KvStore& into, BodyId* next_body);

}  // namespace pailfs::store
