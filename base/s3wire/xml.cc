#include "base/s3wire/xml.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/s3wire/xml_reader.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

ErrorDocument ReadError(const Element& element) {
  return {.code = element.Text("Code"),
          .message = element.Text("Message"),
          .resource = element.Text("Resource"),
          .request_id = element.Text("RequestId"),
          .endpoint = element.Text("Endpoint"),
          .region = element.Text("Region")};
}

// What `read` makes of a document with the root `name`.
template <typename T, typename Read>
Result<T> ParseAs(std::string_view xml, std::string_view name, Read read) {
  constexpr int kOk = 200;  // parsers of answers see bodies of successes only
  Document document;
  RETURN_IF_ERROR(document.Read(xml));
  const Element root = document.root();
  if (root.name() == "Error" && name != "Error") {
    const ErrorDocument error = ReadError(root);
    return document.error() ? *document.error() : ErrorOf(kOk, error);
  }
  if (root.name() != name) return Corrupt(StrCat("the root is not ", name));
  T value{};
  read(root, value);
  if (document.error()) return *document.error();
  return value;
}

// How the names in a listing are written.
class Names {
 public:
  explicit Names(const Element& root) {
    const std::string encoding = root.Text("EncodingType");
    encoded_ = Lower(encoding) == "url";
    if (!encoded_ && !encoding.empty()) root.Fail("an EncodingType other than url");
  }
  std::string Get(const Element& element, const char* child) const {
    return encoded_ ? element.Decoded(child) : element.Text(child);
  }
  std::string Required(const Element& element, const char* child) const {
    std::string name = Get(element, child);
    if (name.empty()) element.Fail(StrCat(element.name(), " without ", child));
    return name;
  }

 private:
  bool encoded_ = false;
};

// MinIO's UserMetadata: an element for each header, among them the object's own headers and those of the server.
void ReadUserMetadata(const Element& element, ObjectInfo& info) {
  constexpr std::string_view kMeta = "x-amz-meta-";
  // What MinIO writes for "no Expires": the zero of its clock.
  constexpr std::string_view kNoExpires = "Mon, 01 Jan 0001 00:00:00 GMT";
  ContentHeaders& headers = info.headers;
  const std::array<std::pair<std::string_view, std::string*>, 6> known{{{"content-type", &headers.type},
                                                                        {"content-encoding", &headers.encoding},
                                                                        {"content-disposition", &headers.disposition},
                                                                        {"content-language", &headers.language},
                                                                        {"cache-control", &headers.cache_control},
                                                                        {"expires", &headers.expires}}};
  info.has_metadata = true;
  element.ForEach([&](const Element& header) {
    const std::string name = Lower(header.name());
    std::string value = header.OwnText();
    if (name.starts_with(kMeta) && name.size() > kMeta.size()) {
      if (info.metadata.size() == kMaxListedMetadata) return element.Fail("too much UserMetadata");
      SetMetadata(info.metadata, std::string_view(name).substr(kMeta.size()), std::move(value));
      return;
    }
    const auto field = std::find_if(known.begin(), known.end(), [&](const auto& row) { return row.first == name; });
    if (field != known.end() && value != kNoExpires) *field->second = std::move(value);
  });
}

ObjectInfo ReadObject(const Element& element, const Names& names) {
  ObjectInfo info;
  info.key = names.Required(element, "Key");
  info.last_modified_us = element.TimeUs("LastModified");
  info.has_metadata = false;
  info.is_delete_marker = element.name() == "DeleteMarker";
  if (info.is_delete_marker) return info;  // MinIO gives a marker a size and a class
  info.size_bytes = element.Number("Size", std::numeric_limits<int64_t>::max());
  info.etag = element.ETag("ETag");
  info.storage_class = element.Text("StorageClass");
  if (element.Has("UserMetadata")) ReadUserMetadata(element.Child("UserMetadata"), info);
  return info;
}

