#include "cli/compose.h"

#include <unistd.h>

#include <utility>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/str.h"
#include "cli/lock_holder.h"

namespace pailfs::cli {
namespace {

Metrics& CommandMetrics() {
  static Metrics metrics;
  return metrics;
}

Result<std::unique_ptr<store::EmbeddedStore>> OpenStoreWith(Metrics& metrics, const std::string& directory,
                                                            bool create) {
  store::EmbeddedStoreOptions options;
  options.create_if_missing = create;
  return store::EmbeddedStore::Open(PosixFileSystem(), SystemClock(), SystemRandom(), metrics, directory, options);
}

Result<std::unique_ptr<ObjectStore>> OpenOrMakeBucket(store::EmbeddedStore& store, const std::string& name,
                                                      bool* made) {
  auto bucket = store.OpenBucket(name);
  if (!bucket.Is(Errc::kNotFound)) return bucket;
  RETURN_IF_ERROR(store.CreateBucket(name, VersioningState::kEnabled));
  *made = true;
  return store.OpenBucket(name);
}

// "made store /s, bucket photos, cache /c"
std::string WhatWasMade(const std::string& store, const std::string& bucket, const std::string& cache) {
  std::string text;
  for (const auto& [what, name] : {std::pair("store ", &store), {"bucket ", &bucket}, {"cache ", &cache}}) {
    if (!name->empty()) text += StrCat(text.empty() ? "made " : ", ", what, *name);
  }
  return text;
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

cache::MountOptions CacheOptions(const Source& source, const MountSettings& settings) {
  cache::MountOptions options;
  options.directory = settings.cache_directory;
  options.prefix = source.Prefix();
  options.size_limit_bytes = settings.cache_size_bytes;
  options.writeback_delay_ns = settings.writeback_delay_ns;
  options.fsync_to_bucket = settings.fsync_to_bucket;
  options.posix_metadata = settings.posix_metadata;
  options.read_only = settings.read_only;
  options.uid = settings.uid;
  options.gid = settings.gid;
  options.default_uid = settings.uid.value_or(geteuid());
  options.default_gid = settings.gid.value_or(getegid());
  options.default_umask = settings.umask.value_or(022);
  options.host_name = HostName();
  return options;
}

}  // namespace

Result<std::unique_ptr<store::EmbeddedStore>> OpenStore(const std::string& directory, bool create) {
  auto opened = OpenStoreWith(CommandMetrics(), directory, create);
  if (!opened.Is(Errc::kBusy)) return opened;
  return Error{Errc::kBusy, StrCat(opened.error().message,
                                   "; unmount it first ('pailfs status' shows the mounts), or use the mounted files")};
}

Result<OpenedBucket> OpenBucket(const Source& source) {
  OpenedBucket opened;
  if (!source.store_exists) return Error{Errc::kNotFound, StrCat("there is no store in ", source.directory)};
  ASSIGN_OR_RETURN(opened.store, OpenStore(source.directory, /*create=*/false));
  ASSIGN_OR_RETURN(opened.bucket, opened.store->OpenBucket(source.bucket));
  return opened;
}

Result<std::unique_ptr<Mount>> Mount::Open(const Source& source, const MountSettings& settings, const Note& note) {
  std::unique_ptr<Mount> mount(new Mount(source.Canonical(), settings));
  FileSystem& files = PosixFileSystem();
  ASSIGN_OR_RETURN(const bool had_cache, files.Exists(settings.cache_directory + "/FORMAT"));
  LockWait wait(source.directory, note);
  for (;;) {
    auto opened = OpenStoreWith(mount->metrics_, source.directory, /*create=*/true);
    if (opened.ok()) {
      mount->store_ = std::move(*opened);
      break;
    }
    if (!opened.Is(Errc::kBusy) || !wait.Again()) return std::move(opened).error();
  }
  bool made_bucket = false;
  ASSIGN_OR_RETURN(mount->bucket_, OpenOrMakeBucket(*mount->store_, source.bucket, &made_bucket));
  const Status directory = MakeDirectories(files, settings.cache_directory);
  if (!directory.ok()) return directory.error().With("making the cache directory");
  LockWait cache_wait(settings.cache_directory, note);
  for (;;) {
    auto opened = cache::MountCache::Open(files, *mount->bucket_, SystemClock(), SystemRandom(), mount->metrics_,
                                          CacheOptions(source, settings));
    if (opened.ok()) {
      mount->cache_ = std::move(*opened);
      break;
    }
    if (!opened.Is(Errc::kBusy) || !cache_wait.Again()) return std::move(opened).error();
  }
  const std::string made_text =
      WhatWasMade(source.store_exists ? "" : source.directory, made_bucket ? source.bucket : "",
                  had_cache ? "" : settings.cache_directory);
  if (!made_text.empty()) note(made_text);
  return mount;
}

Mount::~Mount() {
  Close();
}

Status Mount::Attach(const std::string& mountpoint) {
  constexpr double kSolePossessionTimeout_s = 3600;
  fs::SessionOptions options;
  options.mountpoint = mountpoint;
  options.source = source_;
  options.allow_other = settings_.allow_other.value_or(geteuid() == 0);
  options.read_only = settings_.read_only;
  options.kernel_options = settings_.kernel_options;
  const double timeout_s = settings_.ttl_ns ? static_cast<double>(*settings_.ttl_ns) / 1e9 : kSolePossessionTimeout_s;
  options.entry_timeout_s = options.attribute_timeout_s = options.negative_timeout_s = timeout_s;
  ASSIGN_OR_RETURN(session_, fs::Session::Mount(*cache_, options));
  return {};
}

void Mount::Close() {
  session_.reset();
  if (cache_) cache_->Shutdown();
  cache_.reset();
  bucket_.reset();
  store_.reset();
}

}  // namespace pailfs::cli
