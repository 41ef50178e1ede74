// The program's command line: parses it and runs the command.
#pragma once

#include <string>
#include <vector>

namespace pailfs::cli {

// Returns the exit code.
int RunCommandLine(int argc, char** argv);

// The options ("--json", "-r") that a command takes; for the test that its help names them all.
std::vector<std::string> OptionsOfCommand(const std::string& command);

}  // namespace pailfs::cli
