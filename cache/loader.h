// Makes the bucket's keys known to the namespace, and asks again when that is too old: whole directories and pages of
// large ones by LIST, single names and attributes by HEAD.
//
// What the bucket says never overrides the namespace: names in meta stay, and keys that belong to a moved or deleted
// inode are not shown again (write-back rule W3). Clean names follow the bucket: unchanged objects keep their inode and
// its cached bytes, a replaced object makes a new inode, what is gone leaves. Requests run without locks; their results
// are applied under the tree's mutex, and keys that we change while a listing is under way are remembered until it
// ends. While the bucket is out of reach, what is known of it serves.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "cache/core.h"

namespace pailfs::cache {

// Counts a listing under way, so that keys that leave the bucket meanwhile are remembered.
class ListingScope {
 public:
  explicit ListingScope(Core& core) : core_(core) {
    MutexLock lock(core_.mu);
    ++core_.listings_under_way;
  }
  ~ListingScope() {
    MutexLock lock(core_.mu);
    if (--core_.listings_under_way == 0) core_.changed_keys.clear();
  }
  ListingScope(const ListingScope&) = delete;
  ListingScope& operator=(const ListingScope&) = delete;

 private:
  Core& core_;
};

// Thread-safe.
class Loader {
 public:
  explicit Loader(Core& core);
  ~Loader() { Stop(); }
  // Ends what is asked for in the background. No call may be under way or follow.
  void Stop();

  // kAny: what is known, however old. kFresh: as it was at most `ttl_ns` ago, or what is known when the bucket cannot
  // be reached.
  enum class Knowledge : uint8_t { kAny, kFresh };
  // All entries of the directory are in the databases afterwards. One listing at a time for each directory.
  Status LoadDirectory(const OpContext& ctx, const InodePtr& dir, Knowledge want);
  // Every directory below `dir` too.
  Status LoadSubtree(const OpContext& ctx, const InodePtr& dir);
  // Asks the bucket for one name of a directory that is not known yet; makes it known when it is there, and lets it go
  // when it is there no more.
  Status Probe(const OpContext& ctx, const InodePtr& dir, std::string_view name);
  // With a `ttl`: asks for a name that is not known, or not any more, with its neighbours where that costs no more.
  Status Revalidate(const OpContext& ctx, const InodePtr& dir, std::string_view name, Purpose purpose);
  // Asks for the attributes of an inode of which only a listing is known. From the second time on in a directory, for
  // those of the entries that follow too, in the background.
  Status LoadDetails(const OpContext& ctx, const InodePtr& inode);
  // Entries of `dir` whose objects are still under `prefix`, from which the directory was moved away.
  Status LoadMoved(const OpContext& ctx, Ino dir, const std::string& prefix);
  // The attributes of the root, from its marker; those of a root that is known already, unless they were changed here.
  Status LoadRoot(const OpContext& ctx);

  // The record of an object that was seen for the first time.
  InodeRecord RecordOf(const ObjectInfo& info, Ino ino, Ino parent, std::string name) const;
  InodeRecord DefaultDirectory(Ino ino, Ino parent, std::string name) const;
  // nullopt: there is no such object or version.
  Result<std::optional<ObjectInfo>> HeadIfThere(const OpContext& ctx, std::string_view key,
                                                const VersionSelector& version = {});
  // An object "a" may be followed by the prefix "a/" on a later page: takes such objects out of `page`.
  static std::vector<ObjectInfo> HoldBack(ListPage* page);

 private:
  struct Found {
    std::string name;
    std::string segment;  // of the key
    ObjectInfo info;      // of the object, or of the directory's marker
    bool is_directory = false;
    bool has_object = false;    // false: an implicit directory, unless its marker is not known
    bool marker_known = false;  // of directories
  };

  // A name that is no longer what it was; for the kernel.
  struct Changed {
    Ino dir = 0;
    std::string name;
    Ino ino = 0;
  };

