#include "cli/undelete_command.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/file_limit.h"
#include "cli/file_versions.h"
#include "cli/interrupt.h"
#include "cli/node_copy.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

class Watcher : public CopyObserver {
 public:
  bool StopRequested() override { return Interruption::Requested(); }
  void OnBytes(uint64_t) override {}
};

// What one PATH leads to. Goes on after errors of single files.
class Undeletion {
 public:
  Undeletion(const PastPlace& place, bool dry_run) : place_(place), dry_run_(dry_run) {}

  // `rest`: below the base of the place, which exists. `view`: its versions.
  void BringBack(const std::string& rest, const Node& view);
  // Of a directory that exists.
  void BringBackBelow(const std::string& rest);
  void Fail(const std::string& rest, const Error& error) {
    ++failed_;
    Say(StrCat(Printable(Path(rest)), ": ", error.message));
  }

  uint64_t brought_back() const { return brought_back_; }
  uint64_t failed() const { return failed_; }

 private:
  std::string Path(const std::string& rest) const { return JoinPath(place_.base, rest); }
  void BringBackEntries(const std::string& rest, const Node& view);
  void BringBackFile(const std::string& rest, const Node& view);
  Status Copy(const std::string& rest, const Node& view, const FileVersion& version);
  // The directory of that path, made as it last was where it is gone.
  Result<Node> OpenDirectory(const std::string& rest);
  Result<std::optional<Node>> MakeDirectory(const Node& parent, const std::string& name, const std::string& rest);

  const PastPlace& place_;
  const bool dry_run_;
  Watcher watcher_;
  uint64_t brought_back_ = 0;
  uint64_t failed_ = 0;
};

void Undeletion::BringBack(const std::string& rest, const Node& view) {
  if (watcher_.StopRequested()) return;
  const auto of_file = IsVersionsOfFile(view);
  if (!of_file.ok()) return Fail(rest, of_file.error());
  *of_file ? BringBackFile(rest, view) : BringBackEntries(rest, view);
}

void Undeletion::BringBackBelow(const std::string& rest) {
  // Its own view, not the one above it, which may be that of a file that once had its name.
  const auto view = Node::FindDirectory(JoinPath(Path(rest), place_.names.versions));
  if (view.Is(Errc::kNotFound)) return;
  if (!view.ok()) return Fail(rest, view.error());
  BringBackEntries(rest, *view);
}

void Undeletion::BringBackEntries(const std::string& rest, const Node& view) {
  const auto names = view.List();
  if (!names.ok()) return Fail(rest, names.error());
  for (const std::string& name : *names) {
    if (watcher_.StopRequested()) return;
    if (IsTemporaryName(name) || place_.names.Hides(name)) continue;
    const std::string below = rest.empty() ? name : JoinPath(rest, name);
    const auto live = Node::Look(AT_FDCWD, Path(below));
    if (!live.ok()) {
      Fail(below, live.error());
    } else if (*live) {
      if ((*live)->IsDirectory()) BringBackBelow(below);
    } else {
      const auto entry = Node::Find(view.fd(), name);
      entry.ok() ? BringBack(below, *entry) : Fail(below, entry.error());
    }
  }
}

void Undeletion::BringBackFile(const std::string& rest, const Node& view) {
  const auto versions = ListFileVersions(view);
  if (!versions.ok()) return Fail(rest, versions.error());
  const auto newest = std::find_if(versions->begin(), versions->end(), [](const auto& v) { return !v.deleted; });
  if (newest == versions->end()) return;
  if (!dry_run_) {
    const Status copied = Copy(rest, view, *newest);
    if (copied.Is(Errc::kCancelled)) return;
    if (!copied.ok()) return Fail(rest, copied.error());
  }
  ++brought_back_;
  Print(StrCat(dry_run_ ? "would bring back " : "brought back ", Printable(Path(rest)), ", ",
               FormatSize(newest->size_bytes), ", of ", Printable(newest->time), '\n'));
}

