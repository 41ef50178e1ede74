// What an answer that is no success means, and whether a success is one. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"
#include "base/s3wire/errors.h"
#include "s3client/http.h"

namespace pailfs::s3client {

// The body of a success that should be XML: true when it is an <Error>. kUnavailable: it is no XML at all, so this is
// not an S3 server (a login page, a proxy's notice).
Result<bool> ErrorInSuccess(std::string_view body);

// The <Error> document, empty where there is none.
s3wire::ErrorDocument ErrorDocumentOf(const HttpAnswer& answer);

// For a person. Names what commonly is wrong: key, secret, clock, region, not an S3 server.
Error RefusalError(const HttpAnswer& answer, const s3wire::ErrorDocument& document);

// Where a redirect points: a host, with its port. Empty: nowhere.
std::string RedirectHost(const HttpAnswer& answer, const s3wire::ErrorDocument& document);

// The beginning of a body as a line of text.
std::string Excerpt(std::string_view body);

}  // namespace pailfs::s3client
