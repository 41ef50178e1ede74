#include "cli/restore_command.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/file_limit.h"
#include "cli/interrupt.h"
#include "cli/text_output.h"
#include "cli/tree_restore.h"

namespace pailfs::cli {
namespace {

constexpr int64_t kShowEvery_ns = 100'000'000;

// Says what fails, and on a terminal how far it is.
class Watcher : public RestoreObserver {
 public:
  bool StopRequested() override { return Interruption::Requested(); }
  void OnBytes(uint64_t bytes) override {
    bytes_ += bytes;
    Show();
  }
  void OnProgress(const RestoreCounts& counts) override {
    looked_ = counts.Looked();
    Show();
  }
  void OnPlan(std::string_view action, const std::string& path) override {
    Print(StrCat("would ", action, ' ', Printable(path), '\n'));
  }
  void OnFailure(const std::string& path, const Error& error) override {
    line_.Clear();
    Say(StrCat(Printable(path), ": ", error.message));
  }
  bool visible() const { return line_.visible(); }
  void ExpectTotals(const TreeTotals& totals) { totals_ = totals; }
  void Clear() { line_.Clear(); }

 private:
  void Show() {
    const int64_t now_ns = SystemClock().MonotonicNs();
    if (!visible() || now_ns - shown_ns_ < kShowEvery_ns) return;
    shown_ns_ = now_ns;
    line_.Show(StrCat("restoring, ", looked_, " of ", totals_.nodes, " done, ", FormatSize(bytes_), " of ",
                      FormatSize(totals_.bytes)));
  }

  ProgressLine line_;
  TreeTotals totals_;
  uint64_t looked_ = 0;
  uint64_t bytes_ = 0;
  int64_t shown_ns_ = 0;
};

struct Target {
  Node directory;
  std::string name;
  std::string path;
};

Result<Target> FindTarget(const RestoreRequest& request, const PastPlace& place) {
  const std::string path = request.to.empty() ? request.path : request.to;
  // A link that leads to where the user wants to have it is not to be replaced.
  if (!request.to.empty() || place.rest.empty()) {
    auto whole = Node::FindDirectory(path);
    if (whole.ok()) return Target{std::move(*whole), ".", path};
  }
  ASSIGN_OR_RETURN(SplitPath split, SplitLastName(path));
  auto directory = Node::FindDirectory(split.directory);
  if (directory.Is(Errc::kNotFound) || directory.Is(Errc::kNotADirectory)) {
    return Error{Errc::kInvalidArgument, StrCat("there is no directory ", Printable(split.directory),
                                                " to restore into; make it, or restore the nearest one that is gone")};
  }
  if (!directory.ok()) return directory.error().With(Printable(split.directory));
  return Target{std::move(*directory), std::move(split.name), path};
}

// The path as it was then; kNotFound tells why it is not there.
Result<Node> FindSource(const RestoreRequest& request, const PastPlace& place, const PastNamesReader& read_names) {
  auto source = Node::Find(AT_FDCWD, place.Snapshot(request.at));
  if (source.ok()) return source;
  RETURN_IF_ERROR(CheckTimeIsKnown(place, request.at, read_names));
  if (!source.Is(Errc::kNotFound) && !source.Is(Errc::kNotADirectory)) {
    return source.error().With(Printable(place.Snapshot(request.at)));
  }
  return Error{Errc::kNotFound, StrCat(Printable(request.path), " was not there at ", Printable(request.at))};
}

std::string Summary(const RestoreCounts& counts, bool dry_run) {
  std::string text =
      StrCat(dry_run ? "would restore " : "restored ", Count(counts.files, "file", "files"), ", ",
             Count(counts.directories, "directory", "directories"), "; ", counts.unchanged, " unchanged");
  if (counts.deleted > 0) text += StrCat("; ", counts.deleted, dry_run ? " to delete" : " deleted");
  if (counts.failed > 0) text += StrCat("; ", counts.failed, " failed");
  return text + '\n';
}

Result<int> Restore(const RestoreRequest& request, const PastNamesReader& read_names) {
  RETURN_IF_ERROR(CheckTimeText(request.at));
  ASSIGN_OR_RETURN(const PastPlace place, FindPastPlace(request.path, read_names));
  ASSIGN_OR_RETURN(const Node source, FindSource(request, place, read_names));
  ASSIGN_OR_RETURN(const Target target, FindTarget(request, place));
  RestoreOptions options;
  options.owners = OwnersWeCanKeep();
  options.delete_extra = request.delete_extra;
  options.dry_run = request.dry_run;
  options.patience_ms = request.patience_ms;
  options.hidden = {place.names.snapshot, place.names.versions};
  // Another mount may have other names.
  if (const auto names = read_names(target.path); names.ok()) {
    options.hidden.insert(options.hidden.end(), {names->snapshot, names->versions});
  }
  if (target.name == "." && !source.IsDirectory()) {
    return Error{Errc::kInvalidArgument, StrCat(Printable(target.path), " is a directory, ", Printable(request.path),
                                                " was none; name the file to make")};
  }
  Watcher watcher;
  const Interruption interruption;
  if (watcher.visible()) watcher.ExpectTotals(CountTree(source, options.hidden, watcher));
  TreeRestore restore(options, watcher);
  restore.Restore(source, Spot{target.directory.fd(), target.name}, target.path);
  watcher.Clear();
  Print(Summary(restore.counts(), request.dry_run));
  if (Interruption::Requested()) {
    return Error{Errc::kCancelled, "interrupted; the same command goes on where this one stopped"};
  }
  return restore.counts().failed == 0 ? kExitOk : kExitNo;
}

}  // namespace

int RestoreCommand(const RestoreRequest& request, const PastNamesReader& read_names) {
  RaiseFileLimit();
  const auto code = Restore(request, read_names);
  return Finish(code.ok() ? *code : Fail(code.error()));
}

}  // namespace pailfs::cli
