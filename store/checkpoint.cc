// Checkpoints, freeing what they cover, and the space that is kept for it.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {
namespace {

constexpr size_t kGarbagePerPass = 1000;
constexpr uint64_t kMostReservedBytes = 32 << 20;

}  // namespace

Status StoreCore::WriteCheckpoint() {
  pb::Applied applied;
  applied.set_seq(last_seq_);
  applied.set_volume(superblock_.volume);
  applied.set_offset(log_offset_);
  applied.set_commit_us(last_time_us_);
  {
    MutexLock lock(bodies_mu_);
    applied.set_next_body(next_body_.load());
    applied.set_first_orphan(begun_.empty() ? applied.next_body() : *begun_.begin());
  }
  const std::string row = AppliedRow();
  KvBatch batch;
  batch.Put(row, SealValue(row, last_seq_, applied.SerializeAsString()));
  RETURN_IF_ERROR(index->Write(batch, KvDurability::kSync));
  checkpoint_seq_ = last_seq_;
  first_orphan_ = applied.first_orphan();
  logged_since_checkpoint_ = 0;
  checkpoint_at_ns_ = clock.MonotonicNs() + options.checkpoint_ns;
  garbage_left_ = true;
  metrics.counter("store.checkpoints").Add();
  return {};
}

Status StoreCore::FreeGarbage() {
  const uint64_t below = std::min(checkpoint_seq_, OldestRead());
  const CommitView::Overlay nothing;
  CommitView view = OwnView(nothing);
  size_t freed = 0;
  std::set<std::string> changed_directories;
  uint64_t last = garbage_from_;
  std::set<std::string> emptied;
  {
    KvIterator it = index->NewIterator();
    for (it.Seek(GarbageRow(garbage_from_, 0)); it.Valid() && it.key().size() == 17 && it.key().front() == 'G';
         it.Next()) {
      const uint64_t seq = GetBig64(it.key().substr(1));
      const BodyId body_id = GetBig64(it.key().substr(9));
      if (seq > below || freed == kGarbagePerPass) break;
      ASSIGN_OR_RETURN(const auto payload, view.Get(BodyRow(body_id)));
      pb::Body body;
      if (payload && body.ParseFromString(*payload) && body.kind() == pb::Body::FILE) {
        const std::string path = BodyPath(directory, body_id);
        const Status removed = files.Unlink(path);
        if (!removed.ok() && !removed.Is(Errc::kNotFound)) return removed;
        if (removed.ok()) changed_directories.insert(path.substr(0, path.rfind('/')));
      }
      view.Delete(BodyRow(body_id));
      view.Delete(std::string(it.key()));
      last = seq;
      ++freed;
    }
    RETURN_IF_ERROR(it.status());
  }
  garbage_left_ = freed == kGarbagePerPass;
  if (freed == 0) return {};
  // A file that came back after its rows are gone would stay for ever.
  for (const std::string& changed : changed_directories) RETURN_IF_ERROR(files.SyncDirectory(changed));
  // A file that came back after a power loss would belong to nobody.
  for (const std::string& path : emptied) RETURN_IF_ERROR(files.SyncDirectory(path));
  RETURN_IF_ERROR(WriteOwn(view, 0));
  garbage_from_ = last;
  metrics.counter("store.bodies_freed").Add(static_cast<int64_t>(freed));
  return {};
}

// What the commit thread does when nobody waits, or when it is due.
void StoreCore::Housekeeping() {
  if (!broken_.ok()) return;
  Status done;
  const bool due = logged_since_checkpoint_ >= options.checkpoint_bytes || clock.MonotonicNs() >= checkpoint_at_ns_;
  if (due && logged_since_checkpoint_ > 0) {
    done = WriteCheckpoint();
  } else if (due) {
    checkpoint_at_ns_ = clock.MonotonicNs() + options.checkpoint_ns;
    garbage_left_ = true;  // what a reader held
  }
  if (done.ok() && garbage_left_) done = FreeGarbage();
  if (done.ok() && due) done = MakeBallast();
  if (!done.ok()) {
    garbage_left_ = false;  // again at the next checkpoint
    LogError("store ", directory, ": ", done.error().message);
  }
}

