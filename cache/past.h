// The view of the past: read-only directories that show what the bucket had at a time, and every version of a file.
//
//   DIR/.snapshot/<moment>/...            the tree below DIR's keys as it was (cache/moment.h, or a named snapshot)
//   DIR/.versions/<file>/<time>~<id>      the versions of one file, deleted files included; <directory>/... likewise
//
// Its inodes are ordinary rows of listing/ with numbers of their own (IsPast), never dirty and never in meta, so that
// lookups, reading, caching and eviction are those of the present. A version of an object has one inode, wherever it
// is shown: its bytes are cached once. Directories are made known by listings "as of" a time where the store has them,
// else by folding listings of versions (cache/version_fold.h). What was listed of a moment that is long past holds for
// ever; else for as long as the moment was past when it was listed, because S3 dates some objects before they appear.
//
// The view is that of the bucket: what is not written back yet is not in it. It is of paths, not of inodes: a renamed
// directory shows what was under its present name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "cache/core.h"
#include "cache/loader.h"
#include "cache/version_fold.h"

namespace pailfs::cache {

// Thread-safe.
class Past {
 public:
  Past(Core& core, Loader& loader);
  ~Past() { Stop(); }
  // Ends what is asked for in the background. No call may be under way or follow.
  void Stop();
  // Drops what is known of the past when it has become too much. Before any other call.
  Status Recover();

  // Leads from a directory of the present into the past.
  bool IsEntrance(std::string_view name) const;
  // The number of `name`, an entrance, in `dir`, a directory of the present.
  Result<Ino> Enter(Ino dir, std::string_view name);
  // Of a name in a directory of the past. kNotFound.
  Result<Ino> Lookup(const OpContext& ctx, const InodePtr& dir, std::string_view name);
  // All entries of a directory of the past are in the databases afterwards.
  Status Load(const OpContext& ctx, const InodePtr& dir, Loader::Knowledge want);
  // Makes the attributes of an inode of the past known.
  Status LoadDetails(const OpContext& ctx, const InodePtr& inode);
  // Lookup and Load would not ask the bucket.
  bool IsLocal(const Inode& dir) const REQUIRES(core_.mu);
  // How long the kernel may believe what a name in `dir` leads to, an inode of the past.
  static int64_t NameTtlNs(const Inode& dir);

  // --- named snapshots; `dir` shows moments. `flush` brings this mount's changes into the bucket. ---
  Result<Ino> MakeSnapshot(const OpContext& ctx, const InodePtr& dir, std::string_view name,
                           const std::function<Status()>& flush);
  Status RemoveSnapshot(const OpContext& ctx, const InodePtr& dir, std::string_view name);
  Status RenameSnapshot(const OpContext& ctx, const InodePtr& dir, std::string_view name, std::string_view new_name);

  // What follows user.pailfs.: time, snapshot, snapdir, history; kNoData.
  Result<std::string> VirtualXattr(const Inode& inode, std::string_view name) REQUIRES(core_.mu);

 private:
  using Kind = PastPlace::Kind;
  using Knowledge = Loader::Knowledge;
  static constexpr uint32_t kProbesBeforeListing = 8;
  // Newest first, a line for each version and delete marker: "<time>~<id>", "<time>~<id> deleted".
  static constexpr std::string_view kHistoryXattr = "user.pailfs.history";
  static constexpr size_t kMaxXattrBytes = 64 << 10;
  static constexpr size_t kRowsPerBatch = 1000;  // entered under one lock

  // What was listed of a directory.
  struct Listed {
    std::vector<uint64_t> seen;  // cookies of its names
    uint32_t subdirectories = 0;
    uint64_t discards = 0;  // how often what is known had been dropped when it began
  };
  // What a listing found: an object, or a directory with its marker.
  struct Entry {
    // The directory below `prefix` that the keys with the longer prefix `below` are in.
    static Entry Directory(const std::string& prefix, const std::string& below, bool marker_known);
    std::string segment;
    bool is_directory = false;
    bool marker_known = false;  // of directories: `object` is the marker, or there is none
    std::optional<ObjectInfo> object;
  };
  // The objects under a prefix that were there at a time, in key order, from its beginning on.
  struct Flat {
    std::vector<ObjectInfo> objects = {};
    bool complete = false;
    std::string known_to = "";  // keys below this one are all in `objects`, where it is not complete
    // From where it goes on.
    std::string next_key_marker = "";
    std::string next_version_id_marker = "";
    VersionFold fold = VersionFold(0);
  };
  enum class Until : uint8_t { kMostPages, kFirstObject };

