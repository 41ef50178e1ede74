// Directories as they were: listed "as of" a time, or told from versions.
//
// Versions under a prefix are listed flat at first: one request for a thousand versions makes the whole tree below
// known. Where there are too many, the directory alone is listed, by delimiter; whether a prefix that has versions was
// a directory at the time is then asked for each, with an early stop, and what that finds is used too.

#include <algorithm>
#include <latch>

#include "base/str.h"
#include "cache/key_names.h"
#include "cache/past.h"
#include "cache/version_fold.h"

namespace pailfs::cache {
namespace {

// Of listings below a directory, before it is listed alone.
constexpr int kMostFlatPages = 10;
// Prefixes that are asked about together, and what is remembered of those that are small.
constexpr size_t kMostAtOnce = 64;
constexpr size_t kMostRemembered = 20'000;

bool IsReserved(std::string_view key) {
  return key.starts_with(kReservedPrefix);
}

// Objects are in key order: those whose keys begin with `prefix`.
std::span<const ObjectInfo> Under(std::span<const ObjectInfo> objects, const std::string& prefix) {
  const auto first = std::lower_bound(objects.begin(), objects.end(), prefix,
                                      [](const ObjectInfo& info, const std::string& key) { return info.key < key; });
  const auto last = std::find_if_not(first, objects.end(),
                                     [&prefix](const ObjectInfo& info) { return info.key.starts_with(prefix); });
  return {first, last};
}

}  // namespace

Past::Entry Past::Entry::Directory(const std::string& prefix, const std::string& below, bool marker_known) {
  const std::string_view segment = std::string_view(below).substr(prefix.size());
  return {std::string(segment.substr(0, segment.find('/'))), true, marker_known, {}};
}

void Past::AddObjects(const PastPlace& place, std::vector<ObjectInfo> objects, std::vector<Entry>* entries) {
  for (ObjectInfo& info : objects) {
    if (info.key == place.prefix) continue;
    std::string segment = info.key.substr(place.prefix.size());
    entries->push_back({std::move(segment), false, false, std::move(info)});
  }
}

Status Past::LoadTree(const OpContext& ctx, const InodePtr& dir, const PastPlace& place, Listed* listed) {
  if (core_.capabilities.as_of) return LoadAsOf(ctx, dir->ino, place, listed);
  return LoadFromVersions(ctx, dir->ino, place, listed);
}

// --- stores that read the past themselves ---

Status Past::LoadAsOf(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed) {
  ListRequest request;
  request.prefix = place.prefix;
  request.delimiter = "/";
  request.with_metadata = core_.options.posix_metadata && core_.capabilities.list_metadata;
  request.as_of_us = place.time_us;
  std::vector<ObjectInfo> held_back;
  for (;;) {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(ListPage page, core_.store.List(ctx, request));
    request.continuation_token = page.next_token;
    std::vector<Entry> entries;
    for (const std::string& common : page.common_prefixes) {
      if (IsReserved(common)) continue;
      Entry entry = Entry::Directory(place.prefix, common, /*marker_known=*/true);
      ASSIGN_OR_RETURN(entry.object, ObjectAt(ctx, common, place.time_us));
      entries.push_back(std::move(entry));
    }
    page.objects.insert(page.objects.begin(), std::make_move_iterator(held_back.begin()),
                        std::make_move_iterator(held_back.end()));
    held_back = Loader::HoldBack(&page);
    AddObjects(place, std::move(page.objects), &entries);
    RETURN_IF_ERROR(Apply(dir, place, entries, listed));
    if (request.continuation_token.empty()) return {};
  }
}

Result<std::optional<ObjectInfo>> Past::ObjectAt(const OpContext& ctx, const std::string& key, int64_t time_us) {
  if (core_.capabilities.as_of) return loader_.HeadIfThere(ctx, key, {.version_id = {}, .as_of_us = time_us});
  VersionFold fold(time_us);
  RETURN_IF_ERROR(VisitVersionsOf(ctx, key, [&fold](ObjectInfo version) {
    fold.Add(std::move(version));
    return true;
  }));
  return fold.Finish();
}

Result<bool> Past::AnyAt(const OpContext& ctx, const std::string& prefix, int64_t time_us, Flat* flat) {
  if (core_.capabilities.as_of) {
    ListRequest request;
    request.prefix = prefix;
    request.max_keys = 1;
    request.as_of_us = time_us;
    ASSIGN_OR_RETURN(const ListPage page, core_.store.List(ctx, request));
    return !page.objects.empty();
  }
  ASSIGN_OR_RETURN(*flat, ListFlat(ctx, prefix, time_us, Until::kFirstObject));
  return !flat->objects.empty();
}

Result<std::optional<Past::Entry>> Past::Probe(const OpContext& ctx, const PastPlace& place, std::string_view name) {
  Entry entry;
  entry.segment = KeySegmentOfName(name);
  const std::string key = place.prefix + entry.segment;
  if (key == kReservedSegment) return std::optional<Entry>();
  Flat below;
  ASSIGN_OR_RETURN(const bool is_directory, AnyAt(ctx, key + "/", place.time_us, &below));
  if (is_directory && NameOfKeySegment(entry.segment, KeySegmentKind::kDirectory) == name) {
    entry.is_directory = entry.marker_known = true;
    if (core_.capabilities.as_of) {
      ASSIGN_OR_RETURN(entry.object, ObjectAt(ctx, key + "/", place.time_us));
    } else if (below.objects.front().key == key + "/") {
      entry.object = std::move(below.objects.front());
    }
    return std::optional(std::move(entry));
  }
  const auto kind = is_directory ? KeySegmentKind::kObjectBesideDirectory : KeySegmentKind::kObject;
  if (NameOfKeySegment(entry.segment, kind) != name) return std::optional<Entry>();
  ASSIGN_OR_RETURN(entry.object, ObjectAt(ctx, key, place.time_us));
  return entry.object ? std::optional(std::move(entry)) : std::nullopt;
}

// --- from listings of versions ---

Result<Past::Flat> Past::ListFlat(const OpContext& ctx, const std::string& prefix, int64_t time_us, Until until) {
  ListVersionsRequest request;
  request.prefix = prefix;
  Flat flat{.fold = VersionFold(time_us)};
  const auto take = [&flat](std::optional<ObjectInfo> info) {
    if (info && !IsReserved(info->key)) flat.objects.push_back(std::move(*info));
  };
  for (int pages = 1;; ++pages) {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(ListVersionsPage page, core_.store.ListVersions(ctx, request));
    for (ObjectInfo& version : page.versions) {
      flat.known_to = version.key;
      take(flat.fold.Add(std::move(version)));
    }
    if (!page.truncated) {
      take(flat.fold.Finish());
      flat.complete = true;
      return flat;
    }
    request.key_marker = flat.next_key_marker = page.next_key_marker;
    request.version_id_marker = flat.next_version_id_marker = page.next_version_id_marker;
    const bool enough = until == Until::kFirstObject ? !flat.objects.empty() : pages == kMostFlatPages;
    if (enough) return flat;
  }
}

Status Past::LoadFromVersions(const OpContext& ctx, Ino dir, const PastPlace& place, Listed* listed) {
  ASSIGN_OR_RETURN(Flat flat, ListFlat(ctx, place.prefix, place.time_us, Until::kMostPages));
  if (flat.complete) return ApplyTree(dir, place, flat.objects, listed);
  ListVersionsRequest request;
  request.prefix = place.prefix;
  request.delimiter = "/";
  VersionFold fold(place.time_us);
  // All keys below `cut` are known. It goes on within the versions of a key, or with the directory that it was in.
  std::string cut = flat.known_to;
  if (const size_t slash = cut.find('/', place.prefix.size()); slash == std::string::npos) {
    request.key_marker = flat.next_key_marker;
    request.version_id_marker = flat.next_version_id_marker;
    fold = flat.fold;
  } else {
    cut.resize(slash + 1);
    request.key_marker = cut.substr(0, slash);
  }
  std::vector<ObjectInfo> known;
  std::vector<ObjectInfo> held_back;
  for (const ObjectInfo& info : flat.objects) {
    if (info.key >= cut) break;
    const bool may_be_beside = info.key.find('/', place.prefix.size()) == std::string::npos && info.key + "/" >= cut;
    (may_be_beside ? held_back : known).push_back(info);
  }
  RETURN_IF_ERROR(ApplyTree(dir, place, known, listed));
  for (;;) {
    RETURN_IF_ERROR(ctx.Check());
    ASSIGN_OR_RETURN(ListVersionsPage page, core_.store.ListVersions(ctx, request));
    std::erase_if(page.versions, [&cut](const ObjectInfo& version) { return version.key < cut; });
    std::erase_if(page.common_prefixes, [&cut](const std::string& prefix) { return prefix < cut; });
    ListPage now;
    now.objects = std::move(held_back);
    const auto take = [&](std::optional<ObjectInfo> info) {
      if (info) now.objects.push_back(std::move(*info));
    };
    const std::string last_key = page.versions.empty() ? "" : page.versions.back().key;
    for (ObjectInfo& version : page.versions) take(fold.Add(std::move(version)));
    const bool key_ends = !page.common_prefixes.empty() && page.common_prefixes.back() > last_key;
    if (!page.truncated || key_ends) take(fold.Finish());
    now.common_prefixes = page.common_prefixes;
    now.next_token = page.truncated ? "more" : "";
    held_back = Loader::HoldBack(&now);
    std::vector<std::pair<std::string, Flat>> whole;
    ASSIGN_OR_RETURN(std::vector<Entry> entries, Living(ctx, place, page.common_prefixes, flat, &whole));
    AddObjects(place, std::move(now.objects), &entries);
    RETURN_IF_ERROR(Apply(dir, place, entries, listed));
    for (const auto& [prefix, below] : whole) RETURN_IF_ERROR(ApplyBelow(place, prefix, below.objects));
    if (!page.truncated) return {};
    request.key_marker = page.next_key_marker;
    request.version_id_marker = page.next_version_id_marker;
  }
}

Result<std::vector<Past::Entry>> Past::Living(const OpContext& ctx, const PastPlace& place,
                                              const std::vector<std::string>& common, const Flat& flat,
                                              std::vector<std::pair<std::string, Flat>>* whole) {
  struct Question {
    std::string prefix;
    Result<Flat> answer = Error{Errc::kCancelled, "not asked"};
  };
  std::vector<Question> questions;
  std::vector<Entry> living;
  const auto found = [&](const std::string& prefix, std::span<const ObjectInfo> objects, bool marker_known) {
    Entry entry = Entry::Directory(place.prefix, prefix, marker_known);
    if (objects.front().key == prefix) entry.object = objects.front();
    living.push_back(std::move(entry));
  };
  for (const std::string& prefix : common) {
    if (IsReserved(prefix)) continue;
    const bool seen_whole = prefix < flat.known_to && !flat.known_to.starts_with(prefix);
    if (const auto objects = Under(flat.objects, prefix); !objects.empty()) {
      found(prefix, objects, prefix < flat.known_to);
    } else if (!seen_whole) {
      questions.push_back({prefix});
    }
  }
  size_t remembered = 0;
  for (size_t at = 0; at < questions.size(); at += kMostAtOnce) {
    const std::span some = std::span(questions).subspan(at, std::min(kMostAtOnce, questions.size() - at));
    std::latch open(static_cast<ptrdiff_t>(some.size()));
    for (Question& question : some) {
      const auto ask = [this, &ctx, &place, &question, &open] {
        question.answer = ListFlat(ctx, question.prefix, place.time_us, Until::kFirstObject);
        open.count_down();
      };
      if (asking_ == nullptr || !asking_->TrySubmit(ask)) ask();
    }
    open.wait();
    for (Question& question : some) {
      if (!question.answer.ok()) return std::move(question.answer).error();
      Flat below = std::move(*question.answer);
      question.answer = Error{Errc::kCancelled, "used"};
      if (below.objects.empty()) continue;
      found(question.prefix, below.objects, /*marker_known=*/true);
      remembered += below.objects.size();
      if (below.complete && remembered <= kMostRemembered) whole->emplace_back(question.prefix, std::move(below));
    }
  }
  return living;
}

Status Past::ApplyBelow(const PastPlace& place, const std::string& prefix, std::span<const ObjectInfo> objects) {
  const PastPlace below{PastPlace::Kind::kTree, place.root, prefix, place.time_us};
  ASSIGN_OR_RETURN(const InodePtr dir, DirectoryAt(below, 0, ""));
  const int64_t began_us = NowUs();
  Listed listed = BeginListing();
  RETURN_IF_ERROR(ApplyTree(dir->ino, below, objects, &listed));
  // Where something was dropped meanwhile, it is listed when somebody asks.
  RETURN_IF_ERROR(NoteListed(dir, std::move(listed), began_us));
  return {};
}

Status Past::ApplyTree(Ino dir, const PastPlace& place, std::span<const ObjectInfo> objects, Listed* listed) {
  std::vector<Entry> entries;
  std::vector<std::pair<std::string, std::span<const ObjectInfo>>> below;
  for (size_t at = 0; at < objects.size();) {
    const ObjectInfo& info = objects[at];
    const std::string rest = info.key.substr(place.prefix.size());
    const size_t slash = rest.find('/');
    if (slash == std::string::npos) {
      if (!rest.empty()) entries.push_back({rest, false, false, info});
      ++at;
      continue;
    }
    const std::string prefix = place.prefix + rest.substr(0, slash + 1);
    const auto inside = Under(objects.subspan(at), prefix);
    Entry entry = Entry::Directory(place.prefix, prefix, /*marker_known=*/true);
    if (info.key == prefix) entry.object = info;
    entries.push_back(std::move(entry));
    below.emplace_back(prefix, inside);
    at += inside.size();
  }
  RETURN_IF_ERROR(Apply(dir, place, entries, listed));
  for (const auto& [prefix, inside] : below) RETURN_IF_ERROR(ApplyBelow(place, prefix, inside));
  return {};
}

}  // namespace pailfs::cache
