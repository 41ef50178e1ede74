// What a server really does, found out by trying; the same for all mounts of a bucket until its versioning changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/result.h"

namespace pailfs::s3client {

enum class IfMatchForm : uint8_t { kNone, kQuoted, kUnquoted };

struct ServerTraits {
  VersioningState versioning = VersioningState::kOff;
  int64_t probed_at_us = 0;  // wall clock; 0: never tried (no permission to write, or read-only): nothing is relied on
  bool put_if_absent = false;  // PUT If-None-Match: * is checked atomically
  IfMatchForm put_if_match = IfMatchForm::kNone;
  bool complete_conditions = false;  // CompleteMultipartUpload checks them
  bool copy_source_conditions = false;
  bool copy_conditions = false;  // CopyObject checks those on its destination
  bool delete_if_match = false;
  bool checksums = false;    // x-amz-checksum-crc32c is verified and stored
  bool etag_is_md5 = false;  // of objects put whole and not encrypted with KMS or a customer's key
  bool batch_delete = false;
  bool list_metadata = false;  // MinIO's metadata=true
  bool operator==(const ServerTraits&) const = default;

  // A few lines "name value"; for a file and for `pailfs status`. FromText passes over names that it does not know;
  // kCorrupt: a line that is none, or a value that its name cannot have.
  std::string ToText() const;
  static Result<ServerTraits> FromText(std::string_view text);
};

}  // namespace pailfs::s3client
