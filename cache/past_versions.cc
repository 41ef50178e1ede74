// The versions of files.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "base/str.h"
#include "cache/key_names.h"
#include "cache/moment.h"
#include "cache/past.h"

namespace pailfs::cache {
namespace {

// "2026-11-22T08:00:00Z~id".
std::string NameOfVersion(const ObjectInfo& version) {
  std::string id = version.version_id;
  for (size_t at = 0; (at = id.find('/', at)) != std::string::npos;) id.replace(at, 1, "%2F");
  return StrCat(FormatMoment(version.last_modified_us), "~", id);
}

}  // namespace

Status Past::VisitVersionsOf(const OpContext& ctx, const std::string& key,
                             const std::function<bool(ObjectInfo)>& visit) {
  ListVersionsRequest request;
  request.prefix = key;
  for (;;) {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(ListVersionsPage page, core_.store.ListVersions(ctx, request));
    for (ObjectInfo& version : page.versions) {
      // The key itself comes first of all that begin with it.
      if (version.key != key || !visit(std::move(version))) return {};
    }
    if (!page.truncated) return {};
    request.key_marker = page.next_key_marker;
    request.version_id_marker = page.next_version_id_marker;
  }
}

Result<std::optional<ObjectInfo>> Past::NewestVersion(const OpContext& ctx, const std::string& key) {
  std::optional<ObjectInfo> newest;
  RETURN_IF_ERROR(VisitVersionsOf(ctx, key, [&newest](ObjectInfo version) {
    if (!version.is_delete_marker) newest = std::move(version);
    return !newest;
  }));
  return newest;
}

Result<Ino> Past::LookupVersions(const OpContext& ctx, const InodePtr& dir, const PastPlace& place,
                                 std::string_view name) {
  if (!ShowsHistory()) return Error{Errc::kNotFound, "the bucket keeps no versions"};
  if (IsHashedName(name)) {
    RETURN_IF_ERROR(Load(ctx, dir, Knowledge::kFresh));
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const auto dentry, core_.db->FindDentry(dir->ino, name));
    if (!dentry) return Error{Errc::kNotFound, "no such file"};
    return dentry->ino;
  }
  const std::string segment = KeySegmentOfName(name);
  const bool named_as_file = name == NameOfKeySegment(segment, KeySegmentKind::kObjectBesideDirectory);
  PastPlace found{Kind::kFile, place.root, place.prefix + segment};
  if (found.prefix == kReservedSegment) return Error{Errc::kNotFound, "no such file"};
  ASSIGN_OR_RETURN(const auto newest, NewestVersion(ctx, found.prefix));
  bool is_file = newest && (named_as_file || newest->is_latest);
  if (!is_file && !named_as_file) {
    ListVersionsRequest below;
    below.prefix = found.prefix + "/";
    below.max_keys = 1;
    ASSIGN_OR_RETURN(const ListVersionsPage page, core_.store.ListVersions(ctx, below));
    const bool any = !page.versions.empty();
    is_file = newest && !any;
    if (any) {
      found.kind = Kind::kVersions;
      found.prefix.push_back('/');
    }
  }
  if (!is_file && found.kind == Kind::kFile) return Error{Errc::kNotFound, "the bucket has no version of it"};
  ASSIGN_OR_RETURN(const InodePtr inode, DirectoryAt(found, dir->ino, name));
  // So that its history can be read.
  if (is_file) RETURN_IF_ERROR(Load(ctx, inode, Knowledge::kFresh));
  return inode->ino;
}

// Where there was a file and there was a directory of a name, it is that of the file if that is there now, else the
// directory's; the other one has a name of its own.
Status Past::LoadVersions(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed) {
  if (!ShowsHistory()) return {};
  std::map<std::string, bool> files;  // are they there now?
  std::vector<std::string> directories;
  ListVersionsRequest request;
  request.prefix = place.prefix;
  request.delimiter = "/";
  for (bool more = true; more;) {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(const ListVersionsPage page, core_.store.ListVersions(ctx, request));
    for (const ObjectInfo& version : page.versions) {
      if (version.is_delete_marker || version.key == place.prefix) continue;
      files[version.key.substr(place.prefix.size())] |= version.is_latest;
    }
    for (const std::string& common : page.common_prefixes) {
      if (common == kReservedPrefix) continue;
      directories.push_back(common.substr(place.prefix.size(), common.size() - place.prefix.size() - 1));
    }
    more = page.truncated;
    request.key_marker = page.next_key_marker;
    request.version_id_marker = page.next_version_id_marker;
  }
  std::vector<std::pair<std::string, PastPlace>> entries;
  for (const std::string& segment : directories) {
    const auto beside = files.find(segment);
    const bool hidden = beside != files.end() && beside->second;
    entries.emplace_back(
        hidden ? HashedNameOfKeySegment(segment, "/") : NameOfKeySegment(segment, KeySegmentKind::kDirectory),
        PastPlace{Kind::kVersions, place.root, StrCat(place.prefix, segment, "/")});
  }
  const std::set<std::string> both(directories.begin(), directories.end());
  for (const auto& [segment, live] : files) {
    const auto kind =
        !live && both.contains(segment) ? KeySegmentKind::kObjectBesideDirectory : KeySegmentKind::kObject;
    entries.emplace_back(NameOfKeySegment(segment, kind), PastPlace{Kind::kFile, place.root, place.prefix + segment});
  }
  return EnterPlaces(dir, entries, listed);
}

Status Past::LoadFile(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, Listed* listed) {
  std::vector<ObjectInfo> versions;
  std::string history;
  std::optional<int64_t> newest_us;
  RETURN_IF_ERROR(VisitVersionsOf(ctx, place.prefix, [&](ObjectInfo version) {
    newest_us = newest_us.value_or(version.last_modified_us);
    const std::string line = StrCat(NameOfVersion(version), version.is_delete_marker ? " deleted\n" : "\n");
    if (history.size() + line.size() <= kMaxXattrBytes) history += line;
    if (!version.is_delete_marker) versions.push_back(std::move(version));
    return true;
  }));
  for (size_t at = 0; at < versions.size(); at += kRowsPerBatch) {
    MutexLock lock(core_.mu);
    Transaction txn;
    for (const ObjectInfo& version : std::span(versions).subspan(at, std::min(kRowsPerBatch, versions.size() - at))) {
      const std::string name = NameOfVersion(version);
      ASSIGN_OR_RETURN(const Ino ino, PutFile(version, dir->ino, name, txn));
      EnterName(dir->ino, name, ino, S_IFREG, listed, txn);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
  MutexLock lock(core_.mu);
  Transaction txn;
  dir->record.xattrs[std::string(kHistoryXattr)] = history;
  if (newest_us) dir->record.mtime_ns = dir->record.ctime_ns = dir->record.atime_ns = *newest_us * 1000;
  core_.Save(*dir, txn);
  return core_.Commit(txn);
}

}  // namespace pailfs::cache
