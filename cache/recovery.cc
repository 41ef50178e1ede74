// Opening a cache directory, and making whole what an earlier process left in it.
//
// After the end of a process (kill -9) everything that was written is there: the databases are exact, and cache files
// may be ahead of their records. After a power loss (another boot id, no clean shutdown) what was not synced may be
// missing: listing/ is dropped, clean cached bytes are dropped, and an inode whose bytes were never synced does not
// replace an object.

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "cache/engine.h"

namespace pailfs::cache {
namespace {

constexpr std::string_view kFormat = "pailfs-cache 1\n";
constexpr std::string_view kCleanBoot = "clean";
constexpr std::string_view kBootIdPath = "/proc/sys/kernel/random/boot_id";

std::string BootId(FileSystem& files) {
  auto id = ReadFile(files, std::string(kBootIdPath));
  return id.ok() ? id->substr(0, id->find('\n')) : std::string("unknown");
}

// The file BOOT: under which boot the directory is in use, or "clean" after an orderly end; and how often it was
// opened.
struct Boot {
  std::string id;
  uint64_t epoch = 0;
};

Result<Boot> ReadBoot(FileSystem& files, const std::string& path) {
  const auto text = ReadFile(files, path);
  if (text.Is(Errc::kNotFound)) return Boot{std::string(kCleanBoot), 0};
  if (!text.ok()) return text.error();
  const size_t line = text->find('\n');
  const auto epoch = line == std::string::npos ? std::nullopt : ParseUint(std::string_view(*text).substr(line + 1));
  if (!epoch) return Error{Errc::kCorrupt, StrCat(path, " is damaged; move the cache directory aside and mount again")};
  return Boot{text->substr(0, line), *epoch};
}

Status WriteBoot(FileSystem& files, const std::string& path, const Boot& boot) {
  return WriteFileDurably(files, path, StrCat(boot.id, '\n', boot.epoch));
}

}  // namespace

Status Engine::OpenFormat() {
  const std::string& directory = core_.options.directory;
  RETURN_IF_ERROR(MakeDirectories(core_.files, directory));
  auto locked = core_.files.Lock(directory + "/LOCK");
  if (!locked.ok()) return std::move(locked).error().With("cache " + directory);
  lock_ = std::move(*locked);
  const auto format = ReadFile(core_.files, directory + "/FORMAT");
  if (format.Is(Errc::kNotFound)) return WriteFileDurably(core_.files, directory + "/FORMAT", kFormat);
  if (!format.ok()) return format.error();
  if (*format != kFormat) {
    return Error{Errc::kUnsupported,
                 StrCat("cache ", directory,
                        " has a format that this version does not know; use the version that made it, "
                        "or another cache directory")};
  }
  return {};
}

Status Engine::MarkShutDown() {
  RETURN_IF_ERROR(core_.files.SyncAll(core_.options.directory));
  const std::string path = core_.options.directory + "/BOOT";
  ASSIGN_OR_RETURN(const Boot boot, ReadBoot(core_.files, path));
  return WriteBoot(core_.files, path, {std::string(kCleanBoot), boot.epoch});
}

Status Engine::Open() {
  RETURN_IF_ERROR(OpenFormat());
  const std::string& directory = core_.options.directory;
  const std::string boot_path = directory + "/BOOT";
  const std::string boot_id = BootId(core_.files);
  ASSIGN_OR_RETURN(const Boot last_boot, ReadBoot(core_.files, boot_path));
  const bool after_power_loss = last_boot.id != boot_id && last_boot.id != kCleanBoot;
  if (after_power_loss) {
    LogWarning("cache ", directory, " was in use when the machine went down; recovering");
    RETURN_IF_ERROR(DiscardListing(core_.files, directory));
  }
  const Boot boot{boot_id, last_boot.epoch + 1};
  RETURN_IF_ERROR(WriteBoot(core_.files, boot_path, boot));
  {
    MutexLock lock(core_.mu);
    core_.StartEpoch(boot.epoch);
  }
  auto opened = NamespaceDb::Open(core_.files, directory);
  if (!opened.ok()) {
    if (!opened.Is(Errc::kCorrupt)) return std::move(opened).error();
    return std::move(opened).error().With(StrCat("cache ", directory,
                                                 " is damaged; move it aside (it may hold files that "
                                                 "are not in the bucket yet) and mount again"));
  }
  core_.db = std::move(*opened);
  RETURN_IF_ERROR(core_.files.SyncDirectory(directory));
  RETURN_IF_ERROR(core_.db->ReplayListingRemovals());
  RETURN_IF_ERROR(CheckBucket());
  RETURN_IF_ERROR(BeginGeneration(boot.epoch));
  RETURN_IF_ERROR(RecoverTree(after_power_loss));
  RETURN_IF_ERROR(past_.Recover());
  RETURN_IF_ERROR(data_.Recover());
  if (after_power_loss) RETURN_IF_ERROR(write_back_.AdoptNewerObjects(OpContext{}));
  RETURN_IF_ERROR(write_back_.AskUnanswered(OpContext{}));
  if (core_.options.background) write_back_.Start();
  return {};
}

Status Engine::CheckBucket() {
  const std::string identity = core_.store.Identity();
  if (identity.empty()) return {};
  const std::string bucket = StrCat(identity, " ", core_.options.prefix);
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const auto known, core_.db->Scalar("bucket"));
  if (known == bucket) return {};
  if (known) {
    return Error{Errc::kInvalidArgument,
                 StrCat("cache ", core_.options.directory, " belongs to another bucket or prefix (", *known, ", not ",
                        bucket, "); give another cache directory")};
  }
  Transaction txn;
  core_.db->PutScalar(txn, "bucket", bucket);
  return core_.Commit(txn, KvDurability::kSync);
}

