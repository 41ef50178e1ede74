// The commit thread: groups of mutations, one batch in the log and one fdatasync for each group.

#include "store/store_core.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "store/records.pb.h"

namespace pailfs::store {
namespace {

constexpr size_t kMostOperations = 1024;
constexpr uint64_t kMostGroupBytes = 8 << 20;
constexpr uint64_t kClockWarningUs = 10'000'000;
constexpr size_t kGarbagePerPass = 1000;
constexpr size_t kOpenVolumes = 64;
constexpr std::string_view kCountersRow = "Mcounters";

std::string CountersPayload(uint64_t count, uint64_t bytes) {
  std::string payload;
  PutBig64(payload, count);
  PutBig64(payload, bytes);
  return payload;
}

}  // namespace

// --- CommitView ---

Result<std::optional<std::string>> CommitView::Get(std::string_view row) const {
  for (const Overlay* overlay : {&own_, &group_}) {
    const auto it = overlay->find(row);
    if (it == overlay->end()) continue;
    if (!it->second) return std::optional<std::string>();
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *it->second));
    return std::optional<std::string>(std::string(opened.payload));
  }
  ASSIGN_OR_RETURN(const auto value, index_.Get(row));
  if (!value) return std::optional<std::string>();
  ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *value));
  return std::optional<std::string>(std::string(opened.payload));
}

Status CommitView::Scan(std::string_view prefix,
                        const std::function<bool(std::string_view, std::string_view)>& visit) const {
  KvIterator it = index_.NewIterator();
  it.Seek(prefix);
  auto own = own_.lower_bound(prefix);
  auto group = group_.lower_bound(prefix);
  const auto inside = [&prefix](std::string_view row) { return row.starts_with(prefix); };
  for (;;) {
    // The least row of the three; the uppermost layer that has it decides.
    std::optional<std::string> row;
    const auto consider = [&row](std::string_view candidate) {
      if (!row || candidate < *row) row = std::string(candidate);
    };
    if (it.Valid() && inside(it.key())) consider(it.key());
    if (group != group_.end() && inside(group->first)) consider(group->first);
    if (own != own_.end() && inside(own->first)) consider(own->first);
    if (!row) return it.status();
    std::optional<std::string> value;
    if (it.Valid() && it.key() == *row) {
      value = std::string(it.value());
      it.Next();
    }
    if (group != group_.end() && group->first == *row) value = (group++)->second;
    if (own != own_.end() && own->first == *row) value = (own++)->second;
    if (!value) continue;
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(*row, *value));
    if (!visit(*row, opened.payload)) return {};
  }
}

void CommitView::Put(const std::string& row, std::string_view payload) { own_[row] = SealValue(row, seq_, payload); }
void CommitView::Put(const std::string& row, const google::protobuf::MessageLite& message) {
  Put(row, message.SerializeAsString());
}
void CommitView::Delete(const std::string& row) { own_[row] = std::nullopt; }

// --- StoreCore ---

StoreCore::StoreCore(FileSystem& files_in, Clock& clock_in, Random& random_in, Metrics& metrics_in, std::string directory_in,
                     EmbeddedStoreOptions options_in)
    : files(files_in),
      clock(clock_in),
      random(random_in),
      metrics(metrics_in),
      directory(std::move(directory_in)),
      options(options_in) {}

StoreCore::~StoreCore() {
  const Status closed = Close();
  if (!closed.ok()) LogError("closing the store: ", closed.error().message);
}

Status StoreCore::Commit(uint64_t weight, std::function<Status(CommitView&)> build) {
  Operation operation;
  operation.build = std::move(build);
  operation.weight = weight;
  return Enqueue(std::move(operation));
}

Status StoreCore::Enqueue(Operation operation) {
  MutexLock lock(mu_);
  if (stopping_) return Error{Errc::kInternal, "the store is closed"};
  waiting_.push_back(&operation);
  work_.NotifyOne();
  while (!operation.done) answered_.Wait(mu_);
  return std::move(operation.result);
}

