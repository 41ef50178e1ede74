// Versions, delete markers, null versions, and reading the past.

#include <algorithm>
#include <set>

#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

VersionSelector ById(const std::string& id) {
  return {.version_id = id, .as_of_us = {}};
}
VersionSelector AsOf(int64_t time_us) {
  return {.version_id = "", .as_of_us = time_us};
}

GetOptions Of(const VersionSelector& version) {
  GetOptions options;
  options.version = version;
  return options;
}

// "id content|marker, latest first" of one key, without the ids.
std::vector<std::string> Shapes(const std::vector<ObjectInfo>& versions) {
  std::vector<std::string> shapes;
  for (const ObjectInfo& version : versions) {
    std::string shape = version.is_delete_marker ? "marker" : std::to_string(version.size_bytes);
    if (version.version_id == "null") shape += " null";
    if (version.is_latest) shape += " latest";
    shapes.push_back(shape);
  }
  return shapes;
}

using Strings = std::vector<std::string>;

// --- enabled ---

TEST_P(VersionedStoreTest, EveryVersionStaysReadable) {
  std::vector<PutResult> puts;
  std::set<std::string> ids;
  for (int i = 0; i < 10; ++i) {
    puts.push_back(Put("k", "content " + std::to_string(i)));
    ids.insert(puts.back().version_id);
  }
  EXPECT_EQ(ids.size(), 10U);
  EXPECT_EQ(ids.count(""), 0U);
  EXPECT_EQ(ids.count("null"), 0U);
  bucket_->Reopen();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Get("k", Of(ById(puts[static_cast<size_t>(i)].version_id))), "content " + std::to_string(i));
    const ObjectInfo info = Head("k", ById(puts[static_cast<size_t>(i)].version_id));
    if (manners().tells_latest) {
      EXPECT_EQ(info.is_latest, i == 9);
    }
    EXPECT_EQ(info.version_id, puts[static_cast<size_t>(i)].version_id);
    ExpectPutTime(puts[static_cast<size_t>(i)], info);
  }
  const auto versions = Versions("k");
  ASSERT_EQ(versions.size(), 10U);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(versions[i].version_id, puts[9 - i].version_id);
    EXPECT_EQ(versions[i].etag, puts[9 - i].etag);
    EXPECT_EQ(versions[i].is_latest, i == 0);
  }
}

TEST_P(VersionedStoreTest, DeletingAVersionHasAConditionToo) {
  const PutResult first = Put("k", "1");
  Put("k", "2");
  EXPECT_ERRC(store().Delete(ctx_, {"k", first.version_id, Md5Hex("2")}), Errc::kPreconditionFailed);
  EXPECT_OK(store().Delete(ctx_, {"k", first.version_id, Md5Hex("1")}));
  EXPECT_ERRC(store().Delete(ctx_, {"k", first.version_id, Md5Hex("1")}), Errc::kPreconditionFailed);
  EXPECT_OK(store().Delete(ctx_, {"k", first.version_id, std::nullopt}));
  EXPECT_EQ(Content("k"), "2");
}

TEST_P(VersionedStoreTest, AVersionIdBelongsToItsKey) {
  const PutResult a = Put("a", "1");
  Put("b", "2");
  EXPECT_ERRC(store().Head(ctx_, "b", ById(a.version_id)), Errc::kNotFound);
  const DeleteResult deleted = Delete("b", a.version_id);
  ExpectExisted(deleted, false);
  EXPECT_EQ(Content("a"), "1");
  EXPECT_EQ(Content("b"), "2");
}

TEST_P(VersionedStoreTest, ADeleteMakesAMarker) {
  const PutResult put = Put("k", "data");
  const DeleteResult deleted = Delete("k");
  ExpectExisted(deleted, true);
  EXPECT_TRUE(deleted.made_delete_marker);
  EXPECT_NE(deleted.version_id, "");
  EXPECT_NE(deleted.version_id, put.version_id);
  EXPECT_EQ(Content("k"), "absent");
  EXPECT_TRUE(Keys().empty());
  EXPECT_EQ(Get("k", Of(ById(put.version_id))), "data");
  EXPECT_ERRC(store().Head(ctx_, "k", ById(deleted.version_id)), Errc::kNotFound);
  EXPECT_ERRC(TryGet("k", Of(ById(deleted.version_id))), Errc::kNotFound);
  EXPECT_ERRC(store().Copy(ctx_, "k", "l", {}), Errc::kNotFound);
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker latest", "4"}));
  EXPECT_EQ(Versions()[0].version_id, deleted.version_id);
  EXPECT_EQ(Versions()[0].etag, "");
}