  // `seen` gets the cookies of all names found.
  Status ListInto(const OpContext& ctx, Ino dir, const std::string& prefix, bool moved, std::vector<uint64_t>* seen);
  // All entries are known, by a listing of `entries` names that began then.
  Status NoteListed(const InodePtr& dir, const std::string& prefix, size_t entries, int64_t began_ns)
      REQUIRES(core_.mu);
  ListRequest RequestFor(const std::string& prefix) const;
  // Takes the directory's own marker out of a page that begins with `prefix`.
  Status TakeMarker(Ino dir, const std::string& prefix, bool moved, ListPage* page);
  Result<std::vector<Found>> Interpret(const OpContext& ctx, const std::string& prefix, ListPage page, bool moved);
  Status Apply(Ino dir, const std::vector<Found>& found, const std::string& prefix, bool moved);
  // False: the key belongs to an inode elsewhere.
  Result<bool> AddEntry(const InodePtr& dir, const Found& found, const std::string& prefix, bool moved,
                        Transaction& txn) REQUIRES(core_.mu);
  InodeRecord DirectoryRecord(const Found& found, Ino ino, Ino parent) const;
  // True when the object is the one that the record was made of, as far as a listing shows.
  static bool IsSameObject(const InodeRecord& record, const Found& found);
  static bool TellsTime(const InodeRecord& record, const Found& found);
  Status Update(Inode& inode, const Found& found, Ino parent, Transaction& txn) REQUIRES(core_.mu);
  // A clean name meets what the bucket has now. False: it made room for a new entry.
  Result<bool> KeepEntry(const InodePtr& dir, const Dentry& known, const Found& found, std::vector<Changed>* changed,
                         Transaction& txn) REQUIRES(core_.mu);
  // Lets go the clean names of `dir` that a complete listing, sorted in `seen`, did not find.
  Status DropUnseen(const InodePtr& dir, const std::string& prefix, const std::vector<uint64_t>& seen);
  Status DropName(const InodePtr& dir, std::string_view name, const std::string& prefix);
  // True when a listing's silence about the entry means that it is gone.
  Result<bool> MayBeDropped(const Dentry& entry, const std::string& prefix) REQUIRES(core_.mu);
  Status Drop(const InodePtr& dir, const Dentry& entry, std::vector<Changed>* changed) REQUIRES(core_.mu);
  void TellKernel(const std::vector<Changed>& changed);
  Result<bool> IsDirectory(const OpContext& ctx, const std::string& common_prefix);

  // --- revalidate.cc ---
  struct Wanted {
    std::string name;
    std::string segment;
    std::optional<Dentry> dentry;
  };
  Result<Wanted> WantedOf(const InodePtr& dir, std::string_view name) REQUIRES(core_.mu);
  Status AskAgain(const OpContext& ctx, const InodePtr& dir, const Wanted& wanted, const std::string& prefix);
  Status AskForName(const OpContext& ctx, const InodePtr& dir, const Wanted& wanted, const std::string& prefix);
  // What is known serves, however old. False: nothing is.
  Result<bool> Serve(const InodePtr& dir, const Wanted& wanted) REQUIRES(core_.mu);
  // One page of the directory from `start_after` on; true when it says what became of the name.
  Result<bool> AskForPage(const OpContext& ctx, const InodePtr& dir, const Wanted& wanted, const std::string& prefix,
                          const std::string& start_after);
  // The bucket's silence is no answer: true when what is known holds on. False for other errors, and when the caller
  // has no time left.
  bool ServesWithout(const OpContext& ctx, const Error& error) REQUIRES(core_.mu);

  // --- details.cc ---
  Status AskDetails(const OpContext& ctx, const InodePtr& inode);
  Status AskNeighbours(const InodePtr& inode) REQUIRES(core_.mu);
  void EndAsking(const InodePtr& inode);
  Status TakeDetails(const InodePtr& inode, const std::optional<ObjectInfo>& info, bool* outdated) REQUIRES(core_.mu);
  // True when the bucket has a key there that belongs to nothing that was moved or deleted here.
  Result<bool> AnyUnder(const OpContext& ctx, const std::string& prefix);

  Core& core_;
  std::stop_source stop_;
  std::unique_ptr<ThreadPool> asking_;  // null without background threads
};

}  // namespace pailfs::cache
