#include "base/kv_store.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "base/str.h"
#include "tests/support/faulty_file_system.h"

namespace pailfs {
namespace {

constexpr char kPath[] = "/db";

class KvStoreTest : public testing::Test {
 protected:
  KvStoreTest() { Open(); }

  void Open() {
    auto opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    db_ = std::move(*opened);
  }
  Result<std::unique_ptr<KvStore>> TryOpen() {
    KvOptions options;
    options.write_buffer_bytes = 64 << 10;
    options.max_file_bytes = 1 << 20;
    return KvStore::Open(fs_, kPath, options);
  }
  Status Put(std::string_view key, std::string_view value, KvDurability durability = KvDurability::kNoSync) {
    KvBatch batch;
    batch.Put(key, value);
    return db_->Write(batch, durability);
  }
  std::string Get(std::string_view key) {
    const auto value = db_->Get(key);
    if (!value.ok()) return StrCat("ERROR ", value.error().message);
    return value->value_or("(absent)");
  }
  std::map<std::string, std::string> All() {
    std::map<std::string, std::string> all;
    KvIterator it = db_->NewIterator();
    for (it.SeekToFirst(); it.Valid(); it.Next()) all.emplace(it.key(), it.value());
    EXPECT_TRUE(it.status().ok());
    return all;
  }
  std::vector<std::string> FilesWith(std::string_view suffix) {
    std::vector<std::string> found;
    const std::vector<std::string> names = fs_.List(kPath).value();
    for (const std::string& name : names) {
      if (name.ends_with(suffix)) found.push_back(StrCat(kPath, '/', name));
    }
    return found;
  }
  void FlipBit(const std::string& path, uint64_t offset) {
    auto file = fs_.Open(path, OpenMode::kReadWrite).value();
    std::byte byte{};
    ASSERT_EQ(*file->ReadAt(offset, std::span(&byte, 1)), 1U);
    byte ^= std::byte{4};
    ASSERT_TRUE(file->WriteAt(offset, std::span(&byte, 1)).ok());
  }

  SeededRandom random_{42};
  FaultyFileSystem fs_;
  std::unique_ptr<KvStore> db_;
};

TEST_F(KvStoreTest, GetsWhatWasPut) {
  EXPECT_EQ(Get("a"), "(absent)");
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(Put("b", std::string("\0\xFF", 2)).ok());
  ASSERT_TRUE(Put("", "empty key").ok());
  ASSERT_TRUE(Put("c", "").ok());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), std::string("\0\xFF", 2));
  EXPECT_EQ(Get(""), "empty key");
  EXPECT_EQ(Get("c"), "");
}

TEST_F(KvStoreTest, LaterEntriesOfABatchWin) {
  KvBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put("a", "1");
  batch.Delete("a");
  batch.Delete("b");
  batch.Put("b", "2");
  EXPECT_EQ(batch.count(), 4U);
  ASSERT_TRUE(db_->Write(batch, KvDurability::kSync).ok());
  EXPECT_EQ(Get("a") + Get("b"), "(absent)2");
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  batch.Put("c", "3");
  KvBatch moved = std::move(batch);
  ASSERT_TRUE(db_->Write(moved, KvDurability::kNoSync).ok());
  EXPECT_EQ(Get("c"), "3");
}

TEST_F(KvStoreTest, OrderIsBytewiseBothWays) {
  const std::vector<std::string> sorted{
      "", std::string(1, '\0'), "a", std::string("a\0", 2), "aa", "b", "\x7F", "\x80", "\xFF"};
  for (auto key = sorted.rbegin(); key != sorted.rend(); ++key) ASSERT_TRUE(Put(*key, "x").ok());
  KvIterator it = db_->NewIterator();
  size_t at = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) EXPECT_EQ(it.key(), sorted.at(at++));
  EXPECT_EQ(at, sorted.size());
  for (it.SeekToLast(); it.Valid(); it.Prev()) EXPECT_EQ(it.key(), sorted.at(--at));
  EXPECT_EQ(at, 0U);
  it.Seek("ab");
  ASSERT_TRUE(it.Valid());
  EXPECT_EQ(it.key(), "b");
  it.Seek("\xFF\xFF");
  EXPECT_FALSE(it.Valid());
  EXPECT_TRUE(it.status().ok());
}

TEST_F(KvStoreTest, IteratorsSeeOneMoment) {
  ASSERT_TRUE(Put("a", "old").ok());
  std::vector<KvIterator> iterators = db_->NewIterators(2);
  const std::string filler(1000, 'x');
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(Put("a", StrCat(filler, i)).ok());  // over several logs and tables
  ASSERT_TRUE(Put("b", "new").ok());
  db_->CompactRange("", "\xFF");
  for (KvIterator& it : iterators) {
    it.SeekToFirst();
    ASSERT_TRUE(it.Valid());
    EXPECT_EQ(it.value(), "old");
    it.Next();
    EXPECT_FALSE(it.Valid());
  }
}

