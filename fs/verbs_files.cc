// Verbs on the content of regular files.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/verbs.h"
#include "fs/verbs_serve.h"

namespace pailfs::fs {
namespace {

using cache::Attributes;
using cache::Ino;

constexpr uint64_t kHandleOpen = 1;
constexpr uint64_t kHandleWrite = 2;

cache::OpenFlags ToOpenFlags(int open_flags) {
  return {.write = (open_flags & O_ACCMODE) != O_RDONLY, .truncate = (open_flags & O_TRUNC) != 0};
}

// A buffer that this thread uses again for every read.
std::span<std::byte> ReadBuffer(size_t length) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < length) buffer.resize(length);
  return std::span(buffer).first(length);
}

bool BeyondLimit(uint64_t offset, uint64_t length) {
  return offset > cache::kMaxFileBytes || length > cache::kMaxFileBytes - offset;
}

std::optional<cache::AllocateMode> ToAllocateMode(int mode) {
  using cache::AllocateMode;
  switch (mode) {
    case 0:
      return AllocateMode::kExtend;
    case FALLOC_FL_KEEP_SIZE:
      return AllocateMode::kKeepSize;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
      return AllocateMode::kPunchHole;
    case FALLOC_FL_ZERO_RANGE:
      return AllocateMode::kZeroRange;
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
      return AllocateMode::kZeroRangeKeepSize;
    default:
      return std::nullopt;
  }
}

}  // namespace

uint64_t HandleOf(cache::OpenFlags flags) {
  return kHandleOpen | (flags.write ? kHandleWrite : 0);
}
cache::OpenFlags FlagsOfHandle(uint64_t handle) {
  return {.write = (handle & kHandleWrite) != 0, .truncate = false};
}

// --- setuid, setgid, capabilities ---

void Verbs::DropCapability(Ino ino) {
  static constexpr std::string_view kCapability = "security.capability";
  if (cache_.GetXattr(ino, kCapability).ok()) (void)cache_.RemoveXattr(ino, kCapability).ok();
}

bool Verbs::HasPrivilegeBits(Ino ino) {
  const auto attributes = cache_.GetAttributes(ino);
  return attributes.ok() && S_ISREG(attributes->mode) && (attributes->mode & (S_ISUID | S_ISGID)) != 0;
}

Status Verbs::KillPrivileges(const OpContext& ctx, Ino ino) {
  if (!HasPrivilegeBits(ino)) return {};
  cache::AttributeChange change;
  change.kill_privileges = true;
  RETURN_IF_ERROR(cache_.SetAttributes(ctx, ino, change));
  invalidator_.InvalidateAttributes(ino);
  return {};
}

// --- opening ---

void Verbs::Create(Reply reply, const Request& request, Ino parent, std::string_view name, uint32_t mode,
                   int open_flags) {
  if (name.size() > cache::kMaxNameBytes) return reply.FailErrno(ENAMETOOLONG);
  const cache::OpenFlags flags = ToOpenFlags(open_flags);
  const bool exclusive = (open_flags & O_EXCL) != 0;
  const Local local = cache_.LookupIsLocal(parent, name) ? Local::kYes : Local::kNo;
  Serve(
      Wait::kForRoom, local, std::move(reply),
      [this, parent, mode, flags, exclusive, name = std::string(name), caller = request.caller](const OpContext& ctx) {
        const cache::NewInode inode{.mode = S_IFREG | (mode & 07777U), .rdev = 0, .symlink_target = {}};
        return cache_.Create(ctx, parent, name, inode, caller, flags, exclusive);
      },
      [this, flags](Reply& to, const Result<Attributes>& created) {
        if (!created.ok()) return to.Fail(created.error());
        const OpenedFile file{.handle = HandleOf(flags), .keep_cache = true, .no_flush = !flags.write};
        opens_.Opened(created->ino, flags);
        if (!to.Create(*created, file)) opens_.Close(created->ino, flags);
      });
}

void Verbs::Open(Reply reply, const Request& request, Ino ino, int open_flags) {
  const cache::OpenFlags flags = ToOpenFlags(open_flags);
  const bool kill_privileges = request.kill_privileges && flags.truncate;
  Serve(
      flags.truncate ? Wait::kForRoom : Wait::kForBucket, Local::kYes, std::move(reply),
      [this, ino, flags, kill_privileges](const OpContext& ctx) -> Status {
        RETURN_IF_ERROR(cache_.Open(ctx, ino, flags));
        if (flags.truncate) DropCapability(ino);
        if (!kill_privileges) return {};
        Status killed = KillPrivileges(OpContext{}, ino);
        if (!killed.ok()) cache_.Close(ino, flags);
        return killed;
      },
      [this, ino, flags](Reply& to, const Status& opened) {
        if (!opened.ok()) return to.Fail(opened.error());
        const OpenedFile file{
            .handle = HandleOf(flags), .keep_cache = !invalidator_.IsPending(ino), .no_flush = !flags.write};
        opens_.Opened(ino, flags);
        if (!to.Open(file)) opens_.Close(ino, flags);
      });
}

void Verbs::Close(Reply reply, Ino ino, uint64_t handle) {
  opens_.Close(ino, FlagsOfHandle(handle));
  reply.Ok();
}

