#include "store/embedded_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "store/embedded_bucket.h"
#include "store/records.pb.h"
#include "store/store_core.h"
#include "store/thinning.h"
#include "store/thinning_thread.h"

namespace pailfs::store {
namespace {

constexpr std::string_view kNextBucketRow = "Mnext_bucket";

Status NoSuchBucket(std::string_view name) {
  return Error{Errc::kNotFound, StrCat("there is no bucket ", name, " in this store")};
}

BucketInfo InfoOf(std::string_view name, const pb::Bucket& bucket) {
  return {std::string(name), static_cast<VersioningState>(bucket.versioning()),
          static_cast<int64_t>(bucket.created_us()), PolicyOf(bucket)};
}

}  // namespace

bool IsBucketName(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && alphanumeric(name.front()) && alphanumeric(name.back()) &&
         name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-' || c == '.'; });
}

Result<bool> IsStore(FileSystem& files, const std::string& directory) {
  return files.Exists(directory + "/FORMAT");
}

Result<pb::Bucket> BucketIn(const CommitView& view, std::string_view name) {
  ASSIGN_OR_RETURN(const auto payload, view.Get(BucketNameRow(name)));
  pb::Bucket bucket;
  if (!payload) return NoSuchBucket(name).error();
  if (!bucket.ParseFromString(*payload)) return Error{Errc::kCorrupt, "a bucket row of the store's index is damaged"};
  return bucket;
}

EmbeddedStore::EmbeddedStore(std::unique_ptr<StoreCore> core) : core_(std::move(core)) {}
EmbeddedStore::~EmbeddedStore() = default;

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(FileSystem& files, Clock& clock, Random& random,
                                                           Metrics& metrics, const std::string& directory,
                                                           const EmbeddedStoreOptions& options) {
  auto core = std::make_unique<StoreCore>(files, clock, random, metrics, directory, options);
  RETURN_IF_ERROR(core->Open());
  std::unique_ptr<EmbeddedStore> store(new EmbeddedStore(std::move(core)));
  if (options.first_thinning_ns > 0) {
    store->thinning_ =
        std::make_unique<ThinningThread>(clock, options.first_thinning_ns, options.thinning_interval_ns,
                                         [raw = store.get()](const OpContext& ctx) { raw->ThinAll(ctx); });
  }
  return store;
}

void EmbeddedStore::ThinAll(const OpContext& ctx) {
  const auto buckets = ListBuckets();
  if (!buckets.ok()) return LogError("thinning store ", directory(), ": ", buckets.error().message);
  for (const BucketInfo& bucket : *buckets) {
    const auto thinned = Thin(ctx, bucket.name, ThinningMode::kRemoveInUse);
    if (thinned.Is(Errc::kCancelled)) return;
    if (thinned.Is(Errc::kNotFound)) continue;  // deleted meanwhile
    if (!thinned.ok()) {
      LogError("thinning bucket ", bucket.name, " of store ", directory(), ": ", thinned.error().message);
    } else if (thinned->versions + thinned->delete_markers > 0) {
      LogInfo("bucket ", bucket.name, " of store ", directory(), ": ", thinned->versions, " old versions of ",
              FormatSize(thinned->bytes), " and ", thinned->delete_markers, " delete markers are past its retention");
    }
  }
  core_->metrics.counter("store.thinnings").Add();
}

const std::string& EmbeddedStore::directory() const {
  return core_->directory;
}
Status EmbeddedStore::Checkpoint() {
  return core_->Checkpoint();
}

Status EmbeddedStore::CreateBucket(std::string_view name, VersioningState versioning) {
  if (!IsBucketName(name)) {
    return Error{Errc::kInvalidArgument, StrCat("'", name, "' is not a bucket name: 3 to 63 of a-z, 0-9, '-' and '.'")};
  }
  return core_->Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const auto existing, view.Get(BucketNameRow(name)));
    if (existing) return Error{Errc::kAlreadyExists, StrCat("bucket ", name, " exists")};
    view.Advance();
    // Ids are never used again, so that nothing of a deleted bucket comes back.
    ASSIGN_OR_RETURN(const auto next, view.Get(kNextBucketRow));
    const BucketId id = next && next->size() == 4 ? GetBig32(*next) : 1;
    std::string after;
    PutBig32(after, id + 1);
    view.Put(std::string(kNextBucketRow), std::string_view(after));
    pb::Bucket bucket;
    bucket.set_id(id);
    bucket.set_versioning(static_cast<uint32_t>(versioning));
    bucket.set_created_us(view.time_us());
    view.Put(BucketNameRow(name), bucket);
    return {};
  });
}

