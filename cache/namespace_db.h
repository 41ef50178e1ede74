// The two databases of a cache directory: `meta/`, what the bucket cannot tell (dirty and displaced inodes, pending
// deletions), and `listing/`, clean knowledge of the bucket, disposable. A row of meta shadows that of listing.
//
// Rows (integers big-endian):
//   I ino          inode                                   both
//   D dir hash name  -> ino, type, generation              both; hash = StableHash64(name), also the readdir order
//   B ino segment  block map of one 64 MiB segment         both
//   L dir          -> generation: the directory's listing is complete   listing
//   T key          pending deletion of an object           meta
//   K key          -> ino: the object at `key` is the origin of an inode that is not at `key`   meta
//   V prefix       -> ino: directory moved away from `prefix`; its descendants are not in K yet  meta
//   F dir hash name -> ino: this dentry (and, unless 0, inode) must still leave listing          meta
//   S mount_id     of this cache directory, in x-amz-meta-pailfs-op                               meta
//   S bucket       the bucket and prefix that the cache belongs to                               meta
//   S change       ObjectStore::ChangeNumber at the last orderly end; absent while in use         meta
//   S generation   of listings; a new one begins when the bucket may have changed behind us       meta
//
// What an earlier generation says of the bucket is asked for again before it is used: L counts when its generation is
// the present one, and a D row of listing when that holds for it or for the L row of its directory.
//
// Order of writes between the two: what leaves listing is noted in meta first (F); what enters listing is there before
// it leaves meta. So a crash between the two writes is mended by ReplayListingRemovals.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/kv_store.h"
#include "cache/inode_record.h"

namespace pailfs::cache {

struct Dentry {
  std::string name;
  Ino ino = 0;
  uint32_t type = 0;  // S_IFMT bits
  bool in_meta = false;
  bool current = true;  // false: from an earlier generation of listings, to be asked for again
};

// Row keys.
std::string InodeKey(Ino ino);
std::string DentryPrefix(Ino dir);
std::string DentryKey(Ino dir, std::string_view name);
std::string BlocksPrefix(Ino ino);
std::string BlocksKey(Ino ino, uint32_t segment);

// Cookies 1 and 2 are "." and "..".
inline constexpr uint64_t kCookieOfSnapshots = 3;
inline constexpr uint64_t kCookieOfVersions = 4;
uint64_t CookieOfName(std::string_view name);

// Changes to be written together. Not thread-safe.
struct Transaction {
  KvBatch meta;
  KvBatch listing;
  std::vector<std::string> removals;                    // F rows of this transaction, cleared by a later one
  std::map<std::string, bool, std::less<>> tombstones;  // keys whose T row it writes (true) or removes
};

// Reads are thread-safe. Commit, Settle and the transaction builders are called under the tree's mutex.
class NamespaceDb {
 public:
  // Opens `directory`/meta and `directory`/listing; a listing that cannot be opened is deleted and made anew.
  static Result<std::unique_ptr<NamespaceDb>> Open(FileSystem& files, const std::string& directory);
  // Before any other call.
  void SetGeneration(uint64_t generation) { generation_ = generation; }

  struct FoundInode {
    InodeRecord record;
    bool in_meta = false;
  };
  Result<std::optional<FoundInode>> FindInode(Ino ino) const;
  Result<std::optional<Dentry>> FindDentry(Ino dir, std::string_view name) const;
  // Up to `limit` dentries with cookies greater than `cookie`, in cookie order.
  Result<std::vector<Dentry>> Children(Ino dir, uint64_t cookie, size_t limit) const;
  Result<bool> HasChildren(Ino dir) const;
  bool ListingComplete(Ino dir) const;
  // In whatever generation.
  Result<bool> WasListed(Ino dir) const;
  // How many inodes of listing have numbers from `first` on; nothing but their keys is read.
  Result<uint64_t> CountListedFrom(Ino first) const;
  // Up to `limit` inodes of listing with numbers from `first` on, in order.
  Result<std::vector<InodeRecord>> ListedFrom(Ino first, size_t limit) const;
  Result<std::vector<std::pair<uint32_t, std::string>>> BlockRows(Ino ino, bool in_meta) const;

  Result<std::optional<Tombstone>> FindTombstone(std::string_view key) const;
  // As it will be after the transaction.
  Result<bool> HasTombstone(const Transaction& txn, std::string_view key) const;
  Result<std::optional<Ino>> FindDisplaced(std::string_view key) const;
  // Calls `visit` with each pending deletion with key >= `from`, in key order, until it returns false.
  Status VisitTombstones(std::string_view from,
                         const std::function<bool(std::string_view, const Tombstone&)>& visit) const;
  // Is there a T or K row for a key with the prefix?
  Result<bool> AnyPendingUnder(std::string_view prefix) const;
  Status VisitMetaInodes(const std::function<Status(InodeRecord)>& visit) const;
  Result<std::vector<std::pair<std::string, Ino>>> MovedPrefixes() const;
  Result<std::optional<std::string>> Scalar(std::string_view name) const;

  // Builders. `in_meta` says which database.
  void PutInode(Transaction& txn, const InodeRecord& record, bool in_meta) const;
  void PutDentry(Transaction& txn, Ino dir, const Dentry& dentry, bool in_meta) const;
  // From both databases.
  Status RemoveDentry(Transaction& txn, Ino dir, std::string_view name) const;
  Status RemoveInode(Transaction& txn, Ino ino) const;
  void PutBlocks(Transaction& txn, Ino ino, uint32_t segment, std::string_view bits, bool in_meta) const;
  Status RemoveBlocks(Transaction& txn, Ino ino, bool in_meta) const;
  void SetListingComplete(Transaction& txn, Ino dir, bool complete) const;
  // Of rows that are in listing only.
  void RemoveListedDentry(Transaction& txn, Ino dir, std::string_view name) const;
  void PutTombstone(Transaction& txn, std::string_view key, const Tombstone& tombstone) const;
  void RemoveTombstone(Transaction& txn, std::string_view key) const;
  void PutDisplaced(Transaction& txn, std::string_view key, Ino ino) const;
  void RemoveDisplaced(Transaction& txn, std::string_view key) const;
  void PutMovedPrefix(Transaction& txn, std::string_view prefix, Ino ino) const;
  void RemoveMovedPrefix(Transaction& txn, std::string_view prefix) const;
  void PutScalar(Transaction& txn, std::string_view name, std::string_view value) const;
  void RemoveScalar(Transaction& txn, std::string_view name) const;

  // meta, then listing. With kSync everything in meta is durable afterwards.
  Status Commit(Transaction& txn, KvDurability durability = KvDurability::kNoSync);
  // listing, then meta: for inodes that become clean.
  Status Settle(Transaction& txn);
  Status Sync();
  Status ReplayListingRemovals();

 private:
  // A row of meta, or else of listing.
  Result<std::optional<std::string>> Find(std::string_view key, bool* in_meta) const;
  NamespaceDb(std::unique_ptr<KvStore> meta, std::unique_ptr<KvStore> listing);

  const std::unique_ptr<KvStore> meta_;
  const std::unique_ptr<KvStore> listing_;
  uint64_t generation_ = 0;                 // constant once set
  std::vector<std::string> done_removals_;  // F rows whose removal from listing is done; under the tree's mutex
};

// Deletes `directory`/listing: after a power loss it may lack rows that its L rows promise.
Status DiscardListing(FileSystem& files, const std::string& directory);

}  // namespace pailfs::cache
