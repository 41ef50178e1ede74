// Where a bucket is: hosts and paths of requests. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "s3client/s3_store.h"

namespace pailfs::s3client {

struct Endpoint {
  bool tls = true;
  std::string host;  // with ":port" unless it is the scheme's own
  std::string path;  // empty, or "/base"
  bool is_aws = false;
  bool is_loopback = false;
  bool operator==(const Endpoint&) const = default;
};

// "http[s]://host[:port][/path]", without a scheme https. kInvalidArgument.
Result<Endpoint> ParseEndpoint(std::string_view text);
// Amazon's endpoint in a region.
Endpoint AwsEndpoint(std::string_view region);
// "eu-west-1" out of "bucket.s3.eu-west-1.amazonaws.com"; empty where the host names none.
std::string RegionOfAwsHost(std::string_view host);

// Letters, digits, '.', '-', '_'; 3 to 255 of them. kInvalidArgument.
Status CheckBucketName(std::string_view bucket);
// kPath or kVirtualHost.
Addressing ResolveAddressing(Addressing wanted, const Endpoint& endpoint, std::string_view bucket);

struct Target {
  std::string host;
  std::string path;  // not encoded
};
// `key` empty: the bucket itself.
Target TargetOf(const Endpoint& endpoint, Addressing addressing, std::string_view bucket, std::string_view key);

}  // namespace pailfs::s3client
