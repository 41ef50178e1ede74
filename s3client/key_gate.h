// One caller at a time for each key: conditions that we check ourselves hold at least among our own threads.
#pragma once

#include <chrono>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/op_context.h"
#include "base/result.h"

namespace pailfs::s3client {

// Thread-safe.
class KeyGate {
 public:
  class Hold {
   public:
    Hold(KeyGate& gate, std::string key) : gate_(&gate), key_(std::move(key)) {}
    Hold(Hold&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), key_(std::move(other.key_)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (gate_ != nullptr) gate_->Leave(key_);
    }

   private:
    KeyGate* gate_;
    std::string key_;
  };

  // kCancelled, kTimedOut.
  Result<Hold> Enter(const OpContext& ctx, std::string_view key) {
    const std::stop_callback wake(ctx.stop, [this] {
      MutexLock lock(mu_);
      changed_.NotifyAll();
    });
    MutexLock lock(mu_);
    for (;;) {
      RETURN_IF_ERROR(ctx.Check());
      if (held_.emplace(key).second) return Hold(*this, std::string(key));
      changed_.WaitFor(mu_, std::chrono::milliseconds(200));
    }
  }

 private:
  void Leave(const std::string& key) {
    MutexLock lock(mu_);
    held_.erase(key);
    changed_.NotifyAll();
  }

  Mutex mu_;
  CondVar changed_;
  std::set<std::string, std::less<>> held_ GUARDED_BY(mu_);
};

}  // namespace pailfs::s3client
