// An embedded store on a simulated disk, with small limits so that volumes, body files and checkpoints all occur.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/str.h"
#include "store/embedded_store.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/results.h"
#include "tests/support/seeds.h"
#include "tests/support/string_sink.h"

namespace pailfs::store {

inline constexpr char kDirectory[] = "/srv/store";

inline EmbeddedStoreOptions SmallLimits() {
  EmbeddedStoreOptions options;
  options.packed_bytes = 2000;
  options.volume_bytes = 96 << 10;
  options.allocate_bytes = 16 << 10;
  options.checkpoint_bytes = 32 << 10;
  options.ballast_bytes = 0;
  options.min_part_bytes = 10;
  return options;
}

class StoreUnderTest {
 public:
  explicit StoreUnderTest(uint64_t seed = 1, EmbeddedStoreOptions options_in = SmallLimits())
      : options(options_in), random(seed), files(clock) {}
  ~StoreUnderTest() { Close(); }

  Status TryOpen() {
    auto opened = EmbeddedStore::Open(files, clock, random, metrics, kDirectory, options);
    if (!opened.ok()) return std::move(opened).error();
    store = std::move(*opened);
    return {};
  }
  // Opens the store and its bucket "bucket", which is made if need be.
  void Open(VersioningState versioning = VersioningState::kEnabled) {
    ASSERT_OK(TryOpen());
    const auto buckets = store->ListBuckets();
    ASSERT_OK(buckets);
    if (buckets->empty()) ASSERT_OK(store->CreateBucket("bucket", versioning));
    auto opened = store->OpenBucket("bucket");
    ASSERT_OK(opened);
    bucket = std::move(*opened);
  }
  void Close() {
    bucket.reset();
    store.reset();
  }
  // As when the process is killed: nothing is written from now on, but what was written stays.
  void Kill() {
    files.CutPower();
    Close();
    files.Restart(Survival::kEverything, random);
  }

  Result<PutResult> Put(std::string_view key, std::string_view data, const Conditions& conditions = {}) {
    StringBody body(data);
    PutOptions put;
    put.conditions = conditions;
    return bucket->Put({}, key, body, put);
  }
  Result<std::string> Get(std::string_view key, const GetOptions& get = {}) {
    StringSink sink;
    const auto info = bucket->Get({}, key, get, sink);
    if (!info.ok()) return info.error();
    return sink.data();
  }
  Result<std::string> GetVersion(std::string_view key, const std::string& version_id) {
    GetOptions get;
    get.version.version_id = version_id;
    return Get(key, get);
  }

  EmbeddedStoreOptions options;
  ManualClock clock;
  SeededRandom random;
  Metrics metrics;
  FaultyFileSystem files;
  std::unique_ptr<EmbeddedStore> store;
  std::unique_ptr<ObjectStore> bucket;
};

}  // namespace pailfs::store