TEST_P(VersionedStoreTest, MarkersStack) {
  EXPECT_TRUE(Delete("k").made_delete_marker);  // S3 makes one for a key that never was
  EXPECT_TRUE(Delete("k").made_delete_marker);
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker latest", "marker"}));
  Put("k", "x");
  EXPECT_EQ(Shapes(Versions()), (Strings{"1 latest", "marker", "marker"}));
}

TEST_P(VersionedStoreTest, DeletingTheMarkerBringsTheObjectBack) {
  const PutResult put = Put("k", "data");
  const DeleteResult marker = Delete("k");
  const DeleteResult undone = Delete("k", marker.version_id);
  ExpectExisted(undone, true);
  EXPECT_FALSE(undone.made_delete_marker);
  EXPECT_EQ(Content("k"), "data");
  EXPECT_EQ(Head("k").version_id, put.version_id);
  ExpectPutTime(put, Head("k"));
  EXPECT_EQ(Keys(), Strings{"k"});
  EXPECT_EQ(Shapes(Versions()), Strings{"4 latest"});
}

TEST_P(VersionedStoreTest, DeletingTheLatestVersionPromotesTheNext) {
  const PutResult one = Put("k", "1");
  const PutResult two = Put("k", "22");
  const PutResult three = Put("k", "333");
  Delete("k", three.version_id);
  EXPECT_EQ(Content("k"), "22");
  EXPECT_EQ(Head("k").version_id, two.version_id);
  Delete("k", one.version_id);  // not the latest: nothing is promoted
  EXPECT_EQ(Content("k"), "22");
  bucket_->Reopen();
  Delete("k", two.version_id);
  EXPECT_EQ(Content("k"), "absent");
  EXPECT_TRUE(Versions().empty());
  ExpectExisted(Delete("k", two.version_id), false);
}

TEST_P(VersionedStoreTest, AMarkerIsNotPassedOverByPromotion) {
  Put("k", "1");
  Delete("k");
  const PutResult two = Put("k", "22");
  Delete("k", two.version_id);
  EXPECT_EQ(Content("k"), "absent");
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker latest", "1"}));
}

TEST_P(VersionedStoreTest, DeletingAVersionUnderAMarkerChangesNothingVisible) {
  const PutResult one = Put("k", "1");
  const PutResult two = Put("k", "22");
  Delete("k");
  Delete("k", two.version_id);
  EXPECT_EQ(Content("k"), "absent");
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker latest", "1"}));
  Delete("k", one.version_id);
  EXPECT_EQ(Shapes(Versions()), Strings{"marker latest"});
}

TEST_P(VersionedStoreTest, ConditionsSeeTheMarkerAsAbsence) {
  const PutResult put = Put("k", "1");
  Delete("k");
  EXPECT_ERRC(TryPut("k", "2", Conditions::IfMatch(put.etag)), Errc::kPreconditionFailed);
  EXPECT_ERRC(store().Delete(ctx_, {"k", "", put.etag}), Errc::kPreconditionFailed);
  EXPECT_OK(TryPut("k", "2", Conditions::IfAbsent()));
  EXPECT_EQ(Content("k"), "2");
}

TEST_P(VersionedStoreTest, DeletionOfAVersionMayCarryACondition) {
  const PutResult one = Put("k", "1");
  Put("k", "2");
  EXPECT_ERRC(store().Delete(ctx_, {"k", one.version_id, Md5Hex("2")}), Errc::kPreconditionFailed);
  EXPECT_OK(store().Delete(ctx_, {"k", one.version_id, Md5Hex("1")}));
  EXPECT_EQ(Shapes(Versions()), Strings{"1 latest"});
}

