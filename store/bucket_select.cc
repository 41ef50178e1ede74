// Which version a read means.

#include <algorithm>

#include "base/str.h"
#include "store/embedded_bucket.h"

namespace pailfs::store {
namespace {

// Histories up to this length are walked; in longer ones the place is searched.
constexpr int kWalkedVersions = 8;

// The version in exactly this row.
Result<std::optional<pb::Version>> VersionIn(KvIterator& it, const std::string& row) {
  it.Seek(row);
  RETURN_IF_ERROR(it.status());
  if (!it.Valid() || it.key() != row) return std::optional<pb::Version>();
  ASSIGN_OR_RETURN(pb::Version version, OpenVersion(row, it.value()));
  return std::optional<pb::Version>(std::move(version));
}

bool CurrentAt(const pb::Version& version, uint64_t time_us) {
  return std::any_of(version.intervals().begin(), version.intervals().end(), [time_us](const pb::Interval& interval) {
    return interval.from_us() <= time_us && (interval.to_us() == 0 || time_us < interval.to_us());
  });
}

}  // namespace

// The newest version in V that was committed by then. Commit times rise with sequence numbers.
Result<std::optional<pb::Version>> EmbeddedBucket::NewestAt(KvIterator& it, std::string_view key,
                                                            uint64_t time_us) const {
  const std::string prefix = VersionsOfRow(id_, key);
  uint64_t above = UINT64_MAX;  // versions from here on are too new
  it.Seek(prefix);
  for (int walked = 0; it.Valid() && it.key().starts_with(prefix); it.Next()) {
    ASSIGN_OR_RETURN(pb::Version version, OpenVersion(it.key(), it.value()));
    if (version.commit_us() <= time_us) return std::optional<pb::Version>(std::move(version));
    above = version.seq();
    if (++walked == kWalkedVersions) break;
  }
  RETURN_IF_ERROR(it.status());
  std::optional<pb::Version> newest;
  for (uint64_t below = 0; above != UINT64_MAX && below < above;) {
    const uint64_t middle = below + (above - below) / 2;
    it.Seek(VersionRow(id_, key, middle));
    RETURN_IF_ERROR(it.status());
    if (!it.Valid() || !it.key().starts_with(prefix)) {
      below = middle + 1;
      continue;
    }
    ASSIGN_OR_RETURN(pb::Version version, OpenVersion(it.key(), it.value()));
    if (version.commit_us() <= time_us) {
      newest = std::move(version);
      below = middle + 1;
    } else {
      above = version.seq();
    }
  }
  return newest;
}

// Of the versions that are left, only the newest one committed by then can have been current: the others were behind
// it. Where it was not, what was current is gone since, or a marker was: absent, never an older neighbour.
Result<std::optional<pb::Version>> EmbeddedBucket::VisibleAt(KvIterator& it, std::string_view key,
                                                             uint64_t time_us) const {
  ASSIGN_OR_RETURN(auto newest, VersionIn(it, CurrentRow(id_, key)));
  if (!newest || newest->commit_us() > time_us) {
    ASSIGN_OR_RETURN(newest, NewestAt(it, key, time_us));
  }
  if (newest && (newest->marker() || !CurrentAt(*newest, time_us))) newest.reset();
  return newest;
}

Result<std::optional<pb::Version>> EmbeddedBucket::FindById(KvIterator& it, std::string_view key,
                                                            std::string_view version_id) const {
  ASSIGN_OR_RETURN(auto current, VersionIn(it, CurrentRow(id_, key)));
  if (current && VersionId(key, *current) == version_id) return current;
  std::optional<uint64_t> seq = SeqOf(key, version_id);
  if (version_id == "null") {
    const std::string row = NullRow(id_, key);
    it.Seek(row);
    RETURN_IF_ERROR(it.status());
    if (!it.Valid() || it.key() != row) return std::optional<pb::Version>();
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, it.value()));
    if (opened.payload.size() != 8) return Error{Errc::kCorrupt, "a null-version row of the store's index is damaged"};
    seq = GetBig64(opened.payload);
  }
  if (!seq) return std::optional<pb::Version>();
  return VersionIn(it, VersionRow(id_, key, *seq));
}

Result<std::pair<pb::Version, bool>> EmbeddedBucket::Select(std::string_view key,
                                                            const VersionSelector& selector) const {
  RETURN_IF_ERROR(CheckKey(key));
  const Error absent{Errc::kNotFound, StrCat("no such object: ", key)};
  if (!selector.as_of_us && selector.version_id.empty()) {
    const std::string row = CurrentRow(id_, key);
    ASSIGN_OR_RETURN(const auto value, core_.index->Get(row));
    if (!value) return absent;
    ASSIGN_OR_RETURN(pb::Version version, OpenVersion(row, *value));
    return std::pair(std::move(version), true);
  }
  KvIterator it = core_.index->NewIterator();
  std::optional<pb::Version> found;
  if (!selector.version_id.empty()) {
    ASSIGN_OR_RETURN(found, FindById(it, key, selector.version_id));
  } else if (*selector.as_of_us >= 0) {
    ASSIGN_OR_RETURN(found, VisibleAt(it, key, static_cast<uint64_t>(*selector.as_of_us)));
  }
  if (!found) return absent;
  ASSIGN_OR_RETURN(const auto current, VersionIn(it, CurrentRow(id_, key)));
  const bool latest = current && current->seq() == found->seq();
  return std::pair(std::move(*found), latest);
}

}  // namespace pailfs::store
