#include "tests/support/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/str.h"

namespace pailfs {
namespace {

constexpr size_t kReadBytes = 64 << 10;

Error Gone(std::string_view what) {
  return {Errc::kUnavailable, StrCat("the connection is gone: ", what)};
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileDescriptor::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

WakeFlag::WakeFlag() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void WakeFlag::Set() {
  const uint64_t one = 1;
  // Cannot fail before the counter is full.
  [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof one);
}

Socket::Socket(FileDescriptor fd, const WakeFlag& wake) : fd_(std::move(fd)), wake_fd_(wake.fd()) {
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Result<Socket> Socket::Connect(const std::string& address, int port, const WakeFlag& wake) {
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.c_str(), &target.sin_addr) != 1) {
    return Error{Errc::kInvalidArgument, StrCat(address, " is not an IPv4 address")};
  }
  FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) {
    return Error{Errc::kUnavailable, ErrnoError(errno, StrCat("connecting to ", address, ":", port)).message};
  }
  return Socket(std::move(fd), wake);
}

Result<bool> Socket::Wait(short what, int timeout_ms) {
  if (!open()) return Gone("closed");
  pollfd fds[2] = {{fd_.get(), what, 0}, {wake_fd_, POLLIN, 0}};
  int ready;
  do {
    ready = poll(fds, 2, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (fds[1].revents != 0) return Error{Errc::kCancelled, "the server ends"};
  return ready > 0;
}

Status Socket::Fill() {
  ASSIGN_OR_RETURN(const std::string more, ReadSome());
  if (more.empty()) return Gone("closed by the peer");
  buffer_ += more;
  return {};
}

Result<std::string> Socket::ReadSome() {
  if (!buffer_.empty() && open()) return std::exchange(buffer_, {});
  while (true) {
    ASSIGN_OR_RETURN(const bool ready, Wait(POLLIN, -1));
    if (!ready) continue;
    std::string data(kReadBytes, '\0');
    const ssize_t got = recv(fd_.get(), data.data(), data.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return Gone(ErrnoError(errno, "recv").message);
    data.resize(static_cast<size_t>(got));
    return data;
  }
}

Result<std::string> Socket::ReadThrough(std::string_view end, size_t most_bytes) {
  std::string data;
  while (true) {
    const size_t from = data.size() < end.size() ? 0 : data.size() - end.size() + 1;
    ASSIGN_OR_RETURN(const std::string more, ReadSome());
    if (more.empty()) {
      buffer_ = std::move(data);
      return Gone("closed by the peer");
    }
    data += more;
    if (const size_t at = data.find(end, from); at != std::string::npos) {
      buffer_ = data.substr(at + end.size());
      data.resize(at + end.size());
      return data;
    }
    if (data.size() > most_bytes) return Error{Errc::kTooLarge, StrCat("more than ", most_bytes, " bytes")};
  }
}

Result<std::string> Socket::ReadExactly(size_t bytes) {
  if (bytes > kMaxSocketReadBytes) return Error{Errc::kTooLarge, StrCat(bytes, " bytes to read")};
  while (buffer_.size() < bytes) {
    std::string had = std::exchange(buffer_, {});
    Status filled = Fill();
    had += buffer_;
    buffer_ = std::move(had);
    RETURN_IF_ERROR(filled);
  }
  std::string data = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return data;
}

Result<std::string> Socket::ReadUntilClosed() {
  std::string data;
  while (data.size() <= kMaxSocketReadBytes) {
    ASSIGN_OR_RETURN(const std::string more, ReadSome());
    if (more.empty()) return data;
    data += more;
  }
  return Error{Errc::kTooLarge, "too much to read"};
}

bool Socket::WaitForInput(int timeout_ms) {
  if (!buffer_.empty()) return true;
  const auto ready = Wait(POLLIN, timeout_ms);
  return ready.ok() && *ready;
}

Status Socket::Write(std::string_view data) {
  while (!data.empty()) {
    ASSIGN_OR_RETURN(const bool ready, Wait(POLLOUT, -1));
    if (!ready) continue;
    const ssize_t sent = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return Gone(ErrnoError(errno, "send").message);
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

void Socket::Shutdown() {
  if (open()) shutdown(fd_.get(), SHUT_RDWR);
}

void Socket::Reset() {
  // connect(2): AF_UNSPEC dissolves the association; Linux tells a TCP peer by a reset.
  const sockaddr none{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (open()) connect(fd_.get(), &none, sizeof none);
}

}  // namespace pailfs
