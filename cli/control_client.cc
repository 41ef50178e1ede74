#include "cli/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/str.h"

namespace pailfs::cli {
namespace {

constexpr std::chrono::milliseconds kStatusPatience(5000);
constexpr size_t kLongestLine = 4 << 20;

}  // namespace

Result<std::unique_ptr<ControlConnection>> ControlConnection::Connect(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return Error{Errc::kNameTooLong, StrCat(socket_path, ": too long for a socket")};
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoError(errno, "making a socket");
  std::unique_ptr<ControlConnection> connection(new ControlConnection(fd));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ECONNREFUSED || errno == ENOENT) return Error{Errc::kNotFound, "no daemon answers"};
    return ErrnoError(errno, socket_path);
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) connection->pid_ = peer.pid;
  connection->process_fd_ = static_cast<int>(syscall(SYS_pidfd_open, connection->pid_, 0));
  return connection;
}

ControlConnection::~ControlConnection() {
  close(fd_);
  if (process_fd_ >= 0) close(process_fd_);
}

Status ControlConnection::Send(std::string_view word) {
  const std::string line = StrCat(word, '\n');
  const ssize_t sent = send(fd_, line.data(), line.size(), MSG_NOSIGNAL);
  // A daemon that refuses does not listen any more, but has said why.
  if (sent < 0 && errno == EPIPE) return {};
  if (sent < 0) return ErrnoError(errno, "speaking to the daemon");
  return {};
}

Result<std::optional<JsonValue>> ControlConnection::Receive(std::optional<std::chrono::milliseconds> timeout) {
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      auto value = JsonValue::Parse(std::string_view(buffer_).substr(0, end));
      buffer_.erase(0, end + 1);
      if (!value.ok()) return std::move(value).error().With("the daemon's answer");
      return std::optional(std::move(*value));
    }
    if (buffer_.size() > kLongestLine) return Error{Errc::kInternal, "the daemon's answer does not end"};
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = poll(&waiting, 1, timeout ? static_cast<int>(timeout->count()) : -1);
    if (ready == 0) return Error{Errc::kTimedOut, "the daemon does not answer"};
    char chunk[16384];
    const ssize_t got = ready < 0 ? -1 : recv(fd_, chunk, sizeof chunk, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return std::optional<JsonValue>();
    if (got < 0) return ErrnoError(errno, "listening to the daemon");
    buffer_.append(chunk, static_cast<size_t>(got));
  }
}

void ControlConnection::WaitForEnd() {
  if (process_fd_ < 0) return;
  pollfd waiting{process_fd_, POLLIN, 0};
  while (poll(&waiting, 1, -1) < 0 && errno == EINTR) {
  }
}

Result<JsonValue> AskStatus(const std::string& socket_path) {
  ASSIGN_OR_RETURN(const auto connection, ControlConnection::Connect(socket_path));
  RETURN_IF_ERROR(connection->Send("status"));
  ASSIGN_OR_RETURN(auto answer, connection->Receive(kStatusPatience));
  if (!answer) return Error{Errc::kNotFound, "the daemon ended"};
  return std::move(*answer);
}

}  // namespace pailfs::cli
