// What the commands on a store share.
#pragma once

#include <string>
#include <string_view>

#include "cli/compose.h"
#include "cli/text_output.h"

namespace pailfs::cli {

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
