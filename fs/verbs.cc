// Verbs on names, attributes and directories.
#include "fs/verbs.h"

#include <linux/fs.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string>

#include "fs/verbs_serve.h"

namespace pailfs::fs {
namespace {

using cache::Attributes;
using cache::DirectoryEntry;
using cache::Ino;

constexpr size_t kMaxQueuedRequests = 4096;
constexpr uint64_t kCookieOfDot = 1;

void AnswerEntry(Reply& reply, const Result<Attributes>& found) {
  if (found.Is(Errc::kNotFound)) return reply.NoEntry();
  if (!found.ok()) return reply.Fail(found.error());
  reply.Entry(*found);
}

void AnswerMade(Reply& reply, const Result<Attributes>& made) {
  if (!made.ok()) return reply.Fail(made.error());
  reply.Entry(*made);
}

void AnswerAttributes(Reply& reply, const Result<Attributes>& attributes) {
  if (!attributes.ok()) return reply.Fail(attributes.error());
  reply.Attr(*attributes);
}

}  // namespace

Verbs::Verbs(cache::MountCache& cache, KernelInvalidator& invalidator, size_t io_threads)
    : cache_(cache),
      invalidator_(invalidator),
      opens_(cache),
      bucket_pool_("fuse-bucket", io_threads, kMaxQueuedRequests),
      room_pool_("fuse-room", (io_threads + 1) / 2, kMaxQueuedRequests) {}

void Verbs::Drain() {
  bucket_pool_.Drain();
  room_pool_.Drain();
}

// The kernel asks for "." and ".." when a file handle of an NFS server leads to an inode that it has forgotten.
Result<Attributes> Verbs::LookupDots(const OpContext& ctx, Ino ino, std::string_view name) {
  if (name == ".") return cache_.GetAttributes(ino);
  Result<Attributes> parent = Error{Errc::kNotFound, "the directory was removed"};
  RETURN_IF_ERROR(cache_.ReadDirectory(ctx, ino, kCookieOfDot, [&parent](const DirectoryEntry& entry) {
    parent = entry.attributes;
    return false;
  }));
  return parent;
}

void Verbs::Lookup(Reply reply, Ino parent, std::string_view name) {
  if (name == "." || name == "..") {
    return Serve(
        Wait::kForBucket, Local::kNo, std::move(reply),
        [this, parent, name = std::string(name)](const OpContext& ctx) { return LookupDots(ctx, parent, name); },
        AnswerEntry);
  }
  if (name.size() > cache::kMaxNameBytes) return reply.FailErrno(ENAMETOOLONG);
  const Local local = cache_.LookupIsLocal(parent, name) ? Local::kYes : Local::kNo;
  Serve(
      Wait::kForBucket, local, std::move(reply),
      [this, parent, name = std::string(name)](const OpContext& ctx) { return cache_.Lookup(ctx, parent, name); },
      // What is not there of the past may come: nobody tells the kernel.
      cache::IsPast(parent) ? AnswerMade : AnswerEntry);
}

void Verbs::GetAttributes(Reply reply, Ino ino) {
  AnswerAttributes(reply, cache_.GetAttributes(ino));
}

void Verbs::SetAttributes(Reply reply, const Request& request, Ino ino, cache::AttributeChange change) {
  if (change.size_bytes && *change.size_bytes > cache::kMaxFileBytes) return reply.FailErrno(EFBIG);
  const bool changes_owner = change.uid || change.gid;
  // chmod says itself what is left of setuid and setgid.
  if (!change.mode) change.kill_privileges = changes_owner || (change.size_bytes && request.kill_privileges);
  const bool changes_nothing =
      !change.mode && !changes_owner && !change.size_bytes && !change.atime_ns && !change.mtime_ns;
  if (changes_nothing) return GetAttributes(std::move(reply), ino);
  const Wait wait = change.size_bytes ? Wait::kForRoom : Wait::kForBucket;
  Serve(
      wait, Local::kYes, std::move(reply),
      [this, ino, change](const OpContext& ctx) {
        auto changed = cache_.SetAttributes(ctx, ino, change);
        if (changed.ok() && (change.size_bytes || change.uid || change.gid)) DropCapability(ino);
        return changed;
      },
      AnswerAttributes);
}

void Verbs::ReadLink(Reply reply, Ino ino) {
  Serve(
      Wait::kForBucket, Local::kYes, std::move(reply),
      [this, ino](const OpContext& ctx) { return cache_.ReadLink(ctx, ino); },
      [](Reply& to, const Result<std::string>& target) {
        if (!target.ok()) return to.Fail(target.error());
        to.Link(*target);
      });
}

void Verbs::Make(Reply reply, const Request& request, Ino parent, std::string_view name, cache::NewInode inode) {
  if (name.size() > cache::kMaxNameBytes) return reply.FailErrno(ENAMETOOLONG);
  const Local local = cache_.LookupIsLocal(parent, name) ? Local::kYes : Local::kNo;
  Serve(
      Wait::kForRoom, local, std::move(reply),
      [this, parent, name = std::string(name), inode = std::move(inode),
       caller = request.caller](const OpContext& ctx) { return cache_.Make(ctx, parent, name, inode, caller); },
      AnswerMade);
}

// EPERM is what link(2) names for file systems without hard links; tools that can do without try a copy then.
void Verbs::Link(Reply reply) {
  reply.FailErrno(EPERM);
}

void Verbs::Unlink(Reply reply, Ino parent, std::string_view name) {
  const Local local = cache_.LookupIsLocal(parent, name) ? Local::kYes : Local::kNo;
  ServeStatus(
      Wait::kForBucket, local, std::move(reply),
      [this, parent, name = std::string(name)](const OpContext& ctx) { return cache_.Unlink(ctx, parent, name); });
}

void Verbs::RemoveDirectory(Reply reply, Ino parent, std::string_view name) {
  Local local = Local::kNo;
  if (cache_.LookupIsLocal(parent, name)) {
    const auto found = cache_.Lookup(Impatient(), parent, name);
    if (found.ok() && cache_.DirectoryIsLocal(found->ino)) local = Local::kYes;
  }
  ServeStatus(Wait::kForBucket, local, std::move(reply),
              [this, parent, name = std::string(name)](const OpContext& ctx) {
                return cache_.RemoveDirectory(ctx, parent, name);
              });
}

// The subtree of a directory must be known before it moves, which may take listings.
Verbs::Local Verbs::RenameIsLocal(Ino parent, std::string_view name, Ino new_parent, std::string_view new_name) {
  if (!cache_.LookupIsLocal(parent, name) || !cache_.LookupIsLocal(new_parent, new_name)) return Local::kNo;
  const auto from = cache_.Lookup(Impatient(), parent, name);
  if (!from.ok() || S_ISDIR(from->mode)) return Local::kNo;
  const auto to = cache_.Lookup(Impatient(), new_parent, new_name);
  return to.ok() && S_ISDIR(to->mode) ? Local::kNo : Local::kYes;
}

void Verbs::Rename(Reply reply, Ino parent, std::string_view name, Ino new_parent, std::string_view new_name,
                   unsigned int flags) {
  if (new_name.size() > cache::kMaxNameBytes) return reply.FailErrno(ENAMETOOLONG);
  cache::RenameMode mode = cache::RenameMode::kReplace;
  switch (flags) {
    case 0:
      break;
    case RENAME_NOREPLACE:
      mode = cache::RenameMode::kNoReplace;
      break;
    case RENAME_EXCHANGE:
      mode = cache::RenameMode::kExchange;
      break;
    default:
      return reply.FailErrno(EINVAL);
  }
  ServeStatus(Wait::kForBucket, RenameIsLocal(parent, name, new_parent, new_name), std::move(reply),
              [this, parent, new_parent, mode, name = std::string(name), new_name = std::string(new_name)](
                  const OpContext& ctx) { return cache_.Rename(ctx, parent, name, new_parent, new_name, mode); });
}

void Verbs::Stats(Reply reply) {
  Serve(
      Wait::kForBucket, Local::kNo, std::move(reply), [this](const OpContext& ctx) { return cache_.Stats(ctx); },
      [](Reply& to, const Result<cache::FileSystemStats>& stats) {
        if (!stats.ok()) return to.Fail(stats.error());
        to.Stats(*stats);
      });
}

void Verbs::OpenDirectory(Reply reply, Ino ino) {
  const Local local = cache_.DirectoryIsLocal(ino) ? Local::kYes : Local::kNo;
  Serve(
      Wait::kForBucket, local, std::move(reply),
      [this, ino](const OpContext& ctx) { return cache_.OpenDirectory(ctx, ino); },
      [this, ino](Reply& to, const Status& opened) {
        if (!opened.ok()) return to.Fail(opened.error());
        opens_.DirectoryOpened(ino);
        if (!to.OpenDirectory()) opens_.CloseDirectory(ino);
      });
}

void Verbs::ReadDirectory(Reply reply, Ino ino, uint64_t cookie, size_t limit_bytes, DirectoryFormat format) {
  const Local local = cache_.DirectoryIsLocal(ino) ? Local::kYes : Local::kNo;
  const auto buffer = std::make_shared<DirectoryBuffer>(format, limit_bytes, reply.timeouts());
  Serve(
      Wait::kForBucket, local, std::move(reply),
      [this, ino, cookie, buffer](const OpContext& ctx) {
        buffer->Clear();
        return cache_.ReadDirectory(ctx, ino, cookie,
                                    [&buffer](const DirectoryEntry& entry) { return buffer->Add(entry); });
      },
      [buffer](Reply& to, const Status& read) {
        // What was delivered before an error counts; the next call meets the error again.
        if (!read.ok() && buffer->bytes().empty()) return to.Fail(read.error());
        to.Data(buffer->bytes());
      });
}

void Verbs::CloseDirectory(Reply reply, Ino ino) {
  opens_.CloseDirectory(ino);
  reply.Ok();
}

}  // namespace pailfs::fs
