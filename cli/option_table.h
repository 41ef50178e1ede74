// The options of a mount: one table for -o, fstab, pailfs.toml, --help and docs/OPTIONS.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/mount_settings.h"

namespace pailfs::cli {

enum class OptionKind : uint8_t {
  kOurs,    // changes MountSettings
  kKernel,  // goes to the kernel as it is
  kIgnored  // means something to mount(8) or other tools only, or is what we do anyway
};

struct OptionSpec {
  std::string_view name;
  std::string_view argument;  // "DIR"; empty: none; in brackets: may be left out
  OptionKind kind;
  std::string_view help;
  Status (*apply)(MountSettings& settings, std::string_view value);  // kOurs
};

// In the order in which they are shown.
std::span<const OptionSpec> OptionTable();

// The words of "a,b=c" in order; empty ones are dropped. A backslash takes the next character as it is.
std::vector<std::string> SplitOptions(std::string_view list);

// Applies "name" or "name=value". kInvalidArgument; for an unknown option the message names the nearest known one.
Status ApplyOption(MountSettings& settings, std::string_view word);
// True for a word that ApplyOption refuses because it does not know its name.
bool IsUnknownOption(std::string_view word);

// The table as aligned lines for --help, and as docs/OPTIONS.md.
std::string OptionsHelp();
std::string OptionsMarkdown();

}  // namespace pailfs::cli