// Unless the store can show that nothing has changed since the last orderly end, listings must be asked for again.
Status Engine::BeginGeneration(uint64_t epoch) {
  const auto change = core_.store.ChangeNumber();
  MutexLock lock(core_.mu);
  ASSIGN_OR_RETURN(const auto known_change, core_.db->Scalar("change"));
  ASSIGN_OR_RETURN(const auto known_generation, core_.db->Scalar("generation"));
  const auto generation = known_generation ? ParseUint(*known_generation) : std::nullopt;
  same_bucket_state_ = generation && change && known_change == StrCat(*change);
  core_.db->SetGeneration(same_bucket_state_ ? *generation : epoch);
  Transaction txn;
  core_.db->PutScalar(txn, "generation", StrCat(same_bucket_state_ ? *generation : epoch));
  core_.db->RemoveScalar(txn, "change");
  return core_.Commit(txn, KvDurability::kSync);
}

Status Engine::RecoverTree(bool after_power_loss) {
  bool have_root = false;
  {
    MutexLock lock(core_.mu);
    ASSIGN_OR_RETURN(const auto mount_id, core_.db->Scalar("mount_id"));
    if (mount_id) {
      core_.mount_id = *mount_id;
    } else {
      const std::string bytes = core_.random.Bytes(8);
      core_.mount_id = Hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
      Transaction txn;
      core_.db->PutScalar(txn, "mount_id", core_.mount_id);
      RETURN_IF_ERROR(core_.Commit(txn, KvDurability::kSync));
    }
    ASSIGN_OR_RETURN(const auto moved, core_.db->MovedPrefixes());
    core_.moved_prefixes = {moved.begin(), moved.end()};
    const auto count = [this](std::string_view key, const Tombstone&) NO_THREAD_SAFETY_ANALYSIS {
      ++core_.tombstones;
      // The earlier process may have sent it.
      core_.NoteLateDeletion(std::string(key));
      return true;
    };
    RETURN_IF_ERROR(core_.db->VisitTombstones("", count));
    RETURN_IF_ERROR(core_.db->VisitMetaInodes([this, &have_root](InodeRecord record) NO_THREAD_SAFETY_ANALYSIS {
      have_root = have_root || record.ino == kRootIno;
      core_.Insert(std::move(record), /*in_meta=*/true);
      return Status();
    }));
  }
  if (!have_root || !same_bucket_state_) RETURN_IF_ERROR(loader_.LoadRoot(OpContext{}));
  if (after_power_loss) {
    // What a moved directory still had under its old prefix was known to listing only.
    std::vector<std::pair<std::string, Ino>> moved;
    {
      MutexLock lock(core_.mu);
      moved = {core_.moved_prefixes.begin(), core_.moved_prefixes.end()};
    }
    for (const auto& [prefix, dir] : moved) RETURN_IF_ERROR(loader_.LoadMoved(OpContext{}, dir, prefix));
  }
  MutexLock lock(core_.mu);
  std::vector<Ino> all;
  RETURN_IF_ERROR(core_.db->VisitMetaInodes([&all](const InodeRecord& record) {
    all.push_back(record.ino);
    return Status();
  }));
  for (const Ino ino : all) {
    ASSIGN_OR_RETURN(const InodePtr inode, core_.Get(ino));
    if (ino == kRootIno || inode->record.parent == 0) continue;
    ASSIGN_OR_RETURN(const InodePtr parent, core_.Get(inode->record.parent));
    ++parent->meta_children;
  }
  for (const Ino ino : all) {
    auto inode = core_.Get(ino);
    if (inode.Is(Errc::kStale)) continue;  // freed with another one
    if (!inode.ok()) return std::move(inode).error();
    RETURN_IF_ERROR(RecoverContent(*inode, after_power_loss));
  }
  for (const Ino ino : all) {
    const InodePtr inode = core_.Cached(ino);
    if (inode == nullptr) continue;
    if (inode->record.parent == 0) {
      // Unlinked while open: nobody has it open any more.
      inode->sent_ns = core_.clock.MonotonicNs();
      Transaction txn;
      RETURN_IF_ERROR(core_.FreeIfUnused(inode, txn));
      RETURN_IF_ERROR(core_.Commit(txn));
      core_.UpdateQueue(inode);
      continue;
    }
    inode->last_change_ns = inode->sent_ns = core_.clock.MonotonicNs();
    inode->as_recovered = after_power_loss;
    core_.UpdateQueue(inode);
    RETURN_IF_ERROR(core_.SettleIfClean(inode));
  }
  return {};
}

