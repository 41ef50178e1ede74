// Seeds of property tests: a failure names its seed, PAILFS_SEED runs that one alone.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/random.h"

namespace pailfs::cache {

// Calls test(SeededRandom&) for the seeds 1 to `count`, until one fails.
template <typename Test>
void ForSeeds(uint64_t count, Test test) {
  const char* given = std::getenv("PAILFS_SEED");
  const uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const uint64_t last = given != nullptr ? first : count;
  for (uint64_t seed = first; seed <= last && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("PAILFS_SEED=" + std::to_string(seed));
    SeededRandom random(seed);
    test(random);
  }
}

}  // namespace pailfs::cache
