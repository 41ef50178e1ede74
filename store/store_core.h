// The engine behind EmbeddedStore: files, index, log, and the one thread that commits.
//
// A caller prepares its bytes (a packed body in memory, a large one in a synced file), then hands a function to the
// commit thread, which runs the functions of all waiting callers one after the other, writes what they changed as one
// batch at the end of the open volume, syncs it once, applies it to the index without sync, and answers all of them.
//
// store_core.cc: groups. store_log.cc: writing the log. store_open.cc: opening and replay. checkpoint.cc: checkpoints,
// and freeing what they cover. compaction.cc: volumes with few live bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/kv_store.h"
#include "base/mutex.h"
#include "store/commit_view.h"
#include "store/embedded_store.h"
#include "store/range_compactor.h"
#include "store/volume_reader.h"

namespace pailfs::store {

// Thread-safe.
class StoreCore {
 public:
  StoreCore(FileSystem& files_in, Clock& clock_in, Random& random_in, Metrics& metrics_in, std::string directory_in,
            EmbeddedStoreOptions options_in);
  ~StoreCore();

  Status Open();
  Status Close();

  // Runs `build` on the commit thread and returns when what it changed is durable, or its error; then nothing is
  // changed. `build` may run twice, so it starts over each time. `weight` is about the bytes of its needles; what has
  // none works on a full disk too. kAmbiguous: the disk failed in such a way that only the next opening can tell.
  Status Commit(uint64_t weight, std::function<Status(CommitView&)> build);
  // Makes the index durable and frees the bodies that were deleted before.
  Status Checkpoint();
  Result<CompactionResult> Compact(int dead_percent);

  BodyId NewBody() { return next_body_.fetch_add(1); }
  // The id of a body whose file is written before it is committed. Until EndBody checkpoints count it as a possible
  // orphan.
  BodyId BeginBody();
  void EndBody(BodyId body);
  // Makes the directory of the file of a body, durably.
  Status EnsureBodyDirectory(BodyId body);

  // What a reader may have found in the index is not freed before EndRead(BeginRead()).
  uint64_t BeginRead();
  void EndRead(uint64_t ticket);

  // The open file of a volume; kept open.
  Result<std::shared_ptr<File>> Volume(uint64_t volume);
  ObjectCounts CountsOf(BucketId bucket) const;
  // 16 bytes.
  const std::string& store_uuid() const { return store_uuid_; }
  // The sequence number of the last change that readers see.
  uint64_t visible_seq() const { return visible_seq_; }
  // Of version ids, so that a made-up one is refused.
  uint64_t id_secret() const { return id_secret_; }
  // kNoSpace when what is left is reserved for deletions and for the index.
  Status CheckSpace();

  FileSystem& files;
  Clock& clock;
  Random& random;
  Metrics& metrics;
  const std::string directory;
  const EmbeddedStoreOptions options;
  std::unique_ptr<KvStore> index;  // constant while open

 private:
  struct Operation {
    std::function<Status(CommitView&)> build;  // or
    std::function<Status()> alone;             // runs on the commit thread when the group is written
    uint64_t weight = 0;
    Status result;
    bool done = false;
  };
  struct Group {
    CommitView::Overlay overlay;
    std::vector<Needle> needles;
    std::map<BucketId, ObjectCounts> counts;
    uint64_t first_seq = 0;
    uint64_t next_seq = 0;
    int64_t changed = 0;  // operations
  };
  struct Position {
    uint64_t volume = 0;
    uint64_t offset = 0;
  };

  // --- opening ---
  Status OpenFormat();
  Status MakeStore();
  Status OpenIndex();
  Status LoadApplied(Position* from);
  Status Replay(Position from);
  Status ReplayVolume(uint64_t volume, uint64_t from_offset, uint64_t limit, Position* end);
  Status ApplyBatch(const ScannedBatch& batch);
  Status CheckContiguous(Position from, const std::vector<uint64_t>& volumes) const;
  Result<bool> DropUnusedVolume(uint64_t volume);
  Status LoadCounts();
  Status RemoveOrphans();

