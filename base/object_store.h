// ObjectStore: one bucket of versioned objects, as S3 defines it. The central interface of pailfs.
//
// Implementations: store/embedded_store.h, s3client/s3_store.h, tests/support/memory_store.h (the reference).
// Decorators wrap one concern each (base/metered_store.h, tests/support/faulty_store.h). One conformance suite runs
// over all: tests/conformance.
//
// Blocking; thread-safe unless said otherwise. Every call takes an OpContext and gives up with kCancelled or kTimedOut
// when it says so. Every mutation is atomic and durable when it returns. Keys are 1 to 1,024 bytes, any bytes but NUL.
// Errors common to all: kUnavailable, kAmbiguous (a mutation may or may not have happened), kCorrupt (stored bytes fail
// their checksum; never returned as data), kNoSpace, kIo, kAccessDenied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/op_context.h"
#include "base/result.h"

namespace pailfs {

inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr uint64_t kMaxSinglePutBytes = 5ULL << 30;  // S3: 5 GiB in one PUT
inline constexpr uint64_t kMinPartBytes = 5ULL << 20;       // S3: 5 MiB, but for the last part
inline constexpr uint64_t kMaxObjectBytes = 50'000ULL << 30;
inline constexpr int kMaxParts = 10'000;
inline constexpr int kMaxListKeys = 1'000;
inline constexpr size_t kMaxBatchDelete = 1'000;

// User metadata: names without "x-amz-meta-", lower case on the wire, in the order given (or, over HTTP, the server's).
using UserMetadata = std::vector<std::pair<std::string, std::string>>;

// The value of `name`, or nullptr.
const std::string* FindMetadata(const UserMetadata& metadata, std::string_view name);
// Sets or adds `name`.
void SetMetadata(UserMetadata& metadata, std::string_view name, std::string value);

// The headers that S3 stores with an object and returns as they came. Empty: not set.
struct ContentHeaders {
  std::string type;  // Content-Type; S3 reports binary/octet-stream when it is not set
  std::string encoding;
  std::string disposition;
  std::string language;
  std::string cache_control;
  std::string expires;
  bool operator==(const ContentHeaders&) const = default;
};

// One version of an object, or a delete marker.
struct ObjectInfo {
  std::string key;
  uint64_t size_bytes = 0;
  std::string etag;              // without quotes; empty for a delete marker
  std::string version_id;        // empty where the bucket never had versioning; "null" for a null version
  int64_t last_modified_us = 0;  // the server's time, since 1970 UTC
  bool is_latest = true;         // in listings of versions; elsewhere true where the store does not say
  bool is_delete_marker = false;
  std::string storage_class;  // "STANDARD" when empty
  bool has_metadata = true;   // false: a listing that does not carry `headers` and `metadata`; ask Head
  ContentHeaders headers;
  UserMetadata metadata;
};

// Which version a read means: the current one, a version id, or the one that was current at a time.
struct VersionSelector {
  std::string version_id;           // empty: current
  std::optional<int64_t> as_of_us;  // kUnsupported where capabilities().as_of is false
};

// If-Match / If-None-Match. ETags without quotes.
struct Conditions {
  std::optional<std::string> if_match;  // the current version must exist with this ETag
  bool if_none_match_any = false;       // "If-None-Match: *": there must be no current version
  static Conditions None() { return {}; }
  static Conditions IfMatch(std::string etag) { return {.if_match = std::move(etag)}; }
  static Conditions IfAbsent() { return {.if_match = {}, .if_none_match_any = true}; }
};

struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

// Bytes to be stored. Read several times where a call is retried. ReadAt may be called from another thread than the
// call's, never from two at once.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual uint64_t size_bytes() const = 0;
  // Fills all of `buffer` from `offset`; offset + buffer.size() <= size_bytes(). kCancelled where the source changed.
  virtual Status ReadAt(uint64_t offset, std::span<std::byte> buffer) = 0;
  // The first offset >= `offset` that may hold something other than zeros (size_bytes() if none does).
  virtual uint64_t NextData(uint64_t offset) { return offset; }
};

// Bytes that somebody else keeps alive.
class StringBody : public BodySource {
 public:
  explicit StringBody(std::string_view data) : data_(data) {}
  uint64_t size_bytes() const override { return data_.size(); }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override;

 private:
  std::string_view data_;
};

// Receives the bytes of a Get in order.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // An error ends the Get, which returns it.
  virtual Status Write(std::span<const std::byte> data) = 0;
};

struct GetOptions {
  VersionSelector version;
  std::optional<ByteRange> range;       // clipped to the object; kRange when it starts past the end (offset 0 of an
                                        // empty object is fine)
  std::optional<std::string> if_match;  // kPreconditionFailed when the version found has another ETag
};

struct PutOptions {
  ContentHeaders headers;
  UserMetadata metadata;
  Conditions conditions;
};

// What a Put, Complete or Copy made.
struct PutResult {
  std::string etag;
  std::string version_id;
  // S3 says it for copies only; else about then, the whole second of the answer. 0: not known at all.
  int64_t last_modified_us = 0;
};

enum class MetadataDirective : uint8_t { kCopy, kReplace };

struct CopyOptions {
  std::string source_version_id;               // empty: current
  std::optional<std::string> source_if_match;  // kPreconditionFailed
  MetadataDirective directive = MetadataDirective::kCopy;
  ContentHeaders headers;  // with kReplace
  UserMetadata metadata;   // with kReplace
  Conditions conditions;   // on the destination
};

struct DeleteItem {
  std::string key;
  std::string version_id;               // empty: the current one (a delete marker where versioning is on)
  std::optional<std::string> if_match;  // the current version's ETag (or the named version's)
};

