// What the parts of the cache share: the databases, the inode table, and the rules by which inodes become dirty, become
// clean, and are placed in the bucket. One mutex guards the tree; docs/LOCKING.md.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/object_store.h"
#include "base/random.h"
#include "cache/inode.h"
#include "cache/key_names.h"
#include "cache/mount_cache.h"
#include "cache/namespace_db.h"
#include "cache/space_budget.h"

namespace pailfs::cache {

// Everything under this prefix of the bucket is ours and never shown.
inline constexpr std::string_view kReservedSegment = ".pailfs";
inline constexpr std::string_view kReservedPrefix = ".pailfs/";
// The user metadata that names the step that made an object: Core::OperationToken.
inline constexpr std::string_view kOperationMetadata = "pailfs-op";

// Why a name is asked for. Whoever reads a directory sees one state of it: for lookups its entries stay as they were
// read while it is open.
enum class Purpose : uint8_t { kLookup, kOpen };
enum class Change : uint8_t { kContent, kAttributes, kPlace };

class Core {
 public:
  Core(FileSystem& files_in, ObjectStore& store_in, Clock& clock_in, Random& random_in, Metrics& metrics_in,
       MountOptions options_in);

  // --- dependencies and constants ---
  FileSystem& files;
  ObjectStore& store;
  Clock& clock;
  Random& random;
  Metrics& metrics;
  const MountOptions options;
  const Capabilities capabilities;

  // --- the tree; everything below is guarded by `mu` unless said otherwise ---
  Mutex mu;
  std::unique_ptr<NamespaceDb> db;  // constant after Open; its reads are thread-safe
  std::string mount_id;             // constant after Open
  CondVar work_changed;             // something may be due
  CondVar progress_changed;         // a step ended
  CondVar load_ended;               // a directory listing ended
  CondVar details_ended;            // a question for attributes ended

  Result<InodePtr> Get(Ino ino) REQUIRES(mu);  // kStale
  // In memory only; null when it is not.
  InodePtr Cached(Ino ino) REQUIRES(mu);
  Result<InodePtr> GetDirectory(Ino ino) REQUIRES(mu);  // kNotADirectory
  InodePtr Insert(InodeRecord record, bool in_meta) REQUIRES(mu);
  // `known` (may be null): whether they are more than a listing said.
  Result<Attributes> AttributesOf(Ino ino, bool* known = nullptr) REQUIRES(mu);
  Attributes AttributesOf(const Inode& inode) REQUIRES(mu);
  Ino NewNumber() REQUIRES(mu);
  // The number of an object or directory at first sight.
  Result<Ino> NumberOf(std::string_view key, std::string_view etag, int64_t last_modified_us) REQUIRES(mu);
  // For objects that a listing just made known.
  void ForgetCached(Ino ino) REQUIRES(mu);

  // The key under which the bucket should hold the inode; kNameTooLong over 1,024 bytes, kStale when it is unlinked.
  Result<std::string> TargetKey(const Inode& inode) REQUIRES(mu);
  // The name that a segment of a key is shown under.
  std::string NameOf(std::string_view segment, KeySegmentKind kind) const;
  // The prefix of the keys of its children.
  Result<std::string> DirectoryPrefix(Ino dir) REQUIRES(mu);
  // "/a/b" for messages.
  std::string PathOf(const Inode& inode) REQUIRES(mu);
  // True when the object at `key` belongs to an inode elsewhere, is about to be deleted, or may be what a step of ours
  // just left there (never show it in a listing).
  Result<bool> KeyIsSpokenFor(std::string_view key) REQUIRES(mu);
  // True when KeyIsSpokenFor may hold for keys with the prefix.
  Result<bool> AnySpokenForUnder(std::string_view prefix) REQUIRES(mu);
  bool UnderMovedPrefix(std::string_view key) REQUIRES(mu);
  // True when the directory was moved, or one above it, and what is below is not entered in meta yet.
  Result<bool> IsMoving(Ino dir) REQUIRES(mu);
  // What the databases say of the name, or of all names of the directory, need not be asked for again.
  bool IsFresh(Inode& dir, const Freshness::Name& name, Purpose purpose) REQUIRES(mu);
  bool IsFresh(Inode& dir) REQUIRES(mu);
  // A question to the bucket was answered, or not; after that the bucket is left alone for a while.
  void NoteReachable() REQUIRES(mu);
  void NoteUnreachable(const Error& error) REQUIRES(mu);
  // A step at the key is under way, or one of unknown outcome may still arrive.
  bool IsBusy(const std::string& key) REQUIRES(mu);
  void NoteLateDeletion(const std::string& key) REQUIRES(mu);
  // Where the inode's last step was sent; empty: its outcome is known. The caller saves.
  void SetOperationKey(Inode& inode, const std::string& key) REQUIRES(mu);
  // W3: what a listing that is under way says of the key no longer counts.
  void NoteKeyChanged(const std::string& key) REQUIRES(mu);

