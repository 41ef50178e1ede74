// The kernel's end of a FUSE connection, spoken by hand over a socketpair: for what a real kernel would not let a test
// see.
#pragma once

#include <linux/fuse.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "cache/mount_cache.h"
#include "fs/session.h"

namespace pailfs::fs {

// One side of a connected pair of sockets that keep message borders, as /dev/fuse does.
struct SocketPair {
  SocketPair();
  int ours = -1;
  int theirs = -1;
};

struct Answer {
  int error = 0;  // an errno, positive
  std::string body;

  // The start of the body as a struct of the protocol.
  template <typename T>
  T As(size_t offset = 0) const {
    T out{};
    if (body.size() >= offset + sizeof out) std::memcpy(&out, body.data() + offset, sizeof out);
    return out;
  }
};

template <typename T>
std::string Raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Not thread-safe.
class FakeKernel {
 public:
  explicit FakeKernel(int descriptor) : descriptor_(descriptor) {}
  ~FakeKernel();

  // Sends the request and returns its number.
  uint64_t Send(uint32_t opcode, uint64_t nodeid, std::string_view arguments);
  // Waits for the answer to that request; others that come before are kept.
  Answer WaitFor(uint64_t unique);
  Answer Call(uint32_t opcode, uint64_t nodeid, std::string_view arguments) {
    return WaitFor(Send(opcode, nodeid, arguments));
  }
  void Interrupt(uint64_t unique);
  // INIT, offering everything that Linux 6 does.
  fuse_init_out Init();
  // Opens a new file "name" in the root for reading and writing.
  fuse_entry_out Create(std::string_view name, uint64_t* handle);
  Answer Write(uint64_t nodeid, uint64_t handle, uint64_t offset, std::string_view data, uint32_t write_flags = 0);
  uint64_t SendRead(uint64_t nodeid, uint64_t handle, uint64_t offset, uint32_t size);
  void Hang();  // up

  // How many answers came to requests that had one already.
  size_t double_answers() const { return double_answers_; }

 private:
  int descriptor_;
  uint64_t next_unique_ = 2;
  std::map<uint64_t, Answer> answers_;
  std::map<uint64_t, bool> answered_;
  size_t double_answers_ = 0;
};

// A session that serves a fake kernel.
class FakeMount {
 public:
  FakeMount(cache::MountCache& cache, SessionOptions options);
  ~FakeMount();
  FakeKernel& kernel() { return kernel_; }
  Session& session() { return *session_; }
  void Join();

 private:
  explicit FakeMount(cache::MountCache& cache, SessionOptions options, SocketPair sockets);
  FakeKernel kernel_;
  std::unique_ptr<Session> session_;
  std::thread server_;
};

}  // namespace pailfs::fs
