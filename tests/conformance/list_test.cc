// List and ListVersions: prefixes, delimiters, pages.

#include <algorithm>
#include <set>

#include "base/random.h"
#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

using Strings = std::vector<std::string>;

struct Listed {
  Strings objects;
  Strings prefixes;
  int pages = 0;
  bool operator==(const Listed& other) const { return objects == other.objects && prefixes == other.prefixes; }
};
void PrintTo(const Listed& listed, std::ostream* out) {
  *out << "objects " << testing::PrintToString(listed.objects) << " prefixes "
       << testing::PrintToString(listed.prefixes);
}

// All pages; expects each to keep max_keys and to be in order.
Listed ListAll(ObjectStore& store, ListRequest request) {
  Listed all;
  const OpContext ctx;
  for (;;) {
    const auto page = store.List(ctx, request);
    EXPECT_OK(page);
    if (!page.ok() || ++all.pages > 5000) return all;
    EXPECT_LE(page->objects.size() + page->common_prefixes.size(),
              static_cast<size_t>(std::min(request.max_keys, 1000)));
    for (const ObjectInfo& object : page->objects) all.objects.push_back(object.key);
    all.prefixes.insert(all.prefixes.end(), page->common_prefixes.begin(), page->common_prefixes.end());
    if (page->next_token.empty()) return all;
    request.continuation_token = page->next_token;
  }
}

// What a listing of `keys` (sorted) must be.
Listed Expected(const Strings& keys, const ListRequest& request) {
  Listed all;
  for (const std::string& key : keys) {
    if (!key.starts_with(request.prefix)) continue;
    size_t at = std::string::npos;
    if (!request.delimiter.empty()) at = key.find(request.delimiter, request.prefix.size());
    const std::string item = at == std::string::npos ? key : key.substr(0, at + 1);
    if (item <= request.start_after) continue;
    Strings& to = at == std::string::npos ? all.objects : all.prefixes;
    if (to.empty() || to.back() != item) to.push_back(item);
  }
  return all;
}

TEST_P(ObjectStoreTest, AnEmptyBucketHasAnEmptyPage) {
  const auto page = store().List(ctx_, {});
  ASSERT_OK(page);
  EXPECT_TRUE(page->objects.empty());
  EXPECT_TRUE(page->common_prefixes.empty());
  EXPECT_TRUE(page->next_token.empty());
}

TEST_P(ObjectStoreTest, AListingDescribesItsObjects) {
  PutOptions options;
  options.headers.type = "text/plain";
  options.metadata = {{"mode", "33188"}, {"a", "b"}};
  Put("k", "data", options);
  ListRequest request;
  request.with_metadata = true;
  const auto page = store().List(ctx_, request);
  ASSERT_OK(page);
  ASSERT_EQ(page->objects.size(), 1U);
  const ObjectInfo& listed = page->objects[0];
  const ObjectInfo head = Head("k");
  EXPECT_EQ(listed.size_bytes, head.size_bytes);
  EXPECT_EQ(listed.etag, head.etag);
  EXPECT_EQ(listed.last_modified_us, head.last_modified_us);
  EXPECT_TRUE(listed.is_latest);
  EXPECT_FALSE(listed.is_delete_marker);
  EXPECT_EQ(listed.has_metadata, store().capabilities().list_metadata);
  if (listed.has_metadata) {
    EXPECT_EQ(listed.headers, head.headers);
    ExpectMetadata(listed.metadata, head.metadata);
    EXPECT_EQ(listed.version_id, head.version_id);
  }
}

TEST_P(ObjectStoreTest, DelimitersFoldKeys) {
  for (const std::string key : {"a", "a/", "a/b", "a/c/d", "b/x", "b/y", "c", "c//d", "/", "/e"}) Put(key, "x");
  const auto list = [this](const std::string& prefix, const std::string& delimiter) {
    ListRequest request;
    request.prefix = prefix;
    request.delimiter = delimiter;
    return ListAll(store(), request);
  };
  EXPECT_EQ(list("", "/"), (Listed{{"a", "c"}, {"/", "a/", "b/", "c/"}}));
  EXPECT_EQ(list("a", "/"), (Listed{{"a"}, {"a/"}}));
  EXPECT_EQ(list("a/", "/"), (Listed{{"a/", "a/b"}, {"a/c/"}}));
  EXPECT_EQ(list("a/c", "/"), (Listed{{}, {"a/c/"}}));
  EXPECT_EQ(list("c/", "/"), (Listed{{}, {"c//"}}));
  EXPECT_EQ(list("c//", "/"), (Listed{{"c//d"}, {}}));
  EXPECT_EQ(list("/", "/"), (Listed{{"/", "/e"}, {}}));
  EXPECT_EQ(list("b", ""), (Listed{{"b/x", "b/y"}, {}}));
  EXPECT_EQ(list("", "c"), (Listed{{"/", "/e", "a", "a/", "a/b", "b/x", "b/y"}, {"a/c", "c"}}));
  EXPECT_EQ(list("z", "/"), (Listed{}));
  EXPECT_EQ(list("a/b/c", "/"), (Listed{}));
}

