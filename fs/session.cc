#include "fs/session.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/str.h"
#include "fs/dispatch.h"
#include "fs/fuse_api.h"
#include "fs/kernel_invalidator.h"
#include "fs/mount_point.h"
#include "fs/verbs.h"

namespace pailfs::fs {
namespace {

// Interrupts a thread that waits for a request; ignored otherwise.
constexpr int kWakeSignal = SIGURG;
constexpr std::chrono::milliseconds kWakeInterval{10};

// What libfuse complained about while it mounted.
thread_local std::string* mount_complaints = nullptr;

void OnFuseLog(fuse_log_level level, const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view text(line);
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.starts_with("fuse: ")) text.remove_prefix(6);
  if (mount_complaints != nullptr) {
    *mount_complaints += StrCat(mount_complaints->empty() ? "" : "; ", text);
  } else if (level <= FUSE_LOG_WARNING) {
    LogWarning("libfuse: ", text);
  } else {
    LogDebug("libfuse: ", text);
  }
}

struct SessionDeleter {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using SessionPtr = std::unique_ptr<fuse_session, SessionDeleter>;

// All signals but the wake signal and those that report a fault of this thread itself.
void BlockSignals() {
  sigset_t set;
  sigfillset(&set);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&set, fault);
  sigdelset(&set, kWakeSignal);
  pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

// Nobody answers any more: what still waits in the kernel is given up, and with it the locks for which a notification
// waits. Does nothing after an unmount, when the path may be that of another mount already.
void EndConnection(int descriptor, const std::string& mountpoint) {
  pollfd device{descriptor, 0, 0};
  if (poll(&device, 1, 0) == 1 && (device.revents & POLLERR) != 0) return;
  // Forced, it ends the connection although the mount is busy and stays.
  if (umount2(mountpoint.c_str(), MNT_FORCE) != 0 && errno == EBUSY) umount2(mountpoint.c_str(), MNT_DETACH);
}

void InstallWakeHandler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: read(2) must return
  sigaction(kWakeSignal, &action, nullptr);
}

}  // namespace

// Threads: Run's caller waits; `threads` of them read requests; Verbs has its pools, the invalidator its own. They end
// in this order: readers, pools, invalidator, and only then the fuse session.
struct Session::Impl {
  Impl(cache::MountCache& cache, const SessionOptions& options, std::string mountpoint_path)
      : mount_cache(cache),
        thread_count(std::max<size_t>(options.threads, 1)),
        mountpoint(std::move(mountpoint_path)) {}

  // Everything but the connection.
  Status Prepare(const SessionOptions& options);
  Status Mount(const SessionOptions& options);
  Status Attach(int descriptor);
  Status Run();
  void ReadRequests();
  void OnInitialised();

  cache::MountCache& mount_cache;
  const size_t thread_count;
  const std::string mountpoint;

  std::stop_source ending;
  SessionPtr session;
  std::unique_ptr<KernelInvalidator> invalidator;
  std::unique_ptr<Verbs> verbs;
  std::unique_ptr<Connection> connection;
  std::atomic<bool> mounted{false};
  std::atomic<bool> attached{false};
  std::atomic<bool> stopping{false};
  std::atomic<bool> readahead_set{false};

  Mutex mu;
  CondVar changed;
  size_t readers GUARDED_BY(mu) = 0;
};

Status Session::Impl::Prepare(const SessionOptions& options) {
  fuse_set_log_func(OnFuseLog);
  invalidator = std::make_unique<KernelInvalidator>(
      KernelInvalidator::Kernel{.inode =
                                    [this](cache::Ino ino, KernelInvalidator::What what) {
                                      // A negative offset leaves the pages alone. An inode that the kernel does not
                                      // know is fine.
                                      const off_t offset = what == KernelInvalidator::What::kAttributes ? -1 : 0;
                                      fuse_lowlevel_notify_inval_inode(session.get(), ino, offset, 0);
                                    },
                                .entry =
                                    [this](cache::Ino parent, const std::string& name) {
                                      fuse_lowlevel_notify_inval_entry(session.get(), parent, name.data(), name.size());
                                    }});
  verbs = std::make_unique<Verbs>(mount_cache, *invalidator, std::max<size_t>(options.io_threads, 1));
  connection = std::make_unique<Connection>(*verbs,
                                            Timeouts{.entry_s = options.entry_timeout_s,
                                                     .attribute_s = options.attribute_timeout_s,
                                                     .negative_s = options.negative_timeout_s},
                                            ending.get_token());
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  for (const std::string& argument : {std::string("pailfs"), std::string("-o"), KernelOptions(options)}) {
    fuse_opt_add_arg(&args, argument.c_str());
  }
  std::string complaints;
  mount_complaints = &complaints;
  session.reset(fuse_session_new(&args, &Operations(), sizeof(fuse_lowlevel_ops), connection.get()));
  mount_complaints = nullptr;
  fuse_opt_free_args(&args);
  if (session == nullptr) {
    return Error{Errc::kInvalidArgument, StrCat("the mount options ", KernelOptions(options), ": ", complaints)};
  }
  return {};
}

