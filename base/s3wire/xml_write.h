// The XML documents that are sent to S3, and how text is put into XML. Pure functions; any thread.
//
// XML 1.0 can carry neither most control characters nor bytes that are not UTF-8, in any spelling: a key that has them
// is kInvalidArgument here, and must be deleted with a request of its own.
//
// Source: "Amazon S3 API reference", the request syntax of CompleteMultipartUpload, DeleteObjects and
// PutBucketVersioning; "Extensible Markup Language (XML) 1.0", 2.2 (Char) and 2.11 (line ends).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/result.h"

namespace pailfs::s3wire {

// Appends `text` so that a parser gives back the same bytes: markup, quotes, tabs and line ends as references.
// kInvalidArgument as above; `out` then ends with a part of the text.
Status AppendXmlText(std::string& out, std::string_view text);

// kInvalidArgument: no parts, more than kMaxParts, numbers outside 1 to kMaxParts or not ascending, no ETag.
Result<std::string> WriteCompleteMultipartUpload(std::span<const UploadedPart> parts);

// Builds one document, with the XML declaration. The first text that XML cannot carry is what Finish returns. Element
// names are the caller's, and right. Not thread-safe.
enum class XmlNamespace : uint8_t { kS3, kNone };
class XmlWriter {
 public:
  explicit XmlWriter(std::string_view root, XmlNamespace xml_namespace = XmlNamespace::kS3);
  void Open(std::string_view element);
  void Close(std::string_view element);
  void Characters(std::string_view text);
  // <element>text</element>
  void Text(std::string_view element, std::string_view text);
  void Number(std::string_view element, uint64_t number);
  void Flag(std::string_view element, bool flag);
  Result<std::string> Finish() &&;

 private:
  const std::string root_;
  std::string out_;
  std::optional<Error> error_;
};

enum class DeleteReport : uint8_t { kAll, kFailures };  // S3's Quiet: only failures are reported
// kInvalidArgument: no items, more than kMaxBatchDelete, an empty key, a key that XML cannot carry.
Result<std::string> WriteDelete(std::span<const DeleteItem> items, DeleteReport report);

// kInvalidArgument: kOff, which S3 cannot go back to.
Result<std::string> WriteVersioning(VersioningState state);

}  // namespace pailfs::s3wire
