#include "base/s3wire/xml_write.h"

#include "base/str.h"

namespace pailfs::s3wire {
namespace {

constexpr std::string_view kHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr std::string_view kNamespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

// The length of the UTF-8 sequence that `text` begins with and that XML 1.0 can carry; 0 when it is none. Shortest
// forms only, no surrogates, no U+FFFE and U+FFFF (Unicode standard, table 3-7).
size_t CharBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(i < text.size() ? text[i] : 0); };
  const auto is_tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  if (first >= 0xC2 && first <= 0xDF) return is_tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool shortest = first != 0xE0 || byte(1) >= 0xA0;
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    const bool no_character = first == 0xEF && byte(1) == 0xBF && byte(2) >= 0xBE;
    return is_tail(1) && is_tail(2) && shortest && !surrogate && !no_character ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool shortest = first != 0xF0 || byte(1) >= 0x90;
    const bool beyond = first == 0xF4 && byte(1) >= 0x90;
    return is_tail(1) && is_tail(2) && is_tail(3) && shortest && !beyond ? 4 : 0;
  }
  return 0;
}

// The reference for a byte that must not stand as it is; empty for all others.
std::string_view Reference(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&apos;";
    case '\t':
      return "&#9;";
    case '\n':
      return "&#10;";
    case '\r':
      return "&#13;";
    default:
      return {};
  }
}

Status AppendElement(std::string& out, std::string_view name, std::string_view text) {
  out += StrCat("<", name, ">");
  RETURN_IF_ERROR(AppendXmlText(out, text));
  out += StrCat("</", name, ">");
  return {};
}

}  // namespace

Status AppendXmlText(std::string& out, std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharBytes(text.substr(i));
    if (length == 0) {
      return Error{Errc::kInvalidArgument, StrCat("XML cannot carry the character at byte ", i, " of the text")};
    }
    const std::string_view reference = Reference(text[i]);
    out.append(reference.empty() ? text.substr(i, length) : reference);
    i += length;
  }
  return {};
}

XmlWriter::XmlWriter(std::string_view root, XmlNamespace xml_namespace)
    : root_(root), out_(StrCat(kHead, "<", root, xml_namespace == XmlNamespace::kS3 ? kNamespace : "", ">")) {}

void XmlWriter::Open(std::string_view element) {
  out_ += StrCat("<", element, ">");
}

void XmlWriter::Close(std::string_view element) {
  out_ += StrCat("</", element, ">");
}

void XmlWriter::Characters(std::string_view text) {
  if (Status added = AppendXmlText(out_, text); !added.ok() && !error_) error_ = std::move(added).error();
}

void XmlWriter::Text(std::string_view element, std::string_view text) {
  Open(element);
  Characters(text);
  Close(element);
}

void XmlWriter::Number(std::string_view element, uint64_t number) {
  Text(element, StrCat(number));
}

void XmlWriter::Flag(std::string_view element, bool flag) {
  Text(element, flag ? "true" : "false");
}

Result<std::string> XmlWriter::Finish() && {
  if (error_) return *error_;
  Close(root_);
  return std::move(out_);
}

Result<std::string> WriteCompleteMultipartUpload(std::span<const UploadedPart> parts) {
  if (parts.empty() || parts.size() > static_cast<size_t>(kMaxParts)) {
    return Error{Errc::kInvalidArgument, StrCat("an upload has 1 to ", kMaxParts, " parts, not ", parts.size())};
  }
  std::string out = StrCat(kHead, "<CompleteMultipartUpload", kNamespace, ">");
  int last = 0;
  for (const UploadedPart& part : parts) {
    if (part.part_number <= last || part.part_number > kMaxParts || part.etag.empty()) {
      return Error{Errc::kInvalidArgument,
                   StrCat("part ", part.part_number, " after part ", last, ": part numbers must ascend from 1 to ",
                          kMaxParts, " and each part needs its ETag")};
    }
    last = part.part_number;
    out += StrCat("<Part><PartNumber>", part.part_number, "</PartNumber>");
    RETURN_IF_ERROR(AppendElement(out, "ETag", StrCat("\"", part.etag, "\"")));
    out += "</Part>";
  }
  out += "</CompleteMultipartUpload>";
  return out;
}

Result<std::string> WriteDelete(std::span<const DeleteItem> items, DeleteReport report) {
  if (items.empty() || items.size() > kMaxBatchDelete) {
    return Error{Errc::kInvalidArgument, StrCat("a batch deletes 1 to ", kMaxBatchDelete, " keys, not ", items.size())};
  }
  std::string out = StrCat(kHead, "<Delete", kNamespace, ">");
  if (report == DeleteReport::kFailures) out += "<Quiet>true</Quiet>";
  for (size_t i = 0; i < items.size(); ++i) {
    const DeleteItem& item = items[i];
    if (item.key.empty()) return Error{Errc::kInvalidArgument, StrCat("item ", i, " of the batch has no key")};
    out += "<Object>";
    if (Status added = AppendElement(out, "Key", item.key); !added.ok()) {
      return added.error().With(StrCat("the key of item ", i, " of the batch"));
    }
    if (!item.version_id.empty()) RETURN_IF_ERROR(AppendElement(out, "VersionId", item.version_id));
    if (item.if_match) RETURN_IF_ERROR(AppendElement(out, "ETag", StrCat("\"", *item.if_match, "\"")));
    out += "</Object>";
  }
  out += "</Delete>";
  return out;
}

Result<std::string> WriteVersioning(VersioningState state) {
  if (state == VersioningState::kOff) {
    return Error{Errc::kInvalidArgument, "versioning cannot be turned off again, only suspended"};
  }
  return StrCat(kHead, "<VersioningConfiguration", kNamespace, "><Status>",
                state == VersioningState::kEnabled ? "Enabled" : "Suspended", "</Status></VersioningConfiguration>");
}

}  // namespace pailfs::s3wire
