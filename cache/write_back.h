// Write-back: makes the bucket equal to the namespace, one inode at a time, by idempotent steps. The rules W1 to W8
// stand in docs/ARCHITECTURE.md; where the code keeps one of them, it names it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cache/core.h"
#include "cache/file_data.h"
#include "cache/loader.h"
#include "cache/upload_plan.h"

namespace pailfs::cache {

// Thread-safe.
class WriteBack {
 public:
  WriteBack(Core& core, FileData& data, Loader& loader) : core_(core), data_(data), loader_(loader) {}
  ~WriteBack() { Stop(); }

  void Start();
  // Interrupts steps under way and waits for the threads.
  void Stop();

  // Executes one thing that is due (or anything at all, when `ignore_delay`). False: there was nothing to do.
  Result<bool> RunOne(const OpContext& ctx, bool ignore_delay);
  // Returns when everything changed before the call is in the bucket, or the first error that stands in the way.
  Status FlushAll(const OpContext& ctx, const std::function<void()>& progress);
  // The same for one inode (and nothing else).
  Status FlushInode(const OpContext& ctx, const InodePtr& inode);
  // After a crash: asks what became of the steps whose outcome was not recorded. Without an answer write-back asks
  // again later.
  Status AskUnanswered(const OpContext& ctx);
  // After a power loss, before anybody looks: where the bucket has a newer state of a dirty inode than we have, takes
  // that.
  Status AdoptNewerObjects(const OpContext& ctx);
  // Waits until no directory move is being expanded.
  Status WaitForMoves(const OpContext& ctx);

 private:
  enum class Kind : uint8_t {
    kPutObject,   // directory markers, symlinks, special files: metadata and a small body
    kPutContent,  // a regular file's bytes
    kCopy,        // unchanged bytes, new key or new metadata
    kEvacuate,    // W1: to a temporary key, because its own is wanted
  };

  // What was decided under the mutex; the record is a snapshot.
  struct Step {
    Kind kind = Kind::kPutObject;
    InodePtr inode;
    InodeRecord record;
    std::string key;
    Conditions conditions;
    uint64_t operation = 0;
    uint64_t content_generation = 0;
    uint64_t attribute_generation = 0;
    bool insist = false;  // writers wait for the upload rather than interrupt it
    bool ask = false;     // sends nothing: finds out what became of `operation` at `key`
  };
  struct Outcome {
    PutResult put;
    uint64_t size = 0;
    bool older = false;  // the object is what an earlier step of the inode made
  };

  // --- choosing (under the mutex) ---
  Result<std::optional<Step>> ChooseStep(int64_t now_ns, bool ignore_delay);
  Result<std::optional<Step>> PlanStep(const InodePtr& inode);
  std::optional<Step> PlanAsk(const InodePtr& inode);
  void Begin(const Step& step);
  // The condition on `key`, or nullopt when another inode must leave it first.
  Result<std::optional<Conditions>> ConditionsFor(const InodePtr& inode, const std::string& key);
  Kind KindOf(const InodeRecord& record) const;
  void Postpone(const InodePtr& inode);
  // Of what changed before `up_to`, the error of the first when nothing but hopeless things is left.
  Status Hopeless(uint64_t up_to);

  // --- executing (without it) ---
  Status ExecuteStep(const OpContext& ctx, Step step);
  Result<Outcome> Send(const OpContext& ctx, const Step& step);
  // What goes along with the step's object, where it is not known yet.
  Status LoadMetadata(const OpContext& ctx, Step* step);
  // Takes the snapshot anew, now that the content cannot change.
  void Refresh(Step* step);
  Result<Outcome> SendSmallContent(const OpContext& ctx, Step* step);
  Status ExecuteLargeContent(const OpContext& ctx, Step step);
  Status Finish(const OpContext& ctx, const Step& step, Result<Outcome> outcome);
  Result<Outcome> SendObject(const OpContext& ctx, const Step& step, const PutOptions& options);
  Result<Outcome> SendLargeContent(const OpContext& ctx, const Step& step, const PutOptions& options);
  Result<Outcome> SendParts(const OpContext& ctx, const Step& step, const PutOptions& options, BodySource& body,
                            const std::vector<PlannedPart>& plan);
  Result<Outcome> SendCopy(const OpContext& ctx, const Step& step, const PutOptions& options);
  UserMetadata MetadataFor(const Step& step) const;
  // The store copies the metadata too: none of it was changed, or is known here.
  static bool CopiesMetadata(const Step& step);
  // The object has the very bytes that the step copies.
  static bool HasBytesOf(const Step& step, const ObjectInfo& info);
  // The object is still the one that the step was to replace.
  static bool IsOrigin(const Step& step, const ObjectInfo& info);
  // The outcome of the step, when the object is the one that it made.
  std::optional<Outcome> MadeBy(const Step& step, const ObjectInfo& info) const;
  // Which step of this mount made the object; nullopt for those of others.
  struct Maker {
    Ino ino = 0;
    uint64_t operation = 0;
  };
  std::optional<Maker> MakerOf(const ObjectInfo& info) const;
  // An object at the step's key that another step of ours made, whose answer was lost.
  Result<Outcome> TakeLeftover(const Step& step, const ObjectInfo& info, const Maker& maker);
  // Nothing was found of the step: kAmbiguous while its request may still arrive, then `otherwise`.
  Error NothingFound(const Step& step, Errc otherwise, std::string message);
  // What became of a step of which nothing is known; kCancelled when it left nothing, kAmbiguous when that is not known
  // still.
  Result<Outcome> Ask(const OpContext& ctx, const Step& step);
  // kStale when the object that the step copies from is not the inode's origin any more.
  Status CheckSource(const OpContext& ctx, const Step& step);
  // What became of a request that failed or whose answer was lost.
  Result<Outcome> Resolve(const OpContext& ctx, const Step& step, Error error);
  // The same at a key that is ours alone.
  Result<Outcome> ResolveEvacuation(const OpContext& ctx, const Step& step, Error error);

  // --- applying (under the mutex) ---
  // Takes what the bucket has of the inode, which is newer than what a power loss left us.
  // Sent by us, after the last change that we know of.
  bool IsNewer(const InodeRecord& record, const ObjectInfo& info) const;
  Status AdoptObject(const Step& step, const ObjectInfo& info);
  Status ApplySuccess(const Step& step, const Outcome& outcome);
  Status ApplyFailure(const Step& step, const Error& error);
  // A name that `dir` does not have.
  Result<std::string> ConflictName(Ino dir, const std::string& name) REQUIRES(core_.mu);
  Status MakeConflictCopy(const Step& step);
  Status GoOnWithoutOrigin(const Step& step);
  Status Supersede(const Step& step, Transaction& txn);
  Status MoveOrigin(const Step& step, const Outcome& outcome, Transaction& txn);

  // --- deletions and moves ---
  Result<bool> DeleteSome(const OpContext& ctx, bool ignore_delay);
  Result<std::vector<DeleteItem>> ChooseDeletions(bool ignore_delay, int64_t* next_due_ns);
  // True when at least one is done.
  Result<bool> ApplyDeletions(const std::vector<DeleteItem>& items, const std::vector<Result<DeleteResult>>& results);
  void NoteDeletionFailure(const Error& error);
  Result<bool> ExpandMove(const OpContext& ctx);
  Status ExpandDirectory(Ino dir, std::vector<Ino>* pending);

  void Run();

  Core& core_;
  FileData& data_;
  Loader& loader_;
  std::stop_source stop_;
  std::vector<std::thread> threads_;
  bool expanding_ = false;  // guarded by Core::mu
};

}  // namespace pailfs::cache
