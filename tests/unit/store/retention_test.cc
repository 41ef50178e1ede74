// What thinning leaves of a bucket's history, and what a bucket is told to keep.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/named_snapshot.h"
#include "base/str.h"
#include "store/index_keys.h"
#include "store/records.pb.h"
#include "tests/unit/store/store_harness.h"

namespace pailfs::store {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kHourNs = 3600 * kSecondNs;
constexpr int64_t kDayNs = 24 * kHourNs;
constexpr int64_t kDayUs = kDayNs / 1000;

class RetentionTest : public testing::Test {
 protected:
  int64_t NowUs() const { return harness_.clock.WallNs() / 1000; }
  PutResult Put(const std::string& key, const std::string& data) {
    harness_.clock.Advance(kSecondNs);
    return harness_.Put(key, data);
  }
  void Delete(const std::string& key) {
    harness_.clock.Advance(kSecondNs);
    harness_.Delete(key);
  }
  // When it was stored.
  int64_t NameSnapshot(const std::string& name, int64_t moment_us = 0) {
    PutOptions options;
    if (moment_us != 0) SetMetadata(options.metadata, kSnapshotTimeMetadata, StrCat(moment_us));
    StringBody body("");
    const auto put = harness_.bucket->Put(harness_.ctx, KeyOfSnapshot(name), body, options);
    EXPECT_OK(put);
    return put.ok() ? put->last_modified_us : 0;
  }
  void Keep(const RetentionPolicy& policy) { EXPECT_OK(harness_.store->SetRetention("bucket", policy)); }
  ThinningResult Thin(ThinningMode mode = ThinningMode::kRemove) {
    // Behind what was committed, which may be some microseconds ahead of the clock.
    harness_.clock.Advance(kSecondNs);
    const auto thinned = harness_.store->Thin(harness_.ctx, "bucket", mode);
    EXPECT_OK(thinned);
    return thinned.ok() ? *thinned : ThinningResult{};
  }
  // key -> version id and content, as a reader of that moment sees it.
  std::map<std::string, std::string> StateAt(int64_t time_us) {
    std::map<std::string, std::string> state;
    ListRequest request;
    request.as_of_us = time_us;
    const auto page = harness_.bucket->List(harness_.ctx, request);
    EXPECT_OK(page);
    if (!page.ok()) return state;
    for (const ObjectInfo& object : page->objects) {
      GetOptions get;
      get.version.as_of_us = time_us;
      StringSink sink;
      EXPECT_OK(harness_.bucket->Get(harness_.ctx, object.key, get, sink));
      state[object.key] = StrCat(object.version_id, ' ', sink.data());
    }
    return state;
  }
  // "key newest … oldest", markers as "-".
  std::vector<std::string> VersionsOf(const std::string& key) {
    std::vector<std::string> ids;
    for (const ObjectInfo& version : harness_.Versions()) {
      if (version.key == key) ids.push_back(version.is_delete_marker ? "-" : version.version_id);
    }
    return ids;
  }
  void ExpectClean() {
    harness_.Close();
    EXPECT_EQ(harness_.Findings(CheckLevel::kData), "");
    harness_.Open();
  }

