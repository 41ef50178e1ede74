#include "store/bodies.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kChunkBytes = 1 << 20;
// MD5 takes nine times as long as copying, so larger bodies get a multipart-style ETag from their block sums.
constexpr uint64_t kMd5Bytes = 8 << 20;
constexpr uint64_t kEtagPartBytes = 64 << 20;

bool AllZero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes.front() == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

void AppendSum(std::string& sums, uint32_t sum) {
  for (int shift = 0; shift < 32; shift += 8) sums.push_back(static_cast<char>(sum >> shift));
}

uint32_t SumAt(std::string_view sums, size_t index) {
  uint32_t sum = 0;
  for (size_t i = 0; i < 4; ++i) sum |= static_cast<uint32_t>(static_cast<uint8_t>(sums[4 * index + i])) << (8 * i);
  return sum;
}

Status StoreInMemory(BodySource& source, IncomingBody& body) {
  body.packed = true;
  body.bytes.resize(body.size);
  RETURN_IF_ERROR(source.ReadAt(0, std::as_writable_bytes(std::span(body.bytes))));
  for (uint64_t at = 0; at < body.size; at += kSumBlockBytes) {
    body.block_sums.push_back(Crc32c(std::string_view(body.bytes).substr(at, kSumBlockBytes)));
  }
  body.etag = Hex(Md5Of(body.bytes));
  return {};
}

// Blocks of zeros are left as holes.
Status WriteData(File& file, uint64_t offset, std::span<const std::byte> chunk) {
  const auto is_hole = [&chunk](uint64_t at) {
    return AllZero(chunk.subspan(at, std::min(kSumBlockBytes, chunk.size() - at)));
  };
  for (uint64_t from = 0; from < chunk.size();) {
    uint64_t to = from;
    while (to < chunk.size() && !is_hole(to)) to += kSumBlockBytes;
    to = std::min<uint64_t>(to, chunk.size());
    if (to > from) RETURN_IF_ERROR(file.WriteAt(offset + from, chunk.subspan(from, to - from)));
    for (from = to; from < chunk.size() && is_hole(from);) from += kSumBlockBytes;
  }
  return {};
}

Status CopyIntoFile(const OpContext& ctx, BodySource& source, File& file, IncomingBody& body) {
  Md5 md5;
  const bool with_md5 = body.size <= kMd5Bytes;
  static const std::string zeros(kSumBlockBytes, '\0');
  static const uint32_t zero_sum = Crc32c(zeros);
  std::vector<std::byte> buffer(kChunkBytes);
  RETURN_IF_ERROR(file.Truncate(body.size));
  for (uint64_t at = 0; at < body.size;) {
    RETURN_IF_ERROR(ctx.Check());
    // Whole blocks before the next data need no reading.
    const uint64_t data = std::min(source.NextData(at), body.size) / kSumBlockBytes * kSumBlockBytes;
    for (; at < data; at += kSumBlockBytes) {
      AppendSum(body.sums, zero_sum);
      if (with_md5) md5.Update(AsBytes(zeros));
    }
    if (at >= body.size) break;
    const auto chunk = std::span(buffer).first(std::min(kChunkBytes, body.size - at));
    RETURN_IF_ERROR(source.ReadAt(at, chunk));
    if (with_md5) md5.Update(chunk);
    for (uint64_t block = 0; block < chunk.size(); block += kSumBlockBytes) {
      AppendSum(body.sums, Crc32c(chunk.subspan(block, std::min(kSumBlockBytes, chunk.size() - block))));
    }
    RETURN_IF_ERROR(WriteData(file, at, chunk));
    at += chunk.size();
  }
  body.etag =
      with_md5 ? Hex(md5.Finish())
               : StrCat(Hex(Md5Of(StrCat(body.sums, body.id))), '-', (body.size + kEtagPartBytes - 1) / kEtagPartBytes);
  return {};
}

Status StoreInFile(StoreCore& core, const OpContext& ctx, BodySource& source, IncomingBody& body) {
  const std::string path = BodyPath(core.directory, body.id);
  RETURN_IF_ERROR(core.CheckSpace());
  RETURN_IF_ERROR(core.EnsureBodyDirectory(body.id));
  auto opened = core.files.Open(path, OpenMode::kCreateNew);
  if (!opened.ok()) return std::move(opened).error();
  Status stored = CopyIntoFile(ctx, source, **opened, body);
  if (stored.ok()) stored = (*opened)->Sync();
  if (stored.ok()) stored = core.files.SyncDirectory(path.substr(0, path.rfind('/')));
  if (!stored.ok()) DiscardBody(core, body);
  return stored;
}

// Verified reads of one packed needle or body file.
class BlockReader {
 public:
  BlockReader(const pb::Body& record, std::shared_ptr<File> file, uint64_t base, std::string name)
      : record_(record), file_(std::move(file)), base_(base), name_(std::move(name)) {}

  // Sums of blocks [first, last] of a file, from the log.
  Status LoadSums(File& volume, uint64_t first, uint64_t last) {
    first_sum_ = first;
    sums_.resize((last - first + 1) * 4);
    ASSIGN_OR_RETURN(const size_t got,
                     volume.ReadAt(record_.offset() + first * 4, std::as_writable_bytes(std::span(sums_))));
    if (got != sums_.size()) return Error{Errc::kCorrupt, StrCat(name_, ": its checksums are missing")};
    return {};
  }

