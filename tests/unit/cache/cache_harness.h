// A cache over a MemoryStore, driven by hand: no threads, a clock that moves when told to, and crashes.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/metered_store.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/str.h"
#include "cache/mount_cache.h"
#include "tests/support/faulty_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/paths.h"
#include "tests/support/results.h"
#include "tests/support/string_sink.h"
#include "tests/support/temporary_directory.h"

namespace pailfs::cache {

// The bucket behind the cache.
struct TestBucket {
  VersioningState versioning = VersioningState::kEnabled;
  // Others may change it, and listings carry no metadata, as behind S3. Else it is ours alone.
  bool shared = false;
  bool atomic_conditions = true;
};
inline void PrintTo(const TestBucket& bucket, std::ostream* out) {
  const bool suspended = bucket.versioning == VersioningState::kSuspended;
  *out << (bucket.versioning == VersioningState::kEnabled ? "Enabled"
           : suspended                                    ? "Suspended"
                                                          : "Off")
       << (bucket.shared ? "Shared" : "");
}
// For INSTANTIATE_TEST_SUITE_P.
inline auto AllBuckets() {
  return testing::Values(TestBucket{VersioningState::kEnabled, false}, TestBucket{VersioningState::kOff, false},
                         TestBucket{VersioningState::kEnabled, true}, TestBucket{VersioningState::kOff, true});
}

class CacheHarness {
 public:
  static constexpr int64_t kTtlNs = 1'000'000'000;  // of a shared bucket

  explicit CacheHarness(const TestBucket& bucket = {}, uint64_t seed = 1)
      : files_(PosixFileSystem()),
        random_(seed),
        own_(std::make_unique<Own>(StoreOptions(bucket))),
        clock_(own_->clock),
        memory_(own_->memory),
        faulty_(memory_),
        store_(faulty_, metrics_) {
    if (bucket.shared) options_.ttl_ns = kTtlNs;
    MakeRoot();
    Open();
  }
  // Another mount of the same bucket.
  CacheHarness(CacheHarness& other, const std::string& host_name)
      : files_(PosixFileSystem()),
        random_(other.random_.Next()),
        clock_(other.clock_),
        memory_(other.memory_),
        faulty_(memory_),
        store_(faulty_, metrics_) {
    options_.ttl_ns = kTtlNs;
    options_.host_name = host_name;
    MakeRoot();
    Open();
  }
  // Over a file system of a test, in /cache; the caller opens it.
  CacheHarness(const TestBucket& bucket, uint64_t seed, FileSystem& files)
      : files_(files),
        random_(seed),
        own_(std::make_unique<Own>(StoreOptions(bucket))),
        clock_(own_->clock),
        memory_(own_->memory),
        faulty_(memory_),
        store_(faulty_, metrics_),
        directory_("/cache") {
    if (bucket.shared) options_.ttl_ns = kTtlNs;
  }

