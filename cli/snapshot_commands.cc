#include "cli/snapshot_commands.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/node.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

constexpr size_t kTimeWidth = 28;

struct NamedSnapshot {
  std::string time;
  std::string name;
};

int End(const Status& status) {
  return Finish(status.ok() ? kExitOk : Fail(status.error()));
}

// The directory that holds the snapshots of what `path` is in. Found before it is used, so that kNotFound of what is
// done there is about the snapshot.
Result<Node> OpenSnapshots(const std::string& path, const PastNamesReader& read_names) {
  const auto directory = Node::FindDirectory(path);
  if (!directory.ok()) return Error{Errc::kInvalidArgument, directory.error().With(Printable(path)).message};
  ASSIGN_OR_RETURN(const PastNames names, read_names(path));
  auto snapshots = Node::Find(directory->fd(), names.snapshot);
  if (!snapshots.ok()) {
    return Error{Errc::kUnsupported, snapshots.error().With(StrCat(Printable(path), '/', names.snapshot)).message};
  }
  return snapshots;
}

Status CheckName(const std::string& name) {
  if (!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos) return {};
  return Error{Errc::kInvalidArgument, StrCat("'", Printable(name), "' cannot be the name of a snapshot")};
}

Error NoSnapshot(const std::string& name) {
  return Error{Errc::kNotFound,
               StrCat("there is no snapshot '", Printable(name), "'; 'pailfs snapshot list' shows which there are")};
}

Error IsThereAlready(const std::string& name) {
  return Error{Errc::kAlreadyExists, StrCat("there is a snapshot '", Printable(name), "' already")};
}

Error NotAName(const std::string& name) {
  return Error{Errc::kInvalidArgument,
               StrCat("'", Printable(name), "' cannot be the name of a snapshot: it reads as a time, or is too long")};
}

std::string TimeOf(const Node& snapshots, const std::string& name) {
  const auto node = Node::Find(snapshots.fd(), name);
  if (!node.ok()) return "";
  const auto time = node->Xattr("user.pailfs.time");
  return time.ok() ? time->value_or("") : "";
}

Result<std::vector<NamedSnapshot>> ReadNamed(const Node& snapshots) {
  std::vector<NamedSnapshot> named;
  ASSIGN_OR_RETURN(const auto names, snapshots.List());
  for (const std::string& name : names) {
    const auto node = Node::Find(snapshots.fd(), name);
    if (node.Is(Errc::kNotFound)) continue;  // forgotten meanwhile
    if (!node.ok()) return node.error().With(Printable(name));
    ASSIGN_OR_RETURN(const auto kind, node->Xattr("user.pailfs.snapshot"));
    if (kind != "named") continue;
    ASSIGN_OR_RETURN(const auto time, node->Xattr("user.pailfs.time"));
    named.push_back({time.value_or(""), name});
  }
  std::sort(named.begin(), named.end(), [](const NamedSnapshot& a, const NamedSnapshot& b) {
    return std::tie(a.time, a.name) < std::tie(b.time, b.name);
  });
  return named;
}

Status Create(const SnapshotRequest& request, const PastNamesReader& read_names) {
  RETURN_IF_ERROR(CheckName(request.name));
  ASSIGN_OR_RETURN(const Node snapshots, OpenSnapshots(request.path, read_names));
  if (mkdirat(snapshots.fd(), request.name.c_str(), 0777) != 0) {
    return WhyNoSnapshot(errno, request.name, request.path);
  }
  const std::string time = TimeOf(snapshots, request.name);
  Print(StrCat("snapshot ", Printable(request.name), time.empty() ? "" : " of ", Printable(time), '\n'));
  return {};
}

Status List(const SnapshotRequest& request, const PastNamesReader& read_names) {
  ASSIGN_OR_RETURN(const Node snapshots, OpenSnapshots(request.path, read_names));
  ASSIGN_OR_RETURN(const auto named, ReadNamed(snapshots));
  JsonLines lines(request.json);
  for (const NamedSnapshot& snapshot : named) {
    if (!request.json) {
      Print(StrCat(LeftAligned(Printable(snapshot.time), kTimeWidth), Printable(snapshot.name), '\n'));
      continue;
    }
    JsonWriter json;
    json.BeginObject();
    json.Field("name", snapshot.name);
    json.Field("time", snapshot.time);
    json.EndObject();
    lines.Add(json);
  }
  lines.End();
  return {};
}

Status Delete(const SnapshotRequest& request, const PastNamesReader& read_names) {
  RETURN_IF_ERROR(CheckName(request.name));
  ASSIGN_OR_RETURN(const Node snapshots, OpenSnapshots(request.path, read_names));
  if (unlinkat(snapshots.fd(), request.name.c_str(), AT_REMOVEDIR) != 0) {
    if (errno == ENOENT) return NoSnapshot(request.name);
    return ErrnoError(errno, StrCat("deleting the snapshot ", Printable(request.name)));
  }
  Print(StrCat("deleted snapshot ", Printable(request.name), '\n'));
  return {};
}

Status Rename(const SnapshotRequest& request, const PastNamesReader& read_names) {
  RETURN_IF_ERROR(CheckName(request.name));
  RETURN_IF_ERROR(CheckName(request.new_name));
  ASSIGN_OR_RETURN(const Node snapshots, OpenSnapshots(request.path, read_names));
  // A plain rename would let the new name forget its own moment.
  if (renameat2(snapshots.fd(), request.name.c_str(), snapshots.fd(), request.new_name.c_str(), RENAME_NOREPLACE) !=
      0) {
    if (errno == ENOENT) return NoSnapshot(request.name);
    if (errno == EEXIST) return IsThereAlready(request.new_name);
    if (errno == EINVAL) return NotAName(request.new_name);
    return ErrnoError(errno,
                      StrCat("renaming the snapshot ", Printable(request.name), " to ", Printable(request.new_name)));
  }
  Print(StrCat("renamed snapshot ", Printable(request.name), " to ", Printable(request.new_name), '\n'));
  return {};
}

}  // namespace

Error WhyNoSnapshot(int error_number, const std::string& name, const std::string& path) {
  if (error_number == EOPNOTSUPP) {
    return Error{Errc::kUnsupported,
                 StrCat("the bucket behind ", Printable(path),
                        " keeps no versions, so there is no past to give a name to. To switch them on:\n"
                        "  for a store, while it is not mounted: pailfs store bucket versioning DIR NAME on\n"
                        "  for s3:// : aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration "
                        "Status=Enabled")};
  }
  if (error_number == EEXIST) return IsThereAlready(name);
  if (error_number == EINVAL || error_number == ENAMETOOLONG) return NotAName(name);
  return ErrnoError(error_number, StrCat("making the snapshot ", Printable(name)));
}

int CreateSnapshotCommand(const SnapshotRequest& request, const PastNamesReader& read_names) {
  return End(Create(request, read_names));
}
int ListSnapshotsCommand(const SnapshotRequest& request, const PastNamesReader& read_names) {
  return End(List(request, read_names));
}
int DeleteSnapshotCommand(const SnapshotRequest& request, const PastNamesReader& read_names) {
  return End(Delete(request, read_names));
}
int RenameSnapshotCommand(const SnapshotRequest& request, const PastNamesReader& read_names) {
  return End(Rename(request, read_names));
}

}  // namespace pailfs::cli
