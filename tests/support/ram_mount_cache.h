// A MountCache in memory, without a bucket behind it: complete and simple, for tests of the FUSE layer. One lock, no
// ACL arithmetic beyond storing the attributes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cache/mount_cache.h"

namespace pailfs {

// Thread-safe.
class RamMountCache : public cache::MountCache {
 public:
  using Ino = cache::Ino;

  RamMountCache();
  ~RamMountCache() override;

  // --- for tests ---
  // While held, calls that take a context and concern content wait until they are let go or their context ends, and
  // nothing counts as local.
  void HoldContent();
  void LetContentGo();
  // Waits until as many calls are held.
  void WaitForHeld(size_t count);
  // Openings not yet closed, of all inodes; inodes that are still kept.
  size_t open_count() const;
  size_t inode_count() const;
  cache::KernelNotifier* notifier() const;
  // A change that the kernel did not ask for.
  void ReplaceContent(Ino ino, std::string_view content);

  // --- MountCache ---
  void SetKernelNotifier(cache::KernelNotifier* notifier) override;
  Result<cache::Attributes> Lookup(const OpContext& ctx, Ino parent, std::string_view name) override;
  Result<cache::Attributes> GetAttributes(Ino ino) override;
  Result<cache::Attributes> SetAttributes(const OpContext& ctx, Ino ino, const cache::AttributeChange& change) override;
  Result<cache::Attributes> Make(const OpContext& ctx, Ino parent, std::string_view name, const cache::NewInode& inode,
                                 const cache::Caller& caller) override;
  Result<cache::Attributes> Create(const OpContext& ctx, Ino parent, std::string_view name,
                                   const cache::NewInode& inode, const cache::Caller& caller, cache::OpenFlags flags,
                                   bool exclusive) override;
  Result<std::string> ReadLink(const OpContext& ctx, Ino ino) override;
  Status Unlink(const OpContext& ctx, Ino parent, std::string_view name) override;
  Status RemoveDirectory(const OpContext& ctx, Ino parent, std::string_view name) override;
  Status Rename(const OpContext& ctx, Ino parent, std::string_view name, Ino new_parent, std::string_view new_name,
                cache::RenameMode mode) override;
  Status OpenDirectory(const OpContext& ctx, Ino ino) override;
  void CloseDirectory(Ino ino) override;
  Status ReadDirectory(const OpContext& ctx, Ino ino, uint64_t cookie,
                       const std::function<bool(const cache::DirectoryEntry&)>& visit) override;
  Status Open(const OpContext& ctx, Ino ino, cache::OpenFlags flags) override;
  void Close(Ino ino, cache::OpenFlags flags) override;
  Result<size_t> Read(const OpContext& ctx, Ino ino, uint64_t offset, std::span<std::byte> buffer) override;
  Status Write(const OpContext& ctx, Ino ino, uint64_t offset, std::span<const std::byte> data,
               bool kill_privileges) override;
  Status Flush(const OpContext&, Ino) override { return {}; }
  Status Fsync(const OpContext&, Ino) override { return {}; }
  Status Allocate(const OpContext& ctx, Ino ino, cache::AllocateMode mode, uint64_t offset, uint64_t length) override;
  Result<uint64_t> Seek(const OpContext& ctx, Ino ino, uint64_t offset, cache::SeekTo what) override;
  Result<uint64_t> CopyRange(const OpContext& ctx, Ino source, uint64_t source_offset, Ino target,
                             uint64_t target_offset, uint64_t length) override;
  Result<std::string> GetXattr(Ino ino, std::string_view name) override;
  Result<std::vector<std::string>> ListXattrs(Ino ino) override;
  Status SetXattr(Ino ino, std::string_view name, std::string_view value, cache::XattrMode mode) override;
  Status RemoveXattr(Ino ino, std::string_view name) override;
  Result<cache::FileSystemStats> Stats(const OpContext& ctx) override;
  bool LookupIsLocal(Ino, std::string_view) override { return true; }
  bool DirectoryIsLocal(Ino) override { return true; }
  bool ReadIsLocal(Ino ino, uint64_t offset, uint64_t length) override;
  bool WriteIsLocal(Ino ino, uint64_t offset, uint64_t length) override { return ReadIsLocal(ino, offset, length); }
  Status FlushAll(const OpContext&, const std::function<void(const cache::CacheStatus&)>&) override { return {}; }
  Result<size_t> RunWriteBack(const OpContext&, bool) override { return size_t{0}; }
  cache::CacheStatus GetStatus() override { return {}; }
  void Shutdown() override {}

 private:
  struct Node;
  struct Name {
    Ino ino;
    uint64_t cookie;
  };

  Status WaitForContent(const OpContext& ctx) REQUIRES(mu_);
  Result<Node*> Get(Ino ino) REQUIRES(mu_);
  Result<Node*> GetDirectory(Ino ino) REQUIRES(mu_);
  Result<Node*> GetFile(Ino ino) REQUIRES(mu_);
  Result<Node*> Child(Ino parent, std::string_view name) REQUIRES(mu_);
  Result<Node*> MakeNode(Ino parent, std::string_view name, const cache::NewInode& inode, const cache::Caller& caller)
      REQUIRES(mu_);
  cache::Attributes AttributesOf(const Node& node) REQUIRES(mu_);
  void Enter(Node& directory, std::string_view name, Ino ino) REQUIRES(mu_);
  void Leave(Node& directory, std::string_view name) REQUIRES(mu_);
  Status Replace(Node& directory, std::string_view name, bool with_directory) REQUIRES(mu_);
  bool IsBelow(Ino ino, Ino ancestor) REQUIRES(mu_);
  void FreeIfUnused(Ino ino) REQUIRES(mu_);
  static void KillPrivileges(Node& node);

  mutable Mutex mu_;
  CondVar changed_;
  std::map<Ino, std::unique_ptr<Node>> nodes_ GUARDED_BY(mu_);
  Ino next_ino_ GUARDED_BY(mu_) = cache::kRootIno;
  uint64_t next_cookie_ GUARDED_BY(mu_) = 3;
  cache::KernelNotifier* notifier_ GUARDED_BY(mu_) = nullptr;
  bool holding_ GUARDED_BY(mu_) = false;
  size_t held_ GUARDED_BY(mu_) = 0;
};

}  // namespace pailfs
