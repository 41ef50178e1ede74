#include "cli/control_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/control_address.h"

namespace pailfs::cli {
namespace {

constexpr size_t kConversations = 8;
constexpr size_t kWaitingConversations = 16;
constexpr size_t kLongestRequest = 64;
constexpr int kRequestPatience_ms = 5000;
constexpr std::chrono::milliseconds kProgressInterval(500);

// False when nobody listens any more, or does not for too long.
bool SendLine(int fd, std::string line) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// The word before the first newline; empty when none came in time.
std::string ReceiveWord(int fd) {
  std::string text;
  while (text.size() <= kLongestRequest) {
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, kRequestPatience_ms) <= 0) return {};
    char chunk[kLongestRequest];
    const ssize_t got = recv(fd, chunk, sizeof chunk, 0);
    if (got <= 0) return {};
    text.append(chunk, static_cast<size_t>(got));
    const size_t end = text.find('\n');
    if (end != std::string::npos) return text.substr(0, end);
  }
  return {};
}

bool FromOurUser(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

std::string ErrorLine(std::string_view message) {
  JsonWriter json;
  json.BeginObject();
  json.Field("state", "failed");
  json.Field("error", message);
  json.EndObject();
  return json.text();
}

Result<int> Listen(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return Error{Errc::kNameTooLong, StrCat(socket_path, ": too long for a socket")};
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoError(errno, "making a socket");
  unlink(socket_path.c_str());
  // The directory is 0700, so nobody else gets in between bind and chmod.
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(socket_path.c_str(), 0600) != 0 || listen(fd, kWaitingConversations) != 0) {
    const int error = errno;
    close(fd);
    return ErrnoError(error, socket_path);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& socket_path, ControlTarget& target) {
  RETURN_IF_ERROR(MakeRuntimeDirectory(socket_path.substr(0, socket_path.rfind('/'))));
  ASSIGN_OR_RETURN(const int listener, Listen(socket_path));
  const int wake = eventfd(0, EFD_CLOEXEC);
  if (wake < 0) {
    const int error = errno;
    close(listener);
    return ErrnoError(error, "eventfd");
  }
  return std::unique_ptr<ControlServer>(new ControlServer(socket_path, target, listener, wake));
}

ControlServer::ControlServer(std::string socket_path, ControlTarget& target, int listener, int wake)
    : socket_path_(std::move(socket_path)), target_(target), listener_(listener), wake_(wake) {
  pool_ = std::make_unique<ThreadPool>("control", kConversations, kWaitingConversations);
  acceptor_ = std::thread([this] { Accept(); });
}

ControlServer::~ControlServer() {
  Finish(ErrorLine("the daemon ended"));
}

void ControlServer::Finish(const std::string& last_line) {
  if (!acceptor_.joinable()) return;
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) != sizeof one) LogWarning("control socket: cannot end its thread");
  acceptor_.join();
  stop_.request_stop();
  {
    MutexLock lock(mu_);
    finished_ = true;
    last_line_ = last_line;
  }
  finished_changed_.NotifyAll();
  pool_.reset();
  unlink(socket_path_.c_str());
  close(listener_);
  close(wake_);
}

void ControlServer::Accept() {
  for (;;) {
    pollfd waiting[] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if ((waiting[1].revents & POLLIN) != 0) return;
    if ((waiting[0].revents & POLLIN) == 0) continue;
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    // A client that stops reading must not hold a thread for ever.
    const timeval patience{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!pool_->TrySubmit([this, fd] { Serve(fd); })) {
      SendLine(fd, ErrorLine("too many commands at once"));
      close(fd);
    }
  }
}

void ControlServer::Serve(int fd) {
  if (FromOurUser(fd)) {
    const std::string word = ReceiveWord(fd);
    if (word == "status") {
      SendLine(fd, target_.StatusJson());
    } else if (word == "flush") {
      ServeFlush(fd);
    } else if (word == "wait") {
      ServeWait(fd);
    } else {
      SendLine(fd, ErrorLine("unknown command"));
    }
  }
  close(fd);
}

void ControlServer::ServeFlush(int fd) {
  std::stop_source broken_off;
  const std::stop_callback on_finish(stop_.get_token(), [&broken_off] { broken_off.request_stop(); });
  OpContext ctx;
  ctx.stop = broken_off.get_token();
  const Status flushed = target_.Flush(ctx, [this, fd, &broken_off] {
    if (!SendLine(fd, target_.StatusJson())) broken_off.request_stop();
  });
  SendLine(fd, flushed.ok() ? R"({"state":"flushed"})" : ErrorLine(flushed.error().message));
}

void ControlServer::ServeWait(int fd) {
  MutexLock lock(mu_);
  while (!finished_) {
    lock.Unlock();
    const bool listening = SendLine(fd, target_.StatusJson());
    lock.Lock();
    if (!listening) return;
    if (!finished_) finished_changed_.WaitFor(mu_, kProgressInterval);
  }
  const std::string last_line = last_line_;
  lock.Unlock();
  SendLine(fd, last_line);
}

}  // namespace pailfs::cli
