// A directory that is removed with everything in it. In memory where that is possible: tests that open databases many
// times need no disk, and what is durable on one is tested elsewhere.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pailfs {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (Parent() / "pailfs-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  // tests/run sets PAILFS_TEST_MEMORY, so that it can remove what a test that was ended leaves.
  static std::filesystem::path Parent() {
    if (const char* memory = std::getenv("PAILFS_TEST_MEMORY")) return memory;
    const bool in_memory = std::getenv("TMPDIR") == nullptr && access("/dev/shm", W_OK) == 0;
    return in_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
  }

  std::string path_;
};

}  // namespace pailfs
