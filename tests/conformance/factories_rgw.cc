// S3Store over Ceph RGW.

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "s3client/s3_store_impl.h"
#include "tests/conformance/bucket_under_test.h"
#include "tests/conformance/rgw_server.h"
#include "tests/support/static_credentials.h"

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

struct Connection {
  std::unique_ptr<s3client::HttpTransport> transport = s3client::NewCurlTransport({});
  StaticCredentials credentials{Rgw().access_key_id, Rgw().secret_access_key};
  Metrics metrics;
};

Connection& TheConnection() {
  static Connection connection;
  return connection;
}

class RgwBucket : public BucketUnderTest {
 public:
  explicit RgwBucket(VersioningState versioning) {
    static std::atomic<int> number{0};
    options_.bucket = StrCat("conformance-", ++number, "-", SystemRandom().Below(1'000'000'000));
    options_.endpoint = Rgw().endpoint;
    options_.region = "us-east-1";
    auto endpoint = s3client::ParseEndpoint(options_.endpoint);
    if (!endpoint.ok()) std::abort();
    caller_ =
        std::make_shared<s3client::S3Caller>(*TheConnection().transport, TheConnection().credentials, SystemClock(),
                                             SystemRandom(), TheConnection().metrics, options_, *endpoint);
    Send("PUT", {}, "");
    if (versioning != VersioningState::kOff) SendVersioning(versioning);
    Open();
  }
  ~RgwBucket() override {
    Empty();
    store_.reset();
    Send("DELETE", {}, "");
  }
  ObjectStore& store() override { return *store_; }
  void SetVersioning(VersioningState versioning) override {
    SendVersioning(versioning);
    Open();
  }
  void Reopen() override { Open(); }

 private:
  void Open() {
    auto opened = s3client::S3Store::Open(OpContext{}, *TheConnection().transport, TheConnection().credentials,
                                          SystemClock(), SystemRandom(), TheConnection().metrics, options_, Known());
    EXPECT_OK(opened);
    if (!opened.ok()) std::abort();
    store_ = std::move(*opened);
    Remembered()[static_cast<size_t>(store_->traits().versioning)] = store_->traits();
  }
  // What was found out on a bucket of this kind before.
  static std::array<std::optional<s3client::ServerTraits>, 3>& Remembered() {
    static std::array<std::optional<s3client::ServerTraits>, 3> remembered;
    return remembered;
  }
  std::optional<s3client::ServerTraits> Known() const { return Remembered()[static_cast<size_t>(versioning_)]; }

  void SendVersioning(VersioningState versioning) {
    const auto xml = s3wire::WriteVersioning(versioning);
    if (!xml.ok()) std::abort();
    Send("PUT", {{"versioning", ""}}, *xml);
    versioning_ = versioning;
  }
  void Send(std::string_view method, s3wire::Query query, std::string_view data) {
    StringBody body(data);
    s3client::S3Request request;
    request.method = method;
    request.query = std::move(query);
    request.body = &body;
    request.payload_hash = Hex(Sha256Of(data));
    EXPECT_OK(caller_->Call(OpContext{}, request));
  }
  void Empty() {
    const OpContext ctx;
    const auto uploads = store_->ListMultipartUploads(ctx, "");
    EXPECT_OK(uploads);
    for (const MultipartUpload& upload : *uploads) {
      EXPECT_OK(store_->AbortMultipartUpload(ctx, upload.key, upload.upload_id));
    }
    for (;;) {
      const auto page = store_->ListVersions(ctx, {});
      EXPECT_OK(page);
      if (!page.ok() || page->versions.empty()) return;
      std::vector<DeleteItem> items;
      for (const ObjectInfo& version : page->versions) items.push_back({version.key, version.version_id, {}});
      EXPECT_OK(store_->DeleteBatch(ctx, items));
    }
  }

  s3client::S3Options options_;
  VersioningState versioning_ = VersioningState::kOff;
  std::shared_ptr<s3client::S3Caller> caller_;
  std::unique_ptr<s3client::S3Store> store_;
};

}  // namespace

std::vector<BucketFactory> Factories() {
  BucketFactory rgw;
  rgw.name = "Rgw";
  rgw.make = [](VersioningState versioning) { return std::make_unique<RgwBucket>(versioning); };
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
