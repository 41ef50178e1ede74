// The chaos proxy before the S3 imposter: each fault by itself, outages, and all of them together.

#include "tests/support/chaos_proxy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/hash.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "tests/support/results.h"
#include "tests/support/s3_imposter.h"
#include "tests/support/seeds.h"
#include "tests/unit/s3client/raw_s3_client.h"

namespace pailfs {
namespace {

class ChaosProxyTest : public testing::Test {
 protected:
  ChaosProxyTest() : proxy_({.server_port = imposter_.port(), .stall_ms = 0}) {
    imposter_.AddBucket("pail", store_);
    EXPECT_EQ(client_.Status({"PUT", "/pail/old", {}, {}, std::string(1000, 'o')}), 200);
  }

  RawRequest Put() { return {"PUT", "/pail/k", {}, WithMd5("hello"), "hello"}; }
  RawRequest Get() { return {"GET", "/pail/old"}; }
  bool Done() { return store_.Head({}, "k", {}).ok(); }
  // The request reaches the server in its own time.
  void WaitUntilDone() {
    while (!Done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  MemoryStore store_{SystemClock()};
  S3Imposter imposter_;
  ChaosProxy proxy_;
  RawS3Client client_{proxy_.port(), imposter_.credentials()};
};

TEST_F(ChaosProxyTest, PassesThingsOn) {
  EXPECT_EQ(client_.Status(Put()), 200);
  EXPECT_EQ(client_.Send(Get())->body, std::string(1000, 'o'));
  EXPECT_EQ(client_.Send(RawRequest{"HEAD", "/pail/old"})->status(), 200);
  EXPECT_EQ(client_.Status({"DELETE", "/pail/old"}), 204);
  EXPECT_EQ(proxy_.requests(), 5);
  EXPECT_EQ(proxy_.faults(), 0);
  EXPECT_TRUE(imposter_.violations().empty());
}

TEST_F(ChaosProxyTest, AnswersItselfAndDoesNothing) {
  const std::vector<std::pair<ChaosFault, int>> refusals = {
      {ChaosFault::kRefuse500, 500}, {ChaosFault::kRefuse503, 503}, {ChaosFault::kRefuse429, 429}};
  for (const auto& [fault, status] : refusals) {
    proxy_.Inject(fault);
    const auto answer = client_.Send(Put());
    ASSERT_OK(answer);
    EXPECT_EQ(answer->status(), status);
    EXPECT_EQ(HeaderOf(*answer, "Retry-After"), status == 500 ? "" : "1");
    EXPECT_NE(CodeOf(*answer), "");
    EXPECT_EQ(proxy_.faults(fault), 1);
  }
  proxy_.Inject(ChaosFault::kRefuse503);
  EXPECT_EQ(client_.Send(RawRequest{"HEAD", "/pail/old"})->body, "");
  EXPECT_FALSE(Done());
}

TEST_F(ChaosProxyTest, AnswersAFailureForWhatIsDone) {
  const std::vector<std::pair<ChaosFault, int>> failures = {
      {ChaosFault::kFail500, 500}, {ChaosFault::kFail502, 502}, {ChaosFault::kFail504, 504}};
  for (const auto& [fault, status] : failures) {
    proxy_.Inject(fault);
    EXPECT_EQ(client_.Status(Put()), status);
    EXPECT_TRUE(Done());
    ASSERT_OK(store_.Delete({}, {.key = "k", .version_id = {}, .if_match = {}}));
  }
}

TEST_F(ChaosProxyTest, ResetsConnections) {
  for (const ChaosFault fault : {ChaosFault::kResetBefore, ChaosFault::kResetInRequest}) {
    proxy_.Inject(fault);
    EXPECT_ERRC(client_.Send(Put()), Errc::kUnavailable);
    EXPECT_EQ(proxy_.faults(fault), 1);
  }
  EXPECT_FALSE(Done());
  proxy_.Inject(ChaosFault::kResetAfter);
  EXPECT_ERRC(client_.Send(Put()), Errc::kUnavailable);
  WaitUntilDone();
  proxy_.Inject(ChaosFault::kResetInAnswer);
  EXPECT_ERRC(client_.Send(Get()), Errc::kUnavailable);
  // A request without a body cannot be reset in it; the fault waits for one that can.
  proxy_.Inject(ChaosFault::kResetInRequest);
  EXPECT_EQ(client_.Status(Get()), 200);
  EXPECT_ERRC(client_.Send(Put()), Errc::kUnavailable);
}

TEST_F(ChaosProxyTest, LosesAndTruncatesAnswers) {
  proxy_.Inject(ChaosFault::kLoseAnswer);
  EXPECT_ERRC(client_.Send(Put()), Errc::kUnavailable);
  EXPECT_TRUE(Done());
  proxy_.Inject(ChaosFault::kTruncateAnswer);
  EXPECT_ERRC(client_.Send(Get()), Errc::kUnavailable);
  EXPECT_EQ(proxy_.faults(ChaosFault::kTruncateAnswer), 1);
  // There is nothing to cut.
  proxy_.Inject(ChaosFault::kTruncateAnswer);
  EXPECT_EQ(client_.Status({"HEAD", "/pail/old"}), 200);
  EXPECT_EQ(proxy_.faults(ChaosFault::kTruncateAnswer), 1);
}

TEST_F(ChaosProxyTest, DamagesOnlyWhatCanBeVerified) {
  proxy_.Inject(ChaosFault::kFlipRequest);
  EXPECT_EQ(client_.Status({"PUT", "/pail/k", {}, {}, "no Content-MD5"}), 200);
  EXPECT_NE(client_.Code(Put()), "");
  EXPECT_EQ(proxy_.faults(ChaosFault::kFlipRequest), 1);

  proxy_.Inject(ChaosFault::kFlipAnswer);
  EXPECT_EQ(client_.Send(RawRequest{"GET", "/pail/old", {}, {{"Range", "bytes=0-9"}}})->body, "oooooooooo");
  const auto damaged = client_.Send(Get());
  ASSERT_OK(damaged);
  EXPECT_EQ(damaged->body.size(), 1000U);
  EXPECT_NE(StrCat("\"", Hex(Md5Of(damaged->body)), "\""), HeaderOf(*damaged, "ETag"));
  EXPECT_EQ(proxy_.faults(ChaosFault::kFlipAnswer), 1);
  // A listing has no ETag.
  proxy_.Inject(ChaosFault::kFlipAnswer);
  EXPECT_EQ(client_.Status({"GET", "/pail", {{"list-type", "2"}}}), 200);
  EXPECT_EQ(proxy_.faults(ChaosFault::kFlipAnswer), 1);
}

TEST_F(ChaosProxyTest, DeliversTwice) {
  const RawRequest put{"PUT", "/pail/k", {}, {{"If-None-Match", "*"}}, "hello"};
  proxy_.Inject(ChaosFault::kDuplicateFirst);
  EXPECT_EQ(client_.Status(put), 200);
  EXPECT_EQ(imposter_.requests(S3Operation::kPutObject), 3);
  ASSERT_OK(store_.Delete({}, {.key = "k", .version_id = {}, .if_match = {}}));
  proxy_.Inject(ChaosFault::kDuplicateSecond);
  EXPECT_EQ(client_.Status(put), 412);
  EXPECT_TRUE(Done());
}

TEST_F(ChaosProxyTest, SendsErrorsUnderASuccess) {
  const RawRequest copy{"PUT", "/pail/k", {}, {{"x-amz-copy-source", "/pail/old"}}};
  proxy_.Inject(ChaosFault::kErrorIn200Before);
  EXPECT_EQ(client_.Status(Get()), 200);
  auto answer = client_.Send(copy);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(CodeOf(*answer), "InternalError");
  EXPECT_FALSE(Done());
  proxy_.Inject(ChaosFault::kErrorIn200After);
  answer = client_.Send(copy);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(CodeOf(*answer), "InternalError");
  EXPECT_TRUE(Done());
}

TEST_F(ChaosProxyTest, StallsUntilTold) {
  for (const ChaosFault fault : {ChaosFault::kStallRequest, ChaosFault::kStallAnswer}) {
    proxy_.Inject(fault);
    std::atomic<bool> answered = false;
    std::thread sender([&] {
      EXPECT_EQ(client_.Status(Put()), 200);
      answered = true;
    });
    while (proxy_.faults(fault) == 0) std::this_thread::yield();
    EXPECT_FALSE(answered);
    while (!answered) {
      proxy_.ReleaseStalls();
      std::this_thread::yield();
    }
    sender.join();
  }
}

TEST_F(ChaosProxyTest, Drips) {
  proxy_.Inject(ChaosFault::kDrip);
  EXPECT_EQ(client_.Send(Get())->body, std::string(1000, 'o'));
  EXPECT_EQ(proxy_.faults(ChaosFault::kDrip), 1);
}

TEST_F(ChaosProxyTest, RefusesDuringAnOutage) {
  proxy_.SetOutage(ChaosOutage::kRefuse);
  EXPECT_ERRC(client_.Send(Get()), Errc::kUnavailable);
  client_.Disconnect();
  EXPECT_ERRC(client_.Send(Get()), Errc::kUnavailable);
  proxy_.SetOutage(ChaosOutage::kNone);
  EXPECT_EQ(client_.Status(Get()), 200);
}

TEST_F(ChaosProxyTest, IsSilentDuringAnOutage) {
  proxy_.SetOutage(ChaosOutage::kSilent);
  WakeFlag wake;
  auto socket = Socket::Connect("127.0.0.1", proxy_.port(), wake);
  ASSERT_OK(socket);
  ASSERT_OK(socket->Write(client_.Sign(Get()).Head()));
  EXPECT_FALSE(socket->WaitForInput(50));
  EXPECT_EQ(proxy_.requests(), 1);
  proxy_.SetOutage(ChaosOutage::kNone);
  EXPECT_EQ(ReadHttpAnswer(*socket, "GET")->status(), 200);
}

TEST_F(ChaosProxyTest, EndsDuringStallsAndSilence) {
  WakeFlag wake;
  auto proxy = std::make_unique<ChaosProxy>(ChaosProxyOptions{.server_port = imposter_.port(), .stall_ms = 0});
  proxy->Inject(ChaosFault::kStallRequest);
  auto stalled = Socket::Connect("127.0.0.1", proxy->port(), wake);
  ASSERT_OK(stalled);
  ASSERT_OK(stalled->Write("GET /pail/k HTTP/1.1\r\n\r\n"));
  while (proxy->faults() == 0) std::this_thread::yield();
  proxy->SetOutage(ChaosOutage::kSilent);
  auto silent = Socket::Connect("127.0.0.1", proxy->port(), wake);
  ASSERT_OK(silent);
  proxy.reset();
  EXPECT_ERRC(ReadHttpAnswer(*silent, "GET"), Errc::kUnavailable);
}

TEST(ChaosPlanTest, DependsOnSeedAndOrder) {
  const ChaosRequest all{.has_body = true, .replaceable = true, .flippable_body = true, .flippable_answer = true};
  const auto fates = [&](uint64_t seed, ChaosLevel level) {
    ChaosPlan plan(seed, level);
    std::vector<std::optional<ChaosFault>> faults;
    for (int i = 0; i < 5000; ++i) faults.push_back(plan.Next(all).fault);
    return faults;
  };
  EXPECT_EQ(fates(1, ChaosLevel::kHeavy), fates(1, ChaosLevel::kHeavy));
  EXPECT_NE(fates(1, ChaosLevel::kHeavy), fates(2, ChaosLevel::kHeavy));
  const auto percent = [&](ChaosLevel level) {
    const auto faults = fates(3, level);
    return 100 - std::count(faults.begin(), faults.end(), std::nullopt) * 100 / std::ssize(faults);
  };
  EXPECT_EQ(percent(ChaosLevel::kOff), 0);
  EXPECT_NEAR(static_cast<double>(percent(ChaosLevel::kLight)), 2, 1.5);
  EXPECT_NEAR(static_cast<double>(percent(ChaosLevel::kMedium)), 10, 2.5);
  EXPECT_NEAR(static_cast<double>(percent(ChaosLevel::kHeavy)), 30, 4);
  std::set<ChaosFault> seen;
  for (const auto& fault : fates(4, ChaosLevel::kHeavy)) {
    if (fault) seen.insert(*fault);
  }
  EXPECT_EQ(seen.size(), kChaosFaults);
}

TEST(ChaosPlanTest, LeavesOutWhatCannotHappen) {
  ChaosPlan plan(1, ChaosLevel::kHeavy);
  for (int i = 0; i < 5000; ++i) {
    const auto fault = plan.Next({}).fault;
    EXPECT_NE(fault, ChaosFault::kResetInRequest);
    EXPECT_NE(fault, ChaosFault::kFlipRequest);
    EXPECT_NE(fault, ChaosFault::kFlipAnswer);
    EXPECT_NE(fault, ChaosFault::kErrorIn200After);
  }
}

// A client that sends again until it succeeds, and verifies what it reads, gets all of its work done.
TEST(ChaosProxySeedTest, WorkGetsDone) {
  ForSeeds(5, [](uint64_t seed) {
    MemoryStore store(SystemClock());
    S3Imposter imposter;
    imposter.AddBucket("pail", store);
    ChaosProxy proxy(
        {.server_port = imposter.port(), .seed = seed, .level = ChaosLevel::kHeavy, .stall_ms = 2, .drip_pause_ms = 0});
    RawS3Client client(proxy.port(), imposter.credentials());
    for (int i = 0; i < 100; ++i) {
      const std::string path = StrCat("/pail/", i);
      while (client.Status({"PUT", path, {}, WithMd5(path), path}) != 200) continue;
      std::string read;
      for (int tries = 0; tries < 100 && read != path; ++tries) {
        const auto answer = client.Send(RawRequest{"GET", path});
        if (!answer.ok() || answer->status() != 200) continue;
        if (StrCat("\"", Hex(Md5Of(answer->body)), "\"") == HeaderOf(*answer, "ETag")) read = answer->body;
      }
      EXPECT_EQ(read, path);
    }
    EXPECT_GT(proxy.faults(), 40);
    EXPECT_TRUE(imposter.violations().empty()) << imposter.violations().front();
  });
}

}  // namespace
}  // namespace pailfs
