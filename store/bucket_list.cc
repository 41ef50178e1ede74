// Listings.

#include <algorithm>

#include "base/hash.h"
#include "base/str.h"
#include "store/embedded_bucket.h"

namespace pailfs::store {
namespace {

// The least string that is greater than all that start with `prefix`; empty: there is none.
std::string PrefixSuccessor(std::string prefix) {
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xFF) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

// Up to and including the delimiter after the prefix, or nullopt.
std::optional<std::string> CommonPrefixOf(std::string_view key, const std::string& prefix,
                                          const std::string& delimiter) {
  if (delimiter.empty()) return std::nullopt;
  const size_t at = key.find(delimiter, prefix.size());
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(key.substr(0, at + delimiter.size()));
}

// A cursor over the keys of one table.
class KeyCursor {
 public:
  KeyCursor(KvIterator it, std::string table) : table_(std::move(table)), it_(std::move(it)) {}
  void SeekKey(std::string_view key) {  // the first row of this key or a later one
    it_.Seek(table_ + std::string(key));
    Load();
  }
  void SeekBehind(std::string_view key) {  // the first row of a key greater than this one
    it_.Seek(table_ + std::string(key) + std::string("\0\2", 2));
    Load();
  }
  void Next() {
    it_.Next();
    Load();
  }
  bool valid() const { return valid_; }
  const std::string& key() const { return key_; }
  KvIterator& it() { return it_; }
  Status status() const {
    RETURN_IF_ERROR(it_.status());
    return damaged_ ? Status(Error{Errc::kCorrupt, "a row key of the store's index is damaged"}) : Status();
  }

 private:
  void Load() {
    valid_ = it_.Valid() && it_.key().starts_with(table_);
    if (!valid_) return;
    auto key = UnescapeKey(it_.key().substr(table_.size()));
    damaged_ = !key;
    valid_ = key.has_value();
    if (key) key_ = std::move(key->first);
  }

  const std::string table_;
  KvIterator it_;
  std::string key_;
  bool valid_ = false;
  bool damaged_ = false;
};

// Where a listing begins: behind `after`, and behind all keys whose common prefix is not greater than it.
struct Start {
  std::string key;
  bool behind = false;
  bool nowhere = false;  // nothing can follow