std::string Engine::RecoveredName(const std::string& name) const {
  const std::string suffix = StrCat(".recovered-", core_.NowNs() / 1'000'000'000);
  return name.substr(0, kMaxNameBytes - suffix.size()) + suffix;
}

// The bytes that a rename brought in may be lost: the replaced file gets its name back, and what is there of the new
// one is kept beside it.
Status Engine::UndoUnsyncedReplacement(const InodePtr& inode) {
  InodeRecord& record = inode->record;
  const std::string name = record.name;
  const Ino dir = record.parent;
  Transaction txn;
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, dir, name));
  record.SetName(RecoveredName(name));
  core_.db->PutDentry(txn, dir, {record.name, record.ino, record.mode & S_IFMT}, /*in_meta=*/true);
  auto replaced = core_.Get(record.holds);
  if (!replaced.ok() && !replaced.Is(Errc::kStale)) return std::move(replaced).error();
  record.holds = 0;
  core_.Save(*inode, txn);
  if (replaced.ok()) {
    InodeRecord& old = (*replaced)->record;
    old.held = false;
    old.parent = dir;
    old.SetName(name);
    const auto target = core_.TargetKey(**replaced);
    if (old.origin && target.ok() && old.origin->key == *target) core_.db->RemoveDisplaced(txn, *target);
    core_.db->PutDentry(txn, dir, {old.name, old.ino, old.mode & S_IFMT}, /*in_meta=*/true);
    core_.Save(**replaced, txn);
    ASSIGN_OR_RETURN(const InodePtr parent, core_.Get(dir));
    ++parent->meta_children;
  }
  LogWarning("the bytes of ", core_.PathOf(*inode),
             " may be incomplete: they had not been synced when the machine went down");
  RETURN_IF_ERROR(core_.Commit(txn, KvDurability::kSync));
  // It may have been looked at while it had no name.
  return replaced.ok() ? RecoverContent(*replaced, /*after_power_loss=*/true) : Status();
}

// Clean and in its place: the bucket may have gone on since the state that survived, so it is asked again.
Status Engine::ForgetClean(const InodePtr& inode) {
  const InodeRecord& record = inode->record;
  Transaction txn;
  ASSIGN_OR_RETURN(const InodePtr parent, core_.Get(record.parent));
  --parent->meta_children;
  RETURN_IF_ERROR(core_.db->RemoveDentry(txn, record.parent, record.name));
  RETURN_IF_ERROR(core_.db->RemoveInode(txn, inode->ino));
  core_.db->RemoveDisplaced(txn, record.origin->key);
  const Status removed = core_.files.Unlink(core_.DataPath(inode->ino));
  if (!removed.ok() && !removed.Is(Errc::kNotFound)) return removed;
  core_.SetOperationKey(*inode, "");
  inode->freed = true;
  core_.ForgetCached(inode->ino);
  return core_.Commit(txn);
}

