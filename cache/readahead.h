// How much to fetch beyond what a reader asked for. A policy without threads, clock or I/O: it gets the reads of one
// inode that hit absent blocks, those that another thread is fetching among them, and answers with ranges.
#pragma once

#include <array>
#include <cstdint>

#include "base/object_store.h"

namespace pailfs::cache {

// Not thread-safe. Follows a few streams in one file, so that readers in different places do not disturb each other. A
// read that continues a stream, or skips a little forward, is sequential: the stream's window starts at 1 MiB + 128 KiB
// (so that a read of 1 MiB and the kernel's own readahead are one request) and doubles up to the limit. Reads that
// arrive late, of what the stream has asked for before, leave it alone. Any other read gets the 128 KiB blocks that it
// touches.
class Readahead {
 public:
  // The block-aligned range to fetch for a read of [offset, offset + length) in a file of `size` bytes, clipped to it.
  // It holds all of the read, and at most `window_limit` bytes behind what the stream had fetched.
  ByteRange OnRead(uint64_t offset, uint64_t length, uint64_t size, uint64_t window_limit);

 private:
  struct Stream {
    uint64_t expected = 0;  // where its next miss begins
    uint64_t window = 0;    // bytes of its last fetch; 0: not in use
  };
  static constexpr size_t kStreams = 4;

  // Makes the stream the first one, the most recently used.
  Stream& ToFront(size_t index);

  std::array<Stream, kStreams> streams_;
};

}  // namespace pailfs::cache
