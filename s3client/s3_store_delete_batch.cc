// Deleting many keys, each under a condition on what is current: the stretch of keys is listed right before and, where
// the bucket keeps versions, right after one request that deletes them all. What remains is the race that
// s3_store_conditions.cc names.

#include <algorithm>
#include <map>

#include "base/str.h"
#include "base/utf8.h"
#include "s3client/bodies.h"
#include "s3client/s3_store_impl.h"

namespace pailfs::s3client {
namespace {

constexpr size_t kFewKeys = 4;        // these are asked for one by one
constexpr size_t kKeysForAPage = 50;  // a page may be read for so many keys that are to go
constexpr size_t kDeletesAtOnce = 8;

std::string CommonPrefix(std::string_view a, std::string_view b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return std::string(a.substr(0, WholeCharacters(a, static_cast<size_t>(end - a.begin()))));
}

size_t MostPages(size_t keys) {
  return 2 + keys / kKeysForAPage;
}

}  // namespace

Status S3StoreImpl::DeleteManyIf(const OpContext& ctx, std::span<const DeleteItem> items,
                                 const std::vector<size_t>& chosen, std::vector<Result<DeleteResult>>& results) {
  std::vector<size_t> singly;
  std::vector<size_t> together;
  if (chosen.size() < kFewKeys) {
    singly = chosen;
  } else {
    std::vector<KeyGate::Hold> holds;
    for (const size_t index : chosen) {
      ASSIGN_OR_RETURN(auto hold, gate_.Enter(ctx, items[index].key));
      holds.push_back(std::move(hold));
    }
    std::string known_to;
    ASSIGN_OR_RETURN(const auto etags, CurrentEtags(ctx, items, chosen, &known_to));
    for (const size_t index : chosen) {
      const DeleteItem& item = items[index];
      const auto etag = etags.find(item.key);
      if (item.key > known_to) {
        singly.push_back(index);
      } else if (etag != etags.end() && etag->second == *item.if_match) {
        together.push_back(index);
      } else {
        results[index] = Error{Errc::kPreconditionFailed, StrCat(item.key, ": another ETag, or not there")};
      }
    }
    if (!together.empty()) {
      RETURN_IF_ERROR(DeleteTogether(ctx, items, together, results));
      RETURN_IF_ERROR(CheckMarkers(ctx, items, together, results));
    }
  }
  return RunParallel(singly.size(), kDeletesAtOnce, [&](size_t n) -> Status {
    results[singly[n]] = DeleteOne(ctx, items[singly[n]]);
    return {};
  });
}

Result<std::map<std::string, std::string>> S3StoreImpl::CurrentEtags(const OpContext& ctx,
                                                                     std::span<const DeleteItem> items,
                                                                     const std::vector<size_t>& chosen,
                                                                     std::string* known_to) {
  const std::string& first = items[chosen.front()].key;
  const std::string& last = items[chosen.back()].key;
  ListRequest request;
  request.prefix = CommonPrefix(first, last);
  request.start_after = WithoutLastCharacter(first);
  std::map<std::string, std::string> etags;
  for (size_t page_number = 0; page_number < MostPages(chosen.size()); ++page_number) {
    ASSIGN_OR_RETURN(const ListPage page, List(ctx, request));
    for (const ObjectInfo& info : page.objects) etags[info.key] = info.etag;
    if (page.next_token.empty()) {
      *known_to = last;
      break;
    }
    if (!page.objects.empty()) *known_to = page.objects.back().key;
    if (*known_to >= last) break;
    request.continuation_token = page.next_token;
  }
  return etags;
}

// What a marker of ours hides must be what we were asked to delete.
Status S3StoreImpl::CheckMarkers(const OpContext& ctx, std::span<const DeleteItem> items,
                                 const std::vector<size_t>& deleted, std::vector<Result<DeleteResult>>& results) {
  std::map<std::string, size_t> unseen;
  for (const size_t index : deleted) {
    const auto& result = results[index];
    const bool has_marker =
        result.ok() && result->made_delete_marker && !result->version_id.empty() && result->version_id != "null";
    if (has_marker) unseen[items[index].key] = index;
  }
  if (unseen.empty()) return {};
  const auto judge = [&](size_t index, const std::optional<ObjectInfo>& hidden) {
    if (!hidden || hidden->is_delete_marker || hidden->etag == *items[index].if_match) return;
    const Status taken_back = TakeBack(ctx, items[index].key, results[index]->version_id);
    if (!taken_back.ok()) {
      results[index] = Error{Errc::kAmbiguous, taken_back.error().message};
    } else {
      results[index] = Error{Errc::kPreconditionFailed, StrCat(items[index].key, ": replaced meanwhile")};
    }
  };
  ListVersionsRequest request;
  request.prefix = CommonPrefix(unseen.begin()->first, unseen.rbegin()->first);
  request.key_marker = WithoutLastCharacter(unseen.begin()->first);
  const size_t most_pages = 2 * MostPages(deleted.size());
  constexpr size_t kNone = SIZE_MAX;
  size_t below_marker = kNone;  // the version before was this one's marker
  for (size_t page_number = 0; page_number < most_pages && !unseen.empty(); ++page_number) {
    const auto page = ListVersions(ctx, request);
    if (!page.ok()) break;  // then one by one
    for (const ObjectInfo& version : page->versions) {
      if (below_marker != kNone) {
        const bool same_key = version.key == items[below_marker].key;
        judge(below_marker, same_key ? std::optional(version) : std::nullopt);
        unseen.erase(items[below_marker].key);
        below_marker = kNone;
      }
      const auto found = unseen.find(version.key);
      if (found != unseen.end() && version.version_id == results[found->second]->version_id) {
        below_marker = found->second;
      }
    }
    if (!page->truncated) {
      if (below_marker != kNone) unseen.erase(items[below_marker].key);
      break;
    }
    request.key_marker = page->next_key_marker;
    request.version_id_marker = page->next_version_id_marker;
  }
  for (const auto& [key, index] : unseen) {
    const auto hidden = Predecessor(ctx, key, results[index]->version_id);
    if (hidden.ok()) {
      judge(index, *hidden);
    } else if (!hidden.Is(Errc::kNotFound)) {
      results[index] = Error{Errc::kAmbiguous, hidden.error().message};
    }
  }
  return {};
}

}  // namespace pailfs::s3client
