// The implementations that the suite runs over.

#include <cstdlib>
#include <string>

#include "base/file_system.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/embedded_store.h"
#include "tests/conformance/bucket_under_test.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/memory_store.h"

namespace pailfs::conformance {
namespace {

class MemoryBucket : public BucketUnderTest {
 public:
  explicit MemoryBucket(const MemoryStoreOptions& options) : store_(clock_, options) {}
  ObjectStore& store() override { return store_; }
  void SetVersioning(VersioningState versioning) override { store_.SetVersioning(versioning); }

 private:
  MemoryStore store_;
};

BucketFactory MemoryFactory(const std::string& name, MemoryStoreOptions options) {
  return {name, [options](VersioningState versioning) {
            MemoryStoreOptions mine = options;
            mine.versioning = versioning;
            mine.min_part_bytes = kTestMinPartBytes;
            return std::make_unique<MemoryBucket>(mine);
          }};
}

// Small limits, so that packed bodies, body files, several volumes and checkpoints all occur.
class EmbeddedBucket : public BucketUnderTest {
 public:
  EmbeddedBucket(FileSystem& files, std::string directory, VersioningState versioning)
      : files_(files), directory_(std::move(directory)) {
    Open();
    EXPECT_OK(store_->CreateBucket("bucket", versioning));
    OpenBucket();
  }
  ObjectStore& store() override { return *bucket_; }
  void SetVersioning(VersioningState versioning) override { EXPECT_OK(store_->SetVersioning("bucket", versioning)); }
  void Reopen() override {
    Close();
    Open();
    OpenBucket();
  }

 protected:
  void Close() {
    bucket_.reset();
    store_.reset();
  }

 private:
  void Open() {
    store::EmbeddedStoreOptions options;
    options.packed_bytes = 4096;
    options.volume_bytes = 1 << 20;
    options.allocate_bytes = 128 << 10;
    options.checkpoint_bytes = 256 << 10;
    options.min_part_bytes = kTestMinPartBytes;
    auto opened = store::EmbeddedStore::Open(files_, clock_, SystemRandom(), metrics_, directory_, options);
    EXPECT_OK(opened);
    if (!opened.ok()) std::abort();
    store_ = std::move(*opened);
  }
  void OpenBucket() {
    auto opened = store_->OpenBucket("bucket");
    EXPECT_OK(opened);
    if (!opened.ok()) std::abort();
    bucket_ = std::move(*opened);
  }

  FileSystem& files_;
  const std::string directory_;
  Metrics metrics_;
  std::unique_ptr<store::EmbeddedStore> store_;
  std::unique_ptr<ObjectStore> bucket_;
};

struct MemoryFiles {
  FaultyFileSystem files;
};

class InMemoryBucket : private MemoryFiles, public EmbeddedBucket {
 public:
  explicit InMemoryBucket(VersioningState versioning) : EmbeddedBucket(files, "/store", versioning) {}
  ~InMemoryBucket() override { Close(); }
};

std::string NewTemporaryDirectory() {
  std::string path = testing::TempDir() + "pailfs-conformance-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

class OnDiskBucket : public EmbeddedBucket {
 public:
  explicit OnDiskBucket(VersioningState versioning) : OnDiskBucket(NewTemporaryDirectory(), versioning) {}
  ~OnDiskBucket() override {
    Close();
    EXPECT_OK(RemoveTree(PosixFileSystem(), path_));
  }

 private:
  OnDiskBucket(const std::string& path, VersioningState versioning)
      : EmbeddedBucket(PosixFileSystem(), path + "/store", versioning), path_(path) {}

  const std::string path_;
};

}  // namespace

std::vector<BucketFactory> Factories() {
  MemoryStoreOptions poor;
  poor.list_metadata = poor.as_of = poor.rename = false;
  BucketFactory plain = MemoryFactory("PlainMemory", poor);
  plain.renames = false;
  return {
      MemoryFactory("Memory", {}),
      plain,
      {"Embedded", [](VersioningState versioning) { return std::make_unique<InMemoryBucket>(versioning); }},
      {"EmbeddedOnDisk", [](VersioningState versioning) { return std::make_unique<OnDiskBucket>(versioning); },
       /*slow=*/true},
  };
}

}  // namespace pailfs::conformance
