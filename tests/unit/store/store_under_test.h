// An embedded store on a simulated disk, with small limits so that volumes, body files and checkpoints all occur.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/str.h"
#include "store/embedded_store.h"
#include "tests/support/faulty_file_system.h"

namespace pailfs::store {

#define ASSERT_OK(expr)                                       \
  do {                                                        \
    const auto& ok_result = (expr);                           \
    ASSERT_TRUE(ok_result.ok()) << ok_result.error().message; \
  } while (false)
#define EXPECT_OK(expr)                                       \
  do {                                                        \
    const auto& ok_result = (expr);                           \
    EXPECT_TRUE(ok_result.ok()) << ok_result.error().message; \
  } while (false)
#define EXPECT_ERRC(expr, errc)                                                            \
  do {                                                                                     \
    const auto& errc_result = (expr);                                                      \
    EXPECT_TRUE(errc_result.Is(errc)) << (errc_result.ok() ? std::string("it succeeded")   \
                                                           : errc_result.error().message); \
  } while (false)

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

class StringSink : public BodySink {
 public:
  Status Write(std::span<const std::byte> data) override {
    text.append(AsChars(data));
    return {};
  }
  std::string text;
};

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
    return std::move(sink.text);
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

// Calls test(seed) for seeds until one fails; PAILFS_SEED runs one alone.
template <typename Test>
void ForSeeds(uint64_t count, Test test) {
  const char* given = std::getenv("PAILFS_SEED");
  const uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const uint64_t last = given != nullptr ? first : count;
  for (uint64_t seed = first; seed <= last && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(StrCat("PAILFS_SEED=", seed));
    test(seed);
  }
}

}  // namespace pailfs::store
