#include "fs/directory_buffer.h"

#include <linux/limits.h>
#include <sys/stat.h>

#include "fs/fuse_api.h"

namespace pailfs::fs {

bool DirectoryBuffer::Add(const cache::DirectoryEntry& entry) {
  fuse_entry_param param = ToEntry(entry.attributes, timeouts_);
  // "." and ".." are no lookups.
  if (entry.name == "." || entry.name == "..") param.ino = 0;
  if (!entry.attributes_known) {
    // Node id 0 makes the kernel look the entry up when it is needed.
    param.ino = 0;
    // An object of this size is no symbolic link.
    const bool type_is_known = S_ISDIR(param.attr.st_mode) || param.attr.st_size > PATH_MAX;
    if (!type_is_known) param.attr.st_mode = 0;
  }
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
