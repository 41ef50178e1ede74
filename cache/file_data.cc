#include "cache/file_data.h"

#include <algorithm>

#include "base/log.h"
#include "base/str.h"

namespace pailfs::cache {
namespace {

// Files up to this size are fetched whole, in one request.
constexpr uint64_t kWholeFetchBytes = 4 << 20;
constexpr uint64_t kReadaheadLimitBytes = 16 << 20;
constexpr int kMostDamagedFetches = 3;  // bytes may be damaged on their way

// Part of the room is left to the databases.
uint64_t DataLimit(uint64_t size_limit_bytes) {
  return size_limit_bytes - std::min<uint64_t>(size_limit_bytes / 5, 96 << 20);
}

// Writes what a Get delivers into a file, in order.
class FileSink : public BodySink {
 public:
  FileSink(File& file, uint64_t offset) : file_(file), offset_(offset) {}
  Status Write(std::span<const std::byte> data) override {
    RETURN_IF_ERROR(file_.WriteAt(offset_, data));
    offset_ += data.size();
    return {};
  }

 private:
  File& file_;
  uint64_t offset_;
};

class BufferSink : public BodySink {
 public:
  explicit BufferSink(std::span<std::byte> buffer) : buffer_(buffer) {}
  Status Write(std::span<const std::byte> data) override {
    if (data.size() > buffer_.size() - filled_) return Error{Errc::kCorrupt, "the object is longer than it said"};
    std::copy(data.begin(), data.end(), buffer_.begin() + static_cast<ptrdiff_t>(filled_));
    filled_ += data.size();
    return {};
  }
  size_t filled() const { return filled_; }

 private:
  std::span<std::byte> buffer_;
  size_t filled_ = 0;
};

// The content of an inode as a body to be sent.
class ContentBody : public BodySource {
 public:
  // Adds what is read to `*taken`, unless that is null.
  ContentBody(FileData& data, OpContext ctx, InodePtr inode, InodeRecord record, std::shared_ptr<File> file,
              std::atomic<uint64_t>* taken)
      : data_(data),
        ctx_(std::move(ctx)),
        inode_(std::move(inode)),
        record_(std::move(record)),
        file_(std::move(file)),
        taken_(taken) {}
  uint64_t size_bytes() const override { return record_.size; }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    RETURN_IF_ERROR(data_.ReadThrough(ctx_, inode_, record_, offset, buffer));
    if (taken_ != nullptr) *taken_ += buffer.size();
    return {};
  }
  uint64_t NextData(uint64_t offset) override {
    if (offset < record_.limit() && !record_.complete) return offset;
    if (!file_) return offset;
    const auto data = file_->SeekData(offset);
    if (!data.ok()) return offset;
    return data->has_value() ? std::min(**data, record_.size) : record_.size;
  }

 private:
  FileData& data_;
  const OpContext ctx_;
  const InodePtr inode_;
  const InodeRecord record_;
  const std::shared_ptr<File> file_;
  std::atomic<uint64_t>* const taken_;
};

}  // namespace

