// What the store's calls cost in HTTP requests: one each where the server checks conditions itself. With what the
// budgets of whole operations are in calls, this gives what they are in requests.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/str.h"
#include "s3client/s3_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/results.h"
#include "tests/support/s3_imposter.h"
#include "tests/support/static_credentials.h"
#include "tests/support/string_sink.h"

namespace pailfs::s3client {
namespace {

using Cost = std::map<S3Operation, int64_t>;

class CostTest : public testing::TestWithParam<VersioningState> {
 protected:
  // Opens the store; what that costs does not count.
  void Start(const std::vector<S3Quirk>& quirks = {}) {
    for (const S3Quirk quirk : quirks) imposter_.SetQuirk(quirk, true);
    imposter_.AddBucket("bucket", memory_);
    S3Options options;
    options.bucket = "bucket";
    options.endpoint = imposter_.endpoint();
    options.region = imposter_.region();
    auto opened =
        S3Store::Open(ctx_, *transport_, credentials_, SystemClock(), SystemRandom(), metrics_, options, std::nullopt);
    ASSERT_OK(opened);
    store_ = std::move(*opened);
    imposter_.ResetRequests();
  }
  // Since the last call of it or of Start.
  Cost Spent() {
    Cost spent;
    for (size_t i = 0; i < kS3Operations; ++i) {
      const auto operation = static_cast<S3Operation>(i);
      if (imposter_.requests(operation) > 0) spent[operation] = imposter_.requests(operation);
    }
    imposter_.ResetRequests();
    return spent;
  }
  std::string Put(const std::string& key, std::string_view data, const Conditions& conditions = {}) {
    StringBody body(data);
    PutOptions options;
    options.conditions = conditions;
    const auto put = store_->Put(ctx_, key, body, options);
    EXPECT_OK(put);
    return put.ok() ? put->etag : "";
  }
  // Keys "folder/0" and so on, ready to be deleted under conditions on their ETags.
  std::vector<DeleteItem> PutMany(int count) {
    std::vector<DeleteItem> items;
    for (int i = 0; i < count; ++i) {
      const std::string key = StrCat("folder/", i);
      items.push_back({key, "", Put(key, "x")});
    }
    (void)Spent();
    return items;
  }
  void DeleteAll(const std::vector<DeleteItem>& items) {
    const auto results = store_->DeleteBatch(ctx_, items);
    ASSERT_OK(results);
    for (const auto& result : *results) EXPECT_OK(result);
  }
  std::string Copy(const std::string& from, const std::string& to, const std::string& etag) {
    CopyOptions options;
    options.source_if_match = etag;
    options.conditions = Conditions::IfAbsent();
    const auto copied = store_->Copy(ctx_, from, to, options);
    EXPECT_OK(copied);
    return copied.ok() ? copied->etag : "";
  }

  const OpContext ctx_;
  MemoryStore memory_{SystemClock(), {.versioning = GetParam()}};
  S3Imposter imposter_;
  StaticCredentials credentials_{imposter_.credentials().access_key_id, imposter_.credentials().secret_access_key};
  Metrics metrics_;
  std::unique_ptr<HttpTransport> transport_ = NewCurlTransport({});
  std::unique_ptr<S3Store> store_;
};

TEST_P(CostTest, EachCallIsOneRequest) {
  Start();
  const std::string etag = Put("a", "bytes", Conditions::IfAbsent());
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kPutObject, 1}}));
  Put("a", "bytes", Conditions::IfMatch(etag));
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kPutObject, 1}}));
  EXPECT_OK(store_->Head(ctx_, "a", {}));
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kHeadObject, 1}}));
  StringSink sink;
  EXPECT_OK(store_->Get(ctx_, "a", {}, sink));
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kGetObject, 1}}));
  Copy("a", "b", etag);
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kCopyObject, 1}}));
  EXPECT_OK(store_->List(ctx_, {}));
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kListObjectsV2, 1}}));
  EXPECT_OK(store_->ListVersions(ctx_, {}));
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kListObjectVersions, 1}}));
  EXPECT_OK(store_->Delete(ctx_, {"b", "", etag}));
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kDeleteObject, 1}}));
}

TEST_P(CostTest, ALargeObjectIsItsPartsAndTwo) {
  Start();
  Put("large", SeededRandom(1).Bytes(40 << 20), Conditions::IfAbsent());
  EXPECT_EQ(Spent(), (Cost{{S3Operation::kCreateMultipartUpload, 1},
                           {S3Operation::kUploadPart, 3},
                           {S3Operation::kCompleteMultipartUpload, 1}}));
}

// S3 has no conditions in batches: the stretch of keys is listed before and, with versions, after.
TEST_P(CostTest, ManyDeletionsAreOneRequestAndListings) {
  Start();
  DeleteAll(PutMany(1000));
  Cost expected{{S3Operation::kListObjectsV2, 1}, {S3Operation::kDeleteObjects, 1}};
  if (GetParam() == VersioningState::kEnabled) expected[S3Operation::kListObjectVersions] = 2;
  EXPECT_EQ(Spent(), expected);
}

// With versions Ceph RGW checks hardly any condition: we look before and after.
TEST_P(CostTest, WhereConditionsAreOursALookBeforeAndOneAfter) {
  Start(kRgwQuirks);
  const bool versioned = GetParam() == VersioningState::kEnabled;
  const S3Operation look = versioned ? S3Operation::kListObjectVersions : S3Operation::kHeadObject;
  const std::string etag = Put("a", "bytes", Conditions::IfAbsent());
  Cost expected{{S3Operation::kPutObject, 1}};
  if (versioned) expected = {{S3Operation::kHeadObject, 1}, {S3Operation::kPutObject, 1}, {look, 1}};
  EXPECT_EQ(Spent(), expected);
  Copy("a", "b", etag);
  expected = {{S3Operation::kHeadObject, 2}, {S3Operation::kCopyObject, 1}};
  expected[look] += 1;
  EXPECT_EQ(Spent(), expected);
  EXPECT_OK(store_->Delete(ctx_, {"b", "", etag}));
  expected = {{S3Operation::kHeadObject, 1}, {S3Operation::kDeleteObject, 1}};
  if (versioned) expected[look] += 1;
  EXPECT_EQ(Spent(), expected);
}

INSTANTIATE_TEST_SUITE_P(Buckets, CostTest, testing::Values(VersioningState::kOff, VersioningState::kEnabled),
                         [](const auto& instance) {
                           return std::string(instance.param == VersioningState::kEnabled ? "Enabled" : "Off");
                         });

}  // namespace
}  // namespace pailfs::s3client
