#include "tests/support/memory_store.h"

#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr size_t kSendBytes = 256 << 10;
constexpr size_t kMaxRenamedKeys = 10'000;

Status CheckKey(std::string_view key) {
  if (key.empty() || key.find('\0') != std::string_view::npos) return Error{Errc::kInvalidArgument, "not a key"};
  if (key.size() > kMaxKeyBytes) return Error{Errc::kNameTooLong, "a key has at most 1,024 bytes"};
  return {};
}

Status CheckMetadata(const UserMetadata& metadata, uint64_t limit) {
  uint64_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size();
  if (bytes > limit) return Error{Errc::kTooLarge, StrCat("more than ", limit, " bytes of user metadata")};
  return {};
}

Result<std::string> ReadAll(BodySource& body) {
  if (body.size_bytes() > kMaxSinglePutBytes) return Error{Errc::kTooLarge, "more than 5 GiB in one request"};
  std::string bytes(body.size_bytes(), '\0');
  RETURN_IF_ERROR(body.ReadAt(0, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

}  // namespace

MemoryStore::MemoryStore(Clock& clock, const MemoryStoreOptions& options)
    : clock_(clock), options_(options), versioning_(options.versioning) {}

void MemoryStore::SetVersioning(VersioningState versioning) {
  MutexLock lock(mu_);
  versioning_ = versioning;
}

Capabilities MemoryStore::capabilities() const {
  MutexLock lock(mu_);
  Capabilities can;
  can.versioning = versioning_;
  can.atomic_conditions = options_.atomic_conditions;
  can.list_metadata = options_.list_metadata;
  can.as_of = options_.as_of;
  can.rename = options_.rename;
  can.sole_owner = options_.sole_owner;
  can.max_user_metadata_bytes = options_.max_user_metadata_bytes;
  return can;
}

std::optional<uint64_t> MemoryStore::ChangeNumber() const {
  if (!options_.sole_owner) return std::nullopt;
  MutexLock lock(mu_);
  return static_cast<uint64_t>(time_us_);
}

// --- finding versions ---

// Rises strictly whatever the clock does, so that "the version that was current at T" is one.
int64_t MemoryStore::NextTime() {
  time_us_ = std::max(clock_.WallNs() / 1000, time_us_ + 1);
  return time_us_;
}

const MemoryStore::Version* MemoryStore::Current(std::string_view key) const {
  const auto it = objects_.find(key);
  return it == objects_.end() || it->second.back().marker ? nullptr : &it->second.back();
}

const MemoryStore::Version* MemoryStore::VisibleAt(const Versions& versions, int64_t time_us) {
  for (const Version& version : versions) {
    for (const Interval& interval : version.current) {
      if (interval.from_us <= time_us && time_us < interval.to_us) return version.marker ? nullptr : &version;
    }
  }
  return nullptr;
}

Result<const MemoryStore::Version*> MemoryStore::Find(std::string_view key, const VersionSelector& selector) const {
  if (selector.as_of_us && !options_.as_of) return Error{Errc::kUnsupported, "no reading of the past"};
  const auto it = objects_.find(key);
  const Version* found = nullptr;
  if (it != objects_.end() && !selector.version_id.empty()) {
    for (const Version& version : it->second) {
      if (selector.version_id == (version.null ? "null" : version.id)) found = &version;
    }
  } else if (it != objects_.end()) {
    found = selector.as_of_us ? VisibleAt(it->second, *selector.as_of_us) : &it->second.back();
  }
  if (found == nullptr || found->marker) return Error{Errc::kNotFound, StrCat("no object ", key)};
  return found;
}

std::string MemoryStore::ShownId(const Version& version) const {
  if (versioning_ == VersioningState::kOff) return "";
  return version.null ? "null" : version.id;
}

ObjectInfo MemoryStore::Describe(const std::string& key, const Version& version, bool latest) const {
  ObjectInfo info;
  info.key = key;
  info.size_bytes = version.bytes ? version.bytes->size() : 0;
  info.etag = version.etag;
  info.version_id = ShownId(version);
  info.last_modified_us = version.last_modified_us;
  info.is_latest = latest;
  info.is_delete_marker = version.marker;
  info.headers = version.headers;
  info.metadata = version.metadata;
  return info;
}

ObjectInfo MemoryStore::DescribeFound(std::string_view key, const Version& version) const {
  const auto it = objects_.find(key);
  return Describe(it->first, version, &it->second.back() == &version);
}

Status MemoryStore::CheckConditions(std::string_view key, const Conditions& conditions) const {
  const Version* current = Current(key);
  if (conditions.if_none_match_any && current != nullptr) return Error{Errc::kPreconditionFailed, "the key exists"};
  if (conditions.if_match && (current == nullptr || current->etag != *conditions.if_match)) {
    return Error{Errc::kPreconditionFailed, "the key has another ETag or none"};
  }
  return {};
}

// --- changing versions ---

// The version becomes the latest; a null version replaces the null version there was.
void MemoryStore::Push(std::string_view key, Version version) {
  Versions& versions = objects_[std::string(key)];
  if (!versions.empty()) versions.back().current.back().to_us = version.last_modified_us;
  if (version.null) std::erase_if(versions, [](const Version& old) { return old.null; });
  version.seq = ++seq_;
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(version.seq >> shift));
  const uint64_t mixed = StableHash64(key, version.seq);
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(mixed >> shift));
  version.id = Hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  version.current = {{version.last_modified_us, kForever}};
  versions.push_back(std::move(version));
}

