#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>
#include <thread>

namespace pailfs {
namespace {

TEST(ThreadPool, RunsEverythingBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool("test", 3, 1000);
    for (int i = 0; i < 500; ++i) pool.Submit([&] { ++ran; });
  }
  EXPECT_EQ(ran, 500);
}

TEST(ThreadPool, RefusesWhatDoesNotFit) {
  std::latch started(1);
  std::latch release(1);
  std::atomic<int> ran{0};
  ThreadPool pool("test", 1, 2);
  pool.Submit([&] {
    started.count_down();
    release.wait();
    ++ran;
  });
  started.wait();  // the queue is empty again, the thread busy
  EXPECT_TRUE(pool.TrySubmit([&] { ++ran; }));
  EXPECT_TRUE(pool.TrySubmit([&] { ++ran; }));
  EXPECT_FALSE(pool.TrySubmit([&] { ran = -100; }));
  release.count_down();
  pool.Drain();
  EXPECT_EQ(ran, 3);
  EXPECT_TRUE(pool.TrySubmit([&] { ++ran; }));
  pool.Drain();
  EXPECT_EQ(ran, 4);
}

TEST(ThreadPool, SubmitWaitsForRoom) {
  std::latch started(1);
  std::latch release(1);
  std::atomic<int> ran{0};
  std::atomic<bool> submitted{false};
  ThreadPool pool("test", 1, 1);
  pool.Submit([&] {
    started.count_down();
    release.wait();
    EXPECT_FALSE(submitted) << "Submit came back though the queue was full";
  });
  started.wait();
  ASSERT_TRUE(pool.TrySubmit([&] { ++ran; }));
  std::thread submitter([&] {
    pool.Submit([&] { ++ran; });
    submitted = true;
  });
  release.count_down();
  submitter.join();
  pool.Drain();
  EXPECT_TRUE(submitted);
  EXPECT_EQ(ran, 2);
}

TEST(ThreadPool, DrainWaitsForRunningTasks) {
  ThreadPool pool("test", 4, 100);
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> ran{0};
    for (int i = 0; i < 8; ++i) {
      pool.Submit([&] {
        std::this_thread::yield();
        ++ran;
      });
    }
    pool.Drain();
    ASSERT_EQ(ran, 8);
  }
}

TEST(ThreadPool, UsesAllItsThreadsAtOnce) {
  std::latch all(3);
  ThreadPool pool("test", 3, 10);
  for (int i = 0; i < 3; ++i) {
    pool.Submit([&] { all.arrive_and_wait(); });  // only three threads at once come through
  }
  pool.Drain();
  EXPECT_TRUE(all.try_wait());
}

TEST(ThreadPool, ATaskMaySubmitAnother) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool("test", 1, 10);
    pool.Submit([&] {
      ++ran;
      EXPECT_TRUE(pool.TrySubmit([&] { ++ran; }));
    });
    pool.Drain();
  }
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace pailfs
