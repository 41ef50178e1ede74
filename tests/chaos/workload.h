// A cache over S3, with a proxy in between that does what networks and overloaded servers do. Writes, renames, reads
// and removals go on meanwhile; in the end bucket and tree are what they should be, and not a byte is lost.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/random.h"
#include "cache/mount_cache.h"
#include "s3client/s3_store.h"
#include "tests/support/chaos_proxy.h"
#include "tests/support/static_credentials.h"
#include "tests/support/temporary_directory.h"

namespace pailfs {

// The server behind the proxy, with an empty bucket.
struct ChaosTarget {
  int port = 0;  // of 127.0.0.1
  std::string region;
  std::string access_key_id;
  std::string secret_access_key;
  std::string bucket;
  ObjectStore& direct;  // the same bucket, past the proxy
};

// What a seed stands for: each level in turn, with and without versions.
ChaosLevel ChaosLevelOf(uint64_t seed);
VersioningState VersioningOf(uint64_t seed);

class ChaosWorkload {
 public:
  ChaosWorkload(const ChaosTarget& target, ChaosLevel level, uint64_t seed);
  void Run(int operations);

 private:
  using Tree = std::map<std::string, std::string>;  // path -> content; "d/" -> "/"

  static ChaosProxyOptions ProxyOptions(int port, ChaosLevel level, uint64_t seed);
  void Connect();
  void Open();
  // An orderly end, and a new start; with an empty cache only after everything is in the bucket.
  void Reopen(bool empty);

  // Until it is answered: what cannot be asked for fails, and is tried again as a user would.
  template <typename Call>
  auto Patiently(const Call& call);
  Result<cache::Ino> Find(const std::string& path);
  std::string AnyPath();
  // The directory of the path; made when it is not there.
  cache::Ino Parent(const std::string& path);

  void Step();
  void Write(const std::string& path, uint64_t size);
  void Append(const std::string& path);
  void Remove(const std::string& path);
  void Rename(const std::string& from, const std::string& to);
  Result<std::string> Content(cache::Ino ino);
  void Read(const std::string& path);

  Tree Show();
  void Walk(const std::string& path, cache::Ino dir, Tree* tree);
  Tree Bucket();

  SeededRandom random_;
  const ChaosTarget target_;
  ChaosProxy proxy_;
  StaticCredentials credentials_;
  const ChaosLevel level_;
  Metrics metrics_;
  std::unique_ptr<s3client::HttpTransport> transport_ = s3client::NewCurlTransport({});
  std::unique_ptr<s3client::S3Store> store_;
  TemporaryDirectory directory_;
  int generation_ = 0;
  std::unique_ptr<cache::MountCache> cache_;
  Tree model_;
};

}  // namespace pailfs