void StoreCore::Run() {
  pthread_setname_np(pthread_self(), "pailfs-commit");
  MutexLock lock(mu_);
  for (;;) {
    while (waiting_.empty() && !stopping_) {
      if (!work_.WaitFor(mu_, std::chrono::nanoseconds(options.checkpoint_ns)) && waiting_.empty() && !stopping_) {
        lock.Unlock();
        if (logged_since_checkpoint_ > 0 && broken_.ok()) {
          const Status written = WriteCheckpoint();
          if (!written.ok()) LogError("store ", directory, ": ", written.error().message);
        }
        lock.Lock();
      }
    }
    if (waiting_.empty()) return;
    std::vector<Operation*> group;
    uint64_t bytes = 0;
    size_t taken = 0;
    while (taken < waiting_.size() && taken < kMostOperations && bytes < kMostGroupBytes) {
      bytes += waiting_[taken]->weight;
      group.push_back(waiting_[taken++]);
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(taken));
    lock.Unlock();
    CommitGroup(group);
    for (Operation* operation : group) {
      if (operation->alone) operation->result = broken_.ok() ? operation->alone() : broken_;
    }
    lock.Lock();
    for (Operation* operation : group) operation->done = true;
    answered_.NotifyAll();
  }
}

uint64_t StoreCore::NextTime() {
  const auto wall_us = static_cast<uint64_t>(std::max<int64_t>(clock.WallNs() / 1000, 0));
  if (wall_us + kClockWarningUs < last_time_us_ && !clock_warned_) {
    clock_warned_ = true;
    LogWarning("the clock is behind the last change of store ", directory,
               "; times of new versions continue from that change until the clock has caught up");
  }
  last_time_us_ = std::max(wall_us, last_time_us_ + 1);
  return last_time_us_;
}

void StoreCore::CommitGroup(std::vector<Operation*>& group) {
  if (!broken_.ok()) {
    for (Operation* operation : group) operation->result = broken_;
    return;
  }
  CommitView::Overlay overlay;
  std::vector<Needle> needles;
  const uint64_t first_seq = last_seq_ + 1;
  uint64_t next_seq = first_seq;
  int64_t objects = 0;
  int64_t bytes = 0;
  std::vector<Operation*> changed;
  for (Operation* operation : group) {
    if (!operation->build) continue;
    CommitView view(*index, overlay, next_seq, [this] { return NextTime(); });
    operation->result = operation->build(view);
    if (!operation->result.ok() || view.own_.empty()) continue;
    next_seq = view.next_seq_;
    for (auto& [row, value] : view.own_) overlay[row] = std::move(value);
    needles.insert(needles.end(), view.needles_.begin(), view.needles_.end());
    objects += view.objects_;
    bytes += view.bytes_;
    changed.push_back(operation);
  }
  if (changed.empty()) return;
  const uint64_t count = object_count_.load() + static_cast<uint64_t>(objects);
  const uint64_t total = object_bytes_.load() + static_cast<uint64_t>(bytes);
  const std::string counters(kCountersRow);
  overlay[counters] = SealValue(counters, next_seq - 1, CountersPayload(count, total));
  const Status written = WriteGroup(overlay, needles, first_seq, next_seq - first_seq, 0);
  if (!written.ok()) {
    for (Operation* operation : changed) operation->result = written;
    return;
  }
  last_seq_ = next_seq - 1;
  object_count_ = count;
  object_bytes_ = total;
  metrics.counter("store.commits").Add();
  metrics.counter("store.committed_operations").Add(static_cast<int64_t>(changed.size()));
  if (logged_since_checkpoint_ >= options.checkpoint_bytes || clock.MonotonicNs() >= checkpoint_at_ns_) {
    const Status checkpoint = WriteCheckpoint();
    if (!checkpoint.ok()) LogError("store ", directory, ": ", checkpoint.error().message);
  }
}

// The B rows learn where their needles will lie; their size does not depend on the numbers (fixed64).
Status StoreCore::PlaceNeedles(CommitView::Overlay& overlay, const std::vector<Needle>& needles, uint64_t batch_offset,
                               uint64_t row_bytes) {
  uint64_t at = batch_offset + NeedlesOffset(row_bytes);
  for (const Needle& needle : needles) {
    const std::string row = BodyRow(needle.body);
    const auto it = overlay.find(row);
    if (it != overlay.end() && it->second) {
      ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *it->second));
      pb::Body body;
      body.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()));
      if (body.offset() == kPlaceLater) {
        body.set_volume(superblock_.volume);
        body.set_offset(at + kNeedleHeaderBytes);
        it->second = SealValue(row, opened.row_seq, body.SerializeAsString());
      }
    }
    at += NeedleBytes(needle.data.size());
  }
  return {};
}