TEST_P(ObjectStoreTest, StartAfterIsExclusive) {
  for (const std::string key : {"a", "b", "b/1", "b/2", "c"}) Put(key, "x");
  const auto list = [this](const std::string& after, const std::string& delimiter) {
    ListRequest request;
    request.start_after = after;
    request.delimiter = delimiter;
    return ListAll(store(), request);
  };
  EXPECT_EQ(list("a", ""), (Listed{{"b", "b/1", "b/2", "c"}, {}}));
  EXPECT_EQ(list("aa", ""), (Listed{{"b", "b/1", "b/2", "c"}, {}}));
  EXPECT_EQ(list("b", "/"), (Listed{{"c"}, {"b/"}}));
  EXPECT_EQ(list("b/", "/"), (Listed{{"c"}, {}}));
  EXPECT_EQ(list("b/1", "/"), (Listed{{"c"}, {}}));
  EXPECT_EQ(list("b/1", ""), (Listed{{"b/2", "c"}, {}}));
  EXPECT_EQ(list("c", ""), (Listed{}));
}

TEST_P(ObjectStoreTest, MaxKeysBoundsAPage) {
  for (const std::string key : {"a", "b/1", "b/2", "c/1", "d"}) Put(key, "x");
  ListRequest request;
  request.max_keys = 0;
  const auto none = store().List(ctx_, request);
  ASSERT_OK(none);
  EXPECT_TRUE(none->objects.empty() && none->common_prefixes.empty() && none->next_token.empty());
  request.max_keys = -1;
  EXPECT_ERRC(store().List(ctx_, request), Errc::kInvalidArgument);
  // Common prefixes count, and come once.
  request.delimiter = "/";
  for (const int size : {1, 2, 3, 4, 5}) {
    request.max_keys = size;
    const Listed listed = ListAll(store(), request);
    EXPECT_EQ(listed, (Listed{{"a", "d"}, {"b/", "c/"}})) << size;
    EXPECT_GE(listed.pages, (4 + size - 1) / size);
  }
}

TEST_P(ObjectStoreTest, AThousandKeysAPageAtMost) {
  std::vector<std::string> keys;
  for (int i = 0; i < 1001; ++i) {
    keys.push_back("k" + std::to_string(10'000 + i));
    Put(keys.back(), "");
  }
  ListRequest request;
  request.max_keys = 100'000;
  const auto page = store().List(ctx_, request);
  ASSERT_OK(page);
  EXPECT_EQ(page->objects.size(), 1000U);
  EXPECT_FALSE(page->next_token.empty());
  EXPECT_EQ(Keys(request), keys);
}

TEST_P(ObjectStoreTest, PagesSurviveChangesBetweenThem) {
  for (const std::string key : {"a", "b", "c", "d"}) Put(key, "x");
  ListRequest request;
  request.max_keys = 2;
  const auto first = store().List(ctx_, request);
  ASSERT_OK(first);
  ASSERT_FALSE(first->next_token.empty());
  Delete("b");
  Delete("c");
  Put("bb", "x");
  Put("aa", "x");
  request.continuation_token = first->next_token;
  const auto second = store().List(ctx_, request);
  ASSERT_OK(second);
  ASSERT_EQ(second->objects.size(), 2U);
  EXPECT_EQ(second->objects[0].key, "bb");
  EXPECT_EQ(second->objects[1].key, "d");
}

TEST_P(ObjectStoreTest, AMadeUpTokenIsRefused) {
  Put("k", "x");
  ListRequest request;
  request.continuation_token = "!made up!";
  EXPECT_ERRC(store().List(ctx_, request), Errc::kInvalidArgument);
}

TEST_P(ObjectStoreTest, RandomListingsAreRight) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  const Strings pieces = {"a", "b", "/", "/", "\x01", HighBytes(), "ab", HighBytes() + "/"};
  const auto random_key = [&random, &pieces] {
    std::string key;
    for (uint64_t i = 1 + random.Below(5); i > 0; --i) key += pieces[random.Below(pieces.size())];
    return key;
  };
  std::set<std::string> keys;
  while (keys.size() < 80) keys.insert(random_key());
  for (const std::string& key : keys) Put(key, "x");
  const Strings sorted(keys.begin(), keys.end());
  for (int round = 0; round < 150; ++round) {
    ListRequest request;
    if (!random.OneIn(3)) request.prefix = pieces[random.Below(pieces.size())];
    if (!random.OneIn(3)) request.delimiter = random.OneIn(4) ? "b" : "/";
    if (random.OneIn(2)) request.start_after = random_key();
    request.max_keys = static_cast<int>(1 + random.Below(20));
    EXPECT_EQ(ListAll(store(), request), Expected(sorted, request))
        << "prefix " << testing::PrintToString(request.prefix) << " delimiter "
        << testing::PrintToString(request.delimiter) << " after " << testing::PrintToString(request.start_after)
        << " max " << request.max_keys;
  }
}

// --- versions ---

TEST_P(ObjectStoreTest, ListVersionsPagesWithKeyAndVersionMarkers) {
  for (const std::string key : {"a", "b", "b/1", "c"}) {
    for (int i = 0; i < 4; ++i) Put(key, key + std::to_string(i));
  }
  Delete("b");
  const auto all = Versions();
  EXPECT_EQ(all.size(), versioned() ? 17U : GetParam().versioning == VersioningState::kSuspended ? 4U : 3U);
  for (const int size : {1, 2, 3, 5, 7, 16, 17, 18}) {
    std::vector<ObjectInfo> paged;
    ListVersionsRequest request;
    request.max_keys = size;
    for (int pages = 0; pages < 100; ++pages) {
      const auto page = store().ListVersions(ctx_, request);
      ASSERT_OK(page);
      EXPECT_LE(page->versions.size(), static_cast<size_t>(size));
      paged.insert(paged.end(), page->versions.begin(), page->versions.end());
      if (!page->truncated) break;
      request.key_marker = page->next_key_marker;
      request.version_id_marker = page->next_version_id_marker;
    }
    ASSERT_EQ(paged.size(), all.size()) << size;
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(paged[i].key, all[i].key);
      EXPECT_EQ(paged[i].version_id, all[i].version_id);
      EXPECT_EQ(paged[i].is_latest, all[i].is_latest);
    }
  }
}

