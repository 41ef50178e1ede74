// Moments, and snapshots: moments with a name.

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/named_snapshot.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cache/moment.h"
#include "cache/past.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kHourUs = 3600 * kSecondUs;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kWeekUs = 7 * kDayUs;
constexpr int64_t kFirstMondayUs = 4 * kDayUs;  // 1970-01-05
// Of versions, to learn when the first was stored.
constexpr int kMostPagesForFirst = 3;
constexpr std::string_view kSnapshotType = "application/x-pailfs-snapshot";

// The whole seconds of `count` full steps back from now, as their names are read.
void AddSeries(int64_t now_us, int64_t step_us, int64_t phase_us, int count, std::vector<int64_t>* moments) {
  const int64_t last_us = (now_us - phase_us) / step_us * step_us + phase_us;
  for (int i = 0; i < count && last_us - i * step_us > 0; ++i) {
    moments->push_back(last_us - i * step_us + kSecondUs - 1);
  }
}

}  // namespace

bool Past::ShowsHistory() {
  if (core_.capabilities.versioning != VersioningState::kOff) return true;
  MutexLock lock(core_.mu);
  if (!said_unversioned_) {
    LogWarning("the bucket keeps no versions, so there is no past to show in ", core_.options.snapshot_name,
               "; 'pailfs snapshot --help' says how to switch versioning on");
  }
  said_unversioned_ = true;
  return false;
}

// --- moments ---

Result<Ino> Past::LookupMoment(const OpContext& ctx, const InodePtr& dir, const PastPlace& place,
                               std::string_view name) {
  const Error absent{Errc::kNotFound, StrCat(name, " is neither a moment nor a snapshot")};
  if (!ShowsHistory()) return absent;
  const int64_t now_us = NowUs();
  PastPlace moment{Kind::kTree, place.prefix, place.prefix};
  if (const auto parsed = ParseMoment(name, now_us)) {
    if (*parsed >= now_us + kSecondUs) return Error{Errc::kNotFound, StrCat(name, " is yet to come")};
    moment.time_us = std::min(*parsed, now_us);
  } else {
    ASSIGN_OR_RETURN(const auto snapshot, FindSnapshot(ctx, name));
    if (!snapshot) return absent;
    moment.time_us = snapshot->time_us;
    moment.named = true;
  }
  Flat flat;
  ASSIGN_OR_RETURN(const bool known, IsKnownAlive(moment));
  if (!known) {
    ASSIGN_OR_RETURN(bool any, AnyAt(ctx, moment.prefix, moment.time_us, &flat));
    if (!any && moment.prefix.empty()) {
      ASSIGN_OR_RETURN(const auto marker, ObjectAt(ctx, MarkerKey(""), moment.time_us));
      any = marker.has_value();
    }
    if (!any) return Error{Errc::kNotFound, StrCat("the directory was not there at ", name)};
  }
  moment.alive = true;
  ASSIGN_OR_RETURN(const InodePtr inode, DirectoryAt(moment, dir->ino, name));
  if (flat.complete) RETURN_IF_ERROR(ApplyBelow(moment, moment.prefix, flat.objects));
  return inode->ino;
}

Status Past::LoadMoments(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed) {
  if (!ShowsHistory()) return {};
  std::vector<std::pair<std::string, PastPlace>> shown;
  const auto show = [&](const std::string& name, int64_t time_us, bool named) {
    shown.emplace_back(name, PastPlace{Kind::kTree, place.prefix, place.prefix, time_us, named});
  };
  ASSIGN_OR_RETURN(const auto snapshots, Snapshots(ctx));
  for (const Snapshot& snapshot : snapshots) show(snapshot.name, snapshot.time_us, /*named=*/true);
  ASSIGN_OR_RETURN(const auto first_us, FirstVersionUs(ctx, place.prefix));
  std::vector<int64_t> moments;
  const int64_t now_us = NowUs();
  const SnapshotSeries& series = core_.options.snapshot_series;
  AddSeries(now_us, kHourUs, 0, series.hours, &moments);
  AddSeries(now_us, kDayUs, 0, series.days, &moments);
  AddSeries(now_us, kWeekUs, kFirstMondayUs, series.weeks, &moments);
  std::sort(moments.begin(), moments.end());
  moments.erase(std::unique(moments.begin(), moments.end()), moments.end());
  for (const int64_t moment : moments) {
    if (first_us && *first_us <= moment && moment <= now_us) show(FormatMoment(moment), moment, /*named=*/false);
  }
  return EnterPlaces(dir, shown, listed);
}

