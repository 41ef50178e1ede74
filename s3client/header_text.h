// Text that a header cannot carry as it is. Pure functions.
//
// Source: RFC 2047 (encoded words), which is how Amazon S3 shows user metadata that is not ASCII ("Working with object
// metadata"), RFC 1428 for the charset unknown-8bit.
#pragma once

#include <string>
#include <string_view>

namespace pailfs::s3client {

// Printable ASCII stays as it is, but for text that would be taken for an encoded word, or whose outer blanks HTTP
// would drop. Everything else as base64 words of UTF-8, or of unknown-8bit where it is no UTF-8.
std::string EncodeHeaderText(std::string_view text);

// Undoes EncodeHeaderText and the like of other programs (B and Q words of UTF-8, US-ASCII, ISO-8859-1, unknown-8bit).
// What is no encoded word stays as it is.
std::string DecodeHeaderText(std::string_view text);

}  // namespace pailfs::s3client
