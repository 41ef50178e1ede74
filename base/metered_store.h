// MeteredStore: counts what goes to an ObjectStore, so that budgets can be asserted and shown.
#pragma once

#include "base/metrics.h"
#include "base/object_store.h"

namespace pailfs {

// Counters: store.head, .get, .put, .copy, .delete, .delete_batch, .list, .list_versions, .create_upload, .upload_part,
// .upload_part_copy, .complete_upload, .abort_upload, .list_uploads, .list_parts, .rename; store.bytes_in (bodies sent)
// and store.bytes_out (bodies received). Thread-safe.
class MeteredStore : public ObjectStore {
 public:
  MeteredStore(ObjectStore& store, Metrics& metrics) : store_(store), metrics_(metrics) {}

  Capabilities capabilities() const override { return store_.capabilities(); }
  std::string Identity() const override { return store_.Identity(); }
  std::optional<uint64_t> ChangeNumber() const override { return store_.ChangeNumber(); }
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
  Result<StoreSpace> Space(const OpContext& ctx) override { return store_.Space(ctx); }

 private:
  ObjectStore& store_;
  Metrics& metrics_;
};

}  // namespace pailfs
