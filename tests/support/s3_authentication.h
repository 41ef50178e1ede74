// Who sent a request to the S3 imposter, and whether it arrived as it was sent: signature, time, digests of the body.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/s3wire/sigv4.h"
#include "tests/support/s3_call.h"

namespace pailfs {

struct S3AccessRules {
  std::string region;
  s3wire::Credentials credentials;
  bool anonymous_reads = false;    // GET and HEAD may come without a signature
  bool unsigned_payloads = false;  // as over TLS
  bool redirect_regions = false;   // 301 in place of 400 for another region's signature
  bool verify_checksums = true;    // x-amz-checksum-*
  int64_t now_us = 0;
};

// The refusal, or nullopt for a right signature over Host, Content-Type, Content-MD5 and all x-amz-* headers. The Host
// that counts is the one that arrived, so that a proxy may stand in between.
std::optional<S3Answer> CheckSignature(const S3AccessRules& rules, S3Call& call);

// Content-Length, x-amz-content-sha256, Content-MD5 and the x-amz-checksum-* that are there.
std::optional<S3Answer> CheckBody(const S3AccessRules& rules, S3Call& call);

}  // namespace pailfs
