// The engine behind EmbeddedStore: files, index, log, and the one thread that commits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/kv_store.h"
#include "base/mutex.h"
#include "store/embedded_store.h"
#include "store/index_keys.h"
#include "store/volume_format.h"

namespace google::protobuf {
class MessageLite;
}

namespace pailfs::store {

// --- places (also used by check and rebuild) ---
std::string IndexPath(const std::string& directory);
std::string VolumesPath(const std::string& directory);
std::string VolumePath(const std::string& directory, uint64_t volume);
std::string BodyPath(const std::string& directory, BodyId body);
// Ids of the volumes there are, ascending.
Result<std::vector<uint64_t>> ListVolumes(FileSystem& files, const std::string& directory);
// KvOptions of the index.
KvOptions IndexOptions();

struct StoreFormat {
  std::string store_uuid;  // 16 bytes
  bool read_only = false;  // an unknown ro_compat feature
};
Result<StoreFormat> ReadFormat(FileSystem& files, const std::string& directory);

// --- reading a volume ---
struct ScannedBatch {
  BatchHeader header;
  std::vector<LogRow> rows;
  std::string needles;      // the bytes of the needle area
  uint64_t needles_at = 0;  // its offset in the volume
};
struct ScanEnd {
  uint64_t offset = 0;     // behind the last good batch
  bool sealed = false;
  bool damaged = false;    // good batches follow a bad one: acknowledged data is damaged
};
// Calls `visit` with each batch from `offset` on, in order.
Result<ScanEnd> ScanVolume(File& file, const Superblock& superblock, uint64_t offset, bool with_needles,
                           const std::function<Status(ScannedBatch)>& visit);
Result<Superblock> ReadSuperblock(File& file);
// Where the log goes on in the volume after `volume`; what lies behind was never acknowledged. UINT64_MAX: no such limit.
Result<uint64_t> LogicalEnd(FileSystem& files, const std::string& directory, const std::vector<uint64_t>& volumes,
                            uint64_t volume);

// --- committing ---
// What one mutation sees and changes: its own changes over those of the group over the index. Used on the commit thread.
class CommitView {
 public:
  using Overlay = std::map<std::string, std::optional<std::string>, std::less<>>;  // row -> sealed value

  CommitView(const KvStore& index, const Overlay& group, uint64_t first_seq, std::function<uint64_t()> next_time)
      : index_(index), group_(group), next_seq_(first_seq), next_time_(std::move(next_time)) {}

  // A new sequence number and commit time, for what follows.
  void Advance() {
    seq_ = next_seq_++;
    time_us_ = next_time_();
  }
  uint64_t seq() const { return seq_; }
  uint64_t time_us() const { return time_us_; }

  // The payload. kCorrupt.
  Result<std::optional<std::string>> Get(std::string_view row) const;
  // Rows with `prefix`, in order, until `visit` returns false.
  Status Scan(std::string_view prefix, const std::function<bool(std::string_view row, std::string_view payload)>& visit) const;
  void Put(const std::string& row, std::string_view payload);
  void Put(const std::string& row, const google::protobuf::MessageLite& message);
  void Delete(const std::string& row);
  // A body (or the sums of one) that goes into the log with this mutation. `data` must live until it is committed. Its B row
  // must be Put with volume and offset set to kPlaceLater.
  void AddNeedle(const Needle& needle) { needles_.push_back(needle); }
  void AddObjects(int64_t count, int64_t bytes) {
    objects_ += count;
    bytes_ += bytes;
  }

 private:
  friend class StoreCore;
  const KvStore& index_;
  const Overlay& group_;
  Overlay own_;
  std::vector<Needle> needles_;
  uint64_t next_seq_;
  uint64_t seq_ = 0;
  uint64_t time_us_ = 0;
  int64_t objects_ = 0;
  int64_t bytes_ = 0;
  const std::function<uint64_t()> next_time_;
};

inline constexpr uint64_t kPlaceLater = UINT64_MAX;

// Thread-safe.
class StoreCore {
 public:
  StoreCore(FileSystem& files_in, Clock& clock_in, Random& random_in, Metrics& metrics_in, std::string directory_in,
            EmbeddedStoreOptions options_in);
  ~StoreCore();

  Status Open();
  Status Close();

  // Runs `build` on the commit thread and returns when what it changed is durable, or its error. `weight` is about the bytes
  // of its needles.
  Status Commit(uint64_t weight, std::function<Status(CommitView&)> build);
  Status Checkpoint();
  Result<CompactionResult> Compact(int dead_percent);

  BodyId NewBody() { return next_body_.fetch_add(1); }
  // The open file of a volume; kept open.
  Result<std::shared_ptr<File>> Volume(uint64_t volume);
  uint64_t object_count() const { return object_count_.load(); }
  uint64_t object_bytes() const { return object_bytes_.load(); }
  // Of version ids, so that a made-up one is refused.
  uint64_t id_secret() const { return id_secret_; }

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
  struct Position {
    uint64_t volume = 0;
    uint64_t offset = 0;
  };

  // --- opening ---
  Status OpenFormat();
  Status LoadApplied(Position* from);
  Status Replay(Position from);
  Status ReplayVolume(uint64_t volume, uint64_t from_offset, uint64_t limit, Position* end);
  Status ApplyBatch(const ScannedBatch& batch);
  Status RemoveOrphans();

  // --- the commit thread ---
  void Run();
  Status Enqueue(Operation operation);
  void CommitGroup(std::vector<Operation*>& group);
  Status WriteGroup(CommitView::Overlay& overlay, const std::vector<Needle>& needles, uint64_t first_seq, uint64_t count,
                    uint16_t flags);
  Status PlaceNeedles(CommitView::Overlay& overlay, const std::vector<Needle>& needles, uint64_t batch_offset,
                      uint64_t row_bytes);
  Status AppendDurably(std::string_view bytes);
  Status StartVolume();
  Status SealVolume();
  Status EnsureRoom(uint64_t bytes);
  Status WriteCheckpoint();
  Status FreeGarbage();
  uint64_t NextTime();

  // --- compaction.cc; on the commit thread ---
  Status CompactVolume(uint64_t volume, CompactionResult* result);
  Result<std::vector<uint64_t>> CompactionCandidates(int dead_percent);

  std::unique_ptr<FileLock> lock_;
  std::string store_uuid_;
  uint64_t id_secret_ = 0;
  std::atomic<BodyId> next_body_{1};
  BodyId checkpoint_next_body_ = 1;
  std::atomic<uint64_t> object_count_{0};
  std::atomic<uint64_t> object_bytes_{0};

  // --- of the commit thread (and of Open and Close, when it does not run) ---
  uint64_t last_seq_ = 0;
  uint64_t last_time_us_ = 0;
  std::shared_ptr<File> log_;
  Superblock superblock_;
  uint64_t log_offset_ = 0;
  uint64_t log_allocated_ = 0;
  uint64_t logged_since_checkpoint_ = 0;
  int64_t checkpoint_at_ns_ = 0;
  uint64_t checkpoint_seq_ = 0;
  bool clock_warned_ = false;
  Status broken_;  // the store is read-only after a second failed write

  Mutex mu_;
  CondVar work_;
  CondVar answered_;
  std::vector<Operation*> waiting_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  std::thread committer_;

  Mutex volumes_mu_;
  std::map<uint64_t, std::shared_ptr<File>> volumes_ GUARDED_BY(volumes_mu_);
};

}  // namespace pailfs::store
