// A database that loses power at any moment: what was synced is there, with everything before it, and of the rest a
// prefix.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/kv_store.h"
#include "base/leveldb_log_tail.h"
#include "base/random.h"
#include "base/str.h"
#include "tests/support/faulty_file_system.h"

namespace pailfs {
namespace {

constexpr char kPath[] = "/var/db";

KvOptions SmallOptions() {
  KvOptions options;
  options.write_buffer_bytes = 64 << 10;  // a new log each 64 KiB
  options.max_file_bytes = 1 << 20;
  return options;
}

// Batch n puts a row of its own, replaces a row that all batches share, and deletes the row of batch n - 10.
class NumberedBatches {
 public:
  explicit NumberedBatches(uint64_t seed) : seed_(seed) {}

  void Fill(KvBatch& batch, uint64_t n) const {
    batch.Put("shared", StrCat(n));
    batch.Put(Key(n), Value(n));
    if (n > 10) batch.Delete(Key(n - 10));
  }
  // How many batches the database holds; a failure when it is not exactly the first ones.
  uint64_t Check(const KvStore& db) const {
    const auto shared = db.Get("shared");
    EXPECT_TRUE(shared.ok()) << shared.error().message;
    const uint64_t last = shared.ok() && *shared ? *ParseUint(**shared) : 0;
    uint64_t expected = last > 10 ? last - 9 : 1;
    KvIterator it = db.NewIterator();
    for (it.Seek("key"); it.Valid() && it.key().starts_with("key"); it.Next(), ++expected) {
      EXPECT_EQ(it.key(), Key(expected));
      EXPECT_TRUE(it.value() == Value(expected)) << "row " << expected;
    }
    EXPECT_TRUE(it.status().ok()) << it.status().error().message;
    EXPECT_EQ(expected, last + 1);
    return last;
  }

