#include "cache/engine.h"

#include <chrono>

#include "base/log.h"
#include "base/str.h"
#include "cache/key_names.h"

namespace pailfs::cache {
namespace {

constexpr size_t kErrorsShown = 20;

}  // namespace

Result<std::unique_ptr<MountCache>> MountCache::Open(FileSystem& files, ObjectStore& store, Clock& clock,
                                                     Random& random, Metrics& metrics, const MountOptions& options) {
  auto engine = std::make_unique<Engine>(files, store, clock, random, metrics, options);
  RETURN_IF_ERROR(engine->Open());
  return std::unique_ptr<MountCache>(std::move(engine));
}

Engine::Engine(FileSystem& files, ObjectStore& store, Clock& clock, Random& random, Metrics& metrics,
               const MountOptions& options)
    : core_(files, store, clock, random, metrics, options),
      data_(core_),
      loader_(core_),
      past_(core_, loader_),
      write_back_(core_, data_, loader_) {
  core_.invalidate = [this](Ino ino, Ino parent, const std::string& name) {
    MutexLock lock(notifier_mu_);
    if (notifier_ == nullptr) return;
    notifier_->InvalidateEntry(parent, name);
    notifier_->InvalidateInode(ino);
  };
}

void Engine::SetKernelNotifier(KernelNotifier* notifier) {
  MutexLock lock(notifier_mu_);
  notifier_ = notifier;
}

Engine::~Engine() {
  Shutdown();
}

Result<FileSystemStats> Engine::Stats(const OpContext& ctx) {
  ASSIGN_OR_RETURN(const StoreSpace space, core_.store.Space(ctx));
  FileSystemStats stats;
  stats.total_bytes = space.total_bytes != 0 ? space.total_bytes : 1ULL << 50;
  stats.free_bytes = space.total_bytes != 0 ? space.free_bytes : 1ULL << 50;
  stats.files = space.object_count;
  return stats;
}

bool Engine::LookupIsLocal(Ino parent, std::string_view name) {
  MutexLock lock(core_.mu);
  const auto dir = core_.GetDirectory(parent);
  if (!dir.ok()) return true;
  if (IsPast(parent)) {
    if (!past_.IsLocal(**dir)) return false;
  } else if (past_.IsEntrance(name)) {
    return true;
  } else if ((*dir)->record.attributes_unknown) {
    return false;
  }
  const auto found = core_.db->FindDentry(parent, name);
  if (!found.ok()) return true;
  if (*found) {
    bool known = true;
    const auto attributes = core_.AttributesOf((*found)->ino, &known);
    if (attributes.ok() && !known && core_.options.posix_metadata) return false;
  }
  if (IsPast(parent)) return true;
  if (!(*dir)->known && (!*found || !(*found)->current)) return false;
  if (!core_.options.ttl_ns || (*found && (*found)->in_meta)) return true;
  return core_.IsFresh(**dir, {KeySegmentOfName(name), CookieOfName(name), found->has_value()}, Purpose::kLookup);
}

bool Engine::DirectoryIsLocal(Ino ino) {
  MutexLock lock(core_.mu);
  const auto dir = core_.GetDirectory(ino);
  if (!dir.ok()) return true;
  return IsPast(ino) ? past_.IsLocal(**dir) : (*dir)->known && core_.IsFresh(**dir);
}

bool Engine::ReadIsLocal(Ino ino, uint64_t offset, uint64_t length) {
  const auto inode = InodeOf(ino);
  return !inode.ok() || data_.IsLocal(*inode, offset, length);
}

bool Engine::WriteIsLocal(Ino ino, uint64_t offset, uint64_t length) {
  return data_.budget().HasRoom(2 * length + (1 << 20)) && ReadIsLocal(ino, offset, length);
}

Status Engine::FlushAll(const OpContext& ctx, const std::function<void(const CacheStatus&)>& progress) {
  {
    MutexLock lock(core_.mu);
    // What was written but not yet closed counts too.
    Transaction txn;
    for (const auto& [order, ino] : core_.dirty_by_order) {
      if (const InodePtr inode = core_.Cached(ino); inode != nullptr && inode->write_opens > 0) core_.Save(*inode, txn);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
  return write_back_.FlushAll(ctx, [this, &progress] {
    if (progress) progress(GetStatus());
  });
}

Result<size_t> Engine::RunWriteBack(const OpContext& ctx, bool ignore_delay) {
  for (size_t steps = 0;; ++steps) {
    ASSIGN_OR_RETURN(const bool ran, write_back_.RunOne(ctx, ignore_delay));
    if (!ran) return steps;
  }
}

CacheStatus Engine::GetStatus() {
  CacheStatus status;
  status.used_bytes = data_.budget().used_bytes();
  status.limit_bytes = core_.options.size_limit_bytes;
  MutexLock lock(core_.mu);
  status.dirty_inodes = core_.dirty_by_order.size();
  for (const auto& [order, ino] : core_.dirty_by_order) {
    const InodePtr inode = core_.Cached(ino);
    if (inode != nullptr && inode->record.content_dirty) status.dirty_bytes += inode->record.size;
  }
  status.pending_deletes = core_.tombstones;
  status.steps_in_flight = core_.steps_in_flight;
  if (core_.unreachable) status.unreachable = core_.unreachable->message;
  status.error_count = core_.failing.size();
  if (core_.deletion_error) {
    ++status.error_count;
    status.errors.push_back({"(deletions)", core_.deletion_error->message});
  }
  for (const Ino ino : core_.failing) {
    if (status.errors.size() == kErrorsShown) break;
    const InodePtr inode = core_.Cached(ino);
    if (inode != nullptr && inode->last_error)
      status.errors.push_back({core_.PathOf(*inode), inode->last_error->message});
  }
  return status;
}

void Engine::Shutdown() {
  if (shut_down_ || core_.db == nullptr) return;
  shut_down_ = true;
  write_back_.Stop();
  past_.Stop();
  loader_.Stop();
  data_.DeletePending();
  Status saved;
  {
    MutexLock lock(core_.mu);
    Transaction txn;
    for (const auto& [order, ino] : core_.dirty_by_order) {
      if (const InodePtr inode = core_.Cached(ino)) core_.Save(*inode, txn);
    }
    if (const auto change = core_.store.ChangeNumber()) core_.db->PutScalar(txn, "change", StrCat(*change));
    saved = core_.Commit(txn, KvDurability::kSync);
    core_.db.reset();
  }
  // Only then is everything that the databases promise on the disk, whatever happens to the machine.
  if (saved.ok()) saved = MarkShutDown();
  if (!saved.ok()) LogError("closing the cache: ", saved.error().message);
  lock_.reset();
}

}  // namespace pailfs::cache
