// Finding damage in a store, and making its index anew. Both need the store to be closed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace pailfs::store {

enum class CheckLevel : uint8_t {
  kQuick,  // files, superblocks, the log since the checkpoint, a place for each body
  kIndex,  // every row: envelopes, versions, references, uploads, against the log
  kData,   // every byte
};

struct Finding {
  std::string code;    // stable, for scripts: "volume-damaged", "body-missing", …
  std::string object;  // what it is about
  std::string effect;  // what that means for the user's data
  std::string repair;  // what to do
};

struct CheckReport {
  std::vector<Finding> findings;  // at most kMostFindings
  uint64_t finding_count = 0;
  uint64_t objects = 0;   // current versions
  uint64_t versions = 0;  // all, markers included
  uint64_t bodies = 0;
  uint64_t bytes_verified = 0;
};

inline constexpr size_t kMostFindings = 1000;

// kNotFound: no store there. kBusy: in use. Damage is a finding, not an error.
Result<CheckReport> CheckStore(FileSystem& files, const std::string& directory, CheckLevel level);

// Restores index/ from the volumes alone. The old index is kept as index.old-<n>.
Status RebuildIndex(FileSystem& files, const std::string& directory);

}  // namespace pailfs::store
