#include "store/version_rows.h"

#include "base/str.h"

namespace pailfs::store {

Result<pb::Version> ParseVersion(std::string_view payload) {
  pb::Version version;
  if (!version.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Error{Errc::kCorrupt, "a version row of the store's index is damaged; run 'pailfs store check'"};
  }
  return version;
}

Result<pb::Version> OpenVersion(std::string_view row, std::string_view value) {
  ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, value));
  return ParseVersion(opened.payload);
}

Result<pb::Body> BodyIn(const CommitView& view, BodyId body) {
  ASSIGN_OR_RETURN(const auto payload, view.Get(BodyRow(body)));
  pb::Body record;
  if (!payload) return Error{Errc::kNotFound, "the object's bytes were deleted"};
  if (!record.ParseFromString(*payload)) return Error{Errc::kCorrupt, "a body row of the store's index is damaged"};
  return record;
}

Status ShareBody(CommitView& view, BodyId body, const std::string& owner_row, const std::string& reference_row) {
  ASSIGN_OR_RETURN(pb::Body record, BodyIn(view, body));
  if (!record.shared()) {
    record.set_shared(true);
    view.Put(BodyRow(body), record);
    view.Put(owner_row, std::string_view());
  }
  view.Put(reference_row, std::string_view());
  return {};
}

Status ReleaseBody(CommitView& view, BodyId body, const std::string& reference_row) {
  if (body == 0) return {};
  ASSIGN_OR_RETURN(const pb::Body record, BodyIn(view, body));
  if (record.shared()) {
    view.Delete(reference_row);
    bool referred = false;
    RETURN_IF_ERROR(view.Scan(ReferencesOfRow(body), [&referred](std::string_view, std::string_view) {
      referred = true;
      return false;
    }));
    if (referred) return {};
  }
  for (const pb::Segment& segment : record.segments()) {
    RETURN_IF_ERROR(ReleaseBody(view, segment.body(), BodyReferenceRow(segment.body(), body)));
  }
  view.Put(GarbageRow(view.seq(), body), std::string_view());
  return {};
}

Result<std::optional<pb::Version>> VersionRows::Current() const {
  ASSIGN_OR_RETURN(const auto payload, view_.Get(CurrentRow(bucket_.id, key_)));
  if (!payload) return std::optional<pb::Version>();
  ASSIGN_OR_RETURN(pb::Version version, ParseVersion(*payload));
  return std::optional<pb::Version>(std::move(version));
}

Result<std::optional<VersionRows::Located>> VersionRows::Find(uint64_t seq) const {
  ASSIGN_OR_RETURN(auto current, Current());
  if (current && current->seq() == seq) {
    return std::optional<Located>(Located{CurrentRow(bucket_.id, key_), std::move(*current), true});
  }
  const std::string row = VersionRow(bucket_.id, key_, seq);
  ASSIGN_OR_RETURN(const auto payload, view_.Get(row));
  if (!payload) return std::optional<Located>();
  ASSIGN_OR_RETURN(pb::Version version, ParseVersion(*payload));
  return std::optional<Located>(Located{row, std::move(version), false});
}

Result<std::optional<VersionRows::Located>> VersionRows::FindNull() const {
  ASSIGN_OR_RETURN(auto current, Current());
  if (current && current->null_version()) {
    return std::optional<Located>(Located{CurrentRow(bucket_.id, key_), std::move(*current), true});
  }
  ASSIGN_OR_RETURN(const auto payload, view_.Get(NullRow(bucket_.id, key_)));
  if (!payload) return std::optional<Located>();
  if (payload->size() != 8) return Error{Errc::kCorrupt, "a null-version row of the store's index is damaged"};
  return Find(GetBig64(*payload));
}

Status VersionRows::CheckConditions(const Conditions& conditions) const {
  if (!conditions.if_match && !conditions.if_none_match_any) return {};
  ASSIGN_OR_RETURN(const auto current, Current());
  if (conditions.if_none_match_any && current) {
    return Error{Errc::kPreconditionFailed, StrCat("an object is there already: ", key_)};
  }
  if (conditions.if_match && (!current || current->etag() != *conditions.if_match)) {
    return Error{Errc::kPreconditionFailed, StrCat("the object has changed: ", key_)};
  }
  return {};
}

// The current version becomes a noncurrent one.
Status VersionRows::Retire(pb::Version current) {
  if (current.intervals_size() > 0) {
    current.mutable_intervals(current.intervals_size() - 1)->set_to_us(view_.time_us());
  }
  view_.Delete(CurrentRow(bucket_.id, key_));
  view_.Put(VersionRow(bucket_.id, key_, current.seq()), current);
  if (current.null_version()) {
    std::string seq;
    PutBig64(seq, current.seq());
    view_.Put(NullRow(bucket_.id, key_), std::string_view(seq));
  }
  view_.AddObjects(bucket_.id, -1, -static_cast<int64_t>(current.size()));
  return {};
}

