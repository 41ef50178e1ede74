// The implementation of MountCache: verbs on names and attributes here, bytes in FileData, the bucket in Loader and
// WriteBack.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/core.h"
#include "cache/file_data.h"
#include "cache/loader.h"
#include "cache/mount_cache.h"
#include "cache/past.h"
#include "cache/write_back.h"

namespace pailfs::cache {

class Engine : public MountCache {
 public:
  Engine(FileSystem& files, ObjectStore& store, Clock& clock, Random& random, Metrics& metrics,
         const MountOptions& options);
  ~Engine() override;

  // Locks and opens the directory and recovers; recovery.cc.
  Status Open();

  void SetKernelNotifier(KernelNotifier* notifier) override;

  Result<Attributes> Lookup(const OpContext& ctx, Ino parent, std::string_view name) override;
  Result<Attributes> GetAttributes(Ino ino) override;
  Result<Attributes> SetAttributes(const OpContext& ctx, Ino ino, const AttributeChange& change) override;
  Result<Attributes> Make(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode,
                          const Caller& caller) override;
  Result<Attributes> Create(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode,
                            const Caller& caller, OpenFlags flags, bool exclusive) override;
  Result<std::string> ReadLink(const OpContext& ctx, Ino ino) override;
  Status Unlink(const OpContext& ctx, Ino parent, std::string_view name) override;
  Status RemoveDirectory(const OpContext& ctx, Ino parent, std::string_view name) override;
  Status Rename(const OpContext& ctx, Ino parent, std::string_view name, Ino new_parent, std::string_view new_name,
                RenameMode mode) override;

  Status OpenDirectory(const OpContext& ctx, Ino ino) override;
  void CloseDirectory(Ino ino) override;
  Status ReadDirectory(const OpContext& ctx, Ino ino, uint64_t cookie,
                       const std::function<bool(const DirectoryEntry&)>& visit) override;

  Status Open(const OpContext& ctx, Ino ino, OpenFlags flags) override;
  void Close(Ino ino, OpenFlags flags) override;
  Result<size_t> Read(const OpContext& ctx, Ino ino, uint64_t offset, std::span<std::byte> buffer) override;
  Status Write(const OpContext& ctx, Ino ino, uint64_t offset, std::span<const std::byte> data,
               bool kill_privileges) override;
  Status Flush(const OpContext& ctx, Ino ino) override;
  Status Fsync(const OpContext& ctx, Ino ino) override;
  Status Allocate(const OpContext& ctx, Ino ino, AllocateMode mode, uint64_t offset, uint64_t length) override;
  Result<uint64_t> Seek(const OpContext& ctx, Ino ino, uint64_t offset, SeekTo what) override;
  Result<uint64_t> CopyRange(const OpContext& ctx, Ino source, uint64_t source_offset, Ino target,
                             uint64_t target_offset, uint64_t length) override;

  Result<std::string> GetXattr(Ino ino, std::string_view name) override;
  Result<std::vector<std::string>> ListXattrs(Ino ino) override;
  Status SetXattr(Ino ino, std::string_view name, std::string_view value, XattrMode mode) override;
  Status RemoveXattr(Ino ino, std::string_view name) override;

  Result<FileSystemStats> Stats(const OpContext& ctx) override;

  bool LookupIsLocal(Ino parent, std::string_view name) override;
  bool DirectoryIsLocal(Ino ino) override;
  bool ReadIsLocal(Ino ino, uint64_t offset, uint64_t length) override;
  bool WriteIsLocal(Ino ino, uint64_t offset, uint64_t length) override;

  Status FlushAll(const OpContext& ctx, const std::function<void(const CacheStatus&)>& progress) override;
  Result<size_t> RunWriteBack(const OpContext& ctx, bool ignore_delay) override;
  CacheStatus GetStatus() override;
  void Shutdown() override;