  StoreHarness harness_;
};

constexpr RetentionPolicy kNothing{false, 0, 0, 0, 0};

TEST_F(RetentionTest, FiveHundredDays) {
  SeededRandom random(7);
  std::vector<int64_t> snapshots;
  for (int day = 0; day < 500; ++day) {
    for (uint64_t left = random.Below(6); left > 0; --left) {
      harness_.clock.Advance(static_cast<int64_t>(random.Below(4 * kHourNs)));
      const std::string key = StrCat("key", random.Below(8));
      if (random.OneIn(4)) {
        harness_.Delete(key);
      } else {
        harness_.Put(key, Bytes(random.Next(), random.OneIn(10) ? 6000 : 50));
      }
    }
    if (random.OneIn(25)) snapshots.push_back(NameSnapshot(StrCat("day", day)));
    harness_.clock.Advance(kDayNs - harness_.clock.WallNs() % kDayNs + static_cast<int64_t>(random.Below(kHourNs)));
  }
  NameSnapshot("made later", NowUs() - 450 * kDayUs + 1234);
  snapshots.push_back(NowUs() - 450 * kDayUs + 1234);
  const int64_t now_us = NowUs() + kSecondNs / 1000;  // when it is thinned
  std::map<int64_t, std::map<std::string, std::string>> exact;
  std::map<int64_t, std::map<std::string, std::string>> others;
  for (int64_t midnight = now_us / kDayUs * kDayUs; midnight >= now_us - 365 * kDayUs; midnight -= kDayUs) {
    exact[midnight] = StateAt(midnight);
  }
  for (const int64_t snapshot : snapshots) exact[snapshot] = StateAt(snapshot);
  for (int i = 0; i < 200; ++i) {
    const int64_t recent = now_us - static_cast<int64_t>(random.Below(30 * kDayUs));
    exact[recent] = StateAt(recent);
    const int64_t past = now_us - static_cast<int64_t>(random.Below(500 * kDayUs));
    others[past] = StateAt(past);
  }
  const ThinningResult thinned = Thin();
  EXPECT_GT(thinned.versions, 300U);
  for (const auto& [moment, state] : exact) {
    EXPECT_TRUE(StateAt(moment) == state) << "the state of " << FormatTimeUtc(moment * 1000);
  }
  uint64_t absent = 0;
  for (const auto& [moment, state] : others) {
    const auto left = StateAt(moment);
    for (const auto& [key, content] : left) {
      ASSERT_TRUE(state.contains(key)) << key << " at " << FormatTimeUtc(moment * 1000);
      EXPECT_EQ(state.at(key), content) << "another version of " << key << " at " << FormatTimeUtc(moment * 1000);
    }
    absent += state.size() - left.size();
  }
  EXPECT_GT(absent, 20U);
  EXPECT_EQ(Thin().versions, 0U) << "there is nothing left to do";
  ExpectClean();
}

TEST_F(RetentionTest, TheCurrentVersionStaysWhateverItsAge) {
  Put("k", "old");
  harness_.clock.Advance(3000 * kDayNs);
  Keep(kNothing);
  EXPECT_EQ(Thin().versions, 0U);
  EXPECT_EQ(VersionsOf("k").size(), 1U);
}

TEST_F(RetentionTest, ADryRunTellsWhatWouldGoAndChangesNothing) {
  for (int i = 0; i < 700; ++i) Put(StrCat("key", i % 3), Bytes(static_cast<uint64_t>(i), 10));
  Delete("key0");
  Keep(kNothing);
  harness_.Close();
  const auto rows = harness_.Rows();
  harness_.Open();
  const ThinningResult would = Thin(ThinningMode::kCountOnly);
  harness_.Close();
  EXPECT_TRUE(harness_.Rows() == rows);
  harness_.Open();
  const ThinningResult did = Thin();
  EXPECT_EQ(would.versions, 698U);
  EXPECT_EQ(would.bytes, 6980U);
  EXPECT_EQ(would.delete_markers, 1U);
  EXPECT_EQ(did.versions, would.versions);
  EXPECT_EQ(did.bytes, would.bytes);
  EXPECT_EQ(did.delete_markers, would.delete_markers);
  ExpectClean();
}

TEST_F(RetentionTest, ACommitRemovesSomeHundreds) {
  for (int i = 0; i < 1001; ++i) Put("k", "");
  Keep(kNothing);
  const int64_t before = harness_.metrics.counter("store.commits").value();
  EXPECT_EQ(Thin().versions, 1000U);
  EXPECT_EQ(harness_.metrics.counter("store.commits").value() - before, 4);
}

TEST_F(RetentionTest, ACommitRemovesLessOfWhatHasManyParts) {
  harness_.Close();
  harness_.options.packed_bytes = 8192;
  harness_.options.volume_bytes = 4 << 20;
  harness_.Open();
  for (int i = 0; i < 46; ++i) harness_.PutParts("k", 100);
  harness_.clock.Advance(kDayNs);
  Keep(kNothing);
  const int64_t before = harness_.metrics.counter("store.commits").value();
  EXPECT_EQ(Thin().versions, 45U);
  EXPECT_EQ(harness_.metrics.counter("store.commits").value() - before, 2);
  ExpectClean();
}

TEST_F(RetentionTest, SpaceIsFreed) {
  for (int i = 0; i < 60; ++i) Put("large", Bytes(static_cast<uint64_t>(i), 50'000));
  for (int i = 0; i < 60; ++i) Put("small", Bytes(static_cast<uint64_t>(i), 3000));
  Keep(kNothing);
  const auto contents = StateAt(NowUs());
  EXPECT_EQ(Thin().versions, 118U);
  ASSERT_OK(harness_.store->Checkpoint());
  ASSERT_OK(harness_.store->Compact(30));
  const auto on_disk = harness_.store->BytesOnDisk(harness_.ctx);
  ASSERT_OK(on_disk);
  EXPECT_LT(*on_disk, 600'000U) << "of 3.2 MB";
  EXPECT_TRUE(StateAt(NowUs()) == contents);
  ExpectClean();
}

TEST_F(RetentionTest, SharedAndComposedBodiesLiveAsLongAsSomebodyNeedsThem) {
  const std::string data = Bytes(1, 9000);
  Put("k", data);
  harness_.Copy("k", "copy");
  harness_.PutParts("parts", 3, "k");
  harness_.PutParts("gone", 3, "k");
  harness_.Copy("parts", "copy of parts");
  Put("k", "new");
  Put("gone", "new");
  Put("parts", "new");
  const auto contents = StateAt(NowUs());
  Keep(kNothing);
  EXPECT_EQ(Thin().versions, 3U);
  ASSERT_OK(harness_.store->Checkpoint());
  EXPECT_TRUE(StateAt(NowUs()) == contents);
  ExpectClean();
}

TEST_F(RetentionTest, DeleteMarkers) {
  Put("deleted", "a");
  Delete("deleted");
  Put("again", "a");
  Delete("again");
  Put("again", "b");
  Put("held", "a");
  NameSnapshot("moment");
  Delete("held");
  Delete("held");
  Delete("never there");
  // 29 days later all is as it was.
  harness_.clock.Advance(29 * kDayNs);
  Keep({false, 30 * kDaySeconds, 0, 0, 0});
  const auto before = harness_.Versions().size();
  const ThinningResult nothing = Thin();
  EXPECT_EQ(nothing.versions + nothing.delete_markers, 0U);
  EXPECT_EQ(harness_.Versions().size(), before);
  harness_.clock.Advance(2 * kDayNs);
  const ThinningResult thinned = Thin();
  EXPECT_EQ(thinned.versions, 2U);
  EXPECT_EQ(thinned.delete_markers, 4U);
  EXPECT_EQ(VersionsOf("deleted").size(), 0U);
  EXPECT_EQ(VersionsOf("never there").size(), 0U);
  EXPECT_EQ(VersionsOf("again").size(), 1U);
  const auto held = VersionsOf("held");
  ASSERT_EQ(held.size(), 2U) << "what hides an older version stays with it";
  EXPECT_EQ(held[0], "-");
  EXPECT_ERRC(harness_.bucket->Head(harness_.ctx, "held", {}), Errc::kNotFound);
  // Without the snapshot both go.
  harness_.Delete(KeyOfSnapshot("moment"));
  EXPECT_EQ(Thin().versions, 1U);
  EXPECT_EQ(VersionsOf("held").size(), 0U);
  ExpectClean();
}

TEST_F(RetentionTest, NullVersionsOfASuspendedBucket) {
  harness_.Close();
  ASSERT_OK(RemoveTree(harness_.files, StoreHarness::kDirectory));
  harness_.Open(VersioningState::kOff);
  Put("k", "null");
  Put("marked", "null");
  ASSERT_OK(harness_.store->SetVersioning("bucket", VersioningState::kEnabled));
  Put("k", "one");
  Put("marked", "one");
  ASSERT_OK(harness_.store->SetVersioning("bucket", VersioningState::kSuspended));
  Delete("marked");
  Keep(kNothing);
  const ThinningResult thinned = Thin();
  EXPECT_EQ(thinned.versions, 2U) << "the null version of k, and the other of marked";
  EXPECT_EQ(thinned.delete_markers, 1U);
  GetOptions null;
  null.version.version_id = "null";
  StringSink sink;
  EXPECT_ERRC(harness_.bucket->Get(harness_.ctx, "k", null, sink), Errc::kNotFound);
  harness_.Close();
  EXPECT_EQ(harness_.Findings(CheckLevel::kData), "");
  for (const auto& [row, value] : harness_.Rows()) EXPECT_NE(row.front(), 'N');
  harness_.Open();
  // A null version that is current has nothing to fear, and takes the place of the next one as ever.
  Put("k", "null again");
  EXPECT_EQ(Thin().versions, 1U);
  Put("k", "and again");
  EXPECT_EQ(VersionsOf("k"), std::vector<std::string>{"null"});
  EXPECT_EQ(Thin().versions, 0U);
  ExpectClean();
}

TEST_F(RetentionTest, AVersionThatBecameCurrentAgainCountsFromTheLastTime) {
  Put("k", "first");
  const auto second = Put("k", "second");
  harness_.clock.Advance(100 * kDayNs);
  harness_.Delete("k", second.version_id);  // the first one is current again
  harness_.clock.Advance(100 * kDayNs);
  Put("k", "third");
  Keep({false, 30 * kDaySeconds, 0, 0, 0});
  EXPECT_EQ(Thin().versions, 0U);
  harness_.clock.Advance(30 * kDayNs + kSecondNs);
  EXPECT_EQ(Thin().versions, 1U);
  ExpectClean();
}

TEST_F(RetentionTest, WhatDoesNotSayWhenItWasCurrentStays) {
  Put("k", "first");
  Put("k", "second");
  harness_.Close();
  const std::string row = harness_.FirstRow("V");
  pb::Version version;
  ASSERT_TRUE(version.ParseFromString(harness_.Payload(row)));
  version.clear_intervals();
  harness_.SetPayload(row, version.SerializeAsString());
  harness_.Open();
  harness_.clock.Advance(3000 * kDayNs);
  Keep(kNothing);
  EXPECT_EQ(Thin().versions, 0U);
  EXPECT_EQ(VersionsOf("k").size(), 2U);
}

TEST_F(RetentionTest, OnlyTheSnapshotsThatAreThereCount) {
  Put("k", "first");
  const int64_t first_us = NowUs();
  Put("k", "second");
  NameSnapshot("deleted");
  Put("k", "third");
  NameSnapshot("first", first_us);
  NameSnapshot("nonsense", -5);
  Put("k", "fourth");
  harness_.Delete(KeyOfSnapshot("deleted"));
  harness_.clock.Advance(kDayNs);
  Keep(kNothing);
  const auto named = StateAt(first_us);
  Thin();
  EXPECT_TRUE(StateAt(first_us) == named);
  EXPECT_EQ(VersionsOf("k").size(), 3U) << "first by its name, third by the time of 'nonsense', fourth is current";
}

TEST_F(RetentionTest, OtherBucketsAreLeftAlone) {
  ASSERT_OK(harness_.store->CreateBucket("other", VersioningState::kEnabled));
  const auto other = harness_.store->OpenBucket("other");
  ASSERT_OK(other);
  for (const char* data : {"one", "two"}) {
    StringBody body(data);
    ASSERT_OK((*other)->Put(harness_.ctx, "k", body, {}));
  }
  Put("k", "one");
  Put("k", "two");
  harness_.clock.Advance(3000 * kDayNs);
  ASSERT_OK(harness_.store->SetRetention("other", {.forever = true}));
  EXPECT_EQ(Thin().versions, 1U);
  EXPECT_EQ(harness_.store->Thin(harness_.ctx, "other", ThinningMode::kRemove)->versions, 0U);
  EXPECT_EQ((*other)->ListVersions(harness_.ctx, {})->versions.size(), 2U);
  EXPECT_ERRC(harness_.store->Thin(harness_.ctx, "none", ThinningMode::kRemove), Errc::kNotFound);
}

TEST_F(RetentionTest, ThePolicyIsOfTheBucketAndLasts) {
  const auto policy = [this] { return harness_.store->FindBucket("bucket")->retention; };
  EXPECT_TRUE(policy() == RetentionPolicy{});
  const RetentionPolicy mine{true, 1, 2, 3, 4};
  Keep(mine);
  ASSERT_OK(harness_.store->SetVersioning("bucket", VersioningState::kSuspended));
  EXPECT_TRUE(policy() == mine);
  harness_.Close();
  ASSERT_OK(RebuildIndex(harness_.files, StoreHarness::kDirectory));
  harness_.Open();
  EXPECT_TRUE(policy() == mine);
  EXPECT_TRUE(harness_.store->ListBuckets()->front().retention == mine);
  EXPECT_EQ(harness_.store->FindBucket("bucket")->versioning, VersioningState::kSuspended);
  Keep(kNothing);
  EXPECT_TRUE(policy() == kNothing) << "0 is not the default";
  EXPECT_ERRC(harness_.store->SetRetention("bucket", {.daily_s = kMostRetentionSeconds + 1}), Errc::kInvalidArgument);
  EXPECT_ERRC(harness_.store->SetRetention("none", {}), Errc::kNotFound);
  EXPECT_ERRC(harness_.store->FindBucket("none"), Errc::kNotFound);
}

TEST_F(RetentionTest, WhatANewerProgramAddedToTheBucketStays) {
  harness_.Close();
  const std::string row = BucketNameRow("bucket");
  const std::string newer("\xa2\x06\x03new", 6);  // field 100
  harness_.SetPayload(row, harness_.Payload(row) + newer);
  harness_.Open();
  Keep(kNothing);
  harness_.Close();
  EXPECT_NE(harness_.Payload(row).find(newer), std::string::npos);
  harness_.Open();
}

TEST_F(RetentionTest, Usage) {
  Put("a", std::string(10, 'a'));
  Put("a", std::string(100, 'a'));
  Put("b", std::string(5000, 'b'));
  Delete("b");
  const auto upload = harness_.bucket->CreateMultipartUpload(harness_.ctx, "c", {});
  ASSERT_OK(upload);
  for (const int number : {1, 2}) {
    StringBody body("a part");
    ASSERT_OK(harness_.bucket->UploadPart(harness_.ctx, "c", *upload, number, body));
  }
  const auto usage = harness_.store->Usage(harness_.ctx, "bucket");
  ASSERT_OK(usage);
  EXPECT_EQ(usage->objects, 1U);
  EXPECT_EQ(usage->object_bytes, 100U);
  EXPECT_EQ(usage->noncurrent_versions, 2U);
  EXPECT_EQ(usage->noncurrent_bytes, 5010U);
  EXPECT_EQ(usage->delete_markers, 1U);
  EXPECT_EQ(usage->uploads, 1U);
  EXPECT_EQ(usage->upload_bytes, 12U);
  EXPECT_ERRC(harness_.store->Usage(harness_.ctx, "none"), Errc::kNotFound);
  EXPECT_GT(*harness_.store->BytesOnDisk(harness_.ctx), 5000U);
}

}  // namespace
}  // namespace pailfs::store
