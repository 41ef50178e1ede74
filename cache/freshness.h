// How long what the bucket said of a directory's names holds. Passive; times are those of Clock::MonotonicNs, at the
// start of the request that gave the answer.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace pailfs::cache {

// Not thread-safe.
class Freshness {
 public:
  // A name as it stands in the databases.
  struct Name {
    std::string_view segment;  // of its key
    uint64_t cookie = 0;       // CookieOfName
    bool exists = false;
  };
  // What one page of a listing, or one question, covered: segments in [first, last].
  struct Page {
    std::string first;
    std::string last;
    bool to_the_end = false;     // nothing follows `first`
    std::vector<uint64_t> seen;  // cookies of the names found, sorted
    int64_t began_ns = 0;
  };

  void OnListed(int64_t began_ns);
  void OnPage(Page page);
  // The directory was listed as a whole at most `ttl_ns` ago.
  bool HoldsAll(int64_t now_ns, int64_t ttl_ns) const;
  bool Holds(const Name& name, int64_t now_ns, int64_t ttl_ns) const;

 private:
  static constexpr int64_t kNever = INT64_MIN;
  static constexpr size_t kMostPages = 16;

  int64_t listed_ns_ = kNever;
  std::deque<Page> pages_;  // newest last
};

}  // namespace pailfs::cache
