#include "store/check.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/str.h"
#include "store/check_session.h"

namespace pailfs::store {
namespace {

struct Code {
  std::string_view code;
  std::string_view effect;
  std::string_view repair;
};

constexpr std::string_view kRebuild = "run 'pailfs store rebuild'";
constexpr std::string_view kRestore = "restore the object from a backup or upload it again";

constexpr std::array kCodes = {
    Code{"format-damaged", "the store cannot be opened", "put FORMAT back from a backup"},
    Code{"volume-superblock", "no change in this volume can be read",
         "put the volume back from a backup, else run 'pailfs store rebuild'"},
    Code{"volume-foreign", "the store cannot be opened", "move the file out of volumes/"},
    Code{"volume-damaged", "changes that were acknowledged are lost from the log",
         "put the volume back from a backup, else run 'pailfs store rebuild'"},
    Code{"volume-missing", "bytes in this volume are lost", "put the volume back from a backup"},
    Code{"index-missing", "the store cannot be opened", kRebuild},
    Code{"index-damaged", "the store cannot be opened", kRebuild},
    Code{"checkpoint-damaged", "the store cannot be opened", kRebuild},
    Code{"body-missing", "the object cannot be read", kRestore},
    Code{"body-size", "the object cannot be read in full", kRestore},
    Code{"body-place", "the object cannot be read", kRebuild},
    Code{"body-orphan", "space is taken and not used", "delete the file when no other finding is left"},
    Code{"row-damaged", "the object cannot be read or listed", kRebuild},
    Code{"version-damaged", "the version cannot be read or is shown wrongly", kRebuild},
    Code{"version-order", "another version than the newest is shown", kRebuild},
    Code{"null-row", "the null version is not found", kRebuild},
    Code{"interval", "the version is missing from the past or shown in a time that was not its own", kRebuild},
    Code{"body-lost", "the object cannot be read", kRebuild},
    Code{"body-length", "the object cannot be read in full", kRebuild},
    Code{"reference-missing", "the bytes may be freed while an object needs them", kRebuild},
    Code{"reference-stale", "the bytes are kept for nothing", kRebuild},
    Code{"body-leaked", "the bytes are kept for nothing", kRebuild},
    Code{"garbage-live", "the bytes will be freed while an object needs them", kRebuild},
    Code{"composite", "the object cannot be read in full", kRebuild},
    Code{"upload-parts", "the parts are kept for nothing", kRebuild},
    Code{"bucket-missing", "the rows belong to no bucket", kRebuild},
    Code{"counts", "the number and size of objects are shown wrongly", kRebuild},
    Code{"index-stale", "a change that was acknowledged is not in the index", kRebuild},
    Code{"index-extra", "the index shows what the log does not have", kRebuild},
    Code{"index-differs", "the index shows something else than the log", kRebuild},
    Code{"needle-damaged", "the object cannot be read", kRestore},
    Code{"sums-damaged", "the object cannot be verified and is not readable", kRestore},
    Code{"block-damaged", "the object cannot be read in full", kRestore},
};

// Opens the index and lays the log since its checkpoint over it. False: there is no more to check.
Result<bool> LoadIndex(CheckSession& session) {
  const std::string path = IndexPath(session.directory);
  ASSIGN_OR_RETURN(const bool exists, session.files.Exists(path + "/CURRENT"));
  if (!exists) {
    session.Add("index-missing", path);
    return false;
  }
  KvOptions options = IndexOptions();
  options.create_if_missing = false;
  auto opened = KvStore::Open(session.files, path, options);
  if (opened.Is(Errc::kCorrupt)) {
    session.Add("index-damaged", StrCat(path, ": ", opened.error().message));
    return false;
  }
  if (!opened.ok()) return std::move(opened).error();
  session.index = std::move(*opened);
  return true;
}

Result<pb::Applied> ReadCheckpoint(CheckSession& session) {
  pb::Applied applied;
  if (session.index == nullptr) return applied;
  const auto value = session.index->Get(AppliedRow());
  if (!value.ok()) {
    session.Add("index-damaged", value.error().message);
    return applied;
  }
  if (!*value) return applied;  // none was written yet
  const auto opened = OpenValue(AppliedRow(), **value);
  if (!opened.ok() || !applied.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size()))) {
    session.Add("checkpoint-damaged", "its row does not parse");
    applied.Clear();
  }
  return applied;
}

