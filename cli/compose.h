// Joins the boxes: store, cache and FUSE session of one mount; store and bucket of one command.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/metered_store.h"
#include "base/metrics.h"
#include "base/object_store.h"
#include "base/result.h"
#include "cache/mount_cache.h"
#include "cli/mount_settings.h"
#include "cli/s3_connection.h"
#include "cli/source.h"
#include "fs/session.h"
#include "store/embedded_store.h"

namespace pailfs::cli {

// Tells a person what is going on while something is opened.
using Note = std::function<void(std::string_view)>;

// A store for one command. Errors as EmbeddedStore::Open; kBusy says what to do.
Result<std::unique_ptr<store::EmbeddedStore>> OpenStore(const std::string& directory, bool create);

// The bucket of a source and what it lives in: a store that is not mounted, or a server.
struct OpenedBucket {
  ObjectStore& bucket() const { return s3 ? s3->bucket() : *in_store; }
  std::unique_ptr<store::EmbeddedStore> store;
  std::unique_ptr<ObjectStore> in_store;
  std::unique_ptr<S3Connection> s3;
};
Result<OpenedBucket> OpenBucket(const Source& source, const S3Settings& settings);

// Everything behind one mount. Open, then Mount, then Run once; then Drain and Close. Stop, Unmount and cache() may be
// used by other threads in between.
class Mount {
 public:
  // Connects to the server, or opens or makes the store and its bucket; opens or makes the cache. While another process
  // of ours that is about to end holds them, waits for up to a minute. `settings` with the S3 ones resolved.
  static Result<std::unique_ptr<Mount>> Open(const Source& source, const MountSettings& settings, const Note& note);
  ~Mount();

  // The file system answers when this returns.
  Status Attach(const std::string& mountpoint);
  // Serves until unmounted or stopped.
  Status Run() { return session_->Run(); }
  void Stop() { session_->Stop(); }
  Status Unmount(bool lazy) { return session_->Unmount(lazy); }
  // Ends cache and store in order. What is not in the bucket stays in the cache.
  void Close();

  cache::MountCache& cache() { return *cache_; }
  const std::string& cache_directory() const { return settings_.cache_directory; }
  const std::string& source() const { return source_; }
  Metrics& metrics() { return metrics_; }
  // Of a remote server: what is known of it.
  std::vector<std::pair<std::string, std::string>> DescribeServer() const;

 private:
  Mount(const Source& source, MountSettings settings)
      : kind_(source.kind), source_(source.Canonical()), settings_(std::move(settings)) {}

  Status OpenStoreBucket(const Source& source, const Note& note, std::string* made);
  Status Connect(const Source& source);
  Status OpenCache(const Source& source, const Note& note);

  const Source::Kind kind_;
  const std::string source_;
  const MountSettings settings_;
  std::string known_server_;  // what the cache remembered of it
  Metrics metrics_;
  // In the order in which they end: last to first.
  OpenedBucket opened_;
  std::unique_ptr<MeteredStore> bucket_;
  std::unique_ptr<cache::MountCache> cache_;
  std::unique_ptr<fs::Session> session_;
};

}  // namespace pailfs::cli
