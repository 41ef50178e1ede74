// Compaction frees space and changes nothing else, wherever it is interrupted.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/str.h"
#include "store/index_keys.h"
#include "store/records.pb.h"
#include "store/volume_reader.h"
#include "tests/unit/store/store_harness.h"

namespace pailfs::store {
namespace {

const std::string& Directory() {
  return StoreHarness::kDirectory;
}

uint64_t VolumeBytes(StoreHarness& harness) {
  uint64_t bytes = 0;
  const auto volumes = ListVolumes(harness.files, Directory());
  EXPECT_OK(volumes);
  for (const uint64_t volume : *volumes) bytes += harness.files.Stat(VolumePath(Directory(), volume))->size_bytes;
  return bytes;
}

// Objects of which most are destroyed again; several volumes.
void FillAndThin(StoreHarness& harness, int objects) {
  for (int i = 0; i < objects; ++i) {
    const auto put = harness.Put(StrCat("key", i), Bytes(static_cast<uint64_t>(i), i % 7 == 0 ? 6000 : 2500));
    if (i % 5 != 0) harness.Delete(StrCat("key", i), put.version_id);
  }
}

TEST(CompactionTest, DeadSpaceIsFreed) {
  StoreHarness harness;
  FillAndThin(harness, 150);
  const auto contents = harness.Contents();
  const uint64_t before = VolumeBytes(harness);
  const auto compacted = harness.store->Compact(50);
  ASSERT_OK(compacted);
  EXPECT_GE(compacted->volumes_removed, 5U);
  EXPECT_GT(compacted->bytes_freed, before / 3);
  EXPECT_LT(VolumeBytes(harness), before / 2);
  EXPECT_TRUE(harness.Contents() == contents);
  harness.Close();
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
  harness.Open();
  EXPECT_TRUE(harness.Contents() == contents);
}

TEST(CompactionTest, LiveVolumesAreLeftAlone) {
  StoreHarness harness;
  for (int i = 0; i < 60; ++i) harness.Put(StrCat("key", i), Bytes(static_cast<uint64_t>(i), 3300));
  const auto compacted = harness.store->Compact(50);
  ASSERT_OK(compacted);
  EXPECT_EQ(compacted->volumes_removed, 0U);
}

TEST(CompactionTest, DoneAgainItComesToAnEnd) {
  StoreHarness harness;
  FillAndThin(harness, 100);
  uint64_t removed = 1;
  int rounds = 0;
  for (; removed > 0 && rounds < 10; ++rounds) {
    const auto compacted = harness.store->Compact(50);
    ASSERT_OK(compacted);
    removed = compacted->volumes_removed;
  }
  EXPECT_LE(rounds, 3);
}

TEST(CompactionTest, AShareOutsideOneToAHundredIsRefused) {
  StoreHarness harness;
  EXPECT_TRUE(harness.store->Compact(0).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(harness.store->Compact(101).Is(Errc::kInvalidArgument));
}

TEST(CompactionTest, RandomHistoriesStayAsTheyWere) {
  for (uint64_t seed = 200; seed < 220; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    StoreHarness harness(seed);
    for (int round = 0; round < 4; ++round) {
      harness.RandomHistory(40, /*compacting=*/false);
      const auto contents = harness.Contents();
      ASSERT_OK(harness.store->Compact(20));
      ASSERT_TRUE(harness.Contents() == contents);
      harness.Close();
      ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
      harness.Open();
      ASSERT_TRUE(harness.Contents() == contents);
    }
  }
}

TEST(CompactionTest, ThePowerMayGoAtEveryCall) {
  bool finished = false;
  uint64_t calls = 0;
  for (; !finished; ++calls) {
    SCOPED_TRACE(StrCat("power lost at call ", calls));
    StoreHarness harness(300 + calls);
    FillAndThin(harness, 40);
    harness.PutParts("parts", 2, "key0");
    harness.Copy("key5", "copy");
    const auto contents = harness.Contents();
    Fault fault;
    fault.let_pass = calls;
    fault.cut_power = true;
    harness.files.Inject(fault);
    const auto compacted = harness.store->Compact(40);
    finished = harness.files.powered();
    harness.LosePower(static_cast<Survival>(calls % 3));
    EXPECT_EQ(harness.Findings(CheckLevel::kIndex), "");
    harness.Open();
    ASSERT_TRUE(harness.Contents() == contents);
    ASSERT_OK(harness.store->Compact(40));
    ASSERT_TRUE(harness.Contents() == contents);
    harness.Close();
    ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
    const auto rows = harness.Rows();
    ASSERT_OK(RebuildIndex(harness.files, Directory()));
    ASSERT_TRUE(harness.Rows() == rows);
  }
  EXPECT_GT(calls, 10U);
}

// Each changing call fails once: compaction says so, and the store is right before and after it is opened again.
TEST(CompactionTest, AFailingDiskLosesNothing) {
  bool finished = false;
  for (uint64_t calls = 0; !finished; ++calls) {
    SCOPED_TRACE(StrCat("call ", calls, " fails"));
    StoreHarness harness(300);
    FillAndThin(harness, 30);
    const auto contents = harness.Contents();
    Fault fault;
    fault.let_pass = calls;
    fault.code = calls % 2 == 0 ? Errc::kIo : Errc::kNoSpace;
    harness.files.Inject(fault);
    const uint64_t before = harness.files.ChangingCalls();
    [[maybe_unused]] const auto compacted = harness.store->Compact(40);
    finished = harness.files.ChangingCalls() - before <= calls;
    harness.files.ClearFaults();
    ASSERT_TRUE(harness.Contents() == contents);
    harness.Close();
    harness.Open();
    ASSERT_TRUE(harness.Contents() == contents);
    harness.Close();
    ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
  }
}

TEST(CompactionTest, ADamagedNeedleIsKeptWhereItIs) {
  StoreHarness harness;
  harness.Put("victim", Bytes(1, 2000));
  FillAndThin(harness, 100);
  harness.Close();
  std::string row = BodyRow(1);
  pb::Body body;
  ASSERT_TRUE(body.ParseFromString(harness.Payload(row)));
  harness.FlipByte(VolumePath(Directory(), body.volume()), body.offset() + 100);
  harness.Open();
  const auto compacted = harness.store->Compact(50);
  ASSERT_OK(compacted);
  EXPECT_GT(compacted->volumes_removed, 0U);
  const auto exists = harness.files.Exists(VolumePath(Directory(), body.volume()));
  ASSERT_OK(exists);
  EXPECT_TRUE(*exists);
  StringSink sink;
  EXPECT_TRUE(harness.bucket->Get(harness.ctx, "victim", {}, sink).Is(Errc::kCorrupt));
}

// Compacts the store in the middle of a Get.
class CompactingSink : public BodySink {
 public:
  explicit CompactingSink(EmbeddedStore& store) : store_(store) {}
  Status Write(std::span<const std::byte> data) override {
    data_.append(AsChars(data));
    if (compacted_) return {};
    compacted_ = true;
    const auto result = store_.Compact(1);
    RETURN_IF_ERROR(result);
    volumes_removed = result->volumes_removed;
    return {};
  }
  const std::string& data() const { return data_; }
  uint64_t volumes_removed = 0;

 private:
  EmbeddedStore& store_;
  std::string data_;
  bool compacted_ = false;
};

TEST(CompactionTest, AReaderUnderWayGetsItsBytes) {
  StoreHarness harness;
  const auto upload = harness.bucket->CreateMultipartUpload(harness.ctx, "parts", {});
  ASSERT_OK(upload);
  std::vector<UploadedPart> parts;
  std::string expected;
  for (int number = 1; number <= 20; ++number) {
    const std::string data = Bytes(static_cast<uint64_t>(number), 3000);
    StringBody body(data);
    const auto part = harness.bucket->UploadPart(harness.ctx, "parts", *upload, number, body);
    ASSERT_OK(part);
    parts.push_back(*part);
    expected += data;
    const auto filler = harness.Put("filler", Bytes(9, 4000));
    harness.Delete("filler", filler.version_id);
  }
  ASSERT_OK(harness.bucket->CompleteMultipartUpload(harness.ctx, "parts", *upload, parts, {}));
  for (int i = 0; i < 20; ++i) harness.Put("last", Bytes(9, 4000));
  CompactingSink sink(*harness.store);
  ASSERT_OK(harness.bucket->Get(harness.ctx, "parts", {}, sink));
  EXPECT_GT(sink.volumes_removed, 0U);
  EXPECT_TRUE(sink.data() == expected);
}

TEST(CompactionTest, WritersAndReadersGoOnMeanwhile) {
  StoreHarness harness;
  FillAndThin(harness, 60);
  std::atomic<bool> writing{true};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&harness, t] {
      for (int i = 0; i < 60; ++i) {
        const std::string key = StrCat("thread", t, "/", i % 10);
        const std::string data = Bytes(static_cast<uint64_t>(t * 1000 + i), 3000);
        const auto put = harness.Put(key, data);
        StringSink sink;
        EXPECT_OK(harness.bucket->Get(harness.ctx, key, {}, sink));
        EXPECT_TRUE(sink.data() == data);
        if (i % 3 != 0) harness.Delete(key, put.version_id);
      }
    });
  }
  std::thread compactor([&] {
    while (writing) EXPECT_OK(harness.store->Compact(20));
  });
  for (std::thread& thread : threads) thread.join();
  writing = false;
  compactor.join();
  const auto contents = harness.Contents();
  ASSERT_OK(harness.store->Compact(20));
  EXPECT_TRUE(harness.Contents() == contents);
  harness.Close();
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
  const auto rows = harness.Rows();
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  EXPECT_TRUE(harness.Rows() == rows);
}

}  // namespace
}  // namespace pailfs::store