Status CheckLog(CheckSession& session) {
  ASSIGN_OR_RETURN(const pb::Applied applied, ReadCheckpoint(session));
  if (applied.first_orphan() != 0) session.first_orphan = applied.first_orphan();
  ASSIGN_OR_RETURN(const LogSummary log,
                   ReadLog(session.files, session.directory, session.store_uuid, applied.volume(), applied.offset(),
                           [&session](const ScannedBatch& batch) {
                             for (const LogRow& row : batch.rows) {
                               if ((batch.header.flags & kBatchRelocated) != 0 && !row.key.starts_with('B')) continue;
                               session.since_checkpoint[row.key] = row.value;
                             }
                             return Status();
                           }));
  session.volumes.insert(log.volumes.begin(), log.volumes.end());
  if (applied.volume() != 0 && !session.volumes.contains(applied.volume())) {
    session.Add("volume-missing", StrCat("volume ", Number16(applied.volume()), ", where the log goes on"));
  }
  session.AddDamages(log);
  return {};
}

// Each body has its place, or should have.
Status CheckPlaces(CheckSession& session) {
  std::map<uint64_t, uint64_t> volume_bytes;
  for (const uint64_t volume : session.volumes) {
    ASSIGN_OR_RETURN(const FileStat stat, session.files.Stat(VolumePath(session.directory, volume)));
    volume_bytes[volume] = stat.size_bytes;
  }
  RETURN_IF_ERROR(session.ForEachRow("G", [&session](std::string_view row, std::string_view) {
    if (row.size() == 17) session.garbage.insert(GetBig64(row.substr(9)));
  }));
  Status failed;
  RETURN_IF_ERROR(session.ForEach<pb::Body>("B", [&](std::string_view row, const pb::Body& body) {
    const BodyId id = row.size() == 9 ? GetBig64(row.substr(1)) : 0;
    ++session.report.bodies;
    if (body.kind() != pb::Body::PACKED && body.kind() != pb::Body::FILE) return;
    const auto volume = volume_bytes.find(body.volume());
    const uint64_t bytes = body.kind() == pb::Body::PACKED ? body.length() : 4;
    if (volume == volume_bytes.end()) {
      session.AddForBody("volume-missing", id, StrCat("volume ", Number16(body.volume())));
    } else if (body.offset() < kVolumeAlignment || body.offset() + bytes > volume->second) {
      session.AddForBody("body-place", id, StrCat("offset ", body.offset(), " of volume ", Number16(body.volume())));
    }
    // The file of what was deleted goes before its row.
    if (body.kind() != pb::Body::FILE || session.garbage.contains(id)) return;
    const std::string path = BodyPath(session.directory, id);
    const auto stat = session.files.Stat(path);
    if (stat.Is(Errc::kNotFound)) {
      session.AddForBody("body-missing", id, path);
    } else if (!stat.ok()) {
      failed = stat.error();
    } else if (stat->size_bytes != body.length()) {
      session.AddForBody("body-size", id, StrCat(path, " has ", stat->size_bytes, " bytes instead of ", body.length()));
    }
  }));
  return failed;
}

