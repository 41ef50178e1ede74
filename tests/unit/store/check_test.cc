// One planted damage for each code of the check, and silence about healthy stores.

#include "store/check.h"

#include <gtest/gtest.h>

#include <functional>

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
constexpr BucketId kBucket = 1;

TEST(CheckTest, HealthyStoresHaveNoFindings) {
  for (uint64_t seed = 400; seed < 420; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    StoreHarness harness(seed);
    harness.RandomHistory(100, /*compacting=*/true);
    harness.Close();
    ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
  }
}

TEST(CheckTest, NorHaveThoseThatLostPower) {
  for (uint64_t seed = 500; seed < 520; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    StoreHarness harness(seed);
    harness.RandomHistory(60, /*compacting=*/true);
    harness.LosePower(static_cast<Survival>(seed % 3));
    ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
    harness.Open();
    harness.Close();
    ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
  }
}

TEST(CheckTest, AnEmptyStoreIsHealthy) {
  StoreHarness harness;
  harness.Close();
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
}

TEST(CheckTest, TheReportCounts) {
  StoreHarness harness;
  harness.Put("a", Bytes(1, 100));
  harness.Put("a", Bytes(1, 200));
  harness.Put("b", Bytes(1, 20'000));
  harness.Delete("c");
  harness.Close();
  const CheckReport report = harness.Check(CheckLevel::kData);
  EXPECT_EQ(report.objects, 2U);
  EXPECT_EQ(report.versions, 4U);
  EXPECT_EQ(report.bodies, 3U);
  EXPECT_EQ(report.bytes_verified, 100U + 200U + 4U + 20'000U);
}

// --- planted damage ---

struct Planted {
  std::string code;
  CheckLevel level = CheckLevel::kIndex;
  std::function<void(StoreHarness&)> plant;
  std::string object;  // what the finding must name, if it is about an object
};
void PrintTo(const Planted& planted, std::ostream* out) {
  *out << planted.code;
}

// The row of the current version of `key`.
std::string Current(const std::string& key) {
  return CurrentRow(kBucket, key);
}

pb::Version VersionAt(StoreHarness& harness, const std::string& row) {
  pb::Version version;
  EXPECT_TRUE(version.ParseFromString(harness.Payload(row)));
  return version;
}
pb::Body BodyOf(StoreHarness& harness, const std::string& key) {
  pb::Body body;
  EXPECT_TRUE(body.ParseFromString(harness.Payload(BodyRow(VersionAt(harness, Current(key)).body()))));
  return body;
}
void ChangeVersion(StoreHarness& harness, const std::string& row, const std::function<void(pb::Version&)>& change) {
  pb::Version version = VersionAt(harness, row);
  change(version);
  harness.SetPayload(row, version.SerializeAsString());
}
void ChangeBody(StoreHarness& harness, const std::string& key, const std::function<void(pb::Body&)>& change) {
  const BodyId id = VersionAt(harness, Current(key)).body();
  pb::Body body = BodyOf(harness, key);
  change(body);
  harness.SetPayload(BodyRow(id), body.SerializeAsString());
}
std::string BodyFile(StoreHarness& harness, const std::string& key) {
  return BodyPath(Directory(), VersionAt(harness, Current(key)).body());
}

// "small" is packed, "large" a file, "shared" and "twin" share a body, "parts" is a composite, "old" has two versions,
// "gone" a marker, "null" a null version under another one; one upload is under way.
void FillForDamage(StoreHarness& harness) {
  harness.Put("small", Bytes(1, 2000));
  harness.Put("large", Bytes(2, 200'000));
  harness.Put("shared", Bytes(3, 3000));
  harness.Copy("shared", "twin");
  harness.PutParts("parts", 3, "large");
  harness.Put("old", Bytes(4, 10));
  harness.Put("old", Bytes(5, 20));
  harness.Put("gone", Bytes(6, 30));
  harness.Delete("gone");
  ASSERT_OK(harness.store->SetVersioning("bucket", VersioningState::kSuspended));
  harness.Put("null", Bytes(7, 40));
  ASSERT_OK(harness.store->SetVersioning("bucket", VersioningState::kEnabled));
  harness.Put("null", Bytes(8, 50));
  const auto upload = harness.bucket->CreateMultipartUpload(harness.ctx, "upload", {});
  ASSERT_OK(upload);
  const std::string data = Bytes(9, 500);
  StringBody body(data);
  ASSERT_OK(harness.bucket->UploadPart(harness.ctx, "upload", *upload, 1, body));
  harness.Close();
}

std::vector<Planted> PlantedInFiles() {
  return {
      {"format-damaged", CheckLevel::kQuick,
       [](StoreHarness& h) { EXPECT_OK(WriteFileDurably(h.files, FormatPath(Directory()), "nonsense\n")); }, ""},
      {"volume-superblock", CheckLevel::kQuick, [](StoreHarness& h) { h.FlipByte(VolumePath(Directory(), 1), 30); },
       ""},
      {"volume-foreign", CheckLevel::kQuick,
       [](StoreHarness& h) {
         const auto bytes = ReadFile(h.files, VolumePath(Directory(), 1));
         ASSERT_OK(bytes);
         EXPECT_OK(WriteFileDurably(h.files, VolumePath(Directory(), 99), *bytes));
       },
       ""},
      {"volume-damaged", CheckLevel::kIndex,
       [](StoreHarness& h) { h.FlipByte(VolumePath(Directory(), 1), 2 * kVolumeAlignment + 10); }, ""},
      {"volume-missing", CheckLevel::kQuick,
       [](StoreHarness& h) { EXPECT_OK(h.files.Unlink(VolumePath(Directory(), 1))); }, "bucket/small"},
      {"index-missing", CheckLevel::kQuick,
       [](StoreHarness& h) { EXPECT_OK(RemoveTree(h.files, IndexPath(Directory()))); }, ""},
      {"index-damaged", CheckLevel::kQuick,
       [](StoreHarness& h) {
         EXPECT_OK(WriteFileDurably(h.files, IndexPath(Directory()) + "/CURRENT", "MANIFEST-999999\n"));
       },
       ""},
      {"checkpoint-damaged", CheckLevel::kQuick, [](StoreHarness& h) { h.SetRow(AppliedRow(), "nonsense"); }, ""},
      {"body-missing", CheckLevel::kQuick, [](StoreHarness& h) { EXPECT_OK(h.files.Unlink(BodyFile(h, "large"))); },
       "bucket/large"},
      {"body-size", CheckLevel::kQuick,
       [](StoreHarness& h) {
         const auto file = h.files.Open(BodyFile(h, "large"), OpenMode::kReadWrite);
         ASSERT_OK(file);
         EXPECT_OK((*file)->Truncate(100'000));
       },
       "bucket/large"},
      {"body-place", CheckLevel::kQuick,
       [](StoreHarness& h) { ChangeBody(h, "small", [](pb::Body& body) { body.set_offset(1ULL << 40); }); },
       "bucket/small"},
      {"body-orphan", CheckLevel::kIndex,
       [](StoreHarness& h) {
         const std::string path = BodyFile(h, "large");
         EXPECT_OK(WriteFileDurably(h.files, path.substr(0, path.rfind('/')) + "/stray", "bytes"));
       },
       ""},
      {"needle-damaged", CheckLevel::kData,
       [](StoreHarness& h) {
         const pb::Body body = BodyOf(h, "small");
         h.FlipByte(VolumePath(Directory(), body.volume()), body.offset() + 1000);
       },
       "bucket/small"},
      {"needle-damaged", CheckLevel::kData,
       [](StoreHarness& h) { ChangeBody(h, "small", [](pb::Body& body) { body.set_sums(0, 12345); }); },
       "bucket/small"},
      {"sums-damaged", CheckLevel::kData,
       [](StoreHarness& h) {
         const pb::Body body = BodyOf(h, "large");
         h.FlipByte(VolumePath(Directory(), body.volume()), body.offset() + 5);
       },
       "bucket/large"},
      {"block-damaged", CheckLevel::kData, [](StoreHarness& h) { h.FlipByte(BodyFile(h, "large"), 150'000); },
       "bucket/large"},
  };
}

std::vector<Planted> PlantedInRows() {
  return {
      {"row-damaged", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(Current("small"), "no envelope"); },
       "bucket/small"},
      {"row-damaged", CheckLevel::kIndex, [](StoreHarness& h) { h.SetPayload(BodyRow(1), "\xff\xff not a message"); },
       ""},
      {"version-damaged", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeVersion(h, Current("small"), [](pb::Version& v) { v.set_marker(true); }); },
       "bucket/small"},
      {"version-damaged", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeVersion(h, h.FirstRow("V"), [](pb::Version& v) { v.set_seq(v.seq() + 1); }); },
       "bucket/gone"},
      {"version-order", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeVersion(h, Current("old"), [](pb::Version& v) { v.set_seq(1); }); }, "bucket/old"},
      {"version-order", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(Current("old"), std::nullopt); },
       "bucket/old"},
      {"null-row", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(NullRow(kBucket, "null"), std::nullopt); },
       "bucket/null"},
      {"null-row", CheckLevel::kIndex,
       [](StoreHarness& h) { h.SetPayload(NullRow(kBucket, "small"), std::string(8, '\1')); }, "bucket/small"},
      {"null-row", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeVersion(h, Current("null"), [](pb::Version& v) { v.set_null_version(true); }); },
       "bucket/null"},
      {"interval", CheckLevel::kIndex,
       [](StoreHarness& h) {
         ChangeVersion(h, Current("small"), [](pb::Version& v) { v.mutable_intervals(0)->set_to_us(9); });
       },
       "bucket/small"},
      {"interval", CheckLevel::kIndex,
       [](StoreHarness& h) {
         const std::string prefix = VersionsOfRow(kBucket, "old");
         ChangeVersion(h, h.FirstRow(prefix), [](pb::Version& v) { v.mutable_intervals(0)->set_to_us(0); });
       },
       "bucket/old"},
      {"body-lost", CheckLevel::kIndex,
       [](StoreHarness& h) { h.SetRow(BodyRow(VersionAt(h, Current("small")).body()), std::nullopt); }, "bucket/small"},
      {"body-length", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeVersion(h, Current("small"), [](pb::Version& v) { v.set_size(v.size() + 1); }); },
       "bucket/small"},
      {"reference-missing", CheckLevel::kIndex,
       [](StoreHarness& h) {
         const pb::Version twin = VersionAt(h, Current("twin"));
         h.SetRow(VersionReferenceRow(twin.body(), kBucket, "twin", twin.seq()), std::nullopt);
       },
       "bucket/twin"},
      {"reference-missing", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeBody(h, "shared", [](pb::Body& body) { body.set_shared(false); }); },
       "bucket/shared"},
      {"reference-stale", CheckLevel::kIndex,
       [](StoreHarness& h) {
         h.SetPayload(VersionReferenceRow(VersionAt(h, Current("shared")).body(), kBucket, "nobody", 1), "");
       },
       "bucket/shared"},
      {"body-leaked", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(Current("small"), std::nullopt); }, ""},
      {"garbage-live", CheckLevel::kIndex,
       [](StoreHarness& h) { h.SetPayload(GarbageRow(1, VersionAt(h, Current("small")).body()), ""); }, "bucket/small"},
      {"composite", CheckLevel::kIndex,
       [](StoreHarness& h) {
         ChangeBody(h, "parts", [](pb::Body& body) { body.mutable_segments(0)->set_length(4999); });
       },
       "bucket/parts"},
      {"upload-parts", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(h.FirstRow("U"), std::nullopt); }, ""},
      {"bucket-missing", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(BucketNameRow("bucket"), std::nullopt); },
       ""},
      {"counts", CheckLevel::kIndex, [](StoreHarness& h) { h.SetPayload(CountsRow(kBucket), std::string(16, '\0')); },
       "bucket"},
      {"index-stale", CheckLevel::kIndex, [](StoreHarness& h) { h.SetRow(Current("small"), std::nullopt); },
       "bucket/small"},
      {"index-extra", CheckLevel::kIndex,
       [](StoreHarness& h) { h.SetPayload(Current("made up"), h.Payload(Current("small"))); }, "bucket/made up"},
      {"index-differs", CheckLevel::kIndex,
       [](StoreHarness& h) { ChangeVersion(h, Current("small"), [](pb::Version& v) { v.set_etag("other"); }); },
       "bucket/small"},
  };
}

