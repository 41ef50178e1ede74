// The bytes of one file on a simulated disk: what the processes see, and what a power loss would leave.
//
// Pages of 4 KiB; absent ones are holes. Pages are shared between the two states until one is written, so that a sync
// costs only what changed since the last one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "base/random.h"

namespace pailfs {

// What a power loss does to changes that were not synced.
enum class Survival : uint8_t {
  kNothing,     // all are gone
  kEverything,  // all are there: the kernel had written them back by itself
  kRandom,      // each page, size and directory change for itself
};

// Pages in use on the simulated disk, and how many there may be.
struct PageBudget {
  uint64_t used = 0;
  uint64_t most = std::numeric_limits<uint64_t>::max();
};

// Not thread-safe.
class PagedContent {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  explicit PagedContent(PageBudget& budget) : budget_(budget) {}
  ~PagedContent() { budget_.used -= live_.size(); }
  PagedContent(const PagedContent&) = delete;
  PagedContent& operator=(const PagedContent&) = delete;

  uint64_t size() const { return size_; }
  uint64_t allocated_bytes() const { return live_.size() * kPageBytes; }
  size_t Read(uint64_t offset, std::span<std::byte> buffer) const;
  // How much was written before the disk was full.
  size_t Write(uint64_t offset, std::span<const std::byte> data);
  void Truncate(uint64_t size);
  // False when the disk is full; then nothing has changed.
  bool Allocate(uint64_t offset, uint64_t length, bool keep_size);
  void Punch(uint64_t offset, uint64_t length);
  std::optional<uint64_t> SeekData(uint64_t offset) const;
  uint64_t SeekHole(uint64_t offset) const;  // offset < size()

  void Sync();
  // What a failed fdatasync(2) does on Linux: the pages count as clean from now on, though they are not on the disk.
  void LoseUnsynced();
  void PowerLoss(Survival survival, Random& random);

 private:
  using Page = std::array<std::byte, kPageBytes>;
  using PageMap = std::map<uint64_t, std::shared_ptr<Page>>;

  // The page, writable; null when the disk is full.
  Page* Writable(uint64_t index);
  void Erase(PageMap::iterator first, PageMap::iterator last);
  void Zero(uint64_t offset, uint64_t length);
  void Resize(uint64_t size);

  PageBudget& budget_;
  uint64_t size_ = 0;
  PageMap live_;
  uint64_t durable_size_ = 0;
  PageMap durable_;
  std::set<uint64_t> unsynced_pages_;
  bool unsynced_size_ = false;
};

}  // namespace pailfs