FileData::FileData(Core& core)
    : core_(core),
      budget_(
          DataLimit(core.options.size_limit_bytes), [this](uint64_t bytes) { return Evict(bytes); },
          [this](bool on) {
            MutexLock lock(core_.mu);
            core_.pressure += on ? 1 : -1;
            if (!on) return;
            std::vector<Ino> dirty;
            for (const auto& [order, ino] : core_.dirty_by_order) dirty.push_back(ino);
            for (const Ino ino : dirty) {
              if (const InodePtr inode = core_.Cached(ino)) core_.UpdateQueue(inode);
            }
            core_.work_changed.NotifyAll();
          },
          [this] { return uploaded_bytes_.load(); }) {
  if (core_.options.background) deleter_ = std::make_unique<ThreadPool>("pailfs-unlink", 1, 100'000);
  core_.discard_content = [this](const InodePtr& inode) { Discard(inode); };
}

FileData::~FileData() = default;

// --- state ---

FileData::Snapshot FileData::SnapshotOf(const InodePtr& inode) {
  MutexLock lock(core_.mu);
  return {inode->record, inode->in_meta, inode->freed};
}

Status FileData::Load(const InodePtr& inode, const Snapshot& snapshot) {
  InodeContent& content = inode->content;
  MutexLock lock(content.mu);
  if (content.loaded) return {};
  ASSIGN_OR_RETURN(const auto rows, core_.db->BlockRows(inode->ino, snapshot.in_meta));
  for (const auto& [segment, bits] : rows) RETURN_IF_ERROR(content.blocks.LoadSegment(segment, bits));
  const auto stat = core_.files.Stat(core_.DataPath(inode->ino));
  if (!stat.ok() && !stat.Is(Errc::kNotFound)) return stat.error();
  content.exists = stat.ok();
  content.allocated_bytes = stat.ok() ? stat->allocated_bytes : 0;
  content.loaded = true;
  return {};
}

Result<std::shared_ptr<File>> FileData::FileOf(const InodePtr& inode, uint64_t size, bool create) {
  InodeContent& content = inode->content;
  MutexLock lock(content.mu);
  if (content.file) return content.file;
  if (!content.exists && !create) return std::shared_ptr<File>();
  const std::string path = core_.DataPath(inode->ino);
  auto opened = core_.files.Open(path, content.exists ? OpenMode::kReadWrite : OpenMode::kCreate);
  if (!opened.ok()) return std::move(opened).error();
  if (!content.exists && size > 0) RETURN_IF_ERROR((*opened)->Truncate(size));
  content.exists = true;
  content.file = std::move(*opened);
  return content.file;
}

bool FileData::BlockIsLocal(const InodeContent& content, const InodeRecord& record, uint64_t block) const {
  return record.complete || block * kBlockBytes >= record.limit() || content.blocks.IsPresent(block);
}

bool FileData::RangeIsLocal(const InodePtr& inode, const InodeRecord& record, uint64_t offset, uint64_t length) {
  if (record.complete || length == 0) return true;
  const uint64_t end = std::min(offset + length, record.limit());
  if (offset >= end) return true;
  MutexLock lock(inode->content.mu);
  return inode->content.blocks.FirstAbsent(BlockOf(offset), BlocksUpTo(end)) == BlocksUpTo(end);
}

bool FileData::IsLocal(const InodePtr& inode, uint64_t offset, uint64_t length) {
  const Snapshot snapshot = SnapshotOf(inode);
  if (snapshot.record.complete || snapshot.record.limit() == 0) return true;
  return Load(inode, snapshot).ok() && RangeIsLocal(inode, snapshot.record, offset, length);
}

Status FileData::SaveBlocks(const InodePtr& inode, Transaction& txn) {
  MutexLock lock(inode->content.mu);
  for (const auto& [segment, bits] : inode->content.blocks.TakeChangedSegments()) {
    core_.db->PutBlocks(txn, inode->ino, segment, bits, inode->in_meta);
  }
  return {};
}

void FileData::Account(const InodePtr& inode) {
  int64_t delta = 0;
  uint64_t allocated = 0;
  {
    MutexLock lock(inode->content.mu);
    if (!inode->content.file) return;
    const auto stat = inode->content.file->Stat();
    if (!stat.ok()) return;
    allocated = stat->allocated_bytes;
    delta = static_cast<int64_t>(allocated) - static_cast<int64_t>(inode->content.allocated_bytes);
    inode->content.allocated_bytes = allocated;
  }
  if (delta != 0) budget_.Settle(0, delta);
  if (delta > 0) NoteUse(inode->ino);
}

// --- fetching ---

Status FileData::Fetch(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, ByteRange range,
                       BodySink& sink) {
  Origin origin = *record.origin;
  for (;;) {
    Status fetched = FetchFrom(ctx, origin, range, sink);
    if (!fetched.Is(Errc::kStale)) return fetched;
    MutexLock lock(core_.mu);
    const auto& now = inode->record.origin;
    const bool moved = now && range.offset + range.length <= now->limit &&
                       (now->key != origin.key || now->etag != origin.etag || now->version_id != origin.version_id);
    if (!moved) return fetched;
    origin = *now;
  }
}

Status FileData::FetchFrom(const OpContext& ctx, const Origin& origin, ByteRange range, BodySink& sink) {
  GetOptions options;
  options.version.version_id = origin.VersionToRead();
  // A whole object can be verified on its way, a part of it cannot.
  if (range.offset > 0 || range.length < origin.size) options.range = range;
  options.if_match = origin.etag;
  auto got = core_.store.Get(ctx, origin.key, options, sink);
  // P3: another version must never be mixed in.
  if (got.Is(Errc::kPreconditionFailed) || got.Is(Errc::kNotFound)) {
    return Error{Errc::kStale, StrCat("object ", origin.key, " was replaced by another client")};
  }
  if (!got.ok()) return std::move(got).error().With(origin.key);
  return {};
}

// The next stretch to fetch, marked as being filled; length 0 when nothing in [begin, end) is absent any more.
Result<ByteRange> FileData::NextFill(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record,
                                     uint64_t begin, uint64_t end) {
  InodeContent& content = inode->content;
  MutexLock lock(content.mu);
  for (;;) {
    const uint64_t last = BlocksUpTo(end);
    const uint64_t first = content.blocks.FirstAbsent(BlockOf(begin), last);
    if (first == last) return ByteRange{};
    uint64_t stop = first + 1;
    while (stop < last && !content.blocks.IsPresent(stop)) ++stop;
    const uint64_t from = first * kBlockBytes;
    uint64_t to = std::min(stop * kBlockBytes, record.limit());
    bool busy = false;
    for (const ByteRange& other : content.filling) {
      if (from < other.offset + other.length && other.offset < to) {
        if (other.offset > from) {
          to = other.offset;
        } else {
          busy = true;
        }
      }
    }
    if (!busy) {
      content.filling.push_back({from, to - from});
      return ByteRange{from, to - from};
    }
    // One download for each block, however many wait.
    RETURN_IF_ERROR(ctx.Check());
    content.fill_ended.WaitFor(content.mu, std::chrono::milliseconds(20));
  }
}

Status FileData::Fill(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, uint64_t offset,
                      uint64_t length) {
  const uint64_t end = std::min(offset + length, record.limit());
  if (record.complete || offset >= end) return {};
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, record.size, /*create=*/true));
  for (;;) {
    ASSIGN_OR_RETURN(const ByteRange range, NextFill(ctx, inode, record, offset, end));
    if (range.length == 0) break;
    Status fetched;
    for (int attempt = 0; attempt == 0 || (fetched.Is(Errc::kCorrupt) && attempt < kMostDamagedFetches); ++attempt) {
      FileSink sink(*file, range.offset);
      fetched = Fetch(ctx, inode, record, range, sink);
    }
    InodeContent& content = inode->content;
    MutexLock lock(content.mu);
    std::erase_if(content.filling, [&range](const ByteRange& other) { return other.offset == range.offset; });
    if (fetched.ok()) content.blocks.MarkPresent(BlockOf(range.offset), BlocksUpTo(range.offset + range.length));
    content.fill_ended.NotifyAll();
    RETURN_IF_ERROR(fetched);
  }
  Account(inode);
  NoteCompleteness(inode);
  return {};
}