  Status Send(const OpContext& ctx, uint64_t offset, uint64_t length, BodySink& sink) {
    std::vector<std::byte> buffer(std::min(kChunkBytes, (length / kSumBlockBytes + 2) * kSumBlockBytes));
    const uint64_t end = offset + length;
    for (uint64_t at = offset / kSumBlockBytes * kSumBlockBytes; at < end;) {
      RETURN_IF_ERROR(ctx.Check());
      const uint64_t stop = std::min(
          {at + buffer.size(), record_.length(), (end + kSumBlockBytes - 1) / kSumBlockBytes * kSumBlockBytes});
      const auto chunk = std::span(buffer).first(stop - at);
      ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(base_ + at, chunk));
      if (got != chunk.size()) return Damaged(at + got);
      for (uint64_t block = 0; block < chunk.size(); block += kSumBlockBytes) {
        if (Crc32c(chunk.subspan(block, std::min(kSumBlockBytes, chunk.size() - block))) != SumOf(at + block)) {
          return Damaged(at + block);
        }
      }
      const uint64_t from = std::max(at, offset);
      RETURN_IF_ERROR(sink.Write(chunk.subspan(from - at, std::min(stop, end) - from)));
      at = stop;
    }
    return {};
  }

 private:
  uint32_t SumOf(uint64_t offset) const {
    const uint64_t block = offset / kSumBlockBytes;
    if (record_.kind() == pb::Body::FILE) return SumAt(sums_, block - first_sum_);
    return block < static_cast<uint64_t>(record_.sums_size()) ? record_.sums(static_cast<int>(block)) : 0;
  }
  Error Damaged(uint64_t offset) const {
    return {Errc::kCorrupt, StrCat(name_, " is damaged at offset ", offset, "; run 'pailfs store check --level data'")};
  }

  const pb::Body& record_;
  const std::shared_ptr<File> file_;
  const uint64_t base_;
  const std::string name_;
  std::string sums_;
  uint64_t first_sum_ = 0;
};

}  // namespace

void IncomingBody::AddTo(CommitView& view) const {
  if (id == 0) return;
  pb::Body record;
  record.set_length(size);
  record.set_volume(kPlaceLater);
  record.set_offset(kPlaceLater);
  if (packed) {
    record.set_kind(pb::Body::PACKED);
    for (const uint32_t sum : block_sums) record.add_sums(sum);
    view.AddNeedle({id, NeedleKind::kBody, bytes});
  } else {
    record.set_kind(pb::Body::FILE);
    view.AddNeedle({id, NeedleKind::kSums, sums});
  }
  view.Put(BodyRow(id), record);
}

Result<IncomingBody> StoreBody(StoreCore& core, const OpContext& ctx, BodySource& source) {
  RETURN_IF_ERROR(ctx.Check());
  IncomingBody body;
  body.size = source.size_bytes();
  if (body.size == 0) {
    body.packed = true;
    body.etag = Hex(Md5Of(""));
    return body;
  }
  body.lease = std::make_unique<BodyLease>(core);
  body.id = body.lease->id();
  if (body.size <= core.options.packed_bytes) {
    RETURN_IF_ERROR(StoreInMemory(source, body));
  } else {
    RETURN_IF_ERROR(StoreInFile(core, ctx, source, body));
  }
  return body;
}

void DiscardBody(StoreCore& core, const IncomingBody& body) {
  if (body.id == 0 || body.packed) return;
  const std::string path = BodyPath(core.directory, body.id);
  Status removed = core.files.Unlink(path);
  // Durably, since no later opening looks for this one again.
  if (removed.ok()) removed = core.files.SyncDirectory(path.substr(0, path.rfind('/')));
  if (!removed.ok() && !removed.Is(Errc::kNotFound)) LogWarning("store: ", removed.error().message);
}

Result<pb::Body> FindBody(const StoreCore& core, BodyId body) {
  const std::string row = BodyRow(body);
  ASSIGN_OR_RETURN(const auto value, core.index->Get(row));
  if (!value) return Error{Errc::kNotFound, "the object's bytes were deleted"};
  ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *value));
  pb::Body record;
  if (!record.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()))) {
    return Error{Errc::kCorrupt, "a body row of the store's index is damaged; run 'pailfs store check'"};
  }
  return record;
}

Status ReadBody(StoreCore& core, const OpContext& ctx, BodyId body, uint64_t offset, uint64_t length, BodySink& sink) {
  if (length == 0) return {};
  ASSIGN_OR_RETURN(const pb::Body record, FindBody(core, body));
  if (record.kind() == pb::Body::COMPOSITE) {
    uint64_t begin = 0;
    const uint64_t end = offset + length;
    for (const pb::Segment& segment : record.segments()) {
      const uint64_t stop = begin + segment.length();
      const uint64_t from = std::max(begin, offset);
      const uint64_t to = std::min(stop, end);
      if (from < to) {
        RETURN_IF_ERROR(ReadBody(core, ctx, segment.body(), segment.offset() + (from - begin), to - from, sink));
      }
      begin = stop;
    }
    return {};
  }
  if (offset > record.length() || length > record.length() - offset) {
    return Error{Errc::kCorrupt, "the object is longer than its bytes; run 'pailfs store check'"};
  }
  ASSIGN_OR_RETURN(const auto volume, core.Volume(record.volume()));
  if (record.kind() == pb::Body::PACKED) {
    BlockReader reader(record, volume, record.offset(), VolumePath(core.directory, record.volume()));
    return reader.Send(ctx, offset, length, sink);
  }
  const std::string path = BodyPath(core.directory, body);
  ASSIGN_OR_RETURN(std::shared_ptr<File> file, core.files.Open(path, OpenMode::kRead));
  BlockReader reader(record, std::move(file), 0, path);
  RETURN_IF_ERROR(reader.LoadSums(*volume, offset / kSumBlockBytes, (offset + length - 1) / kSumBlockBytes));
  return reader.Send(ctx, offset, length, sink);
}

}  // namespace pailfs::store
