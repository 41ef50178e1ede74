// Commands on what a store keeps of old versions, and on what it takes. Exit codes: 0; 1 for no such store or bucket; 2
// for trouble.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/retention_policy.h"

namespace pailfs::cli {

struct SpaceRequest {
  std::string directory;
  std::string bucket;  // empty: all
  bool json = false;
};

struct RetentionRequest {
  std::string directory;
  std::string bucket;
  // Empty: stays as it is.
  std::string keep_all;
  std::string hourly;
  std::string daily;
  std::string weekly;
  bool forever = false;
  bool json = false;
};

int UsageCommand(const SpaceRequest& request);
int ThinCommand(const SpaceRequest& request, bool dry_run);
// Changes the policy where something is given, and shows it.
int RetentionCommand(const RetentionRequest& request);

// "30d", "12h", "52w", as of other options; whole seconds. kInvalidArgument.
Result<uint64_t> ParseRetentionTime(std::string_view text);
// "30d"; "none" for 0.
std::string RetentionTimeText(uint64_t seconds);
// "everything for 30d, then daily for 365d".
std::string RetentionText(const store::RetentionPolicy& policy);

}  // namespace pailfs::cli
