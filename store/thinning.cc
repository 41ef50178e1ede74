#include "store/thinning.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/named_snapshot.h"
#include "base/str.h"
#include "store/embedded_bucket.h"
#include "store/version_rows.h"

namespace pailfs::store {
namespace {

// Of one commit, so that other writers need not wait for long. A body composed of parts has rows for each of them.
constexpr size_t kMostRemoved = 256;
constexpr size_t kMostChangedRows = 4096;
// By one cursor, which keeps files of the index alive.
constexpr int kMostScanned = 10'000;
constexpr int kScannedBetweenChecks = 500;

Error Damaged() {
  return {Errc::kCorrupt, "a version row of the store's index is damaged; run 'pailfs store check'"};
}

// The moments of the named snapshots of a bucket. A row that cannot be read is an error, not a snapshot less.
Result<std::vector<uint64_t>> SnapshotsIn(const CommitView& view, BucketId bucket) {
  std::vector<uint64_t> moments;
  Status parsed;
  const std::string rows = CurrentPrefix(bucket) + std::string(kSnapshotPrefix);
  RETURN_IF_ERROR(view.Scan(rows, [&](std::string_view, std::string_view payload) {
    const auto version = ParseVersion(payload);
    if (!version.ok()) {
      parsed = version.error();
      return false;
    }
    ObjectInfo object;
    object.last_modified_us = static_cast<int64_t>(version->commit_us());
    for (const pb::Pair& pair : version->metadata()) object.metadata.emplace_back(pair.name(), pair.value());
    moments.push_back(static_cast<uint64_t>(SnapshotTimeUs(object, /*store_reads_as_of=*/true)));
    return true;
  }));
  RETURN_IF_ERROR(parsed);
  return moments;
}

std::vector<CurrentInterval> IntervalsOf(const pb::Version& version) {
  std::vector<CurrentInterval> intervals;
  for (const pb::Interval& interval : version.intervals()) intervals.push_back({interval.from_us(), interval.to_us()});
  return intervals;
}

// One run over the noncurrent versions of a bucket, in the order of their rows: by key, newest first. The cursor picks
// candidates; the commit thread looks at each of them again, with the policy and the snapshots of that moment.
class Thinner {
 public:
  Thinner(StoreCore& core, std::string_view bucket, ThinningMode mode)
      : core_(core),
        name_(bucket),
        mode_(mode),
        now_us_(static_cast<uint64_t>(std::max<int64_t>(core.clock.WallNs() / 1000, 0))) {}

  Result<ThinningResult> Run(const OpContext& ctx) {
    ASSIGN_OR_RETURN(const bool needed, Begin());
    for (bool more = needed; more;) {
      RETURN_IF_ERROR(ctx.Check());
      candidates_.clear();
      ASSIGN_OR_RETURN(more, Collect(ctx));
      if (mode_ != ThinningMode::kCountOnly) {
        RETURN_IF_ERROR(Remove(ctx));
      } else {
        for (const Candidate& candidate : candidates_) Add(candidate, &result_);
      }
    }
    return result_;
  }

 private:
  struct Candidate {
    std::string key;
    uint64_t seq = 0;
    uint64_t size = 0;
    bool marker = false;
    bool lone_marker = false;
    CurrentInterval behind = {};  // of a marker with something newer before it
  };

  Result<bool> Begin();
  Result<RetentionRule> RuleIn(const CommitView& view, const pb::Bucket& bucket) const;
  Result<bool> Collect(const OpContext& ctx);
  Status Consider(std::string_view row, const pb::Version& version);
  Status BeginKey(std::string_view rows_of_key, const pb::Version& newest);
  void EndKey();
  Status Remove(const OpContext& ctx);
  Status RemoveIn(CommitView& view, size_t* next, ThinningResult* removed) const;
  Result<bool> RemoveCandidate(CommitView& view, const BucketState& state, const RetentionRule& rule,
                               const Candidate& candidate) const;
  static void Add(const Candidate& candidate, ThinningResult* result);

  StoreCore& core_;
  const std::string name_;
  const ThinningMode mode_;
  const uint64_t now_us_;
  BucketId id_ = 0;
  std::optional<RetentionRule> rule_;
  ThinningResult result_;

