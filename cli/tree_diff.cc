#include "cli/tree_diff.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "base/str.h"

namespace pailfs::cli {
namespace {

bool IsDirectory(const std::optional<Node>& node) {
  return node && node->IsDirectory();
}

// In the views of the past, what is one version has one inode number.
bool SameInode(const Node& a, const Node& b) {
  return a.st().st_dev == b.st().st_dev && a.st().st_ino == b.st().st_ino;
}

class Walk {
 public:
  Walk(const PastNames& names, DiffObserver& observer) : names_(names), observer_(observer) {}

  void CompareOne(const std::optional<Node>& then, const std::optional<Node>& now, const std::string& path) {
    if (!then && !now) return;
    if (!then) return observer_.OnChange(Change::kAdded, path);
    if (!now) return observer_.OnChange(Change::kDeleted, path);
    if (!then->IsDirectory() && SameInode(*then, *now)) return;
    const auto difference = Compare(*then, *now, Comparison());
    if (!difference.ok()) return observer_.OnFailure(path, difference.error());
    switch (*difference) {
      case Difference::kNone:
        return;
      case Difference::kMetadata:
        return observer_.OnChange(Change::kMetadata, path);
      case Difference::kContent:
        return observer_.OnChange(Change::kChanged, path);
      case Difference::kType:
        return observer_.OnChange(Change::kType, path);
    }
  }

  // Of what is no directory there are no entries. `prefix` is empty or ends in a slash.
  void CompareEntries(const std::optional<Node>& then, const std::optional<Node>& now, const std::string& prefix) {
    const auto names_then = Names(then, prefix);
    const auto names_now = Names(now, prefix);
    std::vector<std::string> names;
    std::set_union(names_then.begin(), names_then.end(), names_now.begin(), names_now.end(), std::back_inserter(names));
    // What is below "a" is due at "a/": after "a.txt", before "ab".
    std::set<std::string> due;
    for (const std::string& name : names) {
      while (!due.empty() && *due.begin() < name) Descend(then, now, prefix, &due);
      const auto entry_then = Entry(then, name, prefix);
      const auto entry_now = Entry(now, name, prefix);
      CompareOne(entry_then, entry_now, prefix + name);
      if (IsDirectory(entry_then) || IsDirectory(entry_now)) due.insert(name + '/');
    }
    while (!due.empty()) Descend(then, now, prefix, &due);
  }

 private:
  void Descend(const std::optional<Node>& then, const std::optional<Node>& now, const std::string& prefix,
               std::set<std::string>* due) {
    const std::string key = std::move(due->extract(due->begin()).value());
    const std::string name = key.substr(0, key.size() - 1);
    CompareEntries(Entry(then, name, prefix), Entry(now, name, prefix), prefix + key);
  }

  std::optional<Node> Entry(const std::optional<Node>& directory, const std::string& name, const std::string& prefix) {
    if (!IsDirectory(directory)) return std::nullopt;
    auto entry = Node::Look(directory->fd(), name);
    if (entry.ok()) return std::move(*entry);
    observer_.OnFailure(prefix + name, entry.error());
    return std::nullopt;
  }

  std::vector<std::string> Names(const std::optional<Node>& directory, const std::string& prefix) {
    if (!IsDirectory(directory)) return {};
    auto names = directory->List();
    if (names.ok()) return names_.Visible(std::move(*names));
    observer_.OnFailure(prefix.empty() ? "." : prefix, names.error());
    return {};
  }

  const PastNames& names_;
  DiffObserver& observer_;
};

}  // namespace

void DiffTrees(const std::optional<Node>& then, const std::optional<Node>& now, const PastNames& names,
               DiffObserver& observer) {
  Walk walk(names, observer);
  walk.CompareOne(then, now, ".");
  walk.CompareEntries(then, now, "");
}

}  // namespace pailfs::cli
