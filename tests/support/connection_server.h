// ConnectionServer: listens on 127.0.0.1 and gives each connection a thread. What the tests' HTTP servers stand on.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <thread>

#include "base/mutex.h"
#include "tests/support/socket.h"

namespace pailfs {

// Thread-safe. The destructor ends all connections and joins their threads; it does not wait for the peers.
class ConnectionServer {
 public:
  // Serves one connection, which is closed when it returns. Gives up when the socket does.
  using Serve = std::function<void(Socket&)>;

  // Port 0: a free one. Over `most_connections` new ones wait to be accepted.
  explicit ConnectionServer(Serve serve, int port = 0, int most_connections = 256);
  ~ConnectionServer();

  // Why there is no server.
  const Status& status() const { return status_; }
  int port() const { return port_; }

  // Refuses new connections, and takes them again, on the same port.
  void StopListening();
  Status Listen();
  // Ends the open ones.
  void DropConnections();

 private:
  struct Connection {
    Socket socket;
    std::thread thread;
    bool done = false;
  };

  Status Bind() REQUIRES(mu_);
  void AcceptLoop();
  void Run(Connection& connection);
  void Reap() REQUIRES(mu_);

  // Constant after construction.
  const Serve serve_;
  const int most_connections_;
  Status status_;
  int port_;

  WakeFlag wake_;
  std::thread acceptor_;

  Mutex mu_;
  CondVar changed_;
  FileDescriptor listener_ GUARDED_BY(mu_);  // closed: not listening
  std::list<Connection> connections_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
};

}  // namespace pailfs
