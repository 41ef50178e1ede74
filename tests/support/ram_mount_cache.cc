#include "tests/support/ram_mount_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/clock.h"

namespace pailfs {

using cache::AttributeChange;
using cache::Attributes;
using cache::Ino;

namespace {

constexpr std::chrono::milliseconds kPollInterval{2};

int64_t NowNs() {
  return SystemClock().WallNs();
}

}  // namespace

struct RamMountCache::Node {
  Attributes attributes;
  Ino parent = 0;  // of directories; 0: removed
  std::map<std::string, Name, std::less<>> names;
  std::string content;  // or the target of a symbolic link
  std::map<std::string, std::string, std::less<>> xattrs;
  size_t opens = 0;

  bool IsDirectory() const { return S_ISDIR(attributes.mode); }
  void Changed() { attributes.mtime_ns = attributes.ctime_ns = NowNs(); }
};

RamMountCache::RamMountCache() {
  MutexLock lock(mu_);
  auto root = std::make_unique<Node>();
  root->attributes.ino = root->parent = next_ino_++;
  root->attributes.mode = S_IFDIR | 0755;
  root->attributes.nlink = 2;
  root->attributes.atime_ns = root->attributes.mtime_ns = root->attributes.ctime_ns = NowNs();
  nodes_[cache::kRootIno] = std::move(root);
}

RamMountCache::~RamMountCache() = default;

// --- for tests ---

void RamMountCache::HoldContent() {
  MutexLock lock(mu_);
  holding_ = true;
}

void RamMountCache::LetContentGo() {
  MutexLock lock(mu_);
  holding_ = false;
  changed_.NotifyAll();
}

void RamMountCache::WaitForHeld(size_t count) {
  MutexLock lock(mu_);
  while (held_ != count) changed_.Wait(mu_);
}

size_t RamMountCache::open_count() const {
  MutexLock lock(mu_);
  size_t count = 0;
  for (const auto& [ino, node] : nodes_) count += node->opens;
  return count;
}

size_t RamMountCache::inode_count() const {
  MutexLock lock(mu_);
  return nodes_.size();
}

cache::KernelNotifier* RamMountCache::notifier() const {
  MutexLock lock(mu_);
  return notifier_;
}

void RamMountCache::ReplaceContent(Ino ino, std::string_view content) {
  cache::KernelNotifier* to_tell = nullptr;
  {
    MutexLock lock(mu_);
    const auto node = GetFile(ino);
    if (!node.ok()) return;
    (*node)->content = std::string(content);
    (*node)->Changed();
    to_tell = notifier_;
  }
  if (to_tell != nullptr) to_tell->InvalidateInode(ino);
}

Status RamMountCache::WaitForContent(const OpContext& ctx) {
  if (!holding_) return {};
  ++held_;
  changed_.NotifyAll();
  Status outcome;
  while (holding_ && outcome.ok()) {
    changed_.WaitFor(mu_, kPollInterval);
    outcome = ctx.Check();
  }
  --held_;
  changed_.NotifyAll();
  return outcome;
}

// --- lookups ---

Result<RamMountCache::Node*> RamMountCache::Get(Ino ino) {
  const auto found = nodes_.find(ino);
  if (found == nodes_.end()) return Error{Errc::kStale, "the inode is gone"};
  return found->second.get();
}

Result<RamMountCache::Node*> RamMountCache::GetDirectory(Ino ino) {
  ASSIGN_OR_RETURN(Node* const node, Get(ino));
  if (!node->IsDirectory()) return Error{Errc::kNotADirectory, "not a directory"};
  return node;
}

Result<RamMountCache::Node*> RamMountCache::GetFile(Ino ino) {
  ASSIGN_OR_RETURN(Node* const node, Get(ino));
  if (node->IsDirectory()) return Error{Errc::kIsADirectory, "is a directory"};
  if (!S_ISREG(node->attributes.mode)) return Error{Errc::kInvalidArgument, "not a regular file"};
  return node;
}

Result<RamMountCache::Node*> RamMountCache::Child(Ino parent, std::string_view name) {
  ASSIGN_OR_RETURN(Node* const directory, GetDirectory(parent));
  const auto found = directory->names.find(name);
  if (found == directory->names.end()) return Error{Errc::kNotFound, "no such file"};
  return Get(found->second.ino);
}

Attributes RamMountCache::AttributesOf(const Node& node) {
  Attributes attributes = node.attributes;
  if (!node.IsDirectory()) attributes.size_bytes = node.content.size();
  attributes.allocated_bytes = (attributes.size_bytes + 511) / 512 * 512;
  return attributes;
}

void RamMountCache::SetKernelNotifier(cache::KernelNotifier* notifier) {
  MutexLock lock(mu_);
  notifier_ = notifier;
}

Result<Attributes> RamMountCache::Lookup(const OpContext&, Ino parent, std::string_view name) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, Child(parent, name));
  return AttributesOf(*node);
}

