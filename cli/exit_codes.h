// The exit codes of the program.
#pragma once

#include "base/error.h"

namespace pailfs::cli {

// mount, umount and the mount helper: those of mount(8).
inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;
inline constexpr int kExitSystem = 2;
inline constexpr int kExitInternal = 4;
inline constexpr int kExitInterrupted = 8;
inline constexpr int kExitMountFailure = 32;

// All other commands: 0, 1 for a clear "no" (not found, findings, not everything in the bucket), 2 for trouble, wrong
// usage included.
inline constexpr int kExitNo = 1;
inline constexpr int kExitTrouble = 2;

// Why a mount failed.
inline int MountExitCode(Errc code) {
  switch (code) {
    case Errc::kInternal:
      return kExitInternal;
    case Errc::kNoSpace:
    case Errc::kIo:
      return kExitSystem;
    case Errc::kCancelled:
      return kExitInterrupted;
    default:
      return kExitMountFailure;
  }
}

inline int CommandExitCode(Errc code) {
  switch (code) {
    case Errc::kNotFound:
    case Errc::kAlreadyExists:
    case Errc::kNotEmpty:
      return kExitNo;
    default:
      return kExitTrouble;
  }
}

}  // namespace pailfs::cli
