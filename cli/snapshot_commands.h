// `pailfs snapshot`: names for moments. Exit codes: 0; 1 when there is no such snapshot, or one of that name already; 2
// for trouble.
#pragma once

#include <string>

#include "cli/past_paths.h"

namespace pailfs::cli {

struct SnapshotRequest {
  std::string name;
  std::string new_name;    // of rename
  std::string path = ".";  // any directory of the mount
  bool json = false;
};
// Names this moment: what was changed before is uploaded first.
int CreateSnapshotCommand(const SnapshotRequest& request, const PastNamesReader& read_names = ReadPastNames);
// The named ones, oldest first.
int ListSnapshotsCommand(const SnapshotRequest& request, const PastNamesReader& read_names = ReadPastNames);
int DeleteSnapshotCommand(const SnapshotRequest& request, const PastNamesReader& read_names = ReadPastNames);
int RenameSnapshotCommand(const SnapshotRequest& request, const PastNamesReader& read_names = ReadPastNames);

// Why mkdir(2) failed, as the person who wanted the snapshot needs to know it.
Error WhyNoSnapshot(int error_number, const std::string& name, const std::string& path);

}  // namespace pailfs::cli
