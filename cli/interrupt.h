// SIGINT, SIGTERM and SIGHUP for commands that change many files: they stop between two of them.
#pragma once

namespace pailfs::cli {

// While it lives, the first signal is noted and breaks off what waits (EINTR); a second one ends the process. What was
// ignored stays so. One at a time.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  static bool Requested();
};

}  // namespace pailfs::cli
