#include "base/s3wire/xml_answers.h"

#include <array>
#include <utility>

#include "base/s3wire/dates.h"
#include "base/s3wire/uri.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"

namespace pailfs::s3wire {
namespace {

constexpr std::string_view kDefaultStorageClass = "STANDARD";

std::string Quoted(std::string_view etag) {
  return StrCat("\"", etag, "\"");
}

// Writes the names in a listing as the request wanted them.
class Names {
 public:
  Names(XmlWriter& xml, KeyEncoding encoding) : xml_(xml), encoding_(encoding) {}

  void Begin() {
    if (encoding_ == KeyEncoding::kUrl) xml_.Text("EncodingType", "url");
  }
  void Text(std::string_view element, std::string_view name) {
    xml_.Text(element, encoding_ == KeyEncoding::kUrl ? FormEncode(name) : std::string(name));
  }
  void OptionalText(std::string_view element, std::string_view name) {
    if (!name.empty()) Text(element, name);
  }
  void CommonPrefixes(const std::vector<std::string>& prefixes) {
    for (const std::string& prefix : prefixes) {
      xml_.Open("CommonPrefixes");
      Text("Prefix", prefix);
      xml_.Close("CommonPrefixes");
    }
  }

 private:
  static std::string FormEncode(std::string_view name) {
    std::string encoded;
    while (true) {
      const size_t blank = name.find(' ');
      encoded += UriEncode(name.substr(0, blank), Slash::kKeep);
      if (blank == std::string_view::npos) return encoded;
      encoded.push_back('+');
      name.remove_prefix(blank + 1);
    }
  }

