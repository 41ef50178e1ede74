// The index level of a check: every row, and how rows hang together.

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/str.h"
#include "store/check_session.h"

namespace pailfs::store {
namespace {

// Who needs which body, against the R, G and B rows.
class References {
 public:
  explicit References(CheckSession& session) : session_(session) {}

  // A version, a part or a composite needs `body` and should have `reference` if it is shared.
  void Need(BodyId body, const std::string& reference, uint64_t length, std::string_view who) {
    const auto found = session_.Body(body);
    if (!found.ok()) {
      failed_ = found.error();
      return;
    }
    ++needed_[body];
    if (!*found) {
      session_.AddForBody("body-lost", body, StrCat("needed by ", who));
      return;
    }
    if ((*found)->length() < length) {
      session_.AddForBody("body-length", body, StrCat((*found)->length(), " bytes, of which ", who, " needs ", length));
    }
    if (!(*found)->shared()) return;
    const auto has = session_.Has(reference);
    if (!has.ok()) failed_ = has.error();
    if (has.ok() && !*has) session_.AddForBody("reference-missing", body, StrCat("the one of ", who));
    expected_.insert(reference);
  }

  void NeedSegments(BodyId id, const pb::Body& body) {
    if (body.kind() != pb::Body::COMPOSITE) return;
    uint64_t length = 0;
    std::unordered_map<BodyId, uint64_t> reach;
    for (const pb::Segment& segment : body.segments()) {
      length += segment.length();
      uint64_t& end = reach[segment.body()];
      end = std::max(end, segment.offset() + segment.length());
    }
    if (length != body.length()) session_.AddForBody("composite", id, "its parts have another length");
    if (session_.garbage.contains(id)) return;  // it has given up its references
    for (const auto& [part, end] : reach) Need(part, BodyReferenceRow(part, id), end, StrCat("body ", id));
  }

  Status CheckAll() {
    RETURN_IF_ERROR(session_.ForEach<pb::Body>("B", [this](std::string_view row, const pb::Body& body) {
      if (row.size() != 9) return;
      const BodyId id = GetBig64(row.substr(1));
      const auto needed = needed_.find(id);
      const uint32_t count = needed == needed_.end() ? 0 : needed->second;
      if (count == 0 && !session_.garbage.contains(id)) session_.AddForBody("body-leaked", id, "no version needs it");
      if (count > 0 && session_.garbage.contains(id))
        session_.AddForBody("garbage-live", id, "it is marked as deleted");
      if (count > 1 && !body.shared()) session_.AddForBody("reference-missing", id, "it is not marked as shared");
    }));
    RETURN_IF_ERROR(session_.ForEachRow("R", [this](std::string_view row, std::string_view) {
      if (!expected_.contains(std::string(row)) && row.size() > 9) {
        session_.AddForBody("reference-stale", GetBig64(row.substr(1)), "what referred to it is gone");
      }
    }));
    return failed_;
  }

 private:
  CheckSession& session_;
  Status failed_;
  std::unordered_map<BodyId, uint32_t> needed_;
  std::unordered_set<std::string> expected_;  // of shared bodies only
};

// The versions of one key, newest first.
struct KeyVersions {
  std::string name;
  std::optional<pb::Version> current;
  std::vector<pb::Version> older;
};

class VersionCheck {
 public:
  VersionCheck(CheckSession& session, References& references, std::map<BucketId, std::string> buckets)
      : session_(session), references_(references), buckets_(std::move(buckets)) {}

  Status Run() {
    RETURN_IF_ERROR(session_.ForEach<pb::Version>(
        "C", [this](std::string_view row, const pb::Version& version) { CheckCurrent(row, version); }));
    RETURN_IF_ERROR(session_.ForEach<pb::Version>(
        "V", [this](std::string_view row, const pb::Version& version) { CheckOlder(row, version); }));
    CheckKey();
    RETURN_IF_ERROR(CheckNullRows());
    RETURN_IF_ERROR(CheckCounts());
    return failed_;
  }

 private:
  struct Place {
    BucketId bucket = 0;
    std::string key;
    std::string_view rest;
  };
  std::optional<Place> Parse(std::string_view row) {
    if (row.size() < 5) return std::nullopt;
    Place place{GetBig32(row.substr(1)), "", {}};
    auto key = UnescapeKey(row.substr(5));
    if (!key) return std::nullopt;
    if (!buckets_.contains(place.bucket) && reported_buckets_.insert(place.bucket).second) {
      session_.Add("bucket-missing", StrCat("bucket ", place.bucket));
    }
    place.key = std::move(key->first);
    place.rest = key->second;
    return place;
  }