Result<BlockMap> Engine::StoredBlocks(Ino ino) {
  ASSIGN_OR_RETURN(const auto rows, core_.db->BlockRows(ino, /*in_meta=*/true));
  BlockMap blocks;
  for (const auto& [segment, bits] : rows) RETURN_IF_ERROR(blocks.LoadSegment(segment, bits));
  return blocks;
}

// Without a dirty block, and nothing behind what comes from the origin.
Result<bool> Engine::IsAllOfOrigin(const InodeRecord& record) {
  if (record.size == 0 || record.size != record.limit()) return false;
  ASSIGN_OR_RETURN(const BlockMap blocks, StoredBlocks(record.ino));
  const uint64_t end = BlocksUpTo(record.limit());
  return blocks.FirstDirty(0, end) == end;
}

Status Engine::RecoverContent(const InodePtr& inode, bool after_power_loss) {
  InodeRecord& record = inode->record;
  if (!record.IsRegular()) return {};
  const auto stat = core_.files.Stat(core_.DataPath(inode->ino));
  if (!stat.ok() && !stat.Is(Errc::kNotFound)) return stat.error();
  Transaction txn;
  const auto target = record.parent != 0 ? core_.TargetKey(*inode) : Result<std::string>(std::string());
  const bool in_place = record.parent != 0 && record.holds == 0 && !record.attributes_dirty && record.origin &&
                        target.ok() && !core_.IsDisplaced(*inode, *target);
  if (after_power_loss && in_place && !record.content_dirty) return ForgetClean(inode);
  if (!record.content_dirty) {
    if (after_power_loss || !stat.ok()) {
      record.complete = false;
      RETURN_IF_ERROR(core_.db->RemoveBlocks(txn, inode->ino, /*in_meta=*/true));
      if (stat.ok()) RETURN_IF_ERROR(core_.files.Unlink(core_.DataPath(inode->ino)));
      core_.Save(*inode, txn);
    }
    return core_.Commit(txn);
  }
  if (after_power_loss && record.synced_generation == 0 && record.parent != 0) {
    if (record.holds != 0) return UndoUnsyncedReplacement(inode);
    if (record.origin && !record.origin->superseded) {
      LogWarning("changes to ", core_.PathOf(*inode), " that had not been synced were lost when the machine went down");
      // The object is what we know for certain.
      if (in_place) return ForgetClean(inode);
      record.content_dirty = false;
      record.complete = false;
      record.size = record.origin->limit = record.origin->size;
      RETURN_IF_ERROR(core_.db->RemoveBlocks(txn, inode->ino, /*in_meta=*/true));
      if (stat.ok()) RETURN_IF_ERROR(core_.files.Unlink(core_.DataPath(inode->ino)));
      core_.Save(*inode, txn);
      return core_.Commit(txn);
    }
  }
  if (!stat.ok()) {
    // Where nothing of it was here the record tells all: it is put together from its origin.
    ASSIGN_OR_RETURN(const bool all_of_origin, IsAllOfOrigin(record));
    if (all_of_origin) return {};
  }
  // The cache file's length is the truth: it is changed before the record is.
  record.size = stat.ok() ? stat->size_bytes : 0;
  if (record.origin) record.origin->limit = std::min(record.origin->limit, record.size);
  if (after_power_loss && record.limit() > 0) {
    // Clean blocks may be lost, dirty ones were synced: only these count as present.
    record.complete = false;
    ASSIGN_OR_RETURN(BlockMap blocks, StoredBlocks(inode->ino));
    blocks.KeepOnlyDirty();
    for (const auto& [segment, bits] : blocks.TakeChangedSegments()) {
      core_.db->PutBlocks(txn, inode->ino, segment, bits, /*in_meta=*/true);
    }
  }
  core_.Save(*inode, txn);
  return core_.Commit(txn);
}

}  // namespace pailfs::cache