  // --- becoming dirty and clean ---
  // Notes the change, moves the inode's rows to meta and queues it for write-back.
  Status MarkChanged(const InodePtr& inode, Change change, Transaction& txn) REQUIRES(mu);
  // The part of it that even a change of what is dirty already needs.
  void NoteChanged(Inode& inode) REQUIRES(mu);
  // Its rows are in meta after this transaction, and so are those of its ancestors.
  Status EnterMeta(const InodePtr& inode, Transaction& txn) REQUIRES(mu);
  // Writes the inode's row where it belongs.
  void Save(const Inode& inode, Transaction& txn) REQUIRES(mu);
  // mtime and ctime of a directory whose entries changed.
  Status TouchDirectory(const InodePtr& dir, Transaction& txn) REQUIRES(mu);
  // Moves rows to listing where nothing is left to be remembered; walks up the tree.
  Status SettleIfClean(const InodePtr& inode) REQUIRES(mu);
  // The object at its origin's key is not the inode's any more, and may be shown in listings. The caller saves.
  Status GiveUpKey(Inode& inode, Transaction& txn) REQUIRES(mu);
  bool IsDisplaced(const Inode& inode, std::string_view target_key) const REQUIRES(mu);
  // The inode that is elsewhere and whose object is at the key; null when there is none.
  Result<InodePtr> DisplacedFrom(const std::string& key) REQUIRES(mu);
  // There is something to be done in the bucket for it.
  bool NeedsStep(const Inode& inode) REQUIRES(mu);
  // Queue membership and the parent's count follow from the inode's state.
  void UpdateQueue(const InodePtr& inode) REQUIRES(mu);
  void Dequeue(const InodePtr& inode) REQUIRES(mu);
  void MakeUrgent(const InodePtr& inode) REQUIRES(mu);
  // Not tried again before a pause, which doubles each time.
  void NoteFailure(Inode& inode) REQUIRES(mu);
  // How long to wait after so many failures in a row.
  static int64_t PauseAfter(int failures);
  Status Commit(Transaction& txn, KvDurability durability = KvDurability::kNoSync) REQUIRES(mu);

  // --- leaving ---
  // The name is gone already. Frees the inode, or keeps it as an orphan while it is open or held.
  Status DropLink(const InodePtr& inode, Transaction& txn, Ino held_by) REQUIRES(mu);
  Status FreeIfUnused(const InodePtr& inode, Transaction& txn) REQUIRES(mu);
  // Releases what `inode` held, once its own bytes are safe.
  Status ReleaseHeld(const InodePtr& inode, Transaction& txn) REQUIRES(mu);
  // `successor`: an inode that is about to overwrite the object.
  Status AddTombstone(const Origin& origin, Transaction& txn, Ino successor = 0) REQUIRES(mu);
  // What is at the key, or will be, is not to be deleted any more.
  Status RemoveTombstone(const std::string& key, Transaction& txn) REQUIRES(mu);

  int64_t NowNs() const { return clock.WallNs(); }
  std::string DataPath(Ino ino) const;
  std::string OperationToken(Ino ino, uint64_t operation) const;

  // --- state of write-back ---
  std::set<std::pair<int64_t, Ino>> queue GUARDED_BY(mu);  // (due on the monotonic clock, inode)
  std::map<uint64_t, Ino> dirty_by_order GUARDED_BY(mu);
  std::unordered_set<std::string> busy_keys GUARDED_BY(mu);
  std::map<std::string, int, std::less<>> open_keys GUARDED_BY(mu);  // how many operation_keys name them
  std::map<std::string, int64_t> late_keys GUARDED_BY(mu);           // a deletion may still arrive there, until then
  std::set<std::string, std::less<>> changed_keys GUARDED_BY(mu);  // put or deleted by us while listings were under way
  std::map<std::string, Ino> moved_prefixes GUARDED_BY(mu);
  std::set<Ino> failing GUARDED_BY(mu);
  uint64_t next_order GUARDED_BY(mu) = 1;
  uint64_t tombstones GUARDED_BY(mu) = 0;
  int64_t tombstones_due_ns GUARDED_BY(mu) = 0;
  int deletion_failures GUARDED_BY(mu) = 0;            // batches in a row that left something undone
  std::optional<Error> deletion_error GUARDED_BY(mu);  // of the last of them
  bool deleting GUARDED_BY(mu) = false;
  int flushers GUARDED_BY(mu) = 0;  // calls that wait for everything
  int pressure GUARDED_BY(mu) = 0;  // writers that wait for room
  int listings_under_way GUARDED_BY(mu) = 0;
  std::optional<Error> unreachable GUARDED_BY(mu);  // why the last question that was asked anew got no answer
  int64_t unreachable_until_ns GUARDED_BY(mu) = 0;
  uint64_t steps_in_flight GUARDED_BY(mu) = 0;
  bool stopping GUARDED_BY(mu) = false;

  // --- numbers: unique over the life of the directory, because each opening has an epoch of its own ---
  uint64_t next_number GUARDED_BY(mu) = 0;
  uint64_t next_operation GUARDED_BY(mu) = 0;
  void StartEpoch(uint64_t epoch) REQUIRES(mu);

  // Tells the kernel that what it knows of an inode and of one name of its is no longer true. Without locks; set by
  // Engine.
  std::function<void(Ino ino, Ino parent, const std::string& name)> invalidate;
  // Frees the cache file of an inode that is gone; set by FileData.
  std::function<void(const InodePtr&)> discard_content;

 private:
  // True where nobody can have changed what is in the directory, or it cannot be asked for.
  bool NeedsNoAsking(Inode& dir) REQUIRES(mu);
  void Touch(const InodePtr& inode) REQUIRES(mu);
  void TrimTable() REQUIRES(mu);
  bool CanLeaveMemory(const Inode& inode) const REQUIRES(mu);
  int64_t DueOf(const Inode& inode) const REQUIRES(mu);

  std::unordered_map<Ino, InodePtr> table_ GUARDED_BY(mu);
  std::list<Ino> recency_ GUARDED_BY(mu);  // least recently used first
};

}  // namespace pailfs::cache
