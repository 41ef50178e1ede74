// URI encoding as AWS signs it, and query strings. Pure functions; any thread.
//
// Source: "Create a signed AWS API request" (AWS Identity and Access Management user guide), UriEncode();
// RFC 3986, 2.1 and 2.3. For '+' as a space: "ListObjectsV2" (Amazon S3 API reference), encoding-type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pailfs::s3wire {

enum class Slash : uint8_t { kKeep, kEncode };
enum class Plus : uint8_t { kLiteral, kSpace };

// Names and values, not encoded, in any order; a parameter without a value ("?uploads") has an empty one.
using Query = std::vector<std::pair<std::string, std::string>>;

// All bytes but A-Z a-z 0-9 - _ . ~ (and '/' with kKeep) as %XX, upper case. Takes any bytes.
std::string UriEncode(std::string_view text, Slash slash);
// kCorrupt: a '%' without two hex digits after it (either case is fine). Other bytes stay as they are.
Result<std::string> UriDecode(std::string_view text, Plus plus);

// "name=value&name=value", both sides encoded with '/' too, sorted by encoded name, then by encoded value. What is
// signed, and fit to be sent.
std::string CanonicalQuery(const Query& query);
// The parameters of a query string without its '?', in its order, '+' being a space as in forms. kCorrupt as UriDecode;
// kInvalidArgument: more than kMaxQueryParameters.
inline constexpr size_t kMaxQueryParameters = 256;
Result<Query> ParseQuery(std::string_view text);

}  // namespace pailfs::s3wire
