#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "base/str.h"
#include "cli/daemon_commands.h"
#include "cli/diff_command.h"
#include "cli/exit_codes.h"
#include "cli/help_text.h"
#include "cli/mount_command.h"
#include "cli/object_commands.h"
#include "cli/restore_command.h"
#include "cli/snapshot_commands.h"
#include "cli/space_commands.h"
#include "cli/store_commands.h"
#include "cli/undelete_command.h"
#include "cli/versions_command.h"

namespace pailfs::cli {
namespace {

// "object ls" for the app of that command.
std::string CommandName(const CLI::App* app) {
  std::string name;
  for (; app->get_parent() != nullptr; app = app->get_parent()) {
    name = name.empty() ? app->get_name() : StrCat(app->get_name(), ' ', name);
  }
  return name;
}

// Everything that a command line can set, and the command that it chooses.
class CommandLine {
 public:
  CommandLine() : app_("", "pailfs") {
    app_.formatter_fn(
        [](const CLI::App* app, const std::string&, CLI::AppFormatMode) { return HelpText(CommandName(app)); });
    app_.set_help_flag("-h,--help", "");
    app_.set_version_flag("--version", std::string("pailfs ") + PAILFS_VERSION);
    app_.require_subcommand(1);
    AddMount();
    AddDaemonCommands();
    AddPast();
    AddSnapshot();
    AddObject();
    AddStore();
  }

  CLI::App& app() { return app_; }
  int Run() const { return run_(); }

 private:
  CLI::App* Add(CLI::App* parent, const std::string& name, std::function<int()> run) {
    CLI::App* command = parent->add_subcommand(name);
    if (run) {
      command->callback([this, run = std::move(run)] { run_ = run; });
    } else {
      command->require_subcommand(1);
    }
    return command;
  }

  void AddMount() {
    CLI::App* mount = Add(&app_, "mount", [this] {
      if (!config_.empty()) mount_.config_path = config_;
      return MountCommand(mount_);
    });
    mount->add_option("SOURCE", mount_.source)->required();
    mount->add_option("MOUNTPOINT", mount_.mountpoint)->required();
    mount->add_option("-o", mount_.option_lists)->allow_extra_args(false);
    mount->add_flag("-f,--foreground", mount_.foreground);
    mount->add_flag("-v,--verbose", mount_.verbose);
    mount->add_option("--config", config_);
  }

  void AddDaemonCommands() {
    CLI::App* umount = Add(&app_, "umount", [this] { return UmountCommand(mountpoint_, lazy_); });
    umount->add_option("MOUNTPOINT", mountpoint_)->required();
    umount->add_flag("-l,--lazy", lazy_);
    CLI::App* status = Add(&app_, "status", [this] {
      status_.mountpoint = OptionalMountpoint();
      return StatusCommand(status_);
    });
    status->add_option("MOUNTPOINT", mountpoint_);
    status->add_flag("--json", status_.json);
    status->add_flag("-w,--watch", status_.watch);
    CLI::App* flush = Add(&app_, "flush", [this] { return FlushCommand(OptionalMountpoint()); });
    flush->add_option("MOUNTPOINT", mountpoint_);
  }

  void AddPast() {
    CLI::App* versions = Add(&app_, "versions", [this] { return VersionsCommand(versions_); });
    versions->add_option("PATH", versions_.paths)->required();
    versions->add_flag("--json", versions_.json);
    CLI::App* restore = Add(&app_, "restore", [this] { return RestoreCommand(restore_); });
    restore->add_option("PATH", restore_.path)->required();
    restore->add_option("--at", restore_.at)->required();
    restore->add_option("--to", restore_.to);
    restore->add_flag("--delete", restore_.delete_extra);
    restore->add_flag("-n,--dry-run", restore_.dry_run);
    CLI::App* diff = Add(&app_, "diff", [this] { return DiffCommand(diff_); });
    diff->add_option("PATH", diff_.path)->required();
    diff->add_option("--from", diff_.from)->required();
    diff->add_option("--to", diff_.to);
    diff->add_flag("--json", diff_.json);
    CLI::App* undelete = Add(&app_, "undelete", [this] { return UndeleteCommand(undelete_); });
    undelete->add_option("PATH", undelete_.paths)->required();
    undelete->add_flag("-n,--dry-run", undelete_.dry_run);
  }

