// The commands' side of the conversation with a daemon: one word on a line, answered by one or more lines of JSON.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/control_address.h"

namespace pailfs::cli {

// Not thread-safe.
class ControlConnection {
 public:
  // kNotFound: nobody listens there.
  static Result<std::unique_ptr<ControlConnection>> Connect(const std::string& socket_path);
  ~ControlConnection();
  ControlConnection(const ControlConnection&) = delete;
  ControlConnection& operator=(const ControlConnection&) = delete;

  // The process at the other end, as the kernel says.
  pid_t pid() const { return pid_; }
  // Fine too when the daemon has closed the conversation already: Receive has its last words.
  Status Send(std::string_view word);
  // The next line; nullopt at the end. Waits for ever without a timeout; kTimedOut.
  Result<std::optional<JsonValue>> Receive(std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  // Waits until the other process has ended.
  void WaitForEnd();

 private:
  explicit ControlConnection(int fd) : fd_(fd) {}
  const int fd_;
  pid_t pid_ = 0;
  int process_fd_ = -1;
  std::string buffer_;
};

// What "status" answers. Gives up after some seconds: kTimedOut.
Result<JsonValue> AskStatus(const std::string& socket_path);

}  // namespace pailfs::cli
