#include "cli/space_commands.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/json.h"
#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/on_store.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

Result<std::vector<store::BucketInfo>> BucketsOf(store::EmbeddedStore& store, const std::string& name) {
  if (name.empty()) return store.ListBuckets();
  ASSIGN_OR_RETURN(store::BucketInfo bucket, store.FindBucket(name));
  return std::vector<store::BucketInfo>{std::move(bucket)};
}

void AddPolicy(const store::RetentionPolicy& policy, JsonWriter& json) {
  json.Field("forever", policy.forever);
  json.Field("keep_all_s", policy.keep_all_s);
  json.Field("hourly_s", policy.hourly_s);
  json.Field("daily_s", policy.daily_s);
  json.Field("weekly_s", policy.weekly_s);
}

// --- usage ---

std::string UsageLine(std::string_view what, uint64_t count, std::string_view of, uint64_t bytes) {
  char line[120];
  std::snprintf(line, sizeof line, "  %-12s %10llu %-14s %12s\n", std::string(what).c_str(),
                static_cast<unsigned long long>(count), std::string(of).c_str(), FormatSize(bytes).c_str());
  return line;
}

std::string UsageText(const store::BucketInfo& bucket, const store::BucketUsage& usage) {
  char markers[120];
  std::snprintf(markers, sizeof markers, "  %-12s %10llu delete markers\n", "deleted",
                static_cast<unsigned long long>(usage.delete_markers));
  return StrCat(bucket.name, ": versioning ", NameOf(bucket.versioning), "\n",
                UsageLine("current", usage.objects, "objects", usage.object_bytes),
                UsageLine("noncurrent", usage.noncurrent_versions, "versions", usage.noncurrent_bytes), markers,
                UsageLine("unfinished", usage.uploads, "uploads", usage.upload_bytes), "  keeps ",
                RetentionText(bucket.retention), "\n");
}

void AddUsage(const store::BucketInfo& bucket, const store::BucketUsage& usage, JsonWriter& json) {
  json.BeginObject();
  json.Field("bucket", bucket.name);
  json.Field("versioning", NameOf(bucket.versioning));
  json.Field("objects", usage.objects);
  json.Field("object_bytes", usage.object_bytes);
  json.Field("noncurrent_versions", usage.noncurrent_versions);
  json.Field("noncurrent_bytes", usage.noncurrent_bytes);
  json.Field("delete_markers", usage.delete_markers);
  json.Field("uploads", usage.uploads);
  json.Field("upload_bytes", usage.upload_bytes);
  json.BeginObject("retention");
  AddPolicy(bucket.retention, json);
  json.EndObject();
  json.EndObject();
}

Result<std::string> UsageOf(store::EmbeddedStore& store, const SpaceRequest& request) {
  ASSIGN_OR_RETURN(const auto buckets, BucketsOf(store, request.bucket));
  ASSIGN_OR_RETURN(const uint64_t on_disk, store.BytesOnDisk({}));
  std::string text;
  JsonWriter json;
  json.BeginObject();
  json.Field("store", store.directory());
  json.Field("bytes_on_disk", on_disk);
  json.BeginArray("buckets");
  for (const store::BucketInfo& bucket : buckets) {
    const auto usage = store.Usage({}, bucket.name);
    if (!usage.ok()) return Error{usage.error().code, StrCat("bucket ", bucket.name, ": ", usage.error().message)};
    text += UsageText(bucket, *usage);
    AddUsage(bucket, *usage, json);
  }
  json.EndArray();
  json.EndObject();
  text += StrCat("on disk: ", FormatSize(on_disk), " for the whole store\n");
  return request.json ? json.text() + "\n" : text;
}

// --- thin ---

std::string ThinnedText(const std::string& bucket, const store::ThinningResult& thinned, bool dry_run) {
  return StrCat(bucket, ": ", dry_run ? "would remove " : "removed ", thinned.versions, " old versions of ",
                FormatSize(thinned.bytes), " and ", thinned.delete_markers, " delete markers\n");
}

Result<std::string> Thin(store::EmbeddedStore& store, const SpaceRequest& request, bool dry_run) {
  ASSIGN_OR_RETURN(const auto buckets, BucketsOf(store, request.bucket));
  const auto mode = dry_run ? store::ThinningMode::kCountOnly : store::ThinningMode::kRemove;
  std::string text;
  JsonWriter json;
  json.BeginArray();
  for (const store::BucketInfo& bucket : buckets) {
    const auto thinned = store.Thin({}, bucket.name, mode);
    if (!thinned.ok()) {
      return Error{thinned.error().code, StrCat("thinning bucket ", bucket.name, ": ", thinned.error().message)};
    }
    text += ThinnedText(bucket.name, *thinned, dry_run);
    json.BeginObject();
    json.Field("bucket", bucket.name);
    json.Field("dry_run", dry_run);
    json.Field("versions", thinned->versions);
    json.Field("bytes", thinned->bytes);
    json.Field("delete_markers", thinned->delete_markers);
    json.EndObject();
  }
  json.EndArray();
  return request.json ? json.text() + "\n" : text;
}

