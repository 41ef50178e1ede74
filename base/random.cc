#include "base/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace pailfs {
namespace {

class KernelRandom : public Random {
 public:
  uint64_t Next() override {
    uint64_t value = 0;
    // Requests of up to 256 bytes are never interrupted or cut once the pool is ready.
    if (getrandom(&value, sizeof value, 0) != sizeof value) std::abort();
    return value;
  }
};

}  // namespace

std::string Random::Bytes(size_t n) {
  std::string bytes;
  bytes.reserve(n + 8);
  while (bytes.size() < n) {
    const uint64_t value = Next();
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  bytes.resize(n);
  return bytes;
}

uint64_t SeededRandom::Next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

Random& SystemRandom() {
  static KernelRandom random;
  return random;
}

}  // namespace pailfs
