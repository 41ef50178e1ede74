#include "cache/write_back.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/str.h"

namespace pailfs::cache {
namespace {

constexpr std::string_view kEvacuatedPrefix = ".pailfs/evacuated/";
constexpr int64_t kBlockedPauseNs = 20'000'000;
constexpr int64_t kIdleWaitNs = 500'000'000;
constexpr size_t kMostDirtyWhileExpanding = 50'000;
constexpr size_t kExpandChunk = 256;
constexpr auto kProgressInterval = std::chrono::milliseconds(200);
constexpr int kAbortsBeforeInsisting = 2;
// A flush gives up on what has failed so often in a row, with pauses that double: after half a minute.
constexpr int kFlushAttempts = 6;

bool IsHopeless(const Error& error, int failures) {
  return ErrcRetryClass(error.code) == RetryClass::kNever || failures >= kFlushAttempts;
}

}  // namespace

// --- threads ---

void WriteBack::Start() {
  for (size_t i = 0; i < core_.options.upload_threads; ++i) threads_.emplace_back([this] { Run(); });
}

void WriteBack::Stop() {
  {
    MutexLock lock(core_.mu);
    core_.stopping = true;
  }
  stop_.request_stop();
  core_.work_changed.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WriteBack::Run() {
  OpContext ctx;
  ctx.stop = stop_.get_token();
  while (!stop_.stop_requested()) {
    const auto ran = RunOne(ctx, /*ignore_delay=*/false);
    if (!ran.ok() && !ran.Is(Errc::kCancelled)) LogError("write-back: ", ran.error().message);
    if (ran.ok() && *ran) continue;
    MutexLock lock(core_.mu);
    if (core_.stopping) return;
    int64_t wait_ns = kIdleWaitNs;
    if (!ran.ok()) {
      wait_ns = kIdleWaitNs;
    } else {
      const int64_t now = core_.clock.MonotonicNs();
      if (!core_.queue.empty()) wait_ns = std::min(wait_ns, core_.queue.begin()->first - now);
      if (core_.tombstones > 0 && !core_.deleting) wait_ns = std::min(wait_ns, core_.tombstones_due_ns - now);
    }
    core_.work_changed.WaitFor(core_.mu, std::chrono::nanoseconds(std::max<int64_t>(wait_ns, 1'000'000)));
  }
}

Result<bool> WriteBack::RunOne(const OpContext& ctx, bool ignore_delay) {
  ASSIGN_OR_RETURN(const bool expanded, ExpandMove(ctx));
  if (expanded) return true;
  if (!core_.options.background) data_.DeletePending();
  std::optional<Step> step;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(step, ChooseStep(core_.clock.MonotonicNs(), ignore_delay));
  }
  if (step) {
    RETURN_IF_ERROR(ExecuteStep(ctx, std::move(*step)));
    return true;
  }
  return DeleteSome(ctx, ignore_delay);
}

// --- choosing ---

Result<std::optional<WriteBack::Step>> WriteBack::ChooseStep(int64_t now_ns, bool ignore_delay) {
  // Oldest due first (W5). Those that cannot go now are put back a little later when the search is over, so that it
  // ends.
  std::vector<InodePtr> blocked;
  std::optional<Step> chosen;
  while (!chosen && !core_.queue.empty()) {
    const auto [due_ns, ino] = *core_.queue.begin();
    if (due_ns > now_ns && !ignore_delay) break;
    const InodePtr inode = core_.Cached(ino);
    if (inode == nullptr) {
      core_.queue.erase(core_.queue.begin());
      continue;
    }
    core_.Dequeue(inode);
    if (!core_.NeedsStep(*inode)) {
      // A directory above it was moved, and moved back.
      core_.UpdateQueue(inode);
      RETURN_IF_ERROR(core_.SettleIfClean(inode));
      continue;
    }
    auto planned = PlanStep(inode);
    if (!planned.ok()) {
      inode->last_error = planned.error();
      inode->unseen_error = planned.error();
      core_.NoteFailure(*inode);
      core_.failing.insert(inode->ino);
      core_.progress_changed.NotifyAll();
      if (ignore_delay) {
        blocked.push_back(inode);
      } else {
        core_.UpdateQueue(inode);
      }
    } else if (*planned) {
      chosen = std::move(*planned);
    } else {
      blocked.push_back(inode);
    }
  }
  for (const InodePtr& inode : blocked) Postpone(inode);
  return chosen;
}

void WriteBack::Postpone(const InodePtr& inode) {
  core_.Dequeue(inode);
  inode->due_ns = core_.clock.MonotonicNs() + kBlockedPauseNs;
  inode->queued = true;
  core_.queue.insert({inode->due_ns, inode->ino});
}

WriteBack::Kind WriteBack::KindOf(const InodeRecord& record) const {
  if (record.IsRegular()) return record.content_dirty ? Kind::kPutContent : Kind::kCopy;
  if (record.attributes_unknown && record.origin && !record.attributes_dirty) return Kind::kCopy;
  if (record.IsSymlink() && record.symlink_target.empty() && record.origin) return Kind::kCopy;
  return Kind::kPutObject;
}

Result<std::optional<Conditions>> WriteBack::ConditionsFor(const InodePtr& inode, const std::string& key) {
  const auto& origin = inode->record.origin;
  if (inode->replaces_etag) return std::optional(Conditions::IfMatch(*inode->replaces_etag));
  if (origin && origin->key == key && !origin->superseded) return std::optional(Conditions::IfMatch(origin->etag));
  ASSIGN_OR_RETURN(const auto tombstone, core_.db->FindTombstone(key));
  if (tombstone) return std::optional(Conditions::IfMatch(tombstone->etag));
  ASSIGN_OR_RETURN(const InodePtr other, core_.DisplacedFrom(key));
  if (other == nullptr) return std::optional(Conditions::IfAbsent());
  // W1: the object at `key` is the only copy of another living inode, unless its version id keeps it in reach, or it is
  // held only until this very upload is done.
  if (other->record.origin->HasOwnVersion() || inode->record.holds == other->ino) {
    return std::optional(Conditions::IfMatch(other->record.origin->etag));
  }
  other->must_evacuate = true;
  core_.UpdateQueue(other);
  return std::optional<Conditions>();
}

std::optional<WriteBack::Step> WriteBack::PlanAsk(const InodePtr& inode) {
  Step step;
  step.ask = true;
  step.inode = inode;
  step.record = inode->record;
  step.key = inode->record.operation_key;
  step.kind = step.key.starts_with(kEvacuatedPrefix) ? Kind::kEvacuate : KindOf(inode->record);
  step.operation = inode->record.operation;
  step.content_generation = inode->sent_content_generation;
  step.attribute_generation = inode->sent_attribute_generation;
  if (core_.IsBusy(step.key)) return std::nullopt;
  Begin(step);
  return step;
}

void WriteBack::Begin(const Step& step) {
  step.inode->stepping = true;
  if (!step.ask) step.inode->asked_in_vain = false;
  step.inode->sent_content_generation = step.content_generation;
  step.inode->sent_attribute_generation = step.attribute_generation;
  core_.busy_keys.insert(step.key);
  ++core_.steps_in_flight;
}

Result<std::optional<WriteBack::Step>> WriteBack::PlanStep(const InodePtr& inode) {
  if (inode->stepping || inode->freed) return std::optional<Step>();
  if (!inode->record.operation_key.empty()) {
    // The same step at the same key, under its condition, leaves a late one nothing to do. Where the bucket does not
    // check conditions itself, nothing is sent before the late one can come no more.
    const auto target = inode->record.parent != 0 ? core_.TargetKey(*inode) : Result<std::string>(std::string());
    const bool again = core_.capabilities.atomic_conditions && inode->asked_in_vain && !inode->must_evacuate &&
                       target.ok() && *target == inode->record.operation_key;
    if (!again) return PlanAsk(inode);
  }
  Step step;
  step.inode = inode;
  step.record = inode->record;
  if (inode->must_evacuate && inode->record.origin) {
    step.kind = Kind::kEvacuate;
    // Nobody else writes there: what an earlier evacuation left is overwritten.
    step.key = StrCat(kEvacuatedPrefix, core_.mount_id, ".", inode->ino);
  } else {
    inode->must_evacuate = false;
    if (inode->record.parent == 0) return std::optional<Step>();
    // W8: one marker, after the entries.
    if (inode->record.IsDirectory() && inode->dirty_children > 0 && core_.clock.MonotonicNs() < inode->due_ns) {
      return std::optional<Step>();
    }
    step.kind = KindOf(inode->record);
    ASSIGN_OR_RETURN(step.key, core_.TargetKey(*inode));
    if (core_.IsBusy(step.key) || core_.UnderMovedPrefix(step.key)) return std::optional<Step>();
    // What another inode's step may still put there would override ours.
    if (!core_.capabilities.atomic_conditions && core_.open_keys.contains(step.key)) return std::optional<Step>();
    ASSIGN_OR_RETURN(auto conditions, ConditionsFor(inode, step.key));
    if (!conditions) return std::optional<Step>();
    step.conditions = std::move(*conditions);
  }
  if (core_.IsBusy(step.key)) return std::optional<Step>();
  step.content_generation = inode->record.content_generation;
  step.attribute_generation = inode->attribute_generation;
  step.insist =
      core_.pressure > 0 || inode->urgent || core_.flushers > 0 || inode->aborted_uploads >= kAbortsBeforeInsisting;
  Transaction txn;
  step.operation = core_.next_operation++;
  inode->record.operation = step.operation;
  core_.SetOperationKey(*inode, step.key);
  step.record.operation = step.operation;
  core_.Save(*inode, txn);
  RETURN_IF_ERROR(core_.Commit(txn));
  Begin(step);
  return std::optional<Step>(std::move(step));
}

// --- waiting ---

Status WriteBack::Hopeless(uint64_t up_to) {
  if (core_.steps_in_flight > 0) return {};
  const auto end = core_.dirty_by_order.lower_bound(up_to);
  InodePtr stuck;
  for (auto at = core_.dirty_by_order.begin(); at != end; ++at) {
    const InodePtr inode = core_.Cached(at->second);
    if (inode == nullptr || !inode->last_error || !IsHopeless(*inode->last_error, inode->failures)) return {};
    if (stuck == nullptr) stuck = inode;
  }
  if (stuck != nullptr) return stuck->last_error->With(core_.PathOf(*stuck));
  if (core_.tombstones > 0 && core_.deletion_error && IsHopeless(*core_.deletion_error, core_.deletion_failures)) {
    return core_.deletion_error->With("deleting from the bucket");
  }
  return {};
}

Status WriteBack::FlushAll(const OpContext& ctx, const std::function<void()>& progress) {
  MutexLock lock(core_.mu);
  ++core_.flushers;
  const uint64_t up_to = core_.next_order;
  std::vector<Ino> waiting;
  for (const auto& [order, ino] : core_.dirty_by_order) waiting.push_back(ino);
  for (const Ino ino : waiting) {
    if (const InodePtr inode = core_.Cached(ino)) {
      inode->failures = 0;
      inode->last_error.reset();
      core_.UpdateQueue(inode);
    }
  }
  core_.failing.clear();
  core_.deletion_failures = 0;
  core_.deletion_error.reset();
  core_.tombstones_due_ns = core_.clock.MonotonicNs();
  core_.work_changed.NotifyAll();
  Status outcome;
  for (;;) {
    const auto oldest = core_.dirty_by_order.begin();
    const bool inodes_done = oldest == core_.dirty_by_order.end() || oldest->first >= up_to;
    if (inodes_done && core_.tombstones == 0 && core_.moved_prefixes.empty()) break;
    outcome = Hopeless(up_to);
    if (!outcome.ok()) break;
    outcome = ctx.Check();
    if (!outcome.ok()) break;
    core_.progress_changed.WaitFor(core_.mu, kProgressInterval);
    lock.Unlock();
    if (progress) progress();
    lock.Lock();
  }
  --core_.flushers;
  // Else a power loss would show an older state than the bucket has.
  if (outcome.ok()) outcome = core_.db->Sync();
  return outcome;
}

Status WriteBack::FlushInode(const OpContext& ctx, const InodePtr& inode) {
  MutexLock lock(core_.mu);
  if (inode->dirty_order == 0) return {};
  const uint64_t up_to = core_.next_order;
  core_.MakeUrgent(inode);
  while (inode->dirty_order != 0 && inode->dirty_order < up_to) {
    if (inode->last_error && IsHopeless(*inode->last_error, inode->failures)) {
      return inode->last_error->With(core_.PathOf(*inode));
    }
    RETURN_IF_ERROR(ctx.Check());
    core_.progress_changed.WaitFor(core_.mu, kProgressInterval);
  }
  return {};
}

Status WriteBack::WaitForMoves(const OpContext& ctx) {
  for (;;) {
    ASSIGN_OR_RETURN(const bool expanded, ExpandMove(ctx));
    if (expanded) continue;
    MutexLock lock(core_.mu);
    if (core_.moved_prefixes.empty()) return {};
    RETURN_IF_ERROR(ctx.Check());
    core_.progress_changed.WaitFor(core_.mu, std::chrono::milliseconds(20));
  }
}

// --- deletions ---

Result<std::vector<DeleteItem>> WriteBack::ChooseDeletions(bool ignore_delay, int64_t* next_due_ns) {
  std::vector<DeleteItem> items;
  const bool now = ignore_delay || core_.flushers > 0;
  bool waiting = false;
  const int64_t wall_ns = core_.NowNs();
  int64_t shortest_wait_ns = kIdleWaitNs;
  RETURN_IF_ERROR(core_.db->VisitTombstones("", [&](std::string_view key, const Tombstone& tombstone) {
    const int64_t wait_ns = tombstone.created_ns + core_.options.writeback_delay_ns - wall_ns;
    if (!now && wait_ns > 0 && wait_ns <= core_.options.writeback_delay_ns) {
      shortest_wait_ns = std::min(shortest_wait_ns, wait_ns);
      return true;
    }
    waiting = true;
    if (core_.busy_keys.contains(std::string(key))) return true;
    if (const InodePtr successor = tombstone.successor != 0 ? core_.Cached(tombstone.successor) : nullptr) {
      const auto target = core_.TargetKey(*successor);
      if (successor->dirty_order != 0 && target.ok() && *target == key) return true;
    }
    items.push_back({std::string(key), "", tombstone.etag});
    return items.size() < kMaxBatchDelete;
  }));
  // What is busy, or does not fit this batch, is looked at again soon.
  if (waiting) shortest_wait_ns = items.size() == kMaxBatchDelete ? 0 : kBlockedPauseNs;
  *next_due_ns = core_.clock.MonotonicNs() + shortest_wait_ns;
  return items;
}

Result<bool> WriteBack::DeleteSome(const OpContext& ctx, bool ignore_delay) {
  std::vector<DeleteItem> items;
  {
    MutexLock lock(core_.mu);
    if (core_.tombstones == 0 || core_.deleting) return false;
    if (!ignore_delay && core_.clock.MonotonicNs() < core_.tombstones_due_ns) return false;
    int64_t next_due_ns = 0;
    ASSIGN_OR_RETURN(items, ChooseDeletions(ignore_delay, &next_due_ns));
    core_.tombstones_due_ns = next_due_ns;
    if (items.empty()) return false;
    core_.deleting = true;
    ++core_.steps_in_flight;
    for (const DeleteItem& item : items) core_.busy_keys.insert(item.key);
  }
  auto results = core_.store.DeleteBatch(ctx, items);
  MutexLock lock(core_.mu);
  core_.deleting = false;
  --core_.steps_in_flight;
  for (const DeleteItem& item : items) core_.busy_keys.erase(item.key);
  core_.progress_changed.NotifyAll();
  core_.work_changed.NotifyAll();
  if (!results.ok()) {
    if (results.Is(Errc::kAmbiguous)) {
      for (const DeleteItem& item : items) core_.NoteLateDeletion(item.key);
    }
    NoteDeletionFailure(results.error());
    return std::move(results).error();
  }
  return ApplyDeletions(items, *results);
}

void WriteBack::NoteDeletionFailure(const Error& error) {
  ++core_.deletion_failures;
  core_.deletion_error = error;
  core_.tombstones_due_ns = core_.clock.MonotonicNs() + Core::PauseAfter(core_.deletion_failures);
}

Result<bool> WriteBack::ApplyDeletions(const std::vector<DeleteItem>& items,
                                       const std::vector<Result<DeleteResult>>& results) {
  Transaction txn;
  std::optional<Error> failed;
  bool any_done = false;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto& result = results[i];
    if (!result.ok() && !result.Is(Errc::kPreconditionFailed) && !result.Is(Errc::kNotFound)) {
      LogWarning("deleting ", items[i].key, ": ", result.error().message);
      if (result.Is(Errc::kAmbiguous)) core_.NoteLateDeletion(items[i].key);
      failed = result.error().With(items[i].key);
      continue;
    }
    // A failed condition: somebody put another object there. It is not ours to delete.
    core_.NoteKeyChanged(items[i].key);
    core_.db->RemoveTombstone(txn, items[i].key);
    --core_.tombstones;
    any_done = true;
  }
  if (failed) {
    NoteDeletionFailure(*failed);
  } else {
    core_.deletion_failures = 0;
    core_.deletion_error.reset();
  }
  RETURN_IF_ERROR(core_.Commit(txn));
  return any_done;
}

