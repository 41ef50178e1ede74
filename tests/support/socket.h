// Sockets on 127.0.0.1 for servers and clients in tests: blocking, and woken when the test is over.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pailfs {

// A file descriptor that is closed at the end.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { Close(); }
  int get() const { return fd_; }
  void Close();

 private:
  int fd_ = -1;
};

// Once it is set, everything that waits on it gives up. Thread-safe.
class WakeFlag {
 public:
  WakeFlag();
  void Set();
  int fd() const { return event_.get(); }

 private:
  FileDescriptor event_;
};

// The most that ReadExactly and ReadUntilClosed take, so that a broken peer does not fill the memory.
inline constexpr size_t kMaxSocketReadBytes = size_t{1} << 30;

// Errors of all calls: kUnavailable (the connection is gone), kCancelled (the flag was set). Not thread-safe, but for
// Shutdown.
class Socket {
 public:
  Socket() = default;
  Socket(FileDescriptor fd, const WakeFlag& wake);

  static Result<Socket> Connect(const std::string& address, int port, const WakeFlag& wake);

  bool open() const { return fd_.get() >= 0; }
  // Some bytes; none: the peer has closed.
  Result<std::string> ReadSome();
  // Up to and with `end`; kUnavailable when the peer closes before, kTooLarge over `most_bytes`.
  Result<std::string> ReadThrough(std::string_view end, size_t most_bytes);
  Result<std::string> ReadExactly(size_t bytes);
  Result<std::string> ReadUntilClosed();
  // Whether bytes, or the end, can be read at once; waits for it until the flag is set or the time is over.
  bool WaitForInput(int timeout_ms);
  // What is read next.
  void PutBack(std::string data) { buffer_.insert(0, data); }
  Status Write(std::string_view data);
  // Ends both directions; whoever waits in a call wakes up.
  void Shutdown();
  // Ends the connection with a reset: the peer loses what it has not read.
  void Reset();
  void Close() { fd_.Close(); }

 private:
  // False: `what` did not become possible in time.
  Result<bool> Wait(short what, int timeout_ms);
  Status Fill();  // adds to buffer_; kUnavailable when the peer has closed

  FileDescriptor fd_;
  int wake_fd_ = -1;
  std::string buffer_;
};

}  // namespace pailfs