Result<Attributes> RamMountCache::GetAttributes(Ino ino) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, Get(ino));
  return AttributesOf(*node);
}

void RamMountCache::KillPrivileges(Node& node) {
  if (node.IsDirectory()) return;
  node.attributes.mode &= ~static_cast<uint32_t>(S_ISUID);
  if ((node.attributes.mode & S_IXGRP) != 0) node.attributes.mode &= ~static_cast<uint32_t>(S_ISGID);
}

Result<Attributes> RamMountCache::SetAttributes(const OpContext&, Ino ino, const AttributeChange& change) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, Get(ino));
  Attributes& attributes = node->attributes;
  const int64_t now = NowNs();
  if (change.size_bytes) {
    RETURN_IF_ERROR(GetFile(ino));
    node->content.resize(*change.size_bytes);
    node->Changed();
  }
  if (change.mode) attributes.mode = (attributes.mode & S_IFMT) | (*change.mode & 07777);
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  if (change.kill_privileges) KillPrivileges(*node);
  if (change.atime_ns) attributes.atime_ns = *change.atime_ns == AttributeChange::kNow ? now : *change.atime_ns;
  if (change.mtime_ns) attributes.mtime_ns = *change.mtime_ns == AttributeChange::kNow ? now : *change.mtime_ns;
  attributes.ctime_ns = now;
  return AttributesOf(*node);
}

// --- names ---

void RamMountCache::Enter(Node& directory, std::string_view name, Ino ino) {
  directory.names[std::string(name)] = {ino, next_cookie_++};
  directory.Changed();
  Node& node = *nodes_.at(ino);
  node.attributes.ctime_ns = NowNs();
  if (!node.IsDirectory()) return;
  node.parent = directory.attributes.ino;
  ++directory.attributes.nlink;
}

void RamMountCache::Leave(Node& directory, std::string_view name) {
  const auto found = directory.names.find(name);
  if (nodes_.at(found->second.ino)->IsDirectory()) --directory.attributes.nlink;
  directory.names.erase(found);
  directory.Changed();
}

void RamMountCache::FreeIfUnused(Ino ino) {
  const Node& node = *nodes_.at(ino);
  if (node.attributes.nlink == 0 && node.opens == 0) nodes_.erase(ino);
}

