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

constexpr int64_t kFirstThinningNs = 300'000'000'000;

Result<std::unique_ptr<store::EmbeddedStore>> OpenStoreWith(Metrics& metrics, const std::string& directory,
                                                            const store::EmbeddedStoreOptions& options) {
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

// "made store /s, bucket photos"
std::string WhatWasMade(const std::string& store, const std::string& bucket) {
  std::string text;
  for (const auto& [what, name] : {std::pair("store ", &store), {"bucket ", &bucket}}) {
    if (!name->empty()) text += StrCat(text.empty() ? "made " : ", ", what, *name);
  }
  return text;
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

// Of names and attributes. A store of ours is ours alone.
int64_t TtlNs(Source::Kind kind, const MountSettings& settings) {
  constexpr int64_t kRemoteNs = 1'000'000'000;
  constexpr int64_t kSolePossessionNs = 3'600'000'000'000;
  return settings.ttl_ns.value_or(kind == Source::Kind::kS3 ? kRemoteNs : kSolePossessionNs);
}

cache::MountOptions CacheOptions(const Source& source, const MountSettings& settings) {
  cache::MountOptions options;
  options.directory = settings.cache_directory;
  options.prefix = source.Prefix();
  options.size_limit_bytes = settings.cache_size_bytes;
  options.writeback_delay_ns = settings.writeback_delay_ns;
  if (source.kind == Source::Kind::kS3) {
    options.ttl_ns = TtlNs(source.kind, settings);
    options.utf8_names = true;
  } else {
    options.late_arrival_ns = 0;  // nothing lies between us and the store
  }
  options.fsync_to_bucket = settings.fsync_to_bucket;
  options.posix_metadata = settings.posix_metadata;
  options.snapshot_view = settings.snapshot_view;
  options.snapshot_name = settings.snapshot_name;
  options.versions_name = settings.versions_name;
  options.snapshot_series = settings.snapshot_series;
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
  store::EmbeddedStoreOptions options;
  options.create_if_missing = create;
  auto opened = OpenStoreWith(CommandMetrics(), directory, options);
  if (!opened.Is(Errc::kBusy)) return opened;
  return Error{Errc::kBusy, StrCat(opened.error().message,
                                   "; unmount it first ('pailfs status' shows the mounts), or use the mounted files")};
}

Result<OpenedBucket> OpenBucket(const Source& source, const S3Settings& settings) {
  OpenedBucket opened;
  if (source.kind == Source::Kind::kS3) {
    FileSystem& files = PosixFileSystem();
    ASSIGN_OR_RETURN(const S3Settings resolved, ResolveS3(settings, files, s3client::ProcessEnvironment()));
    ASSIGN_OR_RETURN(opened.s3,
                     S3Connection::Open(source, resolved, S3Connection::Use::kBriefly, files, CommandMetrics(), ""));
    return opened;
  }
  if (!source.store_exists) return Error{Errc::kNotFound, StrCat("there is no store in ", source.directory)};
  ASSIGN_OR_RETURN(opened.store, OpenStore(source.directory, /*create=*/false));
  ASSIGN_OR_RETURN(opened.in_store, opened.store->OpenBucket(source.bucket));
  return opened;
}

Status Mount::OpenStoreBucket(const Source& source, const Note& note, std::string* made) {
  store::EmbeddedStoreOptions options;
  if (!settings_.read_only) options.first_thinning_ns = kFirstThinningNs;
  LockWait wait(source.directory, note);
  for (;;) {
    auto opened = OpenStoreWith(metrics_, source.directory, options);
    if (opened.ok()) {
      opened_.store = std::move(*opened);
      break;
    }
    if (!opened.Is(Errc::kBusy) || !wait.Again()) return std::move(opened).error();
  }
  bool made_bucket = false;
  ASSIGN_OR_RETURN(opened_.in_store, OpenOrMakeBucket(*opened_.store, source.bucket, &made_bucket));
  *made = WhatWasMade(source.store_exists ? "" : source.directory, made_bucket ? source.bucket : "");
  return {};
}

// What a server can do is remembered with the cache.
Status Mount::Connect(const Source& source) {
  FileSystem& files = PosixFileSystem();
  const std::string path = settings_.cache_directory + "/SERVER";
  const auto known = ReadFile(files, path);
  if (known.ok()) known_server_ = *known;
  const auto use = settings_.read_only ? S3Connection::Use::kReadOnly : S3Connection::Use::kMount;
  ASSIGN_OR_RETURN(opened_.s3,
                   S3Connection::Open(source, settings_.s3, use, files, metrics_, known.ok() ? *known : ""));
  return {};
}

Status Mount::OpenCache(const Source& source, const Note& note) {
  FileSystem& files = PosixFileSystem();
  const Status directory = MakeDirectories(files, settings_.cache_directory);
  if (!directory.ok()) return directory.error().With("making the cache directory");
  LockWait wait(settings_.cache_directory, note);
  for (;;) {
    auto opened = cache::MountCache::Open(files, *bucket_, SystemClock(), SystemRandom(), metrics_,
                                          CacheOptions(source, settings_));
    if (opened.ok()) {
      cache_ = std::move(*opened);
      return {};
    }
    if (!opened.Is(Errc::kBusy) || !wait.Again()) return std::move(opened).error();
  }
}

Result<std::unique_ptr<Mount>> Mount::Open(const Source& source, const MountSettings& settings, const Note& note) {
  std::unique_ptr<Mount> mount(new Mount(source, settings));
  FileSystem& files = PosixFileSystem();
  ASSIGN_OR_RETURN(const bool had_cache, files.Exists(settings.cache_directory + "/FORMAT"));
  std::string made;
  if (source.kind == Source::Kind::kS3) {
    RETURN_IF_ERROR(mount->Connect(source));
  } else {
    RETURN_IF_ERROR(mount->OpenStoreBucket(source, note, &made));
  }
  mount->bucket_ = std::make_unique<MeteredStore>(mount->opened_.bucket(), mount->metrics_);
  RETURN_IF_ERROR(mount->OpenCache(source, note));
  if (mount->opened_.s3 && mount->opened_.s3->ServerText() != mount->known_server_) {
    RETURN_IF_ERROR(WriteFileDurably(files, settings.cache_directory + "/SERVER", mount->opened_.s3->ServerText()));
  }
  if (!had_cache) made += StrCat(made.empty() ? "made " : ", ", "cache ", settings.cache_directory);
  if (!made.empty()) note(made);
  return mount;
}

std::vector<std::pair<std::string, std::string>> Mount::DescribeServer() const {
  if (!opened_.s3) return {};
  return opened_.s3->Describe();
}

Mount::~Mount() {
  Close();
}

Status Mount::Attach(const std::string& mountpoint) {
  fs::SessionOptions options;
  options.mountpoint = mountpoint;
  options.source = source_;
  options.allow_other = settings_.allow_other.value_or(geteuid() == 0);
  options.read_only = settings_.read_only;
  options.kernel_options = settings_.kernel_options;
  const double timeout_s = static_cast<double>(TtlNs(kind_, settings_)) / 1e9;
  options.entry_timeout_s = options.attribute_timeout_s = options.negative_timeout_s = timeout_s;
  ASSIGN_OR_RETURN(session_, fs::Session::Mount(*cache_, options));
  return {};
}

void Mount::Close() {
  session_.reset();
  if (cache_) cache_->Shutdown();
  cache_.reset();
  bucket_.reset();
  opened_ = {};
}

}  // namespace pailfs::cli