Result<PutResult> ParseCopy(std::string_view xml, std::string_view root_name) {
  return ParseAs<PutResult>(xml, root_name, [](const Element& root, PutResult& result) {
    result.etag = root.ETag("ETag");
    if (result.etag.empty()) root.Fail("no ETag");
    result.last_modified_us = root.TimeUs("LastModified");
  });
}

}  // namespace

Result<ListObjectsAnswer> ParseListObjectsV2(std::string_view xml) {
  return ParseAs<ListObjectsAnswer>(xml, "ListBucketResult", [](const Element& root, ListObjectsAnswer& answer) {
    const Names names(root);
    answer.prefix = names.Get(root, "Prefix");
    answer.delimiter = names.Get(root, "Delimiter");
    answer.start_after = names.Get(root, "StartAfter");
    answer.continuation_token = root.Text("ContinuationToken");
    answer.truncated = root.RequiredFlag("IsTruncated");
    if (answer.truncated) answer.page.next_token = root.RequiredText("NextContinuationToken");
    root.ForEach([&](const Element& child) {
      if (child.name() == "Contents") answer.page.objects.push_back(ReadObject(child, names));
      if (child.name() == "CommonPrefixes") answer.page.common_prefixes.push_back(names.Required(child, "Prefix"));
    });
  });
}

Result<ListVersionsPage> ParseListVersions(std::string_view xml) {
  return ParseAs<ListVersionsPage>(xml, "ListVersionsResult", [](const Element& root, ListVersionsPage& page) {
    const Names names(root);
    page.truncated = root.RequiredFlag("IsTruncated");
    if (page.truncated) {
      page.next_key_marker = names.Required(root, "NextKeyMarker");
      page.next_version_id_marker = root.Text("NextVersionIdMarker");
    }
    root.ForEach([&](const Element& child) {
      if (child.name() == "CommonPrefixes") page.common_prefixes.push_back(names.Required(child, "Prefix"));
      if (child.name() != "Version" && child.name() != "DeleteMarker") return;
      ObjectInfo info = ReadObject(child, names);
      info.version_id = child.RequiredText("VersionId");
      info.is_latest = child.RequiredFlag("IsLatest");
      page.versions.push_back(std::move(info));
    });
  });
}

Result<std::string> ParseInitiateMultipartUpload(std::string_view xml) {
  return ParseAs<std::string>(xml, "InitiateMultipartUploadResult", [](const Element& root, std::string& upload_id) {
    upload_id = root.RequiredText("UploadId");
  });
}

Result<PutResult> ParseCompleteMultipartUpload(std::string_view xml) {
  return ParseAs<PutResult>(xml, "CompleteMultipartUploadResult", [](const Element& root, PutResult& result) {
    result.etag = root.ETag("ETag");
    if (!root.Has("ETag")) root.Fail("no ETag");
  });
}

Result<PutResult> ParseCopyObject(std::string_view xml) {
  return ParseCopy(xml, "CopyObjectResult");
}

Result<PutResult> ParseCopyPart(std::string_view xml) {
  return ParseCopy(xml, "CopyPartResult");
}

Result<DeleteAnswer> ParseDelete(std::string_view xml) {
  return ParseAs<DeleteAnswer>(xml, "DeleteResult", [](const Element& root, DeleteAnswer& answer) {
    root.ForEach([&](const Element& child) {
      if (child.name() == "Deleted") {
        DeletedObject object{.key = child.RequiredText("Key"), .result = {}};
        const std::string marker = child.Text("DeleteMarkerVersionId");
        const std::string version = child.Text("VersionId");
        // DeleteMarker is also true when a marker was deleted by its version id: then no marker was made.
        object.result.made_delete_marker = child.Flag("DeleteMarker") && version.empty();
        object.result.version_id = version.empty() ? marker : version;
        answer.deleted.push_back(std::move(object));
      } else if (child.name() == "Error") {
        answer.failed.push_back(
            {.key = child.Text("Key"), .version_id = child.Text("VersionId"), .error = ReadError(child)});
        child.RequiredText("Code");
      }
    });
  });
}

