// Where inodes belong in the bucket, what is said of its keys, and how long that is believed.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "cache/core.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kOpenDirectoryTtlNs = 60'000'000'000;
constexpr int64_t kUnreachablePauseNs = 5'000'000'000;

}  // namespace

// What would lead into the past stands under a name of its own.
std::string Core::NameOf(std::string_view segment, KeySegmentKind kind) const {
  const bool hidden = options.snapshot_view != SnapshotView::kOff && kind != KeySegmentKind::kObjectBesideDirectory &&
                      (segment == options.snapshot_name || segment == options.versions_name);
  return hidden ? HashedNameOfKeySegment(segment) : NameOfKeySegment(segment, kind);
}

Result<std::string> Core::DirectoryPrefix(Ino dir) {
  std::vector<std::string> segments;
  for (Ino at = dir; at != kRootIno;) {
    ASSIGN_OR_RETURN(const InodePtr inode, Get(at));
    if (inode->record.parent == 0) return Error{Errc::kStale, "the directory is gone"};
    segments.push_back(inode->record.Segment());
    at = inode->record.parent;
  }
  std::string prefix = options.prefix;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    prefix.append(*segment);
    prefix.push_back('/');
  }
  return prefix;
}

Result<std::string> Core::TargetKey(const Inode& inode) {
  if (inode.ino == kRootIno) return options.prefix.empty() ? StrCat(kReservedPrefix, "root") : options.prefix;
  if (inode.record.parent == 0) return Error{Errc::kStale, "the file is gone"};
  ASSIGN_OR_RETURN(std::string key, DirectoryPrefix(inode.record.parent));
  key.append(inode.record.Segment());
  if (inode.record.IsDirectory()) key.push_back('/');
  if (key.size() > kMaxKeyBytes) {
    return Error{Errc::kNameTooLong, StrCat("the path is longer than the ", kMaxKeyBytes, " bytes of an object key")};
  }
  return key;
}

std::string Core::PathOf(const Inode& inode) {
  if (inode.ino == kRootIno) return "/";
  std::string path = "/" + inode.record.name;
  for (Ino at = inode.record.parent; at != kRootIno;) {
    auto parent = Get(at);
    if (!parent.ok() || at == 0) return "(deleted) " + inode.record.name;
    path = "/" + (*parent)->record.name + path;
    at = (*parent)->record.parent;
  }
  return path;
}

bool Core::UnderMovedPrefix(std::string_view key) {
  return std::any_of(moved_prefixes.begin(), moved_prefixes.end(),
                     [key](const auto& moved) { return key.starts_with(moved.first); });
}

Result<bool> Core::IsMoving(Ino dir) {
  if (moved_prefixes.empty()) return false;
  for (Ino at = dir; at != 0;) {
    for (const auto& [prefix, moved] : moved_prefixes) {
      if (moved == at) return true;
    }
    if (at == kRootIno) break;
    ASSIGN_OR_RETURN(const InodePtr inode, Get(at));
    at = inode->record.parent;
  }
  return false;
}

bool Core::NeedsNoAsking(Inode& dir) {
  if (!options.ttl_ns || dir.record.parent == 0) return true;
  // Made here and not in the bucket yet.
  if (dir.known && !dir.record.origin && !dir.record.attributes_unknown && dir.record.attributes_dirty) return true;
  if (clock.MonotonicNs() < unreachable_until_ns) return true;
  const auto moving = IsMoving(dir.ino);
  return moving.ok() && *moving;
}

bool Core::IsFresh(Inode& dir, const Freshness::Name& name, Purpose purpose) {
  if (NeedsNoAsking(dir)) return true;
  int64_t ttl_ns = *options.ttl_ns;
  if (purpose == Purpose::kLookup && dir.directory_opens > 0) ttl_ns = std::max(ttl_ns, kOpenDirectoryTtlNs);
  return dir.freshness.Holds(name, clock.MonotonicNs(), ttl_ns);
}

bool Core::IsFresh(Inode& dir) {
  return NeedsNoAsking(dir) || dir.freshness.HoldsAll(clock.MonotonicNs(), *options.ttl_ns);
}

bool Core::IsBusy(const std::string& key) {
  if (busy_keys.contains(key)) return true;
  const auto late = late_keys.find(key);
  if (late == late_keys.end()) return false;
  if (clock.MonotonicNs() < late->second) return true;
  late_keys.erase(late);
  return false;
}

void Core::NoteLateDeletion(const std::string& key) {
  if (options.late_arrival_ns > 0) late_keys[key] = clock.MonotonicNs() + options.late_arrival_ns;
}

void Core::SetOperationKey(Inode& inode, const std::string& key) {
  std::string& now = inode.record.operation_key;
  if (now == key) return;
  if (const auto open = open_keys.find(now); open != open_keys.end() && --open->second == 0) open_keys.erase(open);
  if (!key.empty()) ++open_keys[key];
  now = key;
}

void Core::NoteReachable() {
  if (unreachable) LogInfo("the bucket can be reached again");
  unreachable.reset();
}

void Core::NoteUnreachable(const Error& error) {
  if (!unreachable) LogWarning("the bucket cannot be reached; what is known of it is served: ", error.message);
  unreachable = error;
  unreachable_until_ns = clock.MonotonicNs() + kUnreachablePauseNs;
}

void Core::NoteKeyChanged(const std::string& key) {
  if (listings_under_way > 0) changed_keys.insert(key);
}

Result<bool> Core::KeyIsSpokenFor(std::string_view key) {
  if (changed_keys.contains(key) || open_keys.contains(key) || UnderMovedPrefix(key)) return true;
  ASSIGN_OR_RETURN(const auto tombstone, db->FindTombstone(key));
  if (tombstone) return true;
  ASSIGN_OR_RETURN(const auto displaced, db->FindDisplaced(key));
  return displaced.has_value();
}

Result<bool> Core::AnySpokenForUnder(std::string_view prefix) {
  const auto changed = changed_keys.lower_bound(prefix);
  if (changed != changed_keys.end() && changed->starts_with(prefix)) return true;
  const auto open = open_keys.lower_bound(prefix);
  if (open != open_keys.end() && open->first.starts_with(prefix)) return true;
  if (UnderMovedPrefix(prefix)) return true;
  for (const auto& [moved, dir] : moved_prefixes) {
    if (moved.starts_with(prefix)) return true;
  }
  return db->AnyPendingUnder(prefix);
}

Status Core::GiveUpKey(Inode& inode, Transaction& txn) {
  inode.record.origin->superseded = true;
  const std::string& key = inode.record.origin->key;
  ASSIGN_OR_RETURN(const auto displaced, db->FindDisplaced(key));
  if (displaced == inode.ino) db->RemoveDisplaced(txn, key);
  return {};
}

Result<InodePtr> Core::DisplacedFrom(const std::string& key) {
  ASSIGN_OR_RETURN(const auto ino, db->FindDisplaced(key));
  if (!ino) return InodePtr();
  ASSIGN_OR_RETURN(InodePtr inode, Get(*ino));
  const auto& origin = inode->record.origin;
  return origin && origin->key == key ? std::move(inode) : InodePtr();
}

bool Core::IsDisplaced(const Inode& inode, std::string_view target_key) const {
  return inode.record.origin && inode.record.origin->key != target_key;
}

}  // namespace pailfs::cache