TEST_P(VersionedStoreTest, AnOldVersionIsRestoredByACopy) {
  PutOptions options;
  options.metadata = {{"which", "first"}};
  const PutResult one = Put("k", "first", options);
  Put("k", "second");
  CopyOptions copy;
  copy.source_version_id = one.version_id;
  const auto restored = store().Copy(ctx_, "k", "k", copy);
  ASSERT_OK(restored);
  EXPECT_NE(restored->version_id, one.version_id);
  EXPECT_EQ(Content("k"), "first");
  EXPECT_EQ(Head("k").metadata, options.metadata);
  EXPECT_EQ(Versions().size(), 3U);
  Delete("k");
  ASSERT_OK(store().Copy(ctx_, "k", "elsewhere", copy));
  EXPECT_EQ(Content("elsewhere"), "first");
  copy.source_if_match = Md5Hex("second");
  EXPECT_ERRC(store().Copy(ctx_, "k", "elsewhere", copy), Errc::kPreconditionFailed);
  copy.source_version_id = "00000000000000000000000000000000";
  EXPECT_ERRC(store().Copy(ctx_, "k", "elsewhere", copy), Errc::kNotFound);
}

TEST_P(VersionedStoreTest, ABatchDeletesVersions) {
  const PutResult one = Put("k", "1");
  const PutResult two = Put("k", "22");
  Put("k", "333");
  const std::vector<DeleteItem> items = {{"k", two.version_id, {}}, {"k", one.version_id, {}}, {"k", "", {}}};
  const auto results = store().DeleteBatch(ctx_, items);
  ASSERT_OK(results);
  for (const auto& result : *results) EXPECT_OK(result);
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker latest", "3"}));
}

// --- from off to enabled to suspended and back ---

TEST_P(ObjectStoreTest, WithoutVersioningThereIsOneVersion) {
  if (GetParam().versioning != VersioningState::kOff) return;
  EXPECT_EQ(Put("k", "1").version_id, "");
  Put("k", "22");
  EXPECT_EQ(Head("k").version_id, "");
  const auto versions = Versions();
  ASSERT_EQ(versions.size(), 1U);
  EXPECT_EQ(versions[0].size_bytes, 2U);
  EXPECT_TRUE(versions[0].is_latest);
  const DeleteResult deleted = Delete("k");
  EXPECT_FALSE(deleted.made_delete_marker);
  EXPECT_TRUE(Versions().empty());
  EXPECT_FALSE(Delete("k").made_delete_marker);
  EXPECT_TRUE(Versions().empty());
}

TEST_P(ObjectStoreTest, WhatWasPutBeforeVersioningIsTheNullVersion) {
  if (GetParam().versioning != VersioningState::kOff) return;
  Put("k", "1");
  bucket_->SetVersioning(VersioningState::kEnabled);
  EXPECT_EQ(store().capabilities().versioning, VersioningState::kEnabled);
  EXPECT_EQ(Head("k").version_id, "null");
  Put("k", "22");
  EXPECT_EQ(Shapes(Versions()), (Strings{"2 latest", "1 null"}));
  EXPECT_EQ(Get("k", Of(ById("null"))), "1");
  Delete("k", "null");
  EXPECT_EQ(Shapes(Versions()), Strings{"2 latest"});
  EXPECT_ERRC(store().Head(ctx_, "k", ById("null")), Errc::kNotFound);
}

TEST_P(VersionedStoreTest, SuspendedPutsReplaceTheNullVersionOnly) {
  const PutResult one = Put("k", "1");
  bucket_->SetVersioning(VersioningState::kSuspended);
  EXPECT_EQ(store().capabilities().versioning, VersioningState::kSuspended);
  EXPECT_EQ(Put("k", "22").version_id, "null");
  EXPECT_EQ(Shapes(Versions()), (Strings{"2 null latest", "1"}));
  Put("k", "333");
  EXPECT_EQ(Shapes(Versions()), (Strings{"3 null latest", "1"}));
  bucket_->SetVersioning(VersioningState::kEnabled);
  Put("k", "4444");
  EXPECT_EQ(Shapes(Versions()), (Strings{"4 latest", "3 null", "1"}));
  bucket_->SetVersioning(VersioningState::kSuspended);
  bucket_->Reopen();
  Put("k", "55555");  // the null version is found where it lies, and the new one is the latest
  EXPECT_EQ(Shapes(Versions()), (Strings{"5 null latest", "4", "1"}));
  EXPECT_EQ(Get("k", Of(ById(one.version_id))), "1");
  EXPECT_EQ(Get("k", Of(ById("null"))), "55555");
}

