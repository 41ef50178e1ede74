#include "cache/space_budget.h"

#include <algorithm>
#include <chrono>

#include "base/str.h"

namespace pailfs::cache {
namespace {

constexpr std::chrono::milliseconds kPollInterval{20};

}  // namespace

bool SpaceBudget::TakeRoom(uint64_t bytes, uint64_t* missing) {
  MutexLock lock(mu_);
  if (used_ + reserved_ + bytes <= limit_bytes_) {
    reserved_ += bytes;
    return true;
  }
  *missing = used_ + reserved_ + bytes - limit_bytes_;
  return false;
}

bool SpaceBudget::TryReserve(uint64_t bytes) {
  if (bytes > limit_bytes_) return false;
  for (uint64_t missing = 0; !TakeRoom(bytes, &missing);) {
    if (evict_(missing) == 0) return false;
  }
  return true;
}

Status SpaceBudget::Reserve(const OpContext& ctx, uint64_t bytes, int64_t timeout_ns) {
  if (TryReserve(bytes)) return {};
  if (bytes > limit_bytes_) {
    return Error{Errc::kNoSpace,
                 StrCat("the cache is limited to ", FormatSize(limit_bytes_), "; set a larger cache_size")};
  }
  press_(true);
  int64_t give_up_ns = ctx.NowNs() + timeout_ns;
  uint64_t seen_progress = 0;
  uint64_t seen_uploaded = uploaded_();
  Status outcome;
  while (!TryReserve(bytes)) {
    outcome = ctx.Check();
    if (!outcome.ok()) break;
    const uint64_t uploaded = uploaded_();
    MutexLock lock(mu_);
    if (uploaded != seen_uploaded || progress_ != seen_progress) {
      seen_uploaded = uploaded;
      seen_progress = progress_;
      give_up_ns = ctx.NowNs() + timeout_ns;
    } else if (ctx.NowNs() >= give_up_ns) {
      outcome = Error{Errc::kNoSpace, "the cache is full of data that could not be uploaded yet"};
      break;
    }
    freed_.WaitFor(mu_, kPollInterval);
  }
  press_(false);
  return outcome;
}

void SpaceBudget::Settle(uint64_t reserved, int64_t delta) {
  MutexLock lock(mu_);
  reserved_ -= reserved;
  if (delta < 0) {
    used_ -= std::min(used_, static_cast<uint64_t>(-delta));
    ++progress_;
  } else {
    used_ += static_cast<uint64_t>(delta);
  }
  freed_.NotifyAll();
}

bool SpaceBudget::HasRoom(uint64_t bytes) const {
  MutexLock lock(mu_);
  return used_ + reserved_ + bytes <= limit_bytes_;
}

uint64_t SpaceBudget::used_bytes() const {
  MutexLock lock(mu_);
  return used_;
}

}  // namespace pailfs::cache
