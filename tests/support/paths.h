// Paths as tests write them: "a/b/c", without a slash at the beginning; "" is the root.
#pragma once

#include <string>
#include <utility>

namespace pailfs {

// "a/b/c" into "a/b" and "c".
inline std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace pailfs
