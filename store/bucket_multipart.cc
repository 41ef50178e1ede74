// Multipart uploads. A part is a body; Complete makes one composite body of them and moves no bytes.

#include <algorithm>
#include <cstdio>

#include "base/hash.h"
#include "base/str.h"
#include "store/embedded_bucket.h"

namespace pailfs::store {
namespace {

Error NoSuchUpload(std::string_view upload_id) {
  return {Errc::kNotFound, StrCat("no such upload: ", upload_id)};
}

Result<pb::Part> ParsePart(std::string_view payload) {
  pb::Part part;
  if (!part.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Error{Errc::kCorrupt, "a part row of the store's index is damaged"};
  }
  return part;
}

// The bytes of a hex MD5, or those of the whole text when it is none: what Complete hashes.
std::string DigestBytes(std::string_view etag) {
  std::string bytes;
  for (size_t i = 0; i + 1 < etag.size() && etag.size() == 32; i += 2) {
    unsigned byte = 0;
    std::from_chars(etag.data() + i, etag.data() + i + 2, byte, 16);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes.empty() ? std::string(etag) : bytes;
}

}  // namespace

std::string EmbeddedBucket::UploadId(uint64_t upload) const {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(upload),
                static_cast<unsigned long long>(StableHash64(StrCat(id_, ':', upload), core_.id_secret())));
  return text;
}

std::optional<uint64_t> EmbeddedBucket::UploadOf(std::string_view upload_id) const {
  uint64_t upload = 0;
  if (upload_id.size() != 32) return std::nullopt;
  std::from_chars(upload_id.data(), upload_id.data() + 16, upload, 16);
  if (UploadId(upload) != upload_id) return std::nullopt;
  return upload;
}

Result<pb::Upload> EmbeddedBucket::UploadIn(const CommitView& view, std::string_view key, uint64_t upload) const {
  ASSIGN_OR_RETURN(const auto payload, view.Get(UploadRow(id_, key, upload)));
  pb::Upload record;
  if (!payload) return NoSuchUpload(UploadId(upload));
  if (!record.ParseFromString(*payload)) return Error{Errc::kCorrupt, "an upload row of the store's index is damaged"};
  return record;
}

Result<std::string> EmbeddedBucket::CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                                          const PutOptions& options) {
  RETURN_IF_ERROR(ctx.Check());
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckMetadata(options.metadata));
  uint64_t upload = 0;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const BucketState state, StateIn(view));
    view.Advance();
    upload = view.seq();
    pb::Version attributes;
    SetAttributes(&attributes, options.headers, options.metadata);
    pb::Upload record;
    record.set_bucket(state.id);
    record.set_key(std::string(key));
    record.set_initiated_us(view.time_us());
    *record.mutable_headers() = attributes.headers();
    *record.mutable_metadata() = attributes.metadata();
    view.Put(UploadRow(id_, key, upload), record);
    return {};
  }));
  return UploadId(upload);
}

Status EmbeddedBucket::DropPart(CommitView& view, const pb::Part& part) const {
  // A part is never shared as a whole, so it needs no reference of its own.
  return ReleaseBody(view, part.body(), BodyReferenceRow(part.body(), part.body()));
}

Status EmbeddedBucket::StorePart(CommitView& view, uint64_t upload, std::string_view key, int part_number,
                                 const pb::Part& part) const {
  ASSIGN_OR_RETURN(const pb::Upload record, UploadIn(view, key, upload));
  const std::string row = PartRow(upload, static_cast<uint32_t>(part_number));
  ASSIGN_OR_RETURN(const auto replaced, view.Get(row));
  if (replaced) {
    ASSIGN_OR_RETURN(const pb::Part old, ParsePart(*replaced));
    RETURN_IF_ERROR(DropPart(view, old));
  }
  view.Put(row, part);
  return {};
}

