// The checksums of objects that S3 knows beside the ETag: x-amz-checksum-crc32, -crc32c, -crc64nvme and -sha256. Pure
// functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/s3wire/sigv4.h"
#include "tests/support/s3_call.h"

namespace pailfs {

inline constexpr std::string_view kS3ChecksumPrefix = "x-amz-checksum-";

// The checksum's bytes, most significant first (on the wire they are base64). Algorithms in lower case; empty: not
// known here.
std::string S3Checksum(std::string_view algorithm, std::string_view data);

// The x-amz-checksum-<algorithm> headers, names in lower case.
s3wire::Headers ChecksumHeaders(const S3Call& call);

}  // namespace pailfs