 private:
  static std::string Key(uint64_t n) {
    std::string key = "key";
    PutBig64(key, n);
    return key;
  }
  std::string Value(uint64_t n) const {
    SeededRandom random(seed_ ^ (n * 1'000'003));
    if (random.OneIn(10)) return std::string(random.Below(5000), '\0');  // zeros that are no gap
    return random.Bytes(random.OneIn(40) ? random.Below(100'000) : random.Below(2000));
  }

  const uint64_t seed_;
};

void RunOneLife(FaultyFileSystem& fs, SeededRandom& random, const NumberedBatches& batches, uint64_t& least,
                uint64_t& most) {
  auto opened = KvStore::Open(fs, kPath, SmallOptions());
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const std::unique_ptr<KvStore> db = std::move(*opened);
  const uint64_t found = batches.Check(*db);
  ASSERT_GE(found, least);
  ASSERT_LE(found, most);
  // What recovery found, it has put on the disk for good.
  least = most = found;
  fs.Inject({.let_pass = random.Below(1500), .cut_power = true});
  while (fs.powered() && most < found + 1000) {
    const KvDurability durability = random.OneIn(30) ? KvDurability::kSync : KvDurability::kNoSync;
    KvBatch batch;
    batches.Fill(batch, ++most);
    const Status written = db->Write(batch, durability);
    if (!written.ok()) break;
    if (durability == KvDurability::kSync) least = most;
  }
  fs.CutPower();
}

TEST(KvPowerLoss, KeepsWhatWasSyncedAndAPrefixOfTheRest) {
  const char* chosen = std::getenv("PAILFS_TEST_SEED");
  const uint64_t first_seed = chosen != nullptr ? *ParseUint(chosen) : SystemRandom().Next();
  const int rounds = chosen != nullptr ? 1 : 40;
  for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    const uint64_t seed = first_seed + static_cast<uint64_t>(round);
    SCOPED_TRACE(StrCat("PAILFS_TEST_SEED=", seed));
    SeededRandom random(seed);
    FaultyFileSystem fs;
    ASSERT_TRUE(MakeDirectories(fs, "/var").ok());
    const NumberedBatches batches(seed);
    uint64_t least = 0;
    uint64_t most = 0;
    for (int life = 0; life < 4 && !testing::Test::HasFailure(); ++life) {
      RunOneLife(fs, random, batches, least, most);
      fs.ClearFaults();
      fs.Restart(random.OneIn(4) ? Survival::kNothing : Survival::kRandom, random);
    }
  }
}

TEST(KvPowerLoss, LogsThatWereSwitchedAreSyncedToo) {
  FaultyFileSystem fs;
  SeededRandom random(3);
  ASSERT_TRUE(MakeDirectories(fs, "/var").ok());
  const NumberedBatches batches(3);
  {
    auto db = KvStore::Open(fs, kPath, SmallOptions()).value();
    const uint64_t logs_before = fs.Calls(FsCall::kCreate);
    for (uint64_t n = 1; n <= 500; ++n) {
      KvBatch batch;
      batches.Fill(batch, n);
      ASSERT_TRUE(db->Write(batch, n == 500 ? KvDurability::kSync : KvDurability::kNoSync).ok());
    }
    ASSERT_GT(fs.Calls(FsCall::kCreate), logs_before + 5) << "the logs were meant to be switched";
    fs.CutPower();
  }
  fs.Restart(Survival::kNothing, random);
  auto db = KvStore::Open(fs, kPath, SmallOptions());
  ASSERT_TRUE(db.ok()) << db.error().message;
  EXPECT_EQ(batches.Check(**db), 500U);
}

TEST(KvPowerLoss, AtEveryCallOfAReopening) {
  SeededRandom random(4);
  const NumberedBatches batches(4);
  for (uint64_t calls = 0;; ++calls) {
    SCOPED_TRACE(StrCat("power lost at call ", calls));
    FaultyFileSystem fs;
    ASSERT_TRUE(MakeDirectories(fs, "/var").ok());
    {
      auto db = KvStore::Open(fs, kPath, SmallOptions()).value();
      for (uint64_t n = 1; n <= 20; ++n) {
        KvBatch batch;
        batches.Fill(batch, n);
        ASSERT_TRUE(db->Write(batch, KvDurability::kNoSync).ok());
      }
    }
    fs.Inject({.let_pass = calls, .cut_power = true});
    const bool reopened = KvStore::Open(fs, kPath, SmallOptions()).ok();
    const bool power_was_lost = !fs.powered();
    fs.ClearFaults();
    fs.CutPower();
    fs.Restart(Survival::kRandom, random);
    auto db = KvStore::Open(fs, kPath, SmallOptions());
    ASSERT_TRUE(db.ok()) << db.error().message;
    EXPECT_EQ(batches.Check(**db), 20U);
    if (testing::Test::HasFailure() || !power_was_lost) {
      EXPECT_TRUE(reopened);
      EXPECT_GT(calls, 10U);
      break;
    }
  }
}

TEST(KvPowerLoss, ATornManifestIsNoDamage) {
  FaultyFileSystem fs;
  ASSERT_TRUE(fs.MakeDirectory("/var").ok());
  const NumberedBatches batches(6);
  {
    auto db = KvStore::Open(fs, kPath, SmallOptions()).value();
    KvBatch batch;
    batches.Fill(batch, 1);
    ASSERT_TRUE(db->Write(batch, KvDurability::kSync).ok());
  }
  const std::string current = ReadFile(fs, StrCat(kPath, "/CURRENT")).value();
  const std::string manifest = StrCat(kPath, '/', current.substr(0, current.size() - 1));
  const std::string content = ReadFile(fs, manifest).value();
  {
    // A record of 1,000 bytes of which only the first sector came to the disk.
    ASSERT_LT(content.size(), 500U);
    std::string torn("\x01\x02\x03\x04\xE8\x03\x01", 7);
    torn.resize(512 - content.size(), 'x');
    torn.resize(7 + 1000, '\0');
    auto file = fs.Open(manifest, OpenMode::kReadWrite).value();
    ASSERT_TRUE(file->WriteAt(content.size(), AsBytes(torn)).ok());
  }
  {
    auto db = KvStore::Open(fs, kPath, SmallOptions());
    ASSERT_TRUE(db.ok()) << db.error().message;
    EXPECT_EQ(batches.Check(**db), 1U);
  }
}

class IntactLogBytesTest : public testing::Test {
 protected:
  // A log of `records` batches of about `bytes` each, and where each of them ends.
  void MakeLog(int records, size_t bytes) {
    auto db = KvStore::Open(fs_, "/db", {}).value();
    const std::vector<std::string> names = fs_.List("/db").value();
    for (const std::string& name : names) {
      if (name.ends_with(".log")) log_ = "/db/" + name;
    }
    for (int i = 0; i < records; ++i) {
      KvBatch batch;
      batch.Put(StrCat("key", i), random_.Bytes(bytes));
      ASSERT_TRUE(db->Write(batch, KvDurability::kNoSync).ok());
      ends_.push_back(fs_.Stat(log_)->size_bytes);
    }
    db.reset();
    content_ = ReadFile(fs_, log_).value();
  }
  Result<uint64_t> Intact(std::string_view content) {
    auto file = fs_.Open("/copy", OpenMode::kCreateEmpty).value();
    EXPECT_TRUE(file->WriteAt(0, AsBytes(content)).ok());
    return IntactLogBytes(*file);
  }

