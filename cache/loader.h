// Makes the bucket's keys known to the namespace: whole directories by LIST, single names by asking for them.
//
// A listing never overrides what the namespace says: names in meta stay, and keys that belong to a moved or deleted
// inode are not shown again (write-back rule W3). Clean names of an earlier generation follow the bucket: unchanged
// objects keep their inode and its cached bytes, a replaced object makes a new inode, what is gone leaves. Requests run
// without locks; their results are applied under the tree's mutex, and keys that we change while a listing is under way
// are remembered until it ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cache/core.h"

namespace pailfs::cache {

// Thread-safe.
class Loader {
 public:
  explicit Loader(Core& core) : core_(core) {}

  // All entries of the directory are in the databases afterwards. One listing at a time for each directory.
  Status LoadDirectory(const OpContext& ctx, const InodePtr& dir);
  // Every directory below `dir` too.
  Status LoadSubtree(const OpContext& ctx, const InodePtr& dir);
  // Asks the bucket for one name of a directory that is not known yet; makes it known when it is there, and lets it go
  // when it is there no more.
  Status Probe(const OpContext& ctx, const InodePtr& dir, std::string_view name);
  // Entries of `dir` whose objects are still under `prefix`, from which the directory was moved away.
  Status LoadMoved(const OpContext& ctx, Ino dir, const std::string& prefix);
  // The attributes of the root, from its marker; those of a root that is known already, unless they were changed here.
  Status LoadRoot(const OpContext& ctx);

  // The record of an object that was seen for the first time.
  InodeRecord RecordOf(const ObjectInfo& info, Ino ino, Ino parent, std::string name) const;
  InodeRecord DefaultDirectory(Ino ino, Ino parent, std::string name) const;

 private:
  struct Found {
    std::string name;
    std::string segment;  // of the key
    ObjectInfo info;      // of the object, or of the directory's marker
    bool is_directory = false;
    bool has_object = false;  // false: an implicit directory
  };

  // A name that is no longer what it was; for the kernel.
  struct Changed {
    Ino dir = 0;
    std::string name;
    Ino ino = 0;
  };

  // `seen` gets the cookies of all names found.
  Status ListInto(const OpContext& ctx, Ino dir, const std::string& prefix, bool moved, std::vector<uint64_t>* seen);
  Result<std::vector<Found>> Interpret(const OpContext& ctx, const std::string& prefix, ListPage page, bool moved);
  Status Apply(Ino dir, const std::vector<Found>& found, const std::string& prefix, bool moved);
  // False: the key belongs to an inode elsewhere.
  Result<bool> AddEntry(const InodePtr& dir, const Found& found, const std::string& prefix, bool moved,
                        Transaction& txn) REQUIRES(core_.mu);
  InodeRecord DirectoryRecord(const Found& found, Ino ino, Ino parent) const;
  // A clean name of an earlier generation meets what the bucket has now. False: it made room for a new entry.
  Result<bool> KeepEntry(const InodePtr& dir, const Dentry& known, const Found& found, std::vector<Changed>* changed,
                         Transaction& txn) REQUIRES(core_.mu);
  // Lets go the clean names of `dir` that a complete listing, sorted in `seen`, did not find.
  Status DropUnseen(const InodePtr& dir, const std::string& prefix, const std::vector<uint64_t>& seen);
  Status DropName(const InodePtr& dir, std::string_view name, const std::string& prefix);
  // True when a listing's silence about the entry means that it is gone.
  Result<bool> MayBeDropped(const Dentry& entry, const std::string& prefix) REQUIRES(core_.mu);
  Status Drop(const InodePtr& dir, const Dentry& entry, std::vector<Changed>* changed) REQUIRES(core_.mu);
  void TellKernel(const std::vector<Changed>& changed);
  Result<std::optional<ObjectInfo>> HeadIfThere(const OpContext& ctx, std::string_view key);
  Result<bool> IsDirectory(const OpContext& ctx, const std::string& common_prefix);
  // True when the bucket has a key there that belongs to nothing that was moved or deleted here.
  Result<bool> AnyUnder(const OpContext& ctx, const std::string& prefix);

  Core& core_;
};

}  // namespace pailfs::cache
