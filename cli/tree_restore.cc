#include "cli/tree_restore.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/str.h"

namespace pailfs::cli {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void TreeRestore::Fail(const std::string& path, const Error& error) {
  if (error.code == Errc::kCancelled && observer_.StopRequested()) return;
  ++counts_.failed;
  observer_.OnFailure(path, error);
}

Result<std::vector<std::string>> TreeRestore::Names(const Node& directory) const {
  ASSIGN_OR_RETURN(std::vector<std::string> names, directory.List());
  std::erase_if(names, [this](const std::string& name) { return Contains(options_.hidden, name); });
  return names;
}

void TreeRestore::Restore(const Node& source, const Spot& spot, const std::string& path) {
  if (observer_.StopRequested()) return;
  auto present = Node::Look(spot.directory, spot.name);
  if (!present.ok()) {
    Fail(path, present.error());
  } else if (source.IsDirectory()) {
    RestoreDirectory(source, spot, std::move(*present), path);
  } else {
    RestoreFile(source, spot, *present, path);
  }
  observer_.OnProgress(counts_);
}

void TreeRestore::RestoreFile(const Node& source, const Spot& spot, const std::optional<Node>& present,
                              const std::string& path) {
  auto difference = Difference::kType;
  if (present) {
    const auto compared = Compare(source, *present, comparison_);
    if (!compared.ok()) return Fail(path, compared.error());
    difference = *compared;
  }
  if (difference == Difference::kNone) {
    ++counts_.unchanged;
    observer_.OnBytes(source.IsRegular() ? source.size() : 0);
    return;
  }
  Status done;
  if (options_.dry_run) {
    observer_.OnPlan("restore", path);
  } else if (difference == Difference::kMetadata) {
    done = present->CopyMetadata(source, options_.owners);
    observer_.OnBytes(source.IsRegular() ? source.size() : 0);
  } else {
    done = Replace(source, spot, present, path);
  }
  done.ok() ? static_cast<void>(++counts_.files) : Fail(path, done.error());
}

// What would be lost for good: bytes that the bucket has no version of.
Status TreeRestore::WaitUntilUploaded(const Spot& spot) {
  constexpr int64_t kStepMs = 100;
  for (int64_t waited_ms = 0;; waited_ms += kStepMs) {
    ASSIGN_OR_RETURN(const auto node, Node::Look(spot.directory, spot.name));
    if (!node || !node->IsRegular()) return {};
    ASSIGN_OR_RETURN(const auto state, node->Xattr("user.pailfs.state"));
    if (!state || *state == "clean") return {};
    if (observer_.StopRequested()) return Error{Errc::kCancelled, "interrupted"};
    if (waited_ms >= options_.patience_ms) {
      return Error{Errc::kBusy, "is not uploaded yet, so that replacing it would lose it; run 'pailfs flush' first"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));
  }
}

Status TreeRestore::Replace(const Node& source, const Spot& spot, const std::optional<Node>& present,
                            const std::string& path) {
  RETURN_IF_ERROR(WaitUntilUploaded(spot));
  ASSIGN_OR_RETURN(TemporaryCopy copy, TemporaryCopy::Make(source, spot.directory, options_.owners, observer_));
  if (present && present->IsDirectory()) {
    if (options_.delete_extra) {
      RETURN_IF_ERROR(Delete(spot, present->st().st_dev, path));
    } else if (unlinkat(spot.directory, spot.name.c_str(), AT_REMOVEDIR) != 0) {
      if (errno != ENOTEMPTY && errno != EEXIST) return ErrnoError(errno, "removing the directory of that name");
      return Error{Errc::kIsADirectory, "is a directory with files now; --delete removes it"};
    }
  }
  return copy.TakeName(spot.name, TemporaryCopy::Replace::kFile);
}

void TreeRestore::RestoreDirectory(const Node& source, const Spot& spot, std::optional<Node> present,
                                   const std::string& path) {
  const bool in_the_way = present && !present->IsDirectory();
  if (in_the_way) present.reset();
  auto difference = Difference::kType;
  if (present) {
    const auto compared = Compare(source, *present, comparison_);
    if (!compared.ok()) return Fail(path, compared.error());
    difference = *compared;
  }
  if (difference != Difference::kNone && options_.dry_run) observer_.OnPlan("restore", path);
  if (!present && !options_.dry_run) {
    auto made = MakeDirectory(spot, in_the_way);
    if (!made.ok()) return Fail(path, made.error());
    present = std::move(*made);
  }
  RestoreEntries(source, present, path);
  if (observer_.StopRequested()) return;
  const Status finished = options_.dry_run ? Status() : FinishDirectory(source, spot);
  if (!finished.ok()) return Fail(path, finished.error());
  ++(difference == Difference::kNone ? counts_.unchanged : counts_.directories);
}

Result<std::optional<Node>> TreeRestore::MakeDirectory(const Spot& spot, bool in_the_way) {
  if (in_the_way) {
    RETURN_IF_ERROR(WaitUntilUploaded(spot));
    if (unlinkat(spot.directory, spot.name.c_str(), 0) != 0) return ErrnoError(errno, "removing the file of that name");
  }
  // Only ours until it is whole.
  if (mkdirat(spot.directory, spot.name.c_str(), 0700) != 0) return ErrnoError(errno, "making the directory");
  ASSIGN_OR_RETURN(Node made, Node::Find(spot.directory, spot.name));
  return std::optional(std::move(made));
}

void TreeRestore::RestoreEntries(const Node& source, const std::optional<Node>& present, const std::string& path) {
  const auto names = Names(source);
  if (!names.ok()) return Fail(path, names.error());
  if (present && options_.delete_extra) DeleteExtra(*names, *present, path);
  for (const std::string& name : *names) {
    if (observer_.StopRequested()) return;
    if (IsTemporaryName(name)) continue;
    const std::string below = JoinPath(path, name);
    const auto entry = Node::Find(source.fd(), name);
    if (!entry.ok()) {
      Fail(below, entry.error());
      continue;
    }
    Restore(*entry, Spot{present ? present->fd() : -1, name}, below);
  }
}

// Last: whatever happens in a directory changes its time.
Status TreeRestore::FinishDirectory(const Node& source, const Spot& spot) {
  ASSIGN_OR_RETURN(const Node now, Node::Find(spot.directory, spot.name));
  ASSIGN_OR_RETURN(const Difference difference, Compare(source, now, comparison_));
  if (difference == Difference::kNone) return {};
  return now.CopyMetadata(source, options_.owners);
}

void TreeRestore::DeleteExtra(const std::vector<std::string>& wanted, const Node& present, const std::string& path) {
  const auto names = Names(present);
  if (!names.ok()) return Fail(path, names.error());
  for (const std::string& name : *names) {
    if (observer_.StopRequested()) return;
    if (std::binary_search(wanted.begin(), wanted.end(), name) && !IsTemporaryName(name)) continue;
    const std::string below = JoinPath(path, name);
    const Status deleted = Delete(Spot{present.fd(), name}, present.st().st_dev, below);
    if (!deleted.ok()) Fail(below, deleted.error());
  }
}

Status TreeRestore::Delete(const Spot& spot, dev_t device, const std::string& path) {
  if (observer_.StopRequested()) return Error{Errc::kCancelled, "interrupted"};
  ASSIGN_OR_RETURN(const Node node, Node::Find(spot.directory, spot.name));
  if (node.st().st_dev != device) return Error{Errc::kBusy, "another file system is mounted there"};
  if (node.IsDirectory()) {
    ASSIGN_OR_RETURN(const auto names, Names(node));
    for (const std::string& name : names) {
      const std::string below = JoinPath(path, name);
      const Status deleted = Delete(Spot{node.fd(), name}, device, below);
      if (!deleted.ok()) return deleted.Is(Errc::kCancelled) ? deleted : deleted.error().With(name);
    }
  }
  if (options_.dry_run) {
    observer_.OnPlan("delete", path);
  } else {
    RETURN_IF_ERROR(WaitUntilUploaded(spot));
    const int flags = node.IsDirectory() ? AT_REMOVEDIR : 0;
    if (unlinkat(spot.directory, spot.name.c_str(), flags) != 0) return ErrnoError(errno, "deleting it");
  }
  ++counts_.deleted;
  return {};
}

TreeTotals CountTree(const Node& source, const std::vector<std::string>& hidden, CopyObserver& observer) {
  TreeTotals totals;
  totals.nodes = 1;
  if (source.IsRegular()) totals.bytes = source.size();
  if (!source.IsDirectory()) return totals;
  const auto names = source.List();
  if (!names.ok()) return totals;
  for (const std::string& name : *names) {
    if (observer.StopRequested()) break;
    if (IsTemporaryName(name) || Contains(hidden, name)) continue;
    const auto entry = Node::Find(source.fd(), name);
    if (!entry.ok()) continue;
    const TreeTotals below = CountTree(*entry, hidden, observer);
    totals.nodes += below.nodes;
    totals.bytes += below.bytes;
  }
  return totals;
}

}  // namespace pailfs::cli
