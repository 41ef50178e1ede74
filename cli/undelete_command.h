// `pailfs undelete`: files that are deleted, in their newest versions.
#pragma once

#include <string>
#include <vector>

#include "cli/past_paths.h"

namespace pailfs::cli {

struct UndeleteRequest {
  std::vector<std::string> paths;  // files, or directories with all that was deleted below them
  bool dry_run = false;
};
// 0; 1 when there was nothing to bring back for one of them; 2 for trouble.
int UndeleteCommand(const UndeleteRequest& request, const PastNamesReader& read_names = ReadPastNames);

}  // namespace pailfs::cli