Status StoreCore::WriteGroup(CommitView::Overlay& overlay, const std::vector<Needle>& needles, uint64_t first_seq,
                             uint64_t count, uint16_t flags) {
  BatchHeader header;
  for (const auto& [row, value] : overlay) {
    header.row_bytes += static_cast<uint32_t>(RowBytes(row, value ? value->size() : 0));
  }
  for (const Needle& needle : needles) header.body_bytes += NeedleBytes(needle.data.size());
  header.flags = flags;
  header.seq_first = first_seq;
  header.count = static_cast<uint32_t>(count);
  header.time_us = last_time_us_;
  Status failure;
  // A failed write or sync is never repeated on the same file: the kernel may have dropped the pages.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (log_offset_ + header.TotalBytes() > options.volume_bytes && log_offset_ > kVolumeAlignment) {
      RETURN_IF_ERROR(SealVolume());
    }
    if (log_ == nullptr) {
      failure = StartVolume();
      if (!failure.ok()) break;
    }
    header.volume = superblock_.volume;
    header.offset = log_offset_;
    RETURN_IF_ERROR(PlaceNeedles(overlay, needles, log_offset_, header.row_bytes));
    std::string rows;
    rows.reserve(header.row_bytes);
    for (const auto& [row, value] : overlay) AppendRow(rows, {row, value});
    std::string bytes = EncodeBatchHeader(header, rows, superblock_.salt);
    bytes.append(rows);
    bytes.resize(NeedlesOffset(header.row_bytes), '\0');
    for (const Needle& needle : needles) AppendNeedle(bytes, needle);
    bytes.resize(header.TotalBytes(), '\0');
    failure = AppendDurably(bytes);
    if (failure.ok()) break;
    log_.reset();
    for (auto& [row, value] : overlay) {
      // To be placed again in the next volume.
      if (!value || !row.starts_with('B')) continue;
      ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *value));
      pb::Body body;
      body.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()));
      if (body.volume() != header.volume || body.offset() < header.offset) continue;
      body.set_volume(kPlaceLater);
      body.set_offset(kPlaceLater);
      value = SealValue(row, opened.row_seq, body.SerializeAsString());
    }
    if (failure.Is(Errc::kNoSpace)) break;
  }
  if (!failure.ok()) {
    if (!failure.Is(Errc::kNoSpace)) {
      broken_ = Error{Errc::kReadOnly, StrCat("the store is read-only after a failed write: ", failure.error().message)};
    }
    return failure;
  }
  KvBatch batch;
  for (const auto& [row, value] : overlay) {
    if (value) {
      batch.Put(row, *value);
    } else {
      batch.Delete(row);
    }
  }
  const Status indexed = index->Write(batch, KvDurability::kNoSync);
  if (!indexed.ok()) {
    // It is in the log, so it happened; but this process can no longer show it.
    broken_ = Error{Errc::kReadOnly, StrCat("the store's index cannot be written: ", indexed.error().message)};
    return Error{Errc::kAmbiguous, indexed.error().message};
  }
  return {};
}

Status StoreCore::AppendDurably(std::string_view bytes) {
  RETURN_IF_ERROR(EnsureRoom(bytes.size()));
  RETURN_IF_ERROR(log_->WriteAt(log_offset_, AsBytes(bytes)));
  RETURN_IF_ERROR(log_->Sync());
  log_offset_ += bytes.size();
  logged_since_checkpoint_ += bytes.size();
  metrics.counter("store.log_bytes").Add(static_cast<int64_t>(bytes.size()));
  metrics.counter("store.log_syncs").Add();
  return {};
}

Status StoreCore::EnsureRoom(uint64_t bytes) {
  if (log_offset_ + bytes <= log_allocated_) return {};
  const uint64_t to = std::max(log_offset_ + bytes, std::min(log_allocated_ + options.allocate_bytes, options.volume_bytes));
  const Status allocated = log_->Allocate(log_allocated_, to - log_allocated_, /*keep_size=*/false);
  // Without fallocate the file simply grows.
  if (!allocated.ok() && !allocated.Is(Errc::kUnsupported)) return allocated;
  log_allocated_ = to;
  return {};
}

