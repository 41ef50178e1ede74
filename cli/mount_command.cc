#include "cli/mount_command.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/file_system.h"
#include "base/str.h"
#include "cli/config_file.h"
#include "cli/control_address.h"
#include "cli/exit_codes.h"
#include "cli/mount_daemon.h"
#include "cli/option_table.h"
#include "cli/report.h"
#include "cli/s3_connection.h"
#include "cli/text_output.h"
#include "fs/session.h"

namespace pailfs::cli {
namespace {

Status ApplyWords(const std::vector<std::string>& words, bool tolerate_unknown, MountSettings* settings) {
  for (const std::string& word : words) {
    if (tolerate_unknown && IsUnknownOption(word)) {
      Say(StrCat("ignoring unknown option '", word, "'"));
      continue;
    }
    RETURN_IF_ERROR(ApplyOption(*settings, word));
  }
  return {};
}

Result<MountSettings> Settings(const MountRequest& request, const Source& source) {
  MountSettings settings;
  const std::string path = request.config_path.value_or(std::string(kDefaultConfigPath));
  ASSIGN_OR_RETURN(const auto words, ReadConfig(PosixFileSystem(), path, request.config_path.has_value(),
                                                {request.source, source.Canonical()}));
  RETURN_IF_ERROR(ApplyWords(words, /*tolerate_unknown=*/false, &settings));
  for (const std::string& list : request.option_lists) {
    RETURN_IF_ERROR(ApplyWords(SplitOptions(list), request.tolerate_unknown, &settings));
  }
  if (source.kind == Source::Kind::kS3) {
    ASSIGN_OR_RETURN(settings.s3, ResolveS3(settings.s3, PosixFileSystem(), s3client::ProcessEnvironment()));
  }
  if (settings.cache_directory.empty()) {
    ASSIGN_OR_RETURN(settings.cache_directory, DefaultCacheDirectory(source, settings.s3.endpoint));
  }
  settings.cache_directory = AbsolutePath(settings.cache_directory);
  return settings;
}

bool IsEmptyDirectory(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return true;
  bool empty = true;
  while (const dirent* entry = readdir(directory)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) empty = false;
  }
  closedir(directory);
  return empty;
}

// The canonical path of a directory that can be mounted on.
Result<std::string> CheckMountpoint(const std::string& path) {
  // Before anything that asks the file system there: it may be a mount that does not answer.
  ASSIGN_OR_RETURN(const bool mounted, fs::IsPailfsMount(path));
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) {
      return Error{Errc::kNotFound, StrCat("mount point ", path, " does not exist; make it with: mkdir -p ", path)};
    }
    if (errno == ENOTCONN) {
      return Error{Errc::kBusy,
                   StrCat("the daemon of an earlier mount on ", path, " is dead; first run: umount -l ", path)};
    }
    return ErrnoError(errno, "mount point " + path);
  }
  if (mounted)
    return Error{Errc::kBusy, StrCat(path, " is already a pailfs mount; 'pailfs status ", path, "' tells of what")};
  if (!S_ISDIR(st.st_mode)) return Error{Errc::kNotADirectory, StrCat("mount point ", path, " is not a directory")};
  const std::string canonical = CanonicalMountpoint(path);
  if (!IsEmptyDirectory(canonical))
    Say(StrCat("note: ", path, " is not empty; its files are hidden while it is mounted on"));
  return canonical;
}

// A store or cache inside the mount point could not be reached once it is mounted on.
Status CheckOutside(const std::string& mountpoint, std::string_view what, const std::string& directory) {
  const std::string place = CanonicalMountpoint(directory);
  if (place != mountpoint && !place.starts_with(mountpoint + "/")) return {};
  return Error{Errc::kInvalidArgument,
               StrCat("the ", what, " ", directory, " lies inside the mount point ", mountpoint)};
}

int Refuse(const Error& error, int exit_code) {
  Say(error.message);
  return exit_code;
}

}  // namespace

int MountCommand(const MountRequest& request) {
  auto source = ParseSource(PosixFileSystem(), request.source);
  if (!source.ok()) {
    return Refuse(source.error(), source.Is(Errc::kInvalidArgument) ? kExitUsage : MountExitCode(source.error().code));
  }
  auto settings = Settings(request, *source);
  if (!settings.ok()) return Refuse(settings.error(), settings.Is(Errc::kInvalidArgument) ? kExitUsage : kExitSystem);
  auto mountpoint = CheckMountpoint(request.mountpoint);
  if (!mountpoint.ok()) return Refuse(mountpoint.error(), kExitMountFailure);
  for (const auto& [what, directory] : {std::pair("store", source->directory), {"cache", settings->cache_directory}}) {
    if (directory.empty()) continue;
    const Status outside = CheckOutside(*mountpoint, what, directory);
    if (!outside.ok()) return Refuse(outside.error(), kExitMountFailure);
  }
  const MountPlan plan{*source, *settings, *mountpoint, request.foreground};
  if (request.verbose) {
    Say(StrCat(plan.source.Canonical(), " on ", plan.mountpoint, ", cache ", plan.settings.cache_directory));
  }
  if (request.fake) return kExitOk;
  const auto body = [&plan](Report& report) { return RunMount(plan, report); };
  return request.foreground ? RunInForeground(body) : RunAsDaemon(body);
}

Result<MountRequest> ParseHelperArguments(int argc, char** argv) {
  MountRequest request;
  std::vector<std::string> places;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with('-') || word == "-") {
      places.emplace_back(word);
      continue;
    }
    for (size_t at = 1; at < word.size(); ++at) {
      const char flag = word[at];
      if (flag == 's') request.tolerate_unknown = true;
      if (flag == 'f') request.fake = true;
      if (flag == 'v') request.verbose = true;
      if (std::string_view("sfnv").find(flag) != std::string_view::npos) continue;
      if (std::string_view("otN").find(flag) == std::string_view::npos) {
        return Error{Errc::kInvalidArgument, StrCat("unknown option -", flag)};
      }
      // The value: the rest of this word or the next one.
      std::string value(word.substr(at + 1));
      if (value.empty()) {
        if (i + 1 >= argc) return Error{Errc::kInvalidArgument, StrCat("option -", flag, " needs a value")};
        value = argv[++i];
      }
      if (flag == 'o') request.option_lists.push_back(std::move(value));
      break;
    }
  }
  if (places.size() != 2)
    return Error{Errc::kInvalidArgument, "usage: mount.pailfs SOURCE DIRECTORY [-sfnv] [-o OPTIONS]"};
  request.source = places[0];
  request.mountpoint = places[1];
  return request;
}

int MountHelper(int argc, char** argv) {
  const auto request = ParseHelperArguments(argc, argv);
  if (!request.ok()) return Refuse(request.error(), kExitUsage);
  return MountCommand(*request);
}

}  // namespace pailfs::cli
