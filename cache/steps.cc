// Executing write-back steps: what is sent.

#include <algorithm>

#include "base/log.h"
#include "base/str.h"
#include "cache/metadata_codec.h"
#include "cache/write_back.h"

namespace pailfs::cache {
namespace {

// Up to this size the bytes are read into memory first, so that writers need not wait for the upload.
constexpr uint64_t kSmallContentBytes = 4 << 20;
constexpr std::string_view kDirectoryType = "application/x-directory";

// A range of another body.
class SliceBody : public BodySource {
 public:
  SliceBody(BodySource& whole, uint64_t offset, uint64_t length) : whole_(whole), offset_(offset), length_(length) {}
  uint64_t size_bytes() const override { return length_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    return whole_.ReadAt(offset_ + offset, buffer);
  }
  uint64_t NextData(uint64_t offset) override {
    return std::min(std::max(whole_.NextData(offset_ + offset), offset_) - offset_, length_);
  }

 private:
  BodySource& whole_;
  const uint64_t offset_;
  const uint64_t length_;
};

class UploadHold {
 public:
  explicit UploadHold(ContentGate& gate) : gate_(gate) {}
  ~UploadHold() { gate_.ReleaseUpload(); }
  UploadHold(const UploadHold&) = delete;
  UploadHold& operator=(const UploadHold&) = delete;

