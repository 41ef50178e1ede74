// What a bucket and a store take.

#include "base/str.h"
#include "store/embedded_bucket.h"
#include "store/embedded_store.h"
#include "store/records.pb.h"
#include "store/store_core.h"

namespace pailfs::store {
namespace {

constexpr int kScannedBetweenChecks = 500;

// Calls `visit` with each row of a table that holds a `Message`.
template <typename Message, typename Visit>
Status ForEach(const StoreCore& core, const OpContext& ctx, const std::string& prefix, const Visit& visit) {
  KvIterator it = core.index->NewIterator();
  int scanned = 0;
  for (it.Seek(prefix); it.Valid() && it.key().starts_with(prefix); it.Next()) {
    if (++scanned % kScannedBetweenChecks == 0) RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(it.key(), it.value()));
    Message message;
    if (!message.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
      return Error{Errc::kCorrupt, StrCat("a row of the store's index is damaged (table ", prefix.substr(0, 1),
                                          "); run 'pailfs store check' on the store")};
    }
    visit(it.key(), message);
  }
  return it.status();
}

// A directory, or a file: what was removed in between takes nothing.
Result<uint64_t> BytesBelow(FileSystem& files, const OpContext& ctx, const std::string& path) {
  RETURN_IF_ERROR(ctx.Check());
  const auto names = files.List(path);
  if (!names.ok()) {
    const auto stat = files.Stat(path);
    if (stat.Is(Errc::kNotFound)) return uint64_t{0};
    if (!stat.ok()) return stat.error();
    return stat->allocated_bytes;
  }
  uint64_t bytes = 0;
  for (const std::string& name : *names) {
    ASSIGN_OR_RETURN(const uint64_t below, BytesBelow(files, ctx, StrCat(path, '/', name)));
    bytes += below;
  }
  return bytes;
}

}  // namespace

Result<BucketUsage> EmbeddedStore::Usage(const OpContext& ctx, std::string_view bucket) {
  const CommitView view(*core_->index);
  ASSIGN_OR_RETURN(const pb::Bucket row, BucketIn(view, bucket));
  BucketUsage usage;
  const ObjectCounts counts = core_->CountsOf(row.id());
  usage.objects = static_cast<uint64_t>(counts.objects);
  usage.object_bytes = static_cast<uint64_t>(counts.bytes);
  RETURN_IF_ERROR(ForEach<pb::Version>(*core_, ctx, VersionPrefix(row.id()),
                                       [&usage](std::string_view, const pb::Version& version) {
                                         if (version.marker()) {
                                           ++usage.delete_markers;
                                           return;
                                         }
                                         ++usage.noncurrent_versions;
                                         usage.noncurrent_bytes += version.size();
                                       }));
  std::vector<uint64_t> uploads;
  RETURN_IF_ERROR(
      ForEach<pb::Upload>(*core_, ctx, UploadPrefix(row.id()), [&uploads](std::string_view upload, const pb::Upload&) {
        uploads.push_back(GetBig64(upload.substr(upload.size() - sizeof(uint64_t))));
      }));
  usage.uploads = uploads.size();
  for (const uint64_t upload : uploads) {
    RETURN_IF_ERROR(
        ForEach<pb::Part>(*core_, ctx, PartsOfRow(upload),
                          [&usage](std::string_view, const pb::Part& part) { usage.upload_bytes += part.size(); }));
  }
  return usage;
}

Result<uint64_t> EmbeddedStore::BytesOnDisk(const OpContext& ctx) {
  return BytesBelow(core_->files, ctx, core_->directory);
}

}  // namespace pailfs::store
