#include "base/kv_store.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <atomic>

#include "base/leveldb_env.h"
#include "base/str.h"

namespace pailfs {
namespace {

constexpr int kBloomBitsPerKey = 10;

leveldb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view ToView(const leveldb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// LevelDB checks a block only when it is read into the cache.
leveldb::ReadOptions CheckedReads() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  return options;
}

Error ToError(const leveldb::Status& status, const std::string& path) {
  const std::string text = status.ToString();
  if (text.find("does not exist") != std::string::npos) return {Errc::kNotFound, StrCat("database ", path, ": ", text)};
  if (status.IsCorruption() || status.IsInvalidArgument())
    return {Errc::kCorrupt, StrCat("database ", path, ": ", text)};
  if (text.find("in use by process") != std::string::npos) return {Errc::kBusy, text};
  if (text.find("No space left") != std::string::npos) return {Errc::kNoSpace, StrCat("database ", path, ": ", text)};
  // LevelDB reports a table or log that the manifest names and that is gone as an I/O error or not found.
  if (status.IsNotFound() || text.find("No such file") != std::string::npos) {
    return {Errc::kCorrupt, StrCat("database ", path, ": ", text)};
  }
  return {Errc::kIo, StrCat("database ", path, ": ", text)};
}

}  // namespace

struct KvBatch::Rep {
  leveldb::WriteBatch batch;
};

KvBatch::KvBatch() : rep_(std::make_unique<Rep>()) {}
KvBatch::~KvBatch() = default;
KvBatch::KvBatch(KvBatch&&) noexcept = default;
KvBatch& KvBatch::operator=(KvBatch&&) noexcept = default;
void KvBatch::Put(std::string_view key, std::string_view value) {
  rep_->batch.Put(ToSlice(key), ToSlice(value));
  ++count_;
}
void KvBatch::Delete(std::string_view key) {
  rep_->batch.Delete(ToSlice(key));
  ++count_;
}
void KvBatch::Clear() {
  rep_->batch.Clear();
  count_ = 0;
}

struct KvIterator::Rep {
  std::unique_ptr<leveldb::Iterator> it;
  std::atomic<uint64_t>* steps = nullptr;
  std::string path;
};

KvIterator::KvIterator(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
KvIterator::~KvIterator() = default;
KvIterator::KvIterator(KvIterator&&) noexcept = default;
bool KvIterator::Valid() const {
  return rep_->it->Valid();
}
void KvIterator::Seek(std::string_view key) {
  rep_->it->Seek(ToSlice(key));
}
void KvIterator::SeekToFirst() {
  rep_->it->SeekToFirst();
}
void KvIterator::SeekToLast() {
  rep_->it->SeekToLast();
}
void KvIterator::Next() {
  rep_->steps->fetch_add(1, std::memory_order_relaxed);
  rep_->it->Next();
}
void KvIterator::Prev() {
  rep_->steps->fetch_add(1, std::memory_order_relaxed);
  rep_->it->Prev();
}
std::string_view KvIterator::key() const {
  return ToView(rep_->it->key());
}
std::string_view KvIterator::value() const {
  return ToView(rep_->it->value());
}
Status KvIterator::status() const {
  const leveldb::Status status = rep_->it->status();
  if (status.ok()) return {};
  return ToError(status, rep_->path);
}

// Destroyed in reverse: the database before what it uses.
struct KvStore::Rep {
  std::string path;
  std::unique_ptr<leveldb::Env> env;
  std::unique_ptr<const leveldb::FilterPolicy> bloom;
  std::unique_ptr<leveldb::Cache> block_cache;
  std::unique_ptr<leveldb::DB> db;
  mutable std::atomic<uint64_t> steps{0};
};

KvStore::KvStore(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
KvStore::~KvStore() = default;

Result<std::unique_ptr<KvStore>> KvStore::Open(FileSystem& fs, const std::string& path, const KvOptions& options) {
  auto rep = std::make_unique<Rep>();
  rep->path = path;
  rep->env = MakeLevelDbEnv(fs);
  rep->bloom.reset(leveldb::NewBloomFilterPolicy(kBloomBitsPerKey));
  rep->block_cache.reset(leveldb::NewLRUCache(options.block_cache_bytes));
  leveldb::Options db_options;
  db_options.create_if_missing = options.create_if_missing;
  db_options.paranoid_checks = true;
  db_options.env = rep->env.get();
  db_options.write_buffer_size = options.write_buffer_bytes;
  db_options.max_open_files = static_cast<int>(options.max_open_files);
  db_options.block_cache = rep->block_cache.get();
  db_options.max_file_size = options.max_file_bytes;
  db_options.filter_policy = rep->bloom.get();
  leveldb::DB* db = nullptr;
  const leveldb::Status opened = leveldb::DB::Open(db_options, path, &db);
  if (!opened.ok()) return ToError(opened, path);
  rep->db.reset(db);
  return std::unique_ptr<KvStore>(new KvStore(std::move(rep)));
}

Result<std::optional<std::string>> KvStore::Get(std::string_view key) const {
  std::string value;
  const leveldb::Status status = rep_->db->Get(CheckedReads(), ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return ToError(status, rep_->path);
  return std::optional<std::string>(std::move(value));
}

Status KvStore::Write(KvBatch& batch, KvDurability durability) {
  leveldb::WriteOptions options;
  options.sync = durability == KvDurability::kSync;
  const leveldb::Status status = rep_->db->Write(options, &batch.rep_->batch);
  if (!status.ok()) return ToError(status, rep_->path);
  return {};
}

KvIterator KvStore::NewIterator() const {
  return std::move(NewIterators(1).front());
}

std::vector<KvIterator> KvStore::NewIterators(size_t count) const {
  leveldb::ReadOptions options = CheckedReads();
  options.snapshot = rep_->db->GetSnapshot();
  std::vector<KvIterator> iterators;
  iterators.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    auto rep = std::make_unique<KvIterator::Rep>();
    rep->it.reset(rep_->db->NewIterator(options));
    rep->steps = &rep_->steps;
    rep->path = rep_->path;
    iterators.emplace_back(std::move(rep));
  }
  // A cursor keeps the tables that it reads; only its sequence number comes from the snapshot.
  rep_->db->ReleaseSnapshot(options.snapshot);
  return iterators;
}

void KvStore::CompactRange(std::string_view begin, std::string_view end) {
  const leveldb::Slice from = ToSlice(begin);
  const leveldb::Slice to = ToSlice(end);
  rep_->db->CompactRange(&from, &to);
}

uint64_t KvStore::ApproximateBytes(std::string_view begin, std::string_view end) const {
  const leveldb::Range range(ToSlice(begin), ToSlice(end));
  uint64_t bytes = 0;
  rep_->db->GetApproximateSizes(&range, 1, &bytes);
  return bytes;
}

uint64_t KvStore::iterator_steps() const {
  return rep_->steps.load();
}

void PutBig32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
void PutBig64(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
uint32_t GetBig32(std::string_view data) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(data[i]);
  return value;
}
uint64_t GetBig64(std::string_view data) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(data[i]);
  return value;
}

}  // namespace pailfs
