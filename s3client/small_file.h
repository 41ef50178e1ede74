// Files of keys, tokens and settings: short texts that people write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/result.h"

namespace pailfs::s3client {

inline constexpr size_t kMaxSmallFileBytes = 1 << 20;

struct SmallFile {
  std::string content;
  uint32_t mode = 0;  // permission bits of the file that was read, symbolic links followed
};

// kNotFound: no such file, or a folder of its path is none. kInvalidArgument: larger. Other errors as FileSystem's; all
// name the path.
Result<SmallFile> ReadSmallFile(FileSystem& files, const std::string& path);

// `text` without blanks, tabs and line ends at both sides.
std::string_view Trimmed(std::string_view text);

}  // namespace pailfs::s3client