  void CheckCommon(std::string_view row, const Place& place, const pb::Version& version) {
    if (version.seq() == 0 || (version.marker() && version.body() != 0) ||
        (version.size() != 0 && version.body() == 0)) {
      session_.Add("version-damaged", NameOfRow(buckets_, row));
    }
    if (version.body() == 0) return;
    references_.Need(version.body(), VersionReferenceRow(version.body(), place.bucket, place.key, version.seq()),
                     version.size(), NameOfRow(buckets_, row));
  }

  void CheckCurrent(std::string_view row, const pb::Version& version) {
    const auto place = Parse(row);
    if (!place || !place->rest.empty() || version.marker()) {
      session_.Add("version-damaged", NameOfRow(buckets_, row));
      return;
    }
    CheckCommon(row, *place, version);
    const int last = version.intervals_size() - 1;
    bool good = last >= 0 && version.intervals(last).to_us() == 0;
    for (int i = 0; i < last; ++i) good = good && version.intervals(i).to_us() >= version.intervals(i).from_us();
    if (!good) session_.Add("interval", NameOfRow(buckets_, row));
    counts_[place->bucket].objects += 1;
    counts_[place->bucket].bytes += static_cast<int64_t>(version.size());
  }

  void CheckOlder(std::string_view row, const pb::Version& version) {
    const auto place = Parse(row);
    if (!place || place->rest.size() != 8 || ~GetBig64(place->rest) != version.seq()) {
      session_.Add("version-damaged", NameOfRow(buckets_, row));
      return;
    }
    CheckCommon(row, *place, version);
    bool good = version.marker() || version.intervals_size() > 0;
    for (const pb::Interval& interval : version.intervals()) {
      good = good && interval.to_us() >= interval.from_us() && interval.to_us() != 0;
    }
    // A marker may be without intervals; one that is still the latest has an open one.
    if (!good && !version.marker()) session_.Add("interval", NameOfRow(buckets_, row));
    const std::string of_key(row.substr(0, row.size() - 8));
    if (of_key != key_row_) {
      CheckKey();
      key_row_ = of_key;
      newest_ = version;
      null_versions_ = 0;
      name_ = NameOfRow(buckets_, row);
    }
    if (version.null_version()) CheckNull(*place, version);
  }

  // At the end of the older versions of a key.
  void CheckKey() {
    if (key_row_.empty()) return;
    std::string current_row = key_row_;
    current_row[0] = 'C';
    const auto payload = session_.Get(current_row);
    if (!payload.ok()) {
      failed_ = payload.error();
      return;
    }
    pb::Version current;
    const bool there = *payload && current.ParseFromString(**payload);
    const bool wrong = there ? current.seq() <= newest_.seq() : !newest_.marker();
    if (wrong) session_.Add("version-order", name_);
    if (null_versions_ + (there && current.null_version() ? 1 : 0) > 1)
      session_.Add("null-row", StrCat(name_, ": two null versions"));
  }

  void CheckNull(const Place& place, const pb::Version& version) {
    ++null_versions_;
    const auto payload = session_.Get(NullRow(place.bucket, place.key));
    if (!payload.ok()) failed_ = payload.error();
    if (payload.ok() && (!*payload || (*payload)->size() != 8 || GetBig64(**payload) != version.seq())) {
      session_.Add("null-row", name_.empty() ? place.key : name_);
    }
  }

  Status CheckNullRows() {
    return session_.ForEachRow("N", [this](std::string_view row, std::string_view value) {
      const auto place = Parse(row);
      const auto opened = OpenValue(row, value);
      if (!opened.ok()) return;  // reported with all rows
      bool good = place && place->rest.empty() && opened->payload.size() == 8;
      if (good) {
        const auto payload = session_.Get(VersionRow(place->bucket, place->key, GetBig64(opened->payload)));
        if (!payload.ok()) failed_ = payload.error();
        pb::Version version;
        good = payload.ok() && *payload && version.ParseFromString(**payload) && version.null_version();
      }
      if (!good) session_.Add("null-row", StrCat(NameOfRow(buckets_, row), ": there is no such version"));
    });
  }

  Status CheckCounts() {
    for (const auto& [bucket, name] : buckets_) {
      ASSIGN_OR_RETURN(const auto payload, session_.Get(CountsRow(bucket)));
      ObjectCounts stored;
      if (payload && payload->size() == 16) {
        stored.objects = static_cast<int64_t>(GetBig64(*payload));
        stored.bytes = static_cast<int64_t>(GetBig64(payload->substr(8)));
      }
      const ObjectCounts& counted = counts_[bucket];
      if (stored.objects != counted.objects || stored.bytes != counted.bytes) {
        session_.Add("counts", StrCat("bucket ", name, ": ", stored.objects, " objects of ", stored.bytes,
                                      " bytes are ", counted.objects, " of ", counted.bytes));
      }
    }
    return {};
  }

