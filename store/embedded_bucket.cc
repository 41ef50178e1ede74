#include "store/embedded_bucket.h"

#include <algorithm>
#include <cstdio>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kMostRenamed = 10'000;
constexpr uint64_t kMaxUserMetadataBytes = 64 << 10;

std::string Hex16(uint64_t number) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

std::optional<uint64_t> FromHex16(std::string_view text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (text.size() != 16 || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Error NoSuchKey(std::string_view key) {
  return {Errc::kNotFound, StrCat("no such object: ", key)};
}

}  // namespace

Status CheckKey(std::string_view key) {
  if (key.empty()) return Error{Errc::kInvalidArgument, "an empty key"};
  if (key.size() > kMaxKeyBytes) return Error{Errc::kNameTooLong, StrCat("a key over ", kMaxKeyBytes, " bytes")};
  if (key.find('\0') != std::string_view::npos) return Error{Errc::kInvalidArgument, "a key with a NUL byte"};
  return {};
}

Status CheckMetadata(const UserMetadata& metadata) {
  uint64_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size();
  if (bytes > kMaxUserMetadataBytes) return Error{Errc::kTooLarge, "more than 64 KiB of user metadata"};
  return {};
}

std::string EmbeddedBucket::Identity() const {
  const std::string& uuid = core_.store_uuid();
  return StrCat(Hex({reinterpret_cast<const uint8_t*>(uuid.data()), uuid.size()}), "/", name_, "/", id_);
}

Capabilities EmbeddedBucket::capabilities() const {
  Capabilities capabilities;
  const CommitView view(*core_.index);
  const auto state = StateIn(view);
  if (state.ok()) capabilities.versioning = state->versioning;
  capabilities.atomic_conditions = true;
  capabilities.list_metadata = capabilities.as_of = capabilities.rename = capabilities.sole_owner = true;
  capabilities.max_user_metadata_bytes = kMaxUserMetadataBytes;
  return capabilities;
}

// --- ids and records ---

std::string EmbeddedBucket::VersionId(std::string_view key, const pb::Version& version) const {
  if (version.null_version()) return "null";
  return Hex16(version.seq()) + Hex16(StableHash64(StrCat(id_, ':', key, ':', version.seq()), core_.id_secret()));
}

std::optional<uint64_t> EmbeddedBucket::SeqOf(std::string_view key, std::string_view version_id) const {
  if (version_id.size() != 32) return std::nullopt;
  const auto seq = FromHex16(version_id.substr(0, 16));
  if (!seq) return std::nullopt;
  pb::Version version;
  version.set_seq(*seq);
  return VersionId(key, version) == version_id ? seq : std::nullopt;
}

ObjectInfo EmbeddedBucket::InfoOf(std::string key, const pb::Version& version, bool is_latest,
                                  bool with_metadata) const {
  ObjectInfo info;
  info.version_id = VersionId(key, version);
  info.key = std::move(key);
  info.size_bytes = version.size();
  info.etag = version.etag();
  info.last_modified_us = static_cast<int64_t>(version.commit_us());
  info.is_latest = is_latest;
  info.is_delete_marker = version.marker();
  info.storage_class = version.storage_class();
  info.has_metadata = with_metadata;
  if (!with_metadata) return info;
  const pb::Headers& headers = version.headers();
  info.headers = {headers.type(),     headers.encoding(),      headers.disposition(),
                  headers.language(), headers.cache_control(), headers.expires()};
  info.metadata.reserve(static_cast<size_t>(version.metadata_size()));
  for (const pb::Pair& pair : version.metadata()) info.metadata.emplace_back(pair.name(), pair.value());
  return info;
}

PutResult EmbeddedBucket::ResultOf(const BucketState& state, std::string_view key, const pb::Version& version) const {
  return {version.etag(), state.versioning == VersioningState::kOff ? "" : VersionId(key, version),
          static_cast<int64_t>(version.commit_us())};
}

bool EmbeddedBucket::ShowsIds() const {
  return capabilities().versioning != VersioningState::kOff;
}

ObjectInfo EmbeddedBucket::Shown(ObjectInfo info, bool shows_ids) const {
  if (!shows_ids) info.version_id.clear();
  return info;
}

void SetAttributes(pb::Version* version, const ContentHeaders& headers, const UserMetadata& metadata) {
  if (headers != ContentHeaders{}) {
    pb::Headers* out = version->mutable_headers();
    out->set_type(headers.type);
    out->set_encoding(headers.encoding);
    out->set_disposition(headers.disposition);
    out->set_language(headers.language);
    out->set_cache_control(headers.cache_control);
    out->set_expires(headers.expires);
  } else {
    version->clear_headers();
  }
  version->clear_metadata();
  for (const auto& [name, value] : metadata) {
    pb::Pair* pair = version->add_metadata();
    pair->set_name(name);
    pair->set_value(value);
  }
}

Result<BucketState> EmbeddedBucket::StateIn(const CommitView& view) const {
  ASSIGN_OR_RETURN(const pb::Bucket bucket, BucketIn(view, name_));
  if (bucket.id() != id_) return Error{Errc::kNotFound, StrCat("bucket ", name_, " was deleted")};
  return BucketState{id_, static_cast<VersioningState>(bucket.versioning())};
}

// --- reading ---

Result<ObjectInfo> EmbeddedBucket::Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) {
  RETURN_IF_ERROR(ctx.Check());
  ASSIGN_OR_RETURN(const auto selected, Select(key, version));
  if (selected.first.marker()) return Error{Errc::kNotFound, StrCat("a delete marker: ", key)};
  return Shown(InfoOf(std::string(key), selected.first, selected.second, /*with_metadata=*/true), ShowsIds());
}

