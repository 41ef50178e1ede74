#include "cli/versions_command.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/file_versions.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

constexpr size_t kTimeWidth = 21;
constexpr size_t kSizeWidth = 12;

struct History {
  std::vector<FileVersion> versions;
  bool first_is_current = false;
};

Error IsADirectory(const std::string& path, const PastPlace& place, bool exists) {
  const std::string where = exists ? JoinPath(path, place.names.versions) : place.Versions();
  return Error{Errc::kIsADirectory, StrCat(Printable(path), exists ? " is" : " was", " a directory; 'ls ",
                                           Printable(where), "' lists the files that have versions in it")};
}

Result<History> ReadHistory(const std::string& path, const PastNamesReader& read_names) {
  ASSIGN_OR_RETURN(const PastPlace place, FindPastPlace(path, read_names));
  const auto live = Node::Look(AT_FDCWD, place.Live());
  if (!live.ok()) return live.error().With(Printable(path));
  const bool exists = live->has_value();
  if (place.rest.empty() || (exists && (*live)->IsDirectory())) return IsADirectory(path, place, true);
  const auto view = Node::Find(AT_FDCWD, place.Versions());
  if (view.Is(Errc::kNotFound) || view.Is(Errc::kNotADirectory)) {
    return Error{Errc::kNotFound, StrCat("the bucket has no version of ", Printable(path), exists ? " yet" : "")};
  }
  if (!view.ok()) return view.error().With(Printable(place.Versions()));
  ASSIGN_OR_RETURN(const bool of_file, IsVersionsOfFile(*view));
  if (!of_file) return IsADirectory(path, place, false);
  History history;
  auto versions = ListFileVersions(*view);
  if (!versions.ok()) return versions.error().With(Printable(place.Versions()));
  history.versions = std::move(*versions);
  if (exists && !history.versions.empty()) {
    const FileVersion& newest = history.versions.front();
    const auto id = (*live)->OfObject("version_id");
    history.first_is_current = id.ok() && *id && !newest.deleted && **id == newest.version_id;
  }
  return history;
}

void PrintTable(const History& history) {
  size_t id_width = std::string_view("VERSION").size();
  for (const FileVersion& version : history.versions) id_width = std::max(id_width, version.version_id.size());
  Print(StrCat(LeftAligned("TIME", kTimeWidth), RightAligned("SIZE", kSizeWidth), "  ",
               LeftAligned("VERSION", id_width), "  STATE\n"));
  bool first = true;
  for (const FileVersion& version : history.versions) {
    const bool current = first && history.first_is_current;
    first = false;
    const std::string id = LeftAligned(Printable(version.version_id), id_width);
    std::string line = StrCat(LeftAligned(Printable(version.time), kTimeWidth),
                              RightAligned(version.deleted ? "-" : StrCat(version.size_bytes), kSizeWidth), "  ", id,
                              version.deleted ? "  deleted"
                              : current       ? "  current"
                                              : "");
    line.erase(line.find_last_not_of(' ') + 1);
    Print(line + '\n');
  }
}

JsonWriter JsonOf(const std::string& path, const History& history) {
  JsonWriter json;
  json.BeginObject();
  json.Field("path", path);
  json.BeginArray("versions");
  bool first = true;
  for (const FileVersion& version : history.versions) {
    json.BeginObject();
    json.Field("time", version.time);
    json.Field("size", version.size_bytes);
    json.Field("version_id", version.version_id);
    json.Field("etag", version.etag);
    json.Field("deleted", version.deleted);
    json.Field("current", first && history.first_is_current);
    json.Field("mtime", version.deleted ? "" : FormatExactTime(version.mtime));
    json.EndObject();
    first = false;
  }
  json.EndArray();
  json.EndObject();
  return json;
}

}  // namespace

int VersionsCommand(const VersionsRequest& request, const PastNamesReader& read_names) {
  int code = kExitOk;
  bool first = true;
  JsonLines lines(request.json);
  for (const std::string& path : request.paths) {
    const auto history = ReadHistory(path, read_names);
    if (!history.ok()) {
      Say(history.error().message);
      code = std::max(code, CommandExitCode(history.error().code));
      continue;
    }
    if (request.json) {
      lines.Add(JsonOf(path, *history));
      continue;
    }
    if (request.paths.size() > 1) Print(StrCat(first ? "" : "\n", Printable(path), ":\n"));
    first = false;
    PrintTable(*history);
  }
  lines.End();
  return Finish(code);
}

}  // namespace pailfs::cli
