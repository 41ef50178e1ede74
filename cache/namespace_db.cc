#include "cache/namespace_db.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"

namespace pailfs::cache {
namespace {

constexpr size_t kDentryNameOffset = 1 + 8 + 8;
constexpr size_t kDentryValueBytes = 8 + 4 + 8;
constexpr uint64_t kFirstCookie = kCookieOfVersions + 1;

std::string Row(char table, std::string_view rest) {
  std::string key(1, table);
  key.append(rest);
  return key;
}

std::string Row(char table, uint64_t number) {
  std::string key(1, table);
  PutBig64(key, number);
  return key;
}

std::string DentryValue(const Dentry& dentry, uint64_t generation) {
  std::string value;
  PutBig64(value, dentry.ino);
  PutBig32(value, dentry.type);
  PutBig64(value, generation);
  return value;
}

Result<Dentry> ParseDentry(std::string_view key, std::string_view value, bool in_meta, uint64_t generation) {
  if (key.size() <= kDentryNameOffset || value.size() != kDentryValueBytes) {
    return Error{Errc::kCorrupt, "a directory row of the cache database is damaged"};
  }
  return Dentry{std::string(key.substr(kDentryNameOffset)), GetBig64(value), GetBig32(value.substr(8)), in_meta,
                in_meta || GetBig64(value.substr(12)) == generation};
}

Result<InodeRecord> ParseInodeRow(const KvIterator& it) {
  if (it.key().size() != 9) return Error{Errc::kCorrupt, "an inode row of the cache database is damaged"};
  return ParseInode(it.key(), GetBig64(it.key().substr(1)), it.value());
}

}  // namespace

std::string InodeKey(Ino ino) {
  return Row('I', ino);
}
std::string DentryPrefix(Ino dir) {
  return Row('D', dir);
}
std::string DentryKey(Ino dir, std::string_view name) {
  std::string key = DentryPrefix(dir);
  PutBig64(key, StableHash64(name));
  key.append(name);
  return key;
}
std::string BlocksPrefix(Ino ino) {
  return Row('B', ino);
}
std::string BlocksKey(Ino ino, uint32_t segment) {
  std::string key = BlocksPrefix(ino);
  PutBig32(key, segment);
  return key;
}

// Kernel cookies are signed, so two bits of the hash are given up.
uint64_t CookieOfName(std::string_view name) {
  return (StableHash64(name) >> 2) + kFirstCookie;
}

NamespaceDb::NamespaceDb(std::unique_ptr<KvStore> meta, std::unique_ptr<KvStore> listing)
    : meta_(std::move(meta)), listing_(std::move(listing)) {}

Result<std::unique_ptr<NamespaceDb>> NamespaceDb::Open(FileSystem& files, const std::string& directory) {
  KvOptions options;
  options.write_buffer_bytes = 8 << 20;
  options.block_cache_bytes = 16 << 20;
  options.max_open_files = 200;
  ASSIGN_OR_RETURN(auto meta, KvStore::Open(files, directory + "/meta", options));
  auto listing = KvStore::Open(files, directory + "/listing", options);
  if (!listing.ok()) {
    if (!listing.Is(Errc::kCorrupt)) return std::move(listing).error();
    LogWarning("the listing database is damaged and is read from the bucket again: ", listing.error().message);
    RETURN_IF_ERROR(DiscardListing(files, directory));
    listing = KvStore::Open(files, directory + "/listing", options);
    if (!listing.ok()) return std::move(listing).error();
  }
  return std::unique_ptr<NamespaceDb>(new NamespaceDb(std::move(meta), std::move(*listing)));
}

Status DiscardListing(FileSystem& files, const std::string& directory) {
  return RemoveTree(files, directory + "/listing");
}

Result<std::optional<std::string>> NamespaceDb::Find(std::string_view key, bool* in_meta) const {
  ASSIGN_OR_RETURN(auto value, meta_->Get(key));
  *in_meta = value.has_value();
  if (value) return value;
  return listing_->Get(key);
}

Result<std::optional<NamespaceDb::FoundInode>> NamespaceDb::FindInode(Ino ino) const {
  const std::string key = InodeKey(ino);
  bool in_meta = false;
  ASSIGN_OR_RETURN(const auto value, Find(key, &in_meta));
  if (!value) return std::optional<FoundInode>();
  ASSIGN_OR_RETURN(InodeRecord record, ParseInode(key, ino, *value));
  return std::optional<FoundInode>(FoundInode{std::move(record), in_meta});
}

Result<std::optional<Dentry>> NamespaceDb::FindDentry(Ino dir, std::string_view name) const {
  const std::string key = DentryKey(dir, name);
  bool in_meta = false;
  ASSIGN_OR_RETURN(const auto value, Find(key, &in_meta));
  if (!value) return std::optional<Dentry>();
  ASSIGN_OR_RETURN(Dentry dentry, ParseDentry(key, *value, in_meta, generation_));
  return std::optional<Dentry>(std::move(dentry));
}

Result<std::vector<Dentry>> NamespaceDb::Children(Ino dir, uint64_t cookie, size_t limit) const {
  const std::string prefix = DentryPrefix(dir);
  std::string start = prefix;
  if (cookie >= kFirstCookie) {
    const uint64_t next = cookie - kFirstCookie + 1;
    if (next > (UINT64_MAX >> 2)) return std::vector<Dentry>();
    PutBig64(start, next << 2);
  }
  KvIterator meta = meta_->NewIterator();
  KvIterator listing = listing_->NewIterator();
  meta.Seek(start);
  listing.Seek(start);
  const auto inside = [&prefix](const KvIterator& it) { return it.Valid() && it.key().starts_with(prefix); };
  std::vector<Dentry> children;
  while (children.size() < limit && (inside(meta) || inside(listing))) {
    const bool take_meta = inside(meta) && (!inside(listing) || meta.key() <= listing.key());
    KvIterator& it = take_meta ? meta : listing;
    if (take_meta && inside(listing) && meta.key() == listing.key()) listing.Next();
    ASSIGN_OR_RETURN(Dentry dentry, ParseDentry(it.key(), it.value(), take_meta, generation_));
    children.push_back(std::move(dentry));
    it.Next();
  }
  RETURN_IF_ERROR(meta.status());
  RETURN_IF_ERROR(listing.status());
  return children;
}

Result<bool> NamespaceDb::HasChildren(Ino dir) const {
  ASSIGN_OR_RETURN(auto children, Children(dir, 0, 1));
  return !children.empty();
}

bool NamespaceDb::ListingComplete(Ino dir) const {
  auto value = listing_->Get(Row('L', dir));
  return value.ok() && value->has_value() && (*value)->size() == 8 && GetBig64(**value) == generation_;
}

Result<bool> NamespaceDb::WasListed(Ino dir) const {
  ASSIGN_OR_RETURN(const auto value, listing_->Get(Row('L', dir)));
  return value.has_value();
}

Result<std::vector<std::pair<uint32_t, std::string>>> NamespaceDb::BlockRows(Ino ino, bool in_meta) const {
  const std::string prefix = BlocksPrefix(ino);
  std::vector<std::pair<uint32_t, std::string>> rows;
  KvIterator it = (in_meta ? meta_ : listing_)->NewIterator();
  for (it.Seek(prefix); it.Valid() && it.key().starts_with(prefix); it.Next()) {
    if (it.key().size() != prefix.size() + 4)
      return Error{Errc::kCorrupt, "a block row of the cache database is damaged"};
    rows.emplace_back(GetBig32(it.key().substr(prefix.size())), std::string(it.value()));
  }
  RETURN_IF_ERROR(it.status());
  return rows;
}

Result<std::optional<Tombstone>> NamespaceDb::FindTombstone(std::string_view key) const {
  const std::string row = Row('T', key);
  ASSIGN_OR_RETURN(auto value, meta_->Get(row));
  if (!value) return std::optional<Tombstone>();
  ASSIGN_OR_RETURN(Tombstone tombstone, ParseTombstone(row, *value));
  return std::optional<Tombstone>(std::move(tombstone));
}

Result<bool> NamespaceDb::HasTombstone(const Transaction& txn, std::string_view key) const {
  if (const auto changed = txn.tombstones.find(key); changed != txn.tombstones.end()) return changed->second;
  ASSIGN_OR_RETURN(const auto stored, FindTombstone(key));
  return stored.has_value();
}

Result<std::optional<Ino>> NamespaceDb::FindDisplaced(std::string_view key) const {
  ASSIGN_OR_RETURN(auto value, meta_->Get(Row('K', key)));
  if (!value) return std::optional<Ino>();
  if (value->size() != 8) return Error{Errc::kCorrupt, "an origin row of the cache database is damaged"};
  return std::optional<Ino>(GetBig64(*value));
}

Status NamespaceDb::VisitTombstones(std::string_view from,
                                    const std::function<bool(std::string_view, const Tombstone&)>& visit) const {
  KvIterator it = meta_->NewIterator();
  for (it.Seek(Row('T', from)); it.Valid() && it.key().starts_with("T"); it.Next()) {
    ASSIGN_OR_RETURN(const Tombstone tombstone, ParseTombstone(it.key(), it.value()));
    if (!visit(it.key().substr(1), tombstone)) break;
  }
  return it.status();
}

Result<bool> NamespaceDb::AnyPendingUnder(std::string_view prefix) const {
  KvIterator it = meta_->NewIterator();
  for (const char table : {'T', 'K'}) {
    const std::string start = Row(table, prefix);
    it.Seek(start);
    if (it.Valid() && it.key().starts_with(start)) return true;
  }
  RETURN_IF_ERROR(it.status());
  return false;
}

Status NamespaceDb::VisitMetaInodes(const std::function<Status(InodeRecord)>& visit) const {
  KvIterator it = meta_->NewIterator();
  for (it.Seek("I"); it.Valid() && it.key().starts_with("I"); it.Next()) {
    ASSIGN_OR_RETURN(InodeRecord record, ParseInodeRow(it));
    RETURN_IF_ERROR(visit(std::move(record)));
  }
  return it.status();
}

Result<uint64_t> NamespaceDb::CountListedFrom(Ino first) const {
  uint64_t count = 0;
  KvIterator it = listing_->NewIterator();
  for (it.Seek(Row('I', first)); it.Valid() && it.key().starts_with("I"); it.Next()) ++count;
  RETURN_IF_ERROR(it.status());
  return count;
}

Result<std::vector<InodeRecord>> NamespaceDb::ListedFrom(Ino first, size_t limit) const {
  std::vector<InodeRecord> records;
  KvIterator it = listing_->NewIterator();
  for (it.Seek(Row('I', first)); it.Valid() && it.key().starts_with("I") && records.size() < limit; it.Next()) {
    ASSIGN_OR_RETURN(InodeRecord record, ParseInodeRow(it));
    records.push_back(std::move(record));
  }
  RETURN_IF_ERROR(it.status());
  return records;
}

Result<std::vector<std::pair<std::string, Ino>>> NamespaceDb::MovedPrefixes() const {
  std::vector<std::pair<std::string, Ino>> moved;
  KvIterator it = meta_->NewIterator();
  for (it.Seek("V"); it.Valid() && it.key().starts_with("V"); it.Next()) {
    if (it.value().size() != 8) return Error{Errc::kCorrupt, "a move row of the cache database is damaged"};
    moved.emplace_back(it.key().substr(1), GetBig64(it.value()));
  }
  RETURN_IF_ERROR(it.status());
  return moved;
}

Result<std::optional<std::string>> NamespaceDb::Scalar(std::string_view name) const {
  return meta_->Get(Row('S', name));
}

void NamespaceDb::PutInode(Transaction& txn, const InodeRecord& record, bool in_meta) const {
  const std::string key = InodeKey(record.ino);
  (in_meta ? txn.meta : txn.listing).Put(key, Serialize(key, record));
}

void NamespaceDb::PutDentry(Transaction& txn, Ino dir, const Dentry& dentry, bool in_meta) const {
  (in_meta ? txn.meta : txn.listing).Put(DentryKey(dir, dentry.name), DentryValue(dentry, generation_));
}

Status NamespaceDb::RemoveDentry(Transaction& txn, Ino dir, std::string_view name) const {
  const std::string key = DentryKey(dir, name);
  txn.meta.Delete(key);
  ASSIGN_OR_RETURN(auto listed, listing_->Get(key));
  if (listed) {
    std::string removal = key;
    removal[0] = 'F';
    txn.meta.Put(removal, *listed);
    txn.removals.push_back(std::move(removal));
    txn.listing.Delete(key);
  }
  return {};
}

Status NamespaceDb::RemoveInode(Transaction& txn, Ino ino) const {
  txn.meta.Delete(InodeKey(ino));
  txn.listing.Delete(InodeKey(ino));
  txn.listing.Delete(Row('L', ino));
  RETURN_IF_ERROR(RemoveBlocks(txn, ino, true));
  return RemoveBlocks(txn, ino, false);
}

void NamespaceDb::PutBlocks(Transaction& txn, Ino ino, uint32_t segment, std::string_view bits, bool in_meta) const {
  (in_meta ? txn.meta : txn.listing).Put(BlocksKey(ino, segment), bits);
}

Status NamespaceDb::RemoveBlocks(Transaction& txn, Ino ino, bool in_meta) const {
  ASSIGN_OR_RETURN(const auto rows, BlockRows(ino, in_meta));
  for (const auto& [segment, bits] : rows) (in_meta ? txn.meta : txn.listing).Delete(BlocksKey(ino, segment));
  return {};
}

void NamespaceDb::SetListingComplete(Transaction& txn, Ino dir, bool complete) const {
  if (complete) {
    std::string value;
    PutBig64(value, generation_);
    txn.listing.Put(Row('L', dir), value);
  } else {
    txn.listing.Delete(Row('L', dir));
  }
}

void NamespaceDb::RemoveListedDentry(Transaction& txn, Ino dir, std::string_view name) const {
  txn.listing.Delete(DentryKey(dir, name));
}

void NamespaceDb::PutTombstone(Transaction& txn, std::string_view key, const Tombstone& tombstone) const {
  const std::string row = Row('T', key);
  txn.meta.Put(row, Serialize(row, tombstone));
  txn.tombstones.insert_or_assign(std::string(key), true);
}
void NamespaceDb::RemoveTombstone(Transaction& txn, std::string_view key) const {
  txn.meta.Delete(Row('T', key));
  txn.tombstones.insert_or_assign(std::string(key), false);
}

void NamespaceDb::PutDisplaced(Transaction& txn, std::string_view key, Ino ino) const {
  std::string value;
  PutBig64(value, ino);
  txn.meta.Put(Row('K', key), value);
}
void NamespaceDb::RemoveDisplaced(Transaction& txn, std::string_view key) const {
  txn.meta.Delete(Row('K', key));
}

void NamespaceDb::PutMovedPrefix(Transaction& txn, std::string_view prefix, Ino ino) const {
  std::string value;
  PutBig64(value, ino);
  txn.meta.Put(Row('V', prefix), value);
}
void NamespaceDb::RemoveMovedPrefix(Transaction& txn, std::string_view prefix) const {
  txn.meta.Delete(Row('V', prefix));
}
void NamespaceDb::PutScalar(Transaction& txn, std::string_view name, std::string_view value) const {
  txn.meta.Put(Row('S', name), value);
}
void NamespaceDb::RemoveScalar(Transaction& txn, std::string_view name) const {
  txn.meta.Delete(Row('S', name));
}

Status NamespaceDb::Commit(Transaction& txn, KvDurability durability) {
  for (const std::string& row : done_removals_) {
    // A row that this transaction writes anew must stay.
    if (std::find(txn.removals.begin(), txn.removals.end(), row) == txn.removals.end()) txn.meta.Delete(row);
  }
  if (!txn.meta.empty() || durability == KvDurability::kSync) RETURN_IF_ERROR(meta_->Write(txn.meta, durability));
  done_removals_.clear();
  if (!txn.listing.empty()) RETURN_IF_ERROR(listing_->Write(txn.listing, KvDurability::kNoSync));
  done_removals_ = std::move(txn.removals);
  return {};
}

Status NamespaceDb::Settle(Transaction& txn) {
  for (const std::string& row : done_removals_) txn.meta.Delete(row);
  done_removals_.clear();
  if (!txn.listing.empty()) RETURN_IF_ERROR(listing_->Write(txn.listing, KvDurability::kNoSync));
  if (!txn.meta.empty()) RETURN_IF_ERROR(meta_->Write(txn.meta, KvDurability::kNoSync));
  return {};
}

Status NamespaceDb::Sync() {
  Transaction txn;
  return Commit(txn, KvDurability::kSync);
}

Status NamespaceDb::ReplayListingRemovals() {
  Transaction txn;
  KvIterator it = meta_->NewIterator();
  for (it.Seek("F"); it.Valid() && it.key().starts_with("F"); it.Next()) {
    std::string dentry_key(it.key());
    dentry_key[0] = 'D';
    txn.listing.Delete(dentry_key);
    txn.meta.Delete(it.key());
  }
  RETURN_IF_ERROR(it.status());
  return Settle(txn);
}

}  // namespace pailfs::cache
