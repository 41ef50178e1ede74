// The bytes of a volume, the append-only log of the store (docs/FORMATS.md). Integers are little-endian.
//
//   superblock  4 KiB: "PAILVOL1" | u32 version | store uuid 16 | u64 volume | salt 16 | u64 first seq |
//               u64 end of the volume before (0: none) | u32 crc
//   batch       at a multiple of 4 KiB: header 68 | rows | needles, each 8-byte aligned
//   row         u32 key length | u32 value length (2^32-1: the row is deleted) | key | value
//   needle      u32 magic | u64 body | u32 length | u32 kind | u32 crc of these | u32 crc of the data | data
//
// All checksums but the needles' are CRC32C seeded with the salt, so that a body that holds a forged batch is harmless.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/index_keys.h"

namespace pailfs::store {

inline constexpr uint64_t kVolumeAlignment = 4096;
inline constexpr size_t kBatchHeaderBytes = 68;
inline constexpr size_t kNeedleHeaderBytes = 28;
inline constexpr uint64_t kSumBlockBytes = 64 << 10;
inline constexpr uint16_t kBatchSeals = 1;      // the last batch of its volume
inline constexpr uint16_t kBatchRelocated = 2;  // rows logged again by compaction, with their old row_seq

struct Superblock {
  std::string store_uuid;  // 16 bytes
  uint64_t volume = 0;
  std::string salt;  // 16 bytes
  uint64_t first_seq = 0;
  uint64_t previous_end = 0;
};

std::string EncodeSuperblock(const Superblock& superblock);  // kVolumeAlignment bytes
Result<Superblock> DecodeSuperblock(std::string_view bytes);

struct LogRow {
  std::string key;
  std::optional<std::string> value;  // sealed; nullopt: deleted
};

enum class NeedleKind : uint32_t { kBody = 1, kSums = 2 };

struct Needle {
  BodyId body = 0;
  NeedleKind kind = NeedleKind::kBody;
  std::string_view data;
};

struct BatchHeader {
  uint16_t flags = 0;
  uint32_t epoch = 1;
  uint64_t volume = 0;
  uint64_t offset = 0;
  uint64_t seq_first = 0;
  uint32_t count = 0;  // sequence numbers that it uses
  uint64_t time_us = 0;
  uint32_t row_bytes = 0;
  uint64_t body_bytes = 0;      // of the needles, with their headers and padding
  uint64_t TotalBytes() const;  // up to the next batch
};

// Encoded size of one row.
size_t RowBytes(std::string_view key, size_t value_bytes);
void AppendRow(std::string& rows, const LogRow& row);
Result<std::vector<LogRow>> DecodeRows(std::string_view rows);

// Where the needles of a batch begin, from the start of the batch.
uint64_t NeedlesOffset(uint64_t row_bytes);
uint64_t NeedleBytes(uint64_t data_bytes);  // with header and padding
void AppendNeedle(std::string& out, const Needle& needle);

// `header` with its own checksum and that of the rows.
std::string EncodeBatchHeader(const BatchHeader& header, std::string_view rows, std::string_view salt);

struct DecodedHeader {
  BatchHeader header;
  uint32_t rows_crc = 0;
};
// nullopt: these bytes are not a batch of this volume at this offset.
std::optional<DecodedHeader> DecodeBatchHeader(std::string_view bytes, uint64_t volume, uint64_t offset,
                                               std::string_view salt);
bool RowsMatch(const DecodedHeader& decoded, std::string_view rows, std::string_view salt);

struct FoundNeedle {
  Needle needle;
  uint64_t data_offset = 0;  // in the bytes given
};
// The needles of a batch, each verified; kCorrupt.
Result<std::vector<FoundNeedle>> DecodeNeedles(std::string_view bytes);

}  // namespace pailfs::store
