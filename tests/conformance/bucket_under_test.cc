#include "tests/conformance/bucket_under_test.h"

#include <algorithm>

#include "base/hash.h"
#include "base/random.h"

namespace pailfs::conformance {
namespace {

constexpr VersioningState kOff = VersioningState::kOff;
constexpr VersioningState kEnabled = VersioningState::kEnabled;
constexpr VersioningState kSuspended = VersioningState::kSuspended;

std::string_view StateName(VersioningState versioning) {
  switch (versioning) {
    case kOff:
      return "Off";
    case kEnabled:
      return "Enabled";
    case kSuspended:
      return "Suspended";
  }
  return "";
}

}  // namespace

std::string KindName(const testing::TestParamInfo<BucketKind>& info) {
  return info.param.factory.name + std::string(StateName(info.param.versioning));
}

void PrintTo(const BucketKind& kind, std::ostream* out) {
  *out << kind.factory.name << StateName(kind.versioning);
}

std::vector<BucketKind> BucketKinds(const std::vector<VersioningState>& states) {
  std::vector<BucketKind> kinds;
  for (const BucketFactory& factory : Factories()) {
    for (const VersioningState state : states) {
      if (!factory.slow || state == states.back()) kinds.push_back({factory, state});
    }
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(All, ObjectStoreTest, testing::ValuesIn(BucketKinds({kOff, kSuspended, kEnabled})), KindName);
INSTANTIATE_TEST_SUITE_P(All, VersionedStoreTest, testing::ValuesIn(BucketKinds({kEnabled})), KindName);

void ObjectStoreTest::ExpectExisted(const DeleteResult& result, bool existed) const {
  if (manners().tells_existence) {
    EXPECT_EQ(result.existed, existed);
  }
}

void ObjectStoreTest::ExpectPutTime(const PutResult& put, const ObjectInfo& info) const {
  if (manners().tells_put_times) {
    EXPECT_EQ(put.last_modified_us, info.last_modified_us);
  }
}

void ObjectStoreTest::ExpectLater(int64_t later_us, int64_t earlier_us) const {
  if (manners().follows_clock) {
    EXPECT_GT(later_us, earlier_us);
  } else {
    // In whole seconds, or by the clocks of several threads: the order of versions rules.
    constexpr int64_t kSecondUs = 1'000'000;
    EXPECT_GT(later_us + kSecondUs, earlier_us);
  }
}

void ObjectStoreTest::ExpectMetadata(const UserMetadata& metadata, const UserMetadata& expected) const {
  UserMetadata a = metadata;
  UserMetadata b = expected;
  if (!manners().orders_metadata) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
  }
  EXPECT_EQ(a, b);
}

PutResult ObjectStoreTest::Put(std::string_view key, std::string_view data, const PutOptions& options) {
  StringBody body(data);
  auto result = store().Put(ctx_, key, body, options);
  EXPECT_OK(result);
  return result.ok() ? *result : PutResult{};
}

Result<PutResult> ObjectStoreTest::TryPut(std::string_view key, std::string_view data, const Conditions& conditions) {
  StringBody body(data);
  PutOptions options;
  options.conditions = conditions;
  return store().Put(ctx_, key, body, options);
}

Result<std::string> ObjectStoreTest::TryGet(std::string_view key, const GetOptions& options) {
  StringSink sink;
  RETURN_IF_ERROR(store().Get(ctx_, key, options, sink));
  return sink.data();
}

std::string ObjectStoreTest::Get(std::string_view key, const GetOptions& options) {
  auto got = TryGet(key, options);
  EXPECT_OK(got);
  return got.ok() ? *got : "";
}

std::string ObjectStoreTest::Content(std::string_view key) {
  auto got = TryGet(key, {});
  if (got.Is(Errc::kNotFound)) return "absent";
  EXPECT_OK(got);
  return got.ok() ? *got : "";
}

ObjectInfo ObjectStoreTest::Head(std::string_view key, const VersionSelector& version) {
  auto info = store().Head(ctx_, key, version);
  EXPECT_OK(info);
  return info.ok() ? *info : ObjectInfo{};
}

DeleteResult ObjectStoreTest::Delete(const std::string& key, const std::string& version_id) {
  auto result = store().Delete(ctx_, {key, version_id, {}});
  EXPECT_OK(result);
  return result.ok() ? *result : DeleteResult{};
}

std::vector<ObjectInfo> ObjectStoreTest::Versions(const std::string& prefix) {
  std::vector<ObjectInfo> versions;
  ListVersionsRequest request;
  request.prefix = prefix;
  for (;;) {
    auto page = store().ListVersions(ctx_, request);
    EXPECT_OK(page);
    if (!page.ok()) return versions;
    versions.insert(versions.end(), page->versions.begin(), page->versions.end());
    if (!page->truncated) return versions;
    request.key_marker = page->next_key_marker;
    request.version_id_marker = page->next_version_id_marker;
  }
}

std::vector<std::string> ObjectStoreTest::Keys(const ListRequest& request) {
  std::vector<std::string> keys;
  ListRequest next = request;
  for (;;) {
    auto page = store().List(ctx_, next);
    EXPECT_OK(page);
    if (!page.ok()) return keys;
    for (const ObjectInfo& object : page->objects) keys.push_back(object.key);
    if (page->next_token.empty()) return keys;
    next.continuation_token = page->next_token;
  }
}

std::string Md5Hex(std::string_view data) {
  return Hex(Md5Of(data));
}

std::string TestBytes(uint64_t seed, size_t size) {
  return SeededRandom(seed).Bytes(size);
}

ContentHeaders AllHeaders() {
  return {.type = "text/plain; charset=utf-8",
          .encoding = "gzip",
          .disposition = "attachment; filename=\"a b.txt\"",
          .language = "de-DE, en",
          .cache_control = "max-age=60",
          .expires = "Thu, 01 Dec 2033 16:00:00 GMT"};
}

}  // namespace pailfs::conformance
