#include "tests/conformance/bucket_under_test.h"

#include "base/hash.h"
#include "base/random.h"

namespace pailfs::conformance {

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
