#include "s3client/credential_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/clock.h"
#include "base/str.h"

namespace pailfs::s3client {
namespace {

constexpr int kLookMs = 20;  // how often the limits are looked at

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// A child in a process group of its own; killed with it unless it has ended.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (ended_) return;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The status of waitpid(2) once it has ended.
  std::optional<int> Ended() {
    int status = 0;
    const pid_t got = waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return std::nullopt;
    ended_ = true;
    return got < 0 ? 0 : status;  // ECHILD: somebody ignores SIGCHLD, and the status is lost
  }

 private:
  const pid_t pid_;
  bool ended_ = false;
};

Result<pid_t> Spawn(const std::string& command, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // First: `output` may have one of the three numbers itself.
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&usual, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::string shell = "sh";
  std::string option = "-c";
  std::string text = command;
  const std::array<char*, 4> argv = {shell.data(), option.data(), text.data(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return Error{Errc::kUnavailable, ErrnoError(failed, "/bin/sh").message};
  return pid;
}

// The call's limits and our own.
class Limits {
 public:
  Limits(const OpContext& ctx, int64_t time_ns) : ctx_(ctx), end_ns_(SystemClock().MonotonicNs() + time_ns) {}
  Status Check() const {
    RETURN_IF_ERROR(ctx_.Check());
    if (SystemClock().MonotonicNs() >= end_ns_) return Error{Errc::kUnavailable, "it did not end in time"};
    return {};
  }

 private:
  const OpContext& ctx_;
  const int64_t end_ns_;
};

Result<std::string> ReadAll(int fd, size_t most_bytes, const Limits& limits) {
  std::string output;
  std::array<char, 4096> buffer;
  for (;;) {
    RETURN_IF_ERROR(limits.Check());
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&readable, 1, kLookMs) <= 0) continue;
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Errc::kUnavailable, ErrnoError(errno, "its output").message};
    if (got == 0) return output;
    output.append(buffer.data(), static_cast<size_t>(got));
    if (output.size() > most_bytes)
      return Error{Errc::kUnavailable, StrCat("it printed more than ", FormatSize(most_bytes))};
  }
}

}  // namespace

Result<std::string> RunCredentialProcess(const OpContext& ctx, const std::string& command,
                                         const ProcessLimits& limits) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Error{Errc::kUnavailable, ErrnoError(errno, "a pipe").message};
  const Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  const Limits both(ctx, limits.time_ns);
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(command, input.get()));
  Child child(pid);
  input.Close();
  ASSIGN_OR_RETURN(std::string printed, ReadAll(output.get(), limits.output_bytes, both));
  std::optional<int> status;
  while (!(status = child.Ended())) {
    RETURN_IF_ERROR(both.Check());
    poll(nullptr, 0, kLookMs);
  }
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return printed;
  return Error{Errc::kUnavailable, WIFEXITED(*status) ? StrCat("it ended with code ", WEXITSTATUS(*status))
                                                      : StrCat("it was ended by signal ", WTERMSIG(*status))};
}

}  // namespace pailfs::s3client