Result<ObjectInfo> EmbeddedBucket::Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                                       BodySink& sink) {
  RETURN_IF_ERROR(ctx.Check());
  const ReadLease lease(core_);
  ASSIGN_OR_RETURN(const auto selected, Select(key, options.version));
  const pb::Version& version = selected.first;
  if (version.marker()) return Error{Errc::kNotFound, StrCat("a delete marker: ", key)};
  if (options.if_match && *options.if_match != version.etag()) {
    return Error{Errc::kPreconditionFailed, StrCat("the object has changed: ", key)};
  }
  ByteRange range{0, version.size()};
  if (options.range) {
    if (options.range->offset >= version.size() && !(options.range->offset == 0 && version.size() == 0)) {
      return Error{Errc::kRange, StrCat("a range behind the end of ", key)};
    }
    range = {options.range->offset, std::min(options.range->length, version.size() - options.range->offset)};
  }
  const Status sent = ReadBody(core_, ctx, version.body(), range.offset, range.length, sink);
  if (!sent.ok()) return sent.error().With(key);
  return Shown(InfoOf(std::string(key), version, selected.second, /*with_metadata=*/true), ShowsIds());
}

// --- writing ---

Result<PutResult> EmbeddedBucket::Put(const OpContext& ctx, std::string_view key, BodySource& body,
                                      const PutOptions& options) {
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckMetadata(options.metadata));
  if (body.size_bytes() > kMaxSinglePutBytes)
    return Error{Errc::kTooLarge, "an object over 5 GiB needs a multipart upload"};
  ASSIGN_OR_RETURN(const IncomingBody incoming, StoreBody(core_, ctx, body));
  PutResult result;
  const Status committed = core_.Commit(incoming.weight(), [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const BucketState state, StateIn(view));
    VersionRows rows(view, state, key);
    RETURN_IF_ERROR(rows.CheckConditions(options.conditions));
    view.Advance();
    incoming.AddTo(view);
    pb::Version version;
    version.set_size(incoming.size);
    version.set_etag(incoming.etag);
    version.set_body(incoming.id);
    SetAttributes(&version, options.headers, options.metadata);
    RETURN_IF_ERROR(rows.Put(&version));
    result = ResultOf(state, key, version);
    return {};
  });
  if (!committed.ok()) {
    if (!committed.Is(Errc::kAmbiguous)) DiscardBody(core_, incoming);
    return committed.error();
  }
  return result;
}

