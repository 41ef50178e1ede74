// POSIX attributes in the user metadata of objects. Written in two dialects at once, that of s3fs (decimal mode,
// seconds with a fraction) and that of the AWS file services (octal permissions, nanoseconds with "ns"); read in these
// and in those of geesefs, rclone, gcsfuse, s3sync, Google's POSIX preservation and s3cmd, in this order where they
// contradict each other. Extended attributes are those of s3fs; geesefs and goofys keep each as user metadata of its
// own, which cannot be told from anybody else's and stays as it is. docs/FORMATS.md, "Object metadata".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/object_store.h"

namespace pailfs::cache {

struct PosixMetadata {
  std::optional<uint32_t> mode;  // st_mode; type bits 0 where a dialect has none, else one of the seven types
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<int64_t> mtime_ns;
  std::optional<int64_t> ctime_ns;
  std::optional<int64_t> atime_ns;
  std::optional<uint64_t> rdev;
  std::map<std::string, std::string> xattrs;
  std::optional<std::string> symlink_target;  // where it stands in metadata rather than in the body
  bool is_symlink = false;                    // said otherwise than by the mode
};

// Never fails: what cannot be understood is left out. Names are compared without case.
PosixMetadata DecodeMetadata(const UserMetadata& metadata, const ContentHeaders& headers, std::string_view key,
                             uint64_t size_bytes);
// Replaces our names in `metadata`, which DecodeMetadata believes first, and leaves all others as they are. The body of
// a symbolic link is its target; `symlink_target` and `is_symlink` are not written.
void EncodeMetadata(const PosixMetadata& posix, UserMetadata& metadata);
// True for the names that EncodeMetadata replaces.
bool IsPosixMetadataName(std::string_view name);

// Takes out what other programs say of an object's bytes (rclone's and s3cmd's MD5): for new bytes it would be wrong.
void DropContentMetadata(UserMetadata& metadata);

// S_IFREG, S_IFDIR, S_IFLNK, … of an object. Metadata is believed only where it hides nothing: an object with a body is
// a file (or a symbolic link, if the body can be a target), a link without a target is a file.
uint32_t FileTypeOf(const PosixMetadata& posix, const ContentHeaders& headers, std::string_view key,
                    uint64_t size_bytes);

// About what everything but the extended attributes takes of the user metadata.
inline constexpr uint64_t kOtherMetadataBytes = 640;
uint64_t XattrMetadataBytes(const std::map<std::string, std::string>& xattrs);

}  // namespace pailfs::cache
