#include "tests/support/connection_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace pailfs {

ConnectionServer::ConnectionServer(Serve serve, int port, int most_connections)
    : serve_(std::move(serve)), most_connections_(most_connections), port_(port) {
  MutexLock lock(mu_);
  status_ = Bind();
  if (status_.ok()) acceptor_ = std::thread([this] { AcceptLoop(); });
}

ConnectionServer::~ConnectionServer() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.Set();
    changed_.NotifyAll();
  }
  if (acceptor_.joinable()) acceptor_.join();
  std::list<Connection> left;
  {
    MutexLock lock(mu_);
    left.swap(connections_);
  }
  for (Connection& connection : left) connection.thread.join();
}

Status ConnectionServer::Bind() {
  FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port_));
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd.get(), generic, size) != 0 || listen(fd.get(), SOMAXCONN) != 0 ||
      getsockname(fd.get(), generic, &size) != 0) {
    return ErrnoError(errno, "listening on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  listener_ = std::move(fd);
  return {};
}

void ConnectionServer::AcceptLoop() {
  constexpr int kLookAgainMs = 50;  // for StopListening, which closes what is polled
  MutexLock lock(mu_);
  while (!stopping_) {
    Reap();
    if (listener_.get() < 0 || connections_.size() >= static_cast<size_t>(most_connections_)) {
      changed_.Wait(mu_);
      continue;
    }
    FileDescriptor fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.get() < 0) {
      pollfd fds[2] = {{listener_.get(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}};
      lock.Unlock();
      poll(fds, 2, kLookAgainMs);
      lock.Lock();
      continue;
    }
    Connection& connection = connections_.emplace_back();
    connection.socket = Socket(std::move(fd), wake_);
    connection.thread = std::thread([this, &connection] { Run(connection); });
  }
}

void ConnectionServer::Run(Connection& connection) {
  serve_(connection.socket);
  MutexLock lock(mu_);
  connection.socket.Close();
  connection.done = true;
  changed_.NotifyAll();
}

void ConnectionServer::Reap() {
  connections_.remove_if([](Connection& connection) {
    if (connection.done) connection.thread.join();
    return connection.done;
  });
}

void ConnectionServer::StopListening() {
  MutexLock lock(mu_);
  listener_.Close();
}

Status ConnectionServer::Listen() {
  MutexLock lock(mu_);
  if (listener_.get() >= 0) return {};
  Status bound = Bind();
  changed_.NotifyAll();
  return bound;
}

void ConnectionServer::DropConnections() {
  MutexLock lock(mu_);
  for (Connection& connection : connections_) {
    if (!connection.done) connection.socket.Shutdown();
  }
}

}  // namespace pailfs
