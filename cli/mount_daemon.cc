#include "cli/mount_daemon.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/compose.h"
#include "cli/control_address.h"
#include "cli/control_server.h"
#include "cli/exit_codes.h"
#include "cli/file_limit.h"
#include "cli/mount_signals.h"
#include "cli/status_text.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

constexpr int64_t kLogInterval_ns = 10'000'000'000;

class Target : public ControlTarget {
 public:
  Target(Mount& mount, const MountPlan& plan, const MountSignals& signals)
      : mount_(mount), plan_(plan), signals_(signals) {}

  std::string StatusJson() override { return Line(signals_.draining() ? "draining" : "mounted", ""); }
  Status Flush(const OpContext& ctx, const std::function<void()>& progress) override {
    return mount_.cache().FlushAll(ctx, [&progress](const cache::CacheStatus&) { progress(); });
  }
  std::string Line(std::string_view state, std::string_view error) {
    MountStatus status;
    status.source = mount_.source();
    status.mountpoint = plan_.mountpoint;
    status.cache_directory = mount_.cache_directory();
    status.state = state;
    status.error = error;
    status.pid = getpid();
    status.cache = mount_.cache().GetStatus();
    status.server = mount_.DescribeServer();
    status.counters = mount_.metrics().Snapshot();
    return StatusToJson(status);
  }

 private:
  Mount& mount_;
  const MountPlan& plan_;
  const MountSignals& signals_;
};

// Shows what is left: on a terminal as one line that is written over, else in the log from time to time.
class DrainProgress {
 public:
  explicit DrainProgress(bool foreground) : line_(foreground) {}
  void Show(const cache::CacheStatus& status) {
    const std::string left = LeftToUpload(status.dirty_inodes, status.dirty_bytes, status.pending_deletes);
    if (line_.visible()) {
      line_.Show(StrCat("uploading, ", left, " left"));
      return;
    }
    const int64_t now_ns = SystemClock().MonotonicNs();
    if (now_ns - logged_ns_ < kLogInterval_ns) return;
    logged_ns_ = now_ns;
    LogInfo("uploading, ", left, " left");
  }

 private:
  ProgressLine line_;
  int64_t logged_ns_ = SystemClock().MonotonicNs();
};

Status Drain(Mount& mount, const MountPlan& plan, const MountSignals& signals) {
  OpContext ctx;
  ctx.stop = signals.stop_draining();
  DrainProgress progress(plan.foreground);
  return mount.cache().FlushAll(ctx, [&progress](const cache::CacheStatus& status) { progress.Show(status); });
}

// What to tell when not everything is in the bucket.
std::string Leftover(Mount& mount, const Error& error) {
  const cache::CacheStatus status = mount.cache().GetStatus();
  return StrCat(error.code == Errc::kCancelled ? std::string("stopped uploading") : error.message, "; ",
                LeftToUpload(status.dirty_inodes, status.dirty_bytes, status.pending_deletes),
                " not in the bucket yet: kept in ", mount.cache_directory(), ", and uploaded when ", mount.source(),
                " is mounted with this cache again");
}

int EndMount(Mount& mount, const MountPlan& plan, const MountSignals& signals, Target& target,
             std::unique_ptr<ControlServer> control) {
  const Status drained = Drain(mount, plan, signals);
  int code = kExitOk;
  std::string problem;
  if (!drained.ok()) {
    problem = Leftover(mount, drained.error());
    LogError(problem);
    code = drained.Is(Errc::kCancelled) ? kExitInterrupted : kExitSystem;
  }
  if (control) control->Finish(target.Line("ended", problem));
  control.reset();
  mount.Close();
  LogInfo(mount.source(), " on ", plan.mountpoint, " ended");
  return code;
}

}  // namespace

int RunMount(const MountPlan& plan, Report& report) {
  umask(0077);
  RaiseFileLimit();
  MountSignals signals(plan.foreground, plan.mountpoint);
  auto opened = Mount::Open(plan.source, plan.settings, [&report](std::string_view text) { report.Note(text); });
  if (!opened.ok()) {
    report.Fail(MountExitCode(opened.error().code), opened.error().message);
    return MountExitCode(opened.error().code);
  }
  Mount& mount = **opened;
  signals.BeginAttaching();
  const Status attached = mount.Attach(plan.mountpoint);
  if (!attached.ok()) {
    mount.Close();
    report.Fail(MountExitCode(attached.error().code), attached.error().message);
    return MountExitCode(attached.error().code);
  }
  Target target(mount, plan, signals);
  std::unique_ptr<ControlServer> control;
  auto started = ControlServer::Start(SocketPath(plan.mountpoint), target);
  if (started.ok()) {
    control = std::move(*started);
  } else {
    report.Note(StrCat("pailfs status, flush and umount will not reach this mount: ", started.error().message));
  }
  signals.BeginServing(mount);
  report.Ready();
  LogInfo(mount.source(), " mounted on ", plan.mountpoint);
  const Status served = mount.Run();
  if (!served.ok()) LogError("serving ", plan.mountpoint, ": ", served.error().message);
  signals.BeginDraining();
  return EndMount(mount, plan, signals, target, std::move(control));
}

}  // namespace pailfs::cli
