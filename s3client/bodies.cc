#include "s3client/bodies.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "base/hash.h"

namespace pailfs::s3client {
namespace {

constexpr uint64_t kPieceBytes = 256 << 10;

std::string_view Chars(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string Crc32cBase64(uint32_t crc) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(crc >> shift));
  return Base64Encode(bytes);
}

Result<BodyDigests> DigestBody(const OpContext& ctx, BodySource& body, Digests which) {
  const bool md5_wanted = which == Digests::kMd5 || which == Digests::kMd5AndSha256;
  const bool sha256_wanted = which == Digests::kMd5AndSha256 || which == Digests::kCrc32cAndSha256;
  Md5 md5;
  Sha256 sha256;
  uint32_t crc = 0;
  const uint64_t size = body.size_bytes();
  std::vector<std::byte> buffer(std::min(size, kPieceBytes));
  for (uint64_t offset = 0; offset < size; offset += kPieceBytes) {
    RETURN_IF_ERROR(ctx.Check());
    const std::span<std::byte> piece = std::span(buffer).first(std::min(kPieceBytes, size - offset));
    RETURN_IF_ERROR(body.ReadAt(offset, piece));
    if (md5_wanted) md5.Update(piece);
    if (!md5_wanted) crc = Crc32c(piece, crc);
    if (sha256_wanted) sha256.Update(piece);
  }
  BodyDigests digests;
  if (md5_wanted) {
    const Md5Digest digest = md5.Finish();
    digests.md5_hex = Hex(digest);
    digests.md5_base64 = Base64Encode(Chars(digest));
  } else {
    digests.crc32c_base64 = Crc32cBase64(crc);
  }
  if (sha256_wanted) digests.sha256_hex = Hex(sha256.Finish());
  return digests;
}

Status RunParallel(size_t count, size_t width, const std::function<Status(size_t)>& task) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failing{false};
  Mutex mu;
  Status failed;
  const auto work = [&] {
    for (size_t i = next++; i < count && !failing; i = next++) {
      const Status done = task(i);
      if (done.ok()) continue;
      failing = true;
      MutexLock lock(mu);
      if (failed.ok()) failed = done;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, width); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return failed;
}

}  // namespace pailfs::s3client
