// The three ways in which S3 writes a time. All are UTC; here they are microseconds since 1970-01-01T00:00:00Z.
// Pure functions; any thread.
//
// Years 0000 to 9999 can be written: a time outside of them is written as the nearest one inside. The parsers take
// exactly the forms below, for any bytes: kCorrupt for everything else, also for days and hours that do not exist, and
// for leap seconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pailfs::s3wire {

// ISO 8601 basic, "20130524T000000Z": x-amz-date, X-Amz-Date. Fractions are cut off.
std::string FormatIso8601Basic(int64_t time_us);
Result<int64_t> ParseIso8601Basic(std::string_view text);
// The day alone, "20130524": the credential scope of a signature.
std::string FormatScopeDate(int64_t time_us);

// ISO 8601 extended with milliseconds, "2013-05-24T00:00:00.000Z": LastModified, Initiated in XML. Parsed with no
// fraction or one of 1 to 9 digits; what is below a microsecond is cut off.
std::string FormatIso8601(int64_t time_us);
Result<int64_t> ParseIso8601(std::string_view text);

// RFC 9110, 5.6.7, IMF-fixdate (RFC 1123), "Fri, 24 May 2013 00:00:00 GMT": Date, Last-Modified. The weekday must be
// the date's.
std::string FormatHttpDate(int64_t time_us);
Result<int64_t> ParseHttpDate(std::string_view text);

}  // namespace pailfs::s3wire
