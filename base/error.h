// The one error vocabulary. A code exists only where some caller reacts to it; `error.cc` holds the one table
// code -> (name, errno, S3 code, retry class). Everything else that matters is in the message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pailfs {

enum class Errc : uint8_t {
  kNotFound,       // no such key, name, version, bucket
  kAlreadyExists,  // O_EXCL, RENAME_NOREPLACE, bucket exists
  kNotADirectory,
  kIsADirectory,
  kNotEmpty,
  kInvalidArgument,
  kNameTooLong,         // name over 255 bytes, key over 1,024 bytes
  kTooLarge,            // file or object over the limit
  kNoSpace,             // disk or cache full
  kAccessDenied,        // EACCES: 403, missing permission
  kNotPermitted,        // EPERM: the operation is not allowed on this object at all
  kPreconditionFailed,  // If-Match / If-None-Match did not hold; nothing was changed
  kUnavailable,         // may work later: network, 503
  kTimedOut,            // the deadline of the OpContext passed
  kCancelled,           // the stop token of the OpContext fired
  kAmbiguous,           // sent, outcome unknown; resolve by asking, never by sending blindly again
  kCorrupt,             // a checksum or a format does not hold
  kIo,                  // the operating system reported an I/O error
  kUnsupported,         // EOPNOTSUPP
  kReadOnly,
  kBusy,    // locked by another process, mount point in use
  kNoData,  // no such xattr
  kRange,   // buffer too small, offset outside, unsatisfiable range
  kCrossDevice,
  kBadHandle,
  kStale,     // the inode is gone
  kInternal,  // a bug: an invariant does not hold
};

enum class RetryClass : uint8_t {
  kNever,  // the same request will fail again
  kLater,  // worth trying again after a pause
  kAsk,    // find out what happened before trying again
};

struct Error {
  Errc code;
  std::string message;

  // The same error with "context: " before its message; used on the way up.
  Error With(std::string_view context) const;
};

std::string_view ErrcName(Errc code);
int ErrcToErrno(Errc code);
std::string_view ErrcToS3Code(Errc code);
RetryClass ErrcRetryClass(Errc code);

// The code for an errno; errnos without a code of their own become kIo.
Errc ErrcFromErrno(int error_number);

// "what: strerror(error_number)" with the fitting code.
Error ErrnoError(int error_number, std::string_view what);

}  // namespace pailfs
