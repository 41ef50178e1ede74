// FaultyStore: an ObjectStore that hurts on purpose. Calls fail, hang, or are done without their answer arriving.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/object_store.h"
#include "base/random.h"

namespace pailfs {

enum class StoreCall : uint8_t {
  kHead,
  kGet,
  kPut,
  kCopy,
  kDelete,
  kDeleteBatch,
  kList,
  kListVersions,
  kCreateUpload,
  kUploadPart,
  kUploadPartCopy,
  kComplete,
  kAbort,
  kListUploads,
  kListParts,
  kRename,
  kRenamePrefix,
  kSpace,
};
inline constexpr size_t kStoreCalls = 18;

enum class StoreFault : uint8_t {
  kFail,         // nothing is done, the error says so
  kLoseRequest,  // nothing is done; kAmbiguous, or kUnavailable for a call that changes nothing
  kLoseAnswer,   // it is done; kAmbiguous, or kUnavailable for a call that changes nothing
  kCutShort,     // a Get ends with kUnavailable after half of its bytes; other calls as kLoseAnswer
};

// Thread-safe. `base` must outlive it.
class FaultyStore : public ObjectStore {
 public:
  explicit FaultyStore(ObjectStore& base) : base_(base) {}

  // The `nth` call of this kind from now on (1: the next) meets the fault; `error` is that of kFail. Several may be
  // pending.
  void Inject(StoreCall call, StoreFault fault, int nth = 1, Errc error = Errc::kUnavailable);
  // Every call meets a random fault once in `one_in` calls; 0 ends it. Same seed and same order of calls: same faults.
  void InjectRandomly(uint64_t seed, uint64_t one_in);
  // While down every call is kUnavailable at once, as without a network.
  void SetDown(bool down);
  // Once the next call of this kind is done, before its caller learns of it, its thread runs `action`. One may be
  // pending.
  void Meanwhile(StoreCall call, std::function<void()> action);
  // Calls of this kind wait before they are done, until Release or until their OpContext gives up.
  void Hold(StoreCall call);
  void Release(StoreCall call);
  // Waits until at least `n` calls of this kind are held.
  void WaitUntilHeld(StoreCall call, int n);
  // Drops what Inject and Meanwhile left, ends InjectRandomly, Hold and SetDown.
  void Heal();

  // Calls that arrived, faulty ones included.
  int64_t calls(StoreCall call) const;
  int64_t faults() const;

  Capabilities capabilities() const override { return base_.capabilities(); }
  std::string Identity() const override { return base_.Identity(); }
  std::optional<uint64_t> ChangeNumber() const override { return base_.ChangeNumber(); }
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
  struct Planned {
    StoreFault fault;
    Errc error;
  };
  struct Kind {
    int64_t calls = 0;
    std::map<int64_t, Planned> planned;  // by number of the call
    std::function<void()> meanwhile;
    bool held = false;
    int waiting = 0;
  };

  // Counts the call, waits while its kind is held, and says which fault it meets.
  Result<std::optional<Planned>> Arrive(const OpContext& ctx, StoreCall call);
  void ActMeanwhile(StoreCall call);
  template <typename T, typename Operation>
  Result<T> Run(const OpContext& ctx, StoreCall call, Operation operation);
  Kind& kind(StoreCall call) REQUIRES(mu_) { return kinds_[static_cast<size_t>(call)]; }

  ObjectStore& base_;

  mutable Mutex mu_;
  CondVar changed_;
  std::array<Kind, kStoreCalls> kinds_ GUARDED_BY(mu_);
  SeededRandom random_ GUARDED_BY(mu_){0};
  uint64_t one_in_ GUARDED_BY(mu_) = 0;
  bool down_ GUARDED_BY(mu_) = false;
  int64_t faults_ GUARDED_BY(mu_) = 0;
};

}  // namespace pailfs
