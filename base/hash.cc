#include "base/hash.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>

namespace pailfs {
namespace {

// CRC32C, reflected.
constexpr uint32_t kPolynomial = 0x82F63B78;

// a * b modulo the polynomial, both reflected.
constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ kPolynomial : b >> 1;
  }
  return product;
}

// x^(8n) modulo the polynomial.
uint32_t PowerOfX8(uint64_t n) {
  uint32_t power = 1U << 31;   // x^0
  uint32_t square = 1U << 23;  // x^8
  for (; n != 0; n >>= 1) {
    if ((n & 1) != 0) power = Multiply(power, square);
    square = Multiply(square, square);
  }
  return power;
}

template <size_t N>
std::array<uint8_t, N> Digest(const EVP_MD* kind, std::string_view data) {
  std::array<uint8_t, N> digest;
  if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, kind, nullptr) != 1) std::abort();
  return digest;
}

}  // namespace

uint32_t Crc32c(std::string_view data, uint32_t crc) {
  // ISA-L neither inverts its seed nor its result, and takes lengths as int.
  constexpr size_t kChunk = 1 << 30;
  uint32_t state = ~crc;
  while (!data.empty()) {
    const size_t length = std::min(data.size(), kChunk);
    state =
        crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<char*>(data.data())), static_cast<int>(length), state);
    data.remove_prefix(length);
  }
  return ~state;
}

uint32_t Crc32c(std::span<const std::byte> data, uint32_t crc) {
  return Crc32c(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()), crc);
}

uint32_t Crc32cCombine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
  return Multiply(crc_a, PowerOfX8(length_b)) ^ crc_b;
}

uint64_t StableHash64(std::string_view data, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325ULL ^ seed;
  for (const char c : data) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 0x100000001B3ULL;
  }
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDULL;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53ULL;
  hash ^= hash >> 33;
  return hash;
}

struct Md5::Context {
  EVP_MD_CTX* evp = nullptr;
};

Md5::Md5() : context_(std::make_unique<Context>()) {
  context_->evp = EVP_MD_CTX_new();
  if (context_->evp == nullptr || EVP_DigestInit_ex(context_->evp, EVP_md5(), nullptr) != 1) std::abort();
}
Md5::~Md5() {
  if (context_) EVP_MD_CTX_free(context_->evp);
}
Md5::Md5(Md5&&) noexcept = default;
Md5& Md5::operator=(Md5&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}
void Md5::Update(std::span<const std::byte> data) {
  if (EVP_DigestUpdate(context_->evp, data.data(), data.size()) != 1) std::abort();
}
Md5Digest Md5::Finish() {
  Md5Digest digest;
  if (EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr) != 1) std::abort();
  return digest;
}

struct Sha256::Context {
  EVP_MD_CTX* evp = nullptr;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  context_->evp = EVP_MD_CTX_new();
  if (context_->evp == nullptr || EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) != 1) std::abort();
}
Sha256::~Sha256() {
  if (context_) EVP_MD_CTX_free(context_->evp);
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}
void Sha256::Update(std::span<const std::byte> data) {
  if (EVP_DigestUpdate(context_->evp, data.data(), data.size()) != 1) std::abort();
}
Sha256Digest Sha256::Finish() {
  Sha256Digest digest;
  if (EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr) != 1) std::abort();
  return digest;
}

Md5Digest Md5Of(std::string_view data) {
  return Digest<16>(EVP_md5(), data);
}
Sha256Digest Sha256Of(std::string_view data) {
  return Digest<32>(EVP_sha256(), data);
}
Sha256Digest HmacSha256(std::string_view key, std::string_view data) {
  // OpenSSL takes the key's length as int; RFC 2104 replaces a key longer than a block by its digest anyway.
  constexpr size_t kBlock = 64;
  const Sha256Digest long_key = key.size() > kBlock ? Sha256Of(key) : Sha256Digest{};
  if (key.size() > kBlock) key = {reinterpret_cast<const char*>(long_key.data()), long_key.size()};
  Sha256Digest digest;
  if (HMAC(EVP_sha256(), key.data() != nullptr ? key.data() : "", static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(), nullptr) == nullptr) {
    std::abort();
  }
  return digest;
}

std::string Hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string Base64Encode(std::string_view data) {
  std::string text(4 * ((data.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(data.data()), static_cast<int>(data.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

bool Base64Decode(std::string_view text, std::string* out) {
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  // OpenSSL reads '=' anywhere as a zero.
  if (text.size() % 4 != 0 || text.substr(0, text.size() - padding).find('=') != std::string_view::npos) return false;
  out->assign(text.size() / 4 * 3 + 1, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out->data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (length < 0 || static_cast<size_t>(length) != text.size() / 4 * 3) return false;
  out->resize(static_cast<size_t>(length) - padding);
  return true;
}

}  // namespace pailfs
