// Elements and texts of an XML document, for the parsers of this folder. The seam to pugixml.
#pragma once

#include <cstdint>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/s3wire/dates.h"
#include "base/s3wire/uri.h"
#include "base/s3wire/xml.h"
#include "base/str.h"

namespace pailfs::s3wire {

inline Error Corrupt(std::string_view what) {
  return {Errc::kCorrupt, StrCat("the server answered with XML that cannot be read: ", what)};
}

inline bool IsText(const pugi::xml_node& node) {
  return node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
}

// One element, and where the document's first error goes. A field that cannot be read is empty, so that a parser reads
// all it wants and the error is looked at once, at the end.
class Element {
 public:
  Element(pugi::xml_node node, std::optional<Error>* error) : node_(node), error_(error) {}

  std::string_view name() const { return node_.name(); }
  bool Has(const char* child) const { return !node_.child(child).empty(); }

  // The text of the first child of this name; empty where there is none.
  std::string Text(const char* child) const { return Child(child).OwnText(); }
  std::string RequiredText(const char* child) const {
    std::string text = Text(child);
    if (text.empty()) Fail(StrCat(name(), " without ", child));
    return text;
  }
  // Text in the encoding of encoding-type=url, which is that of forms: '+' is a blank.
  std::string Decoded(const char* child) const {
    Result<std::string> decoded = UriDecode(Text(child), Plus::kSpace);
    if (!decoded.ok()) Fail(StrCat(child, ": ", decoded.error().message));
    return decoded.ok() ? std::move(*decoded) : "";
  }
  std::string ETag(const char* child) const {
    std::string etag = Text(child);
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    return etag;
  }
  uint64_t Number(const char* child, uint64_t most) const {
    const auto number = ParseUint(Text(child));
    if (!number || *number > most) Fail(StrCat(name(), ": ", child, " is not a number as expected"));
    return number && *number <= most ? *number : 0;
  }
  int64_t TimeUs(const char* child) const {
    const Result<int64_t> time_us = ParseIso8601(Text(child));
    if (!time_us.ok()) Fail(StrCat(name(), ": ", child, ": ", time_us.error().message));
    return time_us.ok() ? *time_us : 0;
  }
  bool RequiredFlag(const char* child) const {
    if (Text(child).empty()) Fail(StrCat(name(), " without ", child));
    return Flag(child);
  }
  // False where there is none.
  bool Flag(const char* child) const {
    const std::string text = Text(child);
    if (!text.empty() && text != "true" && text != "false") Fail(StrCat(child, " is neither true nor false"));
    return text == "true";
  }

  // The child elements, in order, until one fails.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const pugi::xml_node& child : node_) {
      if (*error_) return;
      if (child.type() == pugi::node_element) visit(Element(child, error_));
    }
  }
  std::string OwnText() const {
    std::string text;
    for (const pugi::xml_node& piece : node_) {
      if (IsText(piece)) text += piece.value();
      if (piece.type() == pugi::node_element) Fail("elements where text belongs");
    }
    return text;
  }
  Element Child(const char* child) const { return {node_.child(child), error_}; }

  void Fail(std::string_view what) const {
    if (!*error_) *error_ = Corrupt(what);
  }

 private:
  pugi::xml_node node_;
  std::optional<Error>* error_;
};

// A document that was read whole.
class Document {
 public:
  // kCorrupt: not well-formed, not one root element with only white space around it.
  Status Read(std::string_view xml) {
    if (xml.size() > kMaxXmlBytes) return Corrupt(StrCat("more than ", kMaxXmlBytes, " bytes"));
    // pugixml takes a NUL for the end.
    if (xml.find('\0') != std::string_view::npos) return Corrupt("a NUL byte");
    // White space is kept where it is all of a text: a key may be a blank. Fragment: text outside of the root shows.
    constexpr unsigned kOptions =
        pugi::parse_default | pugi::parse_ws_pcdata_single | pugi::parse_doctype | pugi::parse_fragment;
    const pugi::xml_parse_result parsed = document_.load_buffer(xml.data(), xml.size(), kOptions, pugi::encoding_utf8);
    if (!parsed) return Corrupt(StrCat(parsed.description(), " at byte ", static_cast<int64_t>(parsed.offset)));
    for (const pugi::xml_node& node : document_) {
      if (node.type() == pugi::node_doctype) return Corrupt("a document type");
      const bool blank =
          IsText(node) && std::string_view(node.value()).find_first_not_of(" \t\r\n") == std::string_view::npos;
      if (IsText(node) && !blank) return Corrupt("text outside of the root element");
      if (node.type() != pugi::node_element) continue;
      if (!root_.empty()) return Corrupt("two root elements");
      root_ = node;
    }
    return root_.empty() ? Status(Corrupt("no root element")) : Status();
  }

  Element root() { return {root_, &error_}; }
  const std::optional<Error>& error() const { return error_; }

 private:
  pugi::xml_document document_;
  pugi::xml_node root_;
  std::optional<Error> error_;
};

}  // namespace pailfs::s3wire
