#include "fs/device_io.h"

#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fs/dispatch.h"
#include "fs/fuse_api.h"

namespace pailfs::fs {
namespace {

// Set in our answer to INIT where the kernel offers them.
constexpr uint32_t kAddedFlags = FUSE_HANDLE_KILLPRIV_V2 | FUSE_PARALLEL_DIROPS;

thread_local RequestFacts current_facts;

// The fixed part that follows the header of a request; false when it is cut short.
template <typename T>
bool Argument(const void* request, size_t size, T* out) {
  if (size < sizeof(fuse_in_header) + sizeof(T)) return false;
  std::memcpy(out, static_cast<const char*>(request) + sizeof(fuse_in_header), sizeof(T));
  return true;
}

RequestFacts FactsOf(const void* request, size_t size) {
  RequestFacts facts;
  fuse_in_header header{};
  if (size < sizeof header) return facts;
  std::memcpy(&header, request, sizeof header);
  switch (header.opcode) {
    case FUSE_WRITE: {
      fuse_write_in in{};
      facts.kill_privileges = Argument(request, size, &in) && (in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
      break;
    }
    case FUSE_SETATTR: {
      fuse_setattr_in in{};
      facts.kill_privileges = Argument(request, size, &in) && (in.valid & FATTR_KILL_SUIDGID) != 0;
      break;
    }
    case FUSE_OPEN: {
      fuse_open_in in{};
      facts.kill_privileges = Argument(request, size, &in) && (in.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
      break;
    }
    case FUSE_CREATE: {
      fuse_create_in in{};
      facts.kill_privileges = Argument(request, size, &in) && (in.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
      break;
    }
    default:
      break;
  }
  return facts;
}

DeviceIo& IoOf(void* userdata) {
  return static_cast<Connection*>(userdata)->io;
}

}  // namespace

const RequestFacts& CurrentRequestFacts() {
  return current_facts;
}

bool DeviceIo::Attach(fuse_session* session, int fd) {
  static const fuse_custom_io io = [] {
    fuse_custom_io hooks{};
    hooks.read = [](int device, void* buffer, size_t size, void* userdata) {
      return IoOf(userdata).Read(device, buffer, size);
    };
    hooks.writev = [](int device, iovec* pieces, int count, void* userdata) {
      return IoOf(userdata).Write(device, pieces, count);
    };
    return hooks;
  }();
  return fuse_session_custom_io(session, &io, fd) == 0;
}

ssize_t DeviceIo::Read(int fd, void* buffer, size_t size) {
  const ssize_t got = read(fd, buffer, size);
  if (got == 0 || (got < 0 && errno == ECONNRESET)) {
    // A socket has ended; /dev/fuse says it so.
    errno = ENODEV;
    return -1;
  }
  if (got < 0) return got;
  const auto bytes = static_cast<size_t>(got);
  if (!initialised_.load(std::memory_order_relaxed)) NoteInit(buffer, bytes);
  current_facts = FactsOf(buffer, bytes);
  return got;
}

void DeviceIo::NoteInit(const void* request, size_t size) {
  fuse_in_header header{};
  if (size < sizeof header) return;
  std::memcpy(&header, request, sizeof header);
  if (header.opcode != FUSE_INIT) return;
  uint32_t words[4] = {};  // major, minor, max_readahead, flags
  if (!Argument(request, size, &words)) return;
  kernel_flags_ = words[3];
  init_unique_ = header.unique;
}

ssize_t DeviceIo::Write(int fd, iovec* pieces, int count) {
  if (initialised_.load(std::memory_order_relaxed) || count < 2) return writev(fd, pieces, count);
  fuse_out_header header{};
  if (pieces[0].iov_len >= sizeof header) std::memcpy(&header, pieces[0].iov_base, sizeof header);
  const bool is_init = header.unique != 0 && header.unique == init_unique_.load() && header.error == 0;
  if (is_init) PatchInit(pieces[1].iov_base, pieces[1].iov_len);
  const ssize_t sent = writev(fd, pieces, count);
  if (is_init && sent > 0) initialised_ = true;
  return sent;
}

void DeviceIo::PatchInit(void* answer, size_t size) const {
  fuse_init_out out{};
  if (size < offsetof(fuse_init_out, flags) + sizeof out.flags) return;
  char* const flags_at = static_cast<char*>(answer) + offsetof(fuse_init_out, flags);
  uint32_t flags = 0;
  std::memcpy(&flags, flags_at, sizeof flags);
  flags |= kAddedFlags & kernel_flags_.load();
  std::memcpy(flags_at, &flags, sizeof flags);
}

}  // namespace pailfs::fs