Status EmbeddedStore::DeleteBucket(std::string_view name) {
  return core_->Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const pb::Bucket bucket, BucketIn(view, name));
    bool used = false;
    for (const std::string& prefix :
         {CurrentPrefix(bucket.id()), VersionPrefix(bucket.id()), UploadPrefix(bucket.id())}) {
      RETURN_IF_ERROR(view.Scan(prefix, [&used](std::string_view, std::string_view) {
        used = true;
        return false;
      }));
    }
    if (used) return Error{Errc::kNotEmpty, StrCat("bucket ", name, " is not empty")};
    view.Advance();
    view.Delete(BucketNameRow(name));
    view.Delete(CountsRow(bucket.id()));
    return {};
  });
}

Status EmbeddedStore::SetVersioning(std::string_view name, VersioningState versioning) {
  return core_->Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(pb::Bucket bucket, BucketIn(view, name));
    const auto now = static_cast<VersioningState>(bucket.versioning());
    if (now == versioning) return {};
    if (versioning == VersioningState::kOff) {
      return Error{Errc::kInvalidArgument, "versioning that was once on can only be suspended"};
    }
    view.Advance();
    bucket.set_versioning(static_cast<uint32_t>(versioning));
    view.Put(BucketNameRow(name), bucket);
    return {};
  });
}

Status EmbeddedStore::SetRetention(std::string_view name, const RetentionPolicy& policy) {
  for (const uint64_t seconds : {policy.keep_all_s, policy.hourly_s, policy.daily_s, policy.weekly_s}) {
    if (seconds > kMostRetentionSeconds) {
      return Error{Errc::kInvalidArgument, "a retention of more than 1,000 years; keep everything forever instead"};
    }
  }
  return core_->Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(pb::Bucket bucket, BucketIn(view, name));
    view.Advance();
    SetPolicy(&bucket, policy);
    view.Put(BucketNameRow(name), bucket);
    return {};
  });
}

Result<BucketInfo> EmbeddedStore::FindBucket(std::string_view name) {
  const CommitView view(*core_->index);
  ASSIGN_OR_RETURN(const pb::Bucket bucket, BucketIn(view, name));
  return InfoOf(name, bucket);
}

Result<std::vector<BucketInfo>> EmbeddedStore::ListBuckets() {
  std::vector<BucketInfo> buckets;
  KvIterator it = core_->index->NewIterator();
  for (it.Seek("b"); it.Valid() && it.key().starts_with("b"); it.Next()) {
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(it.key(), it.value()));
    pb::Bucket bucket;
    if (!bucket.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
      return Error{Errc::kCorrupt, "a bucket row of the store's index is damaged"};
    }
    buckets.push_back(InfoOf(it.key().substr(1), bucket));
  }
  RETURN_IF_ERROR(it.status());
  return buckets;
}

Result<std::unique_ptr<ObjectStore>> EmbeddedStore::OpenBucket(std::string_view name) {
  const CommitView view(*core_->index);
  ASSIGN_OR_RETURN(const pb::Bucket bucket, BucketIn(view, name));
  return std::unique_ptr<ObjectStore>(std::make_unique<EmbeddedBucket>(*core_, std::string(name), bucket.id()));
}

}  // namespace pailfs::store
