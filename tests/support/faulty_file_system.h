// FaultyFileSystem: a FileSystem in memory that loses power and fails calls on purpose.
//
// It is stricter than real ones: content and size of a file survive a power loss only after File::Sync; a name
// (created, renamed, unlinked) only after SyncDirectory of its directory, whatever was synced of the file. Without
// these, each 4 KiB page, each size and each change of a directory survives or not for itself; a rename is one change,
// and of several changes to one inode a later one never survives without the earlier ones. A failed Sync loses what it
// should have written, though a second Sync succeeds.
//
// A crash test: run until the power is cut (CutPower, or a Fault with cut_power); every call fails with kIo from then
// on; end what ran; Restart; open again and look.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/random.h"
#include "tests/support/paged_content.h"

namespace pailfs {

enum class FsCall : uint8_t {
  kOpen,    // that makes and empties nothing
  kCreate,  // Open with a mode that may create, and Lock
  kRead,    // ReadAt
  kLook,    // Stat, Exists, List, Space, SeekData, SeekHole
  kWrite,
  kSync,
  kTruncate,
  kAllocate,
  kPunchHole,
  kRename,
  kUnlink,
  kMakeDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kSyncAll,
};
inline constexpr size_t kFsCallCount = static_cast<size_t>(FsCall::kSyncAll) + 1;

// Which calls fail, and how. A failing write has written its first half.
struct Fault {
  std::optional<FsCall> call = {};  // none: every call that changes or syncs something
  std::string path_part = {};       // only paths that contain it
  uint64_t let_pass = 0;            // that many matching calls succeed first
  uint64_t times = 1;               // then that many fail
  Errc code = Errc::kIo;            // or kNoSpace
  bool cut_power = false;           // the power goes at the first failure
};

// Thread-safe. Must outlive its files and locks.
class FaultyFileSystem : public FileSystem {
 public:
  explicit FaultyFileSystem(const Clock& clock = SystemClock());
  ~FaultyFileSystem() override;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Result<FileStat> Stat(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;
  Status SyncAll(const std::string& path) override;

  // From now on every call fails with kIo and changes nothing.
  void CutPower();
  // What survived is there and works again; files and locks of before stay dead.
  void Restart(Survival survival, Random& random);
  // Both at once.
  void PowerLoss(Survival survival, Random& random);

  void Inject(Fault fault);
  void ClearFaults();
  bool powered() const;
  // Since the beginning, failed ones included.
  uint64_t Calls(FsCall call) const;
  // Those that change or sync something: the numbers that Fault{}.let_pass counts.
  uint64_t ChangingCalls() const;
  // What files may take, holes apart; kNoSpace over it.
  void SetCapacity(uint64_t bytes);
  uint64_t UsedBytes() const;

 private:
  struct Node;
  struct Change;
  struct Place;
  class OpenFile;
  class HeldLock;
  using NodeRef = std::shared_ptr<Node>;

  Status Enter(FsCall call, const std::string& path) REQUIRES(mu_);
  Result<NodeRef> Find(const std::string& path) REQUIRES(mu_);
  Result<NodeRef> FindDirectory(const std::string& path) REQUIRES(mu_);
  Result<Place> FindPlace(const std::string& path) REQUIRES(mu_);
  Result<NodeRef> OpenNode(const std::string& path, OpenMode mode) REQUIRES(mu_);
  Status CheckRename(const NodeRef& moved, const Place& to, const std::string& what) REQUIRES(mu_);
  void SyncEntries(const NodeRef& directory) REQUIRES(mu_);
  void SyncTree(const NodeRef& node) REQUIRES(mu_);
  void KeepEntries(Survival survival, Random& random) REQUIRES(mu_);
  void KeepContents(const NodeRef& node, Survival survival, Random& random) REQUIRES(mu_);

  const Clock& clock_;
  mutable Mutex mu_;
  PageBudget budget_ GUARDED_BY(mu_);
  NodeRef root_ GUARDED_BY(mu_);
  std::vector<Change> changes_ GUARDED_BY(mu_);  // of directories, not synced, in order
  bool powered_ GUARDED_BY(mu_) = true;
  uint64_t life_ GUARDED_BY(mu_) = 0;  // of the machine: how many power losses there were
  std::list<Fault> faults_ GUARDED_BY(mu_);
  std::array<uint64_t, kFsCallCount> calls_ GUARDED_BY(mu_){};
};

}  // namespace pailfs
