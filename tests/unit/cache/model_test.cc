// Random operations against a model, with write-back, crashes and new starts in between. The seed is printed, and with
// PAILFS_TRACE=1 each operation.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/support/seeds.h"
#include "tests/unit/cache/cache_harness.h"

namespace pailfs::cache {
namespace {

using Tree = std::map<std::string, std::string>;

// Lines "+name" for what is there and should not be, "-name" for what is missing, "!name" for other content.
std::string Differences(const Tree& is, const Tree& should_be) {
  std::string lines;
  for (const auto& [name, content] : is) {
    const auto it = should_be.find(name);
    if (it == should_be.end()) lines += StrCat("+", name, " ", content.size(), "\n");
    if (it != should_be.end() && it->second != content) {
      lines += StrCat("!", name, " ", content.size(), " bytes, not ", it->second.size(), "\n");
    }
  }
  for (const auto& [name, content] : should_be) {
    if (!is.contains(name)) lines += StrCat("-", name, " ", content.size(), "\n");
  }
  return lines;
}

// What the tree should be: "d/" -> "/", "d/f" -> content.
class Model {
 public:
  Tree tree;

  bool IsDirectory(const std::string& path) const { return path.empty() || tree.contains(path + "/"); }
  bool IsFile(const std::string& path) const { return tree.contains(path); }
  bool IsEmpty(const std::string& dir) const {
    const auto it = tree.upper_bound(dir + "/");
    return it == tree.end() || !it->first.starts_with(dir + "/");
  }
  void Move(const std::string& from, const std::string& to) {
    if (IsFile(from)) {
      tree[to] = tree[from];
      tree.erase(from);
      return;
    }
    Tree moved;
    for (auto it = tree.lower_bound(from + "/"); it != tree.end() && it->first.starts_with(from + "/");) {
      moved[to + it->first.substr(from.size())] = it->second;
      it = tree.erase(it);
    }
    tree.insert(moved.begin(), moved.end());
  }
};

class Driver {
 public:
  Driver(const TestBucket& bucket, uint64_t seed) : cache_(bucket, seed), random_(seed) {}