  // --- the commit thread ---
  void Run();
  Status Enqueue(Operation operation);
  void CommitGroup(const std::vector<Operation*>& operations);
  void RefuseGrowth(std::vector<Operation*>& operations);
  Group Build(const std::vector<Operation*>& operations);
  // Logs and indexes a group, and makes its numbers ours.
  Status WriteGroup(Group& group, uint16_t flags);
  Status LogGroup(Group& group, uint16_t flags);
  std::string EncodeGroup(const Group& group, BatchHeader header) const;
  Status PlaceNeedles(Group& group, uint64_t batch_offset, uint64_t row_bytes);
  Status AppendDurably(std::string_view bytes);
  Status StartVolume();
  void SealVolume();
  Status EnsureRoom(uint64_t bytes);
  uint64_t NextTime();
  // A view for changes of the store's own.
  CommitView OwnView(const CommitView::Overlay& nothing);
  Status WriteOwn(CommitView& view, uint16_t flags);

  // --- checkpoint.cc; on the commit thread ---
  Status WriteCheckpoint();
  // Frees some of the bodies whose deletion the checkpoint covers; garbage_left_ says whether there may be more.
  Status FreeGarbage();
  void Housekeeping();
  uint64_t OldestRead() const;
  uint64_t ReservedBytes(const SpaceInfo& space) const;
  Status MakeBallast();
  bool ReleaseBallast();

  // --- compaction.cc; on the caller's thread, but for Relocate ---
  struct LiveNeedle;
  struct Relocation;
  struct RetiredVolume {
    uint64_t moved_seq = 0;  // a reader that began later does not need it
    std::shared_ptr<File> file;
  };
  Status OnCommitThread(std::function<Status()> task);
  Result<std::map<uint64_t, std::vector<LiveNeedle>>> LiveNeedles(uint64_t below_volume) const;
  Result<uint64_t> LiveRowBytes(File& file, const Superblock& superblock) const;
  Result<std::string> ReadNeedle(File& file, const LiveNeedle& needle) const;
  Status Relocate(uint64_t volume, const Relocation& relocation);
  Status MoveNeedles(uint64_t volume, File& file, std::vector<LiveNeedle> needles);
  Status MoveRows(uint64_t volume, File& file, const Superblock& superblock, uint64_t end, bool keep_deletions);
  Status CutAtEnd(uint64_t volume, uint64_t end);
  Status RemoveVolume(uint64_t volume, const Superblock& superblock);
  void CloseRetired();
  Status CompactVolume(uint64_t volume, uint64_t end, int dead_percent, const std::vector<LiveNeedle>& needles,
                       bool keep_deletions, CompactionResult* result);

  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<RangeCompactor> range_compactor_;  // ends before the index
  std::string store_uuid_;
  uint64_t id_secret_ = 0;
  std::atomic<BodyId> next_body_{1};
  std::atomic<uint64_t> visible_seq_{0};  // the index shows all up to here

  // --- of the commit thread (and of Open and Close, when it does not run) ---
  uint64_t last_seq_ = 0;
  uint64_t last_time_us_ = 0;
  std::shared_ptr<File> log_;  // null: the next group starts a volume
  Superblock superblock_;
  uint64_t log_offset_ = 0;
  uint64_t log_allocated_ = 0;
  uint64_t logged_since_checkpoint_ = 0;
  int64_t checkpoint_at_ns_ = 0;
  uint64_t checkpoint_seq_ = 0;
  BodyId first_orphan_ = 1;    // of the last checkpoint: orphans have this id or a later one
  uint64_t garbage_from_ = 0;  // G rows below this sequence number are gone
  bool garbage_left_ = false;
  bool clock_warned_ = false;
  Status broken_;  // the store is read-only

  Mutex mu_;
  CondVar work_;
  CondVar answered_;
  std::vector<Operation*> waiting_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  std::thread committer_;

  Mutex volumes_mu_;
  std::map<uint64_t, std::shared_ptr<File>> volumes_ GUARDED_BY(volumes_mu_);
  std::map<uint64_t, RetiredVolume> retired_ GUARDED_BY(volumes_mu_);  // compacted away, while a reader may need them

  Mutex compaction_mu_;  // held for a whole compaction; before all others

  mutable Mutex bodies_mu_;
  std::set<BodyId> begun_ GUARDED_BY(bodies_mu_);
  std::multiset<uint64_t> reads_ GUARDED_BY(bodies_mu_);

  Mutex directories_mu_;  // held while a directory is made, once in 4,096 bodies
  std::set<std::string> body_directories_ GUARDED_BY(directories_mu_);

  mutable Mutex counts_mu_;
  std::map<BucketId, ObjectCounts> counts_ GUARDED_BY(counts_mu_);
};

}  // namespace pailfs::store
