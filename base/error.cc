#include "base/error.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "base/str.h"

namespace pailfs {
namespace {

struct Row {
  Errc code;
  std::string_view name;
  int error_number;
  std::string_view s3_code;
  RetryClass retry;
};

// In the order of Errc.
constexpr std::array kTable{
    Row{Errc::kNotFound, "not found", ENOENT, "NoSuchKey", RetryClass::kNever},
    Row{Errc::kAlreadyExists, "already exists", EEXIST, "BucketAlreadyOwnedByYou", RetryClass::kNever},
    Row{Errc::kNotADirectory, "not a directory", ENOTDIR, "InvalidRequest", RetryClass::kNever},
    Row{Errc::kIsADirectory, "is a directory", EISDIR, "InvalidRequest", RetryClass::kNever},
    Row{Errc::kNotEmpty, "not empty", ENOTEMPTY, "BucketNotEmpty", RetryClass::kNever},
    Row{Errc::kInvalidArgument, "invalid argument", EINVAL, "InvalidArgument", RetryClass::kNever},
    Row{Errc::kNameTooLong, "name too long", ENAMETOOLONG, "KeyTooLongError", RetryClass::kNever},
    Row{Errc::kTooLarge, "too large", EFBIG, "EntityTooLarge", RetryClass::kNever},
    Row{Errc::kNoSpace, "no space", ENOSPC, "InternalError", RetryClass::kLater},
    Row{Errc::kAccessDenied, "access denied", EACCES, "AccessDenied", RetryClass::kNever},
    Row{Errc::kNotPermitted, "not permitted", EPERM, "AccessDenied", RetryClass::kNever},
    Row{Errc::kPreconditionFailed, "precondition failed", EBUSY, "PreconditionFailed", RetryClass::kNever},
    Row{Errc::kUnavailable, "unavailable", EIO, "ServiceUnavailable", RetryClass::kLater},
    Row{Errc::kTimedOut, "timed out", ETIMEDOUT, "RequestTimeout", RetryClass::kLater},
    Row{Errc::kCancelled, "cancelled", EINTR, "RequestTimeout", RetryClass::kLater},
    Row{Errc::kAmbiguous, "outcome unknown", EIO, "InternalError", RetryClass::kAsk},
    Row{Errc::kCorrupt, "corrupt", EIO, "InternalError", RetryClass::kNever},
    Row{Errc::kIo, "input/output error", EIO, "InternalError", RetryClass::kNever},
    Row{Errc::kUnsupported, "not supported", EOPNOTSUPP, "NotImplemented", RetryClass::kNever},
    Row{Errc::kReadOnly, "read-only", EROFS, "AccessDenied", RetryClass::kNever},
    Row{Errc::kBusy, "busy", EBUSY, "OperationAborted", RetryClass::kLater},
    Row{Errc::kNoData, "no data", ENODATA, "NoSuchTagSet", RetryClass::kNever},
    Row{Errc::kRange, "out of range", ERANGE, "InvalidRange", RetryClass::kNever},
    Row{Errc::kCrossDevice, "across devices", EXDEV, "InvalidRequest", RetryClass::kNever},
    Row{Errc::kBadHandle, "bad handle", EBADF, "InvalidRequest", RetryClass::kNever},
    Row{Errc::kStale, "stale", ESTALE, "NoSuchVersion", RetryClass::kNever},
    Row{Errc::kInternal, "internal error", EIO, "InternalError", RetryClass::kNever},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].code) != i) return false;
  }
  return kTable.size() == static_cast<size_t>(Errc::kInternal) + 1;
}
static_assert(InOrder(), "the table must have a row for each code, in order");

const Row& RowOf(Errc code) {
  return kTable[static_cast<size_t>(code)];
}

}  // namespace

Error Error::With(std::string_view context) const {
  return {code, StrCat(context, ": ", message)};
}

std::string_view ErrcName(Errc code) {
  return RowOf(code).name;
}
int ErrcToErrno(Errc code) {
  return RowOf(code).error_number;
}
std::string_view ErrcToS3Code(Errc code) {
  return RowOf(code).s3_code;
}
RetryClass ErrcRetryClass(Errc code) {
  return RowOf(code).retry;
}

Errc ErrcFromErrno(int error_number) {
  switch (error_number) {
    case ENOENT:
      return Errc::kNotFound;
    case EEXIST:
      return Errc::kAlreadyExists;
    case ENOTDIR:
      return Errc::kNotADirectory;
    case EISDIR:
      return Errc::kIsADirectory;
    case ENOTEMPTY:
      return Errc::kNotEmpty;
    case EINVAL:
      return Errc::kInvalidArgument;
    case ENAMETOOLONG:
      return Errc::kNameTooLong;
    case EFBIG:
      return Errc::kTooLarge;
    case ENOSPC:
    case EDQUOT:
      return Errc::kNoSpace;
    case EACCES:
      return Errc::kAccessDenied;
    case EPERM:
      return Errc::kNotPermitted;
    case ETIMEDOUT:
      return Errc::kTimedOut;
    case EINTR:
      return Errc::kCancelled;
    case EOPNOTSUPP:
    case ENOSYS:
      return Errc::kUnsupported;
    case EROFS:
      return Errc::kReadOnly;
    case EBUSY:
    case EWOULDBLOCK:
      return Errc::kBusy;
    case ENODATA:
      return Errc::kNoData;
    case ERANGE:
    case ENXIO:
      return Errc::kRange;
    case EXDEV:
      return Errc::kCrossDevice;
    case EBADF:
      return Errc::kBadHandle;
    case ESTALE:
      return Errc::kStale;
    default:
      return Errc::kIo;
  }
}

Error ErrnoError(int error_number, std::string_view what) {
  char buffer[128];
  const char* text = strerror_r(error_number, buffer, sizeof buffer);
  return {ErrcFromErrno(error_number), StrCat(what, ": ", text)};
}

}  // namespace pailfs
