// Short questions over HTTP to the services that give credentials.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/op_context.h"
#include "base/result.h"
#include "s3client/http.h"

namespace pailfs::s3client {

struct ExchangeLimits {
  int attempts = 2;
  int64_t attempt_timeout_ns = 10'000'000'000;
};

// Sends `request` with `body` until there is an answer other than 429 and 5xx, at most limits.attempts times; the last
// answer, whatever its status. Errors: kUnavailable (no answer), kTimedOut and kCancelled (the OpContext alone).
Result<HttpAnswer> AskBriefly(const OpContext& ctx, HttpTransport& transport, const HttpRequest& request,
                              std::string_view body, const ExchangeLimits& limits);

// "http[s]://host[:port][/path][?query]", without user, password and fragment.
struct ServiceUrl {
  std::string scheme;     // lower case
  std::string authority;  // "host[:port]", for the Host header
  std::string host;       // lower case, without port and brackets
  std::string target;     // path and query as they are sent; "/" where there is none
};
// kInvalidArgument; the message does not hold the URL.
Result<ServiceUrl> ParseServiceUrl(std::string_view url);

// `text` with each of the secrets (empty ones apart) replaced, on one line and at most 300 bytes long: a server's words
// for a person.
std::string WithoutSecrets(std::string_view text, std::span<const std::string_view> secrets);

}  // namespace pailfs::s3client
