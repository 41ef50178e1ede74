// Random histories, policies and snapshots against a model that tries every instant one after the other.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/named_snapshot.h"
#include "base/str.h"
#include "tests/support/seeds.h"
#include "tests/unit/store/store_harness.h"

namespace pailfs::store {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kWeekUs = 7 * kDayUs;
constexpr int64_t kAMondayUs = 1'704'067'200'000'000;
constexpr int64_t kStillUs = INT64_MAX;

struct ModelVersion {
  std::string id;
  bool marker = false;
  bool null_version = false;
  int64_t committed_us = 0;
  int64_t names_us = 0;                                // of the object of a snapshot: the moment that it names
  std::vector<std::pair<int64_t, int64_t>> intervals;  // [from, to); the last one may be kStillUs
  bool current() const { return !marker && !intervals.empty() && intervals.back().second == kStillUs; }
  bool CurrentAt(int64_t time_us) const {
    return std::any_of(intervals.begin(), intervals.end(), [time_us](const auto& interval) {
      return interval.first <= time_us && time_us < interval.second;
    });
  }
};

// What S3 says of versions, and what a policy says of what stays.
class Model {
 public:
  VersioningState versioning = VersioningState::kEnabled;
  RetentionPolicy policy;

  void Put(const std::string& key, const std::string& id, int64_t now_us, int64_t names_us) {
    auto& versions = keys_[key];
    const bool null_version = versioning != VersioningState::kEnabled;
    if (null_version) RemoveNull(versions);
    Retire(versions, now_us);
    versions.push_back({id, false, null_version, now_us, names_us, {{now_us, kStillUs}}});
  }
  void Delete(const std::string& key, const std::string& id, int64_t now_us) {
    auto& versions = keys_[key];
    const bool null_version = versioning != VersioningState::kEnabled;
    if (null_version) RemoveNull(versions);
    if (versioning == VersioningState::kOff) return;
    Retire(versions, now_us);
    versions.push_back({id, true, null_version, now_us, now_us, {}});
  }
  void DeleteVersion(const std::string& key, const std::string& id, int64_t now_us) {
    auto& versions = keys_[key];
    std::erase_if(versions, [&id](const ModelVersion& version) { return version.id == id; });
    if (versions.empty() || versions.back().marker || versions.back().current()) return;
    versions.back().intervals.emplace_back(now_us, kStillUs);
  }
  void Thin(int64_t now_us) {
    const std::vector<int64_t> snapshots = Snapshots();
    for (auto& [key, versions] : keys_) {
      std::vector<ModelVersion> left;
      for (size_t i = 0; i + 1 < versions.size(); ++i) {
        ModelVersion version = versions[i];
        if (version.marker) version.intervals = {{version.committed_us, versions[i + 1].committed_us}};
        if (Keeps(version, snapshots, now_us)) left.push_back(versions[i]);
      }
      if (versions.empty()) continue;
      const ModelVersion& newest = versions.back();
      const bool lone = newest.marker && left.empty();
      if (!lone || Young(newest.committed_us, now_us)) left.push_back(newest);
      versions = std::move(left);
    }
  }
  // As a listing of versions has them.
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const auto& [key, versions] : keys_) {
      for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
        lines.push_back(StrCat(key, ' ', version->id, version->marker ? " marker" : ""));
      }
    }
    return lines;
  }
  std::vector<std::string> LinesAt(int64_t time_us) const {
    std::vector<std::string> lines;
    for (const auto& [key, versions] : keys_) {
      for (const ModelVersion& version : versions) {
        if (version.CurrentAt(time_us)) lines.push_back(StrCat(key, ' ', version.id));
      }
    }
    return lines;
  }

 private:
  static void RemoveNull(std::vector<ModelVersion>& versions) {
    std::erase_if(versions, [](const ModelVersion& version) { return version.null_version; });
  }
  static void Retire(std::vector<ModelVersion>& versions, int64_t now_us) {
    if (!versions.empty() && versions.back().current()) versions.back().intervals.back().second = now_us;
  }
  std::vector<int64_t> Snapshots() const {
    std::vector<int64_t> moments;
    for (const auto& [key, versions] : keys_) {
      if (!key.starts_with(kSnapshotPrefix) || versions.empty() || !versions.back().current()) continue;
      moments.push_back(versions.back().names_us);
    }
    return moments;
  }
  bool Young(int64_t since_us, int64_t now_us) const {
    return policy.forever || since_us + static_cast<int64_t>(policy.keep_all_s) * 1'000'000 > now_us;
  }
  bool Keeps(const ModelVersion& version, const std::vector<int64_t>& snapshots, int64_t now_us) const {
    if (Young(version.intervals.back().second, now_us)) return true;
    const auto in_force = [now_us](int64_t instant, uint64_t seconds) {
      return seconds > 0 && instant + static_cast<int64_t>(seconds) * 1'000'000 >= now_us;
    };
    const auto kept_at = [&](int64_t instant) {
      return in_force(instant, policy.hourly_s) || (instant % kDayUs == 0 && in_force(instant, policy.daily_s)) ||
             ((instant - kAMondayUs) % kWeekUs == 0 && in_force(instant, policy.weekly_s));
    };
    for (const auto& [from, to] : version.intervals) {
      for (int64_t instant = (from + kHourUs - 1) / kHourUs * kHourUs; instant < to; instant += kHourUs) {
        if (kept_at(instant)) return true;
      }
      for (const int64_t snapshot : snapshots) {
        if (from <= snapshot && snapshot < to) return true;
      }
    }
    return false;
  }

  std::map<std::string, std::vector<ModelVersion>> keys_;  // oldest first
};

