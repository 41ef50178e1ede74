#include "cache/readahead.h"

#include <algorithm>

namespace pailfs::cache {
namespace {

constexpr uint64_t kBlock = 128 << 10;
constexpr uint64_t kFirstWindow = (1 << 20) + kBlock;
constexpr uint64_t kForwardSkip = 1 << 20;

uint64_t RoundDown(uint64_t offset) {
  return offset / kBlock * kBlock;
}
uint64_t RoundUp(uint64_t offset, uint64_t size) {
  return std::min(size, RoundDown(offset + kBlock - 1));
}

}  // namespace

Readahead::Stream& Readahead::ToFront(size_t index) {
  std::rotate(streams_.begin(), streams_.begin() + static_cast<ptrdiff_t>(index),
              streams_.begin() + static_cast<ptrdiff_t>(index) + 1);
  return streams_.front();
}

ByteRange Readahead::OnRead(uint64_t offset, uint64_t length, uint64_t size, uint64_t window_limit) {
  if (offset >= size) return {size, 0};
  const uint64_t begin = RoundDown(offset);
  const uint64_t end = RoundUp(offset + std::min(length, size - offset), size);
  for (size_t i = 0; i < kStreams && streams_[i].window > 0; ++i) {
    const uint64_t expected = streams_[i].expected;
    // A read may begin before what is absent: its end need not be that of a window.
    if (end <= expected || begin > expected + kForwardSkip) continue;
    Stream& stream = ToFront(i);
    stream.window = std::min(stream.window * 2, std::max(window_limit, kBlock));
    stream.expected = std::max(end, RoundUp(std::max(begin, expected) + stream.window, size));
    return {begin, stream.expected - begin};
  }
  for (const Stream& stream : streams_) {
    // The kernel sends several reads at once, in any order.
    const bool asked_for = end <= stream.expected && begin + stream.window + kForwardSkip >= stream.expected;
    if (stream.window > 0 && asked_for) return {begin, end - begin};
  }
  Stream& stream = ToFront(kStreams - 1);
  // A reader starts at the beginning; elsewhere the next miss right behind this one makes it a stream.
  const bool starts = offset == 0;
  stream.window = std::min(starts ? kFirstWindow : kFirstWindow / 2, std::max(window_limit, kBlock));
  stream.expected = starts ? std::max(end, RoundUp(stream.window, size)) : end;
  return {begin, stream.expected - begin};
}

}  // namespace pailfs::cache
