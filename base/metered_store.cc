#include "base/metered_store.h"

namespace pailfs {
namespace {

class CountingSink : public BodySink {
 public:
  CountingSink(BodySink& sink, Counter& bytes) : sink_(sink), bytes_(bytes) {}
  Status Write(std::span<const std::byte> data) override {
    bytes_.Add(static_cast<int64_t>(data.size()));
    return sink_.Write(data);
  }

 private:
  BodySink& sink_;
  Counter& bytes_;
};

}  // namespace

Result<ObjectInfo> MeteredStore::Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) {
  metrics_.counter("store.head").Add();
  return store_.Head(ctx, key, version);
}

Result<ObjectInfo> MeteredStore::Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                                     BodySink& sink) {
  metrics_.counter("store.get").Add();
  CountingSink counting(sink, metrics_.counter("store.bytes_out"));
  return store_.Get(ctx, key, options, counting);
}

Result<PutResult> MeteredStore::Put(const OpContext& ctx, std::string_view key, BodySource& body,
                                    const PutOptions& options) {
  metrics_.counter("store.put").Add();
  metrics_.counter("store.bytes_in").Add(static_cast<int64_t>(body.size_bytes()));
  return store_.Put(ctx, key, body, options);
}

Result<PutResult> MeteredStore::Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                     const CopyOptions& options) {
  metrics_.counter("store.copy").Add();
  return store_.Copy(ctx, source_key, key, options);
}

Result<DeleteResult> MeteredStore::Delete(const OpContext& ctx, const DeleteItem& item) {
  metrics_.counter("store.delete").Add();
  return store_.Delete(ctx, item);
}

Result<std::vector<Result<DeleteResult>>> MeteredStore::DeleteBatch(const OpContext& ctx,
                                                                    std::span<const DeleteItem> items) {
  metrics_.counter("store.delete_batch").Add();
  return store_.DeleteBatch(ctx, items);
}

Result<ListPage> MeteredStore::List(const OpContext& ctx, const ListRequest& request) {
  metrics_.counter("store.list").Add();
  return store_.List(ctx, request);
}

Result<ListVersionsPage> MeteredStore::ListVersions(const OpContext& ctx, const ListVersionsRequest& request) {
  metrics_.counter("store.list_versions").Add();
  return store_.ListVersions(ctx, request);
}

Result<std::string> MeteredStore::CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                                        const PutOptions& options) {
  metrics_.counter("store.create_upload").Add();
  return store_.CreateMultipartUpload(ctx, key, options);
}

Result<UploadedPart> MeteredStore::UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                              int part_number, BodySource& body) {
  metrics_.counter("store.upload_part").Add();
  metrics_.counter("store.bytes_in").Add(static_cast<int64_t>(body.size_bytes()));
  return store_.UploadPart(ctx, key, upload_id, part_number, body);
}

Result<UploadedPart> MeteredStore::UploadPartCopy(const OpContext& ctx, std::string_view key,
                                                  std::string_view upload_id, int part_number,
                                                  const PartCopySource& source) {
  metrics_.counter("store.upload_part_copy").Add();
  return store_.UploadPartCopy(ctx, key, upload_id, part_number, source);
}

Result<PutResult> MeteredStore::CompleteMultipartUpload(const OpContext& ctx, std::string_view key,
                                                        std::string_view upload_id, std::span<const UploadedPart> parts,
                                                        const Conditions& conditions) {
  metrics_.counter("store.complete_upload").Add();
  return store_.CompleteMultipartUpload(ctx, key, upload_id, parts, conditions);
}

Status MeteredStore::AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) {
  metrics_.counter("store.abort_upload").Add();
  return store_.AbortMultipartUpload(ctx, key, upload_id);
}

Result<std::vector<MultipartUpload>> MeteredStore::ListMultipartUploads(const OpContext& ctx, std::string_view prefix) {
  metrics_.counter("store.list_uploads").Add();
  return store_.ListMultipartUploads(ctx, prefix);
}

Result<std::vector<UploadedPart>> MeteredStore::ListParts(const OpContext& ctx, std::string_view key,
                                                          std::string_view upload_id) {
  metrics_.counter("store.list_parts").Add();
  return store_.ListParts(ctx, key, upload_id);
}

Result<PutResult> MeteredStore::Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                                       const Conditions& conditions) {
  metrics_.counter("store.rename").Add();
  return store_.Rename(ctx, from, to, conditions);
}

Result<uint64_t> MeteredStore::RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) {
  metrics_.counter("store.rename").Add();
  return store_.RenamePrefix(ctx, from, to);
}

}  // namespace pailfs
