// Bodies on their way out: their digests, slices of them, and who may read them at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/mutex.h"
#include "base/object_store.h"

namespace pailfs::s3client {

enum class Digests : uint8_t { kMd5, kCrc32c, kMd5AndSha256, kCrc32cAndSha256 };

// What is not asked for is empty.
struct BodyDigests {
  std::string md5_hex;
  std::string md5_base64;
  std::string crc32c_base64;
  std::string sha256_hex;
};

// Reads the body once, a piece at a time.
Result<BodyDigests> DigestBody(const OpContext& ctx, BodySource& body, Digests which);

// "Tb6H1w==": big-endian, as x-amz-checksum-crc32c has it.
std::string Crc32cBase64(uint32_t crc);

// Part of a body.
class SliceOfBody : public BodySource {
 public:
  SliceOfBody(BodySource& body, uint64_t offset, uint64_t length) : body_(body), offset_(offset), length_(length) {}
  uint64_t size_bytes() const override { return length_; }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    return body_.ReadAt(offset_ + offset, buffer);
  }

 private:
  BodySource& body_;
  const uint64_t offset_;
  const uint64_t length_;
};

// A body that several threads read.
class SharedBody : public BodySource {
 public:
  explicit SharedBody(BodySource& body) : body_(body) {}
  uint64_t size_bytes() const override { return body_.size_bytes(); }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    MutexLock lock(mu_);
    return body_.ReadAt(offset, buffer);
  }

 private:
  BodySource& body_;
  Mutex mu_;
};

// Remembers that the body itself failed: no other attempt mends that.
class WatchedBody : public BodySource {
 public:
  explicit WatchedBody(BodySource& body) : body_(body) {}
  uint64_t size_bytes() const override { return body_.size_bytes(); }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    const Status read = body_.ReadAt(offset, buffer);
    if (!read.ok() && failed_.ok()) failed_ = read;
    return read;
  }
  const Status& failed() const { return failed_; }

 private:
  BodySource& body_;
  Status failed_;
};

// Calls task(0) … task(count - 1), at most `width` at once, the caller's thread among them; after the first error no
// further task begins. That error.
Status RunParallel(size_t count, size_t width, const std::function<Status(size_t)>& task);

}  // namespace pailfs::s3client
