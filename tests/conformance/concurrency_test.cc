// Many callers at once: conditions decide between them, and nothing is torn.

#include <atomic>
#include <thread>
#include <vector>

#include "tests/conformance/bucket_under_test.h"

namespace pailfs::conformance {
namespace {

constexpr int kThreads = 8;

void InParallel(const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

TEST_P(ObjectStoreTest, OfConcurrentConditionalPutsExactlyOneWins) {
  for (int round = 0; round < 10; ++round) {
    const std::string key = "key" + std::to_string(round);
    std::atomic<int> winner{-1};
    std::atomic<int> winners{0};
    std::atomic<int> refused{0};
    InParallel([&](int i) {
      const auto put = TryPut(key, std::to_string(i), Conditions::IfAbsent());
      if (put.ok()) {
        winner = i;
        ++winners;
      } else if (put.Is(Errc::kPreconditionFailed)) {
        ++refused;
      }
    });
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(refused, kThreads - 1);
    EXPECT_EQ(Content(key), std::to_string(winner));
    EXPECT_EQ(Versions(key).size(), 1U);
  }
}

// A counter in an object, raised by compare-and-swap: no increment is lost.
TEST_P(ObjectStoreTest, CompareAndSwapLosesNothing) {
  constexpr int kIncrements = 20;
  Put("counter", "0");
  InParallel([&](int) {
    for (int done = 0; done < kIncrements;) {
      StringSink sink;
      const auto got = store().Get(ctx_, "counter", {}, sink);
      ASSERT_OK(got);
      const auto put = TryPut("counter", std::to_string(std::stoi(sink.data()) + 1), Conditions::IfMatch(got->etag));
      if (put.ok()) {
        ++done;
      } else {
        ASSERT_ERRC(put, Errc::kPreconditionFailed);
      }
    }
  });
  EXPECT_EQ(Content("counter"), std::to_string(kThreads * kIncrements));
}

TEST_P(ObjectStoreTest, AReaderSeesOneVersionWhole) {
  const auto data = [](int i) {
    return std::string(20'000 + static_cast<size_t>(i) * 7'000, static_cast<char>('a' + i));
  };
  Put("k", data(0));
  std::atomic<bool> writing{true};
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) Put("k", data(i % 8));
    writing = false;
  });
  int reads = 0;
  while (writing || reads == 0) {
    StringSink sink;
    const auto got = store().Get(ctx_, "k", {}, sink);
    // An unversioned store may have freed the bytes under a reader; it must say so, not mix.
    if (!got.ok()) {
      EXPECT_FALSE(versioned()) << got.error().message;
      continue;
    }
    ++reads;
    EXPECT_EQ(got->size_bytes, sink.data().size());
    EXPECT_EQ(got->etag, Md5Hex(sink.data()));
  }
  writer.join();
}

TEST_P(ObjectStoreTest, ConcurrentPutsOfManyKeysAllArrive) {
  constexpr int kEach = 40;
  InParallel([&](int i) {
    for (int n = 0; n < kEach; ++n) {
      const std::string key = std::to_string(i) + "/" + std::to_string(n);
      Put(key, TestBytes(static_cast<uint64_t>(i * kEach + n), static_cast<size_t>(n) * 300));
    }
  });
  bucket_->Reopen();
  EXPECT_EQ(Keys().size(), static_cast<size_t>(kThreads * kEach));
  for (int i = 0; i < kThreads; ++i) {
    for (int n = 0; n < kEach; ++n) {
      EXPECT_EQ(Content(std::to_string(i) + "/" + std::to_string(n)),
                TestBytes(static_cast<uint64_t>(i * kEach + n), static_cast<size_t>(n) * 300));
    }
  }
}

TEST_P(VersionedStoreTest, VersionsOfConcurrentPutsAreAllKeptInOrder) {
  InParallel([&](int i) {
    for (int n = 0; n < 10; ++n) Put("k", std::to_string(i));
  });
  const auto versions = Versions("k");
  ASSERT_EQ(versions.size(), 10U * kThreads);
  for (size_t i = 1; i < versions.size(); ++i) {
    ExpectLater(versions[i - 1].last_modified_us, versions[i].last_modified_us);
    EXPECT_NE(versions[i - 1].version_id, versions[i].version_id);
  }
}

}  // namespace
}  // namespace pailfs::conformance
