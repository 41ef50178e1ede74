#include "s3client/credentials.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/str.h"
#include "s3client/credential_chain.h"

namespace pailfs::s3client {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kRefreshBeforeUs = 5 * 60 * int64_t{1'000'000};
constexpr int64_t kRetryPauseNs = 30 * kSecondNs;  // after a failure, while the old ones are valid
constexpr int64_t kLookAtFilesNs = kSecondNs;
constexpr std::chrono::milliseconds kWaitSlice(50);  // how soon a waiting call sees its own end

class AnonymousProvider : public CredentialsProvider {
 public:
  Result<IssuedCredentials> Get(const OpContext& /*ctx*/) override {
    return IssuedCredentials{.keys = {}, .expires_us = IssuedCredentials::kNever, .source = "anonymous"};
  }
  void Invalidate(const s3wire::Credentials& /*used*/) override {}
};

bool Same(const s3wire::Credentials& a, const s3wire::Credentials& b) {
  return a.access_key_id == b.access_key_id && a.secret_access_key == b.secret_access_key &&
         a.session_token == b.session_token;
}

bool IsOfItsCall(const Error& error) {
  return error.code == Errc::kCancelled || error.code == Errc::kTimedOut;
}

// Keeps what the chain gave and asks it again in time. At most one thread is at work on it: the one that set asking_.
class RefreshingProvider : public CredentialsProvider {
 public:
  explicit RefreshingProvider(SourceContext context)
      : files_(context.files), clock_(context.clock), chain_(std::move(context)) {}

  Result<IssuedCredentials> Get(const OpContext& ctx) override {
    MutexLock lock(mu_);
    const uint64_t first_round = rounds_;
    for (;;) {
      if (IsUsable() && (asking_ || !IsWorkDue())) return *current_;
      // Somebody else's failure is ours when we waited for it.
      if (rounds_ > first_round && failure_ && !IsOfItsCall(*failure_)) return *failure_;
      if (!asking_) break;
      RETURN_IF_ERROR(ctx.Check());
      changed_.WaitFor(mu_, kWaitSlice);
    }
    asking_ = true;
    const bool must_ask = !IsUsable() || IsRefreshDue();
    lock.Unlock();
    Outcome outcome = Work(ctx, must_ask);
    lock.Lock();
    asking_ = false;
    ++rounds_;
    changed_.NotifyAll();
    return Settle(std::move(outcome));
  }

  void Invalidate(const s3wire::Credentials& used) override {
    MutexLock lock(mu_);
    if (!current_ || !Same(current_->keys, used) || refused_) return;
    refused_ = true;
    LogInfo("the server refused the access key ", MaskedKeyId(used.access_key_id), " (", current_->source,
            "); asking for credentials again");
  }

 private:
  struct FileState {
    bool exists = false;
    uint64_t size_bytes = 0;
    int64_t mtime_ns = 0;
    bool operator==(const FileState&) const = default;
  };
  using FileStates = std::map<std::string, FileState>;

  struct Outcome {
    bool asked = false;
    Result<IssuedCredentials> issued = Error{Errc::kInternal, "not asked"};
  };

  int64_t NowUs() const { return clock_.WallNs() / 1000; }
  bool IsUsable() const REQUIRES(mu_) { return current_ && !refused_ && NowUs() < current_->expires_us; }
  bool IsRefreshDue() const REQUIRES(mu_) { return NowUs() >= refresh_at_us_ && clock_.MonotonicNs() >= next_try_ns_; }
  bool IsWorkDue() const REQUIRES(mu_) {
    const int64_t now_ns = clock_.MonotonicNs();
    return IsRefreshDue() || (now_ns >= next_look_ns_ && now_ns >= next_try_ns_);
  }

  FileStates LookAtFiles() const {
    FileStates states;
    for (const std::string& path : chain_.Files()) {
      const auto stat = files_.Stat(path);
      states[path] = stat.ok() ? FileState{true, stat->size_bytes, stat->mtime_ns} : FileState{};
    }
    return states;
  }

  // In the one thread, without the lock.
  Outcome Work(const OpContext& ctx, bool must_ask) {
    // Before they are read: what changes meanwhile is seen next time.
    FileStates states = LookAtFiles();
    if (!must_ask && states == seen_) return {};
    Outcome outcome{.asked = true, .issued = chain_.Ask(ctx)};
    if (!outcome.issued.ok()) return outcome;
    seen_.clear();
    for (const std::string& path : chain_.Files()) seen_[path] = states[path];
    return outcome;
  }

  Result<IssuedCredentials> Settle(Outcome outcome) REQUIRES(mu_) {
    next_look_ns_ = clock_.MonotonicNs() + kLookAtFilesNs;
    failure_.reset();
    // Not asked, so they were usable when the work began; if that has just ended, the next call asks.
    if (!outcome.asked) return *current_;
    if (outcome.issued.ok()) {
      const int64_t now_us = NowUs();
      current_ = *outcome.issued;
      refused_ = false;
      next_try_ns_ = 0;
      refresh_at_us_ = IssuedCredentials::kNever;
      if (current_->expires_us != IssuedCredentials::kNever) {
        // Short ones at half of their time.
        refresh_at_us_ =
            std::max(current_->expires_us - kRefreshBeforeUs, now_us + (current_->expires_us - now_us) / 2);
      }
      return *current_;
    }
    failure_ = outcome.issued.error();
    if (!IsUsable()) return *failure_;
    if (!IsOfItsCall(*failure_)) {
      next_try_ns_ = clock_.MonotonicNs() + kRetryPauseNs;
      LogWarning("going on with the old credentials (", current_->source, "): ", failure_->message);
    }
    return *current_;
  }

  // dependencies
  FileSystem& files_;
  const Clock& clock_;

  // of the thread that set asking_
  CredentialChain chain_;
  FileStates seen_;  // the files as they were before the current credentials were read

  // guarded by mu_
  Mutex mu_;
  CondVar changed_;
  bool asking_ GUARDED_BY(mu_) = false;
  uint64_t rounds_ GUARDED_BY(mu_) = 0;  // of work that have ended
  std::optional<IssuedCredentials> current_ GUARDED_BY(mu_);
  bool refused_ GUARDED_BY(mu_) = false;
  std::optional<Error> failure_ GUARDED_BY(mu_);  // of the last round
  int64_t refresh_at_us_ GUARDED_BY(mu_) = IssuedCredentials::kNever;
  int64_t next_try_ns_ GUARDED_BY(mu_) = 0;
  int64_t next_look_ns_ GUARDED_BY(mu_) = 0;
};

}  // namespace

std::unique_ptr<CredentialsProvider> NewCredentialsProvider(const CredentialsOptions& options, FileSystem& files,
                                                            Clock& clock, HttpTransport& transport,
                                                            Environment environment) {
  if (options.anonymous) return std::make_unique<AnonymousProvider>();
  return std::make_unique<RefreshingProvider>(SourceContext{.options = options,
                                                            .files = files,
                                                            .clock = clock,
                                                            .transport = transport,
                                                            .environment = std::move(environment)});
}

std::string MaskedKeyId(std::string_view access_key_id) {
  constexpr size_t kShown = 4;
  const size_t shown = access_key_id.size() > 2 * kShown ? kShown : 0;
  return StrCat(access_key_id.substr(0, shown), std::string(access_key_id.size() - shown, '*'));
}

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    if (const char* value = std::getenv(name.c_str())) return value;
    if (name != "HOME") return std::nullopt;
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
      return std::nullopt;
    }
    return found->pw_dir;
  };
}

}  // namespace pailfs::s3client