  std::string cursor_;  // the row to go on with
  std::vector<Candidate> candidates_;
  // --- of the key at the cursor ---
  std::string rows_of_key_;
  std::string key_;
  std::optional<uint64_t> newer_us_;        // when what is newer than the next row was committed
  std::optional<Candidate> newest_marker_;  // goes when all behind it go
  bool all_go_ = true;
};

// False: there is nothing to do.
Result<bool> Thinner::Begin() {
  const CommitView view(*core_.index);
  ASSIGN_OR_RETURN(const pb::Bucket bucket, BucketIn(view, name_));
  id_ = bucket.id();
  cursor_ = VersionPrefix(id_);
  ASSIGN_OR_RETURN(RetentionRule rule, RuleIn(view, bucket));
  rule_.emplace(std::move(rule));
  return !PolicyOf(bucket).forever;
}

Result<RetentionRule> Thinner::RuleIn(const CommitView& view, const pb::Bucket& bucket) const {
  ASSIGN_OR_RETURN(std::vector<uint64_t> snapshots, SnapshotsIn(view, id_));
  RetentionPolicy policy = PolicyOf(bucket);
  if (mode_ == ThinningMode::kRemoveInUse) policy.keep_all_s = std::max(policy.keep_all_s, kDaySeconds);
  return RetentionRule(policy, std::move(snapshots), now_us_);
}

// Fills candidates_; false at the end of the bucket.
Result<bool> Thinner::Collect(const OpContext& ctx) {
  const std::string table = VersionPrefix(id_);
  KvIterator it = core_.index->NewIterator();
  int scanned = 0;
  for (it.Seek(cursor_); it.Valid() && it.key().starts_with(table); it.Next()) {
    if (++scanned % kScannedBetweenChecks == 0) RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(const pb::Version version, OpenVersion(it.key(), it.value()));
    RETURN_IF_ERROR(Consider(it.key(), version));
    cursor_ = std::string(it.key()) + '\0';
    if (candidates_.size() >= kMostRemoved || scanned >= kMostScanned) return true;
  }
  RETURN_IF_ERROR(it.status());
  EndKey();
  return false;
}

Status Thinner::Consider(std::string_view row, const pb::Version& version) {
  if (row.size() < sizeof(uint64_t)) return Damaged();
  const std::string_view rows_of_key = row.substr(0, row.size() - sizeof(uint64_t));
  if (rows_of_key != rows_of_key_) {
    EndKey();
    RETURN_IF_ERROR(BeginKey(rows_of_key, version));
  }
  Candidate candidate{.key = key_, .seq = version.seq(), .size = version.size(), .marker = version.marker()};
  if (version.marker() && !newer_us_) {
    candidate.lone_marker = true;
    newest_marker_ = std::move(candidate);
    all_go_ = !rule_->KeepsLoneMarker(version.commit_us());
  } else {
    std::vector<CurrentInterval> intervals = IntervalsOf(version);
    // Markers do not record when they were current.
    if (version.marker()) {
      candidate.behind = {version.commit_us(), *newer_us_};
      intervals = {candidate.behind};
    }
    if (rule_->Keeps(intervals)) {
      all_go_ = false;
    } else {
      candidates_.push_back(std::move(candidate));
    }
  }
  newer_us_ = version.commit_us();
  return {};
}

Status Thinner::BeginKey(std::string_view rows_of_key, const pb::Version& newest) {
  auto key = UnescapeKey(rows_of_key.substr(VersionPrefix(id_).size()));
  if (!key) return Damaged();
  rows_of_key_ = std::string(rows_of_key);
  key_ = std::move(key->first);
  newer_us_.reset();
  newest_marker_.reset();
  all_go_ = true;
  if (!newest.marker()) return {};
  const std::string row = CurrentRow(id_, key_);
  ASSIGN_OR_RETURN(const auto value, core_.index->Get(row));
  if (!value) return {};
  ASSIGN_OR_RETURN(const pb::Version current, OpenVersion(row, *value));
  newer_us_ = current.commit_us();
  return {};
}

void Thinner::EndKey() {
  if (newest_marker_ && all_go_) candidates_.push_back(std::move(*newest_marker_));
  newest_marker_.reset();
}

void Thinner::Add(const Candidate& candidate, ThinningResult* result) {
  if (candidate.marker) {
    ++result->delete_markers;
  } else {
    ++result->versions;
    result->bytes += candidate.size;
  }
}

Status Thinner::Remove(const OpContext& ctx) {
  for (size_t first = 0; first < candidates_.size();) {
    RETURN_IF_ERROR(ctx.Check());
    size_t next = first;
    ThinningResult removed;
    RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) {
      next = first;
      removed = {};
      return RemoveIn(view, &next, &removed);
    }));
    first = next;
    result_.versions += removed.versions;
    result_.bytes += removed.bytes;
    result_.delete_markers += removed.delete_markers;
    core_.metrics.counter("store.versions_thinned").Add(static_cast<int64_t>(removed.versions));
  }
  return {};
}

