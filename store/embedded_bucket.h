// ObjectStore over one bucket of the embedded store.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_store.h"
#include "store/bodies.h"
#include "store/store_core.h"
#include "store/version_rows.h"

namespace pailfs::store {

void SetAttributes(pb::Version* version, const ContentHeaders& headers, const UserMetadata& metadata);
Status CheckKey(std::string_view key);
Status CheckMetadata(const UserMetadata& metadata);  // kTooLarge

// The bucket's row; kNotFound.
Result<pb::Bucket> BucketIn(const CommitView& view, std::string_view name);

// Thread-safe.
class EmbeddedBucket : public ObjectStore {
 public:
  EmbeddedBucket(StoreCore& core, std::string name, BucketId id) : core_(core), name_(std::move(name)), id_(id) {}

  Capabilities capabilities() const override;
  std::string Identity() const override;
  // Of the whole store: other buckets count too.
  std::optional<uint64_t> ChangeNumber() const override { return core_.visible_seq(); }
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
  // --- versions and ids ---
  // A bucket that never had versioning shows no ids.
  bool ShowsIds() const;
  std::string VersionId(std::string_view key, const pb::Version& version) const;
  // The sequence number in a version id; nullopt when it is none of ours.
  std::optional<uint64_t> SeqOf(std::string_view key, std::string_view version_id) const;
  ObjectInfo InfoOf(std::string key, const pb::Version& version, bool is_latest, bool with_metadata) const;
  PutResult ResultOf(const BucketState& state, std::string_view key, const pb::Version& version) const;
  // kNotFound; a marker counts as found.
  Result<std::pair<pb::Version, bool>> Select(std::string_view key, const VersionSelector& selector) const;
  Result<std::optional<pb::Version>> FindById(KvIterator& it, std::string_view key, std::string_view version_id) const;
  // The version that was current at a time; nullopt: none, or one that is gone since.
  Result<std::optional<pb::Version>> VisibleAt(KvIterator& it, std::string_view key, uint64_t time_us) const;
  Result<std::optional<pb::Version>> NewestAt(KvIterator& it, std::string_view key, uint64_t time_us) const;
  ObjectInfo Shown(ObjectInfo info, bool shows_ids) const;

  // --- on the commit thread ---
  Result<BucketState> StateIn(const CommitView& view) const;
  Result<DeleteResult> DeleteIn(CommitView& view, const DeleteItem& item) const;
  Result<PutResult> CopyIn(CommitView& view, std::string_view source_key, std::string_view key,
                           const CopyOptions& options) const;
  Result<pb::Version> SourceIn(CommitView& view, const BucketState& state, std::string_view key,
                               std::string_view version_id, const std::optional<std::string>& if_match) const;
  Result<PutResult> CompleteIn(CommitView& view, std::string_view key, uint64_t upload,
                               std::span<const UploadedPart> parts, const Conditions& conditions) const;
  Status StorePart(CommitView& view, uint64_t upload, std::string_view key, int part_number,
                   const pb::Part& part) const;
  Result<pb::Upload> UploadIn(const CommitView& view, std::string_view key, uint64_t upload) const;
  Result<std::vector<pb::Segment>> SegmentsOf(const CommitView& view, BodyId body, uint64_t offset,
                                              uint64_t length) const;
  Status DropPart(CommitView& view, const pb::Part& part) const;

  Result<ListPage> ListAsOf(const OpContext& ctx, const ListRequest& request) const;
  std::string UploadId(uint64_t upload) const;
  std::optional<uint64_t> UploadOf(std::string_view upload_id) const;

  StoreCore& core_;
  const std::string name_;
  const BucketId id_;
};

}  // namespace pailfs::store
