#include "cli/object_commands.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "base/file_system.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/compose.h"
#include "cli/exit_codes.h"
#include "cli/option_table.h"
#include "cli/put_object.h"
#include "cli/text_output.h"

namespace pailfs::cli {
namespace {

// Runs `action` on the bucket and key that `place` names.
template <typename Action>
int OnBucket(const ObjectPlace& place, const Action& action) {
  const auto source = ParseSource(PosixFileSystem(), place.text);
  if (!source.ok()) return Fail(source.error());
  MountSettings settings;
  for (const std::string& list : place.option_lists) {
    for (const std::string& word : SplitOptions(list)) {
      const Status applied = ApplyOption(settings, word);
      if (!applied.ok()) return Fail(applied.error());
    }
  }
  const auto opened = OpenBucket(*source, settings.s3);
  if (!opened.ok()) return Fail(opened.error());
  const Status done = action(opened->bucket(), source->rest);
  return Finish(done.ok() ? kExitOk : Fail(done.error()));
}

template <typename Action>
int OnObject(const ObjectPlace& place, const Action& action) {
  return OnBucket(place, [&](ObjectStore& bucket, const std::string& key) -> Status {
    if (key.empty()) return Error{Errc::kInvalidArgument, StrCat("'", place.text, "' names no object, only a bucket")};
    return action(bucket, key);
  });
}

std::string LocalTime(int64_t us) {
  const time_t seconds = static_cast<time_t>(us / 1'000'000);
  tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts));
}

void AddInfo(const ObjectInfo& info, JsonWriter& json) {
  json.Field("key", info.key);
  json.Field("size", info.size_bytes);
  json.Field("etag", info.etag);
  json.Field("last_modified", FormatTimeUtc(info.last_modified_us * 1000));
  json.Field("version_id", info.version_id);
  json.Field("storage_class", info.storage_class.empty() ? "STANDARD" : info.storage_class);
}

JsonWriter JsonOf(const ObjectInfo& info) {
  JsonWriter json;
  json.BeginObject();
  AddInfo(info, json);
  json.EndObject();
  return json;
}

struct NamedHeader {
  const char* name;
  std::string ContentHeaders::*value;
};

constexpr NamedHeader kHeaders[] = {
    {"Content-Type", &ContentHeaders::type},
    {"Content-Encoding", &ContentHeaders::encoding},
    {"Content-Disposition", &ContentHeaders::disposition},
    {"Content-Language", &ContentHeaders::language},
    {"Cache-Control", &ContentHeaders::cache_control},
    {"Expires", &ContentHeaders::expires},
};

void PrintStatJson(const ObjectInfo& info) {
  JsonWriter json;
  json.BeginObject();
  AddInfo(info, json);
  json.BeginObject("headers");
  for (const NamedHeader& header : kHeaders) {
    if (!(info.headers.*header.value).empty()) json.Field(header.name, info.headers.*header.value);
  }
  json.EndObject();
  json.BeginObject("metadata");
  for (const auto& [name, value] : info.metadata) json.Field(name, value);
  json.EndObject();
  json.EndObject();
  Print(json.text() + "\n");
}

void PrintStat(const ObjectInfo& info) {
  const auto line = [](std::string_view name, std::string_view value) {
    Print(StrCat(Printable(name), ": ", Printable(value), '\n'));
  };
  line("Key", info.key);
  line("Content-Length", StrCat(info.size_bytes));
  line("ETag", StrCat('"', info.etag, '"'));
  line("Last-Modified", FormatTimeUtc(info.last_modified_us * 1000));
  if (!info.version_id.empty()) line("x-amz-version-id", info.version_id);
  line("x-amz-storage-class", info.storage_class.empty() ? "STANDARD" : info.storage_class);
  for (const NamedHeader& header : kHeaders) {
    if (!(info.headers.*header.value).empty()) line(header.name, info.headers.*header.value);
  }
  for (const auto& [name, value] : info.metadata) line("x-amz-meta-" + name, value);
}

