#include "tests/support/faulty_file_system.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/str.h"

namespace pailfs {
namespace {

constexpr uint64_t kDefaultCapacityBytes = uint64_t{1} << 40;

bool Changes(FsCall call) {
  return call != FsCall::kOpen && call != FsCall::kRead && call != FsCall::kLook;
}

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> names;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string name = path.substr(start, end - start);
    if (!name.empty() && name != ".") names.push_back(name);
    start = end + 1;
  }
  return names;
}

}  // namespace

struct FaultyFileSystem::Node {
  Node(PageBudget& budget, bool directory) : is_directory(directory), content(budget) {}

  const bool is_directory;
  PagedContent content;
  std::map<std::string, NodeRef> entries;
  std::map<std::string, NodeRef> durable_entries;
  int64_t mtime_ns = 0;
  bool locked = false;
};

// One change of directories: a creation has no `from`, an unlink no `to`.
struct FaultyFileSystem::Change {
  NodeRef from_directory;
  std::string from;
  NodeRef to_directory;
  std::string to;
  NodeRef node;
};

// A name in an existing directory; `node` is null when nothing has it.
struct FaultyFileSystem::Place {
  NodeRef directory;
  std::string name;
  NodeRef node;
};

class FaultyFileSystem::OpenFile : public File {
 public:
  OpenFile(FaultyFileSystem& fs, NodeRef node, std::string path, bool writable, uint64_t life)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), writable_(writable), life_(life) {}
  ~OpenFile() override {
    MutexLock lock(fs_.mu_);
    node_.reset();
  }

  Result<size_t> ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(Enter(FsCall::kRead));
    return node_->content.Read(offset, buffer);
  }
  Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    MutexLock lock(fs_.mu_);
    const bool was_powered = fs_.powered_;
    const Status entered = Enter(FsCall::kWrite);
    if (!writable_) return ErrnoError(EBADF, path_);
    if (!entered.ok() && (!was_powered || life_ != fs_.life_)) return entered;
    const size_t wanted = entered.ok() ? data.size() : data.size() / 2;
    const size_t written = node_->content.Write(offset, data.first(wanted));
    node_->mtime_ns = fs_.clock_.WallNs();
    if (!entered.ok()) return entered;
    if (written < data.size()) return ErrnoError(ENOSPC, path_);
    return {};
  }
  Status Sync() override {
    MutexLock lock(fs_.mu_);
    const Status entered = Enter(FsCall::kSync);
    if (entered.ok()) {
      node_->content.Sync();
    } else if (fs_.powered_ && life_ == fs_.life_) {
      node_->content.LoseUnsynced();
    }
    return entered;
  }
  Status Truncate(uint64_t size) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(EnterToWrite(FsCall::kTruncate));
    node_->content.Truncate(size);
    return {};
  }
  Status Allocate(uint64_t offset, uint64_t length, bool keep_size) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(EnterToWrite(FsCall::kAllocate));
    if (length == 0) return ErrnoError(EINVAL, path_);
    if (!node_->content.Allocate(offset, length, keep_size)) return ErrnoError(ENOSPC, path_);
    return {};
  }
  Status PunchHole(uint64_t offset, uint64_t length) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(EnterToWrite(FsCall::kPunchHole));
    if (length == 0) return ErrnoError(EINVAL, path_);
    node_->content.Punch(offset, length);
    return {};
  }
  Result<FileStat> Stat() override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(Enter(FsCall::kLook));
    return FileStat{node_->content.size(), node_->content.allocated_bytes(), node_->mtime_ns};
  }
  Result<std::optional<uint64_t>> SeekData(uint64_t offset) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(Enter(FsCall::kLook));
    return node_->content.SeekData(offset);
  }
  Result<uint64_t> SeekHole(uint64_t offset) override {
    MutexLock lock(fs_.mu_);
    RETURN_IF_ERROR(Enter(FsCall::kLook));
    if (offset >= node_->content.size()) return ErrnoError(ENXIO, path_);
    return node_->content.SeekHole(offset);
  }

 private:
  Status Enter(FsCall call) REQUIRES(fs_.mu_) {
    RETURN_IF_ERROR(fs_.Enter(call, path_));
    if (life_ != fs_.life_) return Error{Errc::kIo, StrCat(path_, ": opened before the power was lost")};
    return {};
  }
  Status EnterToWrite(FsCall call) REQUIRES(fs_.mu_) {
    RETURN_IF_ERROR(Enter(call));
    if (!writable_) return ErrnoError(EBADF, path_);
    node_->mtime_ns = fs_.clock_.WallNs();
    return {};
  }

  FaultyFileSystem& fs_;
  NodeRef node_;
  const std::string path_;
  const bool writable_;
  const uint64_t life_;
};