Result<RamMountCache::Node*> RamMountCache::MakeNode(Ino parent, std::string_view name, const cache::NewInode& inode,
                                                     const cache::Caller& caller) {
  ASSIGN_OR_RETURN(Node* const directory, GetDirectory(parent));
  if (directory->attributes.nlink == 0) return Error{Errc::kNotFound, "the directory was removed"};
  if (directory->names.contains(name)) return Error{Errc::kAlreadyExists, "the file exists"};
  auto node = std::make_unique<Node>();
  node->attributes.ino = next_ino_++;
  node->attributes.mode = S_ISLNK(inode.mode) ? inode.mode : inode.mode & ~(caller.umask & 0777);
  node->attributes.nlink = node->IsDirectory() ? 2 : 1;
  node->attributes.uid = caller.uid;
  node->attributes.gid = caller.gid;
  if ((directory->attributes.mode & S_ISGID) != 0) {
    node->attributes.gid = directory->attributes.gid;
    if (node->IsDirectory()) node->attributes.mode |= S_ISGID;
  }
  node->attributes.rdev = inode.rdev;
  node->attributes.atime_ns = NowNs();
  node->content = inode.symlink_target;
  node->Changed();
  Node* const made = node.get();
  nodes_[made->attributes.ino] = std::move(node);
  Enter(*directory, name, made->attributes.ino);
  return made;
}

Result<Attributes> RamMountCache::Make(const OpContext&, Ino parent, std::string_view name,
                                       const cache::NewInode& inode, const cache::Caller& caller) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, MakeNode(parent, name, inode, caller));
  return AttributesOf(*node);
}

Result<Attributes> RamMountCache::Create(const OpContext& ctx, Ino parent, std::string_view name,
                                         const cache::NewInode& inode, const cache::Caller& caller,
                                         cache::OpenFlags flags, bool exclusive) {
  Ino ino = 0;
  {
    MutexLock lock(mu_);
    auto existing = Child(parent, name);
    if (existing.ok() && exclusive) return Error{Errc::kAlreadyExists, "the file exists"};
    if (!existing.ok() && !existing.Is(Errc::kNotFound)) return existing.error();
    if (!existing.ok()) existing = MakeNode(parent, name, inode, caller);
    if (!existing.ok()) return existing.error();
    ino = (*existing)->attributes.ino;
  }
  RETURN_IF_ERROR(Open(ctx, ino, flags));
  return GetAttributes(ino);
}

Result<std::string> RamMountCache::ReadLink(const OpContext&, Ino ino) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, Get(ino));
  if (!S_ISLNK(node->attributes.mode)) return Error{Errc::kInvalidArgument, "not a symbolic link"};
  return node->content;
}

// Takes the name away from what has it; what replaces it is a directory or not.
Status RamMountCache::Replace(Node& directory, std::string_view name, bool with_directory) {
  ASSIGN_OR_RETURN(Node* const node, Child(directory.attributes.ino, name));
  if (node->IsDirectory() && !with_directory) return Error{Errc::kIsADirectory, "is a directory"};
  if (!node->IsDirectory() && with_directory) return Error{Errc::kNotADirectory, "not a directory"};
  if (!node->names.empty()) return Error{Errc::kNotEmpty, "the directory is not empty"};
  Leave(directory, name);
  node->attributes.nlink = 0;
  node->attributes.ctime_ns = NowNs();
  node->parent = 0;
  FreeIfUnused(node->attributes.ino);
  return {};
}

Status RamMountCache::Unlink(const OpContext&, Ino parent, std::string_view name) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const directory, GetDirectory(parent));
  return Replace(*directory, name, false);
}

Status RamMountCache::RemoveDirectory(const OpContext&, Ino parent, std::string_view name) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const directory, GetDirectory(parent));
  return Replace(*directory, name, true);
}

bool RamMountCache::IsBelow(Ino ino, Ino ancestor) {
  for (;; ino = nodes_.at(ino)->parent) {
    if (ino == ancestor) return true;
    if (ino == cache::kRootIno) return false;
  }
}

