// Asking the bucket again for names that were known: at lookups and opens of what is older than `ttl`.

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cache/key_names.h"
#include "cache/loader.h"

namespace pailfs::cache {
namespace {

// How long a question waits for its answer while what is known could serve.
constexpr int64_t kPatienceNs = 10'000'000'000;
// So many names of a directory of several pages are asked for one by one before a page of it is listed.
constexpr uint32_t kNamesBeforePage = 3;

OpContext WithPatience(const OpContext& ctx) {
  OpContext patient = ctx;
  patient.deadline_ns = std::min(ctx.deadline_ns, ctx.NowNs() + kPatienceNs);
  return patient;
}

}  // namespace

bool Loader::ServesWithout(const OpContext& ctx, const Error& error) {
  const bool silent = error.code == Errc::kUnavailable || error.code == Errc::kTimedOut;
  if (!silent || !ctx.Check().ok()) return false;
  core_.NoteUnreachable(error);
  return true;
}

Result<Loader::Wanted> Loader::WantedOf(const InodePtr& dir, std::string_view name) {
  Wanted wanted;
  wanted.name = std::string(name);
  ASSIGN_OR_RETURN(wanted.dentry, core_.db->FindDentry(dir->ino, name));
  wanted.segment = KeySegmentOfName(name);
  if (wanted.dentry && IsHashedName(name)) {
    auto inode = core_.Get(wanted.dentry->ino);
    if (!inode.ok() && !inode.Is(Errc::kStale)) return std::move(inode).error();
    if (inode.ok()) wanted.segment = (*inode)->record.Segment();
  }
  return wanted;
}

Status Loader::Revalidate(const OpContext& ctx, const InodePtr& dir, std::string_view name, Purpose purpose) {
  Wanted wanted;
  std::string prefix;
  {
    MutexLock lock(core_.mu);
    for (;;) {
      if (dir->record.parent == 0) return {};
      ASSIGN_OR_RETURN(wanted, WantedOf(dir, name));
      // What was changed here is not for the bucket to tell; a conflict shows when it is written back.
      if (wanted.dentry && wanted.dentry->in_meta) return {};
      ASSIGN_OR_RETURN(const bool moving, core_.IsMoving(dir->ino));
      if (moving) return {};
      const Freshness::Name asked{wanted.segment, CookieOfName(name), wanted.dentry.has_value()};
      const bool have = dir->known || (wanted.dentry && wanted.dentry->current);
      const int64_t now_ns = core_.clock.MonotonicNs();
      if (have ? core_.IsFresh(*dir, asked, purpose) : dir->freshness.Holds(asked, now_ns, *core_.options.ttl_ns)) {
        return {};
      }
      RETURN_IF_ERROR(ctx.Check());
      if (now_ns < core_.unreachable_until_ns) {
        ASSIGN_OR_RETURN(const bool serves, Serve(dir, wanted));
        if (serves) return {};
      }
      if (!dir->loading) break;
      core_.load_ended.WaitFor(core_.mu, std::chrono::milliseconds(20));
    }
    ASSIGN_OR_RETURN(prefix, core_.DirectoryPrefix(dir->ino));
    dir->loading = true;
  }
  Status asked;
  {
    const ListingScope scope(core_);
    asked = AskAgain(WithPatience(ctx), dir, wanted, prefix);
  }
  MutexLock lock(core_.mu);
  dir->loading = false;
  core_.load_ended.NotifyAll();
  if (asked.ok()) {
    core_.NoteReachable();
    return {};
  }
  if (ServesWithout(ctx, asked.error())) {
    ASSIGN_OR_RETURN(const bool serves, Serve(dir, wanted));
    if (serves) return {};
  }
  return std::move(asked).error().With("asking for " + prefix + wanted.segment);
}

Result<bool> Loader::Serve(const InodePtr& dir, const Wanted& wanted) {
  if (dir->known || wanted.dentry) return true;
  ASSIGN_OR_RETURN(dir->known, core_.db->WasListed(dir->ino));
  return dir->known;
}

Status Loader::AskAgain(const OpContext& ctx, const InodePtr& dir, const Wanted& wanted, const std::string& prefix) {
  bool many = false;
  bool one_by_one = false;
  {
    MutexLock lock(core_.mu);
    many = dir->many;
    one_by_one = many && ++dir->probes <= kNamesBeforePage;
  }
  if (one_by_one) return AskForName(ctx, dir, wanted, prefix);
  if (!many) {
    ASSIGN_OR_RETURN(const bool answered, AskForPage(ctx, dir, wanted, prefix, ""));
    if (answered) return {};
  }
  const std::string_view before = wanted.segment.empty() ? "" : WithoutLastCharacter(wanted.segment);
  const std::string start_after = before.empty() ? "" : StrCat(prefix, before);
  ASSIGN_OR_RETURN(const bool answered, AskForPage(ctx, dir, wanted, prefix, start_after));
  return answered ? Status() : AskForName(ctx, dir, wanted, prefix);
}

Status Loader::AskForName(const OpContext& ctx, const InodePtr& dir, const Wanted& wanted, const std::string& prefix) {
  const int64_t began_ns = core_.clock.MonotonicNs();
  if (!wanted.dentry) {
    RETURN_IF_ERROR(Probe(ctx, dir, wanted.name));
  } else if (S_ISDIR(wanted.dentry->type)) {
    ASSIGN_OR_RETURN(const bool is_there, AnyUnder(ctx, StrCat(prefix, wanted.segment, "/")));
    if (!is_there) RETURN_IF_ERROR(DropName(dir, wanted.name, prefix));
  } else {
    ASSIGN_OR_RETURN(auto info, HeadIfThere(ctx, prefix + wanted.segment));
    if (info) {
      Found entry;
      entry.name = wanted.name;
      entry.segment = wanted.segment;
      entry.info = std::move(*info);
      entry.has_object = true;
      RETURN_IF_ERROR(Apply(dir->ino, {entry}, prefix, /*moved=*/false));
    } else {
      RETURN_IF_ERROR(DropName(dir, wanted.name, prefix));
    }
  }
  MutexLock lock(core_.mu);
  dir->freshness.OnPage({wanted.segment, wanted.segment, /*to_the_end=*/false, {CookieOfName(wanted.name)}, began_ns});
  return {};
}

Result<bool> Loader::AskForPage(const OpContext& ctx, const InodePtr& dir, const Wanted& wanted,
                                const std::string& prefix, const std::string& start_after) {
  const int64_t began_ns = core_.clock.MonotonicNs();
  ListRequest request = RequestFor(prefix);
  request.start_after = start_after;
  ASSIGN_OR_RETURN(ListPage page, core_.store.List(ctx, request));
  const bool from_start = start_after.empty();
  if (from_start) RETURN_IF_ERROR(TakeMarker(dir->ino, prefix, /*moved=*/false, &page));
  const bool to_the_end = page.next_token.empty();
  HoldBack(&page);
  ASSIGN_OR_RETURN(const auto found, Interpret(ctx, prefix, std::move(page), /*moved=*/false));
  RETURN_IF_ERROR(Apply(dir->ino, found, prefix, /*moved=*/false));

  Freshness::Page covered;
  covered.first = from_start ? "" : start_after.substr(prefix.size());
  covered.to_the_end = to_the_end;
  covered.began_ns = began_ns;
  for (const Found& entry : found) {
    covered.seen.push_back(CookieOfName(entry.name));
    covered.last = std::max(covered.last, entry.segment);
  }
  std::sort(covered.seen.begin(), covered.seen.end());
  if (from_start && to_the_end) RETURN_IF_ERROR(DropUnseen(dir, prefix, covered.seen));
  const bool answered = to_the_end || wanted.segment <= covered.last;
  const bool seen = std::binary_search(covered.seen.begin(), covered.seen.end(), CookieOfName(wanted.name));
  if (answered && !seen) RETURN_IF_ERROR(DropName(dir, wanted.name, prefix));
  MutexLock lock(core_.mu);
  if (from_start && to_the_end) {
    RETURN_IF_ERROR(NoteListed(dir, prefix, covered.seen.size(), began_ns));
  } else {
    dir->many = true;
    dir->freshness.OnPage(std::move(covered));
  }
  return answered;
}

}  // namespace pailfs::cache