Status StoreCore::StartVolume() {
  Superblock next;
  next.store_uuid = store_uuid_;
  next.volume = superblock_.volume + 1;
  next.salt = random.Bytes(16);
  next.first_seq = last_seq_ + 1;
  next.previous_end = log_offset_;
  const std::string path = VolumePath(directory, next.volume);
  ASSIGN_OR_RETURN(std::shared_ptr<File> file, files.Open(path, OpenMode::kCreateEmpty));
  RETURN_IF_ERROR(file->WriteAt(0, AsBytes(EncodeSuperblock(next))));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(files.SyncDirectory(VolumesPath(directory)));
  superblock_ = std::move(next);
  log_ = std::move(file);
  log_offset_ = log_allocated_ = kVolumeAlignment;
  MutexLock lock(volumes_mu_);
  volumes_[superblock_.volume] = log_;
  return {};
}

Status StoreCore::SealVolume() {
  BatchHeader header;
  header.flags = kBatchSeals;
  header.volume = superblock_.volume;
  header.offset = log_offset_;
  header.seq_first = last_seq_ + 1;
  std::string bytes = EncodeBatchHeader(header, "", superblock_.salt);
  bytes.resize(header.TotalBytes(), '\0');
  RETURN_IF_ERROR(AppendDurably(bytes));
  RETURN_IF_ERROR(log_->Truncate(log_offset_));
  log_.reset();
  return {};
}

Result<std::shared_ptr<File>> StoreCore::Volume(uint64_t volume) {
  MutexLock lock(volumes_mu_);
  const auto it = volumes_.find(volume);
  if (it != volumes_.end()) return it->second;
  ASSIGN_OR_RETURN(std::shared_ptr<File> file, files.Open(VolumePath(directory, volume), OpenMode::kRead));
  if (volumes_.size() >= kOpenVolumes) volumes_.erase(volumes_.begin());
  volumes_[volume] = file;
  return file;
}

// --- checkpoints ---

Status StoreCore::WriteCheckpoint() {
  pb::Applied applied;
  applied.set_seq(last_seq_);
  applied.set_volume(superblock_.volume);
  applied.set_offset(log_offset_);
  applied.set_next_body(next_body_.load());
  applied.set_commit_us(last_time_us_);
  const std::string row = AppliedRow();
  KvBatch batch;
  batch.Put(row, SealValue(row, last_seq_, applied.SerializeAsString()));
  RETURN_IF_ERROR(index->Write(batch, KvDurability::kSync));
  checkpoint_seq_ = last_seq_;
  logged_since_checkpoint_ = 0;
  checkpoint_at_ns_ = clock.MonotonicNs() + options.checkpoint_ns;
  return FreeGarbage();
}

// Bodies whose deletion the checkpoint covers.
Status StoreCore::FreeGarbage() {
  CommitView::Overlay overlay;
  CommitView view(*index, overlay, last_seq_ + 1, [this] { return NextTime(); });
  view.Advance();
  std::vector<std::pair<std::string, BodyId>> garbage;
  RETURN_IF_ERROR(view.Scan("G", [&](std::string_view row, std::string_view) {
    if (row.size() != 17 || GetBig64(row.substr(1)) > checkpoint_seq_) return false;
    garbage.emplace_back(std::string(row), GetBig64(row.substr(9)));
    return garbage.size() < kGarbagePerPass;
  }));
  if (garbage.empty()) return {};
  for (const auto& [row, body_id] : garbage) {
    const std::string body_row = BodyRow(body_id);
    ASSIGN_OR_RETURN(const auto payload, view.Get(body_row));
    pb::Body body;
    if (payload && body.ParseFromString(*payload) && body.kind() == pb::Body::FILE) {
      const Status removed = files.Unlink(BodyPath(directory, body_id));
      if (!removed.ok() && !removed.Is(Errc::kNotFound)) return removed;
    }
    view.Delete(body_row);
    view.Delete(row);
  }
  RETURN_IF_ERROR(WriteGroup(view.own_, {}, view.seq(), 1, 0));
  last_seq_ = view.seq();
  return {};
}

Status StoreCore::Checkpoint() {
  Operation operation;
  operation.alone = [this] { return WriteCheckpoint(); };
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
  if (broken_.ok()) outcome = WriteCheckpoint();
  if (outcome.ok() && broken_.ok()) outcome = WriteCheckpoint();  // what the first one freed
  index.reset();
  log_.reset();
  lock_.reset();
  return outcome;
}

}  // namespace pailfs::store
