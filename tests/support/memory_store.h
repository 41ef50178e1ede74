// MemoryStore: the reference implementation of ObjectStore (base/object_store.h), kept small so that its rules can be
// read: a map from key to the list of its versions, under one mutex. It is strict where servers differ: what it
// refuses, a client must not rely on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/object_store.h"

namespace pailfs {

// Capabilities that are off make it a poorer server: metadata is missing from listings, as-of and rename are
// kUnsupported.
struct MemoryStoreOptions {
  VersioningState versioning = VersioningState::kOff;
  bool list_metadata = true;
  bool as_of = true;
  bool rename = true;
  bool sole_owner = false;        // and has a ChangeNumber
  bool atomic_conditions = true;  // false: it does not say so
  uint64_t max_user_metadata_bytes = 2048;
  uint64_t min_part_bytes = kMinPartBytes;
};

// Thread-safe. A Get sends its bytes to the sink, and a Put reads them from its source, without the mutex.
class MemoryStore : public ObjectStore {
 public:
  explicit MemoryStore(Clock& clock, const MemoryStoreOptions& options = {});

  // Enabled and suspended alternate; off is where a bucket starts and never comes back to.
  void SetVersioning(VersioningState versioning);

  Capabilities capabilities() const override;
  std::optional<uint64_t> ChangeNumber() const override;
  Result<ObjectInfo> Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) override;
  Result<ObjectInfo> Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                         BodySink& sink) override;
  Result<PutResult> Put(const OpContext& ctx, std::string_view key, BodySource& body,
                        const PutOptions& options) override;
  Result<PutResult> Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                         const CopyOptions& options) override;
  Result<DeleteResult> Delete(const OpContext& ctx, const DeleteItem& item) override;
  Result<std::vector<Result<DeleteResult>>> DeleteBatch(const OpContext& ctx,
                                                        std::span<const DeleteItem> items) override;
  Result<ListPage> List(const OpContext& ctx, const ListRequest& request) override;
  Result<ListVersionsPage> ListVersions(const OpContext& ctx, const ListVersionsRequest& request) override;
  Result<std::string> CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                            const PutOptions& options) override;
  Result<UploadedPart> UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                  int part_number, BodySource& body) override;
  Result<UploadedPart> UploadPartCopy(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                      int part_number, const PartCopySource& source) override;
  Result<PutResult> CompleteMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                            std::span<const UploadedPart> parts, const Conditions& conditions) override;
  Status AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) override;
  Result<std::vector<MultipartUpload>> ListMultipartUploads(const OpContext& ctx, std::string_view prefix) override;
  Result<std::vector<UploadedPart>> ListParts(const OpContext& ctx, std::string_view key,
                                              std::string_view upload_id) override;
  Result<PutResult> Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                           const Conditions& conditions) override;
  Result<uint64_t> RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) override;
  Result<StoreSpace> Space(const OpContext& ctx) override;

 private:
  // When a version was the current one: [from, to).
  struct Interval {
    int64_t from_us = 0;
    int64_t to_us = 0;
  };
  struct Version {
    uint64_t seq = 0;
    std::string id;     // also of a null version, where it is not shown
    bool null = false;  // the version with the id "null"; at most one for each key
    bool marker = false;
    int64_t last_modified_us = 0;
    std::string etag;
    ContentHeaders headers;
    UserMetadata metadata;
    std::shared_ptr<const std::string> bytes;
    std::vector<Interval> current;
  };
  using Versions = std::vector<Version>;  // oldest first: the last one is the latest
  struct Part {
    std::string etag;
    std::shared_ptr<const std::string> bytes;
  };
  struct Upload {
    std::string key;
    int64_t initiated_us = 0;
    ContentHeaders headers;
    UserMetadata metadata;
    std::map<int, Part> parts;
  };

  // --- mu_ held ---
  int64_t NextTime() REQUIRES(mu_);
  const Version* Current(std::string_view key) const REQUIRES(mu_);  // null: absent, or a marker
  static const Version* VisibleAt(const Versions& versions, int64_t time_us);
  Result<const Version*> Find(std::string_view key, const VersionSelector& selector) const REQUIRES(mu_);
  std::string ShownId(const Version& version) const REQUIRES(mu_);
  ObjectInfo Describe(const std::string& key, const Version& version, bool latest) const REQUIRES(mu_);
  ObjectInfo DescribeFound(std::string_view key, const Version& version) const REQUIRES(mu_);
  // For a listing: as Describe, without what this server's listings do not carry.
  ObjectInfo DescribeListed(const std::string& key, const Version& version, bool latest) const REQUIRES(mu_);
  Status CheckConditions(std::string_view key, const Conditions& conditions) const REQUIRES(mu_);
  PutResult Store(std::string_view key, Version version) REQUIRES(mu_);
  DeleteResult DeleteCurrent(std::string_view key) REQUIRES(mu_);
  DeleteResult DeleteVersion(std::string_view key, std::string_view version_id) REQUIRES(mu_);
  Result<DeleteResult> DeleteOne(const DeleteItem& item) REQUIRES(mu_);
  void Push(std::string_view key, Version version) REQUIRES(mu_);
  void RemoveVersion(std::string_view key, size_t index) REQUIRES(mu_);
  Result<Upload*> FindUpload(std::string_view key, std::string_view upload_id) REQUIRES(mu_);
  Result<UploadedPart> StorePart(std::string_view key, std::string_view upload_id, int part_number, std::string bytes)
      REQUIRES(mu_);

  Clock& clock_;
  const MemoryStoreOptions options_;

  mutable Mutex mu_;
  VersioningState versioning_ GUARDED_BY(mu_);
  uint64_t seq_ GUARDED_BY(mu_) = 0;
  int64_t time_us_ GUARDED_BY(mu_) = 0;
  std::map<std::string, Versions, std::less<>> objects_ GUARDED_BY(mu_);
  std::map<std::string, Upload, std::less<>> uploads_ GUARDED_BY(mu_);
};

}  // namespace pailfs