Status StoreCore::Checkpoint() {
  Operation operation;
  operation.alone = [this]() -> Status {
    RETURN_IF_ERROR(WriteCheckpoint());
    while (garbage_left_) RETURN_IF_ERROR(FreeGarbage());
    return {};
  };
  return Enqueue(std::move(operation));
}

Status StoreCore::Close() {
  {
    MutexLock lock(mu_);
    if (stopping_ || index == nullptr) return {};
    stopping_ = true;
    work_.NotifyAll();
  }
  if (committer_.joinable()) committer_.join();
  Status outcome;
  if (broken_.ok()) {
    outcome = WriteCheckpoint();
    while (outcome.ok() && garbage_left_) outcome = FreeGarbage();
    if (outcome.ok() && logged_since_checkpoint_ > 0) outcome = WriteCheckpoint();
    // Nothing is written to this volume again; what was allocated ahead goes back.
    if (outcome.ok() && log_ != nullptr && log_allocated_ > log_offset_) outcome = log_->Truncate(log_offset_);
  }
  range_compactor_.reset();
  index.reset();
  log_.reset();
  lock_.reset();
  return outcome;
}

// --- bodies on their way, and readers ---

BodyId StoreCore::BeginBody() {
  MutexLock lock(bodies_mu_);
  const BodyId body = NewBody();
  begun_.insert(body);
  return body;
}

void StoreCore::EndBody(BodyId body) {
  MutexLock lock(bodies_mu_);
  begun_.erase(body);
}

uint64_t StoreCore::BeginRead() {
  MutexLock lock(bodies_mu_);
  return *reads_.insert(visible_seq_.load());
}

void StoreCore::EndRead(uint64_t ticket) {
  MutexLock lock(bodies_mu_);
  reads_.erase(reads_.find(ticket));
}

// A reader that began at S may hold what was deleted after S.
uint64_t StoreCore::OldestRead() const {
  MutexLock lock(bodies_mu_);
  return reads_.empty() ? UINT64_MAX : *reads_.begin();
}

Status StoreCore::EnsureBodyDirectory(BodyId body) {
  const std::string path = BodyPath(directory, body);
  const std::string parent = path.substr(0, path.rfind('/'));
  MutexLock lock(directories_mu_);
  if (body_directories_.contains(parent)) return {};
  RETURN_IF_ERROR(files.MakeDirectory(parent));
  // Whoever made it, its name must be durable before a body in it counts.
  RETURN_IF_ERROR(files.SyncDirectory(BodiesPath(directory)));
  body_directories_.insert(parent);
  return {};
}

// --- space ---

uint64_t StoreCore::ReservedBytes(const SpaceInfo& space) const {
  return std::min(kMostReservedBytes, space.total_bytes / 64);
}

Status StoreCore::CheckSpace() {
  const auto space = files.Space(directory);
  if (!space.ok() || space->total_bytes == 0) return {};
  if (space->free_bytes >= ReservedBytes(*space)) return {};
  return Error{Errc::kNoSpace, StrCat("the disk of store ", directory, " is full")};
}

// A file that is given up when the disk is full, so that deletions can be written.
Status StoreCore::MakeBallast() {
  const std::string path = directory + "/ballast";
  const auto space = files.Space(directory);
  if (!space.ok() || options.ballast_bytes == 0) return {};
  const uint64_t bytes = std::min(options.ballast_bytes, space->total_bytes / 64);
  if (bytes == 0 || space->free_bytes / 8 < bytes) return {};
  ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (exists) return {};
  ASSIGN_OR_RETURN(auto file, files.Open(path, OpenMode::kCreateEmpty));
  const Status allocated = file->Allocate(0, bytes, /*keep_size=*/false);
  if (!allocated.ok()) return files.Unlink(path);
  return {};
}

bool StoreCore::ReleaseBallast() {
  const Status removed = files.Unlink(directory + "/ballast");
  if (removed.ok()) LogWarning("the disk of store ", directory, " is full: its ballast was given up for deletions");
  return removed.ok();
}

}  // namespace pailfs::store
