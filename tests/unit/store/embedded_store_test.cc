// What the embedded store promises beyond ObjectStore: groups, space, time, damage, failing disks.

#include "store/embedded_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/str.h"
#include "store/bodies.h"
#include "store/index_keys.h"
#include "store/volume_reader.h"
#include "tests/unit/store/store_under_test.h"

namespace pailfs::store {
namespace {

TEST(EmbeddedStoreTest, BucketsComeAndGo) {
  StoreUnderTest harness;
  harness.Open();
  EmbeddedStore& store = *harness.store;
  for (const char* bad : {"ab", "Upper", "-start", "end-", "a..b", "under_score", ""}) {
    EXPECT_ERRC(store.CreateBucket(bad, VersioningState::kOff), Errc::kInvalidArgument);
  }
  EXPECT_OK(store.CreateBucket("other.bucket-1", VersioningState::kOff));
  EXPECT_ERRC(store.CreateBucket("other.bucket-1", VersioningState::kOff), Errc::kAlreadyExists);
  ASSERT_OK(harness.Put("a", "in the first"));
  EXPECT_ERRC(store.DeleteBucket("bucket"), Errc::kNotEmpty);
  EXPECT_OK(store.DeleteBucket("other.bucket-1"));
  EXPECT_ERRC(store.DeleteBucket("other.bucket-1"), Errc::kNotFound);
  EXPECT_ERRC(store.OpenBucket("other.bucket-1"), Errc::kNotFound);
  const auto buckets = store.ListBuckets();
  ASSERT_OK(buckets);
  ASSERT_EQ(buckets->size(), 1u);
  EXPECT_EQ(buckets->front().name, "bucket");
}

TEST(EmbeddedStoreTest, ABucketMadeAgainShowsNothingOfTheOld) {
  StoreUnderTest harness;
  harness.Open(VersioningState::kOff);
  ASSERT_OK(harness.Put("a", "old"));
  ASSERT_OK(harness.bucket->Delete({}, {"a", "", std::nullopt}));
  ASSERT_OK(harness.store->DeleteBucket("bucket"));
  EXPECT_ERRC(harness.Put("b", "lost"), Errc::kNotFound);
  ASSERT_OK(harness.store->CreateBucket("bucket", VersioningState::kOff));
  EXPECT_ERRC(harness.Put("b", "lost"), Errc::kNotFound);  // this handle is of the old bucket
  auto again = harness.store->OpenBucket("bucket");
  ASSERT_OK(again);
  harness.bucket = std::move(*again);
  EXPECT_ERRC(harness.Get("a"), Errc::kNotFound);
}

TEST(EmbeddedStoreTest, ASecondOwnerIsRefused) {
  StoreUnderTest harness;
  harness.Open();
  Metrics metrics;
  const auto second =
      EmbeddedStore::Open(harness.files, harness.clock, harness.random, metrics, kDirectory, harness.options);
  EXPECT_ERRC(second, Errc::kBusy);
}

TEST(EmbeddedStoreTest, AMissingStoreIsNotMadeUnasked) {
  StoreUnderTest harness;
  harness.options.create_if_missing = false;
  EXPECT_ERRC(harness.TryOpen(), Errc::kNotFound);
  EXPECT_FALSE(harness.files.Exists(kDirectory).value());
}

TEST(EmbeddedStoreTest, AStoreWithoutItsFormatFileIsNotMadeAnew) {
  StoreUnderTest harness;
  harness.Open();
  ASSERT_OK(harness.Put("a", "x"));
  harness.Close();
  ASSERT_OK(harness.files.Unlink(FormatPath(kDirectory)));
  EXPECT_ERRC(harness.TryOpen(), Errc::kCorrupt);
}

// --- groups ---

TEST(EmbeddedStoreTest, ConcurrentPutsShareSyncs) {
  StoreUnderTest harness;
  harness.options.volume_bytes = 64 << 20;
  harness.options.checkpoint_bytes = 64 << 20;
  harness.Open();
  constexpr int kThreads = 32;
  constexpr int kPuts = 40;
  const int64_t syncs_before = harness.metrics.counter("store.log_syncs").value();
  const uint64_t calls_before = harness.files.Calls(FsCall::kSync);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&harness, t] {
      for (int i = 0; i < kPuts; ++i) EXPECT_OK(harness.Put(StrCat("t", t, "/", i), StrCat("content ", t, " ", i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const int64_t syncs = harness.metrics.counter("store.log_syncs").value() - syncs_before;
  // While one group is synced the others gather: a handful of callers never pays one sync each.
  EXPECT_LT(syncs, kThreads * kPuts / 2);
  // Small bodies cost no other sync but that of a new volume.
  EXPECT_LE(harness.files.Calls(FsCall::kSync) - calls_before, static_cast<uint64_t>(syncs) + 1);
  harness.Close();
  harness.Open();
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kPuts; ++i)
      EXPECT_EQ(harness.Get(StrCat("t", t, "/", i)).value(), StrCat("content ", t, " ", i));
  }
}

TEST(EmbeddedStoreTest, OfConcurrentCreationsOneWins) {
  StoreUnderTest harness;
  harness.Open();
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        const auto put = harness.Put(StrCat("k", round), StrCat(t), Conditions::IfAbsent());
        if (put.ok()) ++winners;
        if (!put.ok()) EXPECT_ERRC(put, Errc::kPreconditionFailed);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(winners, 1);
  }
}

// --- bodies ---

// Zeros but for one byte.
class SparseBody : public BodySource {
 public:
  SparseBody(uint64_t size, uint64_t data_at) : size_(size), data_at_(data_at) {}
  uint64_t size_bytes() const override { return size_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    std::fill(buffer.begin(), buffer.end(), std::byte{0});
    if (offset <= data_at_ && data_at_ < offset + buffer.size()) buffer[data_at_ - offset] = std::byte{'x'};
    bytes_read_ += buffer.size();
    return {};
  }
  uint64_t NextData(uint64_t offset) override { return offset <= data_at_ ? data_at_ / 4096 * 4096 : size_; }
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  const uint64_t size_;
  const uint64_t data_at_;
  uint64_t bytes_read_ = 0;
};

TEST(EmbeddedStoreTest, HolesAreNeitherReadNorStored) {
  StoreUnderTest harness;
  harness.Open();
  constexpr uint64_t kSize = 5ULL << 30;
  constexpr uint64_t kDataAt = (3ULL << 30) + 12'345;
  SparseBody body(kSize, kDataAt);
  const uint64_t used_before = harness.files.UsedBytes();
  ASSERT_OK(harness.bucket->Put({}, "sparse", body, {}));
  EXPECT_LE(body.bytes_read(), 4u << 20);
  EXPECT_LE(harness.files.UsedBytes() - used_before, 2u << 20);
  GetOptions get;
  get.range = ByteRange{kDataAt - 10, 20};
  EXPECT_EQ(harness.Get("sparse", get).value(), std::string(10, '\0') + "x" + std::string(9, '\0'));
  get.range = ByteRange{kSize - 3, 100};
  EXPECT_EQ(harness.Get("sparse", get).value(), std::string(3, '\0'));
}

TEST(EmbeddedStoreTest, EveryDamagedBlockIsFoundAndNeverServed) {
  StoreUnderTest harness;
  harness.Open();
  SeededRandom random(3);
  const std::string small = random.Bytes(1500);
  const std::string large = random.Bytes(200'000);
  ASSERT_OK(harness.Put("small", small));
  ASSERT_OK(harness.Put("large", large));
  for (const uint64_t at : {uint64_t{0}, uint64_t{65'535}, uint64_t{65'536}, uint64_t{199'999}}) {
    const std::string path = BodyPath(kDirectory, 2);
    auto file = harness.files.Open(path, OpenMode::kReadWrite);
    ASSERT_OK(file);
    const char changed = static_cast<char>(large[at] ^ 1);
    ASSERT_OK((*file)->WriteAt(at, AsBytes({&changed, 1})));
    EXPECT_ERRC(harness.Get("large"), Errc::kCorrupt);
    // Other blocks are served, and the sink never saw the damaged one.
    GetOptions get;
    get.range = ByteRange{at < 65'536 ? 65'536u : 0u, 1000};
    EXPECT_EQ(harness.Get("large", get).value(), large.substr(get.range->offset, 1000));
    StringSink sink;
    EXPECT_FALSE(harness.bucket->Get({}, "large", {}, sink).ok());
    EXPECT_EQ(sink.data(), large.substr(0, sink.data().size()));
    ASSERT_OK((*file)->WriteAt(at, AsBytes({&large[at], 1})));
    EXPECT_EQ(harness.Get("large").value(), large);
  }
  auto file = harness.files.Open(BodyPath(kDirectory, 2), OpenMode::kReadWrite);
  ASSERT_OK(file);
  ASSERT_OK((*file)->Truncate(100'000));
  EXPECT_ERRC(harness.Get("large"), Errc::kCorrupt);
  EXPECT_EQ(harness.Get("small").value(), small);
}

TEST(EmbeddedStoreTest, DeletedBodiesGoWithTheNextCheckpointAndNotWhileTheyAreRead) {
  StoreUnderTest harness;
  harness.Open(VersioningState::kOff);
  const std::string large(10'000, 'l');
  ASSERT_OK(harness.Put("a", large));
  ASSERT_TRUE(harness.files.Exists(BodyPath(kDirectory, 1)).value());
  // Deletes and checkpoints in the middle of the Get.
  class DeletingSink : public StringSink {
   public:
    explicit DeletingSink(StoreUnderTest& harness) : harness_(harness) {}
    Status Write(std::span<const std::byte> data) override {
      EXPECT_OK(harness_.bucket->Delete({}, {"a", "", std::nullopt}));
      EXPECT_OK(harness_.store->Checkpoint());
      EXPECT_TRUE(harness_.files.Exists(BodyPath(kDirectory, 1)).value());
      return StringSink::Write(data);
    }

   private:
    StoreUnderTest& harness_;
  };
  DeletingSink sink(harness);
  ASSERT_OK(harness.bucket->Get({}, "a", {}, sink));
  EXPECT_EQ(sink.data(), large);
  EXPECT_ERRC(harness.Get("a"), Errc::kNotFound);
  ASSERT_OK(harness.store->Checkpoint());
  EXPECT_FALSE(harness.files.Exists(BodyPath(kDirectory, 1)).value());
}

TEST(EmbeddedStoreTest, ASharedBodyLivesAsLongAsAnyOfItsReferrers) {
  StoreUnderTest harness;
  harness.Open(VersioningState::kOff);
  const std::string large(10'000, 's');
  ASSERT_OK(harness.Put("a", large));
  ASSERT_OK(harness.bucket->Copy({}, "a", "b", {}));
  const auto upload = harness.bucket->CreateMultipartUpload({}, "c", {});
  ASSERT_OK(upload);
  const auto part = harness.bucket->UploadPartCopy({}, "c", *upload, 1, {"b", "", std::nullopt, {100, 5000}});
  ASSERT_OK(part);
  const auto expect_body = [&](bool there) {
    ASSERT_OK(harness.store->Checkpoint());
    EXPECT_EQ(harness.files.Exists(BodyPath(kDirectory, 1)).value(), there);
  };
  ASSERT_OK(harness.bucket->Delete({}, {"a", "", std::nullopt}));
  expect_body(true);
  EXPECT_EQ(harness.Get("b").value(), large);
  ASSERT_OK(harness.bucket->Delete({}, {"b", "", std::nullopt}));
  expect_body(true);
  const std::vector<UploadedPart> parts = {*part};
  ASSERT_OK(harness.bucket->CompleteMultipartUpload({}, "c", *upload, parts, {}));
  expect_body(true);
  EXPECT_EQ(harness.Get("c").value(), large.substr(100, 5000));
  ASSERT_OK(harness.bucket->Rename({}, "c", "d", {}));
  expect_body(true);
  EXPECT_EQ(harness.Get("d").value(), large.substr(100, 5000));
  ASSERT_OK(harness.bucket->Delete({}, {"d", "", std::nullopt}));
  expect_body(false);
}

// --- time ---

TEST(EmbeddedStoreTest, AClockThatGoesBackAYearChangesNoOrder) {
  StoreUnderTest harness;
  harness.Open();
  const auto first = harness.Put("a", "first");
  ASSERT_OK(first);
  harness.clock.SetWall(harness.clock.WallNs() - 365LL * 86'400 * 1'000'000'000);
  const auto second = harness.Put("a", "second");
  ASSERT_OK(second);
  EXPECT_GT(second->last_modified_us, first->last_modified_us);
  EXPECT_EQ(harness.Get("a").value(), "second");
  harness.Kill();
  harness.Open();
  const auto third = harness.Put("a", "third");
  ASSERT_OK(third);
  EXPECT_GT(third->last_modified_us, second->last_modified_us);
  GetOptions get;
  get.version.as_of_us = first->last_modified_us;
  EXPECT_EQ(harness.Get("a", get).value(), "first");
  get.version.as_of_us = second->last_modified_us;
  EXPECT_EQ(harness.Get("a", get).value(), "second");
  get.version.as_of_us = first->last_modified_us - 1;
  EXPECT_ERRC(harness.Get("a", get), Errc::kNotFound);
}

TEST(EmbeddedStoreTest, ALongHistoryIsSearchedNotWalked) {
  StoreUnderTest harness;
  harness.options.volume_bytes = harness.options.checkpoint_bytes = 64 << 20;
  harness.Open();
  std::vector<int64_t> times;
  constexpr int kVersions = 3000;
  for (int i = 0; i < kVersions; ++i) {
    harness.clock.Advance(1'000'000);
    if (i % 10 == 9) {
      ASSERT_OK(harness.bucket->Delete({}, {"a", "", std::nullopt}));
      times.push_back(harness.clock.WallNs() / 1000);
    } else {
      const auto put = harness.Put("a", StrCat(i));
      ASSERT_OK(put);
      times.push_back(put->last_modified_us);
    }
  }
  for (int i = 0; i < kVersions; i += 7) {
    GetOptions get;
    get.version.as_of_us = times[static_cast<size_t>(i)];
    const auto got = harness.Get("a", get);
    if (i % 10 == 9) {
      EXPECT_ERRC(got, Errc::kNotFound);
    } else {
      ASSERT_OK(got);
      EXPECT_EQ(*got, StrCat(i));
    }
  }
}

TEST(EmbeddedStoreTest, AfterManyDeletionsTheIndexIsTidied) {
  StoreUnderTest harness;
  harness.options.most_deletions = 100;
  harness.Open(VersioningState::kOff);
  for (int i = 0; i < 100; ++i) ASSERT_OK(harness.Put(StrCat("k", i), ""));
  EXPECT_EQ(harness.metrics.counter("store.ranges_compacted").value(), 0);
  for (int i = 0; i < 100; ++i) ASSERT_OK(harness.bucket->Delete({}, {StrCat("k", i), "", std::nullopt}));
  while (harness.metrics.counter("store.ranges_compacted").value() == 0) std::this_thread::yield();
  ASSERT_OK(harness.Put("left", "x"));
  EXPECT_EQ(harness.bucket->List({}, {})->objects.size(), 1u);
}

// --- full disks ---

TEST(EmbeddedStoreTest, OnAFullDiskDeletionsWorkAndMakeRoom) {
  StoreUnderTest harness;
  harness.files.SetCapacity(24 << 20);
  harness.options.ballast_bytes = 1 << 20;
  harness.Open(VersioningState::kOff);
  const std::string content(100'000, 'c');
  int stored = 0;
  Result<PutResult> put = PutResult{};
  while ((put = harness.Put(StrCat("k", stored), content)).ok()) ++stored;
  EXPECT_ERRC(put, Errc::kNoSpace);
  ASSERT_GT(stored, 50);
  for (int i = 0; i < stored; ++i) EXPECT_EQ(harness.Get(StrCat("k", i)).value().size(), content.size());
  for (int i = 0; i < stored / 2; ++i) ASSERT_OK(harness.bucket->Delete({}, {StrCat("k", i), "", std::nullopt}));
  ASSERT_OK(harness.store->Checkpoint());
  for (int i = 0; i < stored / 4; ++i) EXPECT_OK(harness.Put(StrCat("again", i), content));
  harness.Close();
  harness.Open();
  for (int i = stored / 2; i < stored; ++i) EXPECT_OK(harness.Get(StrCat("k", i)));
  for (int i = 0; i < stored / 4; ++i) EXPECT_OK(harness.Get(StrCat("again", i)));
}

// Each call that changes something fails once with ENOSPC: the operation fails or not, but nothing is lost or half
// there.
TEST(EmbeddedStoreTest, NoSpaceAtEachCall) {
  for (uint64_t call = 0;; ++call) {
    SCOPED_TRACE(StrCat("call ", call, " fails"));
    StoreUnderTest harness;
    harness.Open();
    ASSERT_OK(harness.Put("kept", "kept"));
    const uint64_t before = harness.files.ChangingCalls();
    harness.files.Inject({.let_pass = call, .code = Errc::kNoSpace});
    const auto small = harness.Put("small", "s");
    const auto large = harness.Put("large", std::string(5000, 'l'));
    const auto deleted = harness.bucket->Delete({}, {"kept", "", std::nullopt});
    const Status checkpoint = harness.store->Checkpoint();
    const bool done = harness.files.ChangingCalls() - before <= call;
    harness.files.ClearFaults();
    for (int opened = 0; opened < 2; ++opened) {
      const auto expect = [&](const std::string& key, bool there, bool unknown) {
        const auto got = harness.Get(key);
        EXPECT_TRUE(got.ok() == there || unknown) << key << " after opening " << opened << " times";
        if (!got.ok()) EXPECT_ERRC(got, Errc::kNotFound);
      };
      expect("small", small.ok(), small.Is(Errc::kAmbiguous));
      expect("large", large.ok(), large.Is(Errc::kAmbiguous));
      expect("kept", !deleted.ok(), deleted.Is(Errc::kAmbiguous));
      harness.Kill();
      harness.Open();
      if (HasFailure()) return;
    }
    EXPECT_OK(harness.Put("after", "a"));
    if (done) {
      EXPECT_GT(call, 5u);
      EXPECT_TRUE(small.ok() && large.ok() && deleted.ok() && checkpoint.ok());
      return;
    }
  }
}

// --- failing disks ---

TEST(EmbeddedStoreTest, AfterAFailedSyncTheLogGoesOnInANewVolume) {
  StoreUnderTest harness;
  harness.Open();
  ASSERT_OK(harness.Put("a", "1"));
  const size_t before = ListVolumes(harness.files, kDirectory)->size();
  harness.files.Inject({.call = FsCall::kSync, .path_part = "/volumes/"});
  EXPECT_OK(harness.Put("b", "2"));
  EXPECT_EQ(ListVolumes(harness.files, kDirectory)->size(), before + 1);
  EXPECT_OK(harness.Put("c", "3"));
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(harness.Get("a").value(), "1");
    EXPECT_EQ(harness.Get("b").value(), "2");
    EXPECT_EQ(harness.Get("c").value(), "3");
    harness.files.PowerLoss(Survival::kNothing, harness.random);
    harness.Close();
    harness.Open();
  }
}

TEST(EmbeddedStoreTest, AfterTwoFailedSyncsTheStoreIsReadOnly) {
  StoreUnderTest harness;
  harness.Open();
  ASSERT_OK(harness.Put("a", "1"));
  harness.files.Inject({.call = FsCall::kSync, .path_part = "/volumes/", .times = 2});
  EXPECT_FALSE(harness.Put("b", "2").ok());
  EXPECT_ERRC(harness.Put("c", "3"), Errc::kReadOnly);
  EXPECT_EQ(harness.Get("a").value(), "1");
  harness.Close();
  harness.Open();
  EXPECT_EQ(harness.Get("a").value(), "1");
  EXPECT_OK(harness.Put("c", "3"));
}

TEST(EmbeddedStoreTest, ABodyWhoseSyncFailedIsNotStored) {
  StoreUnderTest harness;
  harness.Open();
  harness.files.Inject({.call = FsCall::kSync, .path_part = "/bodies/"});
  EXPECT_FALSE(harness.Put("a", std::string(5000, 'a')).ok());
  EXPECT_ERRC(harness.Get("a"), Errc::kNotFound);
  EXPECT_FALSE(harness.files.Exists(BodyPath(kDirectory, 1)).value());
  EXPECT_OK(harness.Put("a", std::string(5000, 'b')));
}

TEST(EmbeddedStoreTest, ARefusedPutLeavesNoBodyBehind) {
  StoreUnderTest harness;
  harness.Open();
  ASSERT_OK(harness.Put("a", "x"));
  EXPECT_ERRC(harness.Put("a", std::string(5000, 'b'), Conditions::IfAbsent()), Errc::kPreconditionFailed);
  EXPECT_FALSE(harness.files.Exists(BodyPath(kDirectory, 2)).value());
}

TEST(EmbeddedStoreTest, ADamagedIndexSaysWhatToRun) {
  StoreUnderTest harness;
  harness.Open();
  ASSERT_OK(harness.Put("a", "x"));
  harness.Close();
  const auto names = harness.files.List(IndexPath(kDirectory));
  ASSERT_OK(names);
  for (const std::string& name : *names) {
    if (!name.starts_with("MANIFEST")) continue;
    auto file = harness.files.Open(StrCat(IndexPath(kDirectory), "/", name), OpenMode::kReadWrite);
    ASSERT_OK(file);
    ASSERT_OK((*file)->WriteAt(8, AsBytes("damage")));
  }
  const Status opened = harness.TryOpen();
  EXPECT_ERRC(opened, Errc::kCorrupt);
  EXPECT_NE(opened.error().message.find(StrCat("pailfs store check ", kDirectory)), std::string::npos);
  EXPECT_NE(opened.error().message.find(StrCat("pailfs store rebuild ", kDirectory)), std::string::npos);
}

TEST(EmbeddedStoreTest, ALostVolumeIsNotAShorterHistory) {
  StoreUnderTest harness;
  harness.options.checkpoint_bytes = 64 << 20;
  harness.Open();
  for (int i = 0; i < 200; ++i) ASSERT_OK(harness.Put(StrCat("k", i), std::string(1500, 'v')));
  harness.Kill();
  const auto volumes = ListVolumes(harness.files, kDirectory);
  ASSERT_OK(volumes);
  ASSERT_GT(volumes->size(), 3u);
  ASSERT_OK(harness.files.Unlink(VolumePath(kDirectory, (*volumes)[1])));
  EXPECT_ERRC(harness.TryOpen(), Errc::kCorrupt);
}

TEST(EmbeddedStoreTest, AnIndexThatIsGoneIsReplayedFromTheLog) {
  StoreUnderTest harness;
  harness.Open();
  for (int i = 0; i < 300; ++i) ASSERT_OK(harness.Put(StrCat("k", i % 50), StrCat("v", i)));
  harness.Close();
  ASSERT_OK(RemoveTree(harness.files, IndexPath(kDirectory)));
  harness.Open();
  for (int i = 250; i < 300; ++i) EXPECT_EQ(harness.Get(StrCat("k", i % 50)).value(), StrCat("v", i));
}

}  // namespace
}  // namespace pailfs::store