Result<UploadedPart> EmbeddedBucket::UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                                int part_number, BodySource& body) {
  const auto upload = UploadOf(upload_id);
  if (!upload) return NoSuchUpload(upload_id);
  if (part_number < 1 || part_number > kMaxParts) return Error{Errc::kInvalidArgument, "part numbers are 1 to 10,000"};
  if (body.size_bytes() > kMaxSinglePutBytes) return Error{Errc::kTooLarge, "a part over 5 GiB"};
  ASSIGN_OR_RETURN(const IncomingBody incoming, StoreBody(core_, ctx, body));
  const Status committed = core_.Commit(incoming.weight(), [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const pb::Upload record, UploadIn(view, key, *upload));
    view.Advance();
    incoming.AddTo(view);
    pb::Part part;
    part.set_body(incoming.id);
    part.set_size(incoming.size);
    part.set_etag(incoming.etag);
    return StorePart(view, *upload, key, part_number, part);
  });
  if (!committed.ok()) {
    if (!committed.Is(Errc::kAmbiguous)) DiscardBody(core_, incoming);
    return committed.error();
  }
  return UploadedPart{part_number, incoming.etag, incoming.size};
}

// A range of a body as ranges of bodies that are not composite.
Result<std::vector<pb::Segment>> EmbeddedBucket::SegmentsOf(const CommitView& view, BodyId body, uint64_t offset,
                                                            uint64_t length) const {
  std::vector<pb::Segment> segments;
  const auto add = [&segments](BodyId leaf, uint64_t at, uint64_t bytes) {
    pb::Segment segment;
    segment.set_body(leaf);
    segment.set_offset(at);
    segment.set_length(bytes);
    segments.push_back(std::move(segment));
  };
  if (length == 0) return segments;
  ASSIGN_OR_RETURN(const pb::Body record, BodyIn(view, body));
  if (record.kind() != pb::Body::COMPOSITE) {
    add(body, offset, length);
    return segments;
  }
  uint64_t begin = 0;
  for (const pb::Segment& segment : record.segments()) {
    const uint64_t from = std::max(begin, offset);
    const uint64_t to = std::min(begin + segment.length(), offset + length);
    if (from < to) add(segment.body(), segment.offset() + (from - begin), to - from);
    begin += segment.length();
  }
  return segments;
}

Result<UploadedPart> EmbeddedBucket::UploadPartCopy(const OpContext& ctx, std::string_view key,
                                                    std::string_view upload_id, int part_number,
                                                    const PartCopySource& source) {
  RETURN_IF_ERROR(ctx.Check());
  const auto upload = UploadOf(upload_id);
  if (!upload) return NoSuchUpload(upload_id);
  if (part_number < 1 || part_number > kMaxParts) return Error{Errc::kInvalidArgument, "part numbers are 1 to 10,000"};
  UploadedPart uploaded;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const BucketState state, StateIn(view));
    ASSIGN_OR_RETURN(const pb::Version version, SourceIn(view, state, source.key, source.version_id, source.if_match));
    if (source.range.offset > version.size() || source.range.length > version.size() - source.range.offset) {
      return Error{Errc::kRange, StrCat("a range behind the end of ", source.key)};
    }
    ASSIGN_OR_RETURN(const pb::Upload record, UploadIn(view, key, *upload));
    view.Advance();
    const BodyId id = core_.NewBody();
    ASSIGN_OR_RETURN(const auto segments, SegmentsOf(view, version.body(), source.range.offset, source.range.length));
    pb::Body body;
    body.set_kind(pb::Body::COMPOSITE);
    body.set_length(source.range.length);
    for (const pb::Segment& segment : segments) {
      // The referrer so far is the source version, or the composite body that it has.
      const std::string owner = segment.body() == version.body()
                                    ? VersionReferenceRow(version.body(), id_, source.key, version.seq())
                                    : BodyReferenceRow(segment.body(), version.body());
      RETURN_IF_ERROR(ShareBody(view, segment.body(), owner, BodyReferenceRow(segment.body(), id)));
      *body.add_segments() = segment;
    }
    view.Put(BodyRow(id), body);
    pb::Part part;
    part.set_body(id);
    part.set_size(source.range.length);
    // Not the MD5 of the bytes, which are not read: opaque, and the same for the same range of the same version.
    part.set_etag(Hex(Md5Of(StrCat(version.etag(), ':', source.range.offset, ':', source.range.length))));
    RETURN_IF_ERROR(StorePart(view, *upload, key, part_number, part));
    uploaded = {part_number, part.etag(), part.size()};
    return {};
  }));
  return uploaded;
}