void Verbs::Flush(Reply reply, Ino ino) {
  ServeStatus(Wait::kForBucket, Local::kYes, std::move(reply),
              [this, ino](const OpContext& ctx) { return cache_.Flush(ctx, ino); });
}

void Verbs::Fsync(Reply reply, Ino ino) {
  ServeStatus(Wait::kForRoom, Local::kNo, std::move(reply),
              [this, ino](const OpContext& ctx) { return cache_.Fsync(ctx, ino); });
}

// --- bytes ---

void Verbs::Read(Reply reply, Ino ino, uint64_t offset, size_t length) {
  const Local local = cache_.ReadIsLocal(ino, offset, length) ? Local::kYes : Local::kNo;
  Serve(
      Wait::kForBucket, local, std::move(reply),
      [this, ino, offset, length](const OpContext& ctx) -> Result<std::span<const std::byte>> {
        const std::span<std::byte> buffer = ReadBuffer(length);
        ASSIGN_OR_RETURN(const size_t got, cache_.Read(ctx, ino, offset, buffer));
        return std::span<const std::byte>(buffer.first(got));
      },
      // In the thread that read, so the buffer is still ours.
      [](Reply& to, const Result<std::span<const std::byte>>& read) {
        if (!read.ok()) return to.Fail(read.error());
        to.Data(*read);
      });
}

void Verbs::Write(Reply reply, const Request& request, Ino ino, uint64_t offset, std::span<const std::byte> data) {
  if (BeyondLimit(offset, data.size())) return reply.FailErrno(EFBIG);
  const bool kill = request.kill_privileges;
  const auto write = [this, ino, offset, kill](const OpContext& ctx,
                                               std::span<const std::byte> bytes) -> Result<size_t> {
    const bool mode_changes = kill && HasPrivilegeBits(ino);
    RETURN_IF_ERROR(cache_.Write(ctx, ino, offset, bytes, kill));
    DropCapability(ino);
    if (mode_changes) invalidator_.InvalidateAttributes(ino);
    return bytes.size();
  };
  const auto answer = [](Reply& to, const Result<size_t>& written) {
    if (!written.ok()) return to.Fail(written.error());
    to.Written(*written);
  };
  if (cache_.WriteIsLocal(ino, offset, data.size())) {
    const auto written = write(Impatient(), data);
    if (!written.Is(Errc::kTimedOut)) return answer(reply, written);
  }
  Serve(
      Wait::kForRoom, Local::kNo, std::move(reply),
      [write, bytes = std::vector<std::byte>(data.begin(), data.end())](const OpContext& ctx) {
        return write(ctx, bytes);
      },
      answer);
}

void Verbs::Allocate(Reply reply, const Request& request, Ino ino, int mode, uint64_t offset, uint64_t length) {
  const auto allocate = ToAllocateMode(mode);
  if (!allocate) return reply.FailErrno(EOPNOTSUPP);
  if (*allocate != cache::AllocateMode::kPunchHole && BeyondLimit(offset, length)) return reply.FailErrno(EFBIG);
  const bool kill = request.caller.uid != 0;
  ServeStatus(Wait::kForRoom, Local::kNo, std::move(reply),
              [this, ino, offset, length, kill, how = *allocate](const OpContext& ctx) -> Status {
                RETURN_IF_ERROR(cache_.Allocate(ctx, ino, how, offset, length));
                DropCapability(ino);
                return kill ? KillPrivileges(ctx, ino) : Status();
              });
}

void Verbs::Seek(Reply reply, Ino ino, uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return reply.FailErrno(EINVAL);
  const cache::SeekTo what = whence == SEEK_DATA ? cache::SeekTo::kData : cache::SeekTo::kHole;
  Serve(
      Wait::kForBucket, Local::kYes, std::move(reply),
      [this, ino, offset, what](const OpContext& ctx) { return cache_.Seek(ctx, ino, offset, what); },
      [](Reply& to, const Result<uint64_t>& found) {
        if (found.Is(Errc::kRange) || found.Is(Errc::kNoData)) return to.FailErrno(ENXIO);
        if (!found.ok()) return to.Fail(found.error());
        to.Offset(*found);
      });
}

void Verbs::CopyRange(Reply reply, const Request& request, Ino source, uint64_t source_offset, Ino target,
                      uint64_t target_offset, uint64_t length) {
  if (BeyondLimit(target_offset, 0)) return reply.FailErrno(EFBIG);
  // The answer has 32 bits for the count.
  const uint64_t most = std::min<uint64_t>({length, cache::kMaxFileBytes - target_offset, 1ULL << 30});
  if (most == 0 && length > 0) return reply.FailErrno(EFBIG);
  const bool kill = request.caller.uid != 0;
  Serve(
      Wait::kForRoom, Local::kNo, std::move(reply),
      [=, this](const OpContext& ctx) -> Result<uint64_t> {
        ASSIGN_OR_RETURN(const uint64_t copied,
                         cache_.CopyRange(ctx, source, source_offset, target, target_offset, most));
        DropCapability(target);
        if (kill) RETURN_IF_ERROR(KillPrivileges(ctx, target));
        return copied;
      },
      [](Reply& to, const Result<uint64_t>& copied) {
        if (!copied.ok()) return to.Fail(copied.error());
        to.Written(static_cast<size_t>(*copied));
      });
}

}  // namespace pailfs::fs
