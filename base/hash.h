// Checksums and digests. CRC32C is ISA-L's (polynomial 0x1EDC6F41, as in iSCSI, RFC 3720), the digests are OpenSSL's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pailfs {

// CRC32C of `data` appended to what `crc` already covers; start with 0. Crc32c("123456789") == 0xE3069283.
uint32_t Crc32c(std::string_view data, uint32_t crc = 0);
uint32_t Crc32c(std::span<const std::byte> data, uint32_t crc = 0);
// CRC32C of A‖B from crc(A), crc(B) and the length of B in bytes.
uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

// A well-mixed 64-bit hash of a string, stable over versions and machines (it is stored): FNV-1a, then the murmur3
// finalizer.
uint64_t StableHash64(std::string_view data, uint64_t seed = 0);

using Md5Digest = std::array<uint8_t, 16>;
using Sha256Digest = std::array<uint8_t, 32>;

// Incremental MD5. Not thread-safe.
class Md5 {
 public:
  Md5();
  ~Md5();
  Md5(Md5&&) noexcept;
  Md5& operator=(Md5&&) noexcept;
  void Update(std::span<const std::byte> data);
  // Ends the computation; call once.
  Md5Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Incremental SHA-256. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void Update(std::span<const std::byte> data);
  // Ends the computation; call once.
  Sha256Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Md5Digest Md5Of(std::string_view data);
Sha256Digest Sha256Of(std::string_view data);
// RFC 2104 with SHA-256.
Sha256Digest HmacSha256(std::string_view key, std::string_view data);

// Lower-case hex.
std::string Hex(std::span<const uint8_t> bytes);
std::string Base64Encode(std::string_view data);
// False when `text` is not base64 with padding.
bool Base64Decode(std::string_view text, std::string* out);

}  // namespace pailfs
