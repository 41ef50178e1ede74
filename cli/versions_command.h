// `pailfs versions`: all versions of files, deletions included, newest first.
#pragma once

#include <string>
#include <vector>

#include "cli/past_paths.h"

namespace pailfs::cli {

struct VersionsRequest {
  std::vector<std::string> paths;  // need not exist
  bool json = false;
};
// 0; 1 when the bucket has no version of one of them; 2 for trouble, and for directories.
int VersionsCommand(const VersionsRequest& request, const PastNamesReader& read_names = ReadPastNames);

}  // namespace pailfs::cli