Status Undeletion::Copy(const std::string& rest, const Node& view, const FileVersion& version) {
  ASSIGN_OR_RETURN(const Node source, Node::Find(view.fd(), version.name));
  const size_t slash = rest.rfind('/');
  ASSIGN_OR_RETURN(const Node directory, OpenDirectory(slash == std::string::npos ? "" : rest.substr(0, slash)));
  ASSIGN_OR_RETURN(TemporaryCopy copy, TemporaryCopy::Make(source, directory.fd(), OwnersWeCanKeep(), watcher_));
  return copy.TakeName(slash == std::string::npos ? rest : rest.substr(slash + 1), TemporaryCopy::Replace::kNever);
}

Result<Node> Undeletion::OpenDirectory(const std::string& rest) {
  ASSIGN_OR_RETURN(Node directory, Node::FindDirectory(place_.base));
  // Name by name: a link that somebody puts there meanwhile must not lead us elsewhere.
  for (size_t start = 0; start < rest.size();) {
    const size_t end = std::min(rest.find('/', start), rest.size());
    const std::string name = rest.substr(start, end - start);
    start = end + 1;
    ASSIGN_OR_RETURN(auto next, Node::Look(directory.fd(), name));
    if (!next) {
      ASSIGN_OR_RETURN(next, MakeDirectory(directory, name, rest.substr(0, end)));
    }
    if (!next->IsDirectory()) {
      return Error{Errc::kNotADirectory, StrCat(Printable(Path(rest.substr(0, end))), " is no directory now")};
    }
    directory = std::move(*next);
  }
  return directory;
}

Result<std::optional<Node>> Undeletion::MakeDirectory(const Node& parent, const std::string& name,
                                                      const std::string& rest) {
  // Only ours until it is known who may look into it.
  if (mkdirat(parent.fd(), name.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoError(errno, StrCat("making the directory ", Printable(Path(rest))));
  }
  ASSIGN_OR_RETURN(Node made, Node::Find(parent.fd(), name));
  PastPlace then = place_;
  then.rest = rest;
  // The view of a directory's versions has the mode and owner that it had last.
  const auto last = Node::FindDirectory(then.Versions());
  if (last.ok() && made.IsDirectory()) RETURN_IF_ERROR(made.CopyMetadata(*last, OwnersWeCanKeep()));
  return std::optional(std::move(made));
}

Result<uint64_t> Undelete(const std::string& path, bool dry_run, const PastNamesReader& read_names) {
  ASSIGN_OR_RETURN(const PastPlace place, FindPastPlace(path, read_names));
  Undeletion undeletion(place, dry_run);
  const auto live = Node::Look(AT_FDCWD, place.Live());
  if (!live.ok()) return live.error().With(Printable(path));
  if (place.rest.empty() || (*live && (*live)->IsDirectory())) {
    undeletion.BringBackBelow(place.rest);
  } else if (*live) {
    return Error{Errc::kNotFound, StrCat(Printable(path), " is not deleted; 'pailfs restore' has its older versions")};
  } else {
    const auto view = Node::Find(AT_FDCWD, place.Versions());
    if (view.ok()) {
      undeletion.BringBack(place.rest, *view);
    } else if (!view.Is(Errc::kNotFound) && !view.Is(Errc::kNotADirectory)) {
      return view.error().With(Printable(place.Versions()));
    }
  }
  if (undeletion.failed() > 0) {
    return Error{Errc::kIo, StrCat(Printable(path), ": ", undeletion.brought_back(), " brought back, ",
                                   undeletion.failed(), " failed")};
  }
  if (undeletion.brought_back() == 0 && !Interruption::Requested()) {
    return Error{Errc::kNotFound, StrCat("nothing to bring back for ", Printable(path))};
  }
  return undeletion.brought_back();
}

}  // namespace

int UndeleteCommand(const UndeleteRequest& request, const PastNamesReader& read_names) {
  RaiseFileLimit();
  int code = kExitOk;
  const Interruption interruption;
  for (const std::string& path : request.paths) {
    if (Interruption::Requested()) break;
    const auto done = Undelete(path, request.dry_run, read_names);
    if (done.ok()) continue;
    Say(done.error().message);
    code = std::max(code, CommandExitCode(done.error().code));
  }
  if (Interruption::Requested()) {
    Say("interrupted; the same command goes on where this one stopped");
    code = kExitTrouble;
  }
  return Finish(code);
}

}  // namespace pailfs::cli