// Files that no row names. The newest ones may be of a process that ended, and go when the store is opened.
Status CheckOrphans(CheckSession& session) {
  auto groups = session.files.List(BodiesPath(session.directory));
  if (!groups.ok()) return std::move(groups).error();
  for (const std::string& group : *groups) {
    ASSIGN_OR_RETURN(const auto names, session.files.List(StrCat(BodiesPath(session.directory), '/', group)));
    for (const std::string& name : names) {
      BodyId body = 0;
      const auto parsed = std::from_chars(name.data(), name.data() + name.size(), body, 16);
      const bool named = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
      if (named && body >= session.first_orphan) continue;
      ASSIGN_OR_RETURN(const bool known, session.Has(BodyRow(body)));
      if (!named || !known) session.Add("body-orphan", StrCat(BodiesPath(session.directory), '/', group, '/', name));
    }
  }
  return {};
}

Status CountVersions(CheckSession& session) {
  RETURN_IF_ERROR(session.ForEachRow("C", [&](std::string_view, std::string_view) {
    ++session.report.objects;
    ++session.report.versions;
  }));
  return session.ForEachRow("V", [&](std::string_view, std::string_view) { ++session.report.versions; });
}

}  // namespace

void CheckSession::Add(std::string_view code, std::string object) {
  const auto known = std::find_if(kCodes.begin(), kCodes.end(), [code](const Code& each) { return each.code == code; });
  ++report.finding_count;
  if (report.findings.size() >= kMostFindings || known == kCodes.end()) return;
  report.findings.push_back(
      {std::string(code), std::move(object), std::string(known->effect), std::string(known->repair)});
}

void CheckSession::AddDamages(const LogSummary& log) {
  for (const LogDamage& damage : log.damages) {
    if (!damages_.emplace(damage.volume, damage.offset).second) continue;
    const std::string place = StrCat(VolumePath(directory, damage.volume), " at offset ", damage.offset);
    if (damage.kind == LogDamage::Kind::kSuperblock) Add("volume-superblock", place);
    if (damage.kind == LogDamage::Kind::kForeign) Add("volume-foreign", place);
    if (damage.kind == LogDamage::Kind::kBatch) Add("volume-damaged", place);
    // Damaged bytes of bodies are found by the data level, with the object that they belong to.
  }
}

void CheckSession::AddForBody(std::string_view code, BodyId body, std::string detail) {
  const size_t before = report.findings.size();
  Add(code, StrCat("body ", body, ": ", detail));
  if (report.findings.size() > before) findings_of_body_[body].push_back(before);
}

Status CheckSession::ForEachRow(std::string_view prefix,
                                const std::function<void(std::string_view, std::string_view)>& visit) const {
  KvIterator it = index->NewIterator();
  it.Seek(prefix);
  auto newer = since_checkpoint.lower_bound(prefix);
  const auto inside = [prefix](std::string_view row) { return row.starts_with(prefix); };
  for (;;) {
    const bool in_index = it.Valid() && inside(it.key());
    const bool in_log = newer != since_checkpoint.end() && inside(newer->first);
    if (!in_index && !in_log) return it.status();
    if (!in_log || (in_index && it.key() < newer->first)) {
      visit(it.key(), it.value());
      it.Next();
      continue;
    }
    if (in_index && it.key() == newer->first) it.Next();
    if (newer->second) visit(newer->first, *newer->second);
    ++newer;
  }
}

Result<std::optional<std::string>> CheckSession::Get(const std::string& row) const {
  std::optional<std::string> value;
  if (const auto newer = since_checkpoint.find(row); newer != since_checkpoint.end()) {
    value = newer->second;
  } else {
    ASSIGN_OR_RETURN(value, index->Get(row));
  }
  if (!value) return std::optional<std::string>();
  const auto opened = OpenValue(row, *value);
  if (!opened.ok()) return std::optional<std::string>();
  return std::optional<std::string>(std::string(opened->payload));
}

Result<bool> CheckSession::Has(const std::string& row) const {
  ASSIGN_OR_RETURN(const auto payload, Get(row));
  return payload.has_value();
}

