// Chaos between the cache and a server of our own. The seed is printed.

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/chaos/workload.h"
#include "tests/support/memory_store.h"
#include "tests/support/s3_imposter.h"
#include "tests/support/seeds.h"

namespace pailfs {
namespace {

// Conditions are checked by every other eight.
void RunSeed(uint64_t seed) {
  MemoryStoreOptions options;
  options.versioning = VersioningOf(seed);
  MemoryStore memory(SystemClock(), options);
  S3Imposter imposter;
  imposter.AddBucket("bucket", memory);
  if (seed / 8 % 2 == 1) {
    for (const S3Quirk quirk : kRgwQuirks) imposter.SetQuirk(quirk, true);
  }
  const s3wire::Credentials& keys = imposter.credentials();
  const ChaosTarget target{imposter.port(),        imposter.region(), keys.access_key_id,
                           keys.secret_access_key, "bucket",          memory};
  ChaosWorkload(target, ChaosLevelOf(seed), seed).Run(60);
}

TEST(ChaosTest, BucketAndTreeAreEqualInTheEnd) {
  ForRounds(1, 50, RunSeed);
}

}  // namespace
}  // namespace pailfs
