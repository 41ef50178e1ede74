// Makes the bucket's keys known to the namespace: whole directories by LIST, single names by asking for them.
//
// A listing never overrides what the namespace says: names that are there already stay, and keys that belong to a moved or
// deleted inode are not shown again (write-back rule W3). Requests run without locks; their results are applied under the
// tree's mutex, and keys that left the bucket while a listing was under way are remembered until it ends.
#pragma once

#include <string>
#include <string_view>

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
  // Asks the bucket for one name of a directory that is not known yet; makes it known when it is there.
  Status Probe(const OpContext& ctx, const InodePtr& dir, std::string_view name);
  // Entries of `dir` whose objects are still under `prefix`, from which the directory was moved away.
  Status LoadMoved(const OpContext& ctx, Ino dir, const std::string& prefix);
  // The attributes of the root, from its marker.
  Status LoadRoot(const OpContext& ctx);

  // The record of an object that was seen for the first time.
  InodeRecord RecordOf(const ObjectInfo& info, Ino ino, Ino parent, std::string name) const;
  InodeRecord DefaultDirectory(Ino ino, Ino parent, std::string name) const;

 private:
  struct Found {
    std::string name;
    ObjectInfo info;           // of the object, or of the directory's marker
    bool is_directory = false;
    bool has_object = false;   // false: an implicit directory
  };

  Status ListInto(const OpContext& ctx, Ino dir, const std::string& prefix, bool moved);
  Result<std::vector<Found>> Interpret(const OpContext& ctx, const std::string& prefix, ListPage page);
  Status Apply(Ino dir, const std::vector<Found>& found, const std::string& prefix, bool moved);
  Status AddEntry(Ino dir, const Found& found, const std::string& prefix, bool moved, Transaction& txn);
  Result<std::optional<ObjectInfo>> HeadIfThere(const OpContext& ctx, std::string_view key);
  Result<bool> AnyUnder(const OpContext& ctx, const std::string& prefix);

  Core& core_;
};

}  // namespace pailfs::cache