Status RamMountCache::Rename(const OpContext&, Ino parent, std::string_view name, Ino new_parent,
                             std::string_view new_name, cache::RenameMode mode) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const from, GetDirectory(parent));
  ASSIGN_OR_RETURN(Node* const to, GetDirectory(new_parent));
  ASSIGN_OR_RETURN(Node* const node, Child(parent, name));
  const auto target = Child(new_parent, new_name);
  if (!target.ok() && !target.Is(Errc::kNotFound)) return target.error();
  if (target.ok() && mode == cache::RenameMode::kNoReplace) return Error{Errc::kAlreadyExists, "the file exists"};
  if (!target.ok() && mode == cache::RenameMode::kExchange) return Error{Errc::kNotFound, "no such file"};
  if (node->IsDirectory() && IsBelow(new_parent, node->attributes.ino)) {
    return Error{Errc::kInvalidArgument, "a directory cannot move below itself"};
  }
  const Ino ino = node->attributes.ino;
  if (target.ok() && (*target)->attributes.ino == ino) return {};
  if (mode == cache::RenameMode::kExchange) {
    const Ino other = (*target)->attributes.ino;
    Leave(*from, name);
    Leave(*to, new_name);
    Enter(*from, name, other);
    Enter(*to, new_name, ino);
    return {};
  }
  if (target.ok()) RETURN_IF_ERROR(Replace(*to, new_name, node->IsDirectory()));
  Leave(*from, name);
  Enter(*to, new_name, ino);
  return {};
}

// --- directories ---

Status RamMountCache::OpenDirectory(const OpContext&, Ino ino) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const directory, GetDirectory(ino));
  ++directory->opens;
  return {};
}

void RamMountCache::CloseDirectory(Ino ino) {
  MutexLock lock(mu_);
  const auto node = Get(ino);
  if (!node.ok() || (*node)->opens == 0) return;
  --(*node)->opens;
  FreeIfUnused(ino);
}

Status RamMountCache::ReadDirectory(const OpContext&, Ino ino, uint64_t cookie,
                                    const std::function<bool(const cache::DirectoryEntry&)>& visit) {
  std::vector<cache::DirectoryEntry> entries;
  {
    MutexLock lock(mu_);
    ASSIGN_OR_RETURN(const Node* const directory, GetDirectory(ino));
    if (directory->parent == 0) return {};
    entries.push_back({".", 1, AttributesOf(*directory)});
    entries.push_back({"..", 2, AttributesOf(*nodes_.at(directory->parent))});
    for (const auto& [name, where] : directory->names) {
      entries.push_back({name, where.cookie, AttributesOf(*nodes_.at(where.ino))});
    }
  }
  std::ranges::sort(entries, {}, &cache::DirectoryEntry::cookie);
  for (const auto& entry : entries) {
    if (entry.cookie > cookie && !visit(entry)) break;
  }
  return {};
}

// --- content ---

Status RamMountCache::Open(const OpContext&, Ino ino, cache::OpenFlags flags) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, GetFile(ino));
  ++node->opens;
  if (flags.truncate) {
    node->content.clear();
    node->Changed();
  }
  return {};
}

void RamMountCache::Close(Ino ino, cache::OpenFlags) {
  CloseDirectory(ino);
}

Result<size_t> RamMountCache::Read(const OpContext& ctx, Ino ino, uint64_t offset, std::span<std::byte> buffer) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(WaitForContent(ctx));
  ASSIGN_OR_RETURN(const Node* const node, GetFile(ino));
  if (offset >= node->content.size()) return size_t{0};
  const size_t count = std::min(buffer.size(), node->content.size() - offset);
  std::memcpy(buffer.data(), node->content.data() + offset, count);
  return count;
}

Status RamMountCache::Write(const OpContext& ctx, Ino ino, uint64_t offset, std::span<const std::byte> data,
                            bool kill_privileges) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(WaitForContent(ctx));
  ASSIGN_OR_RETURN(Node* const node, GetFile(ino));
  if (node->content.size() < offset + data.size()) node->content.resize(offset + data.size());
  std::memcpy(node->content.data() + offset, data.data(), data.size());
  if (kill_privileges) KillPrivileges(*node);
  node->Changed();
  return {};
}