// Where the latest version goes, the one before it becomes current again.
void MemoryStore::RemoveVersion(std::string_view key, size_t index) {
  const auto it = objects_.find(key);
  Versions& versions = it->second;
  const bool latest = index + 1 == versions.size();
  versions.erase(versions.begin() + static_cast<ptrdiff_t>(index));
  if (versions.empty()) {
    objects_.erase(it);
  } else if (latest) {
    versions.back().current.push_back({NextTime(), kForever});
  }
}

PutResult MemoryStore::Store(std::string_view key, Version version) {
  version.null = versioning_ != VersioningState::kEnabled;
  version.marker = false;
  version.last_modified_us = NextTime();
  Push(key, std::move(version));
  const Version& stored = objects_.find(key)->second.back();
  return {stored.etag, ShownId(stored), stored.last_modified_us};
}

DeleteResult MemoryStore::DeleteCurrent(std::string_view key) {
  DeleteResult result;
  result.existed = Current(key) != nullptr;
  if (versioning_ == VersioningState::kOff) {
    if (result.existed) RemoveVersion(key, objects_.find(key)->second.size() - 1);
    return result;
  }
  // S3 makes a marker even where there is nothing to hide.
  Version marker;
  marker.marker = true;
  marker.null = versioning_ == VersioningState::kSuspended;
  marker.last_modified_us = NextTime();
  Push(key, std::move(marker));
  result.made_delete_marker = true;
  result.version_id = ShownId(objects_.find(key)->second.back());
  return result;
}

DeleteResult MemoryStore::DeleteVersion(std::string_view key, std::string_view version_id) {
  DeleteResult result;
  result.version_id = version_id;
  const auto it = objects_.find(key);
  if (it == objects_.end()) return result;
  for (size_t i = 0; i < it->second.size(); ++i) {
    const Version& version = it->second[i];
    if (version_id != (version.null ? "null" : version.id)) continue;
    result.existed = true;
    RemoveVersion(key, i);
    return result;
  }
  return result;
}

Result<DeleteResult> MemoryStore::DeleteOne(const DeleteItem& item) {
  RETURN_IF_ERROR(CheckKey(item.key));
  if (item.if_match) {
    const auto found = Find(item.key, {item.version_id, {}});
    if (!found.ok() || (*found)->etag != *item.if_match) {
      return Error{Errc::kPreconditionFailed, "the object has another ETag or is not there"};
    }
  }
  return item.version_id.empty() ? DeleteCurrent(item.key) : DeleteVersion(item.key, item.version_id);
}

// --- the calls ---

Result<ObjectInfo> MemoryStore::Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(key));
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Version* found, Find(key, version));
  return DescribeFound(key, *found);
}

Result<ObjectInfo> MemoryStore::Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                                    BodySink& sink) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(key));
  ObjectInfo info;
  std::shared_ptr<const std::string> bytes;
  {
    MutexLock lock(mu_);
    ASSIGN_OR_RETURN(const Version* found, Find(key, options.version));
    if (options.if_match && *options.if_match != found->etag) {
      return Error{Errc::kPreconditionFailed, "the object has another ETag"};
    }
    info = DescribeFound(key, *found);
    bytes = found->bytes;
  }
  std::string_view wanted = *bytes;
  if (options.range) {
    if (options.range->offset >= wanted.size() && !(options.range->offset == 0 && wanted.empty())) {
      return Error{Errc::kRange, "the range starts past the end of the object"};
    }
    wanted = wanted.substr(options.range->offset, options.range->length);
  }
  for (; !wanted.empty(); wanted.remove_prefix(std::min(wanted.size(), kSendBytes))) {
    RETURN_IF_ERROR(ctx.Check());
    RETURN_IF_ERROR(sink.Write(AsBytes(wanted.substr(0, kSendBytes))));
  }
  return info;
}