class FaultyFileSystem::HeldLock : public FileLock {
 public:
  HeldLock(FaultyFileSystem& fs, NodeRef node, uint64_t life) : fs_(fs), node_(std::move(node)), life_(life) {}
  ~HeldLock() override {
    MutexLock lock(fs_.mu_);
    if (life_ == fs_.life_) node_->locked = false;
    node_.reset();
  }

 private:
  FaultyFileSystem& fs_;
  NodeRef node_;
  const uint64_t life_;
};

FaultyFileSystem::FaultyFileSystem(const Clock& clock)
    : clock_(clock),
      budget_{0, kDefaultCapacityBytes / PagedContent::kPageBytes},
      root_(std::make_shared<Node>(budget_, true)) {}

FaultyFileSystem::~FaultyFileSystem() = default;

Status FaultyFileSystem::Enter(FsCall call, const std::string& path) {
  ++calls_[static_cast<size_t>(call)];
  if (!powered_) return Error{Errc::kIo, StrCat(path, ": no power")};
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    const bool kind_fits = fault->call ? *fault->call == call : Changes(call);
    if (!kind_fits || path.find(fault->path_part) == std::string::npos) continue;
    if (fault->let_pass > 0) {
      --fault->let_pass;
      continue;
    }
    const Fault hit = *fault;
    if (--fault->times == 0) faults_.erase(fault);
    if (hit.cut_power) powered_ = false;
    Error error = ErrnoError(hit.code == Errc::kNoSpace ? ENOSPC : EIO, path);
    error.code = hit.code;
    return error;
  }
  return {};
}

Result<FaultyFileSystem::NodeRef> FaultyFileSystem::Find(const std::string& path) {
  NodeRef node = root_;
  for (const std::string& name : Split(path)) {
    if (!node->is_directory) return ErrnoError(ENOTDIR, path);
    const auto entry = node->entries.find(name);
    if (entry == node->entries.end()) return ErrnoError(ENOENT, path);
    node = entry->second;
  }
  return node;
}

Result<FaultyFileSystem::NodeRef> FaultyFileSystem::FindDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(NodeRef node, Find(path));
  if (!node->is_directory) return ErrnoError(ENOTDIR, path);
  return node;
}

Result<FaultyFileSystem::Place> FaultyFileSystem::FindPlace(const std::string& path) {
  std::vector<std::string> names = Split(path);
  if (names.empty()) return ErrnoError(EBUSY, path);
  Place place;
  place.name = names.back();
  names.pop_back();
  place.directory = root_;
  for (const std::string& name : names) {
    const auto entry = place.directory->entries.find(name);
    if (entry == place.directory->entries.end()) return ErrnoError(ENOENT, path);
    if (!entry->second->is_directory) return ErrnoError(ENOTDIR, path);
    place.directory = entry->second;
  }
  const auto entry = place.directory->entries.find(place.name);
  if (entry != place.directory->entries.end()) place.node = entry->second;
  return place;
}

Result<FaultyFileSystem::NodeRef> FaultyFileSystem::OpenNode(const std::string& path, OpenMode mode) {
  ASSIGN_OR_RETURN(Place place, FindPlace(path));
  if (place.node) {
    if (mode == OpenMode::kCreateNew) return ErrnoError(EEXIST, path);
    if (place.node->is_directory) return ErrnoError(EISDIR, path);
    if (mode == OpenMode::kCreateEmpty) place.node->content.Truncate(0);
    return place.node;
  }
  if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) return ErrnoError(ENOENT, path);
  NodeRef node = std::make_shared<Node>(budget_, false);
  node->mtime_ns = clock_.WallNs();
  place.directory->entries[place.name] = node;
  changes_.push_back({nullptr, {}, place.directory, place.name, node});
  return node;
}

