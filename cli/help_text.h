// The help of each command: written here and not by the command-line library, so that it is the same with every version
// of it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pailfs::cli {

// All commands, the words parted by spaces: "", "mount", "object", "object ls", …
std::span<const std::string_view> CommandNames();

// "pailfs COMMAND --help". Empty for what is no command.
std::string HelpText(std::string_view command);

}  // namespace pailfs::cli
