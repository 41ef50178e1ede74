#include "tests/unit/fs/fake_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <utility>
#include <vector>

namespace pailfs::fs {

SocketPair::SocketPair() {
  signal(SIGPIPE, SIG_IGN);  // an answer may come after the kernel has hung up
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return;
  ours = sockets[0];
  theirs = sockets[1];
}

FakeKernel::~FakeKernel() {
  Hang();
}

void FakeKernel::Hang() {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

uint64_t FakeKernel::Send(uint32_t opcode, uint64_t nodeid, std::string_view arguments) {
  fuse_in_header header{};
  header.len = static_cast<uint32_t>(sizeof header + arguments.size());
  header.opcode = opcode;
  header.unique = next_unique_;
  header.nodeid = nodeid;
  header.uid = 1000;
  header.gid = 1000;
  header.pid = 1;
  next_unique_ += 2;
  const std::string message = Raw(header) + std::string(arguments);
  EXPECT_EQ(send(descriptor_, message.data(), message.size(), MSG_NOSIGNAL), static_cast<ssize_t>(message.size()));
  return header.unique;
}

Answer FakeKernel::WaitFor(uint64_t unique) {
  while (!answers_.contains(unique)) {
    std::vector<char> buffer(1 << 18);
    const ssize_t got = read(descriptor_, buffer.data(), buffer.size());
    fuse_out_header header{};
    if (got < static_cast<ssize_t>(sizeof header)) {
      ADD_FAILURE() << "the session hung up";
      return {};
    }
    std::memcpy(&header, buffer.data(), sizeof header);
    EXPECT_EQ(header.len, static_cast<uint32_t>(got));
    if (header.unique == 0) continue;  // a notification
    if (std::exchange(answered_[header.unique], true)) ++double_answers_;
    answers_[header.unique] = {-header.error,
                               std::string(buffer.data() + sizeof header, static_cast<size_t>(got) - sizeof header)};
  }
  Answer answer = std::move(answers_[unique]);
  answers_.erase(unique);
  return answer;
}

void FakeKernel::Interrupt(uint64_t unique) {
  Send(FUSE_INTERRUPT, 0, Raw(fuse_interrupt_in{unique}));
}

fuse_init_out FakeKernel::Init() {
  fuse_init_in in{};
  in.major = 7;
  in.minor = 38;
  in.max_readahead = 128 << 10;
  in.flags = 0x7fffffff;  // without the reserved bit
  in.flags2 = ~uint32_t{0};
  const Answer answer = Call(FUSE_INIT, 0, Raw(in));
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(answer.body.size(), sizeof(fuse_init_out));
  return answer.As<fuse_init_out>();
}

fuse_entry_out FakeKernel::Create(std::string_view name, uint64_t* handle) {
  fuse_create_in in{};
  in.flags = O_RDWR | O_CREAT;
  in.mode = 0100644;
  const Answer answer = Call(FUSE_CREATE, FUSE_ROOT_ID, Raw(in) + std::string(name) + '\0');
  EXPECT_EQ(answer.error, 0);
  *handle = answer.As<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  return answer.As<fuse_entry_out>();
}

Answer FakeKernel::Write(uint64_t nodeid, uint64_t handle, uint64_t offset, std::string_view data,
                         uint32_t write_flags) {
  fuse_write_in in{};
  in.fh = handle;
  in.offset = offset;
  in.size = static_cast<uint32_t>(data.size());
  in.write_flags = write_flags;
  return Call(FUSE_WRITE, nodeid, Raw(in) + std::string(data));
}

uint64_t FakeKernel::SendRead(uint64_t nodeid, uint64_t handle, uint64_t offset, uint32_t size) {
  fuse_read_in in{};
  in.fh = handle;
  in.offset = offset;
  in.size = size;
  return Send(FUSE_READ, nodeid, Raw(in));
}

FakeMount::FakeMount(cache::MountCache& cache, SessionOptions options)
    : FakeMount(cache, std::move(options), SocketPair()) {}

FakeMount::FakeMount(cache::MountCache& cache, SessionOptions options, SocketPair sockets) : kernel_(sockets.ours) {
  auto session = Session::Serve(cache, options, sockets.theirs);
  if (!session.ok()) {
    ADD_FAILURE() << session.error().message;
    return;
  }
  session_ = std::move(*session);
  server_ = std::thread([this] { EXPECT_TRUE(session_->Run().ok()); });
}

void FakeMount::Join() {
  if (server_.joinable()) server_.join();
}

FakeMount::~FakeMount() {
  kernel_.Hang();
  Join();
}

}  // namespace pailfs::fs
