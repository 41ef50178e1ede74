// The attributes that a listing does not carry: asked for when somebody looks, many at a time for whoever looks at one
// entry after the other.

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/str.h"
#include "cache/loader.h"

namespace pailfs::cache {
namespace {

constexpr size_t kMostAtOnce = 64;
constexpr int64_t kPatienceNs = 30'000'000'000;

// One at first, then four times as many with each further one that was not known.
size_t BatchAfter(uint32_t misses) {
  size_t batch = 1;
  for (uint32_t i = 1; i < misses && batch < kMostAtOnce; ++i) batch *= 4;
  return std::min(batch, kMostAtOnce);
}

}  // namespace

Status Loader::LoadDetails(const OpContext& ctx, const InodePtr& inode) {
  {
    MutexLock lock(core_.mu);
    for (;;) {
      if (!inode->record.attributes_unknown || inode->freed) return {};
      RETURN_IF_ERROR(ctx.Check());
      if (!inode->asking_details) break;
      core_.details_ended.WaitFor(core_.mu, std::chrono::milliseconds(20));
    }
    inode->asking_details = true;
    const Status others = AskNeighbours(inode);
    if (!others.ok()) LogDebug("asking for attributes ahead: ", others.error().message);
  }
  Status asked = AskDetails(ctx, inode);
  EndAsking(inode);
  return asked;
}

void Loader::EndAsking(const InodePtr& inode) {
  MutexLock lock(core_.mu);
  inode->asking_details = false;
  core_.details_ended.NotifyAll();
}

Status Loader::AskNeighbours(const InodePtr& inode) {
  if (asking_ == nullptr || inode->record.parent == 0 || inode->ino == kRootIno) return {};
  ASSIGN_OR_RETURN(const InodePtr dir, core_.Get(inode->record.parent));
  const size_t batch = BatchAfter(++dir->detail_misses);
  if (batch < 2) return {};
  ASSIGN_OR_RETURN(const auto children,
                   core_.db->Children(dir->ino, CookieOfName(inode->record.name), 2 * kMostAtOnce));
  size_t asked = 1;
  for (const Dentry& child : children) {
    if (asked == batch) break;
    auto got = core_.Get(child.ino);
    if (got.Is(Errc::kStale)) continue;
    if (!got.ok()) return std::move(got).error();
    const InodePtr next = std::move(*got);
    if (!next->record.attributes_unknown || next->asking_details) continue;
    next->asking_details = true;
    const bool submitted = asking_->TrySubmit([this, next] {
      OpContext ctx;
      ctx.stop = stop_.get_token();
      ctx.deadline_ns = ctx.NowNs() + kPatienceNs;
      const Status status = AskDetails(ctx, next);
      if (!status.ok()) LogDebug("asking for attributes: ", status.error().message);
      EndAsking(next);
    });
    if (!submitted) {
      next->asking_details = false;
      break;
    }
    ++asked;
  }
  return {};
}

Status Loader::AskDetails(const OpContext& ctx, const InodePtr& inode) {
  std::string key;
  std::string prefix;
  InodePtr dir;
  VersionSelector version;
  std::string name;
  {
    MutexLock lock(core_.mu);
    const InodeRecord& record = inode->record;
    if (record.parent == 0) return {};
    if (record.origin) {
      key = record.origin->key;
      version.version_id = record.origin->VersionToRead();
    } else {
      ASSIGN_OR_RETURN(key, core_.TargetKey(*inode));
    }
    if (!IsPast(record.ino)) {
      ASSIGN_OR_RETURN(dir, core_.Get(record.parent));
      ASSIGN_OR_RETURN(prefix, core_.DirectoryPrefix(dir->ino));
    }
    name = record.name;
  }
  const ListingScope scope(core_);
  RETURN_IF_ERROR(ctx.Check());
  auto asked = HeadIfThere(ctx, key, version);
  if (!asked.ok()) return std::move(asked).error().With(key);
  std::optional<ObjectInfo> there = std::move(*asked);
  bool outdated = false;
  {
    MutexLock lock(core_.mu);
    RETURN_IF_ERROR(TakeDetails(inode, there, &outdated));
  }
  if (!outdated) return {};
  // Another object has come under the name, or none is there any more.
  if (!there) return DropName(dir, name, prefix);
  Found entry;
  entry.name = name;
  entry.segment = there->key.substr(prefix.size());
  entry.info = std::move(*there);
  entry.has_object = true;
  return Apply(dir->ino, {entry}, prefix, /*moved=*/false);
}

Status Loader::TakeDetails(const InodePtr& inode, const std::optional<ObjectInfo>& info, bool* outdated) {
  InodeRecord& record = inode->record;
  if (!record.attributes_unknown || record.parent == 0) return {};
  // A marker has no bytes, so any is as good as the one that was listed.
  const bool same = info && (record.IsDirectory() || (record.origin && info->etag == record.origin->etag));
  if (!same && !record.IsDirectory() && !IsPast(record.ino)) {
    const auto target = core_.TargetKey(*inode);
    *outdated = !inode->in_meta && record.origin && target.ok() && record.origin->key == *target;
    if (*outdated) return {};
  }
  Transaction txn;
  record.attributes_unknown = false;
  if (same) {
    Found found;
    found.name = record.name;
    found.segment = record.Segment();
    found.is_directory = record.IsDirectory();
    found.info = *info;
    found.has_object = found.marker_known = true;
    const InodeRecord told = found.is_directory ? DirectoryRecord(found, record.ino, record.parent)
                                                : RecordOf(*info, record.ino, record.parent, record.name);
    record.headers = told.headers;
    record.foreign_metadata = told.foreign_metadata;
    if (!record.attributes_dirty) {
      record.mode = told.mode;
      record.uid = told.uid;
      record.gid = told.gid;
      record.rdev = told.rdev;
      record.mtime_ns = told.mtime_ns;
      record.ctime_ns = told.ctime_ns;
      record.atime_ns = told.atime_ns;
      record.xattrs = told.xattrs;
    }
    if (!told.IsRegular()) {
      record.symlink_target = told.symlink_target;
      record.size = told.size;
    }
    if (IsPast(record.ino)) {
      // It was told which version it is; the times of headers are coarser.
      record.ctime_ns = record.origin ? record.origin->last_modified_us * 1000 : record.ctime_ns;
    } else if (!record.origin || record.origin->key == told.origin->key) {
      // Write-back may have moved it, with its metadata, since it was asked for.
      const uint64_t limit = record.origin ? record.limit() : told.limit();
      record.origin = told.origin;
      record.origin->limit = std::min(limit, told.origin->limit);
    }
    // In the past one version may have several names.
    if (!IsPast(record.ino))
      core_.db->PutDentry(txn, record.parent, {record.name, record.ino, record.mode & S_IFMT}, inode->in_meta);
  } else if (record.IsDirectory()) {
    record.origin.reset();
  }
  core_.Save(*inode, txn);
  return core_.Commit(txn);
}

}  // namespace pailfs::cache
