// Storing and reading the bytes of objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_store.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {

// Keeps checkpoints from forgetting that a body's file may be an orphan.
class BodyLease {
 public:
  explicit BodyLease(StoreCore& core) : core_(core), id_(core.BeginBody()) {}
  ~BodyLease() { core_.EndBody(id_); }
  BodyLease(const BodyLease&) = delete;
  BodyLease& operator=(const BodyLease&) = delete;
  BodyId id() const { return id_; }

 private:
  StoreCore& core_;
  const BodyId id_;
};

// Keeps what the index shows from now on from being freed.
class ReadLease {
 public:
  explicit ReadLease(StoreCore& core) : core_(core), ticket_(core.BeginRead()) {}
  ~ReadLease() { core_.EndRead(ticket_); }
  ReadLease(const ReadLease&) = delete;
  ReadLease& operator=(const ReadLease&) = delete;

 private:
  StoreCore& core_;
  const uint64_t ticket_;
};

// Bytes that are on their way into the store: either in memory, to be packed into the log, or in a file that is synced
// already. Lives until its mutation is committed.
struct IncomingBody {
  std::unique_ptr<BodyLease> lease;
  BodyId id = 0;  // 0: empty
  uint64_t size = 0;
  bool packed = false;
  std::string bytes;  // packed
  std::string sums;   // of a file: u32 little-endian for each block, as in its needle
  std::vector<uint32_t> block_sums;
  std::string etag;

  uint64_t weight() const { return packed ? size : sums.size(); }
  // Adds the needle and the B row.
  void AddTo(CommitView& view) const;
};

// Reads all of `body`; for a large one the file and its name are durable afterwards.
Result<IncomingBody> StoreBody(StoreCore& core, const OpContext& ctx, BodySource& body);
// The file of a body that was not committed.
void DiscardBody(StoreCore& core, const IncomingBody& body);

// Sends [offset, offset + length) of a body, each 64 KiB block verified. The caller holds a ReadLease from before it
// found the body. kCorrupt, kNotFound.
Status ReadBody(StoreCore& core, const OpContext& ctx, BodyId body, uint64_t offset, uint64_t length, BodySink& sink);
Result<pb::Body> FindBody(const StoreCore& core, BodyId body);

}  // namespace pailfs::store
