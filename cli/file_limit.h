// How many files the process may have open.
#pragma once

namespace pailfs::cli {

// As many as the system allows: the cache keeps one open for each file in use, a walk of a tree one for each level.
void RaiseFileLimit();

}  // namespace pailfs::cli