  void AddSnapshot() {
    CLI::App* snapshot = Add(&app_, "snapshot", nullptr);
    CLI::App* create = Add(snapshot, "create", [this] { return CreateSnapshotCommand(snapshot_); });
    create->add_option("NAME", snapshot_.name)->required();
    create->add_option("PATH", snapshot_.path);
    CLI::App* list = Add(snapshot, "list", [this] { return ListSnapshotsCommand(snapshot_); });
    list->add_option("PATH", snapshot_.path);
    list->add_flag("--json", snapshot_.json);
    CLI::App* remove = Add(snapshot, "delete", [this] { return DeleteSnapshotCommand(snapshot_); });
    remove->add_option("NAME", snapshot_.name)->required();
    remove->add_option("PATH", snapshot_.path);
    CLI::App* rename = Add(snapshot, "rename", [this] { return RenameSnapshotCommand(snapshot_); });
    rename->add_option("OLD", snapshot_.name)->required();
    rename->add_option("NEW", snapshot_.new_name)->required();
    rename->add_option("PATH", snapshot_.path);
  }

  void AddObject() {
    CLI::App* object = Add(&app_, "object", nullptr);
    CLI::App* ls = Add(object, "ls", [this] { return ListObjectsCommand(list_); });
    AddPlace(ls, &list_.place);
    ls->add_flag("-r,--recursive", list_.recursive);
    ls->add_flag("--json", list_.json);
    CLI::App* stat = Add(object, "stat", [this] { return StatObjectCommand(object_); });
    AddPlace(stat, &object_.place);
    stat->add_option("--version-id", object_.version_id);
    stat->add_flag("--json", object_.json);
    CLI::App* cat = Add(object, "cat", [this] { return CatObjectCommand(object_); });
    AddPlace(cat, &object_.place);
    cat->add_option("--version-id", object_.version_id);
    CLI::App* put = Add(object, "put", [this] { return PutObjectCommand(put_); });
    put->add_option("FILE", put_.file)->required();
    AddPlace(put, &put_.place);
    put->add_option("--content-type", put_.content_type);
    put->add_option("--meta", put_.metadata)->allow_extra_args(false);
    CLI::App* rm = Add(object, "rm", [this] { return RemoveObjectsCommand(remove_); });
    AddPlace(rm, &remove_.place);
    CLI::Option* version = rm->add_option("--version-id", remove_.version_id);
    rm->add_flag("-r,--recursive", remove_.recursive)->excludes(version);
    CLI::App* versions = Add(object, "versions", [this] { return ListVersionsCommand(list_); });
    AddPlace(versions, &list_.place);
    versions->add_flag("--json", list_.json);
  }

  static void AddPlace(CLI::App* command, ObjectPlace* place) {
    command->add_option("PLACE", place->text)->required();
    command->add_option("-o", place->option_lists)->allow_extra_args(false);
  }

  void AddStore() {
    CLI::App* store = Add(&app_, "store", nullptr);
    CLI::App* init = AddOnDirectory(store, "init", [this] { return InitStoreCommand(directory_, bucket_); });
    init->add_option("--bucket", bucket_);
    CLI::App* check = AddOnDirectory(store, "check", [this] { return CheckStoreCommand(directory_, level_); });
    check->add_option("--level", level_)->check(CLI::IsMember({"quick", "index", "data"}));
    AddOnDirectory(store, "rebuild", [this] { return RebuildStoreCommand(directory_); });
    AddSpace(store);
    CLI::App* bucket = Add(store, "bucket", nullptr);
    AddOnDirectory(bucket, "list", [this] { return ListBucketsCommand(directory_); });
    CLI::App* create =
        AddOnBucket(bucket, "create", [this] { return CreateBucketCommand(directory_, bucket_, versioning_); });
    create->add_option("--versioning", versioning_)->check(CLI::IsMember({"on", "off"}));
    AddOnBucket(bucket, "delete", [this] { return DeleteBucketCommand(directory_, bucket_); });
    CLI::App* versioning =
        AddOnBucket(bucket, "versioning", [this] { return VersioningCommand(directory_, bucket_, versioning_); });
    versioning->add_option("STATE", versioning_)->check(CLI::IsMember({"on", "suspended"}));
  }

