// Randomness as a dependency. SeededRandom reproduces a run from its seed; SystemRandom is for ids and salts.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace pailfs {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  // True once in `n` calls, on average.
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  // `n` random bytes.
  std::string Bytes(size_t n);
};

// SplitMix64 (Steele, Lea, Flood 2014). Thread-safe; reproducible as far as the order of the calls is.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void Restart(uint64_t seed) { state_ = seed; }
  uint64_t Next() override;

 private:
  std::atomic<uint64_t> state_;
};

// getrandom(2). Thread-safe.
Random& SystemRandom();

}  // namespace pailfs
