// What happens to credentials over time.
#include <atomic>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/str.h"
#include "tests/unit/s3client/credentials_harness.h"

namespace pailfs::s3client {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMinuteNs = 60 * kSecondNs;

class CredentialsRefresh : public CredentialsTest {
 protected:
  CredentialsRefresh() {
    Set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/s3cr3t-id");
    Answer("FIRST");
  }
  void Answer(const std::string& name, int64_t seconds = 3600) {
    network_.SetScript([body = EndpointJson(name, seconds)](const SentRequest&) {
      return HttpAnswer{.status = 200, .headers = {}, .body = body};
    });
  }
  void Fail() {
    network_.SetScript([](const SentRequest& request) { return Error{Errc::kUnavailable, request.url + " is down"}; });
  }
  std::string KeyId(CredentialsProvider& provider) {
    const auto issued = provider.Get(ctx_);
    EXPECT_OK(issued);
    return issued.ok() ? issued->keys.access_key_id : "";
  }
};

TEST_F(CredentialsRefresh, FiveMinutesBeforeTheirEnd) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  Answer("SECOND", 7200);
  clock_.Advance(55 * kMinuteNs - 1000);
  EXPECT_EQ(KeyId(*provider), "FIRST");
  EXPECT_EQ(network_.sent().size(), 1U);
  clock_.Advance(1000);
  EXPECT_EQ(KeyId(*provider), "SECOND");
  EXPECT_EQ(KeyId(*provider), "SECOND");
  EXPECT_EQ(network_.sent().size(), 2U);
}

TEST_F(CredentialsRefresh, ShortOnesAtHalfOfTheirTime) {
  Answer("FIRST", 240);
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  clock_.Advance(119 * kSecondNs);
  EXPECT_EQ(KeyId(*provider), "FIRST");
  Answer("SECOND");
  clock_.Advance(kSecondNs);
  EXPECT_EQ(KeyId(*provider), "SECOND");
}

TEST_F(CredentialsRefresh, FailuresAreLoggedWhileTheOldOnesAreValidAndToldAfterwards) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  Fail();
  clock_.Advance(55 * kMinuteNs);
  testing::internal::CaptureStderr();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("going on with the old credentials (container endpoint http://169.254.170.2): "),
            std::string::npos)
      << log;
  ExpectNoSecret(log);
  const size_t sent = network_.sent().size();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  EXPECT_EQ(network_.sent().size(), sent);  // a pause
  clock_.Advance(30 * kSecondNs);
  EXPECT_EQ(KeyId(*provider), "FIRST");
  EXPECT_GT(network_.sent().size(), sent);
  clock_.Advance(5 * kMinuteNs);
  const auto issued = provider->Get(ctx_);
  ASSERT_ERRC(issued, Errc::kUnavailable);
  ExpectNoSecret(issued.error().message);
  Answer("SECOND", 7200);
  EXPECT_EQ(KeyId(*provider), "SECOND");  // no pause where there is nothing to go on with
}

TEST_F(CredentialsRefresh, OnlyTheSourceOfTheFirstIsAskedAgain) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  Write(kCredentials, "[default]\naws_access_key_id=OTHER\naws_secret_access_key=s3cr3t\n");
  Answer("SECOND", 7200);
  clock_.Advance(56 * kMinuteNs);
  EXPECT_EQ(KeyId(*provider), "SECOND");
}

TEST_F(CredentialsRefresh, RefusedOnesAreNotGivenAgain) {
  const auto provider = Provider();
  const auto first = provider->Get(ctx_);
  ASSERT_OK(first);
  Answer("SECOND");
  provider->Invalidate({.access_key_id = "OTHER", .secret_access_key = "x", .session_token = {}});
  EXPECT_EQ(KeyId(*provider), "FIRST");
  testing::internal::CaptureStderr();
  provider->Invalidate(first->keys);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find("FIRST"), std::string::npos) << log;
  ExpectNoSecret(log);
  Fail();
  EXPECT_ERRC(provider->Get(ctx_), Errc::kUnavailable);
  Answer("SECOND");
  EXPECT_EQ(KeyId(*provider), "SECOND");
  provider->Invalidate(first->keys);  // late
  EXPECT_EQ(KeyId(*provider), "SECOND");
  EXPECT_EQ(network_.sent().size(), 5U);  // one, three attempts, one
}

