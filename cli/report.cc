#include "cli/report.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

class ForegroundReport : public Report {
 public:
  void Note(std::string_view text) override { Say(text); }
  void Ready() override {}
  void Fail(int, std::string_view text) override { Say(text); }
};

// One line for each report: 'N' and a text, 'R', or 'F', the exit code, a space and a text.
class DaemonReport : public Report {
 public:
  explicit DaemonReport(int pipe) : pipe_(pipe) {}
  ~DaemonReport() override {
    if (pipe_ >= 0) close(pipe_);
  }
  void Note(std::string_view text) override { Send(StrCat('N', text)); }
  void Ready() override {
    Send("R");
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
      for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
      close(null);
    }
    LogToSyslog("pailfs");
    close(pipe_);
    pipe_ = -1;
  }
  void Fail(int exit_code, std::string_view text) override { Send(StrCat('F', exit_code, ' ', text)); }

 private:
  void Send(std::string line) {
    for (char& c : line) {
      if (c == '\n') c = ' ';
    }
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t wrote = write(pipe_, rest.data(), rest.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return;  // the starter is gone; so is whoever would read it
      rest.remove_prefix(static_cast<size_t>(wrote));
    }
  }
  int pipe_;
};

// The exit code, when this line decides it.
std::optional<int> TakeReport(std::string_view line) {
  if (line == "R") return kExitOk;
  if (line.starts_with('N')) {
    Say(line.substr(1));
    return std::nullopt;
  }
  const size_t space = line.find(' ');
  if (!line.starts_with('F') || space == std::string_view::npos) return std::nullopt;
  Say(line.substr(space + 1));
  return static_cast<int>(ParseUint(line.substr(1, space - 1)).value_or(kExitInternal));
}

int ExitOfDead(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    Say(StrCat("the daemon was ended by signal ", WTERMSIG(status), " before the mount was ready"));
  } else {
    if (WEXITSTATUS(status) == kExitInterrupted) return kExitInterrupted;
    Say("the daemon ended before the mount was ready");
  }
  return kExitInternal;
}

int AwaitReady(pid_t child, int pipe, int signals) {
  std::string buffer;
  for (;;) {
    pollfd waiting[] = {{pipe, POLLIN, 0}, {signals, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;
    if ((waiting[1].revents & POLLIN) != 0) {
      kill(child, SIGTERM);
      waitpid(child, nullptr, 0);
      Say("interrupted");
      return kExitInterrupted;
    }
    if (waiting[0].revents == 0) continue;
    char chunk[4096];
    const ssize_t got = read(pipe, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ExitOfDead(child);
    buffer.append(chunk, static_cast<size_t>(got));
    for (size_t end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n')) {
      if (const auto code = TakeReport(std::string_view(buffer).substr(0, end))) return *code;
      buffer.erase(0, end + 1);
    }
  }
}

}  // namespace

int RunInForeground(const std::function<int(Report&)>& body) {
  ForegroundReport report;
  return body(report);
}

int RunAsDaemon(const std::function<int(Report&)>& body) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    Say(ErrnoError(errno, "making a pipe").message);
    return kExitSystem;
  }
  sigset_t mask;
  sigset_t before;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_BLOCK, &mask, &before);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    Say(ErrnoError(errno, "fork").message);
    return kExitSystem;
  }
  if (child == 0) {
    // A daemon must not hold open what its starter happened to have open.
    if (ends[1] > 3) close_range(3, static_cast<unsigned>(ends[1]) - 1, 0);
    close_range(static_cast<unsigned>(ends[1]) + 1, ~0U, 0);
    setsid();
    if (chdir("/") != 0) _exit(kExitSystem);
    int code = 0;
    {
      DaemonReport report(ends[1]);
      code = body(report);
    }
    _exit(code);
  }
  close(ends[1]);
  const int signals = signalfd(-1, &mask, SFD_CLOEXEC);
  const int code = AwaitReady(child, ends[0], signals);
  close(ends[0]);
  close(signals);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return code;
}

}  // namespace pailfs::cli