 private:
  ContentGate& gate_;
};

}  // namespace

UserMetadata WriteBack::MetadataFor(const Step& step) const {
  const InodeRecord& record = step.record;
  UserMetadata metadata = record.foreign_metadata;
  if (step.kind == Kind::kPutContent) DropContentMetadata(metadata);
  if (core_.options.posix_metadata) {
    PosixMetadata posix;
    posix.mode = record.mode;
    posix.uid = record.uid;
    posix.gid = record.gid;
    posix.mtime_ns = record.mtime_ns;
    posix.ctime_ns = record.ctime_ns;
    posix.atime_ns = record.atime_ns;
    if (S_ISCHR(record.mode) || S_ISBLK(record.mode)) posix.rdev = record.rdev;
    posix.xattrs = record.xattrs;
    EncodeMetadata(posix, metadata);
  }
  SetMetadata(metadata, kOperationMetadata, core_.OperationToken(record.ino, step.operation));
  return metadata;
}

// --- executing ---

bool WriteBack::CopiesMetadata(const Step& step) {
  if (step.kind == Kind::kEvacuate) return true;
  // A copy of what was uploaded in parts has another ETag: only our token tells whose it is.
  return step.kind == Kind::kCopy && step.record.attributes_unknown && !step.record.attributes_dirty &&
         step.record.origin && step.record.origin->etag.find('-') == std::string::npos;
}

Status WriteBack::LoadMetadata(const OpContext& ctx, Step* step) {
  if (!step->record.attributes_unknown || CopiesMetadata(*step)) return {};
  RETURN_IF_ERROR(loader_.LoadDetails(ctx, step->inode));
  Refresh(step);
  return {};
}

Status WriteBack::ExecuteStep(const OpContext& ctx, Step step) {
  if (step.ask) return Finish(ctx, step, Ask(ctx, step));
  if (auto loaded = LoadMetadata(ctx, &step); !loaded.ok()) return Finish(ctx, step, std::move(loaded).error());
  if (step.kind != Kind::kPutContent) return Finish(ctx, step, Send(ctx, step));
  if (step.record.size > kSmallContentBytes) return ExecuteLargeContent(ctx, std::move(step));
  auto outcome = SendSmallContent(ctx, &step);
  return Finish(ctx, step, std::move(outcome));
}

void WriteBack::Refresh(Step* step) {
  MutexLock lock(core_.mu);
  const uint64_t operation = step->operation;
  step->record = step->inode->record;
  step->record.operation = operation;
  step->content_generation = step->record.content_generation;
  step->attribute_generation = step->inode->attribute_generation;
  step->inode->sent_content_generation = step->content_generation;
  step->inode->sent_attribute_generation = step->attribute_generation;
}

Result<WriteBack::Outcome> WriteBack::SendSmallContent(const OpContext& ctx, Step* step) {
  std::string bytes;
  {
    RETURN_IF_ERROR(step->inode->gate.AcquireShared(ctx));
    const SharedHold hold(step->inode->gate);
    Refresh(step);
    // It may have grown before we had the gate; still small enough for memory, or it is taken up again as a large one.
    if (step->record.size > 2 * kSmallContentBytes) return Error{Errc::kCancelled, "the file grew"};
    bytes.resize(step->record.size);
    RETURN_IF_ERROR(data_.ReadThrough(ctx, step->inode, step->record, 0,
                                      {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()}));
  }
  PutOptions options{step->record.headers, MetadataFor(*step), step->conditions};
  StringBody body(bytes);
  auto put = core_.store.Put(ctx, step->key, body, options);
  if (!put.ok()) return std::move(put).error();
  return Outcome{std::move(*put), bytes.size()};
}

Status WriteBack::ExecuteLargeContent(const OpContext& ctx, Step step) {
  std::stop_source give_way;
  const std::stop_callback stop_with_us(ctx.stop, [&give_way] { give_way.request_stop(); });
  // An upload that writers have interrupted too often makes them wait instead.
  const Status held = step.insist ? step.inode->gate.AcquireForUpload(ctx, std::stop_source(std::nostopstate))
                                  : step.inode->gate.AcquireForUpload(ctx, give_way);
  if (!held.ok()) return Finish(ctx, step, Error{held.error()});
  const UploadHold hold(step.inode->gate);
  Refresh(&step);
  OpContext upload_ctx = ctx;
  upload_ctx.stop = give_way.get_token();
  const PutOptions options{step.record.headers, MetadataFor(step), step.conditions};
  auto outcome = SendLargeContent(upload_ctx, step, options);
  return Finish(ctx, step, std::move(outcome));
}

Result<WriteBack::Outcome> WriteBack::SendLargeContent(const OpContext& ctx, const Step& step,
                                                       const PutOptions& options) {
  const uint64_t size = step.record.size;
  ASSIGN_OR_RETURN(auto body, data_.BodyOf(ctx, step.inode, step.record));
  const std::vector<PlannedPart> plan = PlanUpload(size, step.record.limit(), data_.DirtyRuns(step.inode, step.record));
  const bool reuses =
      std::any_of(plan.begin(), plan.end(), [](const PlannedPart& part) { return part.kind == PartKind::kCopy; });
  if (reuses || size > core_.capabilities.max_put_bytes) return SendParts(ctx, step, options, *body, plan);
  ASSIGN_OR_RETURN(PutResult put, core_.store.Put(ctx, step.key, *body, options));
  return Outcome{std::move(put), size};
}

Result<WriteBack::Outcome> WriteBack::SendParts(const OpContext& ctx, const Step& step, const PutOptions& options,
                                                BodySource& body, const std::vector<PlannedPart>& plan) {
  ASSIGN_OR_RETURN(const std::string upload, core_.store.CreateMultipartUpload(ctx, step.key, options));
  std::vector<UploadedPart> parts;
  Status failed;
  for (const PlannedPart& part : plan) {
    Result<UploadedPart> sent = Error{Errc::kInternal, "not sent"};
    if (part.kind == PartKind::kCopy) {
      const Origin& origin = *step.record.origin;
      sent = core_.store.UploadPartCopy(ctx, step.key, upload, part.part_number,
                                        {origin.key, origin.VersionToRead(), origin.etag, {part.offset, part.length}});
    } else {
      SliceBody slice(body, part.offset, part.length);
      sent = core_.store.UploadPart(ctx, step.key, upload, part.part_number, slice);
    }
    if (!sent.ok()) {
      failed = std::move(sent).error().With(StrCat("part ", part.part_number));
      break;
    }
    parts.push_back(std::move(*sent));
  }
  if (failed.ok()) {
    auto put = core_.store.CompleteMultipartUpload(ctx, step.key, upload, parts, options.conditions);
    if (put.ok()) return Outcome{std::move(*put), body.size_bytes()};
    failed = std::move(put).error();
    if (failed.Is(Errc::kAmbiguous)) return std::move(failed).error();
  }
  const Status aborted = core_.store.AbortMultipartUpload(OpContext{}, step.key, upload);
  if (!aborted.ok()) LogDebug("aborting the upload of ", step.key, ": ", aborted.error().message);
  return std::move(failed).error();
}

Result<WriteBack::Outcome> WriteBack::Send(const OpContext& ctx, const Step& step) {
  PutOptions options{step.record.headers, MetadataFor(step), step.conditions};
  if (step.kind == Kind::kPutObject) return SendObject(ctx, step, options);
  return SendCopy(ctx, step, options);
}

Result<WriteBack::Outcome> WriteBack::SendObject(const OpContext& ctx, const Step& step, const PutOptions& options) {
  PutOptions with_type = options;
  if (step.record.IsDirectory() && with_type.headers.type.empty()) with_type.headers.type = kDirectoryType;
  StringBody body(step.record.IsSymlink() ? std::string_view(step.record.symlink_target) : std::string_view());
  ASSIGN_OR_RETURN(PutResult put, core_.store.Put(ctx, step.key, body, with_type));
  return Outcome{std::move(put), body.size_bytes()};
}

Result<WriteBack::Outcome> WriteBack::SendCopy(const OpContext& ctx, const Step& step, const PutOptions& options) {
  const Origin& origin = *step.record.origin;
  CopyOptions copy;
  copy.source_version_id = origin.VersionToRead();
  copy.source_if_match = origin.etag;
  copy.directive = CopiesMetadata(step) ? MetadataDirective::kCopy : MetadataDirective::kReplace;
  copy.headers = options.headers;
  copy.metadata = options.metadata;
  copy.conditions = options.conditions;
  ASSIGN_OR_RETURN(PutResult put, core_.store.Copy(ctx, origin.key, step.key, copy));
  return Outcome{std::move(put), origin.size};
}

}  // namespace pailfs::cache