Result<std::unique_ptr<File>> FaultyFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mu_);
  const bool creates = mode != OpenMode::kRead && mode != OpenMode::kReadWrite;
  RETURN_IF_ERROR(Enter(creates ? FsCall::kCreate : FsCall::kOpen, path));
  ASSIGN_OR_RETURN(NodeRef node, OpenNode(path, mode));
  return std::unique_ptr<File>(new OpenFile(*this, std::move(node), path, mode != OpenMode::kRead, life_));
}

Status FaultyFileSystem::CheckRename(const NodeRef& moved, const Place& to, const std::string& what) {
  std::vector<NodeRef> below{moved};  // a directory does not go into itself
  while (!below.empty()) {
    const NodeRef node = below.back();
    below.pop_back();
    if (node == to.directory) return ErrnoError(EINVAL, what);
    for (const auto& [name, child] : node->entries) below.push_back(child);
  }
  if (!to.node) return {};
  if (to.node->is_directory && !moved->is_directory) return ErrnoError(EISDIR, what);
  if (!to.node->is_directory && moved->is_directory) return ErrnoError(ENOTDIR, what);
  if (!to.node->entries.empty()) return ErrnoError(ENOTEMPTY, what);
  return {};
}

Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kRename, from));
  const std::string what = StrCat("renaming ", from, " to ", to);
  ASSIGN_OR_RETURN(const Place old_place, FindPlace(from));
  ASSIGN_OR_RETURN(const Place new_place, FindPlace(to));
  if (!old_place.node) return ErrnoError(ENOENT, what);
  if (old_place.node == new_place.node) return {};
  RETURN_IF_ERROR(CheckRename(old_place.node, new_place, what));
  old_place.directory->entries.erase(old_place.name);
  new_place.directory->entries[new_place.name] = old_place.node;
  changes_.push_back({old_place.directory, old_place.name, new_place.directory, new_place.name, old_place.node});
  return {};
}

Status FaultyFileSystem::Unlink(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kUnlink, path));
  ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  if (!place.node) return ErrnoError(ENOENT, path);
  if (place.node->is_directory) return ErrnoError(EISDIR, path);
  place.directory->entries.erase(place.name);
  changes_.push_back({place.directory, place.name, nullptr, {}, place.node});
  return {};
}

Status FaultyFileSystem::MakeDirectory(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kMakeDirectory, path));
  if (Split(path).empty()) return {};
  ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  if (place.node) return {};  // whatever it is, as mkdir's EEXIST
  const NodeRef node = std::make_shared<Node>(budget_, true);
  node->mtime_ns = clock_.WallNs();
  place.directory->entries[place.name] = node;
  changes_.push_back({nullptr, {}, place.directory, place.name, node});
  return {};
}

Status FaultyFileSystem::RemoveDirectory(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kRemoveDirectory, path));
  ASSIGN_OR_RETURN(const Place place, FindPlace(path));
  if (!place.node) return ErrnoError(ENOENT, path);
  if (!place.node->is_directory) return ErrnoError(ENOTDIR, path);
  if (!place.node->entries.empty()) return ErrnoError(ENOTEMPTY, path);
  place.directory->entries.erase(place.name);
  changes_.push_back({place.directory, place.name, nullptr, {}, place.node});
  return {};
}

Result<std::vector<std::string>> FaultyFileSystem::List(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kLook, path));
  ASSIGN_OR_RETURN(const NodeRef directory, FindDirectory(path));
  std::vector<std::string> names;
  for (const auto& [name, node] : directory->entries) names.push_back(name);
  return names;
}

Result<bool> FaultyFileSystem::Exists(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kLook, path));
  return Find(path).ok();
}

Result<FileStat> FaultyFileSystem::Stat(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kLook, path));
  ASSIGN_OR_RETURN(const NodeRef node, Find(path));
  return FileStat{node->content.size(), node->content.allocated_bytes(), node->mtime_ns};
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::Lock(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kCreate, path));
  ASSIGN_OR_RETURN(NodeRef node, OpenNode(path, OpenMode::kCreate));
  if (node->locked) return Error{Errc::kBusy, StrCat(path, " is in use by process ", getpid())};
  const std::string pid = StrCat(getpid(), '\n');
  node->content.Truncate(0);
  if (node->content.Write(0, AsBytes(pid)) < pid.size()) return ErrnoError(ENOSPC, path);
  node->locked = true;
  return std::unique_ptr<FileLock>(new HeldLock(*this, std::move(node), life_));
}