class PlantedDamageTest : public testing::TestWithParam<Planted> {};

TEST_P(PlantedDamageTest, IsFound) {
  StoreHarness harness;
  FillForDamage(harness);
  ASSERT_EQ(harness.Findings(CheckLevel::kData), "");
  GetParam().plant(harness);
  const CheckReport report = harness.Check(GetParam().level);
  EXPECT_EQ(report.finding_count, report.findings.size());
  std::string all;
  bool found = false;
  for (const Finding& finding : report.findings) {
    all += StrCat(finding.code, ": ", finding.object, "\n");
    EXPECT_NE(finding.effect, "");
    EXPECT_NE(finding.repair, "");
    const bool named = GetParam().object.empty() || finding.object.find(GetParam().object) != std::string::npos;
    found = found || (finding.code == GetParam().code && named);
  }
  EXPECT_TRUE(found) << all;
}

std::string PlantedName(const testing::TestParamInfo<Planted>& info) {
  std::string name = StrCat(info.index, info.param.code);
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, PlantedDamageTest, testing::ValuesIn(PlantedInFiles()), PlantedName);
INSTANTIATE_TEST_SUITE_P(Rows, PlantedDamageTest, testing::ValuesIn(PlantedInRows()), PlantedName);

// What only the index has wrong, a rebuild puts right.
class RepairedDamageTest : public testing::TestWithParam<Planted> {};

TEST_P(RepairedDamageTest, ByRebuilding) {
  StoreHarness harness;
  FillForDamage(harness);
  harness.Open();
  const auto contents = harness.Contents();
  harness.Close();
  GetParam().plant(harness);
  ASSERT_OK(RebuildIndex(harness.files, Directory()));
  EXPECT_EQ(harness.Findings(CheckLevel::kData), "");
  harness.Open();
  EXPECT_TRUE(harness.Contents() == contents);
}

INSTANTIATE_TEST_SUITE_P(Rows, RepairedDamageTest, testing::ValuesIn(PlantedInRows()), PlantedName);

TEST(CheckTest, ManyFindingsAreCountedAndCutOff) {
  StoreHarness harness;
  for (int i = 0; i < 1100; ++i) harness.Put(StrCat("key", i), "x");
  harness.Close();
  EXPECT_OK(RemoveTree(harness.files, VolumesPath(Directory())));
  EXPECT_OK(harness.files.MakeDirectory(VolumesPath(Directory())));
  const CheckReport report = harness.Check(CheckLevel::kQuick);
  EXPECT_EQ(report.findings.size(), kMostFindings);
  EXPECT_GE(report.finding_count, 1100U);
}

}  // namespace
}  // namespace pailfs::store
