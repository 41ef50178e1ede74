#include "cli/source.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/hash.h"
#include "base/str.h"
#include "store/embedded_store.h"

namespace pailfs::cli {
namespace {

constexpr std::string_view kStoreScheme = "store:";
constexpr std::string_view kS3Scheme = "s3://";

Error NotASource(std::string_view text, std::string_view why) {
  return Error{Errc::kInvalidArgument,
               StrCat("'", text, "' ", why, "; a source is written s3://BUCKET[/PREFIX] or store:DIR/BUCKET[/PREFIX]")};
}

// Where the directory of the store ends in `path`: at the longest part that is a store, else before the last component.
Result<size_t> DirectoryEnd(FileSystem& files, const std::string& path, bool* exists) {
  for (size_t end = path.size(); end > 0; end = path.rfind('/', end - 1)) {
    if (end == std::string::npos) break;
    const auto found = store::IsStore(files, path.substr(0, end));
    // What is no directory or too long cannot hold a store; what we may not look at could.
    if (found.Is(Errc::kAccessDenied)) return found.error();
    if (found.ok() && *found) {
      *exists = true;
      return end;
    }
    if (end == 1) break;
  }
  *exists = false;
  const size_t last = path.find_last_not_of('/');
  return last == std::string::npos ? 0 : path.rfind('/', last);
}

// Names of other times and of relatives of S3 are longer, or have capitals and underscores.
bool IsS3BucketName(std::string_view name) {
  if (name.size() < 3 || name.size() > 255) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
         std::string_view::npos;
}

Result<Source> ParseS3Source(std::string_view text) {
  const std::string_view path = text.substr(kS3Scheme.size());
  Source source;
  source.kind = Source::Kind::kS3;
  const size_t slash = path.find('/');
  source.bucket = path.substr(0, slash);
  if (slash != std::string_view::npos) source.rest = path.substr(slash + 1);
  if (!IsS3BucketName(source.bucket)) return NotASource(text, "names no bucket");
  return source;
}

}  // namespace

std::string AbsolutePath(std::string_view path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(std::filesystem::path(path), error);
  std::string normal = (error ? std::filesystem::path(path) : absolute).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

std::string Source::Canonical() const {
  if (kind == Kind::kS3) return StrCat(kS3Scheme, bucket, rest.empty() ? "" : "/", rest);
  return StrCat(kStoreScheme, directory, directory == "/" ? "" : "/", bucket, rest.empty() ? "" : "/", rest);
}

std::string Source::Prefix() const {
  std::string prefix = rest;
  while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
  return prefix.empty() ? prefix : prefix + '/';
}

Result<Source> ParseSource(FileSystem& files, std::string_view text) {
  if (text.starts_with(kS3Scheme)) return ParseS3Source(text);
  if (!text.starts_with(kStoreScheme)) return NotASource(text, "is no source");
  std::string path(text.substr(kStoreScheme.size()));
  if (path.empty()) return NotASource(text, "names no directory");
  if (path.front() != '/') path = StrCat(AbsolutePath("."), '/', path);

  Source source;
  ASSIGN_OR_RETURN(const size_t end, DirectoryEnd(files, path, &source.store_exists));
  source.directory = AbsolutePath(end == 0 ? "/" : path.substr(0, end));
  const size_t bucket_at = path.find_first_not_of('/', end);
  if (bucket_at == std::string::npos) return NotASource(text, "names a store but no bucket in it");
  const size_t bucket_end = std::min(path.find('/', bucket_at), path.size());
  source.bucket = path.substr(bucket_at, bucket_end - bucket_at);
  if (bucket_end < path.size()) source.rest = path.substr(bucket_end + 1);
  if (!store::IsBucketName(source.bucket)) {
    return Error{Errc::kInvalidArgument,
                 StrCat("'", source.bucket,
                        "' cannot be the name of a bucket: 3 to 63 of a-z, 0-9, '-' and '.', beginning and "
                        "ending with a letter or digit")};
  }
  return source;
}

Result<std::string> DefaultCacheDirectory(const Source& source, std::string_view endpoint) {
  Source root = source;
  root.rest = source.Prefix();
  const uint64_t hash = StableHash64(StrCat(root.Canonical(), endpoint.empty() ? "" : " at ", endpoint));
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(hash >> (56 - 8 * i));
  const std::string name = StrCat(source.bucket, '-', Hex(bytes));
  if (geteuid() == 0) return "/var/cache/pailfs/" + name;
  const char* cache_home = std::getenv("XDG_CACHE_HOME");
  if (cache_home != nullptr && cache_home[0] == '/') return StrCat(cache_home, "/pailfs/", name);
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return StrCat(home, "/.cache/pailfs/", name);
  return Error{Errc::kInvalidArgument,
               "neither HOME nor XDG_CACHE_HOME is set; say where the cache goes with -o cache=DIR"};
}

}  // namespace pailfs::cli
