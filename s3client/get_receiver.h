// The body of a Get on its way to its sink: what the answer must be, where to go on after a break, and whether the
// bytes are the object's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/hash.h"
#include "base/object_store.h"
#include "s3client/caller.h"

namespace pailfs::s3client {

// Whole objects up to this size reach the sink only when they are verified, so that damage on the way is fetched again.
inline constexpr uint64_t kMostHeldBackBytes = 4 << 20;

class GetReceiver : public LastingReceiver {
 public:
  // `etags_are_md5`: of objects whose answer does not say otherwise.
  GetReceiver(std::string key, const GetOptions& options, BodySink& sink, bool etags_are_md5)
      : key_(std::move(key)), options_(options), sink_(sink), etags_are_md5_(etags_are_md5) {}

  // Sets version, range and condition for what is still missing.
  void Prepare(S3Request& request);

  Status OnHeaders(const HttpAnswer& head) override;
  Status OnData(std::span<const std::byte> data) override;
  const Status& fatal() const override { return fatal_; }
  bool TakeProgress() override;

  // After the last byte. kCorrupt: the bytes are not the object's; if nothing reached the sink yet, Restart and fetch
  // again.
  Status Finish();
  bool holds_back() const { return holds_back_; }
  bool began() const { return delivered_ > 0; }
  // Of the first answer.
  const std::optional<ObjectInfo>& info() const { return info_; }

 private:
  enum class Check : uint8_t { kNone, kCrc32c, kSha256, kMd5 };

  Status Begin(const HttpAnswer& head);
  Status Expect(const HttpAnswer& head);
  void ChooseCheck(const HttpAnswer& head);
  void Digest(std::span<const std::byte> data);
  bool Matches();
  Status Deliver(std::span<const std::byte> data);

  const std::string key_;
  const GetOptions options_;
  BodySink& sink_;
  const bool etags_are_md5_;

  std::optional<ObjectInfo> info_;
  uint64_t begin_ = 0;  // the bytes wanted, once info_ is there
  uint64_t end_ = 0;
  bool holds_back_ = false;
  std::string held_back_;
  uint64_t delivered_ = 0;  // to the sink
  bool progress_ = false;
  Status fatal_;

  Check check_ = Check::kNone;
  std::string expected_;
  std::optional<Md5> md5_;
  std::optional<Sha256> sha256_;
  uint32_t crc32c_ = 0;
};

}  // namespace pailfs::s3client