Result<ListPartsAnswer> ParseListParts(std::string_view xml) {
  return ParseAs<ListPartsAnswer>(xml, "ListPartsResult", [](const Element& root, ListPartsAnswer& answer) {
    answer.truncated = root.RequiredFlag("IsTruncated");
    if (answer.truncated)
      answer.next_part_number_marker = static_cast<int>(root.Number("NextPartNumberMarker", kMaxParts));
    root.ForEach([&](const Element& child) {
      if (child.name() != "Part") return;
      UploadedPart part;
      part.part_number = static_cast<int>(child.Number("PartNumber", kMaxParts));
      if (part.part_number == 0) child.Fail("a part of number 0");
      part.etag = child.ETag("ETag");
      if (part.etag.empty()) child.Fail("a part without an ETag");
      part.size_bytes = child.Number("Size", std::numeric_limits<int64_t>::max());
      answer.parts.push_back(std::move(part));
    });
  });
}

Result<ListUploadsAnswer> ParseListMultipartUploads(std::string_view xml) {
  return ParseAs<ListUploadsAnswer>(xml, "ListMultipartUploadsResult",
                                    [](const Element& root, ListUploadsAnswer& answer) {
                                      const Names names(root);
                                      answer.truncated = root.RequiredFlag("IsTruncated");
                                      if (answer.truncated) {
                                        answer.next_key_marker = names.Required(root, "NextKeyMarker");
                                        answer.next_upload_id_marker = root.Text("NextUploadIdMarker");
                                      }
                                      root.ForEach([&](const Element& child) {
                                        if (child.name() == "CommonPrefixes")
                                          answer.common_prefixes.push_back(names.Required(child, "Prefix"));
                                        if (child.name() != "Upload") return;
                                        answer.uploads.push_back({.key = names.Required(child, "Key"),
                                                                  .upload_id = child.RequiredText("UploadId"),
                                                                  .initiated_us = child.TimeUs("Initiated")});
                                      });
                                    });
}

Result<VersioningState> ParseVersioning(std::string_view xml) {
  return ParseAs<VersioningState>(xml, "VersioningConfiguration", [](const Element& root, VersioningState& state) {
    const std::string status = root.Text("Status");
    if (status == "Enabled") state = VersioningState::kEnabled;
    if (status == "Suspended") state = VersioningState::kSuspended;
    if (!status.empty() && state == VersioningState::kOff) root.Fail("a versioning Status that is not known");
  });
}

Result<ErrorDocument> ParseError(std::string_view xml) {
  return ParseAs<ErrorDocument>(xml, "Error", [](const Element& root, ErrorDocument& error) {
    error = ReadError(root);
    root.RequiredText("Code");
  });
}

Result<std::vector<CompletedPart>> ParseCompleteRequest(std::string_view xml) {
  using Parts = std::vector<CompletedPart>;
  return ParseAs<Parts>(xml, "CompleteMultipartUpload", [](const Element& root, Parts& parts) {
    root.ForEach([&](const Element& child) {
      if (child.name() != "Part") return;
      CompletedPart part;
      part.part_number = static_cast<int>(child.Number("PartNumber", std::numeric_limits<int>::max()));
      part.etag = child.ETag("ETag");
      child.ForEach([&](const Element& field) {
        if (field.name().starts_with("Checksum")) part.checksum = field.OwnText();
      });
      parts.push_back(std::move(part));
    });
  });
}

Result<DeleteRequest> ParseDeleteRequest(std::string_view xml) {
  return ParseAs<DeleteRequest>(xml, "Delete", [](const Element& root, DeleteRequest& request) {
    request.quiet = root.Flag("Quiet");
    root.ForEach([&](const Element& child) {
      if (child.name() != "Object") return;
      DeleteItem item{.key = child.RequiredText("Key"), .version_id = child.Text("VersionId"), .if_match = {}};
      if (child.Has("ETag")) item.if_match = child.ETag("ETag");
      request.items.push_back(std::move(item));
    });
  });
}

}  // namespace pailfs::s3wire
