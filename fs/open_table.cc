#include "fs/open_table.h"

#include <utility>

namespace pailfs::fs {

void OpenTable::Opened(cache::Ino ino, cache::OpenFlags flags) {
  MutexLock lock(mu_);
  Openings& openings = open_[ino];
  ++(flags.write ? openings.writers : openings.readers);
}

void OpenTable::DirectoryOpened(cache::Ino ino) {
  MutexLock lock(mu_);
  ++open_[ino].directories;
}

bool OpenTable::Take(cache::Ino ino, size_t Openings::*kind) {
  MutexLock lock(mu_);
  const auto found = open_.find(ino);
  if (found == open_.end() || found->second.*kind == 0) return false;
  Openings& openings = found->second;
  --(openings.*kind);
  if (openings.readers + openings.writers + openings.directories == 0) open_.erase(found);
  return true;
}

void OpenTable::Close(cache::Ino ino, cache::OpenFlags flags) {
  if (Take(ino, flags.write ? &Openings::writers : &Openings::readers)) cache_.Close(ino, flags);
}

void OpenTable::CloseDirectory(cache::Ino ino) {
  if (Take(ino, &Openings::directories)) cache_.CloseDirectory(ino);
}

void OpenTable::CloseAll() {
  std::unordered_map<cache::Ino, Openings> open;
  {
    MutexLock lock(mu_);
    open = std::exchange(open_, {});
  }
  for (const auto& [ino, openings] : open) {
    for (size_t i = 0; i < openings.readers; ++i) cache_.Close(ino, {.write = false, .truncate = false});
    for (size_t i = 0; i < openings.writers; ++i) cache_.Close(ino, {.write = true, .truncate = false});
    for (size_t i = 0; i < openings.directories; ++i) cache_.CloseDirectory(ino);
  }
}

}  // namespace pailfs::fs
