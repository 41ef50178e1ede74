// The data level of a check: every byte of every body, against its checksums.

#include <algorithm>

#include "base/hash.h"
#include "base/str.h"
#include "store/check_session.h"

namespace pailfs::store {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;

class BytesCheck {
 public:
  explicit BytesCheck(CheckSession& session) : session_(session) {}

  Status Run() {
    std::vector<std::pair<BodyId, pb::Body>> bodies;
    RETURN_IF_ERROR(session_.ForEach<pb::Body>("B", [this, &bodies](std::string_view row, const pb::Body& body) {
      const bool stored = body.kind() == pb::Body::PACKED || body.kind() == pb::Body::FILE;
      if (!stored || row.size() != 9 || session_.garbage.contains(GetBig64(row.substr(1)))) return;
      bodies.emplace_back(GetBig64(row.substr(1)), body);
    }));
    // In the order of the disk.
    std::sort(bodies.begin(), bodies.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second.volume(), a.second.offset()) < std::pair(b.second.volume(), b.second.offset());
    });
    for (const auto& [id, body] : bodies) RETURN_IF_ERROR(CheckBody(id, body));
    return {};
  }

 private:
  Status CheckBody(BodyId id, const pb::Body& body) {
    if (!session_.volumes.contains(body.volume())) return {};  // reported by the quick level
    RETURN_IF_ERROR(OpenVolume(body.volume()));
    const bool packed = body.kind() == pb::Body::PACKED;
    const uint64_t bytes =
        packed ? body.length() : (body.length() + kSumBlockBytes - 1) / kSumBlockBytes * sizeof(uint32_t);
    ASSIGN_OR_RETURN(const auto data, ReadNeedle(id, body.offset(), bytes));
    if (!data) {
      session_.AddForBody(packed ? "needle-damaged" : "sums-damaged", id,
                          StrCat(VolumePath(session_.directory, body.volume()), " at offset ", body.offset()));
      return {};
    }
    session_.report.bytes_verified += bytes;
    if (!packed) return CheckFile(id, body.length(), *data);
    for (uint64_t at = 0; at < data->size(); at += kSumBlockBytes) {
      const auto block = static_cast<int>(at / kSumBlockBytes);
      if (block < body.sums_size() && Crc32c(std::string_view(*data).substr(at, kSumBlockBytes)) == body.sums(block))
        continue;
      session_.AddForBody("needle-damaged", id, "its row has other checksums");
      return {};
    }
    return {};
  }

  Status OpenVolume(uint64_t volume) {
    if (volume_ != nullptr && open_ == volume) return {};
    ASSIGN_OR_RETURN(volume_, session_.files.Open(VolumePath(session_.directory, volume), OpenMode::kRead));
    open_ = volume;
    return {};
  }

  // nullopt: damaged, or another's.
  Result<std::optional<std::string>> ReadNeedle(BodyId id, uint64_t offset, uint64_t data_bytes) {
    if (offset < kVolumeAlignment + kNeedleHeaderBytes) return std::optional<std::string>();
    std::string bytes(NeedleBytes(data_bytes), '\0');
    const auto got = volume_->ReadAt(offset - kNeedleHeaderBytes, std::as_writable_bytes(std::span(bytes)));
    if (!got.ok() || *got != bytes.size()) return std::optional<std::string>();
    const auto needles = DecodeNeedles(bytes);
    if (!needles.ok() || needles->size() != 1) return std::optional<std::string>();
    const Needle& needle = needles->front().needle;
    if (needle.body != id || needle.data.size() != data_bytes) return std::optional<std::string>();
    return std::optional<std::string>(std::string(needle.data));
  }

  static uint32_t SumAt(std::string_view sums, uint64_t block) {
    uint32_t sum = 0;
    for (size_t i = 0; i < 4; ++i) sum |= static_cast<uint32_t>(static_cast<uint8_t>(sums[4 * block + i])) << (8 * i);
    return sum;
  }

  // One finding for each file: the first damaged block, and how many.
  Status CheckFile(BodyId id, uint64_t length, const std::string& sums) {
    const std::string path = BodyPath(session_.directory, id);
    auto file = session_.files.Open(path, OpenMode::kRead);
    if (file.Is(Errc::kNotFound)) return {};  // reported by the quick level
    if (!file.ok()) return std::move(file).error();
    std::string buffer(kReadBytes, '\0');
    uint64_t damaged = 0;
    uint64_t first = 0;
    for (uint64_t at = 0; at < length; at += kReadBytes) {
      const uint64_t wanted = std::min(kReadBytes, length - at);
      const auto got = (*file)->ReadAt(at, std::as_writable_bytes(std::span(buffer)).first(wanted));
      // A block that cannot be read is as bad as a wrong one.
      const std::string_view bytes = std::string_view(buffer).substr(0, got.ok() ? *got : 0);
      for (uint64_t block = 0; block < wanted; block += kSumBlockBytes) {
        const uint64_t block_bytes = std::min(kSumBlockBytes, wanted - block);
        const bool whole = block + block_bytes <= bytes.size();
        if (whole && Crc32c(bytes.substr(block, block_bytes)) == SumAt(sums, (at + block) / kSumBlockBytes)) continue;
        if (damaged++ == 0) first = at + block;
      }
      session_.report.bytes_verified += wanted;
    }
    if (damaged != 0)
      session_.AddForBody("block-damaged", id, StrCat(path, ": ", damaged, " blocks, the first at offset ", first));
    return {};
  }

  CheckSession& session_;
  std::unique_ptr<File> volume_;
  uint64_t open_ = 0;
};

}  // namespace

Status CheckBytes(CheckSession& session) {
  return BytesCheck(session).Run();
}

}  // namespace pailfs::store