class StdoutSink : public BodySink {
 public:
  Status Write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t wrote = write(STDOUT_FILENO, data.data(), data.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return ErrnoError(errno, "standard output");
      data = data.subspan(static_cast<size_t>(wrote));
    }
    return {};
  }
};

Status ListObjects(ObjectStore& bucket, const std::string& prefix, const ListObjectsRequest& request) {
  ListRequest list;
  list.prefix = prefix;
  if (!request.recursive) list.delimiter = "/";
  // As "aws s3 ls": whole keys with --recursive, else names in the directory.
  const size_t slash = prefix.rfind('/');
  const size_t cut = request.recursive || slash == std::string::npos ? 0 : slash + 1;
  JsonLines lines(request.json);
  bool any = false;
  do {
    ASSIGN_OR_RETURN(const ListPage page, bucket.List({}, list));
    any = any || !page.objects.empty() || !page.common_prefixes.empty();
    for (const std::string& common : page.common_prefixes) {
      if (request.json) {
        JsonWriter json;
        json.BeginObject();
        json.Field("prefix", common);
        json.EndObject();
        lines.Add(json);
      } else {
        Print(StrCat(RightAligned("PRE", 30), ' ', Printable(common.substr(cut)), '\n'));
      }
    }
    for (const ObjectInfo& info : page.objects) {
      if (request.json) {
        lines.Add(JsonOf(info));
      } else {
        Print(StrCat(LocalTime(info.last_modified_us), ' ', RightAligned(StrCat(info.size_bytes), 10), ' ',
                     Printable(info.key.substr(cut)), '\n'));
      }
    }
    list.continuation_token = page.next_token;
  } while (!list.continuation_token.empty());
  lines.End();
  if (!any && !prefix.empty())
    return Error{Errc::kNotFound, StrCat("no object has a key that begins with '", prefix, "'")};
  return {};
}

Status ListVersions(ObjectStore& bucket, const std::string& prefix, bool as_json) {
  ListVersionsRequest list;
  list.prefix = prefix;
  JsonLines lines(as_json);
  if (!as_json) {
    Print(
        StrCat(LeftAligned("TIME", 21), RightAligned("SIZE", 12), "  ", LeftAligned("VERSION", 34), "STATE    KEY\n"));
  }
  bool any = false;
  for (;;) {
    ASSIGN_OR_RETURN(const ListVersionsPage page, bucket.ListVersions({}, list));
    any = any || !page.versions.empty();
    for (const ObjectInfo& info : page.versions) {
      if (as_json) {
        JsonWriter json;
        json.BeginObject();
        AddInfo(info, json);
        json.Field("is_latest", info.is_latest);
        json.Field("is_delete_marker", info.is_delete_marker);
        json.EndObject();
        lines.Add(json);
        continue;
      }
      const std::string_view state = info.is_delete_marker ? "deleted" : info.is_latest ? "current" : "old";
      Print(StrCat(FormatTimeUtc(info.last_modified_us * 1000), ' ',
                   RightAligned(info.is_delete_marker ? "-" : StrCat(info.size_bytes), 12), "  ",
                   LeftAligned(info.version_id.empty() ? "-" : info.version_id, 33), ' ',
                   LeftAligned(std::string(state), 8), ' ', Printable(info.key), '\n'));
    }
    if (!page.truncated) break;
    list.key_marker = page.next_key_marker;
    list.version_id_marker = page.next_version_id_marker;
  }
  lines.End();
  if (!any && !prefix.empty())
    return Error{Errc::kNotFound, StrCat("no object has a key that begins with '", prefix, "'")};
  return {};
}

