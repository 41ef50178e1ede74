#include "s3client/retry_policy.h"

#include <algorithm>

namespace pailfs::s3client {

std::optional<int64_t> RetryPolicy::NextDelayNs(int64_t now_ns, std::optional<int64_t> retry_after_ns) {
  if (++attempts_ >= options_.max_attempts) return std::nullopt;
  constexpr int kMostDoublings = 30;
  int64_t bound_ns = options_.base_delay_ns;
  for (int i = 1; i < std::min(attempts_, kMostDoublings) && bound_ns < options_.max_delay_ns; ++i) bound_ns *= 2;
  bound_ns = std::min(bound_ns, options_.max_delay_ns);
  int64_t delay_ns = static_cast<int64_t>(random_.Below(static_cast<uint64_t>(bound_ns) + 1));
  if (retry_after_ns) delay_ns = std::max(delay_ns, *retry_after_ns);
  if (now_ns + delay_ns >= end_ns()) return std::nullopt;
  return delay_ns;
}

void RetryPolicy::NoteProgress(int64_t now_ns) {
  start_ns_ = now_ns;
  attempts_ = 0;
}

void ConcurrencyLimit::EndWell() {
  --under_way_;
  allowed_ = std::min<double>(most_, allowed_ + 1.0 / allowed_);
}

void ConcurrencyLimit::EndSlowedDown(uint64_t generation) {
  --under_way_;
  if (generation != generation_) return;
  ++generation_;
  allowed_ = std::max(1.0, allowed_ / 2);
}

}  // namespace pailfs::s3client
