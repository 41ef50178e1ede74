#include "tests/chaos/workload.h"

#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/str.h"
#include "tests/support/paths.h"
#include "tests/support/results.h"
#include "tests/support/string_sink.h"

namespace pailfs {
namespace {

using cache::Ino;

// How late a request of a connection that was cut may be carried out by servers in this process.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kLateArrivalNs = 10'000'000'000;
#else
constexpr int64_t kLateArrivalNs = 1'000'000'000;
#endif

std::string Names(const std::map<std::string, std::string>& tree) {
  std::string names;
  for (const auto& [name, content] : tree) names += StrCat(name, " ", content.size(), "\n");
  return names;
}

}  // namespace

ChaosLevel ChaosLevelOf(uint64_t seed) {
  constexpr ChaosLevel kLevels[] = {ChaosLevel::kOff, ChaosLevel::kLight, ChaosLevel::kMedium, ChaosLevel::kHeavy};
  return kLevels[seed % 4];
}

VersioningState VersioningOf(uint64_t seed) {
  return seed / 4 % 2 == 0 ? VersioningState::kEnabled : VersioningState::kOff;
}

ChaosWorkload::ChaosWorkload(const ChaosTarget& target, ChaosLevel level, uint64_t seed)
    : random_(seed),
      target_(target),
      proxy_(ProxyOptions(target.port, level, seed)),
      credentials_(target.access_key_id, target.secret_access_key),
      level_(level) {
  // What a server is found to do must not depend on the weather.
  proxy_.SetLevel(ChaosLevel::kOff);
  Connect();
  Open();
  proxy_.SetLevel(level_);
}

void ChaosWorkload::Run(int operations) {
  for (int i = 0; i < operations && !testing::Test::HasFatalFailure(); ++i) {
    Step();
    if (random_.OneIn(operations / 2)) Reopen(/*empty=*/random_.OneIn(2));
  }
  // What is left goes up in bad weather too, and what failed in it, later.
  (void)cache_->FlushAll({}, nullptr);
  proxy_.SetLevel(ChaosLevel::kOff);
  ASSERT_OK(cache_->FlushAll({}, nullptr));
  EXPECT_EQ(metrics_.counter("writeback.conflicts").value(), 0) << "a conflict with ourselves";
  EXPECT_EQ(metrics_.counter("writeback.lost").value(), 0);
  ASSERT_EQ(Names(Bucket()), Names(model_));
  ASSERT_TRUE(Bucket() == model_);
  ASSERT_EQ(Names(Show()), Names(model_));
  ASSERT_TRUE(Show() == model_);
  Reopen(/*empty=*/true);
  const Tree shown = Show();
  ASSERT_EQ(Names(shown), Names(model_)) << "with an empty cache";
  ASSERT_TRUE(shown == model_) << "with an empty cache";
  constexpr int64_t kRequestsThatMeetAFault = 100;
  if (level_ == ChaosLevel::kHeavy && proxy_.requests() > kRequestsThatMeetAFault) {
    EXPECT_GT(proxy_.faults(), 0);
  }
}

ChaosProxyOptions ChaosWorkload::ProxyOptions(int port, ChaosLevel level, uint64_t seed) {
  ChaosProxyOptions options;
  options.server_port = port;
  options.seed = seed;
  options.level = level;
  options.retry_after_s = 0;
  options.stall_ms = 30;
  options.drip_pause_ms = 1;
  return options;
}

void ChaosWorkload::Connect() {
  s3client::S3Options options;
  options.bucket = target_.bucket;
  options.endpoint = proxy_.endpoint();
  options.region = target_.region;
  options.retry.base_delay_ns = 1'000'000;
  options.retry.max_delay_ns = 50'000'000;
  auto opened = s3client::S3Store::Open(OpContext{}, *transport_, credentials_, SystemClock(), SystemRandom(), metrics_,
                                        options, std::nullopt);
  ASSERT_OK(opened);
  store_ = std::move(*opened);
}

void ChaosWorkload::Open() {
  cache::MountOptions options;
  options.directory = StrCat(directory_.path(), '/', generation_);
  options.host_name = "host";
  options.writeback_delay_ns = 10'000'000;
  options.ttl_ns = 200'000'000;
  options.upload_threads = 8;
  options.late_arrival_ns = kLateArrivalNs;
  auto opened = cache::MountCache::Open(PosixFileSystem(), *store_, SystemClock(), SystemRandom(), metrics_, options);
  ASSERT_OK(opened);
  cache_ = std::move(*opened);
}

void ChaosWorkload::Reopen(bool empty) {
  if (empty) {
    while (!cache_->FlushAll({}, nullptr).ok()) {
    }
    ++generation_;
  }
  cache_.reset();
  // Opening asks for the root; what is known of it is not enough yet.
  proxy_.SetLevel(ChaosLevel::kOff);
  Open();
  proxy_.SetLevel(level_);
}

template <typename Call>
auto ChaosWorkload::Patiently(const Call& call) {
  auto result = call();
  for (int attempt = 0; attempt < 50 && (result.Is(Errc::kUnavailable) || result.Is(Errc::kTimedOut)); ++attempt) {
    result = call();
  }
  return result;
}

Result<Ino> ChaosWorkload::Find(const std::string& path) {
  Ino ino = cache::kRootIno;
  for (const auto& name : std::filesystem::path(path)) {
    auto found = Patiently([&] { return cache_->Lookup({}, ino, name.string()); });
    if (!found.ok()) return std::move(found).error();
    ino = found->ino;
  }
  return ino;
}

std::string ChaosWorkload::AnyPath() {
  return StrCat(random_.OneIn(2) ? StrCat("d", random_.Below(2), "/") : "", "f", random_.Below(5));
}

Ino ChaosWorkload::Parent(const std::string& path) {
  const std::string name = SplitPath(path).first;
  if (name.empty()) return cache::kRootIno;
  const auto found = Find(name);
  if (found.ok()) return *found;
  EXPECT_TRUE(found.Is(Errc::kNotFound)) << found.error().message;
  cache::NewInode inode;
  inode.mode = S_IFDIR | 0755;
  const auto made = Patiently([&] { return cache_->Make({}, cache::kRootIno, name, inode, {}); });
  EXPECT_OK(made);
  model_[name + "/"] = "/";
  return made.ok() ? made->ino : 0;
}

void ChaosWorkload::Step() {
  const std::string path = AnyPath();
  switch (random_.Below(8)) {
    case 0:
    case 1:
    case 2:
      return Write(path, random_.OneIn(8) ? random_.Below(6 << 20) : random_.Below(200'000));
    case 3:
      return Append(path);
    case 4:
      return Remove(path);
    case 5:
    case 6:
      return Rename(path, AnyPath());
    default:
      return Read(path);
  }
}

void ChaosWorkload::Write(const std::string& path, uint64_t size) {
  const Ino dir = Parent(path);
  const std::string content = random_.Bytes(size);
  cache::NewInode inode;
  inode.mode = S_IFREG | 0644;
  const cache::OpenFlags flags{true, true};
  const auto made = Patiently([&] { return cache_->Create({}, dir, SplitPath(path).second, inode, {}, flags, false); });
  ASSERT_OK(made);
  ASSERT_OK(Patiently([&] { return cache_->Write({}, made->ino, 0, AsBytes(content), false); }));
  (void)cache_->Flush({}, made->ino);
  cache_->Close(made->ino, flags);
  model_[path] = content;
}

void ChaosWorkload::Append(const std::string& path) {
  if (!model_.contains(path)) return;
  const auto ino = Find(path);
  ASSERT_OK(ino);
  const std::string bytes = random_.Bytes(1 + random_.Below(100'000));
  const auto opened = Patiently([&] { return cache_->Open({}, *ino, {true, false}); });
  ASSERT_OK(opened);
  ASSERT_OK(Patiently([&] { return cache_->Write({}, *ino, model_[path].size(), AsBytes(bytes), false); }));
  (void)cache_->Flush({}, *ino);
  cache_->Close(*ino, {true, false});
  model_[path] += bytes;
}

void ChaosWorkload::Remove(const std::string& path) {
  if (!model_.contains(path)) return;
  const Ino dir = Parent(path);
  ASSERT_OK(Patiently([&] { return cache_->Unlink({}, dir, SplitPath(path).second); }));
  model_.erase(path);
}

void ChaosWorkload::Rename(const std::string& from, const std::string& to) {
  if (!model_.contains(from) || from == to) return;
  const Ino from_dir = Parent(from);
  const Ino to_dir = Parent(to);
  ASSERT_OK(Patiently([&] {
    return cache_->Rename({}, from_dir, SplitPath(from).second, to_dir, SplitPath(to).second,
                          cache::RenameMode::kReplace);
  }));
  model_[to] = model_[from];
  model_.erase(from);
}

Result<std::string> ChaosWorkload::Content(Ino ino) {
  auto attributes = cache_->GetAttributes(ino);
  if (!attributes.ok()) return std::move(attributes).error();
  std::string content(attributes->size_bytes, '?');
  RETURN_IF_ERROR(Patiently([&] { return cache_->Open({}, ino, {}); }));
  auto got = Patiently([&] { return cache_->Read({}, ino, 0, std::as_writable_bytes(std::span(content))); });
  cache_->Close(ino, {});
  if (!got.ok()) return std::move(got).error();
  content.resize(*got);
  return content;
}

void ChaosWorkload::Read(const std::string& path) {
  const auto ino = Find(path);
  if (!model_.contains(path)) {
    ASSERT_TRUE(ino.Is(Errc::kNotFound)) << path;
    return;
  }
  ASSERT_OK(ino);
  const auto content = Content(*ino);
  ASSERT_OK(content);
  ASSERT_TRUE(*content == model_[path]) << path;
}

ChaosWorkload::Tree ChaosWorkload::Show() {
  Tree tree;
  Walk("", cache::kRootIno, &tree);
  return tree;
}

void ChaosWorkload::Walk(const std::string& path, Ino dir, Tree* tree) {
  ASSERT_OK(Patiently([&] { return cache_->OpenDirectory({}, dir); }));
  std::vector<cache::DirectoryEntry> entries;
  ASSERT_OK(cache_->ReadDirectory({}, dir, 2, [&entries](const cache::DirectoryEntry& entry) {
    entries.push_back(entry);
    return true;
  }));
  cache_->CloseDirectory(dir);
  for (const cache::DirectoryEntry& entry : entries) {
    if (S_ISDIR(entry.attributes.mode)) {
      (*tree)[path + entry.name + "/"] = "/";
      Walk(path + entry.name + "/", entry.attributes.ino, tree);
      continue;
    }
    const auto content = Content(entry.attributes.ino);
    ASSERT_OK(content);
    (*tree)[path + entry.name] = *content;
  }
}

ChaosWorkload::Tree ChaosWorkload::Bucket() {
  Tree tree;
  const auto page = target_.direct.List({}, {});
  EXPECT_OK(page);
  for (const ObjectInfo& info : page->objects) {
    if (info.key.starts_with(".pailfs/")) continue;
    StringSink sink;
    EXPECT_OK(target_.direct.Get({}, info.key, {}, sink));
    tree[info.key] = info.key.ends_with('/') ? "/" : sink.data();
  }
  return tree;
}

}  // namespace pailfs