Result<SpaceInfo> FaultyFileSystem::Space(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kLook, path));
  RETURN_IF_ERROR(Find(path));
  const uint64_t free_pages = budget_.most - std::min(budget_.used, budget_.most);
  return SpaceInfo{budget_.most * PagedContent::kPageBytes, free_pages * PagedContent::kPageBytes};
}

Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kSyncDirectory, path));
  ASSIGN_OR_RETURN(const NodeRef directory, FindDirectory(path));
  SyncEntries(directory);
  return {};
}

Status FaultyFileSystem::SyncAll(const std::string& path) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Enter(FsCall::kSyncAll, path));
  SyncTree(root_);
  changes_.clear();
  return {};
}

// With it go the directories that a rename ties to it: half a rename is never on a disk.
void FaultyFileSystem::SyncEntries(const NodeRef& directory) {
  std::set<NodeRef> synced{directory};
  for (size_t before = 0; before != synced.size();) {
    before = synced.size();
    for (const Change& change : changes_) {
      if (!change.from_directory || !change.to_directory) continue;
      if (synced.contains(change.from_directory)) synced.insert(change.to_directory);
      if (synced.contains(change.to_directory)) synced.insert(change.from_directory);
    }
  }
  for (const NodeRef& one : synced) one->durable_entries = one->entries;
  std::erase_if(changes_, [&](const Change& change) {
    return synced.contains(change.from_directory) || synced.contains(change.to_directory);
  });
}

void FaultyFileSystem::SyncTree(const NodeRef& node) {
  node->content.Sync();
  node->durable_entries = node->entries;
  for (const auto& [name, child] : node->entries) SyncTree(child);
}

void FaultyFileSystem::CutPower() {
  MutexLock lock(mu_);
  powered_ = false;
}

void FaultyFileSystem::Restart(Survival survival, Random& random) {
  MutexLock lock(mu_);
  ++life_;
  powered_ = true;
  KeepEntries(survival, random);
  KeepContents(root_, survival, random);
}

void FaultyFileSystem::PowerLoss(Survival survival, Random& random) {
  CutPower();
  Restart(survival, random);
}

void FaultyFileSystem::KeepEntries(Survival survival, Random& random) {
  std::set<NodeRef> kept_nodes;
  std::vector<bool> kept(changes_.size());
  for (size_t i = changes_.size(); i-- > 0;) {
    kept[i] = survival == Survival::kEverything ||
              (survival == Survival::kRandom && (kept_nodes.contains(changes_[i].node) || random.OneIn(2)));
    if (kept[i]) kept_nodes.insert(changes_[i].node);
  }
  for (size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    if (!kept[i]) continue;
    if (change.from_directory) {
      auto& entries = change.from_directory->durable_entries;
      const auto entry = entries.find(change.from);
      if (entry != entries.end() && entry->second == change.node) entries.erase(entry);
    }
    if (change.to_directory) change.to_directory->durable_entries[change.to] = change.node;
  }
  changes_.clear();
}

void FaultyFileSystem::KeepContents(const NodeRef& node, Survival survival, Random& random) {
  node->locked = false;
  node->content.PowerLoss(survival, random);
  node->entries = node->durable_entries;
  for (const auto& [name, child] : node->entries) KeepContents(child, survival, random);
}

void FaultyFileSystem::Inject(Fault fault) {
  MutexLock lock(mu_);
  faults_.push_back(std::move(fault));
}

void FaultyFileSystem::ClearFaults() {
  MutexLock lock(mu_);
  faults_.clear();
}

bool FaultyFileSystem::powered() const {
  MutexLock lock(mu_);
  return powered_;
}

uint64_t FaultyFileSystem::Calls(FsCall call) const {
  MutexLock lock(mu_);
  return calls_[static_cast<size_t>(call)];
}

uint64_t FaultyFileSystem::ChangingCalls() const {
  MutexLock lock(mu_);
  uint64_t count = 0;
  for (size_t i = 0; i < kFsCallCount; ++i) {
    if (Changes(static_cast<FsCall>(i))) count += calls_[i];
  }
  return count;
}

void FaultyFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(mu_);
  budget_.most = bytes / PagedContent::kPageBytes;
}

uint64_t FaultyFileSystem::UsedBytes() const {
  MutexLock lock(mu_);
  return budget_.used * PagedContent::kPageBytes;
}

}  // namespace pailfs
