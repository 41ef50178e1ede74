// What the commands on a store share.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "cli/compose.h"
#include "cli/exit_codes.h"

namespace pailfs::cli {

// Says what went wrong; the exit code.
inline int Fail(const Error& error) {
  std::fprintf(stderr, "pailfs: %s\n", error.message.c_str());
  const bool answer = error.code == Errc::kAlreadyExists || error.code == Errc::kNotEmpty;
  return answer ? kExitNo : CommandExitCode(error.code);
}

// Runs `action` on the open store.
template <typename Action>
int OnStore(const std::string& directory, const Action& action) {
  const auto store = OpenStore(AbsolutePath(directory), /*create=*/false);
  if (!store.ok()) return Fail(store.error());
  return action(**store);
}

inline std::string_view NameOf(VersioningState state) {
  switch (state) {
    case VersioningState::kOff:
      return "off";
    case VersioningState::kEnabled:
      return "on";
    case VersioningState::kSuspended:
      return "suspended";
  }
  return "off";
}

}  // namespace pailfs::cli
