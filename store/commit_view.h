// What one mutation sees and changes: its own changes over those of its group over the index.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/kv_store.h"
#include "store/index_keys.h"
#include "store/volume_format.h"

namespace google::protobuf {
class MessageLite;
}

namespace pailfs::store {

// In a B row: the place of the needle, which only the log knows.
inline constexpr uint64_t kPlaceLater = UINT64_MAX;

struct ObjectCounts {
  int64_t objects = 0;
  int64_t bytes = 0;
};

// Not thread-safe; of the commit thread, or of a reader that changes nothing.
class CommitView {
 public:
  using Overlay = std::map<std::string, std::optional<std::string>, std::less<>>;  // row -> sealed value

  // What is durable, for a reader that changes nothing.
  explicit CommitView(const KvStore& index);
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
  Status Scan(std::string_view prefix,
              const std::function<bool(std::string_view row, std::string_view payload)>& visit) const;
  void Put(const std::string& row, std::string_view payload);
  void Put(const std::string& row, const google::protobuf::MessageLite& message);
  void Delete(const std::string& row);
  // Rows put or deleted so far.
  size_t changed_rows() const { return own_.size(); }
  // A body (or the sums of one) that goes into the log with this mutation. `data` must live until it is committed. Its
  // B row must be Put with volume and offset set to kPlaceLater.
  void AddNeedle(const Needle& needle) { needles_.push_back(needle); }
  // Current objects that came or went.
  void AddObjects(BucketId bucket, int64_t objects, int64_t bytes) {
    counts_[bucket].objects += objects;
    counts_[bucket].bytes += bytes;
  }

 private:
  friend class StoreCore;
  const KvStore& index_;
  const Overlay& group_;
  Overlay own_;
  std::vector<Needle> needles_;
  std::map<BucketId, ObjectCounts> counts_;
  uint64_t next_seq_;
  uint64_t seq_ = 0;
  uint64_t time_us_ = 0;
  const std::function<uint64_t()> next_time_;
};

}  // namespace pailfs::store
