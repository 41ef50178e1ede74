// What mutations do to the version rows of a key: C (current), V (older versions and markers), N (null version), R and
// G (references and garbage of bodies). All on the commit thread, over a CommitView.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/object_store.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {

// The payload of a row of C or V; kCorrupt.
Result<pb::Version> ParseVersion(std::string_view payload);
// A row as it is stored.
Result<pb::Version> OpenVersion(std::string_view row, std::string_view value);

struct BucketState {
  BucketId id = 0;
  VersioningState versioning = VersioningState::kOff;
};

class VersionRows {
 public:
  VersionRows(CommitView& view, const BucketState& bucket, std::string_view key)
      : view_(view), bucket_(bucket), key_(key) {}

  Result<std::optional<pb::Version>> Current() const;
  // The row of a version id; "null" means the null version.
  struct Located {
    std::string row;
    pb::Version version;
    bool current = false;
  };
  Result<std::optional<Located>> Find(uint64_t seq) const;
  Result<std::optional<Located>> FindNull() const;

  // kPreconditionFailed.
  Status CheckConditions(const Conditions& conditions) const;
  // Makes `version` the current one; sets its seq, times and null flag. view.Advance() was called.
  Status Put(pb::Version* version);
  // DELETE without a version id.
  Result<DeleteResult> Delete();
  // DELETE of one version; the next one becomes current.
  Status DeleteVersion(const Located& located);

  // What a delete marker does for its key.
  enum class MarkerPlace : uint8_t {
    kBehind,    // something newer is there
    kCovering,  // it is the newest, and without it an older version would be
    kAlone,     // nothing else is left
  };
  Result<MarkerPlace> PlaceOf(const Located& marker) const;
  // Takes away a version that is not the current one, or a marker that is not kCovering; nothing takes its place.
  Status RemoveNoncurrent(const Located& located);

 private:
  Status Retire(pb::Version current);
  Status RemoveNull();
  Status Drop(const std::string& row, const pb::Version& version);
  Status PromoteNewest();

  CommitView& view_;
  const BucketState& bucket_;
  const std::string key_;
};

// Releases a body from one referrer (its R row); the last one makes it garbage.
Status ReleaseBody(CommitView& view, BodyId body, const std::string& reference_row);
// Adds `reference_row` to a body; `owner_row` is the reference of its only referrer so far, written when it is first
// shared.
Status ShareBody(CommitView& view, BodyId body, const std::string& owner_row, const std::string& reference_row);
Result<pb::Body> BodyIn(const CommitView& view, BodyId body);

}  // namespace pailfs::store