// --- directory moves ---

Status WriteBack::ExpandDirectory(Ino dir, std::vector<Ino>* pending) {
  uint64_t cookie = 0;
  for (;;) {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const auto children, core_.db->Children(dir, cookie, kExpandChunk));
    if (children.empty()) return {};
    cookie = CookieOfName(children.back().name);
    Transaction txn;
    for (const Dentry& child : children) {
      if (S_ISDIR(child.type)) pending->push_back(child.ino);
      auto found = core_.Get(child.ino);
      if (found.Is(Errc::kStale)) continue;
      if (!found.ok()) return std::move(found).error();
      const InodePtr inode = std::move(*found);
      const auto target = core_.TargetKey(*inode);
      if (!inode->record.origin || (target.ok() && !core_.IsDisplaced(*inode, *target))) continue;
      RETURN_IF_ERROR(core_.EnterMeta(inode, txn));
      if (!inode->record.origin->superseded) core_.db->PutDisplaced(txn, inode->record.origin->key, inode->ino);
      inode->last_change_ns = core_.clock.MonotonicNs();
      core_.UpdateQueue(inode);
    }
    RETURN_IF_ERROR(core_.Commit(txn));
  }
}

Result<bool> WriteBack::ExpandMove(const OpContext& ctx) {
  std::pair<std::string, Ino> move;
  {
    MutexLock lock(core_.mu);
    if (core_.moved_prefixes.empty() || expanding_) return false;
    if (core_.dirty_by_order.size() > kMostDirtyWhileExpanding) return false;
    move = *core_.moved_prefixes.begin();
    expanding_ = true;
  }
  std::vector<Ino> pending{move.second};
  Status outcome;
  while (!pending.empty() && outcome.ok()) {
    const Ino dir = pending.back();
    pending.pop_back();
    outcome = ctx.Check();
    if (outcome.ok()) outcome = ExpandDirectory(dir, &pending);
  }
  MutexLock lock(core_.mu);
  expanding_ = false;
  RETURN_IF_ERROR(std::move(outcome));
  core_.moved_prefixes.erase(move.first);
  Transaction txn;
  core_.db->RemoveMovedPrefix(txn, move.first);
  RETURN_IF_ERROR(core_.Commit(txn));
  core_.progress_changed.NotifyAll();
  core_.work_changed.NotifyAll();
  return true;
}

}  // namespace pailfs::cache
