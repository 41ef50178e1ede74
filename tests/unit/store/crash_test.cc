// Power losses and torn writes: what was acknowledged is there, what was not is there as a whole or not at all.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/str.h"
#include "store/volume_reader.h"
#include "tests/unit/store/store_under_test.h"

namespace pailfs::store {
namespace {

// What one writer, who alone changes its keys, knows of them.
struct Writer {
  struct Key {
    std::optional<std::string> content;  // acknowledged; nullopt: absent
    bool in_flight = false;              // the last call got no answer; then it is `next` perhaps
    std::optional<std::string> next;
  };
  std::map<std::string, Key> keys;

  void Run(StoreUnderTest& harness, int id, uint64_t seed) {
    SeededRandom random(seed);
    for (;;) {
      const std::string name = StrCat("writer", id, "/", random.Below(6));
      Key& key = keys[name];
      const bool remove = key.content && random.OneIn(4);
      key.next = remove ? std::nullopt
                        : std::optional(StrCat(name, ' ', random.Next(), random.Bytes(random.OneIn(4) ? 6000 : 40)));
      key.in_flight = true;
      const bool ok =
          remove ? harness.bucket->Delete({}, {name, "", std::nullopt}).ok() : harness.Put(name, *key.next).ok();
      if (!ok) return;
      key.content = key.next;
      key.in_flight = false;
    }
  }
  void Check(StoreUnderTest& harness) {
    for (auto& [name, key] : keys) {
      const auto got = harness.Get(name);
      ASSERT_TRUE(got.ok() || got.Is(Errc::kNotFound)) << name << ": " << got.error().message;
      const std::optional<std::string> found = got.ok() ? std::optional(*got) : std::nullopt;
      ASSERT_TRUE(found == key.content || (key.in_flight && found == key.next))
          << name << " has " << (found ? StrCat(found->size(), " bytes") : "nothing");
      key.content = found;
      key.in_flight = false;
    }
  }
};

Survival AnySurvival(Random& random) {
  return random.OneIn(3) ? Survival::kNothing : random.OneIn(2) ? Survival::kEverything : Survival::kRandom;
}

TEST(CrashTest, PowerLossUnderConcurrentPuts) {
  ForSeeds(120, [](uint64_t seed) {
    StoreUnderTest harness(seed);
    SeededRandom random(seed);
    harness.options.checkpoint_bytes = 8 << 10;
    std::vector<Writer> writers(4);
    for (int life = 0; life < 4; ++life) {
      harness.Open();
      if (testing::Test::HasFatalFailure()) return;
      for (Writer& writer : writers) writer.Check(harness);
      if (testing::Test::HasFatalFailure()) return;
      harness.files.Inject({.let_pass = random.Below(120), .cut_power = true});
      std::vector<std::thread> threads;
      for (size_t i = 0; i < writers.size(); ++i) {
        threads.emplace_back(&Writer::Run, &writers[i], std::ref(harness), static_cast<int>(i), random.Next());
      }
      for (std::thread& thread : threads) thread.join();
      harness.files.CutPower();
      harness.Close();
      harness.files.ClearFaults();
      harness.files.Restart(AnySurvival(random), random);
    }
    harness.Open();
    for (Writer& writer : writers) writer.Check(harness);
  });
}

// The counts that Space reports equal what a listing finds, however often the power went.
TEST(CrashTest, CountsSurvivePowerLoss) {
  ForSeeds(30, [](uint64_t seed) {
    StoreUnderTest harness(seed);
    SeededRandom random(seed);
    for (int life = 0; life < 4; ++life) {
      harness.Open(VersioningState::kEnabled);
      const uint64_t operations = 10 + random.Below(60);
      for (uint64_t i = 0; i < operations; ++i) {
        const std::string key = StrCat("k", random.Below(12));
        if (random.OneIn(3)) {
          ASSERT_OK(harness.bucket->Delete({}, {key, "", std::nullopt}));
        } else {
          ASSERT_OK(harness.Put(key, random.Bytes(random.Below(100))));
        }
      }
      harness.files.CutPower();
      harness.Close();
      harness.files.Restart(AnySurvival(random), random);
      harness.Open();
      const auto space = harness.bucket->Space({});
      const auto page = harness.bucket->List({}, {});
      ASSERT_OK(space);
      ASSERT_OK(page);
      uint64_t bytes = 0;
      for (const ObjectInfo& object : page->objects) bytes += object.size_bytes;
      EXPECT_EQ(space->object_count, page->objects.size());
      EXPECT_EQ(space->object_bytes, bytes);
      harness.Close();
    }
  });
}

// All files below a directory.
void CollectFiles(FileSystem& files, const std::string& path, std::map<std::string, std::string>* out) {
  const auto names = files.List(path);
  if (!names.ok()) {
    (*out)[path] = ReadFile(files, path).value();
    return;
  }
  for (const std::string& name : *names) CollectFiles(files, path + "/" + name, out);
}

// A store as files, to be put on a fresh disk again and again.
class Snapshot {
 public:
  explicit Snapshot(FileSystem& files) { CollectFiles(files, kDirectory, &content_); }
  void PutInto(FileSystem& files) const {
    for (const auto& [path, bytes] : content_) {
      ASSERT_OK(MakeDirectories(files, path.substr(0, path.rfind('/'))));
      auto file = files.Open(path, OpenMode::kCreateEmpty);
      ASSERT_OK(file);
      if (!bytes.empty()) ASSERT_OK((*file)->WriteAt(0, AsBytes(bytes)));
    }
    for (const char* empty : {"/volumes", "/bodies", "/index"})
      ASSERT_OK(MakeDirectories(files, StrCat(kDirectory, empty)));
  }
  std::string& operator[](const std::string& path) { return content_.at(path); }
  void RemoveIndex() {
    std::erase_if(content_, [](const auto& file) { return file.first.starts_with(IndexPath(kDirectory)); });
  }

