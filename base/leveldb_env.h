// A leveldb::Env over our FileSystem, so that LevelDB's files go through the same seam as everything else.
#pragma once

#include <leveldb/env.h>

#include <memory>

#include "base/file_system.h"

namespace pailfs {

// Each has a background thread of its own, so that databases do not wait for each other's compactions. `files` must
// outlive it. Differences from LevelDB's own: a log is synced when it is closed (LevelDB leaves its tail to the
// kernel), and a lock names its holder.
std::unique_ptr<leveldb::Env> MakeLevelDbEnv(FileSystem& files);

}  // namespace pailfs
