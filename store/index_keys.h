// Row keys and the value envelope of the store's index (docs/FORMATS.md). Integers are big-endian. An object key in a
// row is written with 00 as 00 FF and closed by 00 01, so that bytewise order is S3's key order and no key is another's
// prefix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace pailfs::store {

using BucketId = uint32_t;
using BodyId = uint64_t;

std::string EscapeKey(std::string_view key);
// The key at the start of `data`, and what follows its closing 00 01.
std::optional<std::pair<std::string, std::string_view>> UnescapeKey(std::string_view data);

std::string AppliedRow();                                                     // M applied
std::string CountsRow(BucketId bucket);                                       // M counts b
std::string BucketNameRow(std::string_view name);                             // b name
std::string CurrentPrefix(BucketId bucket);                                   // C b
std::string CurrentRow(BucketId bucket, std::string_view key);                // C b k*
std::string VersionPrefix(BucketId bucket);                                   // V b
std::string VersionsOfRow(BucketId bucket, std::string_view key);             // V b k*: prefix of its versions
std::string VersionRow(BucketId bucket, std::string_view key, uint64_t seq);  // V b k* ~seq
std::string NullRow(BucketId bucket, std::string_view key);                   // N b k*
std::string BodyRow(BodyId body);                                             // B body
std::string ReferencesOfRow(BodyId body);                                     // R body: prefix
std::string VersionReferenceRow(BodyId body, BucketId bucket, std::string_view key, uint64_t seq);  // R body v b k* seq
std::string BodyReferenceRow(BodyId body, BodyId composite);                    // R body b composite
std::string UploadPrefix(BucketId bucket);                                      // U b
std::string UploadRow(BucketId bucket, std::string_view key, uint64_t upload);  // U b k* upload
std::string PartsOfRow(uint64_t upload);                                        // P upload: prefix
std::string PartRow(uint64_t upload, uint32_t part);                            // P upload part
std::string GarbageRow(uint64_t seq, BodyId body);                              // G seq body

// u8 format 1 | u8 0 | u16 0 | u32 CRC32C(key ‖ rest) | u64 row_seq | payload; rest = row_seq ‖ payload.
std::string SealValue(std::string_view row, uint64_t row_seq, std::string_view payload);
struct OpenedValue {
  uint64_t row_seq = 0;
  std::string_view payload;
};
// kCorrupt: the value is damaged or stands under a wrong key.
Result<OpenedValue> OpenValue(std::string_view row, std::string_view value);

}  // namespace pailfs::store