Result<std::optional<int64_t>> Past::FirstVersionUs(const OpContext& ctx, const std::string& prefix) {
  ListVersionsRequest request;
  request.prefix = prefix;
  std::optional<int64_t> first;
  for (int pages = 0;; ++pages) {
    // Among too many versions there may be one of any age.
    if (pages == kMostPagesForFirst) return std::optional<int64_t>(0);
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(const ListVersionsPage page, core_.store.ListVersions(ctx, request));
    for (const ObjectInfo& version : page.versions) {
      first = std::min(first.value_or(version.last_modified_us), version.last_modified_us);
    }
    if (!page.truncated) return first;
    request.key_marker = page.next_key_marker;
    request.version_id_marker = page.next_version_id_marker;
  }
}

// --- snapshots ---

Result<std::optional<Past::Snapshot>> Past::FindSnapshot(const OpContext& ctx, std::string_view name) {
  auto object = core_.store.Head(ctx, KeyOfSnapshot(name), {});
  // Who may use a part of the bucket only does without names.
  if (object.Is(Errc::kNotFound) || object.Is(Errc::kAccessDenied)) return std::optional<Snapshot>();
  if (!object.ok()) return std::move(object).error();
  const int64_t time_us = SnapshotTimeUs(*object, core_.capabilities.as_of);
  return std::optional<Snapshot>({std::string(name), time_us, object->etag});
}

Result<std::vector<Past::Snapshot>> Past::Snapshots(const OpContext& ctx) {
  std::vector<Snapshot> snapshots;
  ListRequest request;
  request.prefix = kSnapshotPrefix;
  request.with_metadata = core_.capabilities.list_metadata;
  do {
    RETURN_IF_ERROR(ctx.Check());
    const auto listed = core_.store.List(ctx, request);
    if (listed.Is(Errc::kAccessDenied)) return snapshots;
    if (!listed.ok()) return listed.error();
    const ListPage& page = *listed;
    request.continuation_token = page.next_token;
    for (const ObjectInfo& object : page.objects) {
      const std::string name = object.key.substr(kSnapshotPrefix.size());
      if (name.empty() || name.size() > kMaxNameBytes || name.find('/') != std::string::npos) continue;
      if (object.has_metadata || object.size_bytes == 0) {
        snapshots.push_back({name, SnapshotTimeUs(object, core_.capabilities.as_of), object.etag});
        continue;
      }
      ASSIGN_OR_RETURN(auto found, FindSnapshot(ctx, name));
      if (found) snapshots.push_back(std::move(*found));
    }
  } while (!request.continuation_token.empty());
  return snapshots;
}

Status Past::PutSnapshot(const OpContext& ctx, std::string_view name, std::optional<int64_t> time_us) {
  PutOptions options;
  options.headers.type = kSnapshotType;
  options.conditions = Conditions::IfAbsent();
  std::string token;
  {
    MutexLock lock(core_.mu);
    token = core_.OperationToken(0, core_.next_operation++);
  }
  SetMetadata(options.metadata, kOperationMetadata, token);
  if (time_us) SetMetadata(options.metadata, kSnapshotTimeMetadata, StrCat(*time_us));
  const std::string text = time_us ? FormatMomentExactly(*time_us) : "";
  StringBody body(text);
  auto put = core_.store.Put(ctx, KeyOfSnapshot(name), body, options);
  if (put.ok()) return {};
  if (put.Is(Errc::kPreconditionFailed)) return Error{Errc::kAlreadyExists, StrCat("there is a snapshot ", name)};
  if (!put.Is(Errc::kAmbiguous)) return std::move(put).error().With(StrCat("snapshot ", name));
  const auto there = core_.store.Head(ctx, KeyOfSnapshot(name), {});
  const std::string* found = there.ok() ? FindMetadata(there->metadata, kOperationMetadata) : nullptr;
  if (found != nullptr && *found == token) return {};
  if (there.ok()) return Error{Errc::kAlreadyExists, StrCat("there is a snapshot ", name)};
  return std::move(put).error().With(StrCat("snapshot ", name));
}

