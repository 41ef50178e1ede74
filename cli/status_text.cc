#include "cli/status_text.h"

#include "base/str.h"
#include "cli/text_output.h"

namespace pailfs::cli {

std::string StatusToJson(const MountStatus& status) {
  JsonWriter json;
  json.BeginObject();
  json.Field("mountpoint", status.mountpoint);
  json.Field("source", status.source);
  json.Field("state", status.state);
  json.Field("pid", status.pid);
  json.Field("version", PAILFS_VERSION);
  json.Field("cache", status.cache_directory);
  json.Field("cache_used_bytes", status.cache.used_bytes);
  json.Field("cache_limit_bytes", status.cache.limit_bytes);
  json.Field("dirty_files", status.cache.dirty_inodes);
  json.Field("dirty_bytes", status.cache.dirty_bytes);
  json.Field("pending_deletes", status.cache.pending_deletes);
  json.Field("steps_in_flight", status.cache.steps_in_flight);
  json.Field("error_count", status.cache.error_count);
  if (!status.cache.unreachable.empty()) json.Field("unreachable", status.cache.unreachable);
  if (!status.server.empty()) {
    json.BeginObject("server");
    for (const auto& [name, value] : status.server) json.Field(name, value);
    json.EndObject();
  }
  json.BeginArray("errors");
  for (const cache::UploadError& error : status.cache.errors) {
    json.BeginObject();
    json.Field("path", error.path);
    json.Field("message", error.message);
    json.EndObject();
  }
  json.EndArray();
  json.BeginObject("counters");
  for (const auto& [name, value] : status.counters) json.Field(name, value);
  json.EndObject();
  if (!status.error.empty()) json.Field("error", status.error);
  json.EndObject();
  return json.text();
}

std::string LeftToUpload(uint64_t files, uint64_t bytes, uint64_t deletes) {
  std::string text;
  if (files > 0) text = StrCat(Count(files, "file", "files"), ", ", FormatSize(bytes));
  if (deletes > 0) text += StrCat(text.empty() ? "" : ", ", Count(deletes, "deletion", "deletions"));
  return text.empty() ? "nothing" : text;
}

std::string LeftToUpload(const JsonValue& status) {
  return LeftToUpload(status["dirty_files"].size(), status["dirty_bytes"].size(), status["pending_deletes"].size());
}

std::string StatusToText(const JsonValue& status) {
  std::string text =
      StrCat(status["source"].string(), " on ", status["mountpoint"].string(), " (",
             status["state"].string() == "draining" ? "unmounted, still uploading" : status["state"].string(),
             ", process ", status["pid"].integer(), ")\n");
  text += StrCat("  cache      ", FormatSize(status["cache_used_bytes"].size()), " of ",
                 FormatSize(status["cache_limit_bytes"].size()), " in ", status["cache"].string(), '\n');
  text += StrCat("  to upload  ", LeftToUpload(status));
  if (status["steps_in_flight"].integer() > 0)
    text += StrCat(" (", status["steps_in_flight"].integer(), " in progress)");
  text += '\n';
  if (!status["unreachable"].string().empty()) {
    text += StrCat("  unreachable  ", status["unreachable"].string(), "; what is known is served\n");
  }
  std::string server;
  for (const auto& [name, value] : status["server"].members()) {
    server += StrCat(server.empty() ? "" : ", ", name, ' ', value.string());
  }
  if (!server.empty()) text += StrCat("  server     ", server, '\n');
  const uint64_t errors = status["error_count"].size();
  if (errors == 0) return text;
  text += StrCat("  cannot upload ", Count(errors, "file", "files"), "; kept in the cache:\n");
  for (const JsonValue& error : status["errors"].items()) {
    text += StrCat("    ", error["path"].string(), ": ", error["message"].string(), '\n');
  }
  if (errors > status["errors"].items().size()) text += "    …\n";
  return text;
}

}  // namespace pailfs::cli
