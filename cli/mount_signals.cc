#include "cli/mount_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "cli/exit_codes.h"

namespace pailfs::cli {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kBusyPatience_ns = 3 * kSecond_ns;   // before a busy mount is detached
constexpr int64_t kUserPatience_ns = 10 * kSecond_ns;  // before those who still use a detached one are cut off
constexpr int64_t kRetry_ns = kSecond_ns / 10;

// What programs have written through mappings is in the kernel only.
void SyncMount(const std::string& mountpoint) {
  const int fd = open(mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  if (syncfs(fd) != 0) LogWarning("syncing ", mountpoint, ": ", std::strerror(errno));
  close(fd);
}

}  // namespace

MountSignals::MountSignals(bool foreground, std::string mountpoint)
    : foreground_(foreground), mountpoint_(std::move(mountpoint)) {
  signal(SIGPIPE, SIG_IGN);
  if (!foreground_) signal(SIGHUP, SIG_IGN);
  sigemptyset(&mask_);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&mask_, number);
  if (foreground_) sigaddset(&mask_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &mask_, nullptr);
  watcher_ = std::thread([this] { Watch(); });
}

MountSignals::~MountSignals() {
  BeginDraining();
  {
    MutexLock lock(mu_);
    ending_ = true;
  }
  pthread_kill(watcher_.native_handle(), SIGUSR1);
  watcher_.join();
}

void MountSignals::Watch() {
  for (;;) {
    int number = 0;
    if (sigwait(&mask_, &number) != 0) continue;
    if (number != SIGUSR1) {
      OnSignal(number);
      continue;
    }
    MutexLock lock(mu_);
    if (ending_) return;
  }
}

void MountSignals::OnSignal(int number) {
  MutexLock lock(mu_);
  ++signals_;
  switch (stage_) {
    case Stage::kOpening:
      _exit(kExitInterrupted);
    case Stage::kAttaching:
      return;
    case Stage::kServing:
      if (signals_ == 1) {
        LogInfo("signal ", number, ": unmounting ", mountpoint_);
        unmounter_ = std::thread([this] { UnmountSoon(); });
      } else {
        LogInfo("signal ", number, ": ending at once");
        stop_draining_.request_stop();
        mount_->Stop();
      }
      return;
    case Stage::kDraining:
      if (signals_ == 1) {
        LogInfo("signal ", number, ": still uploading; a second signal leaves the rest in the cache");
      } else {
        stop_draining_.request_stop();
      }
      return;
  }
}

void MountSignals::BeginAttaching() {
  MutexLock lock(mu_);
  stage_ = Stage::kAttaching;
}

void MountSignals::BeginServing(Mount& mount) {
  MutexLock lock(mu_);
  stage_ = Stage::kServing;
  mount_ = &mount;
  if (signals_ > 0) unmounter_ = std::thread([this] { UnmountSoon(); });
}

void MountSignals::BeginDraining() {
  {
    MutexLock lock(mu_);
    if (stage_ == Stage::kDraining) return;
    stage_ = Stage::kDraining;
    draining_ = true;
  }
  changed_.NotifyAll();
  if (unmounter_.joinable()) unmounter_.join();
}

bool MountSignals::ServingEndsWithin(int64_t ns) {
  const int64_t until_ns = SystemClock().MonotonicNs() + ns;
  MutexLock lock(mu_);
  while (stage_ == Stage::kServing) {
    const int64_t left_ns = until_ns - SystemClock().MonotonicNs();
    if (left_ns <= 0) return false;
    changed_.WaitFor(mu_, std::chrono::nanoseconds(left_ns));
  }
  return true;
}

void MountSignals::UnmountSoon() {
  Mount* mount = nullptr;
  {
    MutexLock lock(mu_);
    mount = mount_;
  }
  Status unmounted = mount->Unmount(/*lazy=*/false);
  for (int64_t waited_ns = 0; unmounted.Is(Errc::kBusy) && waited_ns < kBusyPatience_ns; waited_ns += kRetry_ns) {
    if (ServingEndsWithin(kRetry_ns)) return;
    unmounted = mount->Unmount(/*lazy=*/false);
  }
  if (unmounted.Is(Errc::kBusy)) {
    LogWarning(mountpoint_, " is in use; detaching it");
    SyncMount(mountpoint_);
    unmounted = mount->Unmount(/*lazy=*/true);
  }
  if (unmounted.ok() && ServingEndsWithin(kUserPatience_ns)) return;
  if (!unmounted.ok()) LogWarning("unmounting ", mountpoint_, ": ", unmounted.error().message);
  LogWarning("programs still use files of ", mountpoint_, "; cutting them off");
  mount->Stop();
}

}  // namespace pailfs::cli