TEST_P(VersionedStoreTest, ASuspendedDeleteMakesANullMarker) {
  Put("k", "1");
  bucket_->SetVersioning(VersioningState::kSuspended);
  Put("k", "22");
  const DeleteResult deleted = Delete("k");
  ExpectExisted(deleted, true);
  EXPECT_TRUE(deleted.made_delete_marker);
  EXPECT_EQ(deleted.version_id, "null");
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker null latest", "1"}));
  Delete("k");
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker null latest", "1"}));
  EXPECT_ERRC(store().Head(ctx_, "k", ById("null")), Errc::kNotFound);
  Delete("k", "null");  // undelete: the version from before suspension
  EXPECT_EQ(Content("k"), "1");
  EXPECT_EQ(Shapes(Versions()), Strings{"1 latest"});
}

TEST_P(VersionedStoreTest, ANullMarkerUnderNewerVersions) {
  bucket_->SetVersioning(VersioningState::kSuspended);
  Put("k", "1");
  Delete("k");
  bucket_->SetVersioning(VersioningState::kEnabled);
  const PutResult two = Put("k", "22");
  EXPECT_EQ(Shapes(Versions()), (Strings{"2 latest", "marker null"}));
  Delete("k", two.version_id);
  EXPECT_EQ(Content("k"), "absent");
  Put("k", "333");
  bucket_->SetVersioning(VersioningState::kSuspended);
  Delete("k");
  EXPECT_EQ(Shapes(Versions()), (Strings{"marker null latest", "3"}));
}

TEST_P(VersionedStoreTest, CopiesAndUploadsInASuspendedBucketAreNullVersions) {
  Put("from", "source");
  bucket_->SetVersioning(VersioningState::kSuspended);
  ASSERT_OK(store().Copy(ctx_, "from", "to", {}));
  const auto copied = store().Copy(ctx_, "from", "to", {});
  ASSERT_OK(copied);
  EXPECT_EQ(copied->version_id, "null");
  EXPECT_EQ(Shapes(Versions("to")), Strings{"6 null latest"});
  const auto upload = store().CreateMultipartUpload(ctx_, "to", {});
  ASSERT_OK(upload);
  StringBody body("part");
  const auto part = store().UploadPart(ctx_, "to", *upload, 1, body);
  ASSERT_OK(part);
  ASSERT_OK(store().CompleteMultipartUpload(ctx_, "to", *upload, std::vector{*part}, {}));
  EXPECT_EQ(Shapes(Versions("to")), Strings{"4 null latest"});
}

// --- the past ---

