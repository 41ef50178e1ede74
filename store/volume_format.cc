#include "store/volume_format.h"

#include "base/hash.h"
#include "base/str.h"

namespace pailfs::store {
namespace {

constexpr std::string_view kSuperblockMagic = "PAILVOL1";
constexpr uint32_t kVolumeVersion = 1;
constexpr uint32_t kBatchMagic = 0x31425650;   // "PVB1"
constexpr uint32_t kNeedleMagic = 0x314E5650;  // "PVN1"
constexpr uint16_t kBatchVersion = 1;
constexpr uint32_t kDeleted = 0xFFFFFFFF;
constexpr size_t kSuperblockBytes = 8 + 4 + 16 + 8 + 16 + 8 + 8;
constexpr uint64_t kNeedleAlignment = 8;

void Put(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t Take(std::string_view& in, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(static_cast<uint8_t>(in[i])) << (8 * i);
  in.remove_prefix(bytes);
  return value;
}

uint64_t RoundUp(uint64_t value, uint64_t to) {
  return (value + to - 1) / to * to;
}

}  // namespace

std::string EncodeSuperblock(const Superblock& superblock) {
  std::string bytes(kSuperblockMagic);
  Put(bytes, kVolumeVersion, 4);
  bytes.append(superblock.store_uuid);
  Put(bytes, superblock.volume, 8);
  bytes.append(superblock.salt);
  Put(bytes, superblock.first_seq, 8);
  Put(bytes, superblock.previous_end, 8);
  Put(bytes, Crc32c(bytes), 4);
  bytes.resize(kVolumeAlignment, '\0');
  return bytes;
}

Result<Superblock> DecodeSuperblock(std::string_view bytes) {
  if (bytes.size() < kSuperblockBytes + 4 || !bytes.starts_with(kSuperblockMagic)) {
    return Error{Errc::kCorrupt, "not a volume"};
  }
  std::string_view crc = bytes.substr(kSuperblockBytes);
  if (Take(crc, 4) != Crc32c(bytes.substr(0, kSuperblockBytes))) return Error{Errc::kCorrupt, "a damaged superblock"};
  std::string_view rest = bytes.substr(kSuperblockMagic.size());
  if (Take(rest, 4) != kVolumeVersion) return Error{Errc::kUnsupported, "a volume of an unknown version"};
  Superblock superblock;
  superblock.store_uuid = rest.substr(0, 16);
  rest.remove_prefix(16);
  superblock.volume = Take(rest, 8);
  superblock.salt = rest.substr(0, 16);
  rest.remove_prefix(16);
  superblock.first_seq = Take(rest, 8);
  superblock.previous_end = Take(rest, 8);
  return superblock;
}

uint64_t NeedlesOffset(uint64_t row_bytes) {
  return RoundUp(kBatchHeaderBytes + row_bytes, kNeedleAlignment);
}
uint64_t NeedleBytes(uint64_t data_bytes) {
  return RoundUp(kNeedleHeaderBytes + data_bytes, kNeedleAlignment);
}
uint64_t BatchHeader::TotalBytes() const {
  return RoundUp(NeedlesOffset(row_bytes) + body_bytes, kVolumeAlignment);
}

size_t RowBytes(std::string_view key, size_t value_bytes) {
  return 8 + key.size() + value_bytes;
}

void AppendRow(std::string& rows, const LogRow& row) {
  Put(rows, row.key.size(), 4);
  Put(rows, row.value ? row.value->size() : kDeleted, 4);
  rows.append(row.key);
  if (row.value) rows.append(*row.value);
}

Result<std::vector<LogRow>> DecodeRows(std::string_view rows) {
  std::vector<LogRow> decoded;
  while (!rows.empty()) {
    if (rows.size() < 8) return Error{Errc::kCorrupt, "a damaged batch"};
    const uint64_t key_bytes = Take(rows, 4);
    const uint64_t value_bytes = Take(rows, 4);
    const bool deleted = value_bytes == kDeleted;
    if (rows.size() < key_bytes + (deleted ? 0 : value_bytes)) return Error{Errc::kCorrupt, "a damaged batch"};
    LogRow row{std::string(rows.substr(0, key_bytes)), std::nullopt};
    rows.remove_prefix(key_bytes);
    if (!deleted) {
      row.value = std::string(rows.substr(0, value_bytes));
      rows.remove_prefix(value_bytes);
    }
    decoded.push_back(std::move(row));
  }
  return decoded;
}

void AppendNeedle(std::string& out, const Needle& needle) {
  std::string header;
  Put(header, kNeedleMagic, 4);
  Put(header, needle.body, 8);
  Put(header, needle.data.size(), 4);
  Put(header, static_cast<uint32_t>(needle.kind), 4);
  Put(header, Crc32c(header), 4);
  Put(header, Crc32c(needle.data), 4);
  out.append(header);
  out.append(needle.data);
  out.resize(RoundUp(out.size(), kNeedleAlignment), '\0');
}

std::string EncodeBatchHeader(const BatchHeader& header, std::string_view rows, std::string_view salt) {
  std::string bytes;
  Put(bytes, kBatchMagic, 4);
  Put(bytes, kBatchVersion, 2);
  Put(bytes, header.flags, 2);
  Put(bytes, header.epoch, 4);
  Put(bytes, header.volume, 8);
  Put(bytes, header.offset, 8);
  Put(bytes, header.seq_first, 8);
  Put(bytes, header.count, 4);
  Put(bytes, header.time_us, 8);
  Put(bytes, header.row_bytes, 4);
  Put(bytes, header.body_bytes, 8);
  Put(bytes, Crc32c(rows, Crc32c(salt)), 4);
  Put(bytes, Crc32c(bytes, Crc32c(salt)), 4);
  return bytes;
}

std::optional<DecodedHeader> DecodeBatchHeader(std::string_view bytes, uint64_t volume, uint64_t offset,
                                               std::string_view salt) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  std::string_view crc = bytes.substr(kBatchHeaderBytes - 4);
  std::string_view rest = bytes;
  if (Take(rest, 4) != kBatchMagic || Take(rest, 2) != kBatchVersion ||
      Take(crc, 4) != Crc32c(bytes.substr(0, kBatchHeaderBytes - 4), Crc32c(salt))) {
    return std::nullopt;
  }
  DecodedHeader decoded;
  BatchHeader& header = decoded.header;
  header.flags = static_cast<uint16_t>(Take(rest, 2));
  header.epoch = static_cast<uint32_t>(Take(rest, 4));
  header.volume = Take(rest, 8);
  header.offset = Take(rest, 8);
  header.seq_first = Take(rest, 8);
  header.count = static_cast<uint32_t>(Take(rest, 4));
  header.time_us = Take(rest, 8);
  header.row_bytes = static_cast<uint32_t>(Take(rest, 4));
  header.body_bytes = Take(rest, 8);
  decoded.rows_crc = static_cast<uint32_t>(Take(rest, 4));
  if (header.volume != volume || header.offset != offset) return std::nullopt;
  return decoded;
}

bool RowsMatch(const DecodedHeader& decoded, std::string_view rows, std::string_view salt) {
  return decoded.rows_crc == Crc32c(rows, Crc32c(salt));
}

Result<std::vector<FoundNeedle>> DecodeNeedles(std::string_view bytes) {
  const Error bad{Errc::kCorrupt, "a damaged needle"};
  std::vector<FoundNeedle> needles;
  for (uint64_t at = 0; at < bytes.size();) {
    if (bytes.size() - at < kNeedleHeaderBytes) return bad;
    std::string_view header = bytes.substr(at, kNeedleHeaderBytes);
    const uint32_t header_crc = Crc32c(header.substr(0, kNeedleHeaderBytes - 8));
    FoundNeedle found;
    if (Take(header, 4) != kNeedleMagic) return bad;
    found.needle.body = Take(header, 8);
    const uint64_t length = Take(header, 4);
    found.needle.kind = static_cast<NeedleKind>(Take(header, 4));
    if (Take(header, 4) != header_crc || bytes.size() - at - kNeedleHeaderBytes < length) return bad;
    found.data_offset = at + kNeedleHeaderBytes;
    found.needle.data = bytes.substr(found.data_offset, length);
    if (Take(header, 4) != Crc32c(found.needle.data)) return bad;
    needles.push_back(found);
    at += NeedleBytes(length);
  }
  return needles;
}

}  // namespace pailfs::store
