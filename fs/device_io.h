// Between libfuse and /dev/fuse: every request read and every answer written passes here. libfuse 3.14 neither
// negotiates HANDLE_KILLPRIV_V2 nor hands its flags on, and forgets PARALLEL_DIROPS; both are done here, on the raw
// messages (linux/fuse.h).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

struct fuse_session;
struct iovec;

namespace pailfs::fs {

// What a request says that libfuse does not pass on.
struct RequestFacts {
  bool kill_privileges = false;  // write, truncate: clear setuid and setgid, the caller lacks CAP_FSETID
};

// Of the request that this thread read last.
const RequestFacts& CurrentRequestFacts();

// Thread-safe.
class DeviceIo {
 public:
  // Takes over the I/O of `session` on the descriptor `fd`, which libfuse closes. `session`'s userdata must start with
  // a DeviceIo pointer (Connection in fs/dispatch.h). False when libfuse refuses.
  static bool Attach(fuse_session* session, int fd);

  ssize_t Read(int fd, void* buffer, size_t size);
  ssize_t Write(int fd, iovec* pieces, int count);

  // The kernel has our answer to INIT.
  bool initialised() const { return initialised_.load(); }

 private:
  void NoteInit(const void* request, size_t size);
  void PatchInit(void* answer, size_t size) const;

  std::atomic<uint64_t> init_unique_{0};
  std::atomic<uint32_t> kernel_flags_{0};
  std::atomic<bool> initialised_{false};
};

}  // namespace pailfs::fs