// A store and its model, through the same history.
class ThinningModel {
 public:
  explicit ThinningModel(uint64_t seed) : random_(seed), harness_(seed) {
    harness_.Close();
    EXPECT_OK(RemoveTree(harness_.files, StoreHarness::kDirectory));
    // Freeing bodies takes commit times of its own, which the model does not know.
    harness_.options.checkpoint_ns = 10LL * 365 * kDayUs * 1000;
    harness_.options.checkpoint_bytes = 64 << 20;
    if (random_.OneIn(4)) model_.versioning = VersioningState::kOff;
    harness_.Open(model_.versioning);
  }

  void Run() {
    for (int round = 0; round < 6 && !testing::Test::HasFailure(); ++round) {
      for (int step = 0; step < 60; ++step) Step();
      if (random_.OneIn(2)) ChangePolicy();
      Thin();
      Compare();
    }
    harness_.Close();
    EXPECT_EQ(harness_.Findings(CheckLevel::kIndex), "");
  }

 private:
  int64_t NowUs() const { return harness_.clock.WallNs() / 1000; }
  std::string AnyKey() {
    if (random_.OneIn(12)) return KeyOfSnapshot(StrCat("name", random_.Below(3)));
    return StrCat("key", random_.Below(5));
  }

  void Step() {
    // Each change at a time of its own, at times that of an instant.
    harness_.clock.Advance(1'000'000 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(kDayUs)) * 1000 / 4));
    if (random_.OneIn(10)) harness_.clock.Advance(kDayUs * 1000 - harness_.clock.WallNs() % (kDayUs * 1000));
    const std::string key = AnyKey();
    const uint64_t dice = random_.Below(100);
    if (dice < 60) {
      Put(key);
    } else if (dice < 80) {
      const auto deleted = harness_.bucket->Delete(harness_.ctx, {key, "", {}});
      ASSERT_OK(deleted);
      model_.Delete(key, deleted->version_id, NowUs());
    } else if (dice < 95) {
      const auto versions = harness_.Versions();
      if (versions.empty()) return;
      const ObjectInfo& version = versions[random_.Below(versions.size())];
      if (version.version_id.empty()) return;
      harness_.Delete(version.key, version.version_id);
      model_.DeleteVersion(version.key, version.version_id, NowUs());
    } else if (random_.OneIn(2)) {
      model_.versioning =
          model_.versioning == VersioningState::kEnabled ? VersioningState::kSuspended : VersioningState::kEnabled;
      ASSERT_OK(harness_.store->SetVersioning("bucket", model_.versioning));
    } else {
      harness_.Close();
      harness_.Open();
    }
  }

  void Put(const std::string& key) {
    PutOptions options;
    int64_t names_us = NowUs();
    if (key.starts_with(kSnapshotPrefix) && random_.OneIn(2)) {
      names_us -= static_cast<int64_t>(random_.Below(static_cast<uint64_t>(20 * kDayUs)));
      SetMetadata(options.metadata, kSnapshotTimeMetadata, StrCat(names_us));
    }
    StringBody body(key);
    const auto put = harness_.bucket->Put(harness_.ctx, key, body, options);
    ASSERT_OK(put);
    ASSERT_EQ(put->last_modified_us, NowUs());
    model_.Put(key, put->version_id.empty() ? "null" : put->version_id, NowUs(), names_us);
  }

  void ChangePolicy() {
    model_.policy = {random_.OneIn(10), random_.Below(6) * kDaySeconds, random_.Below(3) * 60 * kHourSeconds,
                     random_.Below(15) * kDaySeconds, random_.Below(40) * kDaySeconds};
    ASSERT_OK(harness_.store->SetRetention("bucket", model_.policy));
  }

  void Thin() {
    harness_.clock.Advance(1000);
    const size_t before = harness_.Versions().size();
    const auto would = harness_.store->Thin(harness_.ctx, "bucket", ThinningMode::kCountOnly);
    ASSERT_OK(would);
    const auto did = harness_.store->Thin(harness_.ctx, "bucket", ThinningMode::kRemove);
    ASSERT_OK(did);
    EXPECT_EQ(would->versions, did->versions);
    EXPECT_EQ(would->delete_markers, did->delete_markers);
    EXPECT_EQ(would->bytes, did->bytes);
    EXPECT_EQ(before - harness_.Versions().size(), did->versions + did->delete_markers);
    model_.Thin(NowUs());
  }

  void Compare() {
    std::vector<std::string> lines;
    for (const ObjectInfo& version : harness_.Versions()) {
      lines.push_back(StrCat(version.key, ' ', version.version_id.empty() ? "null" : version.version_id,
                             version.is_delete_marker ? " marker" : ""));
    }
    ASSERT_EQ(lines, model_.Lines());
    for (int i = 0; i < 200; ++i) {
      ListRequest request;
      request.as_of_us = NowUs() - static_cast<int64_t>(random_.Below(static_cast<uint64_t>(60 * kDayUs)));
      const auto page = harness_.bucket->List(harness_.ctx, request);
      ASSERT_OK(page);
      std::vector<std::string> seen;
      for (const ObjectInfo& object : page->objects) {
        seen.push_back(StrCat(object.key, ' ', object.version_id.empty() ? "null" : object.version_id));
      }
      ASSERT_EQ(seen, model_.LinesAt(*request.as_of_us)) << "as of " << FormatTimeUtc(*request.as_of_us * 1000);
    }
  }

  SeededRandom random_;
  StoreHarness harness_;
  Model model_;
};

TEST(ThinningModelTest, RandomHistories) {
  ForSeeds(12, [](uint64_t seed) { ThinningModel(seed).Run(); });
}

}  // namespace
}  // namespace pailfs::store
