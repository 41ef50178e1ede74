// S3Store over Ceph RGW.

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "tests/conformance/bucket_under_test.h"
#include "tests/support/rgw/rgw_bucket.h"

namespace pailfs::conformance {
namespace {

// What does not hold on RGW 16.2, whatever a client does.
const std::map<std::string, std::string>& Cannot() {
  static const std::map<std::string, std::string> cannot = {
      {"ACopyCarriesBytesAndMetadata/RgwSuspended",
       "suspended: deleting the source of a copy empties the copy, and what is then put there is lost"},
      {"CompareAndSwapLosesNothing/RgwOff", "who loses a race on an unversioned key gets 500: kAmbiguous"},
      {"CompareAndSwapLosesNothing/RgwSuspended", "who loses a race on an unversioned key gets 500: kAmbiguous"},
      {"PartsThatAreNotNamedAreDropped", "Complete must name all parts"},
      {"MarkersStack", "a key whose current version is a marker gets no second one"},
      {"AVersionMarkerHoldsItsPlaceWhenItsVersionIsGone", "a marker that is gone ends the versions of its key"},
      {"RandomOperationsAgreeWithTheReference/RgwEnabled", "markers do not stack; suspended, see above"},
      {"RandomOperationsAgreeWithTheReference/RgwSuspended", "suspended, see above"},
      {"AMadeUpTokenIsRefused", "any continuation token is taken for a key to start after"},
      {"LastModifiedFollowsTheClockAndNeverGoesBack", "the server's clock is not ours to move"},
      {"SpaceCountsCurrentObjects", "S3 does not say how full a bucket is"},
  };
  return cannot;
}

class RgwUnderTest : public BucketUnderTest {
 public:
  explicit RgwUnderTest(VersioningState versioning) : bucket_(versioning) { Reopen(); }
  ObjectStore& store() override { return *store_; }
  void SetVersioning(VersioningState versioning) override {
    bucket_.SetVersioning(versioning);
    Reopen();
  }
  void Reopen() override {
    // What was found out on a bucket of this kind before.
    static std::array<std::optional<s3client::ServerTraits>, 3> known;
    auto& traits = known[static_cast<size_t>(bucket_.versioning())];
    store_ = bucket_.Open(traits);
    traits = store_->traits();
  }

 private:
  RgwBucket bucket_;
  std::unique_ptr<s3client::S3Store> store_;
};

}  // namespace

std::vector<BucketFactory> Factories() {
  BucketFactory rgw;
  rgw.name = "Rgw";
  rgw.make = [](VersioningState versioning) { return std::make_unique<RgwUnderTest>(versioning); };
  rgw.renames = false;
  rgw.manners.min_part_bytes = kMinPartBytes;
  rgw.manners.follows_clock = false;
  rgw.manners.tells_put_times = false;
  rgw.manners.tells_existence = false;
  rgw.manners.tells_latest = false;
  rgw.manners.orders_metadata = false;
  rgw.manners.defaults_type = true;
  rgw.manners.counts_space = false;
  rgw.manners.any_bytes_in_keys = false;
  rgw.manners.drops_unnamed_parts = false;
  rgw.manners.tells_first_error = false;
  rgw.manners.completing_nothing = Errc::kAmbiguous;  // it answers 500
  rgw.manners.model_steps = 300;
  rgw.manners.cannot = Cannot();
  return {rgw};
}

}  // namespace pailfs::conformance