Status Past::CheckSnapshotName(std::string_view name) {
  if (!ShowsHistory()) return Error{Errc::kUnsupported, "the bucket keeps no versions"};
  if (ParseMoment(name, NowUs())) return Error{Errc::kInvalidArgument, StrCat(name, " is a moment, not a name")};
  if (!core_.options.utf8_names || IsUtf8(name)) return {};
  return Error{Errc::kInvalidArgument, "the names of a bucket on an S3 server are UTF-8"};
}

// Where times are whole seconds, this one must be over before anything else is stored.
Status Past::WaitOutSecond(const OpContext& ctx) {
  if (core_.capabilities.as_of || !core_.options.background) return {};
  constexpr int64_t kGranularityNs = 1'050'000'000;
  const int64_t until_ns = core_.clock.MonotonicNs() + kGranularityNs;
  MutexLock lock(core_.mu);
  while (core_.clock.MonotonicNs() < until_ns) {
    RETURN_IF_ERROR(ctx.Check());
    core_.load_ended.WaitFor(core_.mu, std::chrono::milliseconds(20));
  }
  return {};
}

Result<Ino> Past::MakeSnapshot(const OpContext& ctx, const InodePtr& dir, std::string_view name,
                               const std::function<Status()>& flush) {
  RETURN_IF_ERROR(CheckSnapshotName(name));
  RETURN_IF_ERROR(flush());
  RETURN_IF_ERROR(PutSnapshot(ctx, name, std::nullopt));
  RETURN_IF_ERROR(WaitOutSecond(ctx));
  ASSIGN_OR_RETURN(const auto made, FindSnapshot(ctx, name));
  if (!made) return Error{Errc::kNotFound, StrCat("snapshot ", name, " was removed at once")};
  PastPlace moment;
  {
    MutexLock lock(core_.mu);
    const std::string& prefix = dir->record.past->prefix;
    moment = {Kind::kTree, prefix, prefix, made->time_us, /*named=*/true};
    dir->record.past->listed_us = 0;
  }
  ASSIGN_OR_RETURN(const InodePtr inode, DirectoryAt(moment, dir->ino, name));
  return inode->ino;
}

Result<Past::Snapshot> Past::ExistingSnapshot(const OpContext& ctx, std::string_view name) {
  ASSIGN_OR_RETURN(auto snapshot, FindSnapshot(ctx, name));
  if (snapshot) return std::move(*snapshot);
  if (ParseMoment(name, NowUs())) return Error{Errc::kReadOnly, "the past cannot be changed"};
  return Error{Errc::kNotFound, StrCat("there is no snapshot ", name)};
}

Status Past::RemoveSnapshot(const OpContext& ctx, const InodePtr& dir, std::string_view name) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, ExistingSnapshot(ctx, name));
  const auto removed = core_.store.Delete(ctx, {KeyOfSnapshot(name), "", snapshot.etag});
  if (!removed.ok()) return Error(removed.error()).With(StrCat("removing snapshot ", name));
  MutexLock lock(core_.mu);
  dir->record.past->listed_us = 0;
  return {};
}

Status Past::RenameSnapshot(const OpContext& ctx, const InodePtr& dir, std::string_view name,
                            std::string_view new_name) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, ExistingSnapshot(ctx, name));
  RETURN_IF_ERROR(CheckSnapshotName(new_name));
  RETURN_IF_ERROR(PutSnapshot(ctx, new_name, snapshot.time_us));
  return RemoveSnapshot(ctx, dir, name);
}

}  // namespace pailfs::cache