void FileData::NoteCompleteness(const InodePtr& inode) {
  MutexLock lock(core_.mu);
  if (inode->record.complete || inode->freed) return;
  const uint64_t blocks = BlocksUpTo(inode->record.limit());
  {
    MutexLock content_lock(inode->content.mu);
    if (inode->content.blocks.FirstAbsent(0, blocks) != blocks) return;
  }
  inode->record.complete = true;
  Transaction txn;
  core_.Save(*inode, txn);
  const Status saved = core_.Commit(txn);
  if (!saved.ok()) LogWarning("the cache database: ", saved.error().message);
}

Status FileData::ReadThrough(const OpContext& ctx, const InodePtr& inode, const InodeRecord& record, uint64_t offset,
                             std::span<std::byte> buffer) {
  RETURN_IF_ERROR(Load(inode, SnapshotOf(inode)));
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, record.size, /*create=*/false));
  size_t done = 0;
  while (done < buffer.size()) {
    const uint64_t at = offset + done;
    const uint64_t end = offset + buffer.size();
    // A stretch of blocks that are all local, or all absent.
    uint64_t stop = 0;
    bool local = false;
    {
      MutexLock lock(inode->content.mu);
      local = BlockIsLocal(inode->content, record, BlockOf(at));
      stop = (BlockOf(at) + 1) * kBlockBytes;
      while (stop < end && BlockIsLocal(inode->content, record, BlockOf(stop)) == local) stop += kBlockBytes;
    }
    stop = std::min(stop, end);
    if (!local && at < record.limit()) stop = std::min(stop, record.limit());
    const auto part = buffer.subspan(done, stop - at);
    if (local) {
      size_t read = 0;
      if (file) {
        ASSIGN_OR_RETURN(read, file->ReadAt(at, part));
      }
      std::fill(part.begin() + static_cast<ptrdiff_t>(read), part.end(), std::byte{0});
    } else if (at >= record.limit()) {
      std::fill(part.begin(), part.end(), std::byte{0});
    } else {
      BufferSink sink(part);
      RETURN_IF_ERROR(Fetch(ctx, inode, record, {at, part.size()}, sink));
      if (sink.filled() != part.size()) return Error{Errc::kCorrupt, "the object is shorter than it said"};
    }
    done += part.size();
  }
  return {};
}