  void Run(int operations) {
    for (int i = 0; i < operations && !testing::Test::HasFatalFailure(); ++i) {
      Step();
      if (random_.OneIn(4)) cache_.clock().Advance(static_cast<int64_t>(random_.Below(4'000'000'000)));
      if (random_.OneIn(5)) {
        Trace("write-back");
        ASSERT_OK(cache_->RunWriteBack(cache_.ctx(), random_.OneIn(3)));
      }
      if (random_.OneIn(40)) {
        Trace("crash");
        cache_.Crash();
      }
      if (random_.OneIn(60)) {
        Trace("reopen");
        cache_.Reopen();
      }
      if (random_.OneIn(50)) {
        Trace("read all");
        ASSERT_EQ(Differences(cache_.Tree(), model_.tree), "") << "after operation " << i;
      }
      if (random_.OneIn(120)) {
        Trace("flush");
        cache_.Flush();
        ASSERT_EQ(Differences(cache_.Bucket(), model_.tree), "") << "after operation " << i;
        if (random_.OneIn(2)) cache_.ReopenEmpty();
        ASSERT_EQ(Differences(cache_.Tree(), model_.tree), "") << "after operation " << i;
      }
    }
    cache_.Flush();
    ASSERT_EQ(Differences(cache_.Bucket(), model_.tree), "");
    ASSERT_EQ(Differences(cache_.Tree(), model_.tree), "");
  }

 private:
  std::string AnyPath() {
    std::string path;
    for (uint64_t depth = random_.Below(3); depth > 0; --depth) path += StrCat("d", random_.Below(3), '/');
    return path + (random_.OneIn(4) ? StrCat("d", random_.Below(3)) : StrCat("f", random_.Below(4)));
  }
  bool ParentExists(const std::string& path) { return model_.IsDirectory(SplitPath(path).first); }

  void Step() {
    const std::string path = AnyPath();
    if (!ParentExists(path)) return;
    const uint64_t operation = random_.Below(9);
    if (trace_) std::cout << operation << " " << path << std::endl;
    switch (operation) {
      case 0:
      case 1:
      case 2:
        return WriteWhole(path);
      case 3:
        return WriteSome(path);
      case 4:
        return MakeDirectory(path);
      case 5:
        return Remove(path);
      case 6:
      case 7:
        return Rename(path);
      default:
        return Truncate(path);
    }
  }
  void WriteWhole(const std::string& path) {
    if (model_.IsDirectory(path)) return;
    const std::string content = random_.Bytes(random_.OneIn(3) ? random_.Below(400'000) : random_.Below(100));
    ASSERT_OK(cache_.WriteFile(path, content));
    model_.tree[path] = content;
  }
  void WriteSome(const std::string& path) {
    if (!model_.IsFile(path)) return;
    const uint64_t offset = random_.Below(300'000);
    const std::string bytes = random_.Bytes(1 + random_.Below(200'000));
    ASSERT_OK(cache_.WriteAt(path, offset, bytes));
    std::string& content = model_.tree[path];
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
    content.replace(offset, bytes.size(), bytes);
  }
  void Truncate(const std::string& path) {
    if (!model_.IsFile(path)) return;
    AttributeChange change;
    change.size_bytes = random_.Below(300'000);
    ASSERT_OK(cache_->SetAttributes(cache_.ctx(), cache_.At(path), change));
    model_.tree[path].resize(*change.size_bytes, '\0');
  }
  void MakeDirectory(const std::string& path) {
    if (model_.IsFile(path) || model_.IsDirectory(path)) {
      ASSERT_TRUE(cache_.MakeDirectory(path).Is(Errc::kAlreadyExists));
      return;
    }
    ASSERT_OK(cache_.MakeDirectory(path));
    model_.tree[path + "/"] = "/";
  }
  void Remove(const std::string& path) {
    if (model_.IsFile(path)) {
      ASSERT_OK(cache_.Unlink(path));
      model_.tree.erase(path);
    } else if (model_.IsDirectory(path)) {
      const Status removed = cache_.RemoveDirectory(path);
      ASSERT_EQ(removed.ok(), model_.IsEmpty(path));
      if (removed.ok()) model_.tree.erase(path + "/");
    }
  }
  void Rename(const std::string& from) {
    const std::string to = AnyPath();
    if (!ParentExists(to) || to == from || (!model_.IsFile(from) && !model_.IsDirectory(from))) return;
    const bool from_dir = model_.IsDirectory(from);
    const bool inside = from_dir && to.starts_with(from + "/");
    const bool blocked =
        (model_.IsDirectory(to) && (!from_dir || !model_.IsEmpty(to))) || (model_.IsFile(to) && from_dir);
    if (trace_) std::cout << "  to " << to << std::endl;
    const Status renamed = cache_.Rename(from, to);
    ASSERT_EQ(renamed.ok(), !inside && !blocked) << from << " -> " << to;
    if (!renamed.ok()) return;
    if (model_.IsDirectory(to)) model_.tree.erase(to + "/");
    model_.Move(from, to);
  }

  void Trace(std::string_view what) const {
    if (trace_) std::cout << what << std::endl;
  }

  CacheHarness cache_;
  SeededRandom random_;
  Model model_;
  const bool trace_ = std::getenv("PAILFS_TRACE") != nullptr;
};

class ModelTest : public testing::TestWithParam<TestBucket> {};

TEST_P(ModelTest, TreeAndBucketFollowTheModel) {
  ForRounds(SystemRandom().Below(1'000'000), 6, [](uint64_t seed) { Driver(GetParam(), seed).Run(400); });
}

INSTANTIATE_TEST_SUITE_P(Buckets, ModelTest, AllBuckets(), testing::PrintToStringParamName());

}  // namespace
}  // namespace pailfs::cache