// Deleting what is absent succeeds, as in S3.
struct DeleteResult {
  bool existed = false;  // true where the store cannot tell: S3 does not say
  bool made_delete_marker = false;
  std::string version_id;  // of the marker made, or of the version deleted
};

struct ListRequest {
  std::string prefix;
  std::string delimiter;            // empty or one character
  std::string start_after;          // only keys (and common prefixes) greater than this
  std::string continuation_token;   // from the page before; opaque
  int max_keys = kMaxListKeys;      // objects and common prefixes together
  bool with_metadata = false;       // where capabilities().list_metadata
  std::optional<int64_t> as_of_us;  // where capabilities().as_of
};

struct ListPage {
  std::vector<ObjectInfo> objects;           // in key order
  std::vector<std::string> common_prefixes;  // in order, with the delimiter at the end
  std::string next_token;                    // empty: this was the last page
};

struct ListVersionsRequest {
  std::string prefix;
  std::string delimiter;
  std::string key_marker;  // start after this key, or with version_id_marker after that version of it
  std::string version_id_marker;
  int max_keys = kMaxListKeys;
};

struct ListVersionsPage {
  std::vector<ObjectInfo> versions;  // key order, newest first within a key; delete markers included
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_version_id_marker;
};

struct UploadedPart {
  int part_number = 0;  // 1 to 10,000
  std::string etag;
  uint64_t size_bytes = 0;
};

struct MultipartUpload {
  std::string key;
  std::string upload_id;
  int64_t initiated_us = 0;
};

struct PartCopySource {
  std::string key;
  std::string version_id;
  std::optional<std::string> if_match;
  ByteRange range;
};

enum class VersioningState : uint8_t { kOff, kEnabled, kSuspended };

// What this bucket can do beyond the basics.
struct Capabilities {
  VersioningState versioning = VersioningState::kOff;
  // Conditions are checked in the moment of the change, by whoever makes it. Else a request that is carried out late
  // may override what came after its conditions were looked at.
  bool atomic_conditions = false;
  bool list_metadata = false;  // List fills headers and metadata
  bool as_of = false;
  bool rename = false;                      // Rename and RenamePrefix
  bool sole_owner = false;                  // nobody else can change the bucket while we hold it
  uint64_t max_user_metadata_bytes = 2048;  // names and values together
  uint64_t max_put_bytes = kMaxSinglePutBytes;
};

struct StoreSpace {
  uint64_t total_bytes = 0;  // 0: unknown
  uint64_t free_bytes = 0;
  uint64_t object_count = 0;
  uint64_t object_bytes = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Capabilities capabilities() const = 0;
  // Names the bucket for good, so that what is remembered of one is never taken for another. Empty: not known.
  virtual std::string Identity() const { return ""; }
  // Grows with every change of the bucket, whoever makes it; nullopt where the store cannot tell.
  virtual std::optional<uint64_t> ChangeNumber() const { return std::nullopt; }

  // kNotFound: no such key or version, or a delete marker.
  virtual Result<ObjectInfo> Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) = 0;
  // Sends the bytes of one version to `sink`, verified; returns what Head would. kNotFound, kPreconditionFailed,
  // kRange.
  virtual Result<ObjectInfo> Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                                 BodySink& sink) = 0;
  // kPreconditionFailed; kTooLarge over capabilities().max_put_bytes; kNameTooLong.
  virtual Result<PutResult> Put(const OpContext& ctx, std::string_view key, BodySource& body,
                                const PutOptions& options) = 0;
  // Server-side. Onto itself with kReplace changes metadata (and makes a new version). kNotFound: no source.
  virtual Result<PutResult> Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                 const CopyOptions& options) = 0;
  virtual Result<DeleteResult> Delete(const OpContext& ctx, const DeleteItem& item) = 0;
  // At most kMaxBatchDelete items; one answer for each, in order.
  virtual Result<std::vector<Result<DeleteResult>>> DeleteBatch(const OpContext& ctx,
                                                                std::span<const DeleteItem> items) = 0;

  // S3's ListObjectsV2.
  virtual Result<ListPage> List(const OpContext& ctx, const ListRequest& request) = 0;
  virtual Result<ListVersionsPage> ListVersions(const OpContext& ctx, const ListVersionsRequest& request) = 0;

  // Multipart. kNotFound: no such upload. Complete: parts ascending; kInvalidArgument for a wrong ETag, order, or a
  // part but the last under kMinPartBytes.
  virtual Result<std::string> CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                                    const PutOptions& options) = 0;
  virtual Result<UploadedPart> UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                          int part_number, BodySource& body) = 0;
  virtual Result<UploadedPart> UploadPartCopy(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                              int part_number, const PartCopySource& source) = 0;
  virtual Result<PutResult> CompleteMultipartUpload(const OpContext& ctx, std::string_view key,
                                                    std::string_view upload_id, std::span<const UploadedPart> parts,
                                                    const Conditions& conditions) = 0;
  virtual Status AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) = 0;
  virtual Result<std::vector<MultipartUpload>> ListMultipartUploads(const OpContext& ctx, std::string_view prefix) = 0;
  virtual Result<std::vector<UploadedPart>> ListParts(const OpContext& ctx, std::string_view key,
                                                      std::string_view upload_id) = 0;

  // Atomic; where capabilities().rename. The new key must satisfy `conditions`; the old one leaves as by Delete.
  virtual Result<PutResult> Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                                   const Conditions& conditions) = 0;
  // All keys under `from` (at most 10,000: kTooLarge) get the prefix `to`, at once; none may exist there
  // (kPreconditionFailed). How many there were.
  virtual Result<uint64_t> RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) = 0;

  virtual Result<StoreSpace> Space(const OpContext& ctx) = 0;
};

}  // namespace pailfs
