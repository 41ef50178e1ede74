// The daemon's side of the conversation: a unix socket that only its user can use.
//   "status"  one line: what ControlTarget::StatusJson gives
//   "flush"   status lines while it goes on, then {"state":"flushed"} or {"state":"failed","error":…}
//   "wait"    status lines until the daemon has drained, then the line given to Finish
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/op_context.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace pailfs::cli {

// What is controlled. Thread-safe.
class ControlTarget {
 public:
  virtual ~ControlTarget() = default;
  virtual std::string StatusJson() = 0;
  virtual Status Flush(const OpContext& ctx, const std::function<void()>& progress) = 0;
};

// Thread-safe.
class ControlServer {
 public:
  // Makes the socket's directory; replaces a socket that a dead daemon left. `target` must outlive the server.
  static Result<std::unique_ptr<ControlServer>> Start(const std::string& socket_path, ControlTarget& target);
  // As Finish.
  ~ControlServer();

  // Answers those who wait with `last_line`, breaks off flushes, and ends; the target is not called any more.
  void Finish(const std::string& last_line);

 private:
  ControlServer(std::string socket_path, ControlTarget& target, int listener, int wake);
  void Accept();
  void Serve(int fd);
  void ServeFlush(int fd);
  void ServeWait(int fd);

  const std::string socket_path_;
  ControlTarget& target_;
  const int listener_;
  const int wake_;  // an eventfd that ends Accept
  std::stop_source stop_;
  Mutex mu_;
  CondVar finished_changed_;
  bool finished_ GUARDED_BY(mu_) = false;
  std::string last_line_ GUARDED_BY(mu_);
  std::unique_ptr<ThreadPool> pool_;
  std::thread acceptor_;
};

}  // namespace pailfs::cli