Result<std::unique_ptr<BodySource>> FileData::BodyOf(const OpContext& ctx, const InodePtr& inode,
                                                     const InodeRecord& record) {
  RETURN_IF_ERROR(Load(inode, SnapshotOf(inode)));
  ASSIGN_OR_RETURN(auto file, FileOf(inode, record.size, /*create=*/false));
  bool failed_before = false;
  {
    MutexLock lock(core_.mu);
    failed_before = inode->failures > 0;
  }
  return std::unique_ptr<BodySource>(std::make_unique<ContentBody>(*this, ctx, inode, record, std::move(file),
                                                                   failed_before ? nullptr : &uploaded_bytes_));
}

std::vector<ByteRange> FileData::DirtyRuns(const InodePtr& inode, const InodeRecord& record) {
  std::vector<ByteRange> runs;
  const uint64_t blocks = BlocksUpTo(record.limit());
  MutexLock lock(inode->content.mu);
  for (uint64_t block = 0; block < blocks;) {
    const uint64_t first = inode->content.blocks.FirstDirty(block, blocks);
    if (first == blocks) break;
    uint64_t last = first + 1;
    while (last < blocks && inode->content.blocks.IsDirty(last)) ++last;
    runs.push_back({first * kBlockBytes, (last - first) * kBlockBytes});
    block = last;
  }
  return runs;
}

// --- reading ---

Result<size_t> FileData::Read(const OpContext& ctx, const InodePtr& inode, uint64_t offset,
                              std::span<std::byte> buffer) {
  Snapshot snapshot = SnapshotOf(inode);
  RETURN_IF_ERROR(Load(inode, snapshot));
  if (offset >= snapshot.record.size) return size_t{0};
  uint64_t reserved = 0;
  ByteRange wanted{offset, std::min<uint64_t>(buffer.size(), snapshot.record.size - offset)};
  if (!RangeIsLocal(inode, snapshot.record, wanted.offset, wanted.length)) {
    // Room first: eviction may want this inode's gate.
    if (snapshot.record.limit() <= kWholeFetchBytes) {
      wanted = {0, snapshot.record.limit()};
    } else {
      MutexLock lock(inode->content.mu);
      const ByteRange ahead =
          inode->content.readahead.OnRead(wanted.offset, wanted.length, snapshot.record.limit(), kReadaheadLimitBytes);
      const uint64_t end = std::max(wanted.offset + wanted.length, ahead.offset + ahead.length);
      wanted = {std::min(wanted.offset, ahead.offset), 0};
      wanted.length = end - wanted.offset;
    }
    reserved = wanted.length + 2 * kBlockBytes;
    if (!budget_.TryReserve(reserved)) reserved = 0;
  }
  const Reservation reservation(budget_, reserved);
  RETURN_IF_ERROR(inode->gate.AcquireShared(ctx));
  const SharedHold hold(inode->gate);
  snapshot = SnapshotOf(inode);
  if (offset >= snapshot.record.size) return size_t{0};
  const size_t length = std::min<uint64_t>(buffer.size(), snapshot.record.size - offset);
  if (reserved > 0) RETURN_IF_ERROR(Fill(ctx, inode, snapshot.record, wanted.offset, wanted.length));
  // Without room, absent blocks are read past the cache.
  RETURN_IF_ERROR(ReadThrough(ctx, inode, snapshot.record, offset, buffer.first(length)));
  return length;
}

