// Seeds of property tests: a failure names its seed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "base/str.h"

namespace pailfs {

inline std::optional<uint64_t> NumberFromEnvironment(const char* name) {
  const char* given = std::getenv(name);
  return given != nullptr ? ParseUint(given) : std::nullopt;
}

// Calls test(seed) for `count` seeds from `first` on, until one fails.
template <typename Test>
void ForSeedsFrom(uint64_t first, uint64_t count, Test test) {
  for (uint64_t seed = first; seed < first + count && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(StrCat("PAILFS_SEED=", seed));
    test(seed);
  }
}

// The seeds 1 to `count`; PAILFS_SEED runs one alone.
template <typename Test>
void ForSeeds(uint64_t count, Test test) {
  const auto given = NumberFromEnvironment("PAILFS_SEED");
  ForSeedsFrom(given.value_or(1), given ? 1 : count, test);
}

// Simulations, which print their seeds: PAILFS_ROUNDS of them (or `count`) from PAILFS_SEED (or `first`) on.
template <typename Test>
void ForRounds(uint64_t first, uint64_t count, Test test) {
  ForSeedsFrom(NumberFromEnvironment("PAILFS_SEED").value_or(first),
               NumberFromEnvironment("PAILFS_ROUNDS").value_or(count), [&test](uint64_t seed) {
                 std::cout << "seed " << seed << std::endl;
                 test(seed);
               });
}

}  // namespace pailfs
