// Listings of MemoryStore.

#include <algorithm>

#include "base/hash.h"
#include "base/str.h"
#include "tests/support/memory_store.h"

namespace pailfs {
namespace {

// The common prefix that a listing shows in place of `key`; empty: it shows the key.
std::string_view CommonPrefixOf(std::string_view key, std::string_view prefix, std::string_view delimiter) {
  if (delimiter.empty()) return "";
  const size_t at = key.find(delimiter, prefix.size());
  return at == std::string_view::npos ? "" : key.substr(0, at + delimiter.size());
}

Result<int> PageSize(int max_keys, const std::string& delimiter) {
  if (max_keys < 0) return Error{Errc::kInvalidArgument, "max_keys is negative"};
  if (delimiter.size() > 1) return Error{Errc::kInvalidArgument, "a delimiter is one character"};
  return std::min(max_keys, kMaxListKeys);
}

}  // namespace

ObjectInfo MemoryStore::DescribeListed(const std::string& key, const Version& version, bool latest) const {
  ObjectInfo info = Describe(key, version, latest);
  if (!options_.list_metadata) {
    info.has_metadata = false;
    info.headers = {};
    info.metadata.clear();
  }
  return info;
}

Result<ListPage> MemoryStore::List(const OpContext& ctx, const ListRequest& request) {
  RETURN_IF_ERROR(ctx.Check());
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.max_keys, request.delimiter));
  if (request.as_of_us && !options_.as_of) return Error{Errc::kUnsupported, "no listing of the past"};
  // A token is the last key or common prefix of the page before.
  std::string after = request.start_after;
  if (!request.continuation_token.empty() && !Base64Decode(request.continuation_token, &after)) {
    return Error{Errc::kInvalidArgument, "not a continuation token"};
  }
  MutexLock lock(mu_);
  ListPage page;
  if (page_size == 0) return page;
  int count = 0;
  std::string last;
  for (auto it = objects_.lower_bound(request.prefix); it != objects_.end(); ++it) {
    const auto& [key, versions] = *it;
    if (!key.starts_with(request.prefix)) break;
    const Version* version = &versions.back();
    if (request.as_of_us) version = VisibleAt(versions, *request.as_of_us);
    if (version == nullptr || version->marker) continue;
    const std::string_view common = CommonPrefixOf(key, request.prefix, request.delimiter);
    const std::string_view item = common.empty() ? key : common;
    // Keys under a common prefix that was shown already are not greater than it as items.
    if (item <= after || item == last) continue;
    if (count == page_size) {
      page.next_token = Base64Encode(last);
      break;
    }
    ++count;
    last = item;
    if (common.empty()) {
      ObjectInfo info = DescribeListed(key, *version, version == &versions.back());
      if (!options_.list_metadata) info.version_id.clear();
      page.objects.push_back(std::move(info));
    } else {
      page.common_prefixes.emplace_back(common);
    }
  }
  return page;
}

Result<ListVersionsPage> MemoryStore::ListVersions(const OpContext& ctx, const ListVersionsRequest& request) {
  RETURN_IF_ERROR(ctx.Check());
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.max_keys, request.delimiter));
  if (request.key_marker.empty() && !request.version_id_marker.empty()) {
    return Error{Errc::kInvalidArgument, "a version id marker needs a key marker"};
  }
  MutexLock lock(mu_);
  ListVersionsPage page;
  if (page_size == 0) return page;
  int count = 0;
  std::string last;  // key or common prefix
  std::string last_version;
  const auto full = [&] {
    if (count < page_size) {
      ++count;
      return false;
    }
    page.truncated = true;
    page.next_key_marker = last;
    page.next_version_id_marker = last_version;
    return true;
  };
  for (auto it = objects_.lower_bound(request.prefix); it != objects_.end(); ++it) {
    const auto& [key, versions] = *it;
    if (!key.starts_with(request.prefix)) break;
    const std::string_view common = CommonPrefixOf(key, request.prefix, request.delimiter);
    if (!common.empty()) {
      if (common <= request.key_marker || common == last) continue;
      if (full()) return page;
      last = common;
      last_version.clear();
      page.common_prefixes.emplace_back(common);
      continue;
    }
    if (key < request.key_marker || (key == request.key_marker && request.version_id_marker.empty())) continue;
    // Ids rise with the sequence, so a marker holds its place when its version is gone.
    bool skipping = key == request.key_marker;
    std::string marker_id = request.version_id_marker;
    for (const Version& version : versions) {
      if (skipping && marker_id == "null" && version.null) marker_id = version.id;
    }
    for (size_t i = versions.size(); i-- > 0;) {
      const Version& version = versions[i];
      if (skipping && version.id >= marker_id) continue;
      if (full()) return page;
      last = key;
      last_version = version.null ? "null" : version.id;
      page.versions.push_back(DescribeListed(key, version, i + 1 == versions.size()));
    }
  }
  return page;
}

}  // namespace pailfs
