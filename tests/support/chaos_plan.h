// ChaosPlan: which fault the chaos proxy does to which request. Decides; does nothing itself.
//
// The fate of the n-th request depends on the seed, on n and on what the request is: the same seed and the same order
// of requests give the same faults, whatever the timing.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace pailfs {

// The share of requests that meet a fault: none, 2 %, 10 %, 30 %.
enum class ChaosLevel : uint8_t { kOff, kLight, kMedium, kHeavy };

enum class ChaosFault : uint8_t {
  // The server never sees the request, or not all of it: certainly not done.
  kRefuse500,
  kRefuse503,         // SlowDown, Retry-After
  kRefuse429,         // Retry-After
  kResetBefore,       // the request is read, then the connection is reset
  kResetInRequest,    // half of the body goes to the server, then both connections are reset
  kErrorIn200Before,  // Complete and Copy: <Error> under 200
  // The server gets it all: done, if it is a right request.
  kFail500,  // the server's answer is replaced
  kFail502,
  kFail504,
  kResetAfter,       // right after the request was forwarded; the server may still be at it when the client goes on
  kResetInAnswer,    // after half of the answer
  kLoseAnswer,       // the connection is closed in place of the answer
  kTruncateAnswer,   // closed in the middle of the body
  kErrorIn200After,  // Complete and Copy: the server's answer is replaced by an <Error> under 200
  kDuplicateFirst,   // delivered twice; the first answer, or the second, goes back
  kDuplicateSecond,
  kFlipRequest,  // a bit of the body is turned over
  kFlipAnswer,
  // Slow, but right.
  kStallRequest,
  kStallAnswer,
  kDrip,
};
inline constexpr size_t kChaosFaults = 21;
std::string_view ChaosFaultName(ChaosFault fault);  // "refuse-500"

// What the plan must know of a request.
struct ChaosRequest {
  bool has_body = false;
  bool replaceable = false;       // Complete or Copy: S3 may send an error under 200
  bool flippable_body = false;    // PUT with Content-MD5, so that the server notices
  bool flippable_answer = false;  // GET without Range, so that the client can notice: the ETag is the MD5 of the whole
};

struct ChaosDecision {
  std::optional<ChaosFault> fault;
  uint64_t random = 0;  // where to cut, what to turn over
};

// Thread-safe.
class ChaosPlan {
 public:
  ChaosPlan(uint64_t seed, ChaosLevel level) : seed_(seed), level_(level) {}

  void SetLevel(ChaosLevel level);
  // The next `times` requests that it can happen to meet this fault, before what the level would do.
  void Inject(ChaosFault fault, int times = 1);
  ChaosDecision Next(const ChaosRequest& request);

 private:
  const uint64_t seed_;

  Mutex mu_;
  ChaosLevel level_ GUARDED_BY(mu_);
  uint64_t requests_ GUARDED_BY(mu_) = 0;
  std::deque<ChaosFault> injected_ GUARDED_BY(mu_);
};

}  // namespace pailfs
