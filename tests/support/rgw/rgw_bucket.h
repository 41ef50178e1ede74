// A bucket of a test's own on Rgw(), removed with all that is in it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/object_store.h"
#include "base/s3wire/uri.h"
#include "s3client/caller.h"
#include "s3client/s3_store.h"
#include "tests/support/static_credentials.h"

namespace pailfs {

// Not thread-safe.
class RgwBucket {
 public:
  explicit RgwBucket(VersioningState versioning);
  ~RgwBucket();
  RgwBucket(const RgwBucket&) = delete;
  RgwBucket& operator=(const RgwBucket&) = delete;

  const s3client::S3Options& options() const { return options_; }
  VersioningState versioning() const { return versioning_; }
  void SetVersioning(VersioningState versioning);
  // What the server does is found out where `known` is none. Ends the process when the bucket cannot be opened.
  std::unique_ptr<s3client::S3Store> Open(const std::optional<s3client::ServerTraits>& known);

 private:
  void Send(std::string_view method, s3wire::Query query, std::string_view data);
  void Empty();

  s3client::S3Options options_;
  VersioningState versioning_ = VersioningState::kOff;
  Metrics metrics_;
  StaticCredentials credentials_;
  std::unique_ptr<s3client::HttpTransport> transport_;
  std::shared_ptr<s3client::S3Caller> caller_;
};

}  // namespace pailfs