  XmlWriter& xml_;
  const KeyEncoding encoding_;
};

void OptionalText(XmlWriter& xml, std::string_view element, std::string_view text) {
  if (!text.empty()) xml.Text(element, text);
}

void WriteUserMetadata(XmlWriter& xml, const ObjectInfo& info) {
  const ContentHeaders& headers = info.headers;
  const std::array<std::pair<std::string_view, std::string_view>, 6> known{
      {{"content-type", headers.type},
       {"content-encoding", headers.encoding},
       {"content-disposition", headers.disposition},
       {"content-language", headers.language},
       {"cache-control", headers.cache_control},
       {"expires", headers.expires}}};
  xml.Open("UserMetadata");
  for (const auto& [name, value] : known) OptionalText(xml, name, value);
  for (const auto& [name, value] : info.metadata) xml.Text(StrCat("X-Amz-Meta-", name), value);
  xml.Close("UserMetadata");
}

void WriteObject(XmlWriter& xml, const ObjectInfo& info) {
  xml.Text("LastModified", FormatIso8601(info.last_modified_us));
  if (info.is_delete_marker) return;
  xml.Text("ETag", Quoted(info.etag));
  xml.Number("Size", info.size_bytes);
  xml.Text("StorageClass", info.storage_class.empty() ? kDefaultStorageClass : info.storage_class);
}

Result<std::string> WriteCopyAnswer(std::string_view root, std::string_view etag, int64_t last_modified_us) {
  XmlWriter xml(root);
  xml.Text("LastModified", FormatIso8601(last_modified_us));
  xml.Text("ETag", Quoted(etag));
  return std::move(xml).Finish();
}

void WriteKeyOfRequest(XmlWriter& xml, std::string_view key) {
  std::string scratch;
  if (AppendXmlText(scratch, key).ok()) xml.Text("Key", key);
}

void WriteError(XmlWriter& xml, const ErrorDocument& error) {
  OptionalText(xml, "Code", error.code);
  OptionalText(xml, "Message", error.message);
  OptionalText(xml, "Resource", error.resource);
  OptionalText(xml, "Endpoint", error.endpoint);
  OptionalText(xml, "Region", error.region);
  OptionalText(xml, "RequestId", error.request_id);
}

}  // namespace

Result<std::string> WriteListObjectsV2Answer(std::string_view bucket, const ListRequest& request, const ListPage& page,
                                             KeyEncoding encoding) {
  XmlWriter xml("ListBucketResult");
  Names names(xml, encoding);
  xml.Text("Name", bucket);
  names.Begin();
  names.Text("Prefix", request.prefix);
  names.OptionalText("Delimiter", request.delimiter);
  names.OptionalText("StartAfter", request.start_after);
  xml.Number("MaxKeys", static_cast<uint64_t>(request.max_keys));
  xml.Number("KeyCount", page.objects.size() + page.common_prefixes.size());
  xml.Flag("IsTruncated", !page.next_token.empty());
  OptionalText(xml, "ContinuationToken", request.continuation_token);
  OptionalText(xml, "NextContinuationToken", page.next_token);
  for (const ObjectInfo& info : page.objects) {
    xml.Open("Contents");
    names.Text("Key", info.key);
    WriteObject(xml, info);
    if (request.with_metadata && info.has_metadata) WriteUserMetadata(xml, info);
    xml.Close("Contents");
  }
  names.CommonPrefixes(page.common_prefixes);
  return std::move(xml).Finish();
}

Result<std::string> WriteListVersionsAnswer(std::string_view bucket, const ListVersionsRequest& request,
                                            const ListVersionsPage& page, KeyEncoding encoding) {
  XmlWriter xml("ListVersionsResult");
  Names names(xml, encoding);
  xml.Text("Name", bucket);
  names.Begin();
  names.Text("Prefix", request.prefix);
  names.OptionalText("Delimiter", request.delimiter);
  names.Text("KeyMarker", request.key_marker);
  xml.Text("VersionIdMarker", request.version_id_marker);
  xml.Number("MaxKeys", static_cast<uint64_t>(request.max_keys));
  xml.Flag("IsTruncated", page.truncated);
  names.OptionalText("NextKeyMarker", page.next_key_marker);
  OptionalText(xml, "NextVersionIdMarker", page.next_version_id_marker);
  for (const ObjectInfo& info : page.versions) {
    const std::string_view element = info.is_delete_marker ? "DeleteMarker" : "Version";
    xml.Open(element);
    names.Text("Key", info.key);
    xml.Text("VersionId", info.version_id.empty() ? "null" : info.version_id);
    xml.Flag("IsLatest", info.is_latest);
    WriteObject(xml, info);
    xml.Close(element);
  }
  names.CommonPrefixes(page.common_prefixes);
  return std::move(xml).Finish();
}

Result<std::string> WriteInitiateAnswer(std::string_view bucket, std::string_view key, std::string_view upload_id) {
  XmlWriter xml("InitiateMultipartUploadResult");
  xml.Text("Bucket", bucket);
  WriteKeyOfRequest(xml, key);
  xml.Text("UploadId", upload_id);
  return std::move(xml).Finish();
}

Result<std::string> WriteCompleteAnswer(std::string_view bucket, std::string_view key, std::string_view etag) {
  XmlWriter xml("CompleteMultipartUploadResult");
  xml.Text("Location", StrCat("/", bucket, "/", UriEncode(key, Slash::kKeep)));
  xml.Text("Bucket", bucket);
  WriteKeyOfRequest(xml, key);
  xml.Text("ETag", Quoted(etag));
  return std::move(xml).Finish();
}

Result<std::string> WriteCopyObjectAnswer(std::string_view etag, int64_t last_modified_us) {
  return WriteCopyAnswer("CopyObjectResult", etag, last_modified_us);
}

Result<std::string> WriteCopyPartAnswer(std::string_view etag, int64_t last_modified_us) {
  return WriteCopyAnswer("CopyPartResult", etag, last_modified_us);
}

Result<std::string> WriteDeleteAnswer(const DeleteAnswer& answer) {
  XmlWriter xml("DeleteResult");
  for (const DeletedObject& object : answer.deleted) {
    xml.Open("Deleted");
    xml.Text("Key", object.key);
    if (object.result.made_delete_marker) {
      xml.Flag("DeleteMarker", true);
      OptionalText(xml, "DeleteMarkerVersionId", object.result.version_id);
    } else {
      OptionalText(xml, "VersionId", object.result.version_id);
    }
    xml.Close("Deleted");
  }
  for (const DeleteFailure& failure : answer.failed) {
    xml.Open("Error");
    xml.Text("Key", failure.key);
    OptionalText(xml, "VersionId", failure.version_id);
    WriteError(xml, failure.error);
    xml.Close("Error");
  }
  return std::move(xml).Finish();
}

Result<std::string> WriteListPartsAnswer(std::string_view bucket, const MultipartUpload& upload, int max_parts,
                                         const ListPartsAnswer& answer) {
  XmlWriter xml("ListPartsResult");
  xml.Text("Bucket", bucket);
  WriteKeyOfRequest(xml, upload.key);
  xml.Text("UploadId", upload.upload_id);
  if (answer.truncated) xml.Number("NextPartNumberMarker", static_cast<uint64_t>(answer.next_part_number_marker));
  xml.Number("MaxParts", static_cast<uint64_t>(max_parts));
  xml.Flag("IsTruncated", answer.truncated);
  for (const UploadedPart& part : answer.parts) {
    xml.Open("Part");
    xml.Number("PartNumber", static_cast<uint64_t>(part.part_number));
    xml.Text("ETag", Quoted(part.etag));
    xml.Number("Size", part.size_bytes);
    xml.Close("Part");
  }
  return std::move(xml).Finish();
}

Result<std::string> WriteListUploadsAnswer(std::string_view bucket, const ListUploadsRequest& request,
                                           const ListUploadsAnswer& answer, KeyEncoding encoding) {
  XmlWriter xml("ListMultipartUploadsResult");
  Names names(xml, encoding);
  xml.Text("Bucket", bucket);
  names.Begin();
  names.Text("Prefix", request.prefix);
  names.OptionalText("Delimiter", request.delimiter);
  names.Text("KeyMarker", request.key_marker);
  xml.Text("UploadIdMarker", request.upload_id_marker);
  xml.Number("MaxUploads", static_cast<uint64_t>(request.max_uploads));
  xml.Flag("IsTruncated", answer.truncated);
  names.OptionalText("NextKeyMarker", answer.next_key_marker);
  OptionalText(xml, "NextUploadIdMarker", answer.next_upload_id_marker);
  for (const MultipartUpload& upload : answer.uploads) {
    xml.Open("Upload");
    names.Text("Key", upload.key);
    xml.Text("UploadId", upload.upload_id);
    xml.Text("Initiated", FormatIso8601(upload.initiated_us));
    xml.Close("Upload");
  }
  names.CommonPrefixes(answer.common_prefixes);
  return std::move(xml).Finish();
}

Result<std::string> WriteVersioningAnswer(VersioningState state) {
  XmlWriter xml("VersioningConfiguration");
  if (state != VersioningState::kOff) {
    xml.Text("Status", state == VersioningState::kEnabled ? "Enabled" : "Suspended");
  }
  return std::move(xml).Finish();
}

Result<std::string> WriteLocationAnswer(std::string_view region) {
  XmlWriter xml("LocationConstraint");
  if (region != "us-east-1") xml.Characters(region);
  return std::move(xml).Finish();
}

Result<std::string> WriteErrorAnswer(const ErrorDocument& error) {
  XmlWriter xml("Error", XmlNamespace::kNone);
  WriteError(xml, error);
  return std::move(xml).Finish();
}

}  // namespace pailfs::s3wire
