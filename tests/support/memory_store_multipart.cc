// Multipart uploads of MemoryStore.

#include "base/hash.h"
#include "base/str.h"
#include "tests/support/memory_store.h"

namespace pailfs {

Result<std::string> MemoryStore::CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                                       const PutOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  if (key.empty() || key.find('\0') != std::string_view::npos) return Error{Errc::kInvalidArgument, "not a key"};
  if (key.size() > kMaxKeyBytes) return Error{Errc::kNameTooLong, "a key has at most 1,024 bytes"};
  MutexLock lock(mu_);
  std::string id = StrCat("upload-", ++seq_);
  uploads_[id] = {std::string(key), NextTime(), options.headers, options.metadata, {}};
  return id;
}

Result<MemoryStore::Upload*> MemoryStore::FindUpload(std::string_view key, std::string_view upload_id) {
  const auto it = uploads_.find(upload_id);
  if (it == uploads_.end() || it->second.key != key) return Error{Errc::kNotFound, "no such upload"};
  return &it->second;
}

Result<UploadedPart> MemoryStore::StorePart(std::string_view key, std::string_view upload_id, int part_number,
                                            std::string bytes) {
  ASSIGN_OR_RETURN(Upload * upload, FindUpload(key, upload_id));
  if (part_number < 1 || part_number > kMaxParts)
    return Error{Errc::kInvalidArgument, "parts are numbered 1 to 10,000"};
  UploadedPart part{part_number, Hex(Md5Of(bytes)), bytes.size()};
  upload->parts[part_number] = {part.etag, std::make_shared<const std::string>(std::move(bytes))};
  return part;
}

Result<UploadedPart> MemoryStore::UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                             int part_number, BodySource& body) {
  RETURN_IF_ERROR(ctx.Check());
  if (body.size_bytes() > kMaxSinglePutBytes) return Error{Errc::kTooLarge, "more than 5 GiB in one part"};
  std::string bytes(body.size_bytes(), '\0');
  RETURN_IF_ERROR(body.ReadAt(0, std::as_writable_bytes(std::span(bytes))));
  MutexLock lock(mu_);
  return StorePart(key, upload_id, part_number, std::move(bytes));
}

Result<UploadedPart> MemoryStore::UploadPartCopy(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                                 int part_number, const PartCopySource& source) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  RETURN_IF_ERROR(FindUpload(key, upload_id));
  ASSIGN_OR_RETURN(const Version* version, Find(source.key, {source.version_id, {}}));
  if (source.if_match && *source.if_match != version->etag) {
    return Error{Errc::kPreconditionFailed, "the source has another ETag"};
  }
  const std::string& bytes = *version->bytes;
  if (source.range.offset > bytes.size() || source.range.length > bytes.size() - source.range.offset) {
    return Error{Errc::kRange, "the range leaves the source"};
  }
  return StorePart(key, upload_id, part_number, bytes.substr(source.range.offset, source.range.length));
}

Result<PutResult> MemoryStore::CompleteMultipartUpload(const OpContext& ctx, std::string_view key,
                                                       std::string_view upload_id, std::span<const UploadedPart> parts,
                                                       const Conditions& conditions) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Upload * upload, FindUpload(key, upload_id));
  if (parts.empty()) return Error{Errc::kInvalidArgument, "an upload is completed with at least one part"};
  std::string bytes;
  std::string digests;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && parts[i].part_number <= parts[i - 1].part_number) {
      return Error{Errc::kInvalidArgument, "the parts are not in ascending order"};
    }
    const auto it = upload->parts.find(parts[i].part_number);
    if (it == upload->parts.end() || it->second.etag != parts[i].etag) {
      return Error{Errc::kInvalidArgument, StrCat("part ", parts[i].part_number, " is not there or has another ETag")};
    }
    if (i + 1 < parts.size() && it->second.bytes->size() < options_.min_part_bytes) {
      return Error{Errc::kInvalidArgument, StrCat("part ", parts[i].part_number, " is too small")};
    }
    bytes += *it->second.bytes;
    const Md5Digest digest = Md5Of(*it->second.bytes);
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  RETURN_IF_ERROR(CheckConditions(key, conditions));
  Version version;
  version.etag = StrCat(Hex(Md5Of(digests)), '-', parts.size());
  version.headers = upload->headers;
  version.metadata = upload->metadata;
  version.bytes = std::make_shared<const std::string>(std::move(bytes));
  uploads_.erase(uploads_.find(upload_id));
  return Store(key, std::move(version));
}

Status MemoryStore::AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  RETURN_IF_ERROR(FindUpload(key, upload_id));
  uploads_.erase(uploads_.find(upload_id));
  return {};
}

Result<std::vector<MultipartUpload>> MemoryStore::ListMultipartUploads(const OpContext& ctx, std::string_view prefix) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  std::multimap<std::pair<std::string, int64_t>, MultipartUpload> ordered;
  for (const auto& [id, upload] : uploads_) {
    if (!upload.key.starts_with(prefix)) continue;
    ordered.emplace(std::pair(upload.key, upload.initiated_us), MultipartUpload{upload.key, id, upload.initiated_us});
  }
  std::vector<MultipartUpload> uploads;
  for (auto& [order, upload] : ordered) uploads.push_back(std::move(upload));
  return uploads;
}

Result<std::vector<UploadedPart>> MemoryStore::ListParts(const OpContext& ctx, std::string_view key,
                                                         std::string_view upload_id) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Upload* upload, FindUpload(key, upload_id));
  std::vector<UploadedPart> parts;
  for (const auto& [number, part] : upload->parts) parts.push_back({number, part.etag, part.bytes->size()});
  return parts;
}

}  // namespace pailfs
