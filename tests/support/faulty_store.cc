#include "tests/support/faulty_store.h"

#include <algorithm>
#include <chrono>

namespace pailfs {
namespace {

bool Changes(StoreCall call) {
  switch (call) {
    case StoreCall::kHead:
    case StoreCall::kGet:
    case StoreCall::kList:
    case StoreCall::kListVersions:
    case StoreCall::kListUploads:
    case StoreCall::kListParts:
    case StoreCall::kSpace:
      return false;
    default:
      return true;
  }
}

Error Lost(StoreCall call) {
  if (Changes(call)) return {Errc::kAmbiguous, "injected: no answer"};
  return {Errc::kUnavailable, "injected: no answer"};
}

// Lets half of the bytes through.
class HalfSink : public BodySink {
 public:
  HalfSink(BodySink& sink, uint64_t bytes) : sink_(sink), left_(bytes) {}
  Status Write(std::span<const std::byte> data) override {
    const auto passed = data.first(std::min<uint64_t>(data.size(), left_));
    left_ -= passed.size();
    if (!passed.empty()) RETURN_IF_ERROR(sink_.Write(passed));
    if (passed.size() < data.size()) return Error{Errc::kUnavailable, "injected: connection lost"};
    return {};
  }

 private:
  BodySink& sink_;
  uint64_t left_;
};

}  // namespace

void FaultyStore::Inject(StoreCall call, StoreFault fault, int nth, Errc error) {
  MutexLock lock(mu_);
  kind(call).planned[kind(call).calls + nth] = {fault, error};
}

void FaultyStore::InjectRandomly(uint64_t seed, uint64_t one_in) {
  MutexLock lock(mu_);
  random_.Restart(seed);
  one_in_ = one_in;
}

void FaultyStore::SetDown(bool down) {
  MutexLock lock(mu_);
  down_ = down;
}

void FaultyStore::Meanwhile(StoreCall call, std::function<void()> action) {
  MutexLock lock(mu_);
  kind(call).meanwhile = std::move(action);
}

void FaultyStore::ActMeanwhile(StoreCall call) {
  std::function<void()> action;
  {
    MutexLock lock(mu_);
    action.swap(kind(call).meanwhile);
  }
  if (action) action();
}

void FaultyStore::Hold(StoreCall call) {
  MutexLock lock(mu_);
  kind(call).held = true;
}

void FaultyStore::Release(StoreCall call) {
  MutexLock lock(mu_);
  kind(call).held = false;
  changed_.NotifyAll();
}

void FaultyStore::WaitUntilHeld(StoreCall call, int n) {
  MutexLock lock(mu_);
  while (kind(call).waiting < n) changed_.Wait(mu_);
}

void FaultyStore::Heal() {
  MutexLock lock(mu_);
  for (Kind& each : kinds_) {
    each.planned.clear();
    each.meanwhile = nullptr;
    each.held = false;
  }
  one_in_ = 0;
  down_ = false;
  changed_.NotifyAll();
}

int64_t FaultyStore::calls(StoreCall call) const {
  MutexLock lock(mu_);
  return kinds_[static_cast<size_t>(call)].calls;
}

int64_t FaultyStore::faults() const {
  MutexLock lock(mu_);
  return faults_;
}

Result<std::optional<FaultyStore::Planned>> FaultyStore::Arrive(const OpContext& ctx, StoreCall call) {
  MutexLock lock(mu_);
  Kind& mine = kind(call);
  const int64_t number = ++mine.calls;
  ++mine.waiting;
  changed_.NotifyAll();
  Status may_go_on = ctx.Check();
  // A stop token or a deadline does not wake us: look at them now and then.
  while (mine.held && may_go_on.ok()) {
    changed_.WaitFor(mu_, std::chrono::milliseconds(5));
    may_go_on = ctx.Check();
  }
  --mine.waiting;
  if (!may_go_on.ok()) return std::move(may_go_on).error();
  std::optional<Planned> planned;
  if (const auto it = mine.planned.find(number); it != mine.planned.end()) {
    planned = it->second;
    mine.planned.erase(it);
  } else if (down_) {
    planned = {StoreFault::kFail, Errc::kUnavailable};
  } else if (one_in_ != 0 && random_.OneIn(one_in_)) {
    planned = {static_cast<StoreFault>(random_.Below(4)), Errc::kUnavailable};
  }
  if (planned) ++faults_;
  return planned;
}

template <typename T, typename Operation>
Result<T> FaultyStore::Run(const OpContext& ctx, StoreCall call, Operation operation) {
  ASSIGN_OR_RETURN(const auto planned, Arrive(ctx, call));
  if (!planned) {
    auto done = operation();
    ActMeanwhile(call);
    return done;
  }
  if (planned->fault == StoreFault::kFail) return Error{planned->error, "injected"};
  if (planned->fault == StoreFault::kLoseRequest) return Lost(call);
  [[maybe_unused]] const auto lost = operation();
  ActMeanwhile(call);
  return Lost(call);
}

Result<ObjectInfo> FaultyStore::Get(const OpContext& ctx, std::string_view key, const GetOptions& options,
                                    BodySink& sink) {
  ASSIGN_OR_RETURN(const auto planned, Arrive(ctx, StoreCall::kGet));
  if (!planned) {
    auto got = base_.Get(ctx, key, options, sink);
    ActMeanwhile(StoreCall::kGet);
    return got;
  }
  if (planned->fault == StoreFault::kFail) return Error{planned->error, "injected"};
  if (planned->fault != StoreFault::kCutShort) return Lost(StoreCall::kGet);
  const auto info = base_.Head(ctx, key, options.version);
  if (!info.ok()) return info;
  HalfSink half(sink, (options.range ? std::min(options.range->length, info->size_bytes) : info->size_bytes) / 2);
  const auto got = base_.Get(ctx, key, options, half);
  if (!got.ok()) return got;
  return Lost(StoreCall::kGet);
}

Result<ObjectInfo> FaultyStore::Head(const OpContext& ctx, std::string_view key, const VersionSelector& version) {
  return Run<ObjectInfo>(ctx, StoreCall::kHead, [&] { return base_.Head(ctx, key, version); });
}
Result<PutResult> FaultyStore::Put(const OpContext& ctx, std::string_view key, BodySource& body,
                                   const PutOptions& options) {
  return Run<PutResult>(ctx, StoreCall::kPut, [&] { return base_.Put(ctx, key, body, options); });
}
Result<PutResult> FaultyStore::Copy(const OpContext& ctx, std::string_view source_key, std::string_view key,
                                    const CopyOptions& options) {
  return Run<PutResult>(ctx, StoreCall::kCopy, [&] { return base_.Copy(ctx, source_key, key, options); });
}
Result<DeleteResult> FaultyStore::Delete(const OpContext& ctx, const DeleteItem& item) {
  return Run<DeleteResult>(ctx, StoreCall::kDelete, [&] { return base_.Delete(ctx, item); });
}
Result<std::vector<Result<DeleteResult>>> FaultyStore::DeleteBatch(const OpContext& ctx,
                                                                   std::span<const DeleteItem> items) {
  return Run<std::vector<Result<DeleteResult>>>(ctx, StoreCall::kDeleteBatch,
                                                [&] { return base_.DeleteBatch(ctx, items); });
}
Result<ListPage> FaultyStore::List(const OpContext& ctx, const ListRequest& request) {
  return Run<ListPage>(ctx, StoreCall::kList, [&] { return base_.List(ctx, request); });
}
Result<ListVersionsPage> FaultyStore::ListVersions(const OpContext& ctx, const ListVersionsRequest& request) {
  return Run<ListVersionsPage>(ctx, StoreCall::kListVersions, [&] { return base_.ListVersions(ctx, request); });
}
Result<std::string> FaultyStore::CreateMultipartUpload(const OpContext& ctx, std::string_view key,
                                                       const PutOptions& options) {
  return Run<std::string>(ctx, StoreCall::kCreateUpload,
                          [&] { return base_.CreateMultipartUpload(ctx, key, options); });
}
Result<UploadedPart> FaultyStore::UploadPart(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                             int part_number, BodySource& body) {
  return Run<UploadedPart>(ctx, StoreCall::kUploadPart,
                           [&] { return base_.UploadPart(ctx, key, upload_id, part_number, body); });
}
Result<UploadedPart> FaultyStore::UploadPartCopy(const OpContext& ctx, std::string_view key, std::string_view upload_id,
                                                 int part_number, const PartCopySource& source) {
  return Run<UploadedPart>(ctx, StoreCall::kUploadPartCopy,
                           [&] { return base_.UploadPartCopy(ctx, key, upload_id, part_number, source); });
}
Result<PutResult> FaultyStore::CompleteMultipartUpload(const OpContext& ctx, std::string_view key,
                                                       std::string_view upload_id, std::span<const UploadedPart> parts,
                                                       const Conditions& conditions) {
  return Run<PutResult>(ctx, StoreCall::kComplete,
                        [&] { return base_.CompleteMultipartUpload(ctx, key, upload_id, parts, conditions); });
}
Status FaultyStore::AbortMultipartUpload(const OpContext& ctx, std::string_view key, std::string_view upload_id) {
  return Run<void>(ctx, StoreCall::kAbort, [&] { return base_.AbortMultipartUpload(ctx, key, upload_id); });
}
Result<std::vector<MultipartUpload>> FaultyStore::ListMultipartUploads(const OpContext& ctx, std::string_view prefix) {
  return Run<std::vector<MultipartUpload>>(ctx, StoreCall::kListUploads,
                                           [&] { return base_.ListMultipartUploads(ctx, prefix); });
}
Result<std::vector<UploadedPart>> FaultyStore::ListParts(const OpContext& ctx, std::string_view key,
                                                         std::string_view upload_id) {
  return Run<std::vector<UploadedPart>>(ctx, StoreCall::kListParts,
                                        [&] { return base_.ListParts(ctx, key, upload_id); });
}
Result<PutResult> FaultyStore::Rename(const OpContext& ctx, std::string_view from, std::string_view to,
                                      const Conditions& conditions) {
  return Run<PutResult>(ctx, StoreCall::kRename, [&] { return base_.Rename(ctx, from, to, conditions); });
}
Result<uint64_t> FaultyStore::RenamePrefix(const OpContext& ctx, std::string_view from, std::string_view to) {
  return Run<uint64_t>(ctx, StoreCall::kRenamePrefix, [&] { return base_.RenamePrefix(ctx, from, to); });
}
Result<StoreSpace> FaultyStore::Space(const OpContext& ctx) {
  return Run<StoreSpace>(ctx, StoreCall::kSpace, [&] { return base_.Space(ctx); });
}

}  // namespace pailfs