Status VersionRows::Drop(const std::string& row, const pb::Version& version) {
  view_.Delete(row);
  return ReleaseBody(view_, version.body(), VersionReferenceRow(version.body(), bucket_.id, key_, version.seq()));
}

Status VersionRows::RemoveNull() {
  ASSIGN_OR_RETURN(const auto located, FindNull());
  if (!located) return {};
  if (located->current) {
    view_.AddObjects(bucket_.id, -1, -static_cast<int64_t>(located->version.size()));
  } else {
    view_.Delete(NullRow(bucket_.id, key_));
  }
  return Drop(located->row, located->version);
}

Status VersionRows::Put(pb::Version* version) {
  version->set_seq(view_.seq());
  version->set_commit_us(view_.time_us());
  version->clear_intervals();
  version->add_intervals()->set_from_us(view_.time_us());
  version->set_null_version(bucket_.versioning != VersioningState::kEnabled);
  if (version->null_version()) RETURN_IF_ERROR(RemoveNull());
  ASSIGN_OR_RETURN(auto current, Current());
  if (current) RETURN_IF_ERROR(Retire(std::move(*current)));
  view_.Put(CurrentRow(bucket_.id, key_), *version);
  view_.AddObjects(bucket_.id, 1, static_cast<int64_t>(version->size()));
  return {};
}

Result<DeleteResult> VersionRows::Delete() {
  DeleteResult result;
  ASSIGN_OR_RETURN(auto current, Current());
  result.existed = current.has_value();
  const bool suspended = bucket_.versioning == VersioningState::kSuspended;
  if (bucket_.versioning != VersioningState::kEnabled) RETURN_IF_ERROR(RemoveNull());
  if (bucket_.versioning == VersioningState::kOff) return result;
  ASSIGN_OR_RETURN(current, Current());
  if (current) RETURN_IF_ERROR(Retire(std::move(*current)));
  pb::Version marker;
  marker.set_seq(view_.seq());
  marker.set_commit_us(view_.time_us());
  marker.set_marker(true);
  marker.set_null_version(suspended);
  view_.Put(VersionRow(bucket_.id, key_, marker.seq()), marker);
  if (suspended) {
    std::string seq;
    PutBig64(seq, marker.seq());
    view_.Put(NullRow(bucket_.id, key_), std::string_view(seq));
  }
  result.made_delete_marker = true;
  return result;
}

// After the current version or the newest marker went: the newest one left is the current one, unless it is a marker.
Status VersionRows::PromoteNewest() {
  std::optional<std::pair<std::string, std::string>> newest;
  RETURN_IF_ERROR(
      view_.Scan(VersionsOfRow(bucket_.id, key_), [&newest](std::string_view row, std::string_view payload) {
        newest.emplace(std::string(row), std::string(payload));
        return false;
      }));
  if (!newest) return {};
  ASSIGN_OR_RETURN(pb::Version version, ParseVersion(newest->second));
  if (version.marker()) return {};
  view_.Delete(newest->first);
  if (version.null_version()) view_.Delete(NullRow(bucket_.id, key_));
  version.add_intervals()->set_from_us(view_.time_us());
  view_.Put(CurrentRow(bucket_.id, key_), version);
  view_.AddObjects(bucket_.id, 1, static_cast<int64_t>(version.size()));
  return {};
}

Result<VersionRows::MarkerPlace> VersionRows::PlaceOf(const Located& marker) const {
  ASSIGN_OR_RETURN(const auto current, Current());
  if (current) return MarkerPlace::kBehind;
  bool newest = false;
  int seen = 0;
  RETURN_IF_ERROR(view_.Scan(VersionsOfRow(bucket_.id, key_), [&](std::string_view row, std::string_view) {
    newest = newest || (seen == 0 && row == marker.row);
    return newest && ++seen < 2;
  }));
  if (!newest) return MarkerPlace::kBehind;
  return seen == 1 ? MarkerPlace::kAlone : MarkerPlace::kCovering;
}

Status VersionRows::RemoveNoncurrent(const Located& located) {
  RETURN_IF_ERROR(Drop(located.row, located.version));
  if (located.version.null_version()) view_.Delete(NullRow(bucket_.id, key_));
  return {};
}

Status VersionRows::DeleteVersion(const Located& located) {
  ASSIGN_OR_RETURN(const auto current, Current());
  RETURN_IF_ERROR(Drop(located.row, located.version));
  if (located.current) {
    view_.AddObjects(bucket_.id, -1, -static_cast<int64_t>(located.version.size()));
  } else if (located.version.null_version()) {
    view_.Delete(NullRow(bucket_.id, key_));
  }
  if (located.current || !current) return PromoteNewest();
  return {};
}

}  // namespace pailfs::store
