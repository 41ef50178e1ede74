// What is mounted: "store:DIR/BUCKET[/prefix]" or "s3://BUCKET[/prefix]".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"

namespace pailfs::cli {

struct Source {
  enum class Kind : uint8_t { kStore, kS3 };
  Kind kind = Kind::kStore;
  std::string directory;  // of the store; absolute
  bool store_exists = false;
  std::string bucket;
  std::string rest;  // what follows the bucket and its slash, byte for byte: a key or a prefix; often empty

  // "store:DIR/BUCKET[/rest]" with the absolute directory, "s3://BUCKET[/rest]": the same for every way to write a
  // source.
  std::string Canonical() const;
  // `rest` as a prefix of keys: empty or with one slash at its end.
  std::string Prefix() const;
};

// The longest leading part of the path that holds a store is its directory and the next component the bucket; where
// there is no store yet, the last component is the bucket. A relative path starts at the current directory.
// kInvalidArgument for what is no source.
Result<Source> ParseSource(FileSystem& files, std::string_view text);

// The absolute, lexically normal form of a path.
std::string AbsolutePath(std::string_view path);

// Where the cache of a source is kept when nobody says, one for each bucket of each `endpoint` (empty: AWS): below
// /var/cache/pailfs for root, $XDG_CACHE_HOME/pailfs or
// ~/.cache/pailfs otherwise.
Result<std::string> DefaultCacheDirectory(const Source& source, std::string_view endpoint);

}  // namespace pailfs::cli
