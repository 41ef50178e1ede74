// S3Imposter: an S3 endpoint inside of a test, over any ObjectStore, and stricter than S3. What S3 forgives is refused
// here and remembered as a violation: query parameters and x-amz-* headers that the operation does not know, headers
// that are not signed, paths and copy sources that are not encoded as they are signed, ETags without quotes, unsigned
// payloads without TLS, small parts, metadata that is not US-ASCII, DeleteObjects without a digest.
//
// What it knows: HeadBucket, CreateBucket, GetBucketLocation, Get- and PutBucketVersioning, ListObjectsV2,
// ListObjectVersions, Head, Get, Put, Copy, Delete and DeleteObjects, all of multipart. Path style, and virtual-host
// style below "localhost". SigV4 in the Authorization header alone; no chunked payloads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/object_store.h"
#include "base/s3wire/sigv4.h"
#include "tests/support/connection_server.h"
#include "tests/support/memory_store.h"
#include "tests/support/s3_bucket.h"
#include "tests/support/s3_call.h"
#include "tests/support/s3_quirks.h"

namespace pailfs {

struct S3ImposterOptions {
  int port = 0;  // 0: a free one
  std::string region = "us-east-1";
  s3wire::Credentials credentials = {"pail", "secret-of-pail-0123456789", ""};
  bool anonymous_reads = false;    // GET and HEAD without a signature
  bool unsigned_payloads = false;  // UNSIGNED-PAYLOAD is right, as behind a proxy that ends TLS
  uint64_t min_part_bytes = kMinPartBytes;
  Clock* clock = nullptr;  // the system's when null
  std::vector<S3Quirk> quirks;
};

// Thread-safe. The destructor ends all connections and joins their threads.
class S3Imposter {
 public:
  // Ends the process when it cannot listen.
  explicit S3Imposter(S3ImposterOptions options = {});
  ~S3Imposter();

  // `store` must outlive the imposter. With a MemoryStore PutBucketVersioning works.
  void AddBucket(const std::string& name, ObjectStore& store);
  void AddBucket(const std::string& name, MemoryStore& store);

  int port() const { return server_->port(); }
  std::string endpoint() const;  // "http://127.0.0.1:PORT"
  const s3wire::Credentials& credentials() const { return options_.credentials; }
  const std::string& region() const { return options_.region; }

  void SetQuirk(S3Quirk quirk, bool on) { quirks_.Set(quirk, on); }
  // Other keys than these are not accepted from now on.
  void SetCredentials(const s3wire::Credentials& credentials);

  // Requests that arrived, refused ones included.
  int64_t requests(S3Operation operation) const { return requests_[static_cast<size_t>(operation)].load(); }
  int64_t requests() const;
  void ResetRequests();
  // In the order of their arrival: what no right client sends.
  std::vector<std::string> violations() const;
  void ClearViolations();

 private:
  void Serve(Socket& socket);
  HttpMessage Answer(HttpMessage request);
  S3Answer AnswerCall(const HttpMessage& request, S3Call& call);
  S3Answer CreateBucket(S3Call& call);
  HttpMessage Finish(const S3Call& call, S3Answer answer);

  // Constant after construction.
  const S3ImposterOptions options_;
  Clock& clock_;

  // Synchronises itself.
  S3Quirks quirks_;
  std::array<std::atomic<int64_t>, kS3Operations> requests_{};
  std::atomic<uint64_t> request_id_ = 0;

  mutable Mutex mu_;
  s3wire::Credentials credentials_ GUARDED_BY(mu_);
  std::map<std::string, std::unique_ptr<S3Bucket>> buckets_ GUARDED_BY(mu_);  // none is ever removed
  std::vector<std::unique_ptr<MemoryStore>> own_stores_ GUARDED_BY(mu_);      // of buckets made by CreateBucket
  std::vector<std::string> violations_ GUARDED_BY(mu_);

  std::unique_ptr<ConnectionServer> server_;
};

}  // namespace pailfs