Result<pb::Version> EmbeddedBucket::SourceIn(CommitView& view, const BucketState& state, std::string_view key,
                                             std::string_view version_id,
                                             const std::optional<std::string>& if_match) const {
  VersionRows rows(view, state, key);
  std::optional<pb::Version> source;
  if (version_id.empty()) {
    ASSIGN_OR_RETURN(source, rows.Current());
  } else {
    const auto seq = SeqOf(key, version_id);
    if (!seq && version_id != "null") return NoSuchKey(key);
    ASSIGN_OR_RETURN(auto located, version_id == "null" ? rows.FindNull() : rows.Find(*seq));
    if (located) source = std::move(located->version);
  }
  if (!source || source->marker()) return NoSuchKey(key);
  if (if_match && *if_match != source->etag()) {
    return Error{Errc::kPreconditionFailed, StrCat("the source has changed: ", key)};
  }
  return std::move(*source);
}

Result<PutResult> EmbeddedBucket::CopyIn(CommitView& view, std::string_view source_key, std::string_view key,
                                         const CopyOptions& options) const {
  ASSIGN_OR_RETURN(const BucketState state, StateIn(view));
  ASSIGN_OR_RETURN(const pb::Version source,
                   SourceIn(view, state, source_key, options.source_version_id, options.source_if_match));
  VersionRows rows(view, state, key);
  RETURN_IF_ERROR(rows.CheckConditions(options.conditions));
  view.Advance();
  pb::Version version = source;
  if (options.directive == MetadataDirective::kReplace) SetAttributes(&version, options.headers, options.metadata);
  if (source.body() != 0) {
    // The new reference first, so that replacing the source itself does not free the body in between.
    RETURN_IF_ERROR(ShareBody(view, source.body(), VersionReferenceRow(source.body(), id_, source_key, source.seq()),
                              VersionReferenceRow(source.body(), id_, key, view.seq())));
  }
  RETURN_IF_ERROR(rows.Put(&version));
  return ResultOf(state, key, version);
}

Result<PutResult> EmbeddedBucket::Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                       const CopyOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(source_key));
  RETURN_IF_ERROR(CheckKey(key));
  if (options.directive == MetadataDirective::kReplace) {
    RETURN_IF_ERROR(CheckMetadata(options.metadata));
  } else if (source_key == key && options.source_version_id.empty()) {
    return Error{Errc::kInvalidArgument, "a copy of an object onto itself must change its metadata"};
  }
  PutResult result;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(result, CopyIn(view, source_key, key, options));
    return {};
  }));
  return result;
}

Result<DeleteResult> EmbeddedBucket::DeleteIn(CommitView& view, const DeleteItem& item) const {
  ASSIGN_OR_RETURN(const BucketState state, StateIn(view));
  VersionRows rows(view, state, item.key);
  if (item.version_id.empty()) {
    if (item.if_match) RETURN_IF_ERROR(rows.CheckConditions(Conditions::IfMatch(*item.if_match)));
    view.Advance();
    ASSIGN_OR_RETURN(DeleteResult result, rows.Delete());
    if (result.made_delete_marker) {
      pb::Version marker;
      marker.set_seq(view.seq());
      marker.set_null_version(state.versioning == VersioningState::kSuspended);
      result.version_id = VersionId(item.key, marker);
    }
    return result;
  }
  const auto seq = SeqOf(item.key, item.version_id);
  std::optional<VersionRows::Located> located;
  if (seq || item.version_id == "null") {
    ASSIGN_OR_RETURN(located, seq ? rows.Find(*seq) : rows.FindNull());
  }
  if (item.if_match && (!located || located->version.etag() != *item.if_match)) {
    return Error{Errc::kPreconditionFailed, StrCat("the object has changed or is not there: ", item.key)};
  }
  if (!located) return DeleteResult{false, false, item.version_id};
  view.Advance();
  RETURN_IF_ERROR(rows.DeleteVersion(*located));
  return DeleteResult{true, false, item.version_id};
}