TEST_F(KvStoreTest, CountsTheEntriesSteppedOver) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(Put(key, "").ok());
  const uint64_t before = db_->iterator_steps();
  KvIterator it = db_->NewIterator();
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
  }
  EXPECT_EQ(db_->iterator_steps() - before, 3U);
}

TEST_F(KvStoreTest, EqualsAMapAfterRandomBatchesAndReopenings) {
  std::map<std::string, std::string> model;
  for (int round = 0; round < 400; ++round) {
    KvBatch batch;
    for (uint64_t n = 1 + random_.Below(20); n > 0; --n) {
      const std::string key = StrCat("key", random_.Below(300));
      if (random_.OneIn(3)) {
        batch.Delete(key);
        model.erase(key);
      } else {
        const std::string value = random_.Bytes(random_.OneIn(50) ? 70'000 : random_.Below(300));
        batch.Put(key, value);
        model[key] = value;
      }
    }
    ASSERT_TRUE(db_->Write(batch, random_.OneIn(10) ? KvDurability::kSync : KvDurability::kNoSync).ok());
    if (random_.OneIn(50)) {
      db_.reset();
      Open();
    }
  }
  EXPECT_TRUE(All() == model);
  db_->CompactRange("key0", "key5");
  EXPECT_TRUE(All() == model);
}

TEST_F(KvStoreTest, UnsyncedBatchesSurviveTheProcess) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put(StrCat("key", i), "value").ok());
  fs_.CutPower();  // nothing of the end of the process reaches the disk
  db_.reset();
  fs_.Restart(Survival::kEverything, random_);
  Open();
  EXPECT_EQ(All().size(), 100U);
}

