#include <cstring>
#include <string_view>

#include "cli/command_line.h"
#include "cli/mount_command.h"

int main(int argc, char** argv) {
  const std::string_view path = argc > 0 ? argv[0] : "pailfs";
  const std::string_view name = path.substr(path.rfind('/') + 1);
  // mount.fuse(8) runs us with the source as the first word, mount(8) under the name of its helper.
  const bool from_fuse =
      argc > 1 && (std::strncmp(argv[1], "store:", 6) == 0 || std::strncmp(argv[1], "s3://", 5) == 0);
  if (name == "mount.pailfs" || name == "mount.fuse.pailfs" || from_fuse) return pailfs::cli::MountHelper(argc, argv);
  return pailfs::cli::RunCommandLine(argc, argv);
}
