// What SIGTERM, SIGINT and SIGHUP do to a mount in each stage of its life.
#pragma once

#include <signal.h>

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "cli/compose.h"

namespace pailfs::cli {

// Opening: the process ends at once (everything on disk survives that). Attaching: the signal is remembered. Serving:
// the mount is unmounted. Draining: the first signal is acknowledged, the second ends the draining. Thread-safe. Blocks
// the signals in the calling thread: make it before the first other thread.
class MountSignals {
 public:
  MountSignals(bool foreground, std::string mountpoint);
  ~MountSignals();

  void BeginAttaching();
  // `mount` must outlive this object's serving stage: BeginDraining comes before its session ends.
  void BeginServing(Mount& mount);
  // Returns when no unmounting is under way any more.
  void BeginDraining();

  bool draining() const { return draining_.load(); }
  std::stop_token stop_draining() const { return stop_draining_.get_token(); }

 private:
  enum class Stage : uint8_t { kOpening, kAttaching, kServing, kDraining };
  void Watch();
  void OnSignal(int signal);
  void UnmountSoon();
  // True when the stage is over before the time is.
  bool ServingEndsWithin(int64_t ns);

  const bool foreground_;
  const std::string mountpoint_;
  sigset_t mask_;
  std::atomic<bool> draining_{false};
  std::stop_source stop_draining_;
  Mutex mu_;
  CondVar changed_;
  Stage stage_ GUARDED_BY(mu_) = Stage::kOpening;
  bool ending_ GUARDED_BY(mu_) = false;
  int signals_ GUARDED_BY(mu_) = 0;
  Mount* mount_ GUARDED_BY(mu_) = nullptr;
  std::thread unmounter_;  // of the serving and draining stages
  std::thread watcher_;
};

}  // namespace pailfs::cli