// Removes candidates from `*next` on, as many as one commit should.
Status Thinner::RemoveIn(CommitView& view, size_t* next, ThinningResult* removed) const {
  ASSIGN_OR_RETURN(const pb::Bucket bucket, BucketIn(view, name_));
  if (bucket.id() != id_) return Error{Errc::kNotFound, StrCat("bucket ", name_, " was deleted")};
  ASSIGN_OR_RETURN(const RetentionRule rule, RuleIn(view, bucket));
  const BucketState state{id_, static_cast<VersioningState>(bucket.versioning())};
  view.Advance();
  for (; *next < candidates_.size() && view.changed_rows() < kMostChangedRows; ++*next) {
    const Candidate& candidate = candidates_[*next];
    const auto gone = RemoveCandidate(view, state, rule, candidate);
    if (!gone.ok()) {
      return Error{gone.Is(Errc::kNotFound) ? Errc::kCorrupt : gone.error().code,
                   StrCat("an old version of ", candidate.key, ": ", gone.error().message)};
    }
    if (*gone) Add(candidate, removed);
  }
  return {};
}

Result<bool> Thinner::RemoveCandidate(CommitView& view, const BucketState& state, const RetentionRule& rule,
                                      const Candidate& candidate) const {
  VersionRows rows(view, state, candidate.key);
  ASSIGN_OR_RETURN(const auto located, rows.Find(candidate.seq));
  if (!located || located->current) return false;
  if (candidate.marker) {
    ASSIGN_OR_RETURN(const auto place, rows.PlaceOf(*located));
    if (place == VersionRows::MarkerPlace::kCovering) return false;
    if (candidate.lone_marker && place != VersionRows::MarkerPlace::kAlone) return false;
  }
  const std::vector<CurrentInterval> behind{candidate.behind};
  const bool kept = candidate.lone_marker ? rule.KeepsLoneMarker(located->version.commit_us())
                                          : rule.Keeps(candidate.marker ? behind : IntervalsOf(located->version));
  if (kept) return false;
  RETURN_IF_ERROR(rows.RemoveNoncurrent(*located));
  return true;
}

}  // namespace

RetentionPolicy PolicyOf(const pb::Bucket& bucket) {
  if (!bucket.has_retention()) return {};
  const pb::Retention& row = bucket.retention();
  return {row.forever(), row.keep_all_s(), row.hourly_s(), row.daily_s(), row.weekly_s()};
}

void SetPolicy(pb::Bucket* bucket, const RetentionPolicy& policy) {
  pb::Retention* row = bucket->mutable_retention();
  row->set_forever(policy.forever);
  row->set_keep_all_s(policy.keep_all_s);
  row->set_hourly_s(policy.hourly_s);
  row->set_daily_s(policy.daily_s);
  row->set_weekly_s(policy.weekly_s);
}

Result<ThinningResult> ThinBucket(StoreCore& core, const OpContext& ctx, std::string_view bucket, ThinningMode mode) {
  return Thinner(core, bucket, mode).Run(ctx);
}

Result<ThinningResult> EmbeddedStore::Thin(const OpContext& ctx, std::string_view bucket, ThinningMode mode) {
  return ThinBucket(*core_, ctx, bucket, mode);
}

}  // namespace pailfs::store
