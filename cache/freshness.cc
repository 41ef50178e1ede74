#include "cache/freshness.h"

#include <algorithm>
#include <utility>

namespace pailfs::cache {
namespace {

bool IsWithin(int64_t began_ns, int64_t now_ns, int64_t ttl_ns) {
  return now_ns - began_ns < ttl_ns;
}

bool Covers(const Freshness::Page& page, const Freshness::Name& name) {
  if (name.exists) return std::binary_search(page.seen.begin(), page.seen.end(), name.cookie);
  return name.segment >= page.first && (page.to_the_end || name.segment <= page.last);
}

}  // namespace

void Freshness::OnListed(int64_t began_ns) {
  listed_ns_ = began_ns;
  pages_.clear();
}

void Freshness::OnPage(Page page) {
  if (pages_.size() == kMostPages) pages_.pop_front();
  pages_.push_back(std::move(page));
}

bool Freshness::HoldsAll(int64_t now_ns, int64_t ttl_ns) const {
  return listed_ns_ != kNever && IsWithin(listed_ns_, now_ns, ttl_ns);
}

bool Freshness::Holds(const Name& name, int64_t now_ns, int64_t ttl_ns) const {
  if (HoldsAll(now_ns, ttl_ns)) return true;
  return std::any_of(pages_.begin(), pages_.end(),
                     [&](const Page& page) { return IsWithin(page.began_ns, now_ns, ttl_ns) && Covers(page, name); });
}

}  // namespace pailfs::cache
