// An ordered key-value database in a directory: LevelDB behind one seam. Bytewise key order, atomic batches, snapshots.
//
// Durability: a batch written with kSync, and every batch before it, survives power loss; a batch written with kNoSync
// survives the end of the process. After a power loss the batches that are there are the first ones written, without a
// gap. (LevelDB closes a full log without syncing it; our Env syncs a log when it is closed, so that a later kSync
// really covers earlier batches.) After a failed write of the log every write fails until the database is opened anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace pailfs {

// Not thread-safe. Later entries win over earlier ones of the same key.
class KvBatch {
 public:
  KvBatch();
  ~KvBatch();
  KvBatch(KvBatch&&) noexcept;
  KvBatch& operator=(KvBatch&&) noexcept;
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  void Clear();
  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }

 private:
  friend class KvStore;
  struct Rep;
  std::unique_ptr<Rep> rep_;
  size_t count_ = 0;
};

// A cursor over one consistent state. Not thread-safe. After an error Valid() is false and status() says why.
class KvIterator {
 public:
  struct Rep;
  explicit KvIterator(std::unique_ptr<Rep> rep);
  ~KvIterator();
  KvIterator(KvIterator&&) noexcept;
  bool Valid() const;
  void Seek(std::string_view key);
  void SeekToFirst();
  void SeekToLast();
  void Next();
  void Prev();
  std::string_view key() const;    // valid until the next move
  std::string_view value() const;  // valid until the next move
  Status status() const;

 private:
  std::unique_ptr<Rep> rep_;
};

struct KvOptions {
  size_t write_buffer_bytes = 16 << 20;
  size_t block_cache_bytes = 16 << 20;
  size_t max_file_bytes = 32 << 20;
  size_t max_open_files = 256;
  bool create_if_missing = true;
};

enum class KvDurability : uint8_t { kNoSync, kSync };

// Thread-safe. Errors: kCorrupt (says which database and file), kIo, kNoSpace, kBusy; kNotFound from Open without
// create_if_missing.
class KvStore {
 public:
  static Result<std::unique_ptr<KvStore>> Open(FileSystem& fs, const std::string& path, const KvOptions& options);
  ~KvStore();

  Result<std::optional<std::string>> Get(std::string_view key) const;
  Status Write(KvBatch& batch, KvDurability durability);
  // The cursor must end before the store does.
  KvIterator NewIterator() const;
  // Several cursors over the same state.
  std::vector<KvIterator> NewIterators(size_t count) const;
  // Merges the range [begin, end) to its last level, which removes tombstones. Blocks.
  void CompactRange(std::string_view begin, std::string_view end);
  // About how many bytes the range takes on disk.
  uint64_t ApproximateBytes(std::string_view begin, std::string_view end) const;
  // How many entries all iterators have stepped over; tombstones, which LevelDB skips inside, do not count.
  uint64_t iterator_steps() const;

 private:
  struct Rep;
  explicit KvStore(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// Big-endian integers, so that bytewise order is numeric order.
void PutBig32(std::string& out, uint32_t value);
void PutBig64(std::string& out, uint64_t value);
// `data` must hold the bytes.
uint32_t GetBig32(std::string_view data);
uint64_t GetBig64(std::string_view data);

}  // namespace pailfs