class CredentialsOfFiles : public CredentialsTest {
 protected:
  CredentialsOfFiles() { WriteKeys("FIRST"); }
  void WriteKeys(std::string_view id) {
    clock_.Advance(1);
    Write(kCredentials, StrCat("[default]\naws_access_key_id=", id, "\naws_secret_access_key=s3cr3t-", id, "\n"));
  }
  std::string KeyId(CredentialsProvider& provider) {
    const auto issued = provider.Get(ctx_);
    EXPECT_OK(issued);
    return issued.ok() ? issued->keys.access_key_id : "";
  }
};

TEST_F(CredentialsOfFiles, AreReadAgainWhenAFileChanged) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  WriteKeys("OTHER");  // of the same size
  clock_.Advance(2 * kSecondNs);
  EXPECT_EQ(KeyId(*provider), "OTHER");
  const uint64_t opened = files_.Calls(FsCall::kOpen);
  const uint64_t looked = files_.Calls(FsCall::kLook);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(KeyId(*provider), "OTHER");
  EXPECT_EQ(files_.Calls(FsCall::kLook), looked);  // once a second at most
  clock_.Advance(2 * kSecondNs);
  EXPECT_EQ(KeyId(*provider), "OTHER");
  EXPECT_GT(files_.Calls(FsCall::kLook), looked);
  EXPECT_EQ(files_.Calls(FsCall::kOpen), opened);
}

TEST_F(CredentialsOfFiles, AFileThatAppears) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  Write(kConfig, "[profile default]\nregion=x\n");
  const uint64_t opened = files_.Calls(FsCall::kOpen);
  clock_.Advance(2 * kSecondNs);
  EXPECT_EQ(KeyId(*provider), "FIRST");
  EXPECT_GT(files_.Calls(FsCall::kOpen), opened);
}

TEST_F(CredentialsOfFiles, AFileThatIsBeingWrittenChangesNothing) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  clock_.Advance(2 * kSecondNs);
  for (const char* content : {"", "[def", "[default]\naws_access_key_id=NEW\n"}) {
    Write(kCredentials, content);
    clock_.Advance(40 * kSecondNs);
    testing::internal::CaptureStderr();
    EXPECT_EQ(KeyId(*provider), "FIRST") << content;
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find("going on with the old credentials"), std::string::npos) << content;
    ExpectNoSecret(log);
  }
  WriteKeys("NEW");
  clock_.Advance(40 * kSecondNs);
  EXPECT_EQ(KeyId(*provider), "NEW");
  EXPECT_TRUE(network_.sent().empty());
}

TEST_F(CredentialsOfFiles, RefusedOnesAreReadAgainAtOnce) {
  const auto provider = Provider();
  const auto first = provider->Get(ctx_);
  ASSERT_OK(first);
  WriteKeys("SECOND");
  EXPECT_EQ(KeyId(*provider), "FIRST");
  provider->Invalidate(first->keys);
  EXPECT_EQ(KeyId(*provider), "SECOND");
}

TEST_F(CredentialsOfFiles, APasswdFileIsReadAgainToo) {
  Write("/passwd", "A:s3cr3t\n");
  options_.passwd_file = "/passwd";
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "A");
  clock_.Advance(2 * kSecondNs);
  Write("/passwd", "B:s3cr3t\n");
  EXPECT_EQ(KeyId(*provider), "B");
}

