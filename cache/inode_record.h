// What the databases know of one inode, and of one pending deletion.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/result.h"
#include "cache/mount_cache.h"

namespace pailfs::cache {

// The object that an inode's clean bytes come from. Invariant: limit <= size, and limit <= the inode's size. Bytes at
// or beyond `limit` do not come from the object: they are in the cache file, or zeros. Only truncation lowers it.
struct Origin {
  std::string key;
  std::string etag;
  std::string version_id;
  uint64_t size = 0;
  uint64_t limit = 0;
  int64_t last_modified_us = 0;
  bool superseded = false;  // another object is current at `key`; ours is reachable by version id only

  // True when the bytes stay readable although the key is overwritten or deleted.
  bool HasOwnVersion() const { return !version_id.empty() && version_id != "null"; }
  // What to ask for by version id; empty: what is current. A null version may be another one by now: ask with the ETag.
  std::string VersionToRead() const { return HasOwnVersion() || superseded ? version_id : ""; }
};

// What a directory of the view of the past shows.
struct PastPlace {
  enum class Kind : uint8_t {
    kSnapshots = 1,  // the moments of a directory: its `.snapshot`
    kTree = 2,       // a directory as it was
    kVersions = 3,   // the files that a directory has or had: its `.versions`
    kFile = 4,       // the versions of one file
  };
  Kind kind = Kind::kSnapshots;
  std::string root;       // prefix of the keys of the directory from which the past was entered
  std::string prefix;     // of the directory that is shown; kFile: the key
  int64_t time_us = 0;    // kTree: what had happened up to and including it
  bool named = false;     // kTree: a named snapshot
  bool alive = false;     // kTree: something was there, as far as was asked
  int64_t listed_us = 0;  // when the listing began that made all entries known; 0: they are not

  bool IsSame(const PastPlace& other) const {
    return kind == other.kind && root == other.root && prefix == other.prefix && time_us == other.time_us;
  }
};

struct InodeRecord {
  Ino ino = 0;
  Ino parent = 0;  // 0: unlinked
  std::string name;
  std::string segment;  // of its key; empty: KeySegmentOfName(name)
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;
  int64_t atime_ns = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  uint32_t subdirectories = 0;
  std::optional<Origin> origin;
  std::map<std::string, std::string> xattrs;
  std::string symlink_target;  // empty: not fetched yet
  ContentHeaders headers;
  UserMetadata foreign_metadata;  // of other programs; goes along with every copy that we make
  bool content_dirty = false;     // bytes differ from the origin
  bool attributes_dirty = false;  // metadata differs from the origin's
  // Only what a listing says is known: mode, owner, times and the other metadata are to be asked for (Head). Of a
  // directory without origin: whether it has a marker.
  bool attributes_unknown = false;
  bool complete = false;  // every block is in the cache file
  uint64_t content_generation = 0;
  uint64_t synced_generation = 0;  // content_generation at the last fdatasync of the cache file
  uint64_t operation = 0;          // number of the last step sent for it; in x-amz-meta-pailfs-op
  std::string operation_key;       // where that step was sent, until its outcome is known
  Ino holds = 0;
  bool held = false;
  uint64_t changed_operation = 0;  // steps of any inode from this one on were sent after its last change
  std::optional<PastPlace> past;   // of directories of the past

  bool IsDirectory() const { return S_ISDIR(mode); }
  bool IsRegular() const { return S_ISREG(mode); }
  bool IsSymlink() const { return S_ISLNK(mode); }
  // Bytes below this come from the origin unless dirty.
  uint64_t limit() const { return origin ? origin->limit : 0; }
  Attributes ToAttributes() const;
  std::string Segment() const;
  // As a write or a change of owner does: setuid goes, and setgid where the group may execute.
  void DropPrivilegeBits();
  // A name that was given here, not one that stands for an odd key.
  void SetName(std::string_view new_name);
};

struct Tombstone {
  std::string etag;  // of the object that is to go
  std::string version_id;
  int64_t created_ns = 0;
  Ino successor = 0;  // an inode that will overwrite the object; the deletion waits for it
};

// Values as stored: u8 format 1 | u32 CRC32C(row key ‖ payload), big-endian | protobuf. kCorrupt where that does not
// hold.
std::string Serialize(std::string_view row_key, const InodeRecord& record);
Result<InodeRecord> ParseInode(std::string_view row_key, Ino ino, std::string_view value);
std::string Serialize(std::string_view row_key, const Tombstone& tombstone);
Result<Tombstone> ParseTombstone(std::string_view row_key, std::string_view value);

}  // namespace pailfs::cache
