#include "cache/readahead.h"

#include <algorithm>

namespace pailfs::cache {
namespace {

constexpr uint64_t kBlock = 128 << 10;
constexpr uint64_t kFirstWindow = (1 << 20) + kBlock;
constexpr uint64_t kForwardSkip = 1 << 20;

}  // namespace

ByteRange Readahead::OnRead(uint64_t offset, uint64_t length, uint64_t size, uint64_t window_limit) {
  const uint64_t begin = offset / kBlock * kBlock;
  const uint64_t end = std::min(size, (offset + length + kBlock - 1) / kBlock * kBlock);
  const bool starts = window_ == 0 && offset == 0;
  const bool continues = window_ > 0 && offset >= expected_ && offset - expected_ <= kForwardSkip;
  if (!starts && !continues) {
    // The next miss right behind this one makes it a stream.
    window_ = kFirstWindow / 2;
    expected_ = end;
    return {begin, end - begin};
  }
  window_ = starts ? kFirstWindow : std::min(window_ * 2, window_limit);
  const uint64_t ahead = std::max(end, std::min(size, (begin + window_ + kBlock - 1) / kBlock * kBlock));
  expected_ = ahead;
  return {begin, ahead - begin};
}

}  // namespace pailfs::cache
