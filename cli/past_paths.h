// Where a mount shows the past of a path: PATH's directory holds two names, hidden from readdir, under which its tree
// at any time, and the versions of its files, are found.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pailfs::cli {

struct PastNames {
  std::string snapshot = ".snapshot";
  std::string versions = ".versions";

  bool Hides(std::string_view name) const { return name == snapshot || name == versions; }
  // Without the two.
  std::vector<std::string> Visible(std::vector<std::string> names) const;
};

// The two names in a directory. kUnsupported: it is not in a pailfs mount, or they are switched off there.
using PastNamesReader = std::function<Result<PastNames>(const std::string& directory)>;
Result<PastNames> ReadPastNames(const std::string& directory);

struct PastPlace {
  std::string base;  // the nearest directory above the path that exists; the path itself if it is the root of its mount
  std::string rest;  // what follows; empty: nothing
  PastNames names;

  std::string Live() const;                             // the path
  std::string Snapshot(const std::string& time) const;  // the path at that time
  std::string Versions() const;                         // its versions
};

// The path need not exist, but a directory above it that is in a mount must.
Result<PastPlace> FindPastPlace(const std::string& path, const PastNamesReader& read_names);

// kInvalidArgument for what cannot be a time, or a snapshot's name, because it is no name of a file.
Status CheckTimeText(std::string_view time);
// Does the mount know that time? kNotFound when not: then "not there at that time" does not explain a missing path.
Status CheckTimeIsKnown(const PastPlace& place, const std::string& time, const PastNamesReader& read_names);

// A path without trailing slashes, as directory and last name. What ends in "." or ".." gets its real name; the root,
// and what `path` has no directory for, are refused. "." stands for no directory.
struct SplitPath {
  std::string directory;
  std::string name;
};
Result<SplitPath> SplitLastName(const std::string& path);

}  // namespace pailfs::cli
