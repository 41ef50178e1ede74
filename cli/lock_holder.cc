#include "cli/lock_holder.h"

#include <signal.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/str.h"
#include "cli/control_client.h"
#include "fs/session.h"

namespace pailfs::cli {
namespace {

constexpr int64_t kWait_ns = 60'000'000'000;
constexpr int64_t kTellAfter_ns = 1'000'000'000;
constexpr std::chrono::milliseconds kPause(50);

}  // namespace

std::optional<pid_t> LockHolder(FileSystem& files, const std::string& directory) {
  const auto text = ReadFile(files, directory + "/LOCK");
  if (!text.ok()) return std::nullopt;
  const auto pid = ParseUint(std::string_view(*text).substr(0, text->find('\n')));
  if (!pid || *pid == 0) return std::nullopt;
  return static_cast<pid_t>(*pid);
}

bool HolderIsEnding(pid_t holder) {
  for (const ControlAddress& address : ListControlAddresses()) {
    const auto status = AskStatus(address.socket_path);
    if (!status.ok() || (*status)["pid"].integer() != holder) continue;
    if ((*status)["state"].string() != "mounted") return true;
    // Between the kernel's unmounting and the daemon's noticing it the state is behind.
    const auto mounted = fs::IsPailfsMount((*status)["mountpoint"].string());
    return mounted.ok() && !*mounted;
  }
  const auto name = ReadFile(PosixFileSystem(), StrCat("/proc/", holder, "/comm"));
  return name.ok() && (name->starts_with("pailfs") || name->starts_with("mount.pailfs"));
}

LockWait::LockWait(std::string directory, std::function<void(std::string_view)> note)
    : directory_(std::move(directory)), note_(std::move(note)), started_ns_(SystemClock().MonotonicNs()) {}

bool LockWait::Again() {
  const auto holder = LockHolder(PosixFileSystem(), directory_);
  if (!holder) return false;
  const int64_t waited_ns = SystemClock().MonotonicNs() - started_ns_;
  const bool gone = kill(*holder, 0) != 0 && errno == ESRCH;
  // One that ended just now has let go; one long gone is not who holds the lock.
  if (gone ? waited_ns > kTellAfter_ns : !HolderIsEnding(*holder)) return false;
  if (waited_ns > kWait_ns) return false;
  if (waited_ns > kTellAfter_ns && !told_) {
    note_(StrCat("waiting for process ", *holder, ", which still uses ", directory_));
    told_ = true;
  }
  std::this_thread::sleep_for(kPause);
  return true;
}

}  // namespace pailfs::cli