// --- retention ---

// `policy` with what the request changes.
Result<store::RetentionPolicy> Changed(store::RetentionPolicy policy, const RetentionRequest& request) {
  struct Given {
    std::string_view option;
    const std::string& text;
    uint64_t* seconds;
  };
  for (const Given& given :
       {Given{"--keep-all", request.keep_all, &policy.keep_all_s}, Given{"--hourly", request.hourly, &policy.hourly_s},
        Given{"--daily", request.daily, &policy.daily_s}, Given{"--weekly", request.weekly, &policy.weekly_s}}) {
    if (given.text.empty()) continue;
    const auto seconds = ParseRetentionTime(given.text);
    if (!seconds.ok()) return Error{seconds.error().code, StrCat(given.option, ": ", seconds.error().message)};
    *given.seconds = *seconds;
    policy.forever = false;
  }
  if (request.forever) policy.forever = true;
  return policy;
}

Result<std::string> Retention(store::EmbeddedStore& store, const RetentionRequest& request) {
  ASSIGN_OR_RETURN(const store::BucketInfo bucket, store.FindBucket(request.bucket));
  ASSIGN_OR_RETURN(const store::RetentionPolicy policy, Changed(bucket.retention, request));
  if (policy != bucket.retention) RETURN_IF_ERROR(store.SetRetention(request.bucket, policy));
  if (!request.json) return StrCat(request.bucket, " keeps ", RetentionText(policy), "\n");
  JsonWriter json;
  json.BeginObject();
  json.Field("bucket", request.bucket);
  AddPolicy(policy, json);
  json.EndObject();
  return json.text() + "\n";
}

// Prints what `action` makes of the store.
template <typename Action>
int PrintOnStore(const std::string& directory, const Action& action) {
  return OnStore(directory, [&action](store::EmbeddedStore& store) {
    const Result<std::string> text = action(store);
    if (!text.ok()) return Fail(text.error());
    Print(*text);
    return Finish(kExitOk);
  });
}

}  // namespace

Result<uint64_t> ParseRetentionTime(std::string_view text) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  const bool weeks = text.ends_with('w');
  const auto ns = ParseDurationNs(weeks ? StrCat(text.substr(0, text.size() - 1), "d") : std::string(text));
  if (!ns.ok() || *ns % kSecondNs != 0) {
    return Error{Errc::kInvalidArgument, StrCat("'", text, "' is not a time; write for example 12h, 30d, 52w, or 0")};
  }
  return static_cast<uint64_t>(*ns / kSecondNs) * (weeks ? 7 : 1);
}

std::string RetentionTimeText(uint64_t seconds) {
  struct Unit {
    uint64_t seconds;
    char name;
  };
  if (seconds == 0) return "none";
  for (const Unit& unit : {Unit{store::kDaySeconds, 'd'}, Unit{store::kHourSeconds, 'h'}, Unit{60, 'm'}}) {
    if (seconds % unit.seconds == 0) return StrCat(seconds / unit.seconds, unit.name);
  }
  return StrCat(seconds, 's');
}

std::string RetentionText(const store::RetentionPolicy& policy) {
  if (policy.forever) return "everything forever";
  std::string text = policy.keep_all_s == 0 ? "" : StrCat("everything for ", RetentionTimeText(policy.keep_all_s));
  struct Grid {
    std::string_view name;
    uint64_t seconds;
  };
  for (const Grid& grid :
       {Grid{"hourly", policy.hourly_s}, Grid{"daily", policy.daily_s}, Grid{"weekly", policy.weekly_s}}) {
    if (grid.seconds == 0) continue;
    text += StrCat(text.empty() ? "" : ", ", grid.name, " states for ", RetentionTimeText(grid.seconds));
  }
  return text.empty() ? "no old versions but those of named snapshots" : StrCat(text, ", and named snapshots");
}

int UsageCommand(const SpaceRequest& request) {
  return PrintOnStore(request.directory, [&](store::EmbeddedStore& store) { return UsageOf(store, request); });
}

int ThinCommand(const SpaceRequest& request, bool dry_run) {
  return PrintOnStore(request.directory, [&](store::EmbeddedStore& store) { return Thin(store, request, dry_run); });
}

int RetentionCommand(const RetentionRequest& request) {
  return PrintOnStore(request.directory, [&](store::EmbeddedStore& store) { return Retention(store, request); });
}

}  // namespace pailfs::cli
