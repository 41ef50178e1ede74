// S3Store over the imposter: once as AWS behaves, once with what Ceph RGW gets wrong.

#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "s3client/s3_store.h"
#include "tests/conformance/bucket_under_test.h"
#include "tests/support/s3_imposter.h"
#include "tests/support/static_credentials.h"

namespace pailfs::conformance {
namespace {

constexpr char kBucket[] = "bucket";

class ImposterBucket : public BucketUnderTest {
 public:
  ImposterBucket(VersioningState versioning, std::vector<S3Quirk> quirks)
      : memory_(clock_, MemoryOptions(versioning)),
        imposter_(ImposterOptions(std::move(quirks))),
        credentials_(imposter_.credentials().access_key_id, imposter_.credentials().secret_access_key) {
    imposter_.AddBucket(kBucket, memory_);
    Reopen();
  }
  ~ImposterBucket() override {
    store_.reset();
    // The suite sends parts that are too small on purpose.
    auto violations = imposter_.violations();
    std::erase_if(violations, [](const std::string& one) { return one.ends_with("is too small"); });
    EXPECT_EQ(violations, std::vector<std::string>());
  }
  ObjectStore& store() override { return *store_; }
  void SetVersioning(VersioningState versioning) override {
    memory_.SetVersioning(versioning);
    Reopen();
  }
  void Reopen() override {
    s3client::S3Options options;
    options.bucket = kBucket;
    options.endpoint = imposter_.endpoint();
    options.region = imposter_.region();
    auto opened = s3client::S3Store::Open(OpContext{}, *transport_, credentials_, SystemClock(), SystemRandom(),
                                          metrics_, options, std::nullopt);
    EXPECT_OK(opened);
    if (!opened.ok()) std::abort();
    store_ = std::move(*opened);
  }

 private:
  static MemoryStoreOptions MemoryOptions(VersioningState versioning) {
    MemoryStoreOptions options;
    options.versioning = versioning;
    options.min_part_bytes = kTestMinPartBytes;
    return options;
  }
  static S3ImposterOptions ImposterOptions(std::vector<S3Quirk> quirks) {
    S3ImposterOptions options;
    options.min_part_bytes = kTestMinPartBytes;
    options.quirks = std::move(quirks);
    return options;
  }

  MemoryStore memory_;
  S3Imposter imposter_;
  StaticCredentials credentials_;
  Metrics metrics_;
  std::unique_ptr<s3client::HttpTransport> transport_ = s3client::NewCurlTransport({});
  std::unique_ptr<s3client::S3Store> store_;
};

BucketFactory Imposter(const std::string& name, std::vector<S3Quirk> quirks) {
  BucketFactory factory;
  factory.name = name;
  factory.make = [quirks = std::move(quirks)](VersioningState versioning) {
    return std::make_unique<ImposterBucket>(versioning, quirks);
  };
  factory.renames = false;
  factory.manners.follows_clock = false;
  factory.manners.tells_put_times = false;
  factory.manners.tells_existence = false;
  factory.manners.tells_latest = false;
  factory.manners.orders_metadata = false;
  factory.manners.defaults_type = true;
  factory.manners.counts_space = false;
  factory.manners.tells_first_error = false;
  factory.manners.model_steps = 600;
  factory.manners.cannot = {
      {"SpaceCountsCurrentObjects", "S3 does not say how full a bucket is"},
      {"LastModifiedFollowsTheClockAndNeverGoesBack", "a Put tells the time of its answer, which is not the test's"}};
  return factory;
}

}  // namespace

std::vector<BucketFactory> Factories() {
  return {Imposter("Imposter", {}), Imposter("LikeRgw", kRgwQuirks)};
}

}  // namespace pailfs::conformance
