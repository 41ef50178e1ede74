// Random operations on a store and on the reference, side by side: every answer and every state must agree. Version
// ids, upload ids and the ETags of copied parts are each side's own; everything else is compared as it is.

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/random.h"
#include "base/str.h"
#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

uint64_t Seed() {
  const char* given = std::getenv("PAILFS_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : SystemRandom().Next();
}

class ModelTest : public ObjectStoreTest {
 protected:
  ModelTest() : reference_(clock(), ReferenceOptions()), seed_(Seed()), random_(seed_) {}

  static MemoryStoreOptions ReferenceOptions() {
    MemoryStoreOptions options;
    options.versioning = GetParam().versioning;
    options.min_part_bytes = GetParam().factory.manners.min_part_bytes;
    return options;
  }

  // --- random arguments ---
  std::string Key() {
    const std::vector<std::string> keys = {"a", "a/", "a/b", "a//b", "ab", "b/1", "b/2", "b/3", HighBytes(), "z"};
    return keys[random_.Below(keys.size())];
  }
  std::string Data() {
    static const std::vector<size_t> sizes = {0, 1, 10, 500, 1000, 1001, 4096, 4097, 20'000, 70'000, 140'000};
    return TestBytes(random_.Below(5), sizes[random_.Below(sizes.size())]);
  }
  PutOptions Options() {
    PutOptions options;
    if (random_.OneIn(2)) options.headers.type = StrCat("type/", random_.Below(3));
    for (uint64_t i = random_.Below(3); i > 0; --i) {
      options.metadata.emplace_back(StrCat("name", i), StrCat("value", random_.Below(100)));
    }
    return options;
  }

  // The two sides' current ETag and version ids of a key.
  struct Sides {
    std::string store;
    std::string reference;
  };
  Sides Etag(const std::string& key) {
    const auto mine = store().Head(ctx_, key, {});
    const auto theirs = reference_.Head(ctx_, key, {});
    if (!mine.ok() || !theirs.ok() || random_.OneIn(4)) return {"0000", "0000"};
    return {mine->etag, theirs->etag};
  }
  // A version of the key, or the current one (empty).
  Sides Version(const std::string& key) {
    if (random_.OneIn(2)) return {};
    const auto mine = VersionsOf(store(), key);
    const auto theirs = VersionsOf(reference_, key);
    if (mine.empty() || mine.size() != theirs.size()) return {};
    const size_t index = random_.Below(mine.size());
    return {mine[index].version_id, theirs[index].version_id};
  }
  std::pair<Conditions, Conditions> RandomConditions(const std::string& key) {
    if (random_.OneIn(4)) return {Conditions::IfAbsent(), Conditions::IfAbsent()};
    if (!random_.OneIn(4)) return {};
    const Sides etag = Etag(key);
    return {Conditions::IfMatch(etag.store), Conditions::IfMatch(etag.reference)};
  }

  // --- comparing ---
  template <typename T, typename U>
  bool SameOutcome(const T& mine, const U& theirs) {
    EXPECT_EQ(mine.ok(), theirs.ok()) << (mine.ok() ? theirs.error().message : mine.error().message);
    if (mine.ok() != theirs.ok()) return false;
    if (mine.ok()) return true;
    if (manners().tells_first_error) {
      EXPECT_EQ(ErrcName(mine.error().code), ErrcName(theirs.error().code)) << mine.error().message;
    }
    return false;
  }
  static std::string IdShape(const std::string& id) { return id.empty() || id == "null" ? id : "id"; }
  static void ExpectSameEtag(const std::string& mine, const std::string& theirs) {
    // The ETag of a multipart object depends on those of its parts.
    if (theirs.find('-') == std::string::npos) {
      EXPECT_EQ(mine, theirs);
    } else {
      EXPECT_EQ(mine.substr(mine.size() - 2), theirs.substr(theirs.size() - 2));
    }
  }
  // `latest`: of a listing of versions.
  void ExpectSame(const ObjectInfo& mine, const ObjectInfo& theirs, bool with_metadata, bool latest = false) const {
    EXPECT_EQ(mine.key, theirs.key);
    EXPECT_EQ(mine.size_bytes, theirs.size_bytes);
    ExpectSameEtag(mine.etag, theirs.etag);
    if (latest || manners().tells_latest) {
      EXPECT_EQ(mine.is_latest, theirs.is_latest);
    }
    EXPECT_EQ(mine.is_delete_marker, theirs.is_delete_marker);
    if (!with_metadata) return;
    EXPECT_EQ(IdShape(mine.version_id), IdShape(theirs.version_id));
    ContentHeaders headers = theirs.headers;
    if (headers.type.empty() && manners().defaults_type) headers.type = "binary/octet-stream";
    EXPECT_EQ(mine.headers, headers);
    ExpectMetadata(mine.metadata, theirs.metadata);
  }
  void ExpectSame(const PutResult& mine, const PutResult& theirs) {
    ExpectSameEtag(mine.etag, theirs.etag);
    EXPECT_EQ(IdShape(mine.version_id), IdShape(theirs.version_id));
  }
  void ExpectSame(const Result<DeleteResult>& mine, const Result<DeleteResult>& theirs) {
    if (!SameOutcome(mine, theirs)) return;
    ExpectExisted(*mine, theirs->existed);
    EXPECT_EQ(mine->made_delete_marker, theirs->made_delete_marker);
    if (!theirs->made_delete_marker) return;
    EXPECT_EQ(IdShape(mine->version_id), IdShape(theirs->version_id));
  }
  std::vector<ObjectInfo> VersionsOf(ObjectStore& from, const std::string& key) {
    std::vector<ObjectInfo> versions;
    const auto page = from.ListVersions(ctx_, {key, "", "", "", 1000});
    EXPECT_OK(page);
    if (!page.ok()) return versions;
    for (const ObjectInfo& version : page->versions) {
      if (version.key == key) versions.push_back(version);
    }
    return versions;
  }
  void CompareEverything() {
    const auto mine = store().ListVersions(ctx_, {});
    const auto theirs = reference_.ListVersions(ctx_, {});
    ASSERT_OK(mine);
    ASSERT_OK(theirs);
    ASSERT_EQ(mine->versions.size(), theirs->versions.size());
    for (size_t i = 0; i < mine->versions.size(); ++i) {
      const ObjectInfo& a = mine->versions[i];
      const ObjectInfo& b = theirs->versions[i];
      ExpectSame(a, b, a.has_metadata, /*latest=*/true);
      if (b.is_delete_marker) continue;
      CompareBytes(a.key, {a.version_id, {}}, {b.version_id, {}}, {});
    }
    if (!manners().counts_space) return;
    const auto space = store().Space(ctx_);
    const auto reference_space = reference_.Space(ctx_);
    ASSERT_OK(space);
    EXPECT_EQ(space->object_count, reference_space->object_count);
    EXPECT_EQ(space->object_bytes, reference_space->object_bytes);
  }
  void CompareBytes(const std::string& key, const VersionSelector& mine, const VersionSelector& theirs,
                    std::optional<ByteRange> range) {
    GetOptions options;
    options.range = range;
    options.version = mine;
    StringSink my_bytes;
    const auto my_info = store().Get(ctx_, key, options, my_bytes);
    options.version = theirs;
    StringSink their_bytes;
    const auto their_info = reference_.Get(ctx_, key, options, their_bytes);
    if (!SameOutcome(my_info, their_info)) return;
    ExpectSame(*my_info, *their_info, true);
    EXPECT_TRUE(my_bytes.data() == their_bytes.data()) << key;
  }

  // --- steps ---
  void StepPut() {
    const std::string key = Key();
    const std::string data = Data();
    PutOptions options = Options();
    const auto [mine, theirs] = RandomConditions(key);
    StringBody body(data);
    options.conditions = mine;
    const auto a = store().Put(ctx_, key, body, options);
    options.conditions = theirs;
    const auto b = reference_.Put(ctx_, key, body, options);
    if (SameOutcome(a, b)) ExpectSame(*a, *b);
  }
  void StepCopy() {
    const std::string from = Key();
    const std::string to = Key();
    CopyOptions mine;
    const PutOptions replacement = Options();
    if (random_.OneIn(3) || from == to) {
      mine.directive = MetadataDirective::kReplace;
      mine.headers = replacement.headers;
      mine.metadata = replacement.metadata;
    }
    CopyOptions theirs = mine;
    const Sides version = Version(from);
    mine.source_version_id = version.store;
    theirs.source_version_id = version.reference;
    if (random_.OneIn(4)) {
      const Sides etag = Etag(from);
      mine.source_if_match = etag.store;
      theirs.source_if_match = etag.reference;
    }
    std::tie(mine.conditions, theirs.conditions) = RandomConditions(to);
    const auto a = store().Copy(ctx_, from, to, mine);
    const auto b = reference_.Copy(ctx_, from, to, theirs);
    if (SameOutcome(a, b)) ExpectSame(*a, *b);
  }
  std::pair<DeleteItem, DeleteItem> RandomDelete() {
    const std::string key = Key();
    const Sides version = Version(key);
    DeleteItem mine{key, version.store, {}};
    DeleteItem theirs{key, version.reference, {}};
    if (random_.OneIn(6)) {
      const Sides etag = Etag(key);
      mine.if_match = etag.store;
      theirs.if_match = etag.reference;
    }
    return {mine, theirs};
  }
  void StepDelete() {
    const auto [mine, theirs] = RandomDelete();
    ExpectSame(store().Delete(ctx_, mine), reference_.Delete(ctx_, theirs));
  }
  void StepDeleteBatch() {
    std::vector<DeleteItem> mine;
    std::vector<DeleteItem> theirs;
    for (uint64_t i = random_.Below(5); i > 0; --i) {
      const auto [a, b] = RandomDelete();
      mine.push_back(a);
      theirs.push_back(b);
    }
    const auto a = store().DeleteBatch(ctx_, mine);
    const auto b = reference_.DeleteBatch(ctx_, theirs);
    if (!SameOutcome(a, b)) return;
    ASSERT_EQ(a->size(), b->size());
    for (size_t i = 0; i < a->size(); ++i) ExpectSame((*a)[i], (*b)[i]);
  }
  void StepRename() {
    const std::string from = Key();
    const std::string to = Key();
    if (!store().capabilities().rename || from == to) return;
    const auto [mine, theirs] = RandomConditions(to);
    const auto a = store().Rename(ctx_, from, to, mine);
    const auto b = reference_.Rename(ctx_, from, to, theirs);
    if (SameOutcome(a, b)) ExpectSame(*a, *b);
  }
  void StepRenamePrefix() {
    if (!store().capabilities().rename) return;
    static const std::vector<std::string> prefixes = {"b/", "moved/", "zz/"};
    const std::string& from = prefixes[random_.Below(prefixes.size())];
    const std::string& to = prefixes[random_.Below(prefixes.size())];
    if (from == to) return;
    const auto a = store().RenamePrefix(ctx_, from, to);
    const auto b = reference_.RenamePrefix(ctx_, from, to);
    if (!SameOutcome(a, b)) return;
    EXPECT_EQ(*a, *b);
  }
  void StepRead() {
    const std::string key = Key();
    const Sides version = Version(key);
    std::optional<ByteRange> range;
    if (random_.OneIn(2)) range = ByteRange{random_.Below(5000), 1 + random_.Below(100'000)};
    CompareBytes(key, {version.store, {}}, {version.reference, {}}, range);
  }
  void StepList() {
    ListRequest request;
    if (random_.OneIn(2)) request.prefix = Key().substr(0, 1 + random_.Below(2));
    if (random_.OneIn(2)) request.delimiter = "/";
    if (random_.OneIn(2)) request.start_after = Key();
    request.max_keys = static_cast<int>(1 + random_.Below(6));
    request.with_metadata = true;
    ListRequest theirs = request;
    for (int pages = 0; pages < 100; ++pages) {
      const auto a = store().List(ctx_, request);
      const auto b = reference_.List(ctx_, theirs);
      if (!SameOutcome(a, b)) return;
      ASSERT_EQ(a->objects.size(), b->objects.size());
      EXPECT_EQ(a->common_prefixes, b->common_prefixes);
      for (size_t i = 0; i < a->objects.size(); ++i) {
        ExpectSame(a->objects[i], b->objects[i], a->objects[i].has_metadata);
      }
      if (a->next_token.empty() && b->next_token.empty()) return;
      ASSERT_EQ(a->next_token.empty(), b->next_token.empty());
      request.continuation_token = a->next_token;
      theirs.continuation_token = b->next_token;
    }
  }
  void StepUpload() {
    const std::string key = Key();
    const PutOptions options = Options();
    const auto mine = store().CreateMultipartUpload(ctx_, key, options);
    const auto theirs = reference_.CreateMultipartUpload(ctx_, key, options);
    if (!SameOutcome(mine, theirs)) return;
    std::vector<UploadedPart> my_parts;
    std::vector<UploadedPart> their_parts;
    for (uint64_t i = 1 + random_.Below(4); i > 0; --i) {
      const int number = static_cast<int>(1 + random_.Below(4));
      const std::string source = Key();
      const std::string data = Data();
      const ByteRange range{random_.Below(3000), random_.Below(20'000)};
      StringBody body(data);
      // A range of an empty source may leave a part behind even though it is refused, which Complete then must name.
      const auto head = reference_.Head(ctx_, source, {});
      // S3 copies ranges only of sources that are larger than the smallest part.
      const uint64_t least = manners().drops_unnamed_parts ? kTestMinPartBytes : 0;
      const bool copied = random_.OneIn(2) && (!head.ok() || head->size_bytes > least);
      const auto a = copied ? store().UploadPartCopy(ctx_, key, *mine, number, {source, "", {}, range})
                            : store().UploadPart(ctx_, key, *mine, number, body);
      const auto b = copied ? reference_.UploadPartCopy(ctx_, key, *theirs, number, {source, "", {}, range})
                            : reference_.UploadPart(ctx_, key, *theirs, number, body);
      if (!SameOutcome(a, b)) continue;
      EXPECT_EQ(a->size_bytes, b->size_bytes);
      const auto add = [number](std::vector<UploadedPart>& parts, const UploadedPart& part) {
        std::erase_if(parts, [number](const UploadedPart& old) { return old.part_number == number; });
        parts.push_back(part);
        std::sort(parts.begin(), parts.end(),
                  [](const UploadedPart& x, const UploadedPart& y) { return x.part_number < y.part_number; });
      };
      add(my_parts, *a);
      add(their_parts, *b);
    }
    if (random_.OneIn(5)) {
      SameOutcome(store().AbortMultipartUpload(ctx_, key, *mine), reference_.AbortMultipartUpload(ctx_, key, *theirs));
      return;
    }
    const auto [my_conditions, their_conditions] = RandomConditions(key);
    const auto a = store().CompleteMultipartUpload(ctx_, key, *mine, my_parts, my_conditions);
    const auto b = reference_.CompleteMultipartUpload(ctx_, key, *theirs, their_parts, their_conditions);
    if (SameOutcome(a, b)) ExpectSame(*a, *b);
  }
  void StepVersioning() {
    if (GetParam().versioning == VersioningState::kOff) return;
    const auto state = random_.OneIn(2) ? VersioningState::kEnabled : VersioningState::kSuspended;
    bucket_->SetVersioning(state);
    reference_.SetVersioning(state);
  }

  void Step() {
    clock().Advance(static_cast<int64_t>(random_.Below(2'000'000'000)));
    const uint64_t dice = random_.Below(100);
    if (dice < 30) return StepPut();
    if (dice < 42) return StepDelete();
    if (dice < 46) return StepDeleteBatch();
    if (dice < 58) return StepCopy();
    if (dice < 63) return StepRename();
    if (dice < 65) return StepRenamePrefix();
    if (dice < 75) return StepRead();
    if (dice < 84) return StepList();
    if (dice < 94) return StepUpload();
    if (dice < 96) return StepVersioning();
    if (dice < 97) return bucket_->Reopen();
    return CompareEverything();
  }

  MemoryStore reference_;
  const uint64_t seed_;
  SeededRandom random_;
};

// Another run of the same: PAILFS_TEST_SEED=<seed>.
TEST_P(ModelTest, RandomOperationsAgreeWithTheReference) {
  RecordProperty("seed", std::to_string(seed_));
  for (int step = 0; step < manners().model_steps && !HasFailure(); ++step) {
    SCOPED_TRACE(StrCat("PAILFS_TEST_SEED=", seed_, " step ", step));
    Step();
  }
  SCOPED_TRACE(StrCat("PAILFS_TEST_SEED=", seed_, " at the end"));
  bucket_->Reopen();
  CompareEverything();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(All, ModelTest,
                         testing::ValuesIn(BucketKinds({VersioningState::kOff, VersioningState::kSuspended,
                                                        VersioningState::kEnabled})),
                         KindName);

}  // namespace pailfs::conformance
