// Server and client of the control socket, in one process.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cli/control_client.h"
#include "cli/control_server.h"
#include "tests/support/temporary_directory.h"

namespace pailfs::cli {
namespace {

constexpr std::chrono::milliseconds kPatience(30'000);

class FakeTarget : public ControlTarget {
 public:
  std::string StatusJson() override { return R"({"state":"mounted","pid":1})"; }
  Status Flush(const OpContext& ctx, const std::function<void()>& progress) override {
    while (hold_) {
      progress();
      if (const Status status = ctx.Check(); !status.ok()) {
        MutexLock lock(mu_);
        broken_off_ = true;
        changed_.NotifyAll();
        return status;
      }
    }
    progress();
    return result_;
  }
  void AwaitBreakingOff() {
    MutexLock lock(mu_);
    while (!broken_off_) changed_.Wait(mu_);
  }

  std::atomic<bool> hold_{false};
  Status result_;

 private:
  Mutex mu_;
  CondVar changed_;
  bool broken_off_ GUARDED_BY(mu_) = false;
};

class ControlTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = ControlServer::Start(path_, target_);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(*server);
  }
  std::unique_ptr<ControlConnection> Connect() {
    auto connection = ControlConnection::Connect(path_);
    EXPECT_TRUE(connection.ok());
    return connection.ok() ? std::move(*connection) : nullptr;
  }
  // The state in the next line; "end" at the end.
  static std::string NextState(ControlConnection& connection) {
    const auto answer = connection.Receive(kPatience);
    if (!answer.ok()) return answer.error().message;
    return *answer ? (**answer)["state"].string() : "end";
  }

  TemporaryDirectory dir_;
  const std::string path_ = dir_.path() + "/run/a.sock";
  FakeTarget target_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlTest, AnswersStatus) {
  const auto status = AskStatus(path_);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ((*status)["state"].string(), "mounted");
  EXPECT_EQ(Connect()->pid(), getpid());
}

TEST_F(ControlTest, OnlyTheUserGetsIn) {
  struct stat st {};
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U);
  ASSERT_EQ(stat((dir_.path() + "/run").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700U);
}

TEST_F(ControlTest, RefusesADirectoryThatOthersMayEnter) {
  const std::string open_directory = dir_.path() + "/open";
  ASSERT_EQ(mkdir(open_directory.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open_directory.c_str(), 0755), 0);
  EXPECT_TRUE(ControlServer::Start(open_directory + "/b.sock", target_).Is(Errc::kAccessDenied));
}

TEST_F(ControlTest, FlushReportsProgressAndEnd) {
  const auto connection = Connect();
  ASSERT_TRUE(connection->Send("flush").ok());
  EXPECT_EQ(NextState(*connection), "mounted");
  EXPECT_EQ(NextState(*connection), "flushed");
  EXPECT_EQ(NextState(*connection), "end");
}

TEST_F(ControlTest, FlushReportsItsError) {
  target_.result_ = Error{Errc::kAccessDenied, "a \"b\": no permission"};
  const auto connection = Connect();
  ASSERT_TRUE(connection->Send("flush").ok());
  EXPECT_EQ(NextState(*connection), "mounted");
  const auto last = connection->Receive(kPatience);
  ASSERT_TRUE(last.ok() && *last);
  EXPECT_EQ((**last)["state"].string(), "failed");
  EXPECT_EQ((**last)["error"].string(), "a \"b\": no permission");
}

TEST_F(ControlTest, FlushIsBrokenOffWhenTheAskerLeaves) {
  target_.hold_ = true;
  auto connection = Connect();
  ASSERT_TRUE(connection->Send("flush").ok());
  EXPECT_EQ(NextState(*connection), "mounted");
  connection.reset();
  target_.AwaitBreakingOff();
}

TEST_F(ControlTest, FinishBreaksOffFlushesAndAnswersWaiters) {
  target_.hold_ = true;
  const auto flushing = Connect();
  ASSERT_TRUE(flushing->Send("flush").ok());
  EXPECT_EQ(NextState(*flushing), "mounted");
  const auto waiting = Connect();
  ASSERT_TRUE(waiting->Send("wait").ok());
  EXPECT_EQ(NextState(*waiting), "mounted");
  std::thread reader([&flushing] {  // it must be read, or its sender waits for room
    while (NextState(*flushing) == "mounted") {
    }
  });
  server_->Finish(R"({"state":"ended"})");
  reader.join();
  std::string state;
  do {
    state = NextState(*waiting);
  } while (state == "mounted");
  EXPECT_EQ(state, "ended");
  EXPECT_TRUE(ControlConnection::Connect(path_).Is(Errc::kNotFound));
}

TEST_F(ControlTest, RefusesOtherWords) {
  const auto connection = Connect();
  ASSERT_TRUE(connection->Send("shutdown").ok());
  EXPECT_EQ(NextState(*connection), "failed");
  const auto long_one = Connect();
  ASSERT_TRUE(long_one->Send(std::string(1000, 'x')).ok());
  EXPECT_EQ(NextState(*long_one), "failed");
}

TEST_F(ControlTest, ReplacesWhatADeadDaemonLeft) {
  const std::string other = dir_.path() + "/run/b.sock";
  { std::ofstream left(other); }
  FakeTarget target;
  const auto server = ControlServer::Start(other, target);
  ASSERT_TRUE(server.ok());
  EXPECT_TRUE(AskStatus(other).ok());
}

// More than the server has threads and places for: those beyond are refused at once, and nobody is left without an
// answer.
TEST_F(ControlTest, ManyAskersAtOnceAreAnsweredOrRefused) {
  constexpr int kServed = 8;
  constexpr int kWaiting = 16;
  std::vector<std::unique_ptr<ControlConnection>> connections;
  const auto ask = [&]() -> ControlConnection& {
    connections.push_back(Connect());
    EXPECT_TRUE(connections.back()->Send("wait").ok());
    return *connections.back();
  };
  for (int i = 0; i < kServed; ++i) EXPECT_EQ(NextState(ask()), "mounted");
  for (int i = 0; i < kWaiting; ++i) ask();
  // They are accepted in order, so these find all places taken.
  for (int i = 0; i < kWaiting; ++i) EXPECT_EQ(NextState(ask()), "failed");
  connections.resize(kServed + kWaiting);
  server_->Finish(R"({"state":"ended"})");
  for (const auto& connection : connections) {
    std::string state;
    do {
      state = NextState(*connection);
    } while (state == "mounted");
    EXPECT_EQ(state, "ended");
  }
}

}  // namespace
}  // namespace pailfs::cli