Result<uint64_t> FileData::Seek(const OpContext& ctx, const InodePtr& inode, uint64_t offset, SeekTo what) {
  RETURN_IF_ERROR(inode->gate.AcquireShared(ctx));
  const SharedHold hold(inode->gate);
  const Snapshot snapshot = SnapshotOf(inode);
  RETURN_IF_ERROR(Load(inode, snapshot));
  const InodeRecord& record = snapshot.record;
  if (offset >= record.size) return Error{Errc::kRange, "beyond the end of the file"};
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, record.size, /*create=*/false));
  // What is not here counts as data, which POSIX allows.
  const uint64_t unknown = record.complete ? 0 : record.limit();
  if (what == SeekTo::kData) {
    if (offset < unknown) return offset;
    if (!file) return Error{Errc::kRange, "no data follows"};
    ASSIGN_OR_RETURN(const auto data, file->SeekData(offset));
    if (!data || *data >= record.size) return Error{Errc::kRange, "no data follows"};
    return *data;
  }
  const uint64_t from = std::max(offset, unknown);
  if (from >= record.size) return record.size;
  if (!file) return from;
  ASSIGN_OR_RETURN(const uint64_t hole, file->SeekHole(from));
  return std::min(hole, record.size);
}

Status FileData::Sync(const OpContext& ctx, const InodePtr& inode) {
  RETURN_IF_ERROR(inode->gate.AcquireShared(ctx));
  const SharedHold hold(inode->gate);
  const Snapshot snapshot = SnapshotOf(inode);
  if (!snapshot.record.IsRegular() || !snapshot.record.content_dirty) return {};
  RETURN_IF_ERROR(Load(inode, snapshot));
  ASSIGN_OR_RETURN(const auto file, FileOf(inode, snapshot.record.size, /*create=*/false));
  if (file) RETURN_IF_ERROR(file->Sync());
  bool name_synced = false;
  {
    MutexLock lock(inode->content.mu);
    name_synced = inode->content.name_synced;
  }
  // Without a cache file (an empty file has none) nothing but the record is needed.
  if (file && !name_synced) {
    const std::string path = core_.DataPath(inode->ino);
    RETURN_IF_ERROR(core_.files.SyncDirectory(path.substr(0, path.rfind('/'))));
    MutexLock lock(inode->content.mu);
    inode->content.name_synced = true;
  }
  MutexLock lock(core_.mu);
  inode->record.synced_generation = snapshot.record.content_generation;
  return {};
}

// --- for write-back ---

Status FileData::MarkClean(const InodePtr& inode, uint64_t old_limit, uint64_t new_limit, Transaction& txn) {
  {
    MutexLock lock(inode->content.mu);
    inode->content.blocks.ClearAllDirty();
    if (!inode->record.complete) inode->content.blocks.MarkPresent(BlocksUpTo(old_limit), BlocksUpTo(new_limit));
  }
  return SaveBlocks(inode, txn);
}

void FileData::AfterStep(const InodePtr& inode) {
  Release(inode);
  NoteUse(inode->ino);
}

void FileData::Release(const InodePtr& inode) {
  MutexLock lock(core_.mu);
  if (inode->opens > 0 || inode->stepping) return;
  if (!inode->freed) {
    Transaction txn;
    const Status blocks = SaveBlocks(inode, txn);
    const Status saved = txn.meta.empty() && txn.listing.empty() ? Status() : core_.Commit(txn);
    if (!blocks.ok() || !saved.ok()) LogWarning("the cache database: ", (blocks.ok() ? saved : blocks).error().message);
  }
  MutexLock content_lock(inode->content.mu);
  inode->content.file.reset();
}

}  // namespace pailfs::cache