Status RamMountCache::Allocate(const OpContext&, Ino ino, cache::AllocateMode mode, uint64_t offset, uint64_t length) {
  using cache::AllocateMode;
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, GetFile(ino));
  std::string& content = node->content;
  const bool extends = mode == AllocateMode::kExtend || mode == AllocateMode::kZeroRange;
  if (extends && content.size() < offset + length) content.resize(offset + length);
  if (mode != AllocateMode::kExtend && mode != AllocateMode::kKeepSize && offset < content.size()) {
    std::memset(content.data() + offset, 0, std::min<uint64_t>(length, content.size() - offset));
  }
  node->Changed();
  return {};
}

// Blocks of 4 KiB that are all zeros are holes.
Result<uint64_t> RamMountCache::Seek(const OpContext&, Ino ino, uint64_t offset, cache::SeekTo what) {
  constexpr uint64_t kBlock = 4096;
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, GetFile(ino));
  const std::string_view content = node->content;
  if (offset >= content.size()) return Error{Errc::kRange, "beyond the end"};
  for (uint64_t at = offset; at < content.size(); at = (at / kBlock + 1) * kBlock) {
    const bool data = content.substr(at / kBlock * kBlock, kBlock).find_first_not_of('\0') != std::string_view::npos;
    if (data == (what == cache::SeekTo::kData)) return at;
  }
  if (what == cache::SeekTo::kHole) return uint64_t{content.size()};
  return Error{Errc::kRange, "no data"};
}

Result<uint64_t> RamMountCache::CopyRange(const OpContext& ctx, Ino source, uint64_t source_offset, Ino target,
                                          uint64_t target_offset, uint64_t length) {
  std::string bytes;
  {
    MutexLock lock(mu_);
    ASSIGN_OR_RETURN(const Node* const from, GetFile(source));
    if (source_offset < from->content.size()) bytes = from->content.substr(source_offset, length);
  }
  RETURN_IF_ERROR(Write(ctx, target, target_offset, std::as_bytes(std::span(bytes)), false));
  return uint64_t{bytes.size()};
}

// --- extended attributes ---

Result<std::string> RamMountCache::GetXattr(Ino ino, std::string_view name) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, Get(ino));
  const auto found = node->xattrs.find(name);
  if (found == node->xattrs.end()) return Error{Errc::kNoData, "no such attribute"};
  return found->second;
}

Result<std::vector<std::string>> RamMountCache::ListXattrs(Ino ino) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Node* const node, Get(ino));
  std::vector<std::string> names;
  for (const auto& [name, value] : node->xattrs) names.push_back(name);
  return names;
}

Status RamMountCache::SetXattr(Ino ino, std::string_view name, std::string_view value, cache::XattrMode mode) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, Get(ino));
  const bool exists = node->xattrs.contains(name);
  if (exists && mode == cache::XattrMode::kCreate) return Error{Errc::kAlreadyExists, "the attribute exists"};
  if (!exists && mode == cache::XattrMode::kReplace) return Error{Errc::kNoData, "no such attribute"};
  node->xattrs[std::string(name)] = std::string(value);
  node->attributes.ctime_ns = NowNs();
  return {};
}

Status RamMountCache::RemoveXattr(Ino ino, std::string_view name) {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Node* const node, Get(ino));
  const auto found = node->xattrs.find(name);
  if (found == node->xattrs.end()) return Error{Errc::kNoData, "no such attribute"};
  node->xattrs.erase(found);
  return {};
}

// --- the rest ---

Result<cache::FileSystemStats> RamMountCache::Stats(const OpContext&) {
  MutexLock lock(mu_);
  return cache::FileSystemStats{.total_bytes = 1 << 30, .free_bytes = 1 << 29, .files = nodes_.size()};
}

bool RamMountCache::ReadIsLocal(Ino, uint64_t, uint64_t) {
  MutexLock lock(mu_);
  return !holding_;
}

}  // namespace pailfs