  void Apply(KeyCursor& cursor) const {
    if (behind) {
      cursor.SeekBehind(key);
    } else {
      cursor.SeekKey(key);
    }
  }
};

Start BehindPrefix(const std::string& common) {
  Start start{PrefixSuccessor(common), false, false};
  start.nowhere = start.key.empty();
  return start;
}

Start StartOf(const std::string& prefix, const std::string& delimiter, const std::string& after) {
  if (after.empty() || after < prefix) return {prefix, false, false};
  if (!after.starts_with(prefix)) return {"", false, true};
  if (const auto common = CommonPrefixOf(after, prefix, delimiter)) return BehindPrefix(*common);
  return {after, true, false};
}

Result<size_t> PageSize(int max_keys, const std::string& delimiter) {
  if (max_keys < 0) return Error{Errc::kInvalidArgument, "a negative number of keys"};
  if (delimiter.size() > 1) return Error{Errc::kInvalidArgument, "a delimiter is one character"};
  return static_cast<size_t>(std::min(max_keys, kMaxListKeys));
}

// The name that the page before ended with, and a checksum: a token of somebody else's making is refused.
std::string MakeToken(std::string_view last, uint64_t secret) {
  std::string sealed;
  PutBig64(sealed, StableHash64(last, secret));
  return Base64Encode(sealed.append(last));
}

Result<std::string> AfterOf(const ListRequest& request, uint64_t secret) {
  if (request.continuation_token.empty()) return request.start_after;
  std::string sealed;
  if (!Base64Decode(request.continuation_token, &sealed) || sealed.size() < 8 ||
      GetBig64(sealed) != StableHash64(std::string_view(sealed).substr(8), secret)) {
    return Error{Errc::kInvalidArgument, "not a continuation token of this store"};
  }
  return sealed.substr(8);
}

}  // namespace

Result<ListPage> EmbeddedBucket::List(const OpContext& ctx, const ListRequest& request) {
  RETURN_IF_ERROR(ctx.Check());
  if (request.as_of_us) return ListAsOf(ctx, request);
  ASSIGN_OR_RETURN(const size_t most, PageSize(request.max_keys, request.delimiter));
  ASSIGN_OR_RETURN(const std::string after, AfterOf(request, core_.id_secret()));
  ListPage page;
  const Start start = StartOf(request.prefix, request.delimiter, after);
  if (most == 0 || start.nowhere) return page;
  const bool shows_ids = ShowsIds();
  KeyCursor cursor(core_.index->NewIterator(), CurrentPrefix(id_));
  start.Apply(cursor);
  std::string last;
  while (cursor.valid() && cursor.key().starts_with(request.prefix)) {
    if (page.objects.size() + page.common_prefixes.size() == most) {
      page.next_token = MakeToken(last, core_.id_secret());
      break;
    }
    auto common = CommonPrefixOf(cursor.key(), request.prefix, request.delimiter);
    if (common) {
      last = *common;
      const Start behind = BehindPrefix(*common);
      page.common_prefixes.push_back(std::move(*common));
      if (behind.nowhere) break;
      behind.Apply(cursor);
      continue;
    }
    ASSIGN_OR_RETURN(const pb::Version version, OpenVersion(cursor.it().key(), cursor.it().value()));
    last = cursor.key();
    page.objects.push_back(Shown(InfoOf(cursor.key(), version, /*is_latest=*/true, request.with_metadata), shows_ids));
    cursor.Next();
  }
  RETURN_IF_ERROR(cursor.status());
  return page;
}

Result<ListPage> EmbeddedBucket::ListAsOf(const OpContext& ctx, const ListRequest& request) const {
  ASSIGN_OR_RETURN(const size_t most, PageSize(request.max_keys, request.delimiter));
  ASSIGN_OR_RETURN(const std::string after, AfterOf(request, core_.id_secret()));
  ListPage page;
  Start at = StartOf(request.prefix, request.delimiter, after);
  if (most == 0 || at.nowhere || *request.as_of_us < 0) return page;
  const auto time_us = static_cast<uint64_t>(*request.as_of_us);
  // All over one state: a key that moves from one table to the other must not be missed.
  std::vector<KvIterator> cursors = core_.index->NewIterators(3);
  KeyCursor current(std::move(cursors[0]), CurrentPrefix(id_));
  KeyCursor older(std::move(cursors[1]), VersionPrefix(id_));
  const bool shows_ids = ShowsIds();
  std::string last;
  for (;;) {
    RETURN_IF_ERROR(ctx.Check());
    for (KeyCursor* cursor : {&current, &older}) {
      at.Apply(*cursor);
      RETURN_IF_ERROR(cursor->status());
    }
    std::optional<std::string> key;
    for (const KeyCursor* cursor : {&current, &older}) {
      if (cursor->valid() && cursor->key().starts_with(request.prefix) && (!key || cursor->key() < *key))
        key = cursor->key();
    }
    if (!key) return page;
    at = {*key, true, false};
    ASSIGN_OR_RETURN(const auto visible, VisibleAt(cursors[2], *key, time_us));
    if (!visible) continue;
    if (page.objects.size() + page.common_prefixes.size() == most) {
      page.next_token = MakeToken(last, core_.id_secret());
      return page;
    }
    auto common = CommonPrefixOf(*key, request.prefix, request.delimiter);
    if (common) {
      last = *common;
      at = BehindPrefix(*common);
      page.common_prefixes.push_back(std::move(*common));
      if (at.nowhere) return page;
    } else {
      last = *key;
      page.objects.push_back(Shown(InfoOf(*key, *visible, /*is_latest=*/false, request.with_metadata), shows_ids));
    }
  }
}

Result<ListVersionsPage> EmbeddedBucket::ListVersions(const OpContext& ctx, const ListVersionsRequest& request) {
  RETURN_IF_ERROR(ctx.Check());
  ASSIGN_OR_RETURN(const size_t most, PageSize(request.max_keys, request.delimiter));
  if (request.key_marker.empty() && !request.version_id_marker.empty()) {
    return Error{Errc::kInvalidArgument, "a version id marker needs a key marker"};
  }
  ListVersionsPage page;
  Start start = StartOf(request.prefix, request.delimiter, request.key_marker);
  if (most == 0 || start.nowhere) return page;
  std::vector<KvIterator> cursors = core_.index->NewIterators(3);
  KeyCursor current(std::move(cursors[0]), CurrentPrefix(id_));
  KeyCursor older(std::move(cursors[1]), VersionPrefix(id_));
  const bool shows_ids = ShowsIds();
  // Within a key: behind the version that the marker names, which may be gone.
  std::optional<uint64_t> below_seq;
  if (!request.version_id_marker.empty() && start.behind) {
    ASSIGN_OR_RETURN(const auto marker, FindById(cursors[2], request.key_marker, request.version_id_marker));
    below_seq = marker ? marker->seq() : SeqOf(request.key_marker, request.version_id_marker);
    if (!below_seq) return Error{Errc::kInvalidArgument, "the version id marker is none of this bucket"};
    start.behind = false;
  }
  start.Apply(current);
  start.Apply(older);
  std::string newest_of;  // the key whose latest version has been seen
  if (below_seq) newest_of = request.key_marker;
  for (;;) {
    RETURN_IF_ERROR(current.status());
    RETURN_IF_ERROR(older.status());
    const bool take_current = current.valid() && (!older.valid() || current.key() <= older.key());
    KeyCursor& cursor = take_current ? current : older;
    if (!cursor.valid() || !cursor.key().starts_with(request.prefix)) return page;
    ASSIGN_OR_RETURN(const pb::Version version, OpenVersion(cursor.it().key(), cursor.it().value()));
    if (below_seq && cursor.key() == request.key_marker && version.seq() >= *below_seq) {
      cursor.Next();
      continue;
    }
    if (page.versions.size() + page.common_prefixes.size() == most) {
      page.truncated = true;
      return page;
    }
    auto common = CommonPrefixOf(cursor.key(), request.prefix, request.delimiter);
    if (common) {
      page.next_key_marker = *common;
      page.next_version_id_marker.clear();
      const Start behind = BehindPrefix(*common);
      page.common_prefixes.push_back(std::move(*common));
      if (behind.nowhere) return page;
      behind.Apply(current);
      behind.Apply(older);
      continue;
    }
    const bool latest = cursor.key() != newest_of;
    newest_of = cursor.key();
    page.versions.push_back(Shown(InfoOf(cursor.key(), version, latest, /*with_metadata=*/false), shows_ids));
    page.next_key_marker = cursor.key();
    page.next_version_id_marker = page.versions.back().version_id;
    cursor.Next();
  }
}

}  // namespace pailfs::store