 private:
  std::map<std::string, std::string> content_;
};

TEST(CrashTest, ATornLastBatchAtEveryByte) {
  StoreUnderTest written;
  written.Open();
  ASSERT_OK(written.Put("a", "acknowledged before"));
  ASSERT_OK(written.Put("b", "the last one"));
  const std::string volume = VolumePath(kDirectory, 1);
  written.Kill();
  const Snapshot whole(written.files);
  auto file = written.files.Open(volume, OpenMode::kRead);
  ASSERT_OK(file);
  const auto superblock = ReadSuperblock(**file);
  ASSERT_OK(superblock);
  uint64_t last = 0;
  uint64_t end = 0;
  ASSERT_OK(ScanVolume(**file, *superblock, 0, true, [&](const ScannedBatch& batch) -> Status {
    last = batch.header.offset;
    end = batch.needles_at + batch.header.body_bytes;
    return {};
  }));
  ASSERT_GT(last, 0u);
  for (uint64_t cut = last; cut <= end; ++cut) {
    SCOPED_TRACE(StrCat("bytes of the last batch on the disk: ", cut - last));
    Snapshot torn = whole;
    torn.RemoveIndex();  // its rows of a batch are written after the batch
    std::string& bytes = torn[volume];
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(cut), bytes.end(), '\0');
    StoreUnderTest harness;
    torn.PutInto(harness.files);
    harness.Open();
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_EQ(harness.Get("a").value(), "acknowledged before");
    const auto b = harness.Get("b");
    // The last bytes of a batch may be zeros themselves; then it is whole before its end.
    if (b.ok()) {
      EXPECT_EQ(*b, "the last one");
    } else {
      EXPECT_ERRC(b, Errc::kNotFound);
      EXPECT_LT(cut, end);
    }
    ASSERT_OK(harness.Put("c", "goes on"));
    harness.Kill();
    harness.Open();
    EXPECT_EQ(harness.Get("c").value(), "goes on");
    EXPECT_EQ(harness.Get("b").ok(), b.ok());
  }
}

TEST(CrashTest, DamageBeforeAcknowledgedChangesIsNotATornTail) {
  StoreUnderTest written;
  written.Open();
  for (int i = 0; i < 5; ++i) ASSERT_OK(written.Put(StrCat("k", i), "value"));
  const std::string volume = VolumePath(kDirectory, 1);
  written.Kill();
  const Snapshot whole(written.files);
  auto file = written.files.Open(volume, OpenMode::kRead);
  ASSERT_OK(file);
  std::vector<uint64_t> offsets;
  ASSERT_OK(ScanVolume(**file, ReadSuperblock(**file).value(), 0, false, [&](const ScannedBatch& batch) -> Status {
    offsets.push_back(batch.header.offset);
    return {};
  }));
  ASSERT_GT(offsets.size(), 3u);
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    Snapshot damaged = whole;
    damaged[volume][offsets[i] + 30] ^= 1;
    StoreUnderTest harness;
    damaged.PutInto(harness.files);
    const Status opened = harness.TryOpen();
    EXPECT_ERRC(opened, Errc::kCorrupt);
    EXPECT_NE(opened.error().message.find("store check"), std::string::npos);
  }
}

