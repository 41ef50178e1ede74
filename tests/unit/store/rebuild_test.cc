// The index made anew from the volumes is the index that there was.

#include <gtest/gtest.h>

#include "base/str.h"
#include "store/index_keys.h"
#include "store/volume_reader.h"
#include "tests/unit/store/store_harness.h"

namespace pailfs::store {
namespace {

const std::string& Directory() {
  return StoreHarness::kDirectory;
}

TEST(RebuildTest, TheIndexComesBackRowByRow) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    StoreHarness harness(seed);
    harness.RandomHistory(120, /*compacting=*/seed % 2 == 0);
    const auto contents = harness.Contents();
    harness.Close();
    const auto before = harness.Rows();
    ASSERT_OK(RebuildIndex(harness.files, Directory()));
    ASSERT_TRUE(harness.Rows() == before);
    EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
    harness.Open();
    EXPECT_TRUE(harness.Contents() == contents);
    // Numbers go on behind the old ones.
    harness.RandomHistory(40, /*compacting=*/true);
    harness.Close();
    EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
    if (testing::Test::HasFailure()) return;
  }
}

TEST(RebuildTest, AfterPowerLossNothingAcknowledgedIsMissing) {
  for (uint64_t seed = 100; seed < 125; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    StoreHarness harness(seed);
    harness.RandomHistory(60, /*compacting=*/true);
    const auto contents = harness.Contents();
    harness.LosePower(Survival::kRandom);
    ASSERT_OK(RebuildIndex(harness.files, Directory()));
    harness.Open();
    ASSERT_TRUE(harness.Contents() == contents);
    harness.Close();
    EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
  }
}

TEST(RebuildTest, ALostIndexIsNoLoss) {
  StoreHarness harness;
  harness.RandomHistory(80, /*compacting=*/true);
  const auto contents = harness.Contents();
  harness.Close();
  ASSERT_OK(RemoveTree(harness.files, IndexPath(Directory())));
  EXPECT_NE(harness.Findings(CheckLevel::kQuick).find("index-missing"), std::string::npos);
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  harness.Open();
  EXPECT_TRUE(harness.Contents() == contents);
}

TEST(RebuildTest, TheOldIndexIsKept) {
  StoreHarness harness;
  harness.Put("k", "x");
  harness.Close();
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  for (const std::string name : {"/index.old-1", "/index.old-2"}) {
    const auto exists = harness.files.Exists(Directory() + name);
    ASSERT_OK(exists);
    EXPECT_TRUE(*exists) << name;
  }
}

TEST(RebuildTest, AStoreInUseIsLeftAlone) {
  StoreHarness harness;
  harness.Put("k", "x");
  EXPECT_TRUE(RebuildIndex(harness.files, Directory()).Is(Errc::kBusy));
  EXPECT_TRUE(CheckStore(harness.files, Directory(), CheckLevel::kQuick).Is(Errc::kBusy));
}

TEST(RebuildTest, WithoutAStoreThereIsNothingToRebuild) {
  FaultyFileSystem files;
  EXPECT_TRUE(RebuildIndex(files, "/nothing").Is(Errc::kNotFound));
  EXPECT_TRUE(CheckStore(files, "/nothing", CheckLevel::kQuick).Is(Errc::kNotFound));
}

// What a damaged batch held is lost; what lies behind it is not, and no body file is taken for an orphan.
TEST(RebuildTest, DamageInTheMiddleCostsOnlyItsOwnBatch) {
  StoreHarness harness;
  harness.Put("before", "1");
  const std::string large = Bytes(1, 20'000);
  harness.Put("damaged", large);
  harness.Put("behind", "3");
  harness.Close();
  // One commit is one batch here: the bucket, before, damaged, behind.
  harness.FlipByte(VolumePath(Directory(), 1), kVolumeAlignment * 3 + kBatchHeaderBytes + 20);
  EXPECT_NE(harness.Findings(CheckLevel::kIndex).find("volume-damaged"), std::string::npos);
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  harness.Open();
  const auto contents = harness.Contents();
  EXPECT_EQ(contents.size(), 2U);
  for (const auto& [version, content] : contents) EXPECT_NE(version.find("be"), std::string::npos) << version;
  const auto exists = harness.files.Exists(BodyPath(Directory(), 2));
  ASSERT_OK(exists);
  EXPECT_TRUE(*exists);
}

// A deletion counts though the volume that it contradicts is older and was not compacted.
TEST(RebuildTest, DeletionsSurviveTheCompactionOfTheirVolume) {
  StoreHarness harness;
  std::vector<std::string> gone;
  for (int i = 0; i < 40; ++i) {
    const std::string key = StrCat("key", i);
    const std::string id = harness.Put(key, Bytes(static_cast<uint64_t>(i), 3300)).version_id;
    if (i % 5 != 0) continue;
    gone.push_back(key);
    // In a later volume.
    for (int n = 0; n < 12 && i >= 35; ++n) harness.Put("filler", Bytes(7, 3000));
    if (i < 35) continue;
    for (const ObjectInfo& version : harness.Versions()) {
      for (const std::string& each : gone) {
        if (version.key == each) harness.Delete(version.key, version.version_id);
      }
      if (version.key == "filler" && !version.is_latest) harness.Delete(version.key, version.version_id);
    }
  }
  for (int n = 0; n < 30; ++n) harness.Put("more", Bytes(7, 3000));
  const auto contents = harness.Contents();
  const auto compacted = harness.store->Compact(50);
  ASSERT_OK(compacted);
  EXPECT_GT(compacted->volumes_removed, 0U);
  const auto first = harness.files.Exists(VolumePath(Directory(), 1));
  ASSERT_TRUE(first.ok() && *first) << "the test needs the first volume to stay";
  harness.Close();
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
  harness.Open();
  EXPECT_TRUE(harness.Contents() == contents);
}

}  // namespace
}  // namespace pailfs::store
