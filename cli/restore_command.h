// `pailfs restore`: a file or tree as it was at some time.
#pragma once

#include <string>

#include "cli/past_paths.h"

namespace pailfs::cli {

struct RestoreRequest {
  std::string path;
  std::string at;
  std::string to;  // empty: `path`
  bool delete_extra = false;
  bool dry_run = false;
  int64_t patience_ms = 10'000;  // for files that are not uploaded yet
};
// 0; 1 when it was not there then, or something could not be restored; 2 for trouble and after an interrupt.
int RestoreCommand(const RestoreRequest& request, const PastNamesReader& read_names = ReadPastNames);

}  // namespace pailfs::cli
