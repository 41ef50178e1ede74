// Makes a tree as another one is: what is equal is left alone, so that a run that was broken off can be repeated.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/node.h"
#include "cli/node_copy.h"

namespace pailfs::cli {

struct RestoreOptions {
  Owners owners = Owners::kKeep;
  bool delete_extra = false;  // what the source does not have
  bool dry_run = false;
  int64_t patience_ms = 0;          // how long a file that is not uploaded yet is waited for before it is left alone
  std::vector<std::string> hidden;  // names that are no part of either tree
};

struct RestoreCounts {
  uint64_t files = 0;  // made or changed: everything but directories
  uint64_t directories = 0;
  uint64_t unchanged = 0;
  uint64_t deleted = 0;
  uint64_t failed = 0;

  uint64_t Looked() const { return files + directories + unchanged + failed; }
};

// Files are told by their paths.
class RestoreObserver : public CopyObserver {
 public:
  // One more was looked at.
  virtual void OnProgress(const RestoreCounts& counts) = 0;
  // What a dry run would do: "restore", "delete".
  virtual void OnPlan(std::string_view action, const std::string& path) = 0;
  // The rest goes on.
  virtual void OnFailure(const std::string& path, const Error& error) = 0;
};

// Where something is to be: a name in a directory; -1 is one that a dry run did not make.
struct Spot {
  int directory = -1;
  std::string name;
};

// Not thread-safe.
class TreeRestore {
 public:
  TreeRestore(RestoreOptions options, RestoreObserver& observer)
      : options_(std::move(options)), comparison_{options_.owners, /*directory_mtimes=*/true}, observer_(observer) {}

  // Makes `spot`, which is called `path`, as `source` is. Ends early when the observer requests it.
  void Restore(const Node& source, const Spot& spot, const std::string& path);
  const RestoreCounts& counts() const { return counts_; }

 private:
  void RestoreFile(const Node& source, const Spot& spot, const std::optional<Node>& present, const std::string& path);
  Status WaitUntilUploaded(const Spot& spot);
  Status Replace(const Node& source, const Spot& spot, const std::optional<Node>& present, const std::string& path);
  void RestoreDirectory(const Node& source, const Spot& spot, std::optional<Node> present, const std::string& path);
  void RestoreEntries(const Node& source, const std::optional<Node>& present, const std::string& path);
  Result<std::optional<Node>> MakeDirectory(const Spot& spot, bool in_the_way);
  Status FinishDirectory(const Node& source, const Spot& spot);
  void DeleteExtra(const std::vector<std::string>& wanted, const Node& present, const std::string& path);
  // The thing and everything below it, on the file system of `device` only.
  Status Delete(const Spot& spot, dev_t device, const std::string& path);
  Result<std::vector<std::string>> Names(const Node& directory) const;
  void Fail(const std::string& path, const Error& error);

  const RestoreOptions options_;
  const Comparison comparison_;
  RestoreObserver& observer_;
  RestoreCounts counts_;
};

struct TreeTotals {
  uint64_t nodes = 0;
  uint64_t bytes = 0;
};
// Of the source, for showing progress. What cannot be read does not count.
TreeTotals CountTree(const Node& source, const std::vector<std::string>& hidden, CopyObserver& observer);

}  // namespace pailfs::cli
