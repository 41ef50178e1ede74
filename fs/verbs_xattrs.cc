// Verbs on extended attributes. None of them waits.
#include <sys/xattr.h>

#include <cerrno>
#include <string>

#include "base/str.h"
#include "fs/verbs.h"

namespace pailfs::fs {
namespace {

// The size when it was asked for, the bytes when they fit.
void AnswerXattr(Reply& reply, std::string_view bytes, size_t limit_bytes) {
  if (limit_bytes == 0) return reply.XattrSize(bytes.size());
  if (bytes.size() > limit_bytes) return reply.FailErrno(ERANGE);
  reply.Data(AsBytes(bytes));
}

void AnswerStatus(Reply& reply, const Status& status) {
  if (!status.ok()) return reply.Fail(status.error());
  reply.Ok();
}

}  // namespace

void Verbs::GetXattr(Reply reply, cache::Ino ino, std::string_view name, size_t limit_bytes) {
  const auto value = cache_.GetXattr(ino, name);
  if (!value.ok()) return reply.Fail(value.error());
  AnswerXattr(reply, *value, limit_bytes);
}

void Verbs::ListXattrs(Reply reply, cache::Ino ino, size_t limit_bytes) {
  const auto names = cache_.ListXattrs(ino);
  if (!names.ok()) return reply.Fail(names.error());
  std::string list;
  for (const std::string& name : *names) {
    list += name;
    list += '\0';
  }
  AnswerXattr(reply, list, limit_bytes);
}

void Verbs::SetXattr(Reply reply, cache::Ino ino, std::string_view name, std::string_view value, int flags) {
  cache::XattrMode mode = cache::XattrMode::kCreateOrReplace;
  switch (flags) {
    case 0:
      break;
    case XATTR_CREATE:
      mode = cache::XattrMode::kCreate;
      break;
    case XATTR_REPLACE:
      mode = cache::XattrMode::kReplace;
      break;
    default:
      return reply.FailErrno(EINVAL);
  }
  AnswerStatus(reply, cache_.SetXattr(ino, name, value, mode));
}

void Verbs::RemoveXattr(Reply reply, cache::Ino ino, std::string_view name) {
  AnswerStatus(reply, cache_.RemoveXattr(ino, name));
}

}  // namespace pailfs::fs
