#include "cache/inode_record.h"

#include <google/protobuf/message_lite.h>

#include "base/hash.h"
#include "base/kv_store.h"
#include "base/str.h"
#include "cache/key_names.h"
#include "cache/records.pb.h"

namespace pailfs::cache {
namespace {

constexpr char kEnvelopeFormat = 1;
constexpr size_t kEnvelopeBytes = 5;

std::string Seal(std::string_view row_key, const google::protobuf::MessageLite& message) {
  const std::string payload = message.SerializeAsString();
  std::string value(1, kEnvelopeFormat);
  PutBig32(value, Crc32c(payload, Crc32c(row_key)));
  value.append(payload);
  return value;
}

Status Unseal(std::string_view row_key, std::string_view value, google::protobuf::MessageLite* message) {
  if (value.size() < kEnvelopeBytes || value[0] != kEnvelopeFormat) {
    return Error{Errc::kCorrupt,
                 StrCat("a row of the cache database has an unknown format (", row_key.substr(0, 1), ")")};
  }
  const std::string_view payload = value.substr(kEnvelopeBytes);
  if (GetBig32(value.substr(1)) != Crc32c(payload, Crc32c(row_key)) ||
      !message->ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Error{Errc::kCorrupt, StrCat("a row of the cache database is damaged (", row_key.substr(0, 1), ")")};
  }
  return {};
}

void ToProto(const Origin& origin, pb::Origin* out) {
  out->set_key(origin.key);
  out->set_etag(origin.etag);
  out->set_version_id(origin.version_id);
  out->set_size(origin.size);
  out->set_limit(origin.limit);
  out->set_last_modified_us(origin.last_modified_us);
  out->set_superseded(origin.superseded);
}

Origin FromProto(const pb::Origin& in) {
  return {in.key(), in.etag(), in.version_id(), in.size(), in.limit(), in.last_modified_us(), in.superseded()};
}

void ToProto(const ContentHeaders& headers, pb::Headers* out) {
  out->set_type(headers.type);
  out->set_encoding(headers.encoding);
  out->set_disposition(headers.disposition);
  out->set_language(headers.language);
  out->set_cache_control(headers.cache_control);
  out->set_expires(headers.expires);
}

ContentHeaders FromProto(const pb::Headers& in) {
  return {in.type(), in.encoding(), in.disposition(), in.language(), in.cache_control(), in.expires()};
}

void ToProto(const PastPlace& in, pb::PastPlace* out) {
  out->set_kind(static_cast<uint32_t>(in.kind));
  out->set_root(in.root);
  out->set_prefix(in.prefix);
  out->set_time_us(in.time_us);
  out->set_named(in.named);
  out->set_listed_us(in.listed_us);
  out->set_alive(in.alive);
}

PastPlace FromProto(const pb::PastPlace& in) {
  return {static_cast<PastPlace::Kind>(in.kind()),
          in.root(),
          in.prefix(),
          in.time_us(),
          in.named(),
          in.alive(),
          in.listed_us()};
}

}  // namespace

void InodeRecord::DropPrivilegeBits() {
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<uint32_t>(S_ISGID);
  mode &= ~static_cast<uint32_t>(S_ISUID);
}

std::string InodeRecord::Segment() const {
  return segment.empty() ? KeySegmentOfName(name) : segment;
}

void InodeRecord::SetName(std::string_view new_name) {
  name = std::string(new_name);
  segment.clear();
}

Attributes InodeRecord::ToAttributes() const {
  Attributes attributes;
  attributes.ino = ino;
  attributes.mode = mode;
  attributes.nlink = parent == 0 ? 0 : IsDirectory() ? 2 + subdirectories : 1;
  attributes.uid = uid;
  attributes.gid = gid;
  attributes.rdev = rdev;
  attributes.size_bytes = IsDirectory() ? 4096 : size;
  attributes.allocated_bytes = IsRegular() ? (size + 511) / 512 * 512 : 0;
  attributes.atime_ns = atime_ns;
  attributes.mtime_ns = mtime_ns;
  attributes.ctime_ns = ctime_ns;
  return attributes;
}

std::string Serialize(std::string_view row_key, const InodeRecord& record) {
  pb::Inode message;
  message.set_parent(record.parent);
  message.set_name(record.name);
  message.set_mode(record.mode);
  message.set_uid(record.uid);
  message.set_gid(record.gid);
  message.set_rdev(record.rdev);
  message.set_size(record.size);
  message.set_atime_ns(record.atime_ns);
  message.set_mtime_ns(record.mtime_ns);
  message.set_ctime_ns(record.ctime_ns);
  message.set_subdirectories(record.subdirectories);
  if (record.origin) ToProto(*record.origin, message.mutable_origin());
  for (const auto& [name, value] : record.xattrs) {
    pb::Pair* pair = message.add_xattrs();
    pair->set_name(name);
    pair->set_value(value);
  }
  message.set_symlink_target(record.symlink_target);
  if (record.headers != ContentHeaders{}) ToProto(record.headers, message.mutable_headers());
  for (const auto& [name, value] : record.foreign_metadata) {
    pb::Pair* pair = message.add_foreign_metadata();
    pair->set_name(name);
    pair->set_value(value);
  }
  message.set_content_dirty(record.content_dirty);
  message.set_attributes_dirty(record.attributes_dirty);
  message.set_attributes_unknown(record.attributes_unknown);
  message.set_complete(record.complete);
  message.set_content_generation(record.content_generation);
  message.set_synced_generation(record.synced_generation);
  message.set_operation(record.operation);
  message.set_operation_key(record.operation_key);
  message.set_segment(record.segment);
  message.set_holds(record.holds);
  message.set_held(record.held);
  message.set_changed_operation(record.changed_operation);
  if (record.past) ToProto(*record.past, message.mutable_past());
  return Seal(row_key, message);
}

Result<InodeRecord> ParseInode(std::string_view row_key, Ino ino, std::string_view value) {
  pb::Inode message;
  RETURN_IF_ERROR(Unseal(row_key, value, &message));
  InodeRecord record;
  record.ino = ino;
  record.parent = message.parent();
  record.name = message.name();
  record.mode = message.mode();
  record.uid = message.uid();
  record.gid = message.gid();
  record.rdev = message.rdev();
  record.size = message.size();
  record.atime_ns = message.atime_ns();
  record.mtime_ns = message.mtime_ns();
  record.ctime_ns = message.ctime_ns();
  record.subdirectories = message.subdirectories();
  if (message.has_origin()) record.origin = FromProto(message.origin());
  for (const pb::Pair& pair : message.xattrs()) record.xattrs[pair.name()] = pair.value();
  record.symlink_target = message.symlink_target();
  if (message.has_headers()) record.headers = FromProto(message.headers());
  for (const pb::Pair& pair : message.foreign_metadata()) {
    record.foreign_metadata.emplace_back(pair.name(), pair.value());
  }
  record.content_dirty = message.content_dirty();
  record.attributes_dirty = message.attributes_dirty();
  record.attributes_unknown = message.attributes_unknown();
  record.complete = message.complete();
  record.content_generation = message.content_generation();
  record.synced_generation = message.synced_generation();
  record.operation = message.operation();
  record.operation_key = message.operation_key();
  record.segment = message.segment();
  record.holds = message.holds();
  record.held = message.held();
  record.changed_operation = message.changed_operation();
  if (message.has_past()) record.past = FromProto(message.past());
  return record;
}

std::string Serialize(std::string_view row_key, const Tombstone& tombstone) {
  pb::Tombstone message;
  message.set_etag(tombstone.etag);
  message.set_version_id(tombstone.version_id);
  message.set_created_ns(tombstone.created_ns);
  message.set_successor(tombstone.successor);
  return Seal(row_key, message);
}

Result<Tombstone> ParseTombstone(std::string_view row_key, std::string_view value) {
  pb::Tombstone message;
  RETURN_IF_ERROR(Unseal(row_key, value, &message));
  return Tombstone{message.etag(), message.version_id(), message.created_ns(), message.successor()};
}

}  // namespace pailfs::cache
