// Listing directories into the namespace, page by page.

#include <algorithm>
#include <chrono>

#include "base/str.h"
#include "cache/loader.h"

namespace pailfs::cache {

Status Loader::ListInto(const OpContext& ctx, Ino dir, const std::string& prefix, bool moved,
                        std::vector<uint64_t>* seen) {
  ListRequest request = RequestFor(prefix);
  std::vector<ObjectInfo> held_back;
  for (bool first = true;; first = false) {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(ListPage page, core_.store.List(ctx, request));
    request.continuation_token = page.next_token;
    if (first) RETURN_IF_ERROR(TakeMarker(dir, prefix, moved, &page));
    page.objects.insert(page.objects.begin(), std::make_move_iterator(held_back.begin()),
                        std::make_move_iterator(held_back.end()));
    held_back = HoldBack(&page);
    ASSIGN_OR_RETURN(const auto found, Interpret(ctx, prefix, std::move(page), moved));
    for (const Found& entry : found) seen->push_back(CookieOfName(entry.name));
    RETURN_IF_ERROR(Apply(dir, found, prefix, moved));
    if (request.continuation_token.empty()) return {};
  }
}

ListRequest Loader::RequestFor(const std::string& prefix) const {
  ListRequest request;
  request.prefix = prefix;
  request.delimiter = "/";
  request.with_metadata = core_.options.posix_metadata && core_.capabilities.list_metadata;
  return request;
}

std::vector<ObjectInfo> Loader::HoldBack(ListPage* page) {
  std::vector<ObjectInfo> held_back;
  if (page->next_token.empty()) return held_back;
  std::string last;
  if (!page->objects.empty()) last = page->objects.back().key;
  if (!page->common_prefixes.empty()) last = std::max(last, page->common_prefixes.back());
  // '/' sorts after '-' and '.', so "a-b" and "a.txt" may stand between the two.
  const auto first = std::stable_partition(page->objects.begin(), page->objects.end(),
                                           [&last](const ObjectInfo& info) { return info.key + "/" <= last; });
  held_back.assign(std::make_move_iterator(first), std::make_move_iterator(page->objects.end()));
  page->objects.erase(first, page->objects.end());
  return held_back;
}

Status Loader::TakeMarker(Ino dir, const std::string& prefix, bool moved, ListPage* page) {
  if (prefix.empty()) return {};  // the root's marker is elsewhere
  std::optional<ObjectInfo> marker;
  if (!page->objects.empty() && page->objects.front().key == prefix) {
    marker = std::move(page->objects.front());
    page->objects.erase(page->objects.begin());
  }
  std::vector<Changed> changed;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(dir));
    ASSIGN_OR_RETURN(const bool spoken_for, core_.KeyIsSpokenFor(prefix));
    if (spoken_for && !moved) return {};
    const InodeRecord& record = inode->record;
    if (record.attributes_dirty || inode->stepping || !record.operation_key.empty() || record.parent == 0) return {};
    // A directory that was moved has its marker elsewhere still.
    if (record.origin && (moved || record.origin->key != prefix)) return {};
    Found found;
    found.is_directory = found.marker_known = true;
    found.has_object = marker.has_value();
    if (marker) found.info = std::move(*marker);
    if (!found.has_object && !record.origin) {
      if (!record.attributes_unknown) return {};
    } else if (IsSameObject(record, found)) {
      return {};
    }
    Transaction txn;
    if (found.has_object) {
      RETURN_IF_ERROR(Update(*inode, found, record.parent, txn));
    } else {
      inode->record.origin.reset();
      inode->record.attributes_unknown = false;
      core_.Save(*inode, txn);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
    changed.push_back({record.parent, record.name, dir});
  }
  TellKernel(changed);
  return {};
}

