#include "cli/store_commands.h"

#include <cstdio>

#include "base/file_system.h"
#include "base/str.h"
#include "cli/compose.h"
#include "cli/exit_codes.h"
#include "cli/on_store.h"
#include "store/check.h"

namespace pailfs::cli {
namespace {

int Done(const Status& status, const std::string& text) {
  if (!status.ok()) return Fail(status.error());
  std::puts(text.c_str());
  return kExitOk;
}

}  // namespace

int InitStoreCommand(const std::string& directory, const std::string& bucket) {
  const std::string path = AbsolutePath(directory);
  const auto exists = store::IsStore(PosixFileSystem(), path);
  if (exists.ok() && *exists) return Fail({Errc::kAlreadyExists, StrCat("there is a store in ", path, " already")});
  if (!bucket.empty() && !store::IsBucketName(bucket)) {
    return Fail({Errc::kInvalidArgument,
                 StrCat("'", bucket, "' cannot be the name of a bucket: 3 to 63 of a-z, 0-9, '-' and '.'")});
  }
  const auto store = OpenStore(path, /*create=*/true);
  if (!store.ok()) return Fail(store.error());
  if (bucket.empty()) return Done({}, "made store " + path);
  return Done((*store)->CreateBucket(bucket, VersioningState::kEnabled),
              StrCat("made store ", path, " with bucket ", bucket));
}

int CheckStoreCommand(const std::string& directory, const std::string& level) {
  const store::CheckLevel depth = level == "quick"   ? store::CheckLevel::kQuick
                                  : level == "index" ? store::CheckLevel::kIndex
                                                     : store::CheckLevel::kData;
  const std::string path = AbsolutePath(directory);
  const auto report = store::CheckStore(PosixFileSystem(), path, depth);
  if (!report.ok()) {
    Say(report.error().message);
    return kExitTrouble;
  }
  for (const store::Finding& finding : report->findings) {
    std::printf("%s: %s\n    effect: %s\n    repair: %s\n", finding.code.c_str(), finding.object.c_str(),
                finding.effect.c_str(), finding.repair.c_str());
  }
  std::printf("%s\n", StrCat(path, ": ", report->objects, " objects, ", report->versions, " versions, ", report->bodies,
                             " bodies, ", FormatSize(report->bytes_verified), " verified; ",
                             report->finding_count == 0 ? "clean" : StrCat(report->finding_count, " findings"))
                          .c_str());
  return report->finding_count == 0 ? kExitOk : kExitNo;
}

int RebuildStoreCommand(const std::string& directory) {
  const std::string path = AbsolutePath(directory);
  return Done(store::RebuildIndex(PosixFileSystem(), path), "rebuilt the index of store " + path);
}

int ListBucketsCommand(const std::string& directory) {
  return OnStore(directory, [](store::EmbeddedStore& store) {
    const auto buckets = store.ListBuckets();
    if (!buckets.ok()) return Fail(buckets.error());
    for (const store::BucketInfo& bucket : *buckets) {
      std::printf("%s  versioning %-9s  %s\n", FormatTimeUtc(bucket.created_us * 1000).c_str(),
                  std::string(NameOf(bucket.versioning)).c_str(), bucket.name.c_str());
    }
    return kExitOk;
  });
}

int CreateBucketCommand(const std::string& directory, const std::string& bucket, const std::string& versioning) {
  return OnStore(directory, [&](store::EmbeddedStore& store) {
    return Done(store.CreateBucket(bucket, versioning == "off" ? VersioningState::kOff : VersioningState::kEnabled),
                "made bucket " + bucket);
  });
}

int DeleteBucketCommand(const std::string& directory, const std::string& bucket) {
  return OnStore(directory, [&](store::EmbeddedStore& store) {
    return Done(store.DeleteBucket(bucket), "deleted bucket " + bucket);
  });
}

int VersioningCommand(const std::string& directory, const std::string& bucket, const std::string& state) {
  return OnStore(directory, [&](store::EmbeddedStore& store) {
    if (!state.empty()) {
      return Done(store.SetVersioning(bucket, state == "on" ? VersioningState::kEnabled : VersioningState::kSuspended),
                  StrCat("versioning of ", bucket, ": ", state));
    }
    const auto found = store.FindBucket(bucket);
    if (!found.ok()) return Fail(found.error());
    return Done({}, std::string(NameOf(found->versioning)));
  });
}

}  // namespace pailfs::cli
