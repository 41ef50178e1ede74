#include "cli/help_text.h"

#include <array>

#include "base/str.h"
#include "cli/option_table.h"

namespace pailfs::cli {
namespace {

struct CommandHelp {
  std::string_view name;
  std::string_view text;
};

constexpr std::array kCommands{
    CommandHelp{"", R"(Usage: pailfs COMMAND …

A bucket as a directory tree that behaves like a disk.

Commands for mounts:
  mount SOURCE MOUNTPOINT    mount a bucket
  umount MOUNTPOINT          unmount, and wait until everything is in the bucket
  status [MOUNTPOINT]        what is cached, what is still to be uploaded
  flush [MOUNTPOINT]         wait until everything is in the bucket

Commands for the past, in a mount of a bucket that keeps versions:
  versions PATH…             all versions of files, deleted ones too
  restore PATH --at TIME     make a file or tree as it was
  diff PATH --from TIME      what changed since then
  undelete PATH…             bring back what is deleted
  snapshot create NAME       give this moment a name; also list|delete|rename

Commands for servers, and stores that are not mounted:
  object ls|stat|cat|put|rm|versions PLACE

Commands for stores that are not mounted:
  store init|check|rebuild DIR
  store usage|thin DIR [BUCKET]
  store retention DIR BUCKET
  store bucket list|create|delete|versioning DIR …

SOURCE is s3://BUCKET[/PREFIX], a bucket of AWS or any other S3 server, or store:DIR/BUCKET[/PREFIX],
one of a store in a directory; a PLACE is SOURCE/KEY.

  -h, --help                 'pailfs COMMAND --help' tells more
  --version                  print the version

Exit status: 0 success; 1 a clear "no": not found, findings, not everything uploaded; 2 trouble or
wrong usage. mount and umount have that of mount(8): see their help.
)"},
    CommandHelp{"mount", R"(Usage: pailfs mount SOURCE MOUNTPOINT [-o OPTION[,OPTION…]]… [-f] [-v] [--config FILE]

Mounts SOURCE on a directory: s3://BUCKET[/PREFIX], or store:DIR/BUCKET[/PREFIX]. A store, a bucket in
it, or a cache directory that is not there is made. Server, region and keys of s3:// come from the
options below, else from where the AWS tools have them: the environment (AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID …), ~/.aws/config and credentials, or the machine's role.
Returns when the mount answers; a daemon goes on serving it.
SIGTERM unmounts and uploads what is left, a second one leaves the rest in the cache, from where the
next mount of the same source uploads it.

  -o OPTION[,OPTION…]        see below; the same words in /etc/fstab and pailfs.toml
  -f, --foreground           do not become a daemon; log to standard error
  -v, --verbose              say what is mounted where
  --config FILE              instead of /etc/pailfs/pailfs.toml
  -h, --help                 this help

Options (SIZE: 512M, 20G; TIME: 500ms, 2s, 5m, 1h):
)"},
    CommandHelp{"umount", R"(Usage: pailfs umount MOUNTPOINT [--lazy]

Unmounts, and returns when everything is in the bucket and the daemon has ended.

  -l, --lazy                 detach a mount in use at once, and return; the daemon ends after the last user
  -h, --help                 this help

Exit status: 0 success; 1 wrong usage; 2 something could not be uploaded and stays in the cache;
8 interrupted; 32 not a pailfs mount, or in use.
)"},
    CommandHelp{"status", R"(Usage: pailfs status [MOUNTPOINT] [--json] [--watch]

Shows one mount or all mounts of this user.

  --json                     as a JSON array with an object for each mount
  -w, --watch                again every second, until interrupted
  -h, --help                 this help

Exit status: 0 success; 1 MOUNTPOINT is not a pailfs mount; 2 a daemon does not answer, or wrong usage.
)"},
    CommandHelp{"flush", R"(Usage: pailfs flush [MOUNTPOINT]

Returns when everything that was changed in this mount, or in all mounts, is in the bucket.

  -h, --help                 this help

Exit status: 0 success; 1 something could not be uploaded (it is listed, and stays in the cache), or
MOUNTPOINT is not a pailfs mount; 2 trouble or wrong usage.
)"},
    CommandHelp{"versions", R"(Usage: pailfs versions PATH… [--json]

Lists the versions of files, newest first, deletions included: when they were stored, their sizes, and
their version ids. "current" is what the file is now; a file with changes that are not uploaded yet has
no current version. PATH need not exist any more. The versions themselves are files in
.versions/NAME/ of the directory.

  --json                     as a JSON array with an object for each PATH
  -h, --help                 this help

In JSON a byte of a path that is not UTF-8 is written as \udc80 to \udcff.

Exit status: 0 success; 1 a PATH has no version; 2 trouble, a PATH is a directory, or wrong usage.
)"},
    CommandHelp{"restore", R"(Usage: pailfs restore PATH --at TIME [--to OTHER] [--delete] [--dry-run]

Makes the file or directory tree PATH as it was at TIME, with modes, times, owners (as root), extended
attributes and ACLs. What is equal is left alone, so that the same command goes on where an earlier one
stopped. What was created later stays. Within a mount the bucket copies; no data moves through here.
A file is replaced only when its copy is whole; while that is made it is called .pailfs-restore-XXXXXX.

  --at TIME                  2026-11-22T08:00:00Z, 2026-11-22, -2h, yesterday, the name of a snapshot …
  --to OTHER                 make OTHER like that, and leave PATH alone
  --delete                   delete what was not there at TIME
  -n, --dry-run              tell what would be done, and do nothing
  -h, --help                 this help

Exit status: 0 success; 1 PATH was not there, or something could not be restored (the rest is); 2 trouble,
interrupted, or wrong usage.
)"},
    CommandHelp{"diff", R"(Usage: pailfs diff PATH --from TIME [--to TIME] [--json]

Tells what is different in the file or directory tree PATH, one path a line, relative to PATH ("." is
PATH itself), sorted by their bytes:
  A  added       M  content changed      D  deleted
  T  something of another type (file, directory, link …)
  m  only mode, owner, time, extended attributes or ACL changed (of directories the time does not count)

  --from TIME                2026-11-22T08:00:00Z, 2026-11-22, -2h, yesterday, the name of a snapshot …
  --to TIME                  compare with that time, not with now
  --json                     as a JSON array with an object for each change
  -h, --help                 this help

Exit status: 0 nothing is different; 1 something is; 2 trouble, PATH was at neither time, or wrong usage.
)"},
    CommandHelp{"undelete", R"(Usage: pailfs undelete PATH… [--dry-run]

Brings back files that are deleted, in their newest versions, and names them. For a directory, which may
be gone itself: all that was ever deleted below it; that includes files under the names that they had
before they were renamed. What exists is never overwritten. 'pailfs restore' brings back how a
directory was at one time.

  -n, --dry-run              tell what would be brought back, and do nothing
  -h, --help                 this help

Exit status: 0 success; 1 there was nothing to bring back for a PATH; 2 trouble, interrupted, or wrong
usage.
)"},
    CommandHelp{"snapshot", R"(Usage: pailfs snapshot COMMAND …

Names moments of a mount, for 'pailfs restore --at NAME', 'pailfs diff' and the directory .snapshot/NAME.
All mounts of the bucket see them. PATH is any directory of the mount; without it, the current one.

  create NAME [PATH]         upload what was changed, and name this moment
  list [PATH]                list the named ones
  delete NAME [PATH]         forget a name
  rename OLD NEW [PATH]      give it another name
  -h, --help                 'pailfs snapshot COMMAND --help' tells more

The bucket must keep versions. That of a store does, or is told to while it is not mounted:
'pailfs store bucket versioning DIR NAME on'. A server's:
'aws s3api put-bucket-versioning --bucket B --versioning-configuration Status=Enabled'.
A store never removes a version that a snapshot shows. A server knows nothing of snapshots: its
lifecycle rules for noncurrent versions, and whoever deletes versions, remove what they show, too.
There only object lock or legal hold, set with the server's own tools, protects a version.

Exit status: 0 success; 1 no such snapshot, or there already; 2 trouble or wrong usage.
)"},
    CommandHelp{"snapshot create", R"(Usage: pailfs snapshot create NAME [PATH]

Uploads what was changed in the mount that PATH is in, and gives this moment a name. Fails where the
bucket keeps no versions, and says how to switch them on.

  -h, --help                 this help
)"},
    CommandHelp{"snapshot list", R"(Usage: pailfs snapshot list [PATH] [--json]

Lists the named snapshots, oldest first: their times and names. 'ls .snapshot' shows other times too.

  --json                     as a JSON array with an object for each
  -h, --help                 this help
)"},
    CommandHelp{"snapshot delete", R"(Usage: pailfs snapshot delete NAME [PATH]

Forgets the name of a moment. The versions of that time stay as long as the bucket keeps them.

  -h, --help                 this help
)"},
    CommandHelp{"snapshot rename", R"(Usage: pailfs snapshot rename OLD NEW [PATH]

Gives a named snapshot another name, which must be free.

  -h, --help                 this help
)"},
    CommandHelp{"object", R"(Usage: pailfs object COMMAND PLACE …

Works on the objects of a server's bucket, or of a store that is not mounted. A PLACE is s3://BUCKET/KEY
or store:DIR/BUCKET/KEY.

  ls PLACE                   list objects
  stat PLACE                 show the headers and metadata of an object
  cat PLACE                  write an object to standard output
  put FILE PLACE             store a file, or - for standard input, as an object
  rm PLACE                   delete objects
  versions PLACE             list all versions of objects
  -o OPTION[,OPTION…]        for s3://: options as 'pailfs mount' has them (endpoint=URL, profile=NAME …)
  -h, --help                 'pailfs object COMMAND --help' tells more

Exit status: 0 success; 1 no such object; 2 trouble or wrong usage.
)"},
    CommandHelp{"object ls", R"(Usage: pailfs object ls PLACE [--recursive] [--json] [-o …]

Lists the objects whose keys begin with PLACE's: time, size and name, up to the next slash.

  -r, --recursive            all of them, with their whole keys
  --json                     as a JSON array with an object for each
  -h, --help                 this help

In JSON a byte of a key that is not UTF-8 is written as \udc80 to \udcff.
)"},
    CommandHelp{"object stat", R"(Usage: pailfs object stat PLACE [--version-id ID] [--json] [-o …]

Shows the headers and all metadata of an object.

  --version-id ID            of this version, not the current one
  --json                     as a JSON object
  -h, --help                 this help
)"},
    CommandHelp{"object cat", R"(Usage: pailfs object cat PLACE [--version-id ID] [-o …]

Writes an object to standard output.

  --version-id ID            this version, not the current one
  -h, --help                 this help
)"},
    CommandHelp{"object put", R"(Usage: pailfs object put FILE PLACE [--content-type TYPE] [--meta NAME=VALUE]… [-o …]

Stores FILE, or standard input for -, as the object PLACE.

  --content-type TYPE        its Content-Type
  --meta NAME=VALUE          user metadata: x-amz-meta-NAME
  -h, --help                 this help
)"},
    CommandHelp{"object rm", R"(Usage: pailfs object rm PLACE [--version-id ID] [--recursive] [-o …]

Deletes an object. In a bucket with versioning it gets a delete marker, and its versions stay.

  --version-id ID            delete this version for good
  -r, --recursive            delete all objects whose keys begin with PLACE's
  -h, --help                 this help
)"},
    CommandHelp{"object versions", R"(Usage: pailfs object versions PLACE [--json] [-o …]

Lists all versions and delete markers of the objects whose keys begin with PLACE's, newest first.

  --json                     as a JSON array with an object for each
  -h, --help                 this help
)"},
    CommandHelp{"store", R"(Usage: pailfs store COMMAND DIR …

Works on a store that is not mounted.

  init DIR                   make a store
  check DIR                  look for damage
  rebuild DIR                make the index anew from the volumes
  usage DIR [BUCKET]         what objects and old versions take
  retention DIR BUCKET       how long old versions are kept
  thin DIR [BUCKET]          remove those that need not be kept
  bucket COMMAND DIR …       list, create, delete, versioning
  -h, --help                 'pailfs store COMMAND --help' tells more

Exit status: 0 success; 1 findings, or a clear "no"; 2 trouble or wrong usage.
)"},
    CommandHelp{"store init", R"(Usage: pailfs store init DIR [--bucket NAME]

Makes a store in DIR.

  --bucket NAME              and a bucket in it, with versioning
  -h, --help                 this help
)"},
    CommandHelp{"store check", R"(Usage: pailfs store check DIR [--level quick|index|data]

Looks for damage. For each finding it says what it means for the data and what to do.

  --level quick              files, superblocks, the log since the checkpoint
  --level index              every row of the index too (default)
  --level data               every byte too
  -h, --help                 this help

Exit status: 0 clean; 1 findings; 2 trouble or wrong usage.
)"},
    CommandHelp{"store rebuild", R"(Usage: pailfs store rebuild DIR

Makes the index anew from the volumes alone. The old index is kept beside it.

  -h, --help                 this help
)"},
    CommandHelp{"store usage", R"(Usage: pailfs store usage DIR [BUCKET] [--json]

Shows for each bucket, or for BUCKET: its versioning, its objects, noncurrent versions, delete markers and
unfinished uploads, and how long it keeps old versions; then what the whole store takes on the disk, the
room kept for deletions on a full disk included. Bytes that copies share count for each of them. What was
removed is freed some time later.

  --json                     as a JSON object
  -h, --help                 this help
)"},
    CommandHelp{"store retention",
                R"(Usage: pailfs store retention DIR BUCKET [--keep-all TIME] [--hourly TIME] [--daily TIME]
                              [--weekly TIME] [--forever] [--json]

Shows how long a bucket keeps what was overwritten or deleted, after changing what is given. TIME is 12h,
30d, 52w; 0 is none.

  --keep-all TIME            everything, from when it was overwritten or deleted (default 30d)
  --hourly TIME              the states at whole hours, for so long back from now (default 0)
  --daily TIME               the states at midnight UTC (default 365d)
  --weekly TIME              the states on Mondays at midnight UTC (default 0)
  --forever                  everything, for ever; a TIME given later ends that
  --json                     as a JSON object, times in seconds
  -h, --help                 this help

What is older goes, but never what was current at the moment of a named snapshot, nor anything that is
current now. A mounted store is thinned every hour; 'pailfs store thin' does it at once.
)"},
    CommandHelp{"store thin", R"(Usage: pailfs store thin DIR [BUCKET] [--dry-run] [--json]

Removes old versions that the retention of their bucket no longer keeps, from BUCKET or from all buckets.
It may be interrupted at any time.

  --dry-run                  only tell what would go
  --json                     as a JSON array with an object for each bucket
  -h, --help                 this help
)"},
    CommandHelp{"store bucket", R"(Usage: pailfs store bucket COMMAND DIR …

  list DIR                                   list the buckets
  create DIR NAME [--versioning on|off]      make one, with versioning unless told otherwise
  delete DIR NAME                            delete one that is empty
  versioning DIR NAME [on|suspended]         show or change its versioning
  -h, --help                                 this help

Exit status: 0 success; 1 no such bucket, there already, not empty; 2 trouble or wrong usage.
)"},
    CommandHelp{"store bucket list", R"(Usage: pailfs store bucket list DIR

Lists the buckets: when they were made, their versioning, their names.

  -h, --help                 this help
)"},
    CommandHelp{"store bucket create", R"(Usage: pailfs store bucket create DIR NAME [--versioning on|off]

Makes a bucket.

  --versioning on|off        keep what is overwritten and deleted as versions (default on)
  -h, --help                 this help
)"},
    CommandHelp{"store bucket delete", R"(Usage: pailfs store bucket delete DIR NAME

Deletes a bucket that has no object and no version.

  -h, --help                 this help
)"},
    CommandHelp{"store bucket versioning", R"(Usage: pailfs store bucket versioning DIR NAME [on|suspended]

Shows or changes the versioning of a bucket. Once on, it can only be suspended.

  -h, --help                 this help
)"},
};

constexpr std::string_view kMountExit = R"(
Exit status, as mount(8): 0 success; 1 wrong usage or options; 2 system error; 4 internal error;
8 interrupted; 32 mount failure.
)";

constexpr auto Names() {
  std::array<std::string_view, kCommands.size()> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kCommands[i].name;
  return names;
}

constexpr auto kNames = Names();

}  // namespace

std::span<const std::string_view> CommandNames() {
  return kNames;
}

std::string HelpText(std::string_view command) {
  for (const CommandHelp& help : kCommands) {
    if (help.name != command) continue;
    if (command == "mount") return StrCat(help.text, OptionsHelp(), kMountExit);
    return std::string(help.text);
  }
  return {};
}

}  // namespace pailfs::cli