  void Open() {
    options_.directory = directory_;
    options_.background = false;
    if (options_.host_name.empty()) options_.host_name = "host";
    auto opened = MountCache::Open(files_, store_, clock_, random_, metrics_, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    cache_ = std::move(*opened);
  }
  void Close() { cache_.reset(); }
  // An orderly end and a new start.
  void Reopen() {
    cache_.reset();
    Open();
  }
  // What kill -9 leaves: the directory as it is at this moment.
  void Crash() {
    const std::string next = StrCat(root_->path(), '/', ++generation_);
    // The database deletes old files in the background; a copy that met that is made again.
    for (std::error_code failed;;) {
      std::filesystem::copy(directory_, next, std::filesystem::copy_options::recursive, failed);
      if (!failed) break;
      std::filesystem::remove_all(next);
    }
    cache_.reset();
    directory_ = next;
    Open();
  }
  // Everything cached is gone; only the bucket is left.
  void ReopenEmpty() {
    cache_.reset();
    directory_ = StrCat(root_->path(), '/', ++generation_);
    Open();
  }
  // Writes everything back.
  void Flush() {
    const auto steps = cache_->RunWriteBack(ctx_, /*ignore_delay=*/true);
    ASSERT_TRUE(steps.ok()) << steps.error().message;
    for (const UploadError& error : cache_->GetStatus().errors) ADD_FAILURE() << error.path << ": " << error.message;
    EXPECT_EQ(cache_->GetStatus().dirty_inodes, 0U);
    EXPECT_EQ(cache_->GetStatus().pending_deletes, 0U);
  }

  MountCache& operator*() { return *cache_; }
  MountCache* operator->() { return cache_.get(); }

  // --- short forms for paths; "" is the root ---
  Ino At(const std::string& path) {
    Ino ino = kRootIno;
    for (const auto& name : std::filesystem::path(path)) {
      const auto found = cache_->Lookup(ctx_, ino, name.string());
      if (!found.ok()) return 0;
      ino = found->ino;
    }
    return ino;
  }
  Status WriteFile(const std::string& path, std::string_view content) {
    const auto [dir, name] = SplitPath(path);
    NewInode inode;
    inode.mode = S_IFREG | 0644;
    const OpenFlags flags{true, true};
    ASSIGN_OR_RETURN(const Attributes made, cache_->Create(ctx_, At(dir), name, inode, {0, 0, 022}, flags, false));
    Status status = cache_->Write(ctx_, made.ino, 0, AsBytes(content), false);
    if (status.ok()) status = cache_->Flush(ctx_, made.ino);
    cache_->Close(made.ino, flags);
    return status;
  }
  Status WriteAt(const std::string& path, uint64_t offset, std::string_view content) {
    const Ino ino = At(path);
    RETURN_IF_ERROR(cache_->Open(ctx_, ino, {true, false}));
    Status status = cache_->Write(ctx_, ino, offset, AsBytes(content), false);
    if (status.ok()) status = cache_->Flush(ctx_, ino);
    cache_->Close(ino, {true, false});
    return status;
  }
  Result<std::string> ReadFile(const std::string& path) {
    const Ino ino = At(path);
    if (ino == 0) return Error{Errc::kNotFound, path};
    ASSIGN_OR_RETURN(const Attributes attributes, cache_->GetAttributes(ino));
    RETURN_IF_ERROR(cache_->Open(ctx_, ino, {}));
    std::string content(attributes.size_bytes, '?');
    auto got = cache_->Read(ctx_, ino, 0, std::as_writable_bytes(std::span(content)));
    cache_->Close(ino, {});
    if (!got.ok()) return std::move(got).error();
    content.resize(*got);
    return content;
  }
  Status MakeDirectory(const std::string& path) {
    const auto [dir, name] = SplitPath(path);
    NewInode inode;
    inode.mode = S_IFDIR | 0755;
    const auto made = cache_->Make(ctx_, At(dir), name, inode, {0, 0, 022});
    if (!made.ok()) return made.error();
    return {};
  }
  Status Rename(const std::string& from, const std::string& to, RenameMode mode = RenameMode::kReplace) {
    const auto [from_dir, from_name] = SplitPath(from);
    const auto [to_dir, to_name] = SplitPath(to);
    return cache_->Rename(ctx_, At(from_dir), from_name, At(to_dir), to_name, mode);
  }
  Status Unlink(const std::string& path) {
    const auto [dir, name] = SplitPath(path);
    return cache_->Unlink(ctx_, At(dir), name);
  }
  Status RemoveDirectory(const std::string& path) {
    const auto [dir, name] = SplitPath(path);
    return cache_->RemoveDirectory(ctx_, At(dir), name);
  }
  // path -> content of files, "/" for directories.
  std::map<std::string, std::string> Tree() {
    std::map<std::string, std::string> tree;
    Walk("", kRootIno, &tree);
    return tree;
  }
  // Names in a directory, sorted.
  std::vector<std::string> Names(const std::string& path) {
    const Ino dir = At(path);
    std::vector<std::string> names;
    if (dir == 0 || !cache_->OpenDirectory(ctx_, dir).ok()) return {"(no directory)"};
    const Status read = cache_->ReadDirectory(ctx_, dir, 2, [&names](const DirectoryEntry& entry) {
      names.push_back(entry.name);
      return true;
    });
    cache_->CloseDirectory(dir);
    if (!read.ok()) return {read.error().message};
    std::sort(names.begin(), names.end());
    return names;
  }
  // What a user sees below a directory: relative path -> type, mode, owner, mtime, xattrs, and content or target.
  std::map<std::string, std::string> Describe(const std::string& path) {
    std::map<std::string, std::string> all;
    Describe(path, "", &all);
    return all;
  }
  // key -> content of the bucket, without markers and our own objects.
  std::map<std::string, std::string> Bucket() {
    std::map<std::string, std::string> bucket;
    ListRequest request;
    for (;;) {
      auto page = memory_.List(ctx_, request);
      EXPECT_TRUE(page.ok());
      for (const ObjectInfo& info : page->objects) {
        if (info.key.starts_with(".pailfs/")) continue;
        StringSink sink;
        EXPECT_TRUE(memory_.Get(ctx_, info.key, {}, sink).ok());
        bucket[info.key] = info.key.ends_with('/') ? "/" : sink.data();
      }
      if (page->next_token.empty()) return bucket;
      request.continuation_token = page->next_token;
    }
  }
  int64_t Requests(std::string_view kind) { return metrics_.counter(StrCat("store.", kind)).value(); }

  ManualClock& clock() { return clock_; }
  MemoryStore& memory() { return memory_; }
  // Between the cache and the memory.
  FaultyStore& faulty() { return faulty_; }
  Metrics& metrics() { return metrics_; }
  MountOptions& options() { return options_; }
  const OpContext& ctx() const { return ctx_; }
  const std::string& directory() const { return directory_; }

 private:
  void Describe(const std::string& root, const std::string& below, std::map<std::string, std::string>* all) {
    const std::string path = below.empty() ? root : root.empty() ? below : StrCat(root, "/", below);
    const Ino ino = At(path);
    const auto attributes = cache_->GetAttributes(ino);
    ASSERT_TRUE(attributes.ok()) << path << ": " << attributes.error().message;
    std::string text = StrCat("mode ", attributes->mode, " owner ", attributes->uid, ":", attributes->gid, " mtime ",
                              attributes->mtime_ns, " size ", attributes->size_bytes);
    const auto xattrs = cache_->ListXattrs(ino);
    ASSERT_TRUE(xattrs.ok());
    for (const std::string& name : *xattrs) text += StrCat(" ", name, "=", cache_->GetXattr(ino, name).value());
    if (S_ISREG(attributes->mode)) {
      const auto content = ReadFile(path);
      ASSERT_TRUE(content.ok()) << path << ": " << content.error().message;
      text += StrCat(" content ", *content);
    }
    if (S_ISLNK(attributes->mode)) {
      const auto target = cache_->ReadLink(ctx_, ino);
      ASSERT_TRUE(target.ok()) << path << ": " << target.error().message;
      text += StrCat(" -> ", *target);
    }
    (*all)[below] = text;
    if (!S_ISDIR(attributes->mode)) return;
    for (const std::string& name : Names(path)) Describe(root, below.empty() ? name : StrCat(below, "/", name), all);
  }
  static MemoryStoreOptions StoreOptions(const TestBucket& bucket) {
    MemoryStoreOptions options;
    options.versioning = bucket.versioning;
    options.sole_owner = !bucket.shared;
    options.atomic_conditions = bucket.atomic_conditions;
    options.list_metadata = options.as_of = !bucket.shared;
    options.max_user_metadata_bytes = 64 << 10;
    return options;
  }
  void Walk(const std::string& path, Ino dir, std::map<std::string, std::string>* tree) {
    ASSERT_TRUE(cache_->OpenDirectory(ctx_, dir).ok());
    std::vector<DirectoryEntry> entries;
    const Status read = cache_->ReadDirectory(ctx_, dir, 2, [&entries](const DirectoryEntry& entry) {
      entries.push_back(entry);
      return true;
    });
    cache_->CloseDirectory(dir);
    ASSERT_TRUE(read.ok()) << read.error().message;
    for (const DirectoryEntry& entry : entries) {
      const std::string at = path.empty() ? entry.name : path + "/" + entry.name;
      if (S_ISDIR(entry.attributes.mode)) {
        (*tree)[at + "/"] = "/";
        Walk(at, entry.attributes.ino, tree);
      } else {
        const auto content = ReadFile(at);
        ASSERT_TRUE(content.ok()) << at << ": " << content.error().message;
        (*tree)[at] = *content;
      }
    }
  }

  static MountOptions OptionsAtFirst() {
    MountOptions options;
    options.late_arrival_ns = 0;
    return options;
  }

  struct Own {
    explicit Own(const MemoryStoreOptions& options) : memory(clock, options) {}
    ManualClock clock;
    MemoryStore memory;
  };
  void MakeRoot() {
    root_.emplace();
    directory_ = root_->path() + "/0";
  }

  FileSystem& files_;
  SeededRandom random_;
  Metrics metrics_;
  std::unique_ptr<Own> own_;  // null: another mount's
  ManualClock& clock_;
  MemoryStore& memory_;
  FaultyStore faulty_;
  MeteredStore store_;
  OpContext ctx_;
  MountOptions options_ = OptionsAtFirst();
  std::optional<TemporaryDirectory> root_;  // none over a file system of a test
  std::string directory_;
  int generation_ = 0;
  std::unique_ptr<MountCache> cache_;
};

}  // namespace pailfs::cache
