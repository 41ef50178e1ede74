// Reply on a real request of libfuse.
#include "fs/reply.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <utility>

#include "fs/fuse_api.h"
#include "tests/support/ram_mount_cache.h"
#include "tests/unit/fs/fake_kernel.h"

namespace pailfs::fs {
namespace {

// A session that gives each GETATTR to a function.
class RawSession {
 public:
  explicit RawSession(std::function<void(Reply)> on_getattr)
      : kernel_(sockets_.ours), on_getattr_(std::move(on_getattr)) {
    fuse_lowlevel_ops ops{};
    ops.getattr = [](fuse_req_t req, fuse_ino_t, fuse_file_info*) {
      static const Timeouts timeouts;
      static_cast<RawSession*>(fuse_req_userdata(req))->on_getattr_(Reply(req, timeouts, {}));
    };
    char name[] = "test";
    char* argv[] = {name, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, argv);
    session_ = fuse_session_new(&args, &ops, sizeof ops, this);
    fuse_opt_free_args(&args);
    static const fuse_custom_io io = [] {
      fuse_custom_io hooks{};
      hooks.read = [](int fd, void* buffer, size_t size, void*) { return read(fd, buffer, size); };
      hooks.writev = [](int fd, iovec* pieces, int count, void*) { return writev(fd, pieces, count); };
      return hooks;
    }();
    EXPECT_EQ(fuse_session_custom_io(session_, &io, sockets_.theirs), 0);
    fuse_init_in in{};
    in.major = 7;
    in.minor = 38;
    const uint64_t unique = kernel_.Send(FUSE_INIT, 0, Raw(in));
    ServeOne();
    EXPECT_EQ(kernel_.WaitFor(unique).error, 0);
  }
  ~RawSession() {
    fuse_session_destroy(session_);
    std::free(buffer_.mem);
  }

  void ServeOne() {
    ASSERT_GT(fuse_session_receive_buf(session_, &buffer_), 0);
    fuse_session_process_buf(session_, &buffer_);
  }
  uint64_t SendGetAttr() { return kernel_.Send(FUSE_GETATTR, FUSE_ROOT_ID, Raw(fuse_getattr_in{})); }
  FakeKernel& kernel() { return kernel_; }

 private:
  SocketPair sockets_;
  FakeKernel kernel_;
  std::function<void(Reply)> on_getattr_;
  fuse_session* session_ = nullptr;
  fuse_buf buffer_{};
};

TEST(ReplyTest, AnswersEioWhenNobodyDid) {
  RawSession session([](const Reply&) {});
  const uint64_t unique = session.SendGetAttr();
  session.ServeOne();
  EXPECT_EQ(session.kernel().WaitFor(unique).error, EIO);
}

TEST(ReplyTest, MovingLeavesOneAnswer) {
  RawSession session([](Reply reply) {
    Reply moved = std::move(reply);
    EXPECT_TRUE(reply.answered());  // NOLINT(bugprone-use-after-move): what is left must not answer
    moved.FailErrno(ENOTTY);
    EXPECT_TRUE(moved.answered());
  });
  const uint64_t first = session.SendGetAttr();
  session.ServeOne();
  EXPECT_EQ(session.kernel().WaitFor(first).error, ENOTTY);
  // A second answer to the first request would come before that to the second.
  const uint64_t second = session.SendGetAttr();
  session.ServeOne();
  EXPECT_EQ(session.kernel().WaitFor(second).error, ENOTTY);
  EXPECT_EQ(session.kernel().double_answers(), 0u);
}

TEST(ReplyTest, AnInterruptThatCameBeforeIsSeenAtOnce) {
  bool interrupted = false;
  bool before = true;
  RawSession session([&](Reply reply) {
    before = interrupted;
    interrupted = reply.Interruptible().stop.stop_requested();
    reply.Fail({Errc::kCancelled, "interrupted"});
  });
  // The kernel may send an interrupt ahead of its request.
  FakeKernel& kernel = session.kernel();
  kernel.Interrupt(6);
  session.ServeOne();
  const uint64_t unique = session.SendGetAttr();
  ASSERT_EQ(unique, 6u);
  session.ServeOne();
  EXPECT_EQ(kernel.WaitFor(unique).error, EINTR);
  EXPECT_TRUE(interrupted);
  EXPECT_FALSE(before);
}

TEST(ReplyTest, TimesBeforeTheEpochAreNormalised) {
  cache::Attributes attributes;
  attributes.mtime_ns = -1;
  attributes.allocated_bytes = 513;
  const struct stat st = ToStat(attributes);
  EXPECT_EQ(st.st_mtim.tv_sec, -1);
  EXPECT_EQ(st.st_mtim.tv_nsec, 999'999'999);
  EXPECT_EQ(st.st_blocks, 2);
}

}  // namespace
}  // namespace pailfs::fs
