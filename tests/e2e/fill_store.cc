// fill_store STORE BUCKET COUNT [PER_DIRECTORY [DAYS_AGO]]: puts COUNT tiny objects into a bucket, fast, for tests of
// large buckets, or as if it were some days ago. Keys are "DDDDDD/FFFFFF"; bodies are the keys. The store is made if it
// is not there.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/embedded_store.h"

namespace {

// Group commit shares one sync among those who wait for it.
constexpr int kThreads = 128;

int Fail(const pailfs::Error& error) {
  std::fprintf(stderr, "fill_store: %s\n", error.message.c_str());
  return 1;
}

std::string KeyOf(uint64_t number, uint64_t per_directory) {
  char key[64];
  std::snprintf(key, sizeof key, "%06llu/%06llu", static_cast<unsigned long long>(number / per_directory),
                static_cast<unsigned long long>(number % per_directory));
  return key;
}

// False when a put failed; the first failure is printed.
bool Fill(pailfs::ObjectStore& bucket, uint64_t count, uint64_t per_directory) {
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (uint64_t number = next++; number < count && !failed; number = next++) {
        const std::string key = KeyOf(number, per_directory);
        pailfs::StringBody body(key);
        const auto put = bucket.Put({}, key, body, {});
        if (!put.ok() && !failed.exchange(true)) Fail(put.error());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return !failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6) {
    std::fprintf(stderr, "usage: fill_store STORE BUCKET COUNT [PER_DIRECTORY [DAYS_AGO]]\n");
    return 2;
  }
  const uint64_t count = std::strtoull(argv[3], nullptr, 10);
  const uint64_t per_directory = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1000;
  if (count == 0 || per_directory == 0) {
    std::fprintf(stderr, "fill_store: COUNT and PER_DIRECTORY must be positive numbers\n");
    return 2;
  }
  constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;
  const int64_t days_ago = argc > 5 ? std::strtoll(argv[5], nullptr, 10) : 0;
  pailfs::ManualClock clock(pailfs::SystemClock().WallNs() - days_ago * kDayNs);
  pailfs::Metrics metrics;
  auto store = pailfs::store::EmbeddedStore::Open(pailfs::PosixFileSystem(), clock, pailfs::SystemRandom(), metrics,
                                                  argv[1], {});
  if (!store.ok()) return Fail(store.error());
  const pailfs::Status made = (*store)->CreateBucket(argv[2], pailfs::VersioningState::kEnabled);
  if (!made.ok() && !made.Is(pailfs::Errc::kAlreadyExists)) return Fail(made.error());
  auto bucket = (*store)->OpenBucket(argv[2]);
  if (!bucket.ok()) return Fail(bucket.error());
  return Fill(**bucket, count, per_directory) ? 0 : 1;
}
