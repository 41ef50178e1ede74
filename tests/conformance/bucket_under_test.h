// What the conformance suite runs over: a fresh bucket of some ObjectStore, and a clock that only the test moves.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/object_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/results.h"
#include "tests/support/string_sink.h"

namespace pailfs::conformance {

inline constexpr uint64_t kTestMinPartBytes = 1000;

class BucketUnderTest {
 public:
  virtual ~BucketUnderTest() = default;
  virtual ObjectStore& store() = 0;
  virtual void SetVersioning(VersioningState versioning) = 0;
  // Closes and opens again what is kept on a disk.
  virtual void Reopen() {}
  ManualClock& clock() { return clock_; }

 protected:
  ManualClock clock_;
};

// What a store, or the server behind it, says and does. The defaults are ours; S3 itself says less.
struct StoreManners {
  uint64_t min_part_bytes = kTestMinPartBytes;
  bool follows_clock = true;    // clock() is its time, and no two versions have the same; else whole seconds
  bool tells_put_times = true;  // PutResult::last_modified_us of Put and Complete
  bool tells_existence = true;  // DeleteResult::existed
  bool tells_latest = true;     // ObjectInfo::is_latest of Head and Get
  bool orders_metadata = true;  // as it was given
  bool defaults_type = false;   // an object without a type gets binary/octet-stream
  bool counts_space = true;
  bool any_bytes_in_keys = true;              // else UTF-8 only
  bool drops_unnamed_parts = true;            // Complete need not name all parts that were uploaded
  bool tells_first_error = true;              // of several that hold, the one that the reference finds first
  Errc completing_nothing = Errc::kNotFound;  // Complete of an upload that there is not
  int model_steps = 1500;
  // Tests ("Name", or "Name/Kind" for one kind of bucket) of what the server behind the store cannot do: why.
  std::map<std::string, std::string> cannot;
};

struct BucketFactory {
  std::string name;  // letters and digits
  // A new bucket whose least part is manners.min_part_bytes.
  std::function<std::unique_ptr<BucketUnderTest>(VersioningState)> make;
  bool slow = false;    // waits for a disk: runs in one state only
  bool renames = true;  // has Rename and RenamePrefix
  StoreManners manners = {};
};

// The implementations that this program runs the suite over.
std::vector<BucketFactory> Factories();

struct BucketKind {
  BucketFactory factory;
  VersioningState versioning = VersioningState::kOff;
};
void PrintTo(const BucketKind& kind, std::ostream* out);

// For INSTANTIATE_TEST_SUITE_P.
std::string KindName(const testing::TestParamInfo<BucketKind>& info);
// Every factory with every one of the states; slow ones with the last of them only.
std::vector<BucketKind> BucketKinds(const std::vector<VersioningState>& states);

// Tests in this fixture hold whatever the bucket's versioning is.
class ObjectStoreTest : public testing::TestWithParam<BucketKind> {
 protected:
  ObjectStoreTest() : bucket_(GetParam().factory.make(GetParam().versioning)) {}

  ObjectStore& store() { return bucket_->store(); }
  ManualClock& clock() { return bucket_->clock(); }
  bool versioned() const { return GetParam().versioning == VersioningState::kEnabled; }

  // These expect success.
  PutResult Put(std::string_view key, std::string_view data, const PutOptions& options = {});
  std::string Get(std::string_view key, const GetOptions& options = {});
  ObjectInfo Head(std::string_view key, const VersionSelector& version = {});
  DeleteResult Delete(const std::string& key, const std::string& version_id = "");
  // Of the current version; "absent" when there is none.
  std::string Content(std::string_view key);
  std::vector<ObjectInfo> Versions(const std::string& prefix = "");
  std::vector<std::string> Keys(const ListRequest& request = {});  // over all pages

  const StoreManners& manners() const { return GetParam().factory.manners; }
  // `bytes` for a store whose least part is kTestMinPartBytes, as much more as this one's is larger.
  size_t PartBytes(size_t bytes) const { return bytes + manners().min_part_bytes - kTestMinPartBytes; }
  // A character that sorts after all others.
  std::string HighBytes() const { return manners().any_bytes_in_keys ? "\xff" : "\xF4\x8F\xBF\xBF"; }
  // As far as the store tells.
  void ExpectExisted(const DeleteResult& result, bool existed) const;
  void ExpectPutTime(const PutResult& put, const ObjectInfo& info) const;
  void ExpectLater(int64_t later_us, int64_t earlier_us) const;
  void ExpectMetadata(const UserMetadata& metadata, const UserMetadata& expected) const;

  Result<PutResult> TryPut(std::string_view key, std::string_view data, const Conditions& conditions);
  Result<std::string> TryGet(std::string_view key, const GetOptions& options);

  const OpContext ctx_;
  std::unique_ptr<BucketUnderTest> bucket_;
};

// In these versioning was enabled from the start.
class VersionedStoreTest : public ObjectStoreTest {};

std::string Md5Hex(std::string_view data);
// Bytes that differ everywhere, from a seed.
std::string TestBytes(uint64_t seed, size_t size);

// Every header set.
ContentHeaders AllHeaders();

}  // namespace pailfs::conformance