  FaultyFileSystem fs_;
  SeededRandom random_{5};
  std::string log_;
  std::string content_;
  std::vector<uint64_t> ends_;
};

TEST_F(IntactLogBytesTest, AWholeLogIsIntact) {
  EXPECT_EQ(*Intact(""), 0U);
  MakeLog(200, 700);
  EXPECT_EQ(*Intact(content_), content_.size());
}

TEST_F(IntactLogBytesTest, ACutLogEndsWithinTheCutRecord) {
  MakeLog(12, 7000);
  for (size_t cut = 0; cut < content_.size(); cut += 41) {
    const auto intact = Intact(std::string_view(content_).substr(0, cut));
    ASSERT_TRUE(intact.ok()) << cut << ' ' << intact.error().message;
    EXPECT_LE(*intact, cut);
    // Whole batches before the cut are kept; a batch may lie in two blocks, so that its first piece is intact too.
    uint64_t whole = 0;
    for (const uint64_t end : ends_) {
      if (end <= cut) whole = end;
    }
    EXPECT_GE(*intact, whole);
  }
}

TEST_F(IntactLogBytesTest, AGapEndsTheLogWhateverFollows) {
  MakeLog(60, 3000);
  for (size_t page = 0; page * 4096 < content_.size(); ++page) {
    std::string torn = content_;
    const size_t length = std::min<size_t>(4096, torn.size() - page * 4096);
    torn.replace(page * 4096, length, length, '\0');
    const auto intact = Intact(torn);
    ASSERT_TRUE(intact.ok()) << page << ' ' << intact.error().message;
    EXPECT_LT(*intact, page * 4096 + length);
    EXPECT_GT(*intact + 7000, page * 4096);
  }
}

TEST_F(IntactLogBytesTest, EveryFlippedBitIsDamage) {
  MakeLog(30, 1500);
  int missed = 0;
  for (size_t at = 0; at < content_.size(); at += 23) {
    std::string damaged = content_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random_.Below(8)));
    const auto intact = Intact(damaged);
    if (intact.Is(Errc::kCorrupt)) continue;
    // A wrong length in the very last record looks as a file that was cut.
    EXPECT_GE(at, ends_[ends_.size() - 2]) << at;
    ++missed;
  }
  EXPECT_LE(missed, 1);
}

}  // namespace
}  // namespace pailfs
