// Credentials in JSON, as a credential_process prints them and as the endpoints of containers and instances answer.
// Pure functions. Errors tell what is missing and hold nothing of the text.
//
// Source: "Process credential provider" and "Container credential provider" in the AWS SDKs and Tools Reference Guide;
// "Retrieve security credentials from instance metadata" in the Amazon EC2 User Guide.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "s3client/credentials.h"

namespace pailfs::s3client {

// {"Version": 1, "AccessKeyId": …, "SecretAccessKey": …, "SessionToken": …, "Expiration": …}; the last two may be
// absent. kInvalidArgument.
Result<IssuedCredentials> ParseProcessCredentials(std::string_view json);

// {"Code": "Success", "AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": …}; Code may be absent.
// kUnavailable; kAccessDenied for another Code.
Result<IssuedCredentials> ParseEndpointCredentials(std::string_view json);

// ISO 8601 with 'Z' or an offset ("+02:00"), microseconds since 1970 UTC. kInvalidArgument.
Result<int64_t> ParseExpiration(std::string_view text);

}  // namespace pailfs::s3client
