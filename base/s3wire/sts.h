// The Security Token Service: what is asked for a role's credentials, and its answers. Pure functions; any thread.
// Answers are bounded and checked as those of base/s3wire/xml.h; secrets never appear in an error.
//
// Source: "AWS Security Token Service API reference", AssumeRole and AssumeRoleWithWebIdentity. Ceph RGW and MinIO
// answer in the same form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/s3wire/errors.h"
#include "base/s3wire/sigv4.h"

namespace pailfs::s3wire {

struct RoleRequest {
  std::string role_arn;
  std::string session_name;
  std::string external_id;        // empty: none; AssumeRole only
  uint64_t duration_seconds = 0;  // 0: the server's default
};

// Bodies of a POST to "/", application/x-www-form-urlencoded. AssumeRole is signed (service "sts"); with a web identity
// the token, which is secret, is the proof.
std::string AssumeRoleBody(const RoleRequest& request);
std::string AssumeRoleWithWebIdentityBody(const RoleRequest& request, std::string_view token);

struct RoleCredentials {
  Credentials keys;
  int64_t expires_us = 0;
};
// The answer to either. kCorrupt.
Result<RoleCredentials> ParseRoleCredentials(std::string_view xml);
// The body of an answer whose status is no success. kCorrupt.
Result<ErrorDocument> ParseStsError(std::string_view xml);

}  // namespace pailfs::s3wire