  // --- past.cc: inodes and directories ---
  // The number of what `identity` stands for; `*exists` when it has an inode.
  Result<Ino> NumberFor(std::string_view identity, const std::function<bool(const InodeRecord&)>& is_same, bool* exists)
      REQUIRES(core_.mu);
  // Inodes are made when there are none. `entry` (may be null) tells of the directory's marker.
  Result<Ino> PutDirectory(const PastPlace& place, Ino parent, std::string_view name, const Entry* entry,
                           Transaction& txn) REQUIRES(core_.mu);
  Result<Ino> PutFile(const ObjectInfo& info, Ino parent, std::string_view name, Transaction& txn) REQUIRES(core_.mu);
  Result<InodePtr> DirectoryAt(const PastPlace& place, Ino parent, std::string_view name);
  Status LoadEntries(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, Listed* listed);
  // Enters one name of a directory.
  void EnterName(Ino dir, const std::string& name, Ino ino, uint32_t type, Listed* listed, Transaction& txn)
      REQUIRES(core_.mu);
  // Enters names that lead to other places.
  Status EnterPlaces(Ino dir, const std::vector<std::pair<std::string, PastPlace>>& places, Listed* listed);
  // Enters names of a directory as it was.
  Status Apply(Ino dir, const PastPlace& place, const std::vector<Entry>& entries, Listed* listed);
  Listed BeginListing();
  // All entries are in `listed`, by a listing that began then. False: some were dropped meanwhile.
  Result<bool> NoteListed(const InodePtr& dir, Listed listed, int64_t began_us);
  Status LoadOnce(const OpContext& ctx, const InodePtr& dir, const PastPlace& place);
  bool Holds(const PastPlace& place, Loader::Knowledge want) const;
  // What was found of the moment is not asked for again.
  bool IsSettled(const PastPlace& place) const;
  // What was listed of the moment at `listed_us` is true for ever.
  bool IsFinal(const PastPlace& place, int64_t listed_us) const;
  // Of the directory with the prefix: where its attributes are.
  std::string MarkerKey(const std::string& prefix) const;
  Status Discard();
  int64_t NowUs() const { return core_.NowNs() / 1000; }

  // --- past_tree.cc: directories as they were ---
  Status LoadTree(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, Listed* listed);
  Status LoadAsOf(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed);
  Status LoadFromVersions(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed);
  Result<Flat> ListFlat(const OpContext& ctx, const std::string& prefix, int64_t time_us, Until until);
  // One name of a directory that is not known.
  Result<std::optional<Entry>> Probe(const OpContext& ctx, const PastPlace& place, std::string_view name);
  // The directories that were there, of those that have versions, with what was found of each.
  Result<std::vector<Entry>> Living(const OpContext& ctx, const PastPlace& place,
                                    const std::vector<std::string>& common, const Flat& flat,
                                    std::vector<std::pair<std::string, Flat>>* whole);
  // Objects of the directory itself, without its marker.
  static void AddObjects(const PastPlace& place, std::vector<ObjectInfo> objects, std::vector<Entry>* entries);
  // A directory of which everything is in `objects`, with all below.
  Status ApplyTree(Ino dir, const PastPlace& place, std::span<const ObjectInfo> objects, Listed* listed);
  // Likewise of a directory below that is known to its parent.
  Status ApplyBelow(const PastPlace& place, const std::string& prefix, std::span<const ObjectInfo> objects);
  Result<std::optional<ObjectInfo>> ObjectAt(const OpContext& ctx, const std::string& key, int64_t time_us);
  // True when anything was under the prefix; `flat` gets what was found, where versions were listed.
  Result<bool> AnyAt(const OpContext& ctx, const std::string& prefix, int64_t time_us, Flat* flat);

  // --- past_versions.cc: versions of files ---
  // All versions and delete markers of the key, newest first, until `visit` returns false.
  Status VisitVersionsOf(const OpContext& ctx, const std::string& key, const std::function<bool(ObjectInfo)>& visit);
  // That is no deletion; nullopt: there is none.
  Result<std::optional<ObjectInfo>> NewestVersion(const OpContext& ctx, const std::string& key);
  Result<Ino> LookupVersions(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, std::string_view name);
  Status LoadVersions(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed);
  Status LoadFile(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, Listed* listed);

  // --- past_snapshots.cc: moments and their names ---
  struct Snapshot {
    std::string name;
    int64_t time_us = 0;
    std::string etag;
  };
  Result<Ino> LookupMoment(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, std::string_view name);
  Status LoadMoments(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed);
  // Something was there: what it showed is known.
  Result<bool> IsKnownAlive(const PastPlace& moment);
  // Says so once when the bucket keeps no versions.
  bool ShowsHistory();
  // When the first version under the prefix was stored; 0: there are too many to tell; nullopt: none was.
  Result<std::optional<int64_t>> FirstVersionUs(const OpContext& ctx, const std::string& prefix);
  Result<std::vector<Snapshot>> Snapshots(const OpContext& ctx);
  Result<std::optional<Snapshot>> FindSnapshot(const OpContext& ctx, std::string_view name);
  Result<Snapshot> ExistingSnapshot(const OpContext& ctx, std::string_view name);
  // Without a time: of this moment.
  Status PutSnapshot(const OpContext& ctx, std::string_view name, std::optional<int64_t> time_us);
  Status CheckSnapshotName(std::string_view name);
  Status WaitOutSecond(const OpContext& ctx);

  Core& core_;
  Loader& loader_;
  std::unique_ptr<ThreadPool> asking_;        // null without background threads
  uint64_t inodes_ GUARDED_BY(core_.mu) = 0;  // rows made, about
  uint64_t discards_ GUARDED_BY(core_.mu) = 0;
  bool said_unversioned_ GUARDED_BY(core_.mu) = false;
};

}  // namespace pailfs::cache