  void AddSpace(CLI::App* store) {
    CLI::App* usage = Add(store, "usage", [this] { return UsageCommand(space_); });
    usage->add_option("DIR", space_.directory)->required();
    usage->add_option("BUCKET", space_.bucket);
    usage->add_flag("--json", space_.json);
    CLI::App* retention = Add(store, "retention", [this] { return RetentionCommand(retention_); });
    retention->add_option("DIR", retention_.directory)->required();
    retention->add_option("BUCKET", retention_.bucket)->required();
    CLI::Option* forever = retention->add_flag("--forever", retention_.forever);
    for (const auto& [name, value] : {std::pair("--keep-all", &retention_.keep_all),
                                      {"--hourly", &retention_.hourly},
                                      {"--daily", &retention_.daily},
                                      {"--weekly", &retention_.weekly}}) {
      retention->add_option(name, *value)->excludes(forever);
    }
    retention->add_flag("--json", retention_.json);
    CLI::App* thin = Add(store, "thin", [this] { return ThinCommand(space_, dry_run_); });
    thin->add_option("DIR", space_.directory)->required();
    thin->add_option("BUCKET", space_.bucket);
    thin->add_flag("--dry-run", dry_run_);
    thin->add_flag("--json", space_.json);
  }

  CLI::App* AddOnDirectory(CLI::App* parent, const std::string& name, std::function<int()> run) {
    CLI::App* command = Add(parent, name, std::move(run));
    command->add_option("DIR", directory_)->required();
    return command;
  }
  CLI::App* AddOnBucket(CLI::App* parent, const std::string& name, std::function<int()> run) {
    CLI::App* command = AddOnDirectory(parent, name, std::move(run));
    command->add_option("NAME", bucket_)->required();
    return command;
  }

  std::optional<std::string> OptionalMountpoint() const {
    return mountpoint_.empty() ? std::nullopt : std::optional(mountpoint_);
  }

  CLI::App app_;
  std::function<int()> run_;
  MountRequest mount_;
  std::string config_;
  std::string mountpoint_;
  bool lazy_ = false;
  StatusRequest status_;
  VersionsRequest versions_;
  RestoreRequest restore_;
  DiffRequest diff_;
  UndeleteRequest undelete_;
  SnapshotRequest snapshot_;
  ListObjectsRequest list_;
  ObjectRequest object_;
  PutObjectRequest put_;
  RemoveObjectsRequest remove_;
  SpaceRequest space_;
  RetentionRequest retention_;
  bool dry_run_ = false;
  std::string directory_;
  std::string bucket_;
  std::string level_ = "index";
  std::string versioning_;
};

bool LikeMount(std::string_view command) {
  return command == "mount" || command == "umount";
}

// "did you mean" for the first word.
std::optional<std::string> UnknownCommand(std::string_view word) {
  std::vector<std::string_view> commands;
  for (const std::string_view name : CommandNames()) {
    if (name == word) return std::nullopt;
    if (!name.empty() && name.find(' ') == std::string_view::npos) commands.push_back(name);
  }
  const auto nearest = NearestWord(word, commands);
  return StrCat("unknown command '", word, "'", nearest ? StrCat("; did you mean '", *nearest, "'?") : "");
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (!first.empty() && first.front() != '-') {
    if (const auto problem = UnknownCommand(first)) {
      std::fprintf(stderr, "pailfs: %s\nTry 'pailfs --help'.\n", problem->c_str());
      return kExitTrouble;
    }
  }
  CommandLine line;
  try {
    line.app().parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return line.app().exit(error);  // --help, --version
    std::string command = CommandName(&line.app());
    for (const CLI::App* app = &line.app(); !app->get_subcommands().empty();) {
      app = app->get_subcommands().back();
      command = CommandName(app);
    }
    std::fprintf(stderr, "pailfs: %s\nTry 'pailfs%s%s --help'.\n", error.what(), command.empty() ? "" : " ",
                 command.c_str());
    return LikeMount(first) ? kExitUsage : kExitTrouble;
  }
  return line.Run();
}

std::vector<std::string> OptionsOfCommand(const std::string& command) {
  CommandLine line;
  CLI::App* app = &line.app();
  for (std::string_view rest = command; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    app = app->get_subcommand(std::string(word));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    if (option->get_positional()) names.push_back(option->get_name(true));
  }
  return names;
}

}  // namespace pailfs::cli
