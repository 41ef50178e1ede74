// What the conformance suite runs over: a fresh bucket of some ObjectStore, and a clock that only the test moves.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
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

struct BucketFactory {
  std::string name;  // letters and digits
  // A new bucket whose least part is kTestMinPartBytes.
  std::function<std::unique_ptr<BucketUnderTest>(VersioningState)> make;
  bool slow = false;    // waits for a disk: runs in one state only
  bool renames = true;  // has Rename and RenamePrefix
};

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
