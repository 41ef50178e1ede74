// /etc/pailfs/pailfs.toml: options for all mounts and for single sources.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"

namespace pailfs::cli {

inline constexpr std::string_view kDefaultConfigPath = "/etc/pailfs/pailfs.toml";

// The options of [defaults], then those of [mount."SOURCE"] for each name in `source_names`, as words for ApplyOption.
// kInvalidArgument, with file and line, for what is no TOML, an unknown table or option, a value of the wrong type.
Result<std::vector<std::string>> ParseConfig(std::string_view text, std::string_view path,
                                             const std::vector<std::string>& source_names);

// The same from a file. A default file that is absent has no options; one that was asked for must be there.
Result<std::vector<std::string>> ReadConfig(FileSystem& files, const std::string& path, bool must_exist,
                                            const std::vector<std::string>& source_names);

}  // namespace pailfs::cli