Result<PutResult> EmbeddedBucket::CompleteIn(CommitView& view, std::string_view key, uint64_t upload,
                                             std::span<const UploadedPart> parts, const Conditions& conditions) const {
  ASSIGN_OR_RETURN(const BucketState state, StateIn(view));
  ASSIGN_OR_RETURN(const pb::Upload record, UploadIn(view, key, upload));
  if (parts.empty()) return Error{Errc::kInvalidArgument, "an upload without parts"};
  view.Advance();
  const BodyId id = core_.NewBody();
  pb::Body body;
  body.set_kind(pb::Body::COMPOSITE);
  std::string digests;
  int last = 0;
  for (const UploadedPart& named : parts) {
    if (named.part_number <= last) return Error{Errc::kInvalidArgument, "the parts are not in ascending order"};
    last = named.part_number;
    ASSIGN_OR_RETURN(const auto payload, view.Get(PartRow(upload, static_cast<uint32_t>(named.part_number))));
    if (!payload) return Error{Errc::kInvalidArgument, StrCat("part ", named.part_number, " was not uploaded")};
    ASSIGN_OR_RETURN(const pb::Part part, ParsePart(*payload));
    if (part.etag() != named.etag)
      return Error{Errc::kInvalidArgument, StrCat("part ", named.part_number, " has another ETag")};
    if (&named != &parts.back() && part.size() < core_.options.min_part_bytes) {
      return Error{Errc::kInvalidArgument, StrCat("part ", named.part_number, " is smaller than the least part size")};
    }
    digests.append(DigestBytes(part.etag()));
    body.set_length(body.length() + part.size());
    view.Delete(PartRow(upload, static_cast<uint32_t>(named.part_number)));
    if (part.body() == 0) continue;
    ASSIGN_OR_RETURN(const auto segments, SegmentsOf(view, part.body(), 0, part.size()));
    for (const pb::Segment& segment : segments) {
      *body.add_segments() = segment;
      if (segment.body() == part.body()) continue;  // the composite takes the part's place as its only referrer
      RETURN_IF_ERROR(ShareBody(view, segment.body(), BodyReferenceRow(segment.body(), part.body()),
                                BodyReferenceRow(segment.body(), id)));
    }
    if (segments.empty() || segments.front().body() != part.body()) RETURN_IF_ERROR(DropPart(view, part));
  }
  // Parts that were uploaded and not named.
  std::vector<std::pair<std::string, std::string>> unused;
  RETURN_IF_ERROR(view.Scan(PartsOfRow(upload), [&unused](std::string_view row, std::string_view payload) {
    unused.emplace_back(std::string(row), std::string(payload));
    return true;
  }));
  for (const auto& [row, payload] : unused) {
    ASSIGN_OR_RETURN(const pb::Part part, ParsePart(payload));
    RETURN_IF_ERROR(DropPart(view, part));
    view.Delete(row);
  }
  view.Delete(UploadRow(id_, key, upload));
  if (body.length() > kMaxObjectBytes) return Error{Errc::kTooLarge, "the object would be too large"};
  pb::Version version;
  version.set_size(body.length());
  version.set_etag(StrCat(Hex(Md5Of(digests)), '-', parts.size()));
  if (body.segments_size() > 0) {
    version.set_body(id);
    view.Put(BodyRow(id), body);
  }
  *version.mutable_headers() = record.headers();
  *version.mutable_metadata() = record.metadata();
  VersionRows rows(view, state, key);
  RETURN_IF_ERROR(rows.CheckConditions(conditions));
  RETURN_IF_ERROR(rows.Put(&version));
  return ResultOf(state, key, version);
}