Status Loader::LoadDirectory(const OpContext& ctx, const InodePtr& dir, Knowledge want) {
  std::string prefix;
  {
    MutexLock lock(core_.mu);
    for (;;) {
      if (dir->record.parent == 0) return {};
      if (dir->known && (want == Knowledge::kAny || core_.IsFresh(*dir))) return {};
      if (!dir->loading) break;
      RETURN_IF_ERROR(ctx.Check());
      core_.load_ended.WaitFor(core_.mu, std::chrono::milliseconds(20));
    }
    ASSIGN_OR_RETURN(const bool moving, core_.IsMoving(dir->ino));
    if (moving) return {};  // was known when it moved; its objects are still elsewhere
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(prefix, core_.DirectoryPrefix(dir->ino));
    dir->loading = true;
  }
  const int64_t began_ns = core_.clock.MonotonicNs();
  const ListingScope scope(core_);
  std::vector<uint64_t> seen;
  Status listed = ListInto(ctx, dir->ino, prefix, /*moved=*/false, &seen);
  if (listed.ok()) {
    std::sort(seen.begin(), seen.end());
    listed = DropUnseen(dir, prefix, seen);
  }
  MutexLock lock(core_.mu);
  dir->loading = false;
  core_.load_ended.NotifyAll();
  if (!listed.ok()) {
    if (!ServesWithout(ctx, listed.error())) return std::move(listed).error().With("listing " + core_.PathOf(*dir));
    ASSIGN_OR_RETURN(const bool was_known, core_.db->WasListed(dir->ino));
    if (!was_known) return std::move(listed).error().With("listing " + core_.PathOf(*dir));
    dir->known = true;
    return {};
  }
  core_.NoteReachable();
  return NoteListed(dir, prefix, seen.size(), began_ns);
}

Status Loader::NoteListed(const InodePtr& dir, const std::string& prefix, size_t entries, int64_t began_ns) {
  const auto prefix_now = core_.DirectoryPrefix(dir->ino);
  // Moved while it was listed: what was listed stays, the rest is asked for again.
  if (!prefix_now.ok() || *prefix_now != prefix) return {};
  dir->known = true;
  dir->probes = dir->detail_misses = 0;
  dir->many = entries >= static_cast<size_t>(kMaxListKeys);
  dir->freshness.OnListed(began_ns);
  if (core_.db->ListingComplete(dir->ino)) return {};
  Transaction txn;
  core_.db->SetListingComplete(txn, dir->ino, true);
  return core_.Commit(txn);
}

Status Loader::LoadSubtree(const OpContext& ctx, const InodePtr& dir) {
  std::vector<Ino> pending{dir->ino};
  while (!pending.empty()) {
    const Ino ino = pending.back();
    pending.pop_back();
    InodePtr inode;
    {
      MutexLock lock(core_.mu);
      auto found = core_.Get(ino);
      if (found.Is(Errc::kStale)) continue;
      if (!found.ok()) return std::move(found).error();
      inode = std::move(*found);
    }
    RETURN_IF_ERROR(LoadDirectory(ctx, inode, Knowledge::kAny));
    uint64_t cookie = 0;
    for (;;) {
      ASSIGN_OR_RETURN(const auto children, core_.db->Children(ino, cookie, 256));
      if (children.empty()) break;
      for (const Dentry& child : children) {
        if (S_ISDIR(child.type)) pending.push_back(child.ino);
      }
      cookie = CookieOfName(children.back().name);
    }
  }
  return {};
}

Status Loader::LoadMoved(const OpContext& ctx, Ino dir, const std::string& prefix) {
  std::vector<uint64_t> seen;
  RETURN_IF_ERROR(ListInto(ctx, dir, prefix, /*moved=*/true, &seen));
  ASSIGN_OR_RETURN(const auto children, core_.db->Children(dir, 0, SIZE_MAX));
  for (const Dentry& child : children) {
    if (!S_ISDIR(child.type)) continue;
    ASSIGN_OR_RETURN(const auto found, core_.db->FindInode(child.ino));
    if (found) RETURN_IF_ERROR(LoadMoved(ctx, child.ino, StrCat(prefix, found->record.Segment(), "/")));
  }
  return {};
}

Status Loader::DropUnseen(const InodePtr& dir, const std::string& prefix, const std::vector<uint64_t>& seen) {
  std::vector<Changed> changed;
  uint64_t cookie = 0;
  for (;;) {
    MutexLock lock(core_.mu);
    // Moved while it was listed: its names are elsewhere now.
    const auto prefix_now = core_.DirectoryPrefix(dir->ino);
    if (!prefix_now.ok() || *prefix_now != prefix) break;
    ASSIGN_OR_RETURN(const auto children, core_.db->Children(dir->ino, cookie, 256));
    if (children.empty()) break;
    cookie = CookieOfName(children.back().name);
    for (const Dentry& child : children) {
      if (child.in_meta || std::binary_search(seen.begin(), seen.end(), CookieOfName(child.name))) continue;
      ASSIGN_OR_RETURN(const bool gone, MayBeDropped(child, prefix));
      if (gone) RETURN_IF_ERROR(Drop(dir, child, &changed));
    }
  }
  TellKernel(changed);
  return {};
}

}  // namespace pailfs::cache
