#include <gtest/gtest.h>

#include <algorithm>

#include "base/file_system.h"
#include "base/str.h"
#include "cli/command_line.h"
#include "cli/help_text.h"

namespace pailfs::cli {
namespace {

std::string GoldenPath(std::string_view command) {
  std::string name = command.empty() ? "pailfs" : std::string(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return StrCat(PAILFS_SOURCE_DIR, "/tests/unit/cli/golden/", name, ".txt");
}

// The help is an interface: a change of it shows in a file. Write them anew with PAILFS_WRITE_GOLDEN=1.
TEST(HelpTest, IsAsInTheGoldenFiles) {
  for (const std::string_view command : CommandNames()) {
    if (std::getenv("PAILFS_WRITE_GOLDEN") != nullptr) {
      ASSERT_TRUE(WriteFileDurably(PosixFileSystem(), GoldenPath(command), HelpText(command)).ok());
    }
    const auto golden = ReadFile(PosixFileSystem(), GoldenPath(command));
    ASSERT_TRUE(golden.ok()) << GoldenPath(command);
    EXPECT_EQ(HelpText(command), *golden) << "pailfs " << command << " --help";
  }
}

TEST(HelpTest, NamesEveryOptionThatTheParserTakes) {
  for (const std::string_view command : CommandNames()) {
    const std::string help = HelpText(command);
    for (const std::string& option : OptionsOfCommand(std::string(command))) {
      if (option == "STATE") continue;  // shown by its values
      EXPECT_NE(help.find(option), std::string::npos) << "pailfs " << command << ": " << option;
    }
  }
}

// The other way round: every "--option" in the help is one that the parser takes.
TEST(HelpTest, NamesNoOptionThatTheParserDoesNotTake) {
  for (const std::string_view command : CommandNames()) {
    if (command == "store bucket") continue;  // shows options of its commands
    const std::string help = HelpText(command);
    const auto options = OptionsOfCommand(std::string(command));
    for (size_t at = help.find("\n  -"); at != std::string::npos; at = help.find("\n  -", at + 1)) {
      const size_t dashes = help.find("--", at);
      if (dashes > help.find('\n', at + 1)) continue;
      const size_t end = help.find_first_of(" \n", dashes);
      const std::string name = help.substr(dashes, end - dashes);
      EXPECT_NE(std::find(options.begin(), options.end(), name), options.end()) << "pailfs " << command << ": " << name;
    }
  }
}

TEST(HelpTest, LinesFitATerminal) {
  for (const std::string_view command : CommandNames()) {
    const std::string help = HelpText(command);
    for (size_t start = 0; start < help.size();) {
      const size_t end = help.find('\n', start);
      ASSERT_NE(end, std::string::npos) << "no newline at the end of the help of " << command;
      EXPECT_LE(end - start, 110U) << help.substr(start, end - start);
      start = end + 1;
    }
  }
}

}  // namespace
}  // namespace pailfs::cli