Result<PutResult> EmbeddedBucket::CompleteMultipartUpload(const OpContext& ctx, std::string_view key,
                                                          std::string_view upload_id,
                                                          std::span<const UploadedPart> parts,
                                                          const Conditions& conditions) {
  RETURN_IF_ERROR(ctx.Check());
  const auto upload = UploadOf(upload_id);
  if (!upload) return NoSuchUpload(upload_id);
  PutResult result;
  RETURN_IF_ERROR(core_.Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(result, CompleteIn(view, key, *upload, parts, conditions));
    return {};
  }));
  return result;
}

Status EmbeddedBucket::AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) {
  RETURN_IF_ERROR(ctx.Check());
  const auto upload = UploadOf(upload_id);
  if (!upload) return NoSuchUpload(upload_id);
  return core_.Commit(0, [&](CommitView& view) -> Status {
    ASSIGN_OR_RETURN(const pb::Upload record, UploadIn(view, key, *upload));
    view.Advance();
    std::vector<std::pair<std::string, std::string>> parts;
    RETURN_IF_ERROR(view.Scan(PartsOfRow(*upload), [&parts](std::string_view row, std::string_view payload) {
      parts.emplace_back(std::string(row), std::string(payload));
      return true;
    }));
    for (const auto& [row, payload] : parts) {
      ASSIGN_OR_RETURN(const pb::Part part, ParsePart(payload));
      RETURN_IF_ERROR(DropPart(view, part));
      view.Delete(row);
    }
    view.Delete(UploadRow(id_, key, *upload));
    return {};
  });
}

Result<std::vector<MultipartUpload>> EmbeddedBucket::ListMultipartUploads(const OpContext& ctx,
                                                                          std::string_view prefix) {
  RETURN_IF_ERROR(ctx.Check());
  std::vector<MultipartUpload> uploads;
  const std::string table = UploadPrefix(id_) + std::string(prefix);
  KvIterator it = core_.index->NewIterator();
  for (it.Seek(table); it.Valid() && it.key().starts_with(table); it.Next()) {
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(it.key(), it.value()));
    pb::Upload record;
    if (!record.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
      return Error{Errc::kCorrupt, "an upload row of the store's index is damaged"};
    }
    uploads.push_back({record.key(), UploadId(GetBig64(it.key().substr(it.key().size() - 8))),
                       static_cast<int64_t>(record.initiated_us())});
  }
  RETURN_IF_ERROR(it.status());
  return uploads;
}

Result<std::vector<UploadedPart>> EmbeddedBucket::ListParts(const OpContext& ctx, std::string_view key,
                                                            std::string_view upload_id) {
  RETURN_IF_ERROR(ctx.Check());
  const auto upload = UploadOf(upload_id);
  if (!upload) return NoSuchUpload(upload_id);
  const CommitView view(*core_.index);
  ASSIGN_OR_RETURN(const pb::Upload record, UploadIn(view, key, *upload));
  std::vector<UploadedPart> parts;
  Status parsed;
  RETURN_IF_ERROR(view.Scan(PartsOfRow(*upload), [&](std::string_view row, std::string_view payload) {
    const auto part = ParsePart(payload);
    if (!part.ok()) {
      parsed = part.error();
      return false;
    }
    parts.push_back({static_cast<int>(GetBig32(row.substr(row.size() - 4))), part->etag(), part->size()});
    return true;
  }));
  RETURN_IF_ERROR(parsed);
  return parts;
}

}  // namespace pailfs::store
