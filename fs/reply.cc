#include "fs/reply.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <string>
#include <utility>

#include "fs/fuse_api.h"

namespace pailfs::fs {
namespace {

// Inode numbers are never reused, so one generation does.
constexpr uint64_t kGeneration = 1;
constexpr uint32_t kBlockBytes = 4096;

timespec ToTimespec(int64_t ns) {
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  int64_t seconds = ns / kNsPerSecond;
  int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  return {seconds, rest};
}

fuse_file_info ToFileInfo(const OpenedFile& file) {
  fuse_file_info info{};
  info.fh = file.handle;
  info.keep_cache = file.keep_cache ? 1 : 0;
  info.noflush = file.no_flush ? 1 : 0;
  return info;
}

}  // namespace

struct stat ToStat(const cache::Attributes& attributes) {
  struct stat st {};
  st.st_ino = attributes.ino;
  st.st_mode = attributes.mode;
  st.st_nlink = attributes.nlink;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_rdev = attributes.rdev;
  st.st_size = static_cast<off_t>(attributes.size_bytes);
  st.st_blocks = static_cast<blkcnt_t>((attributes.allocated_bytes + 511) / 512);
  st.st_blksize = 128 << 10;
  st.st_atim = ToTimespec(attributes.atime_ns);
  st.st_mtim = ToTimespec(attributes.mtime_ns);
  st.st_ctim = ToTimespec(attributes.ctime_ns);
  return st;
}

fuse_entry_param ToEntry(const cache::Attributes& attributes, const Timeouts& timeouts) {
  fuse_entry_param entry{};
  entry.ino = attributes.ino;
  entry.generation = kGeneration;
  entry.attr = ToStat(attributes);
  const double longest_s = static_cast<double>(attributes.name_ttl_ns) / 1e9;
  entry.attr_timeout = std::min(timeouts.attribute_s, longest_s);
  entry.entry_timeout = std::min(timeouts.entry_s, longest_s);
  return entry;
}

struct Reply::Interrupt {
  struct Stop {
    std::stop_source* source;
    void operator()() const noexcept { source->request_stop(); }
  };
  explicit Interrupt(const std::stop_token& session_end) : on_session_end(session_end, Stop{&source}) {}

  std::stop_source source;
  std::stop_callback<Stop> on_session_end;
};

Reply::Reply(fuse_req* request, const Timeouts& timeouts, std::stop_token session_end)
    : request_(request), timeouts_(&timeouts), session_end_(std::move(session_end)) {}

Reply::Reply(Reply&& other) noexcept
    : request_(std::exchange(other.request_, nullptr)),
      timeouts_(other.timeouts_),
      session_end_(std::move(other.session_end_)),
      interrupt_(std::move(other.interrupt_)) {}

Reply::~Reply() {
  if (request_ != nullptr) fuse_reply_err(Take(), EIO);
}

OpContext Reply::Interruptible() {
  assert(request_ != nullptr);
  if (interrupt_ == nullptr) {
    interrupt_ = std::make_unique<Interrupt>(session_end_);
    fuse_req_interrupt_func(
        request_, [](fuse_req_t, void* interrupt) { static_cast<Interrupt*>(interrupt)->source.request_stop(); },
        interrupt_.get());
  }
  OpContext ctx;
  ctx.stop = interrupt_->source.get_token();
  return ctx;
}

// libfuse holds the request's lock while it calls the interrupt function, so that it cannot run any more once it was
// taken off.
fuse_req* Reply::Take() {
  assert(request_ != nullptr);
  if (interrupt_ != nullptr) fuse_req_interrupt_func(request_, nullptr, nullptr);
  return std::exchange(request_, nullptr);
}

void Reply::Ok() {
  fuse_reply_err(Take(), 0);
}
void Reply::None() {
  fuse_reply_none(Take());
}
void Reply::Fail(const Error& error) {
  fuse_reply_err(Take(), ErrcToErrno(error.code));
}
void Reply::FailErrno(int error_number) {
  fuse_reply_err(Take(), error_number);
}

void Reply::Entry(const cache::Attributes& attributes) {
  const fuse_entry_param entry = ToEntry(attributes, *timeouts_);
  fuse_reply_entry(Take(), &entry);
}

void Reply::NoEntry() {
  if (timeouts_->negative_s <= 0) return FailErrno(ENOENT);
  fuse_entry_param entry{};
  entry.entry_timeout = timeouts_->negative_s;
  fuse_reply_entry(Take(), &entry);
}

void Reply::Attr(const cache::Attributes& attributes) {
  const struct stat st = ToStat(attributes);
  fuse_reply_attr(Take(), &st, timeouts_->attribute_s);
}

bool Reply::Create(const cache::Attributes& attributes, const OpenedFile& file) {
  const fuse_entry_param entry = ToEntry(attributes, *timeouts_);
  const fuse_file_info info = ToFileInfo(file);
  return fuse_reply_create(Take(), &entry, &info) == 0;
}

bool Reply::Open(const OpenedFile& file) {
  const fuse_file_info info = ToFileInfo(file);
  return fuse_reply_open(Take(), &info) == 0;
}

bool Reply::OpenDirectory() {
  const fuse_file_info info{};
  return fuse_reply_open(Take(), &info) == 0;
}

void Reply::Data(std::span<const std::byte> data) {
  fuse_reply_buf(Take(), reinterpret_cast<const char*>(data.data()), data.size());
}

void Reply::Link(std::string_view target) {
  fuse_reply_buf(Take(), target.data(), target.size());
}
void Reply::Written(size_t bytes) {
  fuse_reply_write(Take(), bytes);
}
void Reply::XattrSize(size_t bytes) {
  fuse_reply_xattr(Take(), bytes);
}
void Reply::Offset(uint64_t offset) {
  fuse_reply_lseek(Take(), static_cast<off_t>(offset));
}

void Reply::Stats(const cache::FileSystemStats& stats) {
  struct statvfs out {};
  out.f_bsize = kBlockBytes;
  out.f_frsize = kBlockBytes;
  out.f_blocks = stats.total_bytes / kBlockBytes;
  out.f_bfree = stats.free_bytes / kBlockBytes;
  out.f_bavail = out.f_bfree;
  // There is no limit on the number of files but the space that they take.
  out.f_files = stats.files + out.f_bfree;
  out.f_ffree = out.f_bfree;
  out.f_favail = out.f_bfree;
  out.f_namemax = cache::kMaxNameBytes;
  fuse_reply_statfs(Take(), &out);
}

}  // namespace pailfs::fs
