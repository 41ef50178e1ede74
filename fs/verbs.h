// The file-system verbs: each turns one request of the kernel into calls on MountCache and an answer.
//
// Nothing here knows libfuse's requests: a verb gets the arguments, what it must know of the caller, and a Reply. A
// call that can be answered from memory and the local databases is answered at once, in the thread that read the
// request; one that may wait (for the bucket, for a download, for room in the cache) goes to a bounded pool, with the
// Reply. Calls that may wait for room and calls that may wait for the bucket have pools of their own, so that stuck
// writers do not stop readers.
//
// Handles hold the open mode and nothing else, directory handles nothing at all, and lookups are not counted: a
// successor of this process can serve every handle and inode that the kernel knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>

#include "base/thread_pool.h"
#include "cache/mount_cache.h"
#include "fs/directory_buffer.h"
#include "fs/kernel_invalidator.h"
#include "fs/open_table.h"
#include "fs/reply.h"

namespace pailfs::fs {

// On whose behalf.
struct Request {
  cache::Caller caller;
  bool kill_privileges = false;  // the caller lacks CAP_FSETID: writing and truncating clear setuid and setgid
};

// Thread-safe. Arguments that are views need to live for the call only.
class Verbs {
 public:
  // References must outlive this object. `io_threads` serve what may wait for the bucket, half as many what may wait
  // for room.
  Verbs(cache::MountCache& cache, KernelInvalidator& invalidator, size_t io_threads);

  // --- names and attributes ---
  void Lookup(Reply reply, cache::Ino parent, std::string_view name);
  void GetAttributes(Reply reply, cache::Ino ino);
  void SetAttributes(Reply reply, const Request& request, cache::Ino ino, cache::AttributeChange change);
  void ReadLink(Reply reply, cache::Ino ino);
  void Make(Reply reply, const Request& request, cache::Ino parent, std::string_view name, cache::NewInode inode);
  void Link(Reply reply);
  void Unlink(Reply reply, cache::Ino parent, std::string_view name);
  void RemoveDirectory(Reply reply, cache::Ino parent, std::string_view name);
  // `flags`: those of renameat2(2).
  void Rename(Reply reply, cache::Ino parent, std::string_view name, cache::Ino new_parent, std::string_view new_name,
              unsigned int flags);
  void Stats(Reply reply);

  // --- directories ---
  void OpenDirectory(Reply reply, cache::Ino ino);
  void ReadDirectory(Reply reply, cache::Ino ino, uint64_t cookie, size_t limit_bytes, DirectoryFormat format);
  void CloseDirectory(Reply reply, cache::Ino ino);

  // --- regular files; `open_flags`: those of open(2) ---
  void Create(Reply reply, const Request& request, cache::Ino parent, std::string_view name, uint32_t mode,
              int open_flags);
  void Open(Reply reply, const Request& request, cache::Ino ino, int open_flags);
  void Read(Reply reply, cache::Ino ino, uint64_t offset, size_t length);
  void Write(Reply reply, const Request& request, cache::Ino ino, uint64_t offset, std::span<const std::byte> data);
  void Flush(Reply reply, cache::Ino ino);
  void Close(Reply reply, cache::Ino ino, uint64_t handle);
  void Fsync(Reply reply, cache::Ino ino);  // of directories too
  // `mode`: that of fallocate(2).
  void Allocate(Reply reply, const Request& request, cache::Ino ino, int mode, uint64_t offset, uint64_t length);
  // `whence`: SEEK_DATA or SEEK_HOLE.
  void Seek(Reply reply, cache::Ino ino, uint64_t offset, int whence);
  void CopyRange(Reply reply, const Request& request, cache::Ino source, uint64_t source_offset, cache::Ino target,
                 uint64_t target_offset, uint64_t length);

  // --- extended attributes; `limit_bytes` 0 asks for the size; `flags`: those of setxattr(2) ---
  void GetXattr(Reply reply, cache::Ino ino, std::string_view name, size_t limit_bytes);
  void ListXattrs(Reply reply, cache::Ino ino, size_t limit_bytes);
  void SetXattr(Reply reply, cache::Ino ino, std::string_view name, std::string_view value, int flags);
  void RemoveXattr(Reply reply, cache::Ino ino, std::string_view name);

  // Waits until every request that was handed to a pool is answered.
  void Drain();
  // At the end of the connection: closes what the kernel has not.
  void CloseAll() { opens_.CloseAll(); }

 private:
  // Where a call waits if it has to.
  enum class Wait : uint8_t { kForBucket, kForRoom };
  // Would the call answer at once?
  enum class Local : uint8_t { kNo, kYes };

  // `call(const OpContext&)` gives a Result, `answer(Reply&, Result)` ends the reply. With kYes the call is tried here,
  // told not to wait; if it would have to, and with kNo, both run in a pool.
  template <typename Call, typename Answer>
  void Serve(Wait wait, Local local, Reply reply, Call call, Answer answer);
  template <typename Call>
  void ServeStatus(Wait wait, Local local, Reply reply, Call call);

  Result<cache::Attributes> LookupDots(const OpContext& ctx, cache::Ino ino, std::string_view name);
  Local RenameIsLocal(cache::Ino parent, std::string_view name, cache::Ino new_parent, std::string_view new_name);
  // A change of content by anyone takes away file capabilities, one by a caller without CAP_FSETID setuid and setgid.
  void DropCapability(cache::Ino ino);
  Status KillPrivileges(const OpContext& ctx, cache::Ino ino);
  bool HasPrivilegeBits(cache::Ino ino);

  cache::MountCache& cache_;
  KernelInvalidator& invalidator_;
  OpenTable opens_;
  ThreadPool bucket_pool_;
  ThreadPool room_pool_;
};

// The handle of a file opened with these flags, and back.
uint64_t HandleOf(cache::OpenFlags flags);
cache::OpenFlags FlagsOfHandle(uint64_t handle);

}  // namespace pailfs::fs
