#include "tests/support/paged_content.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace pailfs {
namespace {

constexpr uint64_t kPageBytes = PagedContent::kPageBytes;

// Space that was allocated and never written: reads as zeros, counts as a hole.
template <typename Page>
const std::shared_ptr<Page>& Unwritten() {
  static const auto page = std::make_shared<Page>();
  return page;
}

uint64_t PagesFor(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes;
}

}  // namespace

size_t PagedContent::Read(uint64_t offset, std::span<std::byte> buffer) const {
  if (offset >= size_) return 0;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(buffer.size(), size_ - offset));
  for (size_t done = 0; done < wanted;) {
    const uint64_t at = offset + done;
    const size_t within = at % kPageBytes;
    const size_t length = std::min<size_t>(wanted - done, kPageBytes - within);
    const auto page = live_.find(at / kPageBytes);
    if (page == live_.end()) {
      std::memset(buffer.data() + done, 0, length);
    } else {
      std::memcpy(buffer.data() + done, page->second->data() + within, length);
    }
    done += length;
  }
  return wanted;
}

size_t PagedContent::Write(uint64_t offset, std::span<const std::byte> data) {
  size_t done = 0;
  while (done < data.size()) {
    const uint64_t at = offset + done;
    const size_t within = at % kPageBytes;
    const size_t length = std::min<size_t>(data.size() - done, kPageBytes - within);
    Page* page = Writable(at / kPageBytes);
    if (page == nullptr) break;
    std::memcpy(page->data() + within, data.data() + done, length);
    done += length;
  }
  if (done > 0 && offset + done > size_) Resize(offset + done);
  return done;
}

void PagedContent::Truncate(uint64_t size) {
  if (size < size_) {
    Erase(live_.lower_bound(PagesFor(size)), live_.end());
    if (size % kPageBytes != 0) Zero(size, kPageBytes - size % kPageBytes);
  }
  if (size != size_) Resize(size);
}

bool PagedContent::Allocate(uint64_t offset, uint64_t length, bool keep_size) {
  const uint64_t first = offset / kPageBytes;
  const uint64_t end = PagesFor(offset + length);
  const auto present = std::distance(live_.lower_bound(first), live_.lower_bound(end));
  const uint64_t missing = end - first - static_cast<uint64_t>(present);
  if (missing > budget_.most - std::min(budget_.used, budget_.most)) return false;
  for (uint64_t index = first; index < end; ++index) {
    if (!live_.emplace(index, Unwritten<Page>()).second) continue;
    ++budget_.used;
    unsynced_pages_.insert(index);
  }
  if (!keep_size && offset + length > size_) Resize(offset + length);
  return true;
}

void PagedContent::Punch(uint64_t offset, uint64_t length) {
  const uint64_t end = offset + length;
  const uint64_t first_whole = PagesFor(offset);
  const uint64_t end_whole = end / kPageBytes;
  if (first_whole > end_whole) {  // inside one page
    Zero(offset, length);
    return;
  }
  Zero(offset, first_whole * kPageBytes - offset);
  Erase(live_.lower_bound(first_whole), live_.lower_bound(end_whole));
  Zero(end_whole * kPageBytes, end - end_whole * kPageBytes);
}

std::optional<uint64_t> PagedContent::SeekData(uint64_t offset) const {
  for (auto page = live_.lower_bound(offset / kPageBytes); page != live_.end(); ++page) {
    if (page->first * kPageBytes >= size_) break;
    if (page->second == Unwritten<Page>()) continue;
    const uint64_t found = std::max(offset, page->first * kPageBytes);
    if (found < size_) return found;
  }
  return std::nullopt;
}

uint64_t PagedContent::SeekHole(uint64_t offset) const {
  uint64_t index = offset / kPageBytes;
  for (auto page = live_.find(index); page != live_.end() && page->first == index; ++page, ++index) {
    if (page->second == Unwritten<Page>()) break;
  }
  return std::min(size_, std::max(offset, index * kPageBytes));
}

void PagedContent::Sync() {
  for (const uint64_t index : unsynced_pages_) {
    const auto page = live_.find(index);
    if (page == live_.end()) {
      durable_.erase(index);
    } else {
      durable_[index] = page->second;
    }
  }
  unsynced_pages_.clear();
  if (unsynced_size_) durable_size_ = size_;
  unsynced_size_ = false;
}

void PagedContent::LoseUnsynced() {
  unsynced_pages_.clear();
  unsynced_size_ = false;
}

void PagedContent::PowerLoss(Survival survival, Random& random) {
  const auto survives = [&] {
    return survival == Survival::kEverything || (survival == Survival::kRandom && random.OneIn(2));
  };
  std::erase_if(unsynced_pages_, [&](uint64_t) { return !survives(); });
  unsynced_size_ = unsynced_size_ && survives();
  Sync();
  budget_.used -= live_.size();
  live_ = durable_;
  budget_.used += live_.size();
  // A shorter size that survived hides pages whose removal did not.
  const uint64_t size = durable_size_;
  size_ = live_.empty() ? size : std::max(size, (live_.rbegin()->first + 1) * kPageBytes);
  Truncate(size);
  Sync();
}

PagedContent::Page* PagedContent::Writable(uint64_t index) {
  auto page = live_.find(index);
  if (page == live_.end()) {
    if (budget_.used >= budget_.most) return nullptr;
    ++budget_.used;
    page = live_.emplace(index, std::make_shared<Page>()).first;
  } else if (page->second.use_count() > 1) {
    page->second = std::make_shared<Page>(*page->second);
  }
  unsynced_pages_.insert(index);
  return page->second.get();
}

void PagedContent::Erase(PageMap::iterator first, PageMap::iterator last) {
  for (auto page = first; page != last; ++page) {
    unsynced_pages_.insert(page->first);
    --budget_.used;
  }
  live_.erase(first, last);
}

// Within one page; a hole stays one.
void PagedContent::Zero(uint64_t offset, uint64_t length) {
  const auto page = live_.find(offset / kPageBytes);
  if (length == 0 || page == live_.end() || page->second == Unwritten<Page>()) return;
  std::memset(Writable(page->first)->data() + offset % kPageBytes, 0, length);
}

void PagedContent::Resize(uint64_t size) {
  size_ = size;
  unsynced_size_ = true;
}

}  // namespace pailfs
