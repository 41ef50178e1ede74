// The file of keys that s3fs has: "KEY:SECRET" for all buckets, "BUCKET:KEY:SECRET" for one, comments with #.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/s3wire/sigv4.h"

namespace pailfs::s3client {

// The keys for `bucket`: its own line, else the one for all. Pure. kInvalidArgument: a line that is none, or two for
// one bucket ("FILE: line N: …", nothing of the line); kAccessDenied: no line for the bucket.
Result<s3wire::Credentials> ParsePasswdFile(std::string_view text, std::string_view bucket, std::string_view file_name);

}  // namespace pailfs::s3client