TEST_P(VersionedStoreTest, AsOfShowsWhatWasCurrentThen) {
  if (!store().capabilities().as_of) return;
  const int64_t before = clock().WallNs() / 1000 - 1;
  clock().Advance(1'000'000'000);
  const int64_t one = Put("k", "1").last_modified_us;
  clock().Advance(1'000'000'000);
  const int64_t two = Put("k", "22").last_modified_us;
  clock().Advance(1'000'000'000);
  Delete("k");
  const int64_t gone = Versions("k")[0].last_modified_us;
  clock().Advance(1'000'000'000);
  const int64_t three = Put("k", "333").last_modified_us;
  bucket_->Reopen();
  const auto at = [this](int64_t time_us) {
    const auto got = TryGet("k", Of(AsOf(time_us)));
    return got.Is(Errc::kNotFound) ? std::string("absent") : got.ok() ? *got : got.error().message;
  };
  EXPECT_EQ(at(before), "absent");
  EXPECT_EQ(at(one - 1), "absent");
  EXPECT_EQ(at(one), "1");
  EXPECT_EQ(at(two - 1), "1");
  EXPECT_EQ(at(two), "22");
  EXPECT_EQ(at(gone - 1), "22");
  EXPECT_EQ(at(gone), "absent");
  EXPECT_EQ(at(three - 1), "absent");
  EXPECT_EQ(at(three), "333");
  EXPECT_EQ(at(three + 1'000'000'000), "333");
  EXPECT_EQ(Head("k", AsOf(two)).size_bytes, 2U);
}

TEST_P(VersionedStoreTest, WhatWasDestroyedIsAbsentFromThePastNotReplacedByItsNeighbour) {
  if (!store().capabilities().as_of) return;
  const int64_t one = Put("k", "1").last_modified_us;
  clock().Advance(1'000'000'000);
  const PutResult two = Put("k", "22");
  clock().Advance(1'000'000'000);
  const int64_t three = Put("k", "333").last_modified_us;
  Delete("k", two.version_id);
  EXPECT_EQ(Head("k", AsOf(one)).size_bytes, 1U);
  EXPECT_ERRC(store().Head(ctx_, "k", AsOf(two.last_modified_us)), Errc::kNotFound);
  EXPECT_EQ(Head("k", AsOf(three)).size_bytes, 3U);
}

TEST_P(VersionedStoreTest, AnUndeletedVersionWasCurrentTwice) {
  if (!store().capabilities().as_of) return;
  const int64_t put = Put("k", "1").last_modified_us;
  clock().Advance(1'000'000'000);
  const DeleteResult marker = Delete("k");
  const int64_t deleted = Versions("k")[0].last_modified_us;
  clock().Advance(1'000'000'000);
  Delete("k", marker.version_id);
  const int64_t now = clock().WallNs() / 1000 + 1'000'000;
  EXPECT_EQ(Head("k", AsOf(put)).size_bytes, 1U);
  EXPECT_ERRC(store().Head(ctx_, "k", AsOf(deleted + 1)), Errc::kNotFound);
  EXPECT_EQ(Head("k", AsOf(now)).size_bytes, 1U);
}

TEST_P(VersionedStoreTest, AListingOfThePast) {
  if (!store().capabilities().as_of) return;
  Put("a/1", "x");
  Put("a/2", "x");
  Put("b", "x");
  const int64_t then = Put("c/1", "x").last_modified_us;
  clock().Advance(1'000'000'000);
  Delete("a/1");
  Delete("c/1");
  Put("b", "changed");
  Put("d", "x");
  bucket_->Reopen();
  ListRequest request;
  request.as_of_us = then;
  EXPECT_EQ(Keys(request), (Strings{"a/1", "a/2", "b", "c/1"}));
  request.delimiter = "/";
  const auto page = store().List(ctx_, request);
  ASSERT_OK(page);
  EXPECT_EQ(page->common_prefixes, (Strings{"a/", "c/"}));
  ASSERT_EQ(page->objects.size(), 1U);
  EXPECT_EQ(page->objects[0].size_bytes, 1U);
  EXPECT_EQ(page->objects[0].etag, Md5Hex("x"));
  request = {};
  request.as_of_us = then;
  request.max_keys = 1;
  EXPECT_EQ(Keys(request), (Strings{"a/1", "a/2", "b", "c/1"}));
  request.prefix = "c";
  EXPECT_EQ(Keys(request), Strings{"c/1"});
  request.prefix = "";
  request.start_after = "a/2";
  EXPECT_EQ(Keys(request), (Strings{"b", "c/1"}));
}

TEST_P(ObjectStoreTest, ThePastIsUnsupportedWhereTheServerSaysSo) {
  if (store().capabilities().as_of) return;
  Put("k", "x");
  EXPECT_ERRC(store().Head(ctx_, "k", AsOf(1)), Errc::kUnsupported);
  EXPECT_ERRC(TryGet("k", Of(AsOf(1))), Errc::kUnsupported);
  ListRequest request;
  request.as_of_us = 1;
  EXPECT_ERRC(store().List(ctx_, request), Errc::kUnsupported);
}

}  // namespace
}  // namespace pailfs::conformance