Result<DeleteResult> EmbeddedBucket::Delete(const OpContext& ctx, const DeleteItem& item) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(item.key));
  DeleteResult result;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(result, DeleteIn(view, item));
    return {};
  }));
  return result;
}

Result<std::vector<Result<DeleteResult>>> EmbeddedBucket::DeleteBatch(const OpContext& ctx,
                                                                      std::span<const DeleteItem> items) {
  RETURN_IF_ERROR(ctx.Check());
  if (items.size() > kMaxBatchDelete) return Error{Errc::kInvalidArgument, "more than 1,000 keys in a batch"};
  std::vector<Result<DeleteResult>> results;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    results.clear();
    for (const DeleteItem& item : items) {
      const Status valid = CheckKey(item.key);
      results.push_back(valid.ok() ? DeleteIn(view, item) : Result<DeleteResult>(valid.error()));
      // A condition is checked before anything changes; any other error may have come in between.
      if (valid.ok() && !results.back().ok() && !results.back().Is(Errc::kPreconditionFailed))
        return results.back().error();
    }
    return {};
  }));
  return results;
}

Result<PutResult> EmbeddedBucket::Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                                         const Conditions& conditions) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(from));
  RETURN_IF_ERROR(CheckKey(to));
  if (from == to) return Error{Errc::kInvalidArgument, "a rename onto itself"};
  PutResult result;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    CopyOptions copy;
    copy.conditions = conditions;
    ASSIGN_OR_RETURN(result, CopyIn(view, from, to, copy));
    ASSIGN_OR_RETURN(const DeleteResult deleted, DeleteIn(view, {std::string(from), "", std::nullopt}));
    return {};
  }));
  return result;
}

Result<uint64_t> EmbeddedBucket::RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) {
  RETURN_IF_ERROR(ctx.Check());
  if (from.empty() || to.empty()) return Error{Errc::kInvalidArgument, "an empty prefix"};
  if (from.starts_with(to) || to.starts_with(from))
    return Error{Errc::kInvalidArgument, "one prefix contains the other"};
  uint64_t count = 0;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    std::vector<std::string> keys;
    const std::string table = CurrentPrefix(id_);
    // Keys never hold NUL, so a prefix of the key is a prefix of the row.
    bool taken = false;
    RETURN_IF_ERROR(view.Scan(table + std::string(to), [&taken](std::string_view, std::string_view) {
      taken = true;
      return false;
    }));
    if (taken) return Error{Errc::kPreconditionFailed, StrCat("there are objects under ", to)};
    RETURN_IF_ERROR(view.Scan(table + std::string(from), [&](std::string_view row, std::string_view) {
      const auto key = UnescapeKey(row.substr(table.size()));
      if (key) keys.push_back(key->first);
      return keys.size() <= kMostRenamed;
    }));
    if (keys.size() > kMostRenamed) return Error{Errc::kTooLarge, "more than 10,000 keys under the prefix"};
    for (const std::string& key : keys) {
      const std::string target = StrCat(to, std::string_view(key).substr(from.size()));
      RETURN_IF_ERROR(CheckKey(target));
      CopyOptions copy;
      copy.conditions = Conditions::IfAbsent();
      const auto copied = CopyIn(view, key, target, copy);
      if (!copied.ok()) return copied.error();
      const auto deleted = DeleteIn(view, {key, "", std::nullopt});
      if (!deleted.ok()) return deleted.error();
    }
    count = keys.size();
    return {};
  }));
  return count;
}

Result<StoreSpace> EmbeddedBucket::Space(const OpContext& ctx) {
  RETURN_IF_ERROR(ctx.Check());
  ASSIGN_OR_RETURN(const SpaceInfo space, core_.files.Space(core_.directory));
  const ObjectCounts counts = core_.CountsOf(id_);
  return StoreSpace{space.total_bytes, space.free_bytes, static_cast<uint64_t>(counts.objects),
                    static_cast<uint64_t>(counts.bytes)};
}

}  // namespace pailfs::store
