#include "tests/support/s3_checksum.h"

#include <array>
#include <cstdint>

#include "base/hash.h"

namespace pailfs {
namespace {

template <typename Word>
std::string BigEndian(Word word) {
  std::string bytes;
  for (size_t i = sizeof(Word); i-- > 0;) bytes.push_back(static_cast<char>(word >> (8 * i)));
  return bytes;
}

// CRCs with reflected input and output.
template <typename Word>
std::string ReflectedCrc(std::string_view data, Word polynomial) {
  std::array<Word, 256> table;
  for (size_t byte = 0; byte < table.size(); ++byte) {
    Word word = static_cast<Word>(byte);
    for (int bit = 0; bit < 8; ++bit) word = static_cast<Word>((word >> 1) ^ ((word & 1) != 0 ? polynomial : 0));
    table[byte] = word;
  }
  Word crc = static_cast<Word>(~Word{0});
  for (const char c : data) crc = static_cast<Word>((crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(c)) & 0xFF]);
  return BigEndian(static_cast<Word>(~crc));
}

}  // namespace

std::string S3Checksum(std::string_view algorithm, std::string_view data) {
  if (algorithm == "crc32") return ReflectedCrc<uint32_t>(data, 0xEDB88320U);
  if (algorithm == "crc32c") return BigEndian(Crc32c(data));
  if (algorithm == "crc64nvme") return ReflectedCrc<uint64_t>(data, 0x9A6C9329AC4BC9B5ULL);
  if (algorithm != "sha256") return {};
  const Sha256Digest digest = Sha256Of(data);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

s3wire::Headers ChecksumHeaders(const S3Call& call) {
  static constexpr std::array<std::string_view, 5> kNames{"x-amz-checksum-crc32", "x-amz-checksum-crc32c",
                                                          "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1",
                                                          "x-amz-checksum-sha256"};
  s3wire::Headers found;
  for (const std::string_view name : kNames) {
    if (const std::string* value = call.Header(name)) found.emplace_back(name, *value);
  }
  return found;
}

}  // namespace pailfs