TEST_F(KvStoreTest, ApproximateBytesAndCompaction) {
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(Put(StrCat("a", i), random_.Bytes(1000)).ok());
  db_->CompactRange("", "\xFF");
  EXPECT_GT(db_->ApproximateBytes("a", "b"), 400'000U);
  EXPECT_LT(db_->ApproximateBytes("b", "c"), 10'000U);
  for (int i = 0; i < 500; ++i) {
    KvBatch batch;
    batch.Delete(StrCat("a", i));
    ASSERT_TRUE(db_->Write(batch, KvDurability::kNoSync).ok());
  }
  db_->CompactRange("", "\xFF");
  EXPECT_LT(db_->ApproximateBytes("a", "b"), 10'000U);
}

TEST_F(KvStoreTest, ASecondHolderIsRefusedByPid) {
  const auto second = TryOpen();
  ASSERT_TRUE(second.Is(Errc::kBusy)) << second.ok();
  EXPECT_NE(second.error().message.find(StrCat("process ", getpid())), std::string::npos) << second.error().message;
}

TEST_F(KvStoreTest, OpensOnlyWhatIsThereWhenAskedTo) {
  KvOptions options;
  options.create_if_missing = false;
  const auto opened = KvStore::Open(fs_, "/other", options);
  ASSERT_TRUE(opened.Is(Errc::kNotFound)) << (opened.ok() ? "" : opened.error().message);
}

TEST_F(KvStoreTest, DamageInTheLogIsFound) {
  // Intact records follow it, and there is no gap: no power loss does that.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(StrCat("key", i), std::string(500, 'v')).ok());
  db_.reset();
  const std::string log = FilesWith(".log").at(0);
  const uint64_t size = fs_.Stat(log)->size_bytes;
  ASSERT_GT(size, 20'000U);
  for (uint64_t offset = 0; offset < size - 600; offset += 97) {
    FlipBit(log, offset);
    const auto opened = TryOpen();
    ASSERT_TRUE(opened.Is(Errc::kCorrupt)) << "byte " << offset;
    EXPECT_NE(opened.error().message.find(log), std::string::npos) << opened.error().message;
    FlipBit(log, offset);
  }
  Open();
  EXPECT_EQ(All().size(), 50U);
}

TEST_F(KvStoreTest, DamageInATableIsFound) {
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(Put(StrCat("key", 1000 + i), random_.Bytes(500)).ok());
  db_->CompactRange("", "\xFF");
  db_.reset();
  const std::vector<std::string> tables = FilesWith(".ldb");
  ASSERT_FALSE(tables.empty());
  const std::string& table = tables.front();
  const uint64_t size = fs_.Stat(table)->size_bytes;
  for (uint64_t offset = 10; offset < size; offset += 4999) {
    FlipBit(table, offset);
    auto opened = TryOpen();
    if (opened.ok()) {
      db_ = std::move(*opened);
      KvIterator it = db_->NewIterator();
      int count = 0;
      bool found = false;
      for (it.SeekToFirst(); it.Valid(); it.Next()) ++count;
      found = it.status().Is(Errc::kCorrupt);
      for (int i = 0; i < 300; ++i) {
        const auto value = db_->Get(StrCat("key", 1000 + i));
        found = found || value.Is(Errc::kCorrupt);
        ASSERT_TRUE(value.Is(Errc::kCorrupt) || (value.ok() && value->has_value())) << "a key went missing silently";
      }
      // The Bloom filter is not checked by anything: a damaged bit of it may only say "perhaps".
      EXPECT_TRUE(found || count == 300) << "byte " << offset;
    } else {
      EXPECT_TRUE(opened.Is(Errc::kCorrupt)) << opened.error().message;
      EXPECT_NE(opened.error().message.find(kPath), std::string::npos) << opened.error().message;
    }
    db_.reset();
    FlipBit(table, offset);
  }
}

TEST_F(KvStoreTest, AMissingTableIsNoMissingKey) {
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(Put(StrCat("key", i), random_.Bytes(500)).ok());
  db_->CompactRange("", "\xFF");
  db_.reset();
  Open();
  const std::vector<std::string> tables = FilesWith(".ldb");
  for (const std::string& table : tables) ASSERT_TRUE(fs_.Unlink(table).ok());
  EXPECT_TRUE(db_->Get("key7").Is(Errc::kCorrupt)) << Get("key7");
  db_.reset();
  EXPECT_TRUE(TryOpen().Is(Errc::kCorrupt));
}

TEST_F(KvStoreTest, AFailedLogWriteIsNotBuiltUpon) {
  ASSERT_TRUE(Put("before", "1").ok());
  fs_.Inject({.call = FsCall::kWrite, .path_part = ".log"});
  EXPECT_TRUE(Put("lost", std::string(50'000, 'x')).Is(Errc::kIo));
  EXPECT_EQ(Get("lost"), "(absent)");
  EXPECT_TRUE(Put("after", "2").Is(Errc::kIo)) << "behind a torn record nothing would be read again";
  EXPECT_EQ(Get("before"), "1");
  db_.reset();
  Open();
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"before", "1"}}));
  EXPECT_TRUE(Put("after", "2").ok());
}

TEST_F(KvStoreTest, AFailedSyncOfAFullLogIsNotForgotten) {
  ASSERT_TRUE(Put("first", "1").ok());
  fs_.Inject({.call = FsCall::kSync, .path_part = ".log"});
  // The log is synced for the first time when it is full; from then on no write may claim that the earlier ones are
  // safe.
  int accepted = 0;
  while (accepted < 1000 && Put(StrCat("key", accepted), std::string(1000, 'x')).ok()) ++accepted;
  EXPECT_LT(accepted, 1000);
  EXPECT_TRUE(Put("last", "1", KvDurability::kSync).Is(Errc::kIo));
}

TEST_F(KvStoreTest, AFullDiskRefusesAndKeeps) {
  fs_.SetCapacity(fs_.UsedBytes() + (1 << 20));
  int accepted = 0;
  Status status;
  for (; accepted < 10'000; ++accepted) {
    status = Put(StrCat("key", accepted), random_.Bytes(1000));
    if (!status.ok()) break;
  }
  EXPECT_TRUE(status.Is(Errc::kNoSpace)) << (status.ok() ? "" : status.error().message);
  db_.reset();
  fs_.SetCapacity(1 << 30);
  Open();
  for (int i = 0; i < accepted; ++i) ASSERT_EQ(Get(StrCat("key", i)).size(), 1000U) << i;
  EXPECT_LE(All().size(), static_cast<size_t>(accepted) + 1);
}

TEST(BigEndian, OrderIsNumericOrder) {
  SeededRandom random(7);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t a = random.Next() >> random.Below(64);
    const uint64_t b = random.Next() >> random.Below(64);
    std::string text_a;
    std::string text_b;
    PutBig64(text_a, a);
    PutBig64(text_b, b);
    EXPECT_EQ(GetBig64(text_a), a);
    EXPECT_EQ(text_a < text_b, a < b);
    std::string text_32;
    PutBig32(text_32, static_cast<uint32_t>(a));
    EXPECT_EQ(GetBig32(text_32), static_cast<uint32_t>(a));
    EXPECT_EQ(text_32.size(), 4U);
  }
}

}  // namespace
}  // namespace pailfs