TEST_P(VersionedStoreTest, AVersionMarkerHoldsItsPlaceWhenItsVersionIsGone) {
  for (int i = 0; i < 4; ++i) Put("k", std::string(static_cast<size_t>(i), 'x'));
  const auto all = Versions();
  ListVersionsRequest request;
  request.key_marker = "k";
  request.version_id_marker = all[1].version_id;
  Delete("k", all[1].version_id);
  const auto page = store().ListVersions(ctx_, request);
  ASSERT_OK(page);
  ASSERT_EQ(page->versions.size(), 2U);
  EXPECT_EQ(page->versions[0].version_id, all[2].version_id);
}

TEST_P(ObjectStoreTest, AKeyMarkerAloneSkipsAllVersionsOfTheKey) {
  for (const std::string key : {"a", "b", "b", "c"}) Put(key, "x");
  ListVersionsRequest request;
  request.key_marker = "b";
  const auto page = store().ListVersions(ctx_, request);
  ASSERT_OK(page);
  ASSERT_EQ(page->versions.size(), 1U);
  EXPECT_EQ(page->versions[0].key, "c");
  request.key_marker.clear();
  request.version_id_marker = "null";
  EXPECT_ERRC(store().ListVersions(ctx_, request), Errc::kInvalidArgument);
}

TEST_P(ObjectStoreTest, ListVersionsFoldsKeysThatOnlyMarkersHaveToo) {
  for (const std::string key : {"a/1", "a/2", "b", "c/1", "d"}) Put(key, "x");
  Delete("c/1");
  const bool gone = GetParam().versioning == VersioningState::kOff;
  ListVersionsRequest request;
  request.delimiter = "/";
  for (const int size : {1, 2, 3, 1000}) {
    request.max_keys = size;
    request.key_marker.clear();
    request.version_id_marker.clear();
    Strings prefixes;
    Strings keys;
    for (int pages = 0; pages < 20; ++pages) {
      const auto page = store().ListVersions(ctx_, request);
      ASSERT_OK(page);
      EXPECT_LE(page->versions.size() + page->common_prefixes.size(), static_cast<size_t>(size));
      prefixes.insert(prefixes.end(), page->common_prefixes.begin(), page->common_prefixes.end());
      for (const ObjectInfo& version : page->versions) keys.push_back(version.key);
      if (!page->truncated) break;
      request.key_marker = page->next_key_marker;
      request.version_id_marker = page->next_version_id_marker;
    }
    EXPECT_EQ(prefixes, gone ? Strings{"a/"} : (Strings{"a/", "c/"})) << size;
    EXPECT_EQ(keys, (Strings{"b", "d"})) << size;
  }
  request = {};
  request.prefix = "a/";
  const auto page = store().ListVersions(ctx_, request);
  ASSERT_OK(page);
  EXPECT_EQ(page->versions.size(), 2U);
}

TEST_P(VersionedStoreTest, VersionsOfNeighbouringKeysStayApart) {
  for (const std::string& key :
       {std::string("k"), std::string("k\x01"), std::string("k/"), "k" + HighBytes(), std::string("kk")}) {
    Put(key, "1");
    Put(key, "2");
    Delete(key);
  }
  const auto versions = Versions();
  ASSERT_EQ(versions.size(), 15U);
  for (size_t i = 0; i < versions.size(); ++i) {
    EXPECT_EQ(versions[i].is_latest, i % 3 == 0);
    EXPECT_EQ(versions[i].is_delete_marker, i % 3 == 0);
    EXPECT_EQ(versions[i].key, versions[i / 3 * 3].key);
  }
  EXPECT_TRUE(Keys().empty());
}

}  // namespace
}  // namespace pailfs::conformance
