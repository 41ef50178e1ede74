#include "tests/support/chaos_plan.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/random.h"

namespace pailfs {
namespace {

uint64_t PercentOf(ChaosLevel level) {
  switch (level) {
    case ChaosLevel::kOff:
      return 0;
    case ChaosLevel::kLight:
      return 2;
    case ChaosLevel::kMedium:
      return 10;
    case ChaosLevel::kHeavy:
      return 30;
  }
  return 0;
}

bool CanHappen(ChaosFault fault, const ChaosRequest& request) {
  switch (fault) {
    case ChaosFault::kResetInRequest:
      return request.has_body;
    case ChaosFault::kErrorIn200Before:
    case ChaosFault::kErrorIn200After:
      return request.replaceable;
    case ChaosFault::kFlipRequest:
      return request.flippable_body;
    case ChaosFault::kFlipAnswer:
      return request.flippable_answer;
    default:
      return true;
  }
}

}  // namespace

std::string_view ChaosFaultName(ChaosFault fault) {
  static constexpr std::array<std::string_view, kChaosFaults> kNames{
      "refuse-500",       "refuse-503",         "refuse-429",
      "reset-before",     "reset-in-request",   "error-in-200-before",
      "fail-500",         "fail-502",           "fail-504",
      "reset-after",      "reset-in-answer",    "lose-answer",
      "truncate-answer",  "error-in-200-after", "duplicate-first",
      "duplicate-second", "flip-request",       "flip-answer",
      "stall-request",    "stall-answer",       "drip"};
  return kNames[static_cast<size_t>(fault)];
}

void ChaosPlan::SetLevel(ChaosLevel level) {
  MutexLock lock(mu_);
  level_ = level;
}

void ChaosPlan::Inject(ChaosFault fault, int times) {
  MutexLock lock(mu_);
  injected_.insert(injected_.end(), static_cast<size_t>(times), fault);
}

ChaosDecision ChaosPlan::Next(const ChaosRequest& request) {
  MutexLock lock(mu_);
  SeededRandom random(StableHash64("chaos", seed_ + ++requests_ * 0x9E3779B97F4A7C15ULL));
  ChaosDecision decision;
  decision.random = random.Next();
  const bool faulty = random.Below(100) < PercentOf(level_);
  const auto injected =
      std::find_if(injected_.begin(), injected_.end(), [&](ChaosFault fault) { return CanHappen(fault, request); });
  if (injected != injected_.end()) {
    decision.fault = *injected;
    injected_.erase(injected);
    return decision;
  }
  while (faulty && !decision.fault) {
    const auto fault = static_cast<ChaosFault>(random.Below(kChaosFaults));
    if (CanHappen(fault, request)) decision.fault = fault;
  }
  return decision;
}

}  // namespace pailfs
