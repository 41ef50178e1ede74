// `pailfs diff`: what changed in a file or tree between two moments.
#pragma once

#include <string>

#include "cli/past_paths.h"

namespace pailfs::cli {

struct DiffRequest {
  std::string path;
  std::string from;
  std::string to;  // empty: now
  bool json = false;
};
// As diff(1): 0 nothing, 1 something, 2 trouble.
int DiffCommand(const DiffRequest& request, const PastNamesReader& read_names = ReadPastNames);

}  // namespace pailfs::cli
