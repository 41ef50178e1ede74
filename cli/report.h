// What a mount says to the person who started it, and leaving the terminal once it works.
#pragma once

#include <functional>
#include <string_view>

namespace pailfs::cli {

// Not thread-safe.
class Report {
 public:
  virtual ~Report() = default;
  // One line that is worth knowing.
  virtual void Note(std::string_view text) = 0;
  // The mount answers. In a daemon: the starting command ends, standard streams are closed, the log goes to syslog.
  virtual void Ready() = 0;
  // It does not; the command ends with `exit_code`.
  virtual void Fail(int exit_code, std::string_view text) = 0;
};

// Runs `body` in this process; reports go to stderr. Returns what it returns.
int RunInForeground(const std::function<int(Report&)>& body);

// Runs `body` in a new process that is a session of its own. Returns when it is ready (0), has failed (its exit code),
// or died (kExitInternal). An interrupt before that ends it: kExitInterrupted. Must be called before the first thread
// is made.
int RunAsDaemon(const std::function<int(Report&)>& body);

}  // namespace pailfs::cli
