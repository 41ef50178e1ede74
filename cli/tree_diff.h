// What is different between two trees.
#pragma once

#include <optional>
#include <string>

#include "cli/node.h"
#include "cli/past_paths.h"

namespace pailfs::cli {

enum class Change : uint8_t { kAdded, kChanged, kDeleted, kType, kMetadata };

class DiffObserver {
 public:
  virtual ~DiffObserver() = default;
  // `path`: from the top, which is ".".
  virtual void OnChange(Change change, const std::string& path) = 0;
  // The rest goes on.
  virtual void OnFailure(const std::string& path, const Error& error) = 0;
};

// Tells every change, below what was added or deleted too, in the order of the paths' bytes. The mtimes of directories
// do not count: they follow from the changes in them. Of the names in a tree those that `names` hides do not count.
void DiffTrees(const std::optional<Node>& then, const std::optional<Node>& now, const PastNames& names,
               DiffObserver& observer);

}  // namespace pailfs::cli