Result<PutResult> MemoryStore::Put(const OpContext& ctx, std::string_view key, BodySource& body,
                                   const PutOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckMetadata(options.metadata, options_.max_user_metadata_bytes));
  ASSIGN_OR_RETURN(std::string bytes, ReadAll(body));
  Version version;
  version.etag = Hex(Md5Of(bytes));
  version.headers = options.headers;
  version.metadata = options.metadata;
  version.bytes = std::make_shared<const std::string>(std::move(bytes));
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckConditions(key, options.conditions));
  return Store(key, std::move(version));
}

Result<PutResult> MemoryStore::Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                    const CopyOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(source_key));
  RETURN_IF_ERROR(CheckKey(key));
  const bool replace = options.directive == MetadataDirective::kReplace;
  if (replace) RETURN_IF_ERROR(CheckMetadata(options.metadata, options_.max_user_metadata_bytes));
  if (source_key == key && options.source_version_id.empty() && !replace) {
    return Error{Errc::kInvalidArgument, "a copy onto itself must change something"};
  }
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Version* source, Find(source_key, {options.source_version_id, {}}));
  if (options.source_if_match && *options.source_if_match != source->etag) {
    return Error{Errc::kPreconditionFailed, "the source has another ETag"};
  }
  RETURN_IF_ERROR(CheckConditions(key, options.conditions));
  Version version;
  version.etag = source->etag;
  version.headers = replace ? options.headers : source->headers;
  version.metadata = replace ? options.metadata : source->metadata;
  version.bytes = source->bytes;
  return Store(key, std::move(version));
}

Result<DeleteResult> MemoryStore::Delete(const OpContext& ctx, const DeleteItem& item) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  return DeleteOne(item);
}

Result<std::vector<Result<DeleteResult>>> MemoryStore::DeleteBatch(const OpContext& ctx,
                                                                   std::span<const DeleteItem> items) {
  RETURN_IF_ERROR(ctx.Check());
  if (items.size() > kMaxBatchDelete) return Error{Errc::kInvalidArgument, "more than 1,000 keys in one delete"};
  MutexLock lock(mu_);
  std::vector<Result<DeleteResult>> results;
  for (const DeleteItem& item : items) results.push_back(DeleteOne(item));
  return results;
}

Result<PutResult> MemoryStore::Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                                      const Conditions& conditions) {
  RETURN_IF_ERROR(ctx.Check());
  if (!options_.rename) return Error{Errc::kUnsupported, "no rename"};
  RETURN_IF_ERROR(CheckKey(from));
  RETURN_IF_ERROR(CheckKey(to));
  if (from == to) return Error{Errc::kInvalidArgument, "a rename onto itself"};
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Version* source, Find(from, {}));
  RETURN_IF_ERROR(CheckConditions(to, conditions));
  const PutResult result = Store(to, *source);
  DeleteCurrent(from);
  return result;
}

Result<uint64_t> MemoryStore::RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) {
  RETURN_IF_ERROR(ctx.Check());
  if (!options_.rename) return Error{Errc::kUnsupported, "no rename"};
  if (from.empty() || to.empty() || from.starts_with(to) || to.starts_with(from)) {
    return Error{Errc::kInvalidArgument, "the prefixes are empty or lie in each other"};
  }
  MutexLock lock(mu_);
  std::vector<std::string> keys;
  for (const auto& [key, versions] : objects_) {
    if (versions.back().marker) continue;
    if (key.starts_with(to)) return Error{Errc::kPreconditionFailed, StrCat(key, " exists")};
    if (key.starts_with(from)) keys.push_back(key);
  }
  if (keys.size() > kMaxRenamedKeys) return Error{Errc::kTooLarge, "more than 10,000 keys in one rename"};
  for (const std::string& key : keys) RETURN_IF_ERROR(CheckKey(StrCat(to, std::string_view(key).substr(from.size()))));
  for (const std::string& key : keys) {
    const Version version = *Current(key);
    Store(StrCat(to, std::string_view(key).substr(from.size())), version);
    DeleteCurrent(key);
  }
  return keys.size();
}

Result<StoreSpace> MemoryStore::Space(const OpContext& ctx) {
  RETURN_IF_ERROR(ctx.Check());
  MutexLock lock(mu_);
  StoreSpace space;
  for (const auto& [key, versions] : objects_) {
    if (versions.back().marker) continue;
    ++space.object_count;
    space.object_bytes += versions.back().bytes->size();
  }
  return space;
}

}  // namespace pailfs
