// How much to fetch beyond what a reader asked for. A policy without threads, clock or I/O: it gets the reads of one inode
// that hit absent blocks and answers with ranges.
#pragma once

#include <cstdint>

#include "base/object_store.h"

namespace pailfs::cache {

// Not thread-safe. Reads that continue where the last window ended, or that skip a little forward, are sequential: the window
// starts at 1 MiB + 128 KiB (so that a read of 1 MiB and the kernel's own readahead are one request) and doubles up to the
// limit. Any other read gets the 128 KiB blocks that it touches.
class Readahead {
 public:
  // The block-aligned range to fetch for a read of [offset, offset + length) in a file of `size` bytes, clipped to it.
  ByteRange OnRead(uint64_t offset, uint64_t length, uint64_t size, uint64_t window_limit);

 private:
  uint64_t expected_ = 0;  // where a sequential reader misses next
  uint64_t window_ = 0;    // bytes; 0 before the first read
};

}  // namespace pailfs::cache