// Holds the answers back until it is told to go on.
class Gate {
 public:
  void Wait() {
    ++waiting_;
    waiting_.notify_all();
    open_.wait(false);
  }
  void AwaitOne() { waiting_.wait(0); }
  void Open() {
    open_ = true;
    open_.notify_all();
  }

 private:
  std::atomic<int> waiting_{0};
  std::atomic<bool> open_{false};
};

TEST_F(CredentialsRefresh, OneThreadAsksWhileTheOthersGoOn) {
  const auto provider = Provider();
  EXPECT_EQ(KeyId(*provider), "FIRST");
  clock_.Advance(55 * kMinuteNs);
  Gate gate;
  network_.SetScript([&, body = EndpointJson("SECOND")](const SentRequest&) {
    gate.Wait();
    return HttpAnswer{.status = 200, .headers = {}, .body = body};
  });
  std::thread refresher([&] { EXPECT_EQ(KeyId(*provider), "SECOND"); });
  gate.AwaitOne();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(KeyId(*provider), "FIRST");
  gate.Open();
  refresher.join();
  EXPECT_EQ(KeyId(*provider), "SECOND");
  EXPECT_EQ(network_.sent().size(), 2U);
}

TEST_F(CredentialsRefresh, ManyThreadsWaitForOneQuestion) {
  const auto provider = Provider();
  Gate gate;
  network_.SetScript([&, body = EndpointJson("FIRST")](const SentRequest&) {
    gate.Wait();
    return HttpAnswer{.status = 200, .headers = {}, .body = body};
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { EXPECT_EQ(KeyId(*provider), "FIRST"); });
  gate.AwaitOne();
  gate.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(network_.sent().size(), 1U);
}

TEST_F(CredentialsRefresh, AWaitingCallEndsWithItsOwnTime) {
  const auto provider = Provider();
  Gate gate;
  network_.SetScript([&, body = EndpointJson("FIRST")](const SentRequest&) {
    gate.Wait();
    return HttpAnswer{.status = 200, .headers = {}, .body = body};
  });
  std::thread asker([&] { EXPECT_EQ(KeyId(*provider), "FIRST"); });
  gate.AwaitOne();
  std::stop_source stop;
  stop.request_stop();
  OpContext stopped = ctx_;
  stopped.stop = stop.get_token();
  EXPECT_ERRC(provider->Get(stopped), Errc::kCancelled);
  gate.Open();
  asker.join();
}

TEST_F(CredentialsRefresh, AnInterruptedQuestionIsTakenUpByAWaitingCall) {
  const auto provider = Provider();
  std::stop_source stop;
  OpContext interrupted = ctx_;
  interrupted.stop = stop.get_token();
  Gate gate;
  std::atomic<int> asked{0};
  network_.SetScript([&, body = EndpointJson("FIRST")](const SentRequest&) -> Result<HttpAnswer> {
    if (++asked > 1) return HttpAnswer{.status = 200, .headers = {}, .body = body};
    gate.Wait();
    return Error{Errc::kCancelled, "interrupted"};
  });
  std::thread first([&] { EXPECT_ERRC(provider->Get(interrupted), Errc::kCancelled); });
  gate.AwaitOne();
  std::thread second([&] { EXPECT_EQ(KeyId(*provider), "FIRST"); });
  stop.request_stop();
  gate.Open();
  first.join();
  second.join();
}

TEST_F(CredentialsRefresh, ThreadsThatGetAndRefuseAtOnce) {
  const auto provider = Provider();
  std::atomic<int> number{0};
  network_.SetScript([&](const SentRequest&) {
    return HttpAnswer{.status = 200, .headers = {}, .body = EndpointJson(StrCat("KEY", ++number))};
  });
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const auto issued = provider->Get(ctx_);
        ASSERT_OK(issued);
        if (round % 10 == i) provider->Invalidate(issued->keys);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectNoSecret(testing::internal::GetCapturedStderr());
}

}  // namespace
}  // namespace pailfs::s3client
