// What became of write-back steps: finding out, and applying it to the namespace.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "cache/metadata_codec.h"
#include "cache/write_back.h"

namespace pailfs::cache {
namespace {

// So often in a row a step that came to nothing is planned anew at once; then it counts as failed.
constexpr int kMostAborts = 20;

}  // namespace

Status WriteBack::Finish(const OpContext& ctx, const Step& step, Result<Outcome> outcome) {
  if (!step.ask && (outcome.Is(Errc::kPreconditionFailed) || outcome.Is(Errc::kAmbiguous))) {
    {
      MutexLock lock(core_.mu);
      step.inode->sent_ns = core_.clock.MonotonicNs();
    }
    outcome = Resolve(ctx, step, std::move(outcome).error());
  }
  Status applied;
  std::optional<std::pair<Ino, std::string>> stale_name;
  {
    MutexLock lock(core_.mu);
    step.inode->stepping = false;
    if (!outcome.Is(Errc::kAmbiguous)) core_.SetOperationKey(*step.inode, "");
    core_.busy_keys.erase(step.key);
    --core_.steps_in_flight;
    applied = outcome.ok() ? ApplySuccess(step, *outcome) : ApplyFailure(step, outcome.error());
    core_.progress_changed.NotifyAll();
    core_.work_changed.NotifyAll();
    stale_name.swap(step.inode->stale_name);
  }
  if (stale_name) core_.invalidate(step.inode->ino, stale_name->first, stale_name->second);
  data_.AfterStep(step.inode);
  return applied;
}

bool WriteBack::HasBytesOf(const Step& step, const ObjectInfo& info) {
  const bool copies = step.kind == Kind::kCopy || step.kind == Kind::kEvacuate;
  return copies && step.record.origin && info.etag == step.record.origin->etag &&
         info.size_bytes == step.record.origin->size;
}

bool WriteBack::IsOrigin(const Step& step, const ObjectInfo& info) {
  return step.record.origin && step.record.origin->key == step.key && step.record.origin->etag == info.etag;
}

std::optional<WriteBack::Outcome> WriteBack::MadeBy(const Step& step, const ObjectInfo& info) const {
  const std::string* token = FindMetadata(info.metadata, kOperationMetadata);
  const bool ours = token != nullptr && *token == core_.OperationToken(step.record.ino, step.operation);
  // A copy that took its metadata along carries the token of its source.
  const bool bytes_tell = step.kind == Kind::kEvacuate || !step.record.attributes_dirty;
  if (!ours && !(bytes_tell && HasBytesOf(step, info))) return std::nullopt;
  return Outcome{{info.etag, info.version_id, info.last_modified_us}, info.size_bytes};
}

std::optional<WriteBack::Maker> WriteBack::MakerOf(const ObjectInfo& info) const {
  const std::string* token = FindMetadata(info.metadata, kOperationMetadata);
  if (token == nullptr || !token->starts_with(StrCat(core_.mount_id, "."))) return std::nullopt;
  const std::string_view numbers = std::string_view(*token).substr(core_.mount_id.size() + 1);
  const size_t dot = std::min(numbers.find('.'), numbers.size() - 1);
  const auto ino = ParseUint(numbers.substr(0, dot));
  const auto operation = ParseUint(numbers.substr(dot + 1));
  if (!ino || !operation) return std::nullopt;
  return Maker{*ino, *operation};
}

Result<WriteBack::Outcome> WriteBack::TakeLeftover(const Step& step, const ObjectInfo& info, const Maker& maker) {
  MutexLock lock(core_.mu);
  Inode& inode = *step.inode;
  const InodeRecord& record = inode.record;
  if (inode.as_recovered && IsNewer(step.record, info)) {
    RETURN_IF_ERROR(AdoptObject(step, info));
    return Error{Errc::kCancelled, "the bucket is ahead"};
  }
  const bool in_place = record.origin && record.origin->key == step.key && !record.origin->superseded;
  if (in_place && maker.ino == record.ino && (record.content_dirty || !record.IsRegular())) {
    return Outcome{{info.etag, info.version_id, info.last_modified_us}, info.size_bytes, /*older=*/true};
  }
  if (in_place) {
    inode.replaces_etag = info.etag;
  } else {
    // Overwritten if the inode still comes to the key, or else deleted.
    ASSIGN_OR_RETURN(const InodePtr other, core_.DisplacedFrom(step.key));
    const bool is_theirs = other != nullptr && other->record.origin->etag == info.etag;
    if (!is_theirs) {
      Transaction txn;
      RETURN_IF_ERROR(Supersede(step, txn));
      const Origin leftover{step.key, info.etag, info.version_id, info.size_bytes, 0, info.last_modified_us, false};
      RETURN_IF_ERROR(core_.AddTombstone(leftover, txn, record.ino));
      RETURN_IF_ERROR(core_.Commit(txn));
    }
  }
  return Error{Errc::kCancelled, "an earlier upload of ours is replaced"};
}

Error WriteBack::NothingFound(const Step& step, Errc otherwise, std::string message) {
  MutexLock lock(core_.mu);
  Inode& inode = *step.inode;
  const bool late = core_.clock.MonotonicNs() - inode.sent_ns < core_.options.late_arrival_ns;
  inode.asked_in_vain = late;
  return Error{late ? Errc::kAmbiguous : otherwise, std::move(message)};
}

Result<WriteBack::Outcome> WriteBack::Ask(const OpContext& ctx, const Step& step) {
  auto info = core_.store.Head(ctx, step.key, {});
  if (!info.ok() && !info.Is(Errc::kNotFound)) return Error{Errc::kAmbiguous, info.error().message};
  if (!info.ok()) return NothingFound(step, Errc::kCancelled, "the step left nothing");
  if (auto made = MadeBy(step, *info)) return std::move(*made);
  Error nothing = NothingFound(step, Errc::kCancelled, "the step left nothing");
  const auto maker = MakerOf(*info);
  const bool leftover = maker && maker->ino == step.record.ino && !IsOrigin(step, *info);
  // A later step may still arrive, and where conditions are not checked it would override what comes now.
  if (!leftover || (nothing.code == Errc::kAmbiguous && !core_.capabilities.atomic_conditions)) return nothing;
  return TakeLeftover(step, *info, *maker);
}

Status WriteBack::CheckSource(const OpContext& ctx, const Step& step) {
  if (!step.record.origin) return {};
  const Origin& origin = *step.record.origin;
  VersionSelector version;
  if (origin.HasOwnVersion()) version.version_id = origin.version_id;
  const auto source = core_.store.Head(ctx, origin.key, version);
  const bool gone = source.Is(Errc::kNotFound) || (source.ok() && source->etag != origin.etag);
  if (gone) return Error{Errc::kStale, StrCat("object ", origin.key, " was replaced by another client")};
  return {};
}

Result<WriteBack::Outcome> WriteBack::ResolveEvacuation(const OpContext& ctx, const Step& step, Error error) {
  const auto info = core_.store.Head(ctx, step.key, {});
  if (!info.ok() && !info.Is(Errc::kNotFound)) return Error{Errc::kAmbiguous, info.error().message};
  if (info.ok()) {
    if (auto made = MadeBy(step, *info)) return std::move(*made);
  }
  if (error.code == Errc::kAmbiguous) return NothingFound(step, Errc::kUnavailable, error.message);
  RETURN_IF_ERROR(CheckSource(ctx, step));
  return Error{Errc::kCancelled, error.message};
}

Result<WriteBack::Outcome> WriteBack::Resolve(const OpContext& ctx, const Step& step, Error error) {
  if (step.kind == Kind::kEvacuate) return ResolveEvacuation(ctx, step, std::move(error));
  auto info = core_.store.Head(ctx, step.key, {});
  const bool target_as_wanted =
      info.ok() ? step.conditions.if_match == info->etag : info.Is(Errc::kNotFound) && !step.conditions.if_match;
  if (error.code == Errc::kPreconditionFailed && target_as_wanted) RETURN_IF_ERROR(CheckSource(ctx, step));
  if (info.Is(Errc::kNotFound)) {
    if (error.code == Errc::kAmbiguous) return NothingFound(step, Errc::kUnavailable, error.message);
    MutexLock lock(core_.mu);
    if (error.code == Errc::kPreconditionFailed && step.conditions.if_match) {
      // Deleted by somebody else: the edit wins. What is not in the cache went with the object.
      InodeRecord& record = step.inode->record;
      step.inode->replaces_etag.reset();
      Transaction txn;
      RETURN_IF_ERROR(core_.RemoveTombstone(step.key, txn));
      RETURN_IF_ERROR(Supersede(step, txn));
      if (record.origin && record.origin->key == step.key) {
        if (record.IsRegular() && !record.complete && record.origin->limit > 0) {
          return Error{Errc::kStale, "the object was deleted by another client and its bytes are not in the cache"};
        }
        RETURN_IF_ERROR(core_.GiveUpKey(*step.inode, txn));
        record.origin.reset();
        if (record.IsRegular()) record.content_dirty = true;
        core_.Save(*step.inode, txn);
      }
      RETURN_IF_ERROR(core_.Commit(txn));
    }
    // The request did nothing; the step is planned anew.
    return Error{Errc::kCancelled, error.message};
  }
  if (!info.ok()) return Error{Errc::kAmbiguous, info.error().message};
  if (auto made = MadeBy(step, *info)) return std::move(*made);
  if (error.code == Errc::kPreconditionFailed && target_as_wanted) return Error{Errc::kCancelled, error.message};
  if (error.code == Errc::kAmbiguous && !core_.capabilities.atomic_conditions) {
    return NothingFound(step, Errc::kUnavailable, error.message);
  }
  const auto maker = MakerOf(*info);
  if (maker && !IsOrigin(step, *info)) return TakeLeftover(step, *info, *maker);
  if (error.code == Errc::kAmbiguous) return NothingFound(step, Errc::kUnavailable, error.message);
  if (step.record.IsDirectory() || HasBytesOf(step, *info)) {
    // Attributes are all that is different: ours win, and a tree is not renamed for them.
    MutexLock lock(core_.mu);
    step.inode->replaces_etag = info->etag;
    return Error{Errc::kCancelled, "other attributes are replaced"};
  }
  return error;
}

bool WriteBack::IsNewer(const InodeRecord& record, const ObjectInfo& info) const {
  const auto maker = MakerOf(info);
  return maker && maker->operation >= record.changed_operation;
}

Status WriteBack::AskUnanswered(const OpContext& ctx) {
  std::vector<InodePtr> unanswered;
  {
    MutexLock lock(core_.mu);
    for (const auto& [order, ino] : core_.dirty_by_order) {
      const InodePtr inode = core_.Cached(ino);
      if (inode != nullptr && !inode->record.operation_key.empty()) unanswered.push_back(inode);
    }
  }
  for (const InodePtr& inode : unanswered) {
    std::optional<Step> step;
    {
      MutexLock lock(core_.mu);
      core_.Dequeue(inode);
      step = PlanAsk(inode);
    }
    if (!step) continue;
    auto outcome = Ask(ctx, *step);
    const bool no_answer = outcome.Is(Errc::kAmbiguous);
    RETURN_IF_ERROR(Finish(ctx, *step, std::move(outcome)));
    MutexLock lock(core_.mu);
    if (no_answer && !inode->asked_in_vain) break;
  }
  return {};
}

Status WriteBack::AdoptNewerObjects(const OpContext& ctx) {
  std::vector<InodePtr> recovered;
  {
    MutexLock lock(core_.mu);
    for (const auto& [order, ino] : core_.dirty_by_order) {
      const InodePtr inode = core_.Cached(ino);
      if (inode != nullptr && inode->as_recovered) recovered.push_back(inode);
    }
  }
  for (const InodePtr& inode : recovered) {
    Step step;
    {
      MutexLock lock(core_.mu);
      const auto key = core_.TargetKey(*inode);
      if (!key.ok()) continue;
      step.inode = inode;
      step.record = inode->record;
      step.operation = inode->record.operation;
      step.key = *key;
    }
    const auto info = core_.store.Head(ctx, step.key, {});
    // Out of reach or absent: the upload itself will find out.
    if (!info.ok() || !IsNewer(step.record, *info)) continue;
    MutexLock lock(core_.mu);
    RETURN_IF_ERROR(AdoptObject(step, *info));
    core_.UpdateQueue(inode);
    RETURN_IF_ERROR(core_.SettleIfClean(inode));
  }
  return {};
}

Status WriteBack::AdoptObject(const Step& step, const ObjectInfo& info) {
  Inode& inode = *step.inode;
  InodeRecord& record = inode.record;
  const std::optional<Origin> old = record.origin;
  InodeRecord adopted = loader_.RecordOf(info, record.ino, record.parent, record.name);
  if ((adopted.mode & S_IFMT) != (record.mode & S_IFMT)) return {};
  adopted.operation = step.operation;
  adopted.subdirectories = record.subdirectories;
  adopted.content_generation = record.content_generation + 1;
  Transaction txn;
  RETURN_IF_ERROR(data_.Forget(step.inode, txn));
  if (old && old->key != step.key) RETURN_IF_ERROR(core_.AddTombstone(*old, txn));
  RETURN_IF_ERROR(core_.RemoveTombstone(step.key, txn));
  core_.SetOperationKey(inode, "");
  record = std::move(adopted);
  inode.stale_name.emplace(record.parent, record.name);
  RETURN_IF_ERROR(core_.ReleaseHeld(step.inode, txn));
  core_.Save(inode, txn);
  LogInfo(core_.PathOf(inode), ": the bucket has a newer state than the cache had after the power loss");
  return core_.Commit(txn);
}

// The object that another inode had at the step's key is there no more.
Status WriteBack::Supersede(const Step& step, Transaction& txn) {
  ASSIGN_OR_RETURN(const auto displaced, core_.db->FindDisplaced(step.key));
  if (!displaced) return {};
  core_.db->RemoveDisplaced(txn, step.key);
  ASSIGN_OR_RETURN(const InodePtr other, core_.Get(*displaced));
  if (other != step.inode && other->record.origin && other->record.origin->key == step.key) {
    other->record.origin->superseded = true;
    core_.Save(*other, txn);
  }
  return {};
}

Status WriteBack::MoveOrigin(const Step& step, const Outcome& outcome, Transaction& txn) {
  Inode& inode = *step.inode;
  InodeRecord& record = inode.record;
  core_.NoteKeyChanged(step.key);
  const std::optional<Origin> old = record.origin;
  Origin origin{step.key, outcome.put.etag, outcome.put.version_id, outcome.size, 0, outcome.put.last_modified_us,
                false};
  const bool same_content = !outcome.older && record.content_generation == step.content_generation;
  if (step.kind == Kind::kPutContent) DropContentMetadata(record.foreign_metadata);
  if (step.kind == Kind::kPutContent && same_content) {
    origin.limit = outcome.size;
    // W4: only generations up to the step's own become clean.
    if (record.limit() == 0) record.complete = true;
    record.content_dirty = false;
    RETURN_IF_ERROR(data_.MarkClean(step.inode, record.limit(), origin.limit, txn));
  } else {
    // Bytes beyond the present limit changed since, or never came from an object: they stay in the cache and dirty.
    origin.limit = std::min(record.limit(), outcome.size);
  }
  if (!record.IsRegular()) origin.limit = 0;
  record.origin = origin;
  const bool same_attributes = !outcome.older && inode.attribute_generation == step.attribute_generation;
  if (step.kind != Kind::kEvacuate && same_attributes) {
    record.attributes_dirty = false;
  }
  inode.replaces_etag.reset();

  RETURN_IF_ERROR(core_.RemoveTombstone(step.key, txn));
  RETURN_IF_ERROR(Supersede(step, txn));
  // W2: the old place goes only now that the new one is recorded.
  if (old && old->key != step.key) {
    core_.NoteKeyChanged(old->key);
    RETURN_IF_ERROR(core_.AddTombstone(*old, txn));
  }
  const auto target = record.parent != 0 ? core_.TargetKey(inode) : Result<std::string>(std::string());
  if (!target.ok() || *target != step.key) core_.db->PutDisplaced(txn, step.key, inode.ino);
  if (step.kind == Kind::kPutContent && !outcome.older) RETURN_IF_ERROR(core_.ReleaseHeld(step.inode, txn));
  return {};
}

Status WriteBack::ApplySuccess(const Step& step, const Outcome& outcome) {
  Transaction txn;
  RETURN_IF_ERROR(MoveOrigin(step, outcome, txn));
  Inode& inode = *step.inode;
  inode.failures = 0;
  inode.aborted_uploads = 0;
  inode.must_evacuate = false;
  inode.last_error.reset();
  core_.failing.erase(inode.ino);
  core_.Save(inode, txn);
  if (inode.record.parent == 0) RETURN_IF_ERROR(core_.FreeIfUnused(step.inode, txn));
  RETURN_IF_ERROR(core_.Commit(txn));
  core_.UpdateQueue(step.inode);
  return core_.SettleIfClean(step.inode);
}

Status WriteBack::ApplyFailure(const Step& step, const Error& error) {
  Inode& inode = *step.inode;
  if (inode.record.parent == 0) {
    Transaction txn;
    RETURN_IF_ERROR(core_.FreeIfUnused(step.inode, txn));
    RETURN_IF_ERROR(core_.Commit(txn));
    if (inode.freed) return {};
  }
  if (error.code == Errc::kCancelled && ++inode.aborted_uploads <= kMostAborts) {
    core_.UpdateQueue(step.inode);
    return core_.SettleIfClean(step.inode);
  }
  if (error.code == Errc::kPreconditionFailed && step.kind != Kind::kEvacuate) return MakeConflictCopy(step);
  const bool copies = step.kind == Kind::kCopy || step.kind == Kind::kEvacuate;
  const bool origin_is_gone =
      inode.record.origin && (error.code == Errc::kStale || (error.code == Errc::kNotFound && copies));
  if (origin_is_gone && step.kind != Kind::kEvacuate && inode.record.parent != 0) return GoOnWithoutOrigin(step);
  if (origin_is_gone && step.kind == Kind::kEvacuate) {
    // There is nothing left to be moved out of the way.
    Transaction txn;
    RETURN_IF_ERROR(core_.GiveUpKey(inode, txn));
    inode.must_evacuate = false;
    core_.Save(inode, txn);
    RETURN_IF_ERROR(core_.Commit(txn));
    core_.UpdateQueue(step.inode);
    return core_.SettleIfClean(step.inode);
  }
  if (error.code == Errc::kAmbiguous && inode.asked_in_vain) {
    // No failure yet: it is asked for again, or sent again, until nothing can arrive any more.
    core_.NoteFailure(inode);
    core_.UpdateQueue(step.inode);
    return {};
  }
  // W6: the data stays, the error is shown, and others do not wait.
  core_.NoteFailure(inode);
  inode.last_error = error;
  if (ErrcRetryClass(error.code) == RetryClass::kNever) inode.unseen_error = error;
  core_.failing.insert(inode.ino);
  core_.metrics.counter("writeback.failures").Add();
  LogWarning("cannot write ", core_.PathOf(inode), " back to ", step.key, ": ", error.message);
  core_.UpdateQueue(step.inode);
  return {};
}

// Another client replaced or deleted the object that the inode's clean bytes come from.
Status WriteBack::GoOnWithoutOrigin(const Step& step) {
  Inode& inode = *step.inode;
  InodeRecord& record = inode.record;
  Transaction txn;
  const bool all_here = record.complete || record.limit() == 0;
  RETURN_IF_ERROR(core_.GiveUpKey(inode, txn));
  if (!all_here && !record.content_dirty) {
    // Nothing of it was ours.
    LogError(core_.PathOf(inode), ": another client replaced its object ", record.origin->key,
             " before it could be copied to ", step.key, "; its bytes are lost");
    core_.metrics.counter("writeback.lost").Add();
    const std::string name = record.name;
    const Ino parent = record.parent;
    RETURN_IF_ERROR(core_.db->RemoveDentry(txn, parent, name));
    RETURN_IF_ERROR(core_.DropLink(step.inode, txn, /*held_by=*/0));
    inode.stale_name.emplace(parent, name);
    return core_.Commit(txn);
  }
  if (!all_here) {
    LogError(core_.PathOf(inode), ": another client replaced its object ", record.origin->key,
             "; what was not in the cache is zeros now");
    core_.metrics.counter("writeback.lost").Add();
  }
  record.origin.reset();
  if (record.IsRegular()) {
    record.complete = true;
    RETURN_IF_ERROR(data_.MarkClean(step.inode, 0, 0, txn));
  }
  inode.replaces_etag.reset();
  RETURN_IF_ERROR(core_.MarkChanged(step.inode, record.IsRegular() ? Change::kContent : Change::kAttributes, txn));
  return core_.Commit(txn);
}

Result<std::string> WriteBack::ConflictName(Ino dir, const std::string& name) {
  const std::string stem = StrCat(".conflict-", core_.options.host_name, "-", core_.NowNs() / 1'000'000'000);
  for (int number = 1;; ++number) {
    const std::string suffix = number == 1 ? stem : StrCat(stem, "-", number);
    std::string candidate = name.substr(0, kMaxNameBytes - std::min(suffix.size(), kMaxNameBytes - 1)) + suffix;
    ASSIGN_OR_RETURN(const auto taken, core_.db->FindDentry(dir, candidate));
    if (!taken) return candidate;
  }
}

Status WriteBack::MakeConflictCopy(const Step& step) {
  Inode& inode = *step.inode;
  InodeRecord& record = inode.record;
  if (record.parent == 0) return {};
  const std::string old_name = record.name;
  ASSIGN_OR_RETURN(const std::string name, ConflictName(record.parent, old_name));
  Transaction txn;
  ASSIGN_OR_RETURN(const InodePtr parent, core_.Get(record.parent));
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, record.parent, old_name));
  record.SetName(name);
  inode.stale_name.emplace(record.parent, old_name);
  core_.db->PutDentry(txn, record.parent, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/true);
  if (record.origin && record.origin->key == step.key) {
    RETURN_IF_ERROR(core_.GiveUpKey(inode, txn));
    if (!record.origin->HasOwnVersion() && record.IsRegular() && (record.complete || record.limit() == 0)) {
      record.origin.reset();
    }
  }
  inode.replaces_etag.reset();
  if (record.IsRegular() && !record.origin) record.content_dirty = true;
  record.attributes_dirty = true;
  // The directory is listed again, which brings the other client's object in under the name.
  parent->known = false;
  core_.db->SetListingComplete(txn, parent->ino, false);
  RETURN_IF_ERROR(core_.RemoveTombstone(step.key, txn));
  core_.Save(inode, txn);
  RETURN_IF_ERROR(core_.Commit(txn));
  core_.metrics.counter("writeback.conflicts").Add();
  LogWarning("conflict: ", step.key, " was changed by another client; our version is kept as ", core_.PathOf(inode));
  core_.UpdateQueue(step.inode);
  return {};
}

}  // namespace pailfs::cache
