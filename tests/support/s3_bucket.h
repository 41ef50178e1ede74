// S3Bucket: the operations on one bucket of the S3 imposter, over any ObjectStore.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/object_store.h"
#include "base/s3wire/xml_answers.h"
#include "tests/support/s3_call.h"
#include "tests/support/s3_quirks.h"

namespace pailfs {

// Thread-safe. `store` and `quirks` must outlive it.
class S3Bucket {
 public:
  using SetVersioning = std::function<void(VersioningState)>;

  // Without `set_versioning` PutBucketVersioning is not implemented. All parts of an upload but the last must have
  // `min_part_bytes`, whatever the store asks for.
  S3Bucket(std::string name, ObjectStore& store, SetVersioning set_versioning, const S3Quirks& quirks,
           uint64_t min_part_bytes);

  // The call is signed, whole, of this bucket and of an operation that is not about other buckets.
  S3Answer Handle(S3Call& call);

 private:
  // What S3 keeps of a version that an ObjectStore does not: checksums, storage class, encryption. As answer headers.
  using Extras = s3wire::Headers;
  struct Upload {
    Extras extras;
    std::string checksum_algorithm;  // lower case; empty: none
    bool full_object_checksum = false;
    std::map<int, std::string> part_checksums;  // raw bytes
  };
  struct CopySource {
    std::string key;
    std::string version_id;
    std::optional<std::string> if_match;
  };

  // --- s3_bucket_objects.cc ---
  S3Answer Read(S3Call& call);  // Head and Get
  S3Answer Put(S3Call& call);
  S3Answer Copy(S3Call& call);
  S3Answer Delete(S3Call& call);
  std::optional<S3Answer> CheckRead(S3Call& call, const ObjectInfo& info);
  S3Answer RefuseRead(const S3Call& call, const Error& error);
  S3Answer Describe(const S3Call& call, const ObjectInfo& info);

  // --- s3_bucket_list.cc ---
  S3Answer List(S3Call& call);
  S3Answer ListVersions(S3Call& call);
  S3Answer ListUploads(S3Call& call);
  S3Answer DeleteBatch(S3Call& call);
  S3Answer ChangeVersioning(S3Call& call);

  // --- s3_bucket_multipart.cc ---
  S3Answer CreateUpload(S3Call& call);
  S3Answer UploadPart(S3Call& call);
  S3Answer UploadPartCopy(S3Call& call);
  S3Answer Complete(S3Call& call);
  S3Answer Abort(S3Call& call);
  S3Answer ListParts(S3Call& call);
  std::optional<S3Answer> CheckParts(S3Call& call, std::span<const s3wire::CompletedPart> wanted,
                                     std::vector<UploadedPart>& parts);
  std::optional<S3Answer> CheckPartChecksum(S3Call& call);
  // The checksum headers of the object that the parts make; a refusal where those of the request are not right.
  std::optional<S3Answer> CheckCompleteChecksums(S3Call& call, std::span<const s3wire::CompletedPart> wanted,
                                                 std::span<const UploadedPart> parts, Extras& extras);
  void RememberPart(const std::string& upload_id, int part_number, std::string_view bytes);
  Upload UploadOf(const std::string& upload_id);

  // --- s3_bucket.cc ---
  std::optional<S3Answer> ReadPutOptions(S3Call& call, PutOptions& options);
  // The conditions of a write; those that this server ignores are left out.
  std::optional<S3Answer> ReadConditions(S3Call& call, bool ignored, Conditions& conditions);
  std::optional<S3Answer> ReadCopySource(S3Call& call, CopySource& source);
  S3Answer RefuseWrite(const S3Call& call, const Conditions& conditions, const Error& error);
  // The version, delete markers included; nullopt: none. An empty id means the latest.
  std::optional<ObjectInfo> FindVersion(const std::string& key, const std::string& version_id);
  std::optional<S3Answer> ReadExtras(S3Call& call, Extras& extras) const;
  void RememberExtras(std::string_view key, int64_t last_modified_us, Extras extras);
  Extras ExtrasOf(std::string_view key, int64_t last_modified_us);
  std::optional<S3Answer> CheckCustomerKey(const S3Call& call, const Extras& extras, std::string_view prefix) const;
  // As the quirks want it in a document.
  int64_t ShownTime(int64_t time_us) const;
  bool has(S3Quirk quirk) const { return quirks_.Has(quirk); }

  const std::string name_;
  ObjectStore& store_;
  const SetVersioning set_versioning_;
  const S3Quirks& quirks_;
  const uint64_t min_part_bytes_;
  const OpContext ctx_;

  Mutex mu_;
  std::map<std::string, Extras> extras_ GUARDED_BY(mu_);   // by key and time
  std::map<std::string, Upload> uploads_ GUARDED_BY(mu_);  // by upload id
};

// For the three files above.

// The value of a header or parameter that is a number; `other` where it is not there.
std::optional<int> S3Number(const std::string* text, int other);
// Adds `ETag` and, where there is one, `x-amz-version-id`.
void AddPutHeaders(const PutResult& result, S3Answer& answer);
const std::string* FindHeader(const s3wire::Headers& headers, std::string_view name);
// "bytes=a-b", "bytes=a-", "bytes=-n" of `size_bytes`, clipped. kInvalidArgument: not such a range; kRange: nothing
// of it is there.
Result<ByteRange> ReadRange(std::string_view text, uint64_t size_bytes);
// An ETag in its quotes; nullopt where there are none.
std::optional<std::string> Unquoted(std::string_view etag);

}  // namespace pailfs
