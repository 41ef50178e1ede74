#include "tests/unit/store/store_harness.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/str.h"
#include "store/index_keys.h"
#include "store/volume_reader.h"

namespace pailfs::store {

EmbeddedStoreOptions SmallOptions() {
  EmbeddedStoreOptions options;
  options.packed_bytes = 4096;
  options.volume_bytes = 64 << 10;
  options.allocate_bytes = 16 << 10;
  options.checkpoint_bytes = 48 << 10;
  options.ballast_bytes = 0;
  options.min_part_bytes = 1000;
  return options;
}

std::string Bytes(uint64_t seed, size_t size) {
  return SeededRandom(seed).Bytes(size);
}

void StoreHarness::Open(VersioningState versioning) {
  auto opened = EmbeddedStore::Open(files, clock, random, metrics, kDirectory, options);
  EXPECT_OK(opened);
  if (!opened.ok()) std::abort();
  store = std::move(*opened);
  auto found = store->OpenBucket("bucket");
  if (found.Is(Errc::kNotFound)) {
    EXPECT_OK(store->CreateBucket("bucket", versioning));
    found = store->OpenBucket("bucket");
  }
  EXPECT_OK(found);
  if (!found.ok()) std::abort();
  bucket = std::move(*found);
}

void StoreHarness::Close() {
  bucket.reset();
  store.reset();
}

void StoreHarness::LosePower(Survival survival) {
  files.CutPower();
  Close();
  files.Restart(survival, random);
  files.ClearFaults();
}

PutResult StoreHarness::Put(const std::string& key, const std::string& data) {
  StringBody body(data);
  auto put = bucket->Put(ctx, key, body, {});
  EXPECT_OK(put);
  return put.ok() ? *put : PutResult{};
}

void StoreHarness::Delete(const std::string& key, const std::string& version_id) {
  EXPECT_OK(bucket->Delete(ctx, {key, version_id, {}}));
}

void StoreHarness::Copy(const std::string& from, const std::string& to) {
  EXPECT_OK(bucket->Copy(ctx, from, to, {}));
}

void StoreHarness::PutParts(const std::string& key, int parts, const std::string& source) {
  const auto upload = bucket->CreateMultipartUpload(ctx, key, {});
  EXPECT_OK(upload);
  if (!upload.ok()) return;
  std::vector<UploadedPart> done;
  for (int number = 1; number <= parts; ++number) {
    const std::string data = Bytes(static_cast<uint64_t>(number), 5000);
    StringBody body(data);
    const bool copied = number == parts && !source.empty();
    const auto part = copied ? bucket->UploadPartCopy(ctx, key, *upload, number, {source, "", {}, {0, 1000}})
                             : bucket->UploadPart(ctx, key, *upload, number, body);
    EXPECT_OK(part);
    if (part.ok()) done.push_back(*part);
  }
  EXPECT_OK(bucket->CompleteMultipartUpload(ctx, key, *upload, done, {}));
}

std::vector<ObjectInfo> StoreHarness::Versions() {
  std::vector<ObjectInfo> versions;
  ListVersionsRequest request;
  for (;;) {
    const auto page = bucket->ListVersions(ctx, request);
    EXPECT_OK(page);
    if (!page.ok()) return versions;
    versions.insert(versions.end(), page->versions.begin(), page->versions.end());
    if (!page->truncated) return versions;
    request.key_marker = page->next_key_marker;
    request.version_id_marker = page->next_version_id_marker;
  }
}

std::map<std::string, std::string> StoreHarness::Contents() {
  std::map<std::string, std::string> contents;
  for (const ObjectInfo& version : Versions()) {
    std::string& content = contents[StrCat(version.key, ' ', version.version_id, version.is_latest ? " latest" : "")];
    if (version.is_delete_marker) {
      content = "marker";
      continue;
    }
    GetOptions get;
    get.version.version_id = version.version_id;
    StringSink sink;
    const auto got = bucket->Get(ctx, version.key, get, sink);
    EXPECT_OK(got);
    content = sink.data();
  }
  return contents;
}

void StoreHarness::RandomHistory(int steps, bool compacting) {
  static const std::vector<size_t> sizes = {0, 10, 700, 3000, 4096, 4097, 9000, 70'000};
  const auto key = [this] { return StrCat("key", random.Below(12)); };
  for (int step = 0; step < steps; ++step) {
    const uint64_t dice = random.Below(100);
    const std::string name = key();
    if (dice < 40) {
      Put(name, Bytes(random.Next(), sizes[random.Below(sizes.size())]));
    } else if (dice < 55) {
      Delete(name);
    } else if (dice < 75) {
      const auto versions = Versions();
      if (versions.empty()) continue;
      const ObjectInfo& version = versions[random.Below(versions.size())];
      Delete(version.key, version.version_id);
    } else if (dice < 85) {
      const auto copied = bucket->Copy(ctx, name, key() + "c", {});
      EXPECT_TRUE(copied.ok() || copied.Is(Errc::kNotFound));
    } else if (dice < 92) {
      const std::string source = key();
      const auto head = bucket->Head(ctx, source, {});
      PutParts(name, 2, head.ok() && head->size_bytes >= 1000 ? source : "");
    } else if (dice < 95) {
      EXPECT_OK(store->Checkpoint());
    } else if (dice < 97) {
      Close();
      Open();
    } else if (compacting) {
      EXPECT_OK(store->Compact(30));
    }
  }
}

// --- the closed store ---

namespace {

std::unique_ptr<KvStore> OpenIndex(FileSystem& files) {
  auto opened = KvStore::Open(files, IndexPath(StoreHarness::kDirectory), IndexOptions());
  EXPECT_OK(opened);
  if (!opened.ok()) std::abort();
  return std::move(*opened);
}

}  // namespace

std::map<std::string, std::string> StoreHarness::Rows() {
  const auto index = OpenIndex(files);
  std::map<std::string, std::string> rows;
  KvIterator it = index->NewIterator();
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (it.key() != AppliedRow()) rows.emplace(it.key(), it.value());
  }
  EXPECT_OK(it.status());
  return rows;
}

void StoreHarness::SetRow(const std::string& row, std::optional<std::string> value) {
  const auto index = OpenIndex(files);
  KvBatch batch;
  if (value) {
    batch.Put(row, *value);
  } else {
    batch.Delete(row);
  }
  EXPECT_OK(index->Write(batch, KvDurability::kSync));
}

void StoreHarness::SetPayload(const std::string& row, std::string_view payload) {
  SetRow(row, SealValue(row, 1, payload));
}

std::string StoreHarness::Payload(const std::string& row) {
  const auto index = OpenIndex(files);
  const auto value = index->Get(row);
  EXPECT_OK(value);
  EXPECT_TRUE(value.ok() && value->has_value()) << "no row";
  if (!value.ok() || !*value) return "";
  const auto opened = OpenValue(row, **value);
  EXPECT_OK(opened);
  return opened.ok() ? std::string(opened->payload) : "";
}

std::string StoreHarness::FirstRow(std::string_view table) {
  const auto index = OpenIndex(files);
  KvIterator it = index->NewIterator();
  it.Seek(table);
  EXPECT_TRUE(it.Valid() && it.key().starts_with(table)) << "no row of table " << table;
  return it.Valid() ? std::string(it.key()) : "";
}

void StoreHarness::FlipByte(const std::string& path, uint64_t offset) {
  const auto file = files.Open(path, OpenMode::kReadWrite);
  ASSERT_OK(file);
  std::byte byte{};
  const auto got = (*file)->ReadAt(offset, std::span(&byte, 1));
  ASSERT_TRUE(got.ok() && *got == 1) << path << " has no offset " << offset;
  byte ^= std::byte{0x10};
  ASSERT_OK((*file)->WriteAt(offset, std::span(&byte, 1)));
}

CheckReport StoreHarness::Check(CheckLevel level) {
  auto report = CheckStore(files, kDirectory, level);
  EXPECT_OK(report);
  return report.ok() ? *report : CheckReport{};
}

std::string StoreHarness::Findings(CheckLevel level) {
  std::string text;
  for (const Finding& finding : Check(level).findings) text += StrCat(finding.code, ": ", finding.object, "\n");
  return text;
}

}  // namespace pailfs::store