  CheckSession& session_;
  References& references_;
  const std::map<BucketId, std::string> buckets_;
  std::set<BucketId> reported_buckets_;
  std::map<BucketId, ObjectCounts> counts_;
  Status failed_;
  std::string key_row_;  // the V rows of one key
  std::string name_;
  pb::Version newest_;
  int null_versions_ = 0;
};

template <typename Message>
bool Parses(std::string_view payload) {
  Message message;
  return message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

bool PayloadParses(char table, std::string_view payload) {
  switch (table) {
    case 'B':
      return Parses<pb::Body>(payload);
    case 'C':
    case 'V':
      return Parses<pb::Version>(payload);
    case 'U':
      return Parses<pb::Upload>(payload);
    case 'P':
      return Parses<pb::Part>(payload);
    case 'b':
      return Parses<pb::Bucket>(payload);
    default:
      return true;
  }
}

Status CheckEnvelopes(CheckSession& session) {
  ASSIGN_OR_RETURN(const auto buckets, BucketNames(session));
  return session.ForEachRow("", [&](std::string_view row, std::string_view value) {
    const auto opened = OpenValue(row, value);
    if (opened.ok() && PayloadParses(row.front(), opened->payload)) return;
    const bool named = std::string_view("CVNU").find(row.front()) != std::string_view::npos;
    session.Add("row-damaged",
                StrCat("table ", row.substr(0, 1), named ? StrCat(": ", NameOfRow(buckets, row)) : std::string()));
  });
}

Status CheckUploads(CheckSession& session, References& references) {
  std::unordered_set<uint64_t> uploads;
  RETURN_IF_ERROR(session.ForEach<pb::Upload>("U", [&uploads](std::string_view row, const pb::Upload&) {
    uploads.insert(GetBig64(row.substr(row.size() - 8)));
  }));
  return session.ForEach<pb::Part>("P", [&](std::string_view row, const pb::Part& part) {
    const bool known = row.size() == 13 && uploads.contains(GetBig64(row.substr(1)));
    const std::string name =
        row.size() == 13 ? StrCat("part ", GetBig32(row.substr(9)), " of upload ", GetBig64(row.substr(1))) : "";
    if (!known) session.Add("upload-parts", name);
    if (part.body() != 0) references.Need(part.body(), BodyReferenceRow(part.body(), part.body()), part.size(), name);
  });
}

Status CompareWithFresh(CheckSession& session, const std::string& path) {
  ASSIGN_OR_RETURN(const auto expected, KvStore::Open(session.files, path, IndexOptions()));
  BodyId next_body = 1;
  ASSIGN_OR_RETURN(const LogSummary log,
                   ReplayLog(session.files, session.directory, session.store_uuid, *expected, &next_body));
  session.AddDamages(log);
  const bool complete = std::all_of(log.damages.begin(), log.damages.end(),
                                    [](const LogDamage& damage) { return damage.kind == LogDamage::Kind::kNeedles; });
  if (!complete) return {};  // the index knows more than the log then
  ASSIGN_OR_RETURN(const auto buckets, BucketNames(session));
  const auto name = [&](std::string_view row) {
    const bool named = std::string_view("CVNU").find(row.front()) != std::string_view::npos;
    return StrCat("table ", row.substr(0, 1), named ? StrCat(": ", NameOfRow(buckets, row)) : std::string());
  };
  KvIterator it = expected->NewIterator();
  it.SeekToFirst();
  RETURN_IF_ERROR(session.ForEachRow("", [&](std::string_view row, std::string_view value) {
    if (row == AppliedRow()) return;
    for (; it.Valid() && it.key() < row; it.Next()) session.Add("index-stale", name(it.key()));
    if (!it.Valid() || it.key() != row) {
      session.Add("index-extra", name(row));
      return;
    }
    if (it.value() != value) session.Add("index-differs", name(row));
    it.Next();
  }));
  for (; it.Valid(); it.Next()) session.Add("index-stale", name(it.key()));
  RETURN_IF_ERROR(it.status());
  return {};
}

}  // namespace

Status CheckIndexRows(CheckSession& session) {
  RETURN_IF_ERROR(CheckEnvelopes(session));
  References references(session);
  ASSIGN_OR_RETURN(auto buckets, BucketNames(session));
  RETURN_IF_ERROR(VersionCheck(session, references, std::move(buckets)).Run());
  RETURN_IF_ERROR(CheckUploads(session, references));
  RETURN_IF_ERROR(session.ForEach<pb::Body>("B", [&references](std::string_view row, const pb::Body& body) {
    if (row.size() == 9) references.NeedSegments(GetBig64(row.substr(1)), body);
  }));
  return references.CheckAll();
}

// The index is made once more from the log, beside it, and the two are compared.
Status CompareWithLog(CheckSession& session) {
  const std::string path = IndexPath(session.directory) + ".check";
  RETURN_IF_ERROR(RemoveTree(session.files, path));
  RETURN_IF_ERROR(CompareWithFresh(session, path));
  return RemoveTree(session.files, path);
}

}  // namespace pailfs::store
