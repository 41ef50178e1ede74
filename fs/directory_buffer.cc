#include "fs/directory_buffer.h"

#include "fs/fuse_api.h"

namespace pailfs::fs {

bool DirectoryBuffer::Add(const cache::DirectoryEntry& entry) {
  fuse_entry_param param = ToEntry(entry.attributes, timeouts_);
  // "." and ".." are no lookups.
  if (entry.name == "." || entry.name == "..") param.ino = 0;
  const auto add = [&](char* at, size_t room) {
    const auto cookie = static_cast<off_t>(entry.cookie);
    return format_ == DirectoryFormat::kPlain
               ? fuse_add_direntry(nullptr, at, room, entry.name.c_str(), &param.attr, cookie)
               : fuse_add_direntry_plus(nullptr, at, room, entry.name.c_str(), &param, cookie);
  };
  const size_t used = bytes_.size();
  const size_t needed = add(nullptr, 0);
  if (used + needed > limit_bytes_) return false;
  bytes_.resize(used + needed);
  add(bytes_.data() + used, needed);
  return true;
}

}  // namespace pailfs::fs
