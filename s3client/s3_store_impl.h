// S3Store's inside. The members' definitions are in s3_store_*.cc, by subject.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "s3client/bodies.h"
#include "s3client/caller.h"
#include "s3client/key_gate.h"
#include "s3client/object_headers.h"
#include "s3client/s3_store.h"

namespace pailfs::s3client {

// Bodies over this go up in parts, several at once.
inline constexpr uint64_t kMostSinglePutBytes = 32 << 20;
inline constexpr size_t kPartsAtOnce = 4;

class S3StoreImpl final : public S3Store {
 public:
  S3StoreImpl(std::shared_ptr<S3Caller> caller, const S3Options& options, const ServerTraits& traits)
      : options_(options), traits_(traits), caller_(std::move(caller)) {}

  const ServerTraits& traits() const override { return traits_; }
  Capabilities capabilities() const override;
  std::string Identity() const override;
  Result<ObjectInfo> Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) override;
  Result<ObjectInfo> Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                         BodySink& sink) override;
  Result<PutResult> Put(const OpContext& ctx, std::string_view key, BodySource& body,
                        const PutOptions& options) override;
  Result<PutResult> Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                         const CopyOptions& options) override;
  Result<DeleteResult> Delete(const OpContext& ctx, const DeleteItem& item) override;
  Result<std::vector<Result<DeleteResult>>> DeleteBatch(const OpContext& ctx,
                                                        std::span<const DeleteItem> items) override;
  Result<ListPage> List(const OpContext& ctx, const ListRequest& request) override;
  Result<ListVersionsPage> ListVersions(const OpContext& ctx, const ListVersionsRequest& request) override;
  Result<std::string> CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                            const PutOptions& options) override;
  Result<UploadedPart> UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                  int part_number, BodySource& body) override;
  Result<UploadedPart> UploadPartCopy(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                      int part_number, const PartCopySource& source) override;
  Result<PutResult> CompleteMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                            std::span<const UploadedPart> parts, const Conditions& conditions) override;
  Status AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) override;
  Result<std::vector<MultipartUpload>> ListMultipartUploads(const OpContext& ctx, std::string_view prefix) override;
  Result<std::vector<UploadedPart>> ListParts(const OpContext& ctx, std::string_view key,
                                              std::string_view upload_id) override;
  Result<PutResult> Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                           const Conditions& conditions) override;
  Result<uint64_t> RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) override;
  Result<StoreSpace> Space(const OpContext& ctx) override;

 private:
  using Mutation = std::function<Result<PutResult>()>;
  enum class Asked : uint8_t { kByServer, kByUs };

  // --- requests ---
  S3Request NewRequest(std::string_view method, std::string_view key, Carries carries) const;
  // Headers and hash for a body that is to be sent; the MD5 where it was computed.
  Result<BodyDigests> PrepareBody(const OpContext& ctx, S3Request& request, BodySource& body) const;
  // Small XML bodies: digests of Content-MD5 always.
  Status PrepareXml(const OpContext& ctx, S3Request& request, BodySource& body) const;
  bool EtagsAreMd5() const { return traits_.etag_is_md5 || caller_->endpoint().is_aws; }
  Status MayWrite() const;
  // The version id as the contract has it.
  std::string VersionIdOf(std::string id) const;
  PutResult PutResultOf(const HttpAnswer& answer) const;

  // --- conditions (s3_store_conditions.cc) ---
  void AppendConditions(s3wire::Headers& headers, const Conditions& conditions) const;
  // Whether the server checks all of them, as far as `supported` goes.
  Asked WhoAsks(const Conditions& conditions, bool supported) const;
  // Runs `mutate` with the conditions checked before and after, where the server does not do so itself.
  Result<PutResult> Guarded(const OpContext& ctx, std::string_view key, const Conditions& conditions, Asked asked,
                            const Mutation& mutate);
  Status CheckBefore(const OpContext& ctx, std::string_view key, const Conditions& conditions);
  Result<PutResult> CheckAfter(const OpContext& ctx, std::string_view key, const Conditions& conditions,
                               PutResult result);
  // What was current before the version `version_id` of the key came: nullopt for nothing. kNotFound: no such version.
  Result<std::optional<ObjectInfo>> Predecessor(const OpContext& ctx, std::string_view key,
                                                std::string_view version_id);
  // Removes what we made ourselves. Until that is certain, nobody gets to see the key.
  Status TakeBack(const OpContext& ctx, std::string_view key, std::string_view version_id);
  // kUnavailable: versions of the key that were to be taken back may still be there.
  Status FinishTakingBack(const OpContext& ctx, std::string_view key);

  // --- put and multipart ---
  Result<PutResult> PutWhole(const OpContext& ctx, std::string_view key, BodySource& body, const PutOptions& options,
                             Asked asked);
  Result<PutResult> PutInParts(const OpContext& ctx, std::string_view key, BodySource& body, const PutOptions& options);
  // Creates an upload, fills `count` parts in parallel by `send`, completes it; aborts it where that fails.
  using SendPart = std::function<Result<UploadedPart>(const OpContext&, const std::string& upload_id, size_t index)>;
  Result<PutResult> UploadInParts(const OpContext& ctx, std::string_view key, const PutOptions& options, size_t count,
                                  const SendPart& send);
  Result<PutResult> SendComplete(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                 std::span<const UploadedPart> parts, const Conditions& conditions, Asked asked);
  Result<std::vector<MultipartUpload>> ListUploads(const OpContext& ctx, std::string_view prefix,
                                                   const std::string& encoding);
  Result<PutResult> LearnEtag(const OpContext& ctx, std::string_view key, std::span<const UploadedPart> parts,
                              PutResult result);

  // --- copy ---
  Result<PutResult> CopyWhole(const OpContext& ctx, std::string_view source_key, std::string_view key,
                              const CopyOptions& options, Asked asked);
  Result<PutResult> CopyInParts(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                const ObjectInfo& source, const CopyOptions& options);
  void AppendCopySource(S3Request& request, std::string_view key, std::string_view version_id,
                        const std::optional<std::string>& if_match) const;
  // Where the server ignores conditions on sources: asks for the source, and names its version if it has one.
  struct Source {
    std::string version_id;
    std::optional<std::string> header_if_match;  // to be sent
    bool look_again = false;                     // what was copied is not certain
  };
  Result<Source> FindSource(const OpContext& ctx, std::string_view key, const std::string& version_id,
                            const std::optional<std::string>& if_match);
  Status CheckSourceAfter(const OpContext& ctx, std::string_view key, const std::string& etag,
                          const std::string& copied_etag);

  // --- delete ---
  Result<DeleteResult> DeleteOne(const OpContext& ctx, const DeleteItem& item);
  Result<DeleteResult> SendDelete(const OpContext& ctx, const DeleteItem& item, bool with_condition);
  // Under conditions that the server does not check; `chosen` in key order, no key twice (s3_store_delete_batch.cc).
  Status DeleteManyIf(const OpContext& ctx, std::span<const DeleteItem> items, const std::vector<size_t>& chosen,
                      std::vector<Result<DeleteResult>>& results);
  // key -> ETag from the first to the last of the chosen keys, or up to `*known_to`: beyond it are too many others.
  Result<std::map<std::string, std::string>> CurrentEtags(const OpContext& ctx, std::span<const DeleteItem> items,
                                                          const std::vector<size_t>& chosen, std::string* known_to);
  Status CheckMarkers(const OpContext& ctx, std::span<const DeleteItem> items, const std::vector<size_t>& deleted,
                      std::vector<Result<DeleteResult>>& results);
  Status DeleteTogether(const OpContext& ctx, std::span<const DeleteItem> items, const std::vector<size_t>& chosen,
                        std::vector<Result<DeleteResult>>& results);

  const S3Options options_;
  const ServerTraits traits_;
  const std::shared_ptr<S3Caller> caller_;
  KeyGate gate_;

  Mutex taking_back_mu_;
  std::set<std::pair<std::string, std::string>> taking_back_ GUARDED_BY(taking_back_mu_);  // key, version
};

Status CheckKey(std::string_view key);
Status CheckMetadata(const UserMetadata& metadata);

// Times are whole seconds, as Last-Modified has them: an object that was listed and one that was asked for have the
// same. Only listings of versions tell them as the server does.
int64_t WholeSeconds(int64_t time_us);

}  // namespace pailfs::s3client