Result<std::optional<pb::Body>> CheckSession::Body(BodyId body) const {
  ASSIGN_OR_RETURN(const auto payload, Get(BodyRow(body)));
  pb::Body record;
  if (!payload || !record.ParseFromString(*payload)) return std::optional<pb::Body>();
  return std::optional<pb::Body>(std::move(record));
}

Result<std::map<BucketId, std::string>> BucketNames(const CheckSession& session) {
  std::map<BucketId, std::string> names;
  RETURN_IF_ERROR(session.ForEach<pb::Bucket>(
      "b", [&names](std::string_view row, const pb::Bucket& bucket) { names[bucket.id()] = row.substr(1); }));
  return names;
}

std::string NameOfRow(const std::map<BucketId, std::string>& buckets, std::string_view row) {
  if (row.size() < 5) return "";
  const auto bucket = buckets.find(GetBig32(row.substr(1)));
  const auto key = UnescapeKey(row.substr(5));
  if (!key) return "";
  return StrCat(bucket == buckets.end() ? "(no bucket)" : bucket->second, '/', key->first);
}

Status CheckSession::NameBodies() {
  if (findings_of_body_.empty()) return {};
  ASSIGN_OR_RETURN(const auto buckets, BucketNames(*this));
  std::map<BodyId, std::set<BodyId>> needed_by;  // composite -> damaged bodies
  RETURN_IF_ERROR(ForEach<pb::Body>("B", [&](std::string_view row, const pb::Body& body) {
    for (const pb::Segment& segment : body.segments()) {
      if (findings_of_body_.contains(segment.body())) needed_by[GetBig64(row.substr(1))].insert(segment.body());
    }
  }));
  const auto name = [&](std::string_view row, const pb::Version& version) {
    std::set<BodyId> bodies;
    if (const auto composite = needed_by.find(version.body()); composite != needed_by.end()) bodies = composite->second;
    bodies.insert(version.body());
    for (const BodyId body : bodies) {
      const auto findings = findings_of_body_.find(body);
      if (findings == findings_of_body_.end()) continue;
      for (const size_t finding : findings->second) {
        report.findings[finding].object +=
            StrCat(", of ", NameOfRow(buckets, row), row.front() == 'V' ? " (an older version)" : "");
      }
    }
  };
  RETURN_IF_ERROR(ForEach<pb::Version>("C", name));
  return ForEach<pb::Version>("V", name);
}

Result<CheckReport> CheckStore(FileSystem& files, const std::string& directory, CheckLevel level) {
  CheckSession session(files, directory);
  const auto format = ReadFormat(files, directory);
  if (format.Is(Errc::kCorrupt)) {
    session.Add("format-damaged", FormatPath(directory));
    return std::move(session.report);
  }
  if (!format.ok()) return format.error();
  session.store_uuid = format->store_uuid;
  ASSIGN_OR_RETURN(const auto lock, files.Lock(directory + "/LOCK"));
  ASSIGN_OR_RETURN(const bool has_index, LoadIndex(session));
  RETURN_IF_ERROR(CheckLog(session));
  if (!has_index) return std::move(session.report);
  Status checked = CheckPlaces(session);
  if (checked.ok()) checked = CountVersions(session);
  if (checked.ok() && level != CheckLevel::kQuick) checked = CheckOrphans(session);
  if (checked.ok() && level != CheckLevel::kQuick) checked = CheckIndexRows(session);
  if (checked.ok() && level != CheckLevel::kQuick) checked = CompareWithLog(session);
  if (checked.ok() && level == CheckLevel::kData) checked = CheckBytes(session);
  if (checked.ok()) checked = session.NameBodies();
  // A damaged table of the index shows when it is read.
  if (checked.Is(Errc::kCorrupt)) {
    session.Add("index-damaged", checked.error().message);
  } else if (!checked.ok()) {
    return std::move(checked).error();
  }
  return std::move(session.report);
}

}  // namespace pailfs::store
