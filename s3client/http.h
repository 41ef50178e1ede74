// One HTTP exchange, and who carries it. The seam between what S3 means and libcurl; tests put their own carrier here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/op_context.h"
#include "base/result.h"
#include "base/s3wire/sigv4.h"

namespace pailfs::s3client {

struct HttpRequest {
  std::string method;       // upper case
  std::string url;          // absolute, encoded, without credentials
  s3wire::Headers headers;  // as sent; Content-Length is the carrier's, from the body
  BodySource* body = nullptr;
};

struct HttpAnswer {
  int status = 0;
  s3wire::Headers headers;  // names in lower case, in order
  std::string body;         // what no receiver took

  // The first value of a header (name in lower case), or nullptr.
  const std::string* Find(std::string_view name) const;
};

// Takes the body of a success (2xx); the bodies of all other answers go to HttpAnswer::body. Called in the thread of
// Perform. An error ends the exchange, which returns it.
class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;
  // Once, before the first byte.
  virtual Status OnHeaders(const HttpAnswer& head) = 0;
  virtual Status OnData(std::span<const std::byte> data) = 0;
};

// How an exchange ended.
struct HttpExchange {
  // Whether the server may have got the request: all of it was sent. What is not whole has certainly not happened.
  bool sent = false;
  // An error: no whole answer came. kUnavailable (name not found, refused, reset, TLS, answer cut short, stalled),
  // kTimedOut and kCancelled (the OpContext), kCorrupt (not HTTP), kTooLarge (HttpAnswer::body over kMaxHttpBodyBytes),
  // or what the receiver or the body said. A body that is shorter than its Content-Length, or a chunked one without its
  // end, is kUnavailable.
  Result<HttpAnswer> answer = Error{Errc::kInternal, "not performed"};
};

inline constexpr size_t kMaxHttpBodyBytes = 16 << 20;

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // Blocks until the answer is whole. Never repeats a request, follows no redirect. Thread-safe.
  virtual HttpExchange Perform(const OpContext& ctx, const HttpRequest& request, HttpReceiver* receiver) = 0;
};

struct HttpOptions {
  std::string ca_file;  // PEM bundle in place of the system's; empty: the system's
  std::string proxy;    // empty: as the environment says (https_proxy, no_proxy …)
  int64_t connect_timeout_ns = 10'000'000'000;
  int64_t stall_timeout_ns = 20'000'000'000;  // no byte in either direction
  size_t max_idle_connections = 64;
};

// libcurl with connections that are kept alive; certificates are always verified.
std::unique_ptr<HttpTransport> NewCurlTransport(const HttpOptions& options);

}  // namespace pailfs::s3client
