// The answer to one request of the kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>

#include "base/error.h"
#include "base/op_context.h"
#include "cache/mount_cache.h"

struct fuse_req;
struct fuse_entry_param;
struct stat;

namespace pailfs::fs {

struct Timeouts {
  double entry_s = 0;
  double attribute_s = 0;
  double negative_s = 0;  // 0: names that are not there are not remembered
};

// How the kernel treats a file that was opened.
struct OpenedFile {
  uint64_t handle = 0;
  bool keep_cache = false;  // pages from earlier openings are still right
  bool no_flush = false;    // close(2) has nothing to tell us
};

// Move-only; answers exactly once: EIO from its destructor when nobody did. Never answer while holding a lock. Not
// thread-safe, but may be handed from thread to thread.
class Reply {
 public:
  // `timeouts` must outlive the reply. `session_end` ends calls that wait when the session does.
  Reply(fuse_req* request, const Timeouts& timeouts, std::stop_token session_end);
  Reply(Reply&& other) noexcept;
  Reply& operator=(Reply&&) = delete;
  ~Reply();

  // For a call that may wait: its stop token fires when the kernel says that the caller was interrupted, and when the
  // session ends. Valid until the answer.
  OpContext Interruptible();

  // Each of these ends the request.
  void Ok();
  void None();  // for requests that expect no answer
  void Fail(const Error& error);
  void FailErrno(int error_number);
  void Entry(const cache::Attributes& attributes);
  void NoEntry();  // a name that is not there, remembered when the timeouts say so
  void Attr(const cache::Attributes& attributes);
  // These three return false when the caller had gone (interrupted): the opening must be undone.
  [[nodiscard]] bool Create(const cache::Attributes& attributes, const OpenedFile& file);
  [[nodiscard]] bool Open(const OpenedFile& file);
  [[nodiscard]] bool OpenDirectory();
  void Data(std::span<const std::byte> data);
  void Link(std::string_view target);  // readlink
  void Written(size_t bytes);          // write, copy_file_range
  void XattrSize(size_t bytes);
  void Offset(uint64_t offset);
  void Stats(const cache::FileSystemStats& stats);

  const Timeouts& timeouts() const { return *timeouts_; }
  bool answered() const { return request_ == nullptr; }

 private:
  struct Interrupt;

  fuse_req* Take();

  fuse_req* request_;
  const Timeouts* timeouts_;
  std::stop_token session_end_;
  std::unique_ptr<Interrupt> interrupt_;
};

// As the kernel wants them.
struct stat ToStat(const cache::Attributes& attributes);
fuse_entry_param ToEntry(const cache::Attributes& attributes, const Timeouts& timeouts);

}  // namespace pailfs::fs
