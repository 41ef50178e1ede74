// Thinning that is cut short, beside other writers, and in the background.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "base/named_snapshot.h"
#include "base/str.h"
#include "store/thinning_thread.h"
#include "tests/unit/store/store_harness.h"

namespace pailfs::store {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000;
constexpr RetentionPolicy kNothing{false, 0, 0, 0, 0};

// Enough for several commits: 600 old versions of three keys, one of which is deleted.
void Fill(StoreHarness& harness) {
  for (int i = 0; i < 600; ++i)
    harness.Put(StrCat("key", i % 3), Bytes(static_cast<uint64_t>(i), i % 40 == 0 ? 5000 : 20));
  harness.Put("source", Bytes(1, 2000));
  harness.PutParts("parts", 3, "source");
  harness.Put("parts", "new");
  harness.Delete("key2");
  harness.clock.Advance(40 * kDayNs);
  EXPECT_OK(harness.store->SetRetention("bucket", kNothing));
}

Status Thin(StoreHarness& harness, const OpContext& ctx = {}) {
  const auto thinned = harness.store->Thin(ctx, "bucket", ThinningMode::kRemove);
  return thinned.ok() ? Status() : Status(thinned.error());
}

TEST(ThinningTest, ThePowerMayGoAtEveryCall) {
  bool finished = false;
  uint64_t calls = 0;
  for (; !finished; ++calls) {
    SCOPED_TRACE(StrCat("power lost at call ", calls));
    StoreHarness harness(500 + calls);
    Fill(harness);
    const auto before = harness.Contents();
    harness.files.Inject({.let_pass = calls, .cut_power = true});
    const Status thinned = Thin(harness);
    finished = harness.files.powered();
    EXPECT_TRUE(thinned.ok() || !finished);
    harness.LosePower(static_cast<Survival>(calls % 3));
    ASSERT_EQ(harness.Findings(CheckLevel::kIndex), "");
    harness.Open();
    // Nothing came, nothing changed, and what is current is there; the rest goes the next time.
    const auto between = harness.Contents();
    ASSERT_TRUE(!thinned.ok() || between.size() == 4U) << "what was answered is durable";
    for (const auto& [version, content] : between)
      ASSERT_TRUE(before.contains(version) && before.at(version) == content);
    for (const auto& [version, content] : before) {
      const bool current = version.ends_with(" latest") && content != "marker";
      ASSERT_TRUE(!current || between.contains(version)) << version;
    }
    ASSERT_OK(Thin(harness));
    EXPECT_EQ(harness.Contents().size(), 4U);
    harness.Close();
    ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
  }
  EXPECT_GT(calls, 5U);
}

TEST(ThinningTest, AFailingDiskIsReported) {
  StoreHarness harness;
  Fill(harness);
  harness.files.Inject({.call = FsCall::kSync, .let_pass = 1, .times = 100});
  EXPECT_FALSE(Thin(harness).ok());
  harness.files.ClearFaults();
  harness.Close();
  harness.Open();
  EXPECT_OK(Thin(harness));
  harness.Close();
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
}

TEST(ThinningTest, StopsWhenItIsToldTo) {
  StoreHarness harness;
  Fill(harness);
  const auto before = harness.Contents();
  std::stop_source stop;
  stop.request_stop();
  OpContext ctx;
  ctx.stop = stop.get_token();
  EXPECT_ERRC(Thin(harness, ctx), Errc::kCancelled);
  OpContext late;
  late.deadline_ns = 0;
  late.clock = &harness.clock;
  EXPECT_ERRC(Thin(harness, late), Errc::kTimedOut);
  EXPECT_TRUE(harness.Contents() == before);
}

TEST(ThinningTest, WorksOnAFullDisk) {
  StoreHarness harness;
  Fill(harness);
  harness.files.SetCapacity(24 << 20);
  const std::string data = Bytes(1, 200'000);
  Status full;
  while (full.ok()) {
    StringBody body(data);
    const auto put = harness.bucket->Put(harness.ctx, "filling", body, {});
    if (!put.ok()) full = put.error();
  }
  ASSERT_ERRC(full, Errc::kNoSpace);
  harness.clock.Advance(kDayNs);
  ASSERT_OK(Thin(harness));
  ASSERT_OK(harness.store->Checkpoint());
  harness.Put("filling", data);
}

// Puts and deletes with its own keys, and sees what it did.
void WriteAndDelete(StoreHarness& harness, int id) {
  SeededRandom random(static_cast<uint64_t>(id));
  for (int i = 0; i < 300; ++i) {
    const std::string key = StrCat("writer", id, "/", random.Below(4));
    const std::string data = StrCat(i);
    harness.clock.Advance(100'000);
    harness.Put(key, data);
    StringSink sink;
    EXPECT_OK(harness.bucket->Get(harness.ctx, key, {}, sink));
    EXPECT_EQ(sink.data(), data);
    if (!random.OneIn(3)) continue;
    harness.Delete(key);
    EXPECT_ERRC(harness.bucket->Head(harness.ctx, key, {}), Errc::kNotFound);
  }
}

// Takes back a version that was put over a delete marker. The marker hides the older one again, which a snapshot keeps;
// unless it went before, and then the older one is current.
void TakeBack(StoreHarness& harness) {
  for (int i = 0; i < 300; ++i) {
    const std::string key = StrCat("taken back/", i);
    harness.clock.Advance(100'000);
    harness.Put(key, "old");
    harness.Put(KeyOfSnapshot(StrCat(i)), "");
    harness.Delete(key);
    const PutResult over = harness.Put(key, "over it");
    harness.clock.Advance(100'000);
    harness.Delete(key, over.version_id);
  }
}

// Names moments that have passed. What was there when the name was stored, stays: the versions that were.
std::vector<ObjectInfo> NameThePast(StoreHarness& harness) {
  std::vector<ObjectInfo> held;
  for (int i = 0; i < 300; ++i) {
    const std::string key = StrCat("past/", i);
    harness.clock.Advance(100'000);
    const PutResult first = harness.Put(key, "first");
    harness.clock.Advance(100'000);
    harness.Put(key, "second");
    PutOptions options;
    SetMetadata(options.metadata, kSnapshotTimeMetadata, StrCat(first.last_modified_us));
    StringBody body("");
    EXPECT_OK(harness.bucket->Put(harness.ctx, KeyOfSnapshot(StrCat("past ", i)), body, options));
    const auto info = harness.bucket->Head(harness.ctx, key, {.version_id = first.version_id, .as_of_us = {}});
    if (info.ok()) held.push_back(*info);
  }
  return held;
}

// What others do meanwhile is as if there was no thinning.
TEST(ThinningTest, BesideOtherWriters) {
  StoreHarness harness;
  ASSERT_OK(harness.store->SetRetention("bucket", kNothing));
  std::atomic<bool> done = false;
  std::thread thinner([&] {
    while (!done) EXPECT_OK(Thin(harness));
  });
  std::vector<std::thread> writers;
  for (int id = 0; id < 3; ++id) writers.emplace_back([&harness, id] { WriteAndDelete(harness, id); });
  writers.emplace_back([&harness] { TakeBack(harness); });
  std::vector<ObjectInfo> held;
  writers.emplace_back([&harness, &held] { held = NameThePast(harness); });
  for (std::thread& writer : writers) writer.join();
  done = true;
  thinner.join();
  harness.clock.Advance(kDayNs);
  EXPECT_OK(Thin(harness));
  for (const ObjectInfo& version : held) {
    EXPECT_OK(harness.bucket->Head(harness.ctx, version.key, {.version_id = version.version_id, .as_of_us = {}}));
  }
  for (const ObjectInfo& version : harness.Versions()) {
    if (!version.is_latest) continue;
    const auto head = harness.bucket->Head(harness.ctx, version.key, {});
    EXPECT_EQ(head.ok(), !version.is_delete_marker) << version.key;
  }
  harness.Close();
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
}

void Await(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(condition());
}

TEST(ThinningTest, RunsInTheBackgroundByTheStoresClock) {
  StoreHarness harness;
  Fill(harness);
  harness.Close();
  harness.options.first_thinning_ns = 2'000'000;
  harness.options.thinning_interval_ns = 5'000'000;
  harness.Open();
  const auto thinnings = [&harness] { return harness.metrics.counter("store.thinnings").value(); };
  const size_t before = harness.Versions().size();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(thinnings(), 0) << "the store's clock stands still";
  EXPECT_EQ(harness.Versions().size(), before);
  harness.clock.Advance(2'000'000);
  Await([&] { return thinnings() == 1; });
  EXPECT_EQ(harness.Versions().size(), 4U);
  harness.Put("key0", "newer");
  harness.clock.Advance(4'000'000);
  EXPECT_EQ(thinnings(), 1);
  harness.clock.Advance(1'000'000);
  Await([&] { return thinnings() == 2; });
  EXPECT_EQ(harness.Versions().size(), 5U) << "a mount may still be reading it";
  harness.clock.Advance(kDayNs);
  Await([&] { return thinnings() == 3; });
  EXPECT_EQ(harness.Versions().size(), 4U);
  harness.Close();
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
}

TEST(ThinningTest, NothingRunsWithoutTheOption) {
  StoreHarness harness;
  Fill(harness);
  const size_t before = harness.Versions().size();
  harness.clock.Advance(100 * kDayNs);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(harness.Versions().size(), before);
}

TEST(ThinningTest, TheThreadEndsAtOnce) {
  ManualClock clock;
  std::atomic<bool> called = false;
  {
    ThinningThread waiting(clock, 3'600'000'000'000, 1, [&](const OpContext&) { called = true; });
  }
  EXPECT_FALSE(called);
  std::atomic<bool> stopped = false;
  {
    ThinningThread busy(clock, 0, 3'600'000'000'000, [&](const OpContext& ctx) {
      called = true;
      while (ctx.Check().ok()) std::this_thread::yield();
      stopped = true;
    });
    Await([&] { return called.load(); });
  }
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace pailfs::store
