// Chaos between the cache and Ceph RGW. The seed is printed.

#include <gtest/gtest.h>

#include "tests/chaos/workload.h"
#include "tests/support/rgw/rgw_bucket.h"
#include "tests/support/rgw/rgw_server.h"
#include "tests/support/seeds.h"

namespace pailfs {
namespace {

void RunSeed(uint64_t seed) {
  RgwBucket bucket(VersioningOf(seed));
  const auto direct = bucket.Open(std::nullopt);
  const RgwServer& rgw = Rgw();
  const ChaosTarget target{rgw.port(), rgw.region, rgw.access_key_id, rgw.secret_access_key, bucket.options().bucket,
                           *direct};
  ChaosWorkload(target, ChaosLevelOf(seed), seed).Run(60);
}

TEST(ChaosTest, BucketAndTreeAreEqualInTheEnd) {
  ForRounds(1, 16, RunSeed);
}

}  // namespace
}  // namespace pailfs