 private:
  // --- names.cc ---
  Status CheckName(Ino parent, std::string_view name) const;
  Status CheckNewName(std::string_view name) const;
  Status CheckWritable() const;
  Result<InodePtr> Directory(Ino ino) EXCLUDES(core_.mu);
  Result<InodePtr> InodeOf(Ino ino) EXCLUDES(core_.mu);
  // Makes the name known if the bucket has it. Without locks.
  Status Resolve(const OpContext& ctx, Ino parent, std::string_view name, Purpose purpose = Purpose::kLookup);
  Result<Attributes> AttributesUnder(Ino parent, Ino ino) REQUIRES(core_.mu);
  Result<std::optional<Dentry>> Find(Ino parent, std::string_view name) REQUIRES(core_.mu);
  Result<InodePtr> MakeLocked(Ino parent, std::string_view name, const NewInode& inode, const Caller& caller)
      REQUIRES(core_.mu);
  Status AdoptTombstone(const InodePtr& inode, Transaction& txn) REQUIRES(core_.mu);
  Status WaitForDirtyRoom(const OpContext& ctx);
  Status Exchange(const InodePtr& from_dir, const InodePtr& from, const InodePtr& to_dir, const InodePtr& to)
      REQUIRES(core_.mu);
  Status RenameLocked(Ino parent, std::string_view name, Ino new_parent, std::string_view new_name, RenameMode mode)
      REQUIRES(core_.mu);
  Status CheckReplace(const InodePtr& from, const InodePtr& to) REQUIRES(core_.mu);
  Result<bool> IsAncestor(Ino ancestor, Ino of) REQUIRES(core_.mu);
  Status Place(const InodePtr& inode, const InodePtr& dir, std::string_view name, Transaction& txn) REQUIRES(core_.mu);
  Status NoteMove(const InodePtr& inode, const std::string& old_key, Transaction& txn) REQUIRES(core_.mu);
  Status RememberOrigin(const InodePtr& inode, Transaction& txn) REQUIRES(core_.mu);

  // --- past_verbs.cc ---
  using EntryVisitor = std::function<bool(const DirectoryEntry&)>;
  // kReadOnly in the past.
  Status CheckChangeable(Ino ino) const;
  Status CheckChange(Ino parent, std::string_view name) const;
  // The number of a name, which is made known if the bucket has it.
  Result<Ino> NumberOf(const OpContext& ctx, Ino parent, std::string_view name);
  Status LoadDetails(const OpContext& ctx, const InodePtr& inode);
  Status LoadEntries(const OpContext& ctx, const InodePtr& dir, Loader::Knowledge want);
  Result<InodePtr> DirectoryOfMoments(Ino ino) EXCLUDES(core_.mu);
  Result<Attributes> MakeInPast(const OpContext& ctx, Ino parent, std::string_view name, const NewInode& inode);
  Status RemoveInPast(const OpContext& ctx, Ino parent, std::string_view name);
  Status RenameInPast(const OpContext& ctx, Ino parent, std::string_view name, Ino new_parent,
                      std::string_view new_name, RenameMode mode);
  // The entries that lead into the past, where they are shown; `*more` false when `visit` had enough.
  Status VisitEntrances(const InodePtr& dir, uint64_t cookie, const EntryVisitor& visit, bool* more);

  // --- attributes.cc ---
  // Close-to-open: kStale when the name leads to another file by now; the kernel looks it up again then.
  Status CheckOpened(const OpContext& ctx, const InodePtr& inode);
  Status ChangeAttributes(const InodePtr& inode, const AttributeChange& change) REQUIRES(core_.mu);
  Status TakeUnseenError(const InodePtr& inode) EXCLUDES(core_.mu);
  // Syncs the bytes and the record, and lets go what the inode replaced.
  Status MakeSafe(const OpContext& ctx, const InodePtr& inode) EXCLUDES(core_.mu);
  Status SetAcl(const InodePtr& inode, std::string_view name, std::string_view value, Transaction& txn)
      REQUIRES(core_.mu);
  Result<std::string> VirtualXattr(const Inode& inode, std::string_view name) REQUIRES(core_.mu);

  // --- copy_range.cc ---
  Result<uint64_t> ShareOrigin(const InodePtr& source, uint64_t offset, uint64_t length, const InodePtr& target);

  // --- recovery.cc ---
  Status OpenFormat();
  Status MarkShutDown();
  Status CheckBucket();
  Status BeginGeneration(uint64_t epoch);
  Status RecoverTree(bool after_power_loss);
  // Of an inode in meta.
  Result<BlockMap> StoredBlocks(Ino ino) REQUIRES(core_.mu);
  Result<bool> IsAllOfOrigin(const InodeRecord& record) REQUIRES(core_.mu);
  Status RecoverContent(const InodePtr& inode, bool after_power_loss) REQUIRES(core_.mu);
  Status ForgetClean(const InodePtr& inode) REQUIRES(core_.mu);
  Status UndoUnsyncedReplacement(const InodePtr& inode) REQUIRES(core_.mu);
  std::string RecoveredName(const std::string& name) const;

  Core core_;
  FileData data_;
  Loader loader_;
  Past past_;
  WriteBack write_back_;
  std::unique_ptr<FileLock> lock_;
  Mutex notifier_mu_;  // held during a notification, so that the notifier can be taken away
  KernelNotifier* notifier_ GUARDED_BY(notifier_mu_) = nullptr;
  bool same_bucket_state_ = false;  // as at the last orderly end; constant after Open
  bool shut_down_ = false;
};

}  // namespace pailfs::cache
