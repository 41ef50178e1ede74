#include "base/leveldb_log_tail.h"

#include <algorithm>
#include <string>

#include "base/hash.h"
#include "base/str.h"

namespace pailfs {
namespace {

constexpr uint64_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;  // masked CRC32C (4, little-endian), length (2, little-endian), type (1)
constexpr size_t kSectorBytes = 512;

uint32_t Byte(std::string_view data, size_t at) {
  return static_cast<uint8_t>(data[at]);
}

uint32_t Unmask(uint32_t masked) {
  const uint32_t rotated = masked - 0xA282EAD8U;
  return rotated >> 17 | rotated << 15;
}

// With its header. `record` holds a header at least.
size_t RecordBytes(std::string_view record) {
  return kHeaderBytes + (Byte(record, 4) | Byte(record, 5) << 8);
}

// Whether `data` starts with an intact record.
bool IsIntact(std::string_view data) {
  if (data.size() < kHeaderBytes || data[6] < 1 || data[6] > 4) return false;  // full, first, middle, last
  const size_t length = RecordBytes(data);
  if (length > data.size()) return false;
  const uint32_t masked = Byte(data, 0) | Byte(data, 1) << 8 | Byte(data, 2) << 16 | Byte(data, 3) << 24;
  return Crc32c(data.substr(kHeaderBytes - 1, length - kHeaderBytes + 1)) == Unmask(masked);
}

// Whether the bad record at `start` has a gap: zeros from its start, or from the start of a later sector of it, to that
// sector's end. (The records before it are intact, so no part of a sector after `start` had been synced.)
bool HasGap(std::string_view block, size_t start, size_t length) {
  const size_t end = std::min(start + length, block.size());
  for (size_t from = start; from < end;) {
    const size_t next = std::min((from / kSectorBytes + 1) * kSectorBytes, block.size());
    if (block.substr(from, next - from).find_first_not_of('\0') == std::string_view::npos) return true;
    from = next;
  }
  return false;
}

// Whether the file ends within the record at `start`, and not because the record's length is wrong: then others follow
// it.
bool IsCut(std::string_view block, size_t start) {
  if (block.size() == kBlockBytes) return false;
  if (block.size() - start < kHeaderBytes) return true;
  if (start + RecordBytes(block.substr(start)) <= block.size()) return false;
  for (size_t at = start + 1; at < block.size(); ++at) {
    if (IsIntact(block.substr(at))) return false;
  }
  return true;
}

}  // namespace

Result<uint64_t> IntactLogBytes(File& file) {
  std::string buffer(kBlockBytes, '\0');
  for (uint64_t block_start = 0;; block_start += kBlockBytes) {
    ASSIGN_OR_RETURN(const size_t got, file.ReadAt(block_start, std::as_writable_bytes(std::span(buffer))));
    const std::string_view block = std::string_view(buffer).substr(0, got);
    // A full block ends with up to six bytes that no record fits into.
    const size_t end = got == kBlockBytes ? got - kHeaderBytes + 1 : got;
    for (size_t at = 0; at < end;) {
      const std::string_view rest = block.substr(at);
      if (!IsIntact(rest)) {
        const size_t length = rest.size() < kHeaderBytes ? rest.size() : RecordBytes(rest);
        if (IsCut(block, at) || HasGap(block, at, length)) return block_start + at;
        return Error{Errc::kCorrupt, StrCat("damaged record at byte ", block_start + at)};
      }
      at += RecordBytes(rest);
    }
    if (got < kBlockBytes) return block_start + got;
  }
}

}  // namespace pailfs