Status Session::Impl::Mount(const SessionOptions& options) {
  std::string complaints;
  mount_complaints = &complaints;
  const int failed = fuse_session_mount(session.get(), mountpoint.c_str());
  mount_complaints = nullptr;
  if (failed != 0) {
    return Error{Errc::kAccessDenied, StrCat("mounting at ", mountpoint, " with the options ", KernelOptions(options),
                                             " failed", complaints.empty() ? "" : ": ", complaints)};
  }
  mounted = true;
  return Attach(fuse_session_fd(session.get()));
}

Status Session::Impl::Attach(int descriptor) {
  if (!DeviceIo::Attach(session.get(), descriptor)) {
    return Error{Errc::kInternal, "this version of libfuse does not allow custom I/O"};
  }
  mount_cache.SetKernelNotifier(invalidator.get());
  attached = true;
  return {};
}

void Session::Impl::OnInitialised() {
  if (!readahead_set.exchange(true) && mounted) SetReadahead(mountpoint);
}

void Session::Impl::ReadRequests() {
  BlockSignals();
  fuse_buf buffer{};
  fuse_session* const se = session.get();
  while (!stopping && !fuse_session_exited(se)) {
    const int got = fuse_session_receive_buf(se, &buffer);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got <= 0) {
      if (got < 0) LogError(ErrnoError(-got, "reading from /dev/fuse").message);
      break;
    }
    fuse_session_process_buf(se, &buffer);
    if (!readahead_set.load(std::memory_order_relaxed) && connection->io.initialised()) OnInitialised();
  }
  std::free(buffer.mem);
  MutexLock lock(mu);
  --readers;
  changed.NotifyAll();
}

Status Session::Impl::Run() {
  InstallWakeHandler();
  std::vector<std::thread> threads;
  {
    MutexLock lock(mu);
    readers = thread_count;
  }
  for (size_t i = 0; i < thread_count; ++i) {
    threads.emplace_back([this, i] {
      pthread_setname_np(pthread_self(), StrCat("fuse-", i).c_str());
      ReadRequests();
    });
  }
  {
    MutexLock lock(mu);
    while (readers == thread_count && !stopping) changed.Wait(mu);
    // One that ended means that all will: the connection is gone, or Stop was called. A signal that comes just before
    // read(2) is lost, so they are sent until all have ended.
    stopping = true;
    while (readers > 0) {
      for (std::thread& thread : threads) pthread_kill(thread.native_handle(), kWakeSignal);
      changed.WaitFor(mu, kWakeInterval);
    }
  }
  for (std::thread& thread : threads) thread.join();
  ending.request_stop();
  verbs->Drain();
  verbs->CloseAll();
  return {};
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Session>> Session::Mount(cache::MountCache& cache, const SessionOptions& options) {
  RETURN_IF_ERROR(CheckMountPoint(options.mountpoint));
  ASSIGN_OR_RETURN(std::string mountpoint, CanonicalMountPoint(options.mountpoint));
  std::unique_ptr<Session> session(new Session(std::make_unique<Impl>(cache, options, std::move(mountpoint))));
  RETURN_IF_ERROR(session->impl_->Prepare(options));
  RETURN_IF_ERROR(session->impl_->Mount(options));
  return session;
}

Result<std::unique_ptr<Session>> Session::Serve(cache::MountCache& cache, const SessionOptions& options,
                                                int descriptor) {
  std::unique_ptr<Session> session(new Session(std::make_unique<Impl>(cache, options, options.mountpoint)));
  RETURN_IF_ERROR(session->impl_->Prepare(options));
  RETURN_IF_ERROR(session->impl_->Attach(descriptor));
  return session;
}

Session::~Session() {
  impl_->ending.request_stop();
  if (impl_->verbs != nullptr) impl_->verbs->Drain();
  if (impl_->attached) impl_->mount_cache.SetKernelNotifier(nullptr);
  if (impl_->mounted) EndConnection(fuse_session_fd(impl_->session.get()), impl_->mountpoint);
  // Before its descriptor is closed.
  impl_->invalidator.reset();
  if (impl_->mounted) fuse_session_unmount(impl_->session.get());
}

Status Session::Run() {
  return impl_->Run();
}

void Session::Stop() {
  MutexLock lock(impl_->mu);
  impl_->stopping = true;
  impl_->changed.NotifyAll();
}

Status Session::Unmount(bool lazy) {
  return UnmountPath(impl_->mountpoint, lazy);
}

}  // namespace pailfs::fs
