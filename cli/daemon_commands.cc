#include "cli/daemon_commands.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "base/str.h"
#include "cli/control_client.h"
#include "cli/exit_codes.h"
#include "cli/status_text.h"
#include "cli/text_output.h"
#include "fs/session.h"

namespace pailfs::cli {
namespace {

constexpr std::chrono::seconds kWatchInterval(1);

// While umount waits: the daemon goes on alone.
void OnInterrupt(int) {
  constexpr std::string_view kText =
      "\npailfs: interrupted; the daemon goes on uploading, and ends when everything is in the bucket\n";
  const ssize_t ignored = write(STDERR_FILENO, kText.data(), kText.size());
  _exit(ignored < 0 ? kExitSystem : kExitInterrupted);
}

// Status lines until one that ends the conversation; nullopt when the daemon died.
Result<std::optional<JsonValue>> FollowToEnd(ControlConnection& connection) {
  ProgressLine progress;
  for (;;) {
    ASSIGN_OR_RETURN(auto answer, connection.Receive());
    if (!answer) return answer;
    const std::string& state = (*answer)["state"].string();
    if (state != "mounted" && state != "draining") return answer;
    progress.Show(StrCat((*answer)["mountpoint"].string(), ": uploading, ", LeftToUpload(*answer), " left"));
  }
}

int WaitForDaemon(ControlConnection& connection) {
  const auto last = FollowToEnd(connection);
  if (!last.ok()) {
    Say(last.error().message);
    return kExitSystem;
  }
  connection.WaitForEnd();
  if (!*last) {
    Say("the daemon died before everything was in the bucket; the rest is in its cache and is uploaded by the next "
        "mount");
    return kExitSystem;
  }
  const std::string& error = (**last)["error"].string();
  if (error.empty()) return kExitOk;
  Say(error);
  return kExitSystem;
}

// The sockets of one mount point or of all, and the exit code when there is none.
std::vector<ControlAddress> AddressesOf(const std::optional<std::string>& mountpoint) {
  if (mountpoint) return {{SocketPath(CanonicalMountpoint(*mountpoint))}};
  return ListControlAddresses();
}

// Says why a named mount point has no daemon that answers.
int NoDaemon(const std::string& mountpoint) {
  const auto mounted = fs::IsPailfsMount(mountpoint);
  if (mounted.ok() && *mounted) {
    Say(StrCat("the daemon of ", mountpoint, " does not answer; to mount anew, first run: umount -l ", mountpoint));
    return kExitTrouble;
  }
  Say(StrCat(mountpoint, " is not a pailfs mount"));
  return kExitNo;
}

// What each daemon says of itself; false when one does not answer.
bool Collect(const StatusRequest& request, std::vector<JsonValue>* statuses, Error* failure) {
  bool all = true;
  for (const ControlAddress& address : AddressesOf(request.mountpoint)) {
    auto status = AskStatus(address.socket_path);
    if (status.ok()) {
      statuses->push_back(std::move(*status));
    } else if (!status.Is(Errc::kNotFound)) {  // else what is left of a dead one
      all = false;
      *failure = status.error();
    }
  }
  return all;
}

// The same again, as it came.
void Write(const JsonValue& value, JsonWriter& json) {
  for (const auto& [name, member] : value.members()) {
    if (!member.items().empty() || name == "errors") {
      json.BeginArray(name);
      for (const JsonValue& item : member.items()) {
        json.BeginObject();
        Write(item, json);
        json.EndObject();
      }
      json.EndArray();
    } else if (!member.members().empty() || name == "counters") {
      json.BeginObject(name);
      Write(member, json);
      json.EndObject();
    } else if (member.is_string()) {
      json.Field(name, member.string());
    } else {
      json.Field(name, member.integer());
    }
  }
}

void Print(const StatusRequest& request, const std::vector<JsonValue>& statuses) {
  if (request.json) {
    JsonWriter json;
    json.BeginArray();
    for (const JsonValue& status : statuses) {
      json.BeginObject();
      Write(status, json);
      json.EndObject();
    }
    json.EndArray();
    std::printf("%s\n", json.text().c_str());
    return;
  }
  if (statuses.empty()) std::puts("no pailfs mounts");
  for (const JsonValue& status : statuses) std::fputs(StatusToText(status).c_str(), stdout);
}

}  // namespace

int UmountCommand(const std::string& mountpoint, bool lazy) {
  const std::string canonical = CanonicalMountpoint(mountpoint);
  const auto mounted = fs::IsPailfsMount(canonical);
  if (!mounted.ok()) {
    Say(mounted.error().message);
    return kExitSystem;
  }
  auto connection = ControlConnection::Connect(SocketPath(canonical));
  if (!*mounted && !connection.ok()) {
    Say(StrCat(mountpoint, " is not a pailfs mount"));
    return kExitMountFailure;
  }
  if (*mounted) {
    const Status unmounted = fs::UnmountPath(canonical, lazy);
    if (!unmounted.ok()) {
      Say(unmounted.Is(Errc::kBusy) ? StrCat(mountpoint, " is in use ('fuser -vm ", mountpoint,
                                             "' shows by whom); 'pailfs umount --lazy' detaches it all the same")
                                    : unmounted.error().message);
      return kExitMountFailure;
    }
  }
  if (!connection.ok()) {
    Say("its daemon was not there any more; what it had not uploaded is in its cache, and is uploaded by the next "
        "mount");
    return kExitOk;
  }
  if (lazy) return kExitOk;
  signal(SIGINT, OnInterrupt);
  const Status asked = (*connection)->Send("wait");
  if (!asked.ok()) {
    (*connection)->WaitForEnd();
    return kExitOk;
  }
  return WaitForDaemon(**connection);
}

int StatusCommand(const StatusRequest& request) {
  for (;;) {
    std::vector<JsonValue> statuses;
    Error failure{Errc::kInternal, ""};
    const bool all = Collect(request, &statuses, &failure);
    if (request.mountpoint && statuses.empty() && all) return NoDaemon(*request.mountpoint);
    if (request.watch && !request.json && isatty(STDOUT_FILENO) != 0) std::fputs("\033[H\033[2J", stdout);
    Print(request, statuses);
    if (!all) Say(failure.message);
    if (std::fflush(stdout) != 0) return kExitTrouble;
    if (!request.watch) return all ? kExitOk : kExitTrouble;
    std::this_thread::sleep_for(kWatchInterval);
  }
}

int FlushCommand(const std::optional<std::string>& mountpoint) {
  int code = kExitOk;
  bool any = false;
  for (const ControlAddress& address : AddressesOf(mountpoint)) {
    const auto connection = ControlConnection::Connect(address.socket_path);
    if (connection.Is(Errc::kNotFound)) continue;
    any = true;
    Status sent = connection.ok() ? (*connection)->Send("flush") : Status(connection.error());
    auto last = sent.ok() ? FollowToEnd(**connection) : Result<std::optional<JsonValue>>(sent.error());
    if (!last.ok() || !*last) {
      Say(last.ok() ? "the daemon ended before everything was in the bucket" : last.error().message);
      code = kExitTrouble;
    } else if ((**last)["state"].string() != "flushed") {
      Say((**last)["error"].string());
      const auto status = AskStatus(address.socket_path);
      if (status.ok()) std::fputs(StatusToText(*status).c_str(), stderr);
      code = std::max(code, kExitNo);
    }
  }
  if (!any && mountpoint) return NoDaemon(*mountpoint);
  if (!any) Say("no pailfs mounts");
  return code;
}

}  // namespace pailfs::cli
