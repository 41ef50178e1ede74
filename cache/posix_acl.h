// POSIX ACLs in the form of the extended attributes system.posix_acl_access and system.posix_acl_default: a
// little-endian u32 version 2, then entries of u16 tag, u16 permissions, u32 id (Linux:
// include/uapi/linux/posix_acl_xattr.h). The kernel enforces them; a file system keeps mode and access ACL in step and
// lets new inodes inherit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pailfs::cache {

inline constexpr std::string_view kAccessAclXattr = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclXattr = "system.posix_acl_default";

// kInvalidArgument unless it is well formed: one entry each for owner, group and others, a mask where users or groups
// are named, entries in order. The functions below return it for such an ACL.
Status ValidateAcl(std::string_view acl);

struct AccessAcl {
  uint32_t mode = 0;  // the whole st_mode, permissions replaced
  std::string acl;    // empty: the mode says everything
};

// What setting this access ACL makes of a file with `mode`.
Result<AccessAcl> ModeFromAcl(std::string_view acl, uint32_t mode);

// The access ACL after chmod to `mode`: owner, mask (or group) and others follow.
Result<std::string> ApplyChmodToAcl(std::string_view acl, uint32_t mode);

struct InheritedAcl {
  uint32_t mode = 0;
  std::string access;       // empty: none needed
  std::string default_acl;  // of a new directory
};

// What a new inode of `mode` (umask not applied) gets from its directory's default ACL; a symbolic link gets nothing.
Result<InheritedAcl> InheritAcl(std::string_view default_acl, uint32_t mode, bool is_directory);

}  // namespace pailfs::cache