// A body that holds a whole volume, batches and all, is a body.
TEST(CrashTest, ForgedBatchesInABodyAreHarmless) {
  StoreUnderTest harness;
  harness.options.packed_bytes = 64 << 10;
  harness.options.volume_bytes = 1 << 20;
  harness.Open();
  ASSERT_OK(harness.Put("victim", "safe"));
  ASSERT_OK(harness.Put("x", "more"));
  const std::string forged = ReadFile(harness.files, VolumePath(kDirectory, 1)).value();
  ASSERT_LE(forged.size(), 64u << 10);
  // Shifted so that the forged batches come to lie on every alignment.
  for (size_t shift = 0; shift < 4096; shift += 4) {
    if (shift % 64 != 0 && shift != 4) continue;
    ASSERT_OK(harness.Put("forged", std::string(shift, 'f') + forged.substr(0, 20'000)));
  }
  ASSERT_OK(harness.bucket->Delete({}, {"victim", "", std::nullopt}));
  harness.Kill();
  harness.Open();
  EXPECT_ERRC(harness.Get("victim"), Errc::kNotFound);
  EXPECT_EQ(harness.Get("x").value(), "more");
}

// A superblock and batches of another salt behind the torn tail do not make it damage in the middle.
TEST(CrashTest, ForgedBatchesInATornTailAreNoBatches) {
  StoreUnderTest written;
  written.options.packed_bytes = 64 << 10;
  written.options.volume_bytes = 1 << 20;
  written.Open();
  ASSERT_OK(written.Put("a", "acknowledged"));
  StoreUnderTest other(2);
  other.options = written.options;
  other.Open();
  for (int i = 0; i < 5; ++i) ASSERT_OK(other.Put(StrCat("k", i), "value"));
  const std::string foreign = ReadFile(other.files, VolumePath(kDirectory, 1)).value();
  const std::string volume = VolumePath(kDirectory, 1);
  auto file = written.files.Open(volume, OpenMode::kReadWrite);
  ASSERT_OK(file);
  const auto end =
      ScanVolume(**file, ReadSuperblock(**file).value(), 0, true, [](const ScannedBatch&) { return Status(); });
  ASSERT_OK(end);
  written.Kill();
  file = written.files.Open(volume, OpenMode::kReadWrite);
  ASSERT_OK(file);
  ASSERT_OK((*file)->WriteAt(end->offset, AsBytes("torn")));
  ASSERT_OK((*file)->WriteAt(end->offset + 4096, AsBytes(std::string_view(foreign).substr(4096, 20'000))));
  written.Open();
  EXPECT_EQ(written.Get("a").value(), "acknowledged");
  EXPECT_ERRC(written.Get("k1"), Errc::kNotFound);
}

// Replaying what the index has already changes nothing.
TEST(CrashTest, ReplayTwiceEqualsReplayOnce) {
  StoreUnderTest written;
  written.options.checkpoint_bytes = 64 << 20;
  written.Open();
  SeededRandom random(11);
  for (int i = 0; i < 150; ++i) {
    const std::string key = StrCat("k", random.Below(20));
    if (random.OneIn(4)) {
      ASSERT_OK(written.bucket->Delete({}, {key, "", std::nullopt}));
    } else {
      ASSERT_OK(written.Put(key, StrCat("v", i)));
    }
  }
  const auto versions = [](StoreUnderTest& harness) {
    std::vector<std::string> lines;
    const auto page = harness.bucket->ListVersions({}, {});
    EXPECT_OK(page);
    for (const ObjectInfo& version : page->versions) {
      lines.push_back(StrCat(version.key, " ", version.version_id, " ", version.etag,
                             version.is_latest ? " latest" : "", version.is_delete_marker ? " marker" : ""));
    }
    return lines;
  };
  const auto before = versions(written);
  written.Kill();
  // Each opening replays the whole log again: the first checkpoint is never reached.
  for (int life = 0; life < 3; ++life) {
    written.Open();
    EXPECT_EQ(versions(written), before);
    written.Kill();
  }
}

// Body files of Puts that were cut short are removed when the store is opened, also of those begun before a checkpoint.
TEST(CrashTest, OrphansAreRemoved) {
  StoreUnderTest harness;
  harness.Open();
  class CrashingBody : public BodySource {
   public:
    explicit CrashingBody(StoreUnderTest& harness) : harness_(harness) {}
    uint64_t size_bytes() const override { return 50'000; }
    Status ReadAt(uint64_t, std::span<std::byte> buffer) override {
      std::fill(buffer.begin(), buffer.end(), std::byte{'c'});
      EXPECT_OK(harness_.Put("meanwhile", std::string(9000, 'm')));
      EXPECT_OK(harness_.store->Checkpoint());
      harness_.files.CutPower();
      return {};
    }

   private:
    StoreUnderTest& harness_;
  };
  CrashingBody body(harness);
  EXPECT_FALSE(harness.bucket->Put({}, "cut", body, {}).ok());
  harness.Close();
  harness.files.Restart(Survival::kEverything, harness.random);
  ASSERT_TRUE(harness.files.Exists(BodyPath(kDirectory, 1)).value());
  harness.Open();
  EXPECT_FALSE(harness.files.Exists(BodyPath(kDirectory, 1)).value());
  EXPECT_EQ(harness.Get("meanwhile").value(), std::string(9000, 'm'));
  EXPECT_ERRC(harness.Get("cut"), Errc::kNotFound);
}

}  // namespace
}  // namespace pailfs::store
