#include "cache/content_gate.h"

#include <chrono>

namespace pailfs::cache {
namespace {

// How often a waiter looks at its stop token and deadline.
constexpr std::chrono::milliseconds kPollInterval{20};

}  // namespace

template <typename Condition>
Status ContentGate::Wait(const OpContext& ctx, Condition ready) {
  while (!ready()) {
    RETURN_IF_ERROR(ctx.Check());
    changed_.WaitFor(mu_, kPollInterval);
  }
  return {};
}

Status ContentGate::AcquireShared(const OpContext& ctx) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Wait(ctx, [this]() NO_THREAD_SAFETY_ANALYSIS { return !writer_ && writers_waiting_ == 0; }));
  ++readers_;
  return {};
}

Status ContentGate::AcquireExclusive(const OpContext& ctx) {
  MutexLock lock(mu_);
  ++writers_waiting_;
  if (upload_.stop_possible()) upload_.request_stop();
  const Status waited = Wait(ctx, [this]() NO_THREAD_SAFETY_ANALYSIS { return !writer_ && readers_ == 0; });
  --writers_waiting_;
  if (waited.ok()) {
    writer_ = true;
  } else {
    changed_.NotifyAll();
  }
  return waited;
}

bool ContentGate::TryAcquireExclusive() {
  MutexLock lock(mu_);
  if (writer_ || readers_ > 0 || writers_waiting_ > 0) return false;
  writer_ = true;
  return true;
}

void ContentGate::ReleaseShared() {
  MutexLock lock(mu_);
  --readers_;
  changed_.NotifyAll();
}

void ContentGate::ReleaseExclusive() {
  MutexLock lock(mu_);
  writer_ = false;
  changed_.NotifyAll();
}

Status ContentGate::AcquireForUpload(const OpContext& ctx, std::stop_source give_way) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Wait(ctx, [this]() NO_THREAD_SAFETY_ANALYSIS { return !writer_ && writers_waiting_ == 0; }));
  ++readers_;
  upload_ = std::move(give_way);
  return {};
}

void ContentGate::ReleaseUpload() {
  MutexLock lock(mu_);
  upload_ = std::stop_source(std::nostopstate);
  --readers_;
  changed_.NotifyAll();
}

}  // namespace pailfs::cache