// All current objects with the prefix, a page at a time.
Status RemovePrefix(ObjectStore& bucket, const std::string& prefix) {
  ListRequest list;
  list.prefix = prefix;
  Status outcome;
  bool any = false;
  for (;;) {
    ASSIGN_OR_RETURN(const ListPage page, bucket.List({}, list));
    std::vector<DeleteItem> items;
    for (const ObjectInfo& info : page.objects) items.push_back({info.key, "", info.etag});
    if (!items.empty()) {
      any = true;
      ASSIGN_OR_RETURN(const auto results, bucket.DeleteBatch({}, items));
      for (size_t i = 0; i < results.size(); ++i) {
        if (results[i].ok()) {
          Print(StrCat("deleted ", Printable(items[i].key), '\n'));
        } else {
          outcome = results[i].error().With(items[i].key);
        }
      }
    }
    if (page.next_token.empty()) break;
    list.continuation_token = page.next_token;
  }
  if (!any) return Error{Errc::kNotFound, StrCat("no object has a key that begins with '", prefix, "'")};
  return outcome;
}

Status RemoveOne(ObjectStore& bucket, const std::string& key, const std::string& version_id) {
  DeleteItem item{key, version_id, std::nullopt};
  if (version_id.empty()) {
    // Deleting what is not there would leave a delete marker for nothing.
    ASSIGN_OR_RETURN(const ObjectInfo info, bucket.Head({}, key, {}));
    item.if_match = info.etag;
  }
  ASSIGN_OR_RETURN(const DeleteResult deleted, bucket.Delete({}, item));
  if (!deleted.existed) return Error{Errc::kNotFound, StrCat(key, " has no version ", version_id)};
  Print(StrCat("deleted ", Printable(key), version_id.empty() ? "" : " version ", version_id, '\n'));
  return {};
}

}  // namespace

int ListObjectsCommand(const ListObjectsRequest& request) {
  return OnBucket(request.place,
                  [&](ObjectStore& bucket, const std::string& prefix) { return ListObjects(bucket, prefix, request); });
}

int ListVersionsCommand(const ListObjectsRequest& request) {
  return OnBucket(request.place, [&](ObjectStore& bucket, const std::string& prefix) {
    return ListVersions(bucket, prefix, request.json);
  });
}

int StatObjectCommand(const ObjectRequest& request) {
  return OnObject(request.place, [&](ObjectStore& bucket, const std::string& key) -> Status {
    ASSIGN_OR_RETURN(const ObjectInfo info, bucket.Head({}, key, {request.version_id, std::nullopt}));
    request.json ? PrintStatJson(info) : PrintStat(info);
    return {};
  });
}

int CatObjectCommand(const ObjectRequest& request) {
  return OnObject(request.place, [&](ObjectStore& bucket, const std::string& key) -> Status {
    StdoutSink sink;
    GetOptions options;
    options.version.version_id = request.version_id;
    ASSIGN_OR_RETURN(const ObjectInfo info, bucket.Get({}, key, options, sink));
    return {};
  });
}

int PutObjectCommand(const PutObjectRequest& request) {
  return OnObject(request.place, [&](ObjectStore& bucket, const std::string& key) -> Status {
    PutOptions options;
    options.headers.type = request.content_type;
    for (const std::string& item : request.metadata) {
      const size_t equals = item.find('=');
      if (equals == std::string::npos || equals == 0) {
        return Error{Errc::kInvalidArgument, StrCat("--meta ", item, ": write it as name=value")};
      }
      SetMetadata(options.metadata, item.substr(0, equals), item.substr(equals + 1));
    }
    ASSIGN_OR_RETURN(const PutResult put, PutFile(bucket, key, request.file, options));
    Print(StrCat("stored ", Printable(key), put.version_id.empty() ? "" : " as version ", put.version_id, '\n'));
    return {};
  });
}

int RemoveObjectsCommand(const RemoveObjectsRequest& request) {
  const auto remove = [&](ObjectStore& bucket, const std::string& key) {
    return request.recursive ? RemovePrefix(bucket, key) : RemoveOne(bucket, key, request.version_id);
  };
  return request.recursive ? OnBucket(request.place, remove) : OnObject(request.place, remove);
}

}  // namespace pailfs::cli
