// The answer to READDIR and READDIRPLUS: directory entries packed as the kernel reads them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cache/mount_cache.h"
#include "fs/reply.h"

namespace pailfs::fs {

enum class DirectoryFormat : uint8_t {
  kPlain,           // READDIR: names and types
  kWithAttributes,  // READDIRPLUS: each entry is a lookup too
};

// Not thread-safe.
class DirectoryBuffer {
 public:
  // `limit_bytes`: what the kernel has room for.
  DirectoryBuffer(DirectoryFormat format, size_t limit_bytes, const Timeouts& timeouts)
      : format_(format), limit_bytes_(limit_bytes), timeouts_(timeouts) {}

  // False when the entry does not fit any more.
  bool Add(const cache::DirectoryEntry& entry);
  void Clear() { bytes_.clear(); }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

 private:
  const DirectoryFormat format_;
  const size_t limit_bytes_;
  const Timeouts& timeouts_;
  std::vector<char> bytes_;
};

}  // namespace pailfs::fs
