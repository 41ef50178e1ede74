#include "s3client/issued_json.h"

#include <algorithm>

#include "base/json.h"
#include "base/s3wire/dates.h"
#include "base/str.h"

namespace pailfs::s3client {
namespace {

Result<IssuedCredentials> Read(const JsonValue& json, std::string_view token_name, Errc code) {
  IssuedCredentials issued;
  issued.keys.access_key_id = json["AccessKeyId"].string();
  issued.keys.secret_access_key = json["SecretAccessKey"].string();
  issued.keys.session_token = json[token_name].string();
  if (issued.keys.access_key_id.empty()) return Error{code, "no AccessKeyId in the answer"};
  if (issued.keys.secret_access_key.empty()) return Error{code, "no SecretAccessKey in the answer"};
  if (const std::string& expiration = json["Expiration"].string(); !expiration.empty()) {
    const auto expires_us = ParseExpiration(expiration);
    if (!expires_us.ok()) return Error{code, expires_us.error().message};
    issued.expires_us = *expires_us;
  }
  return issued;
}

// A word of a server that is fit to be shown.
bool IsWord(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

}  // namespace

Result<IssuedCredentials> ParseProcessCredentials(std::string_view json) {
  const auto value = JsonValue::Parse(json);
  if (!value.ok()) return Error{Errc::kInvalidArgument, "what it printed is not JSON"};
  if ((*value)["Version"].integer() != 1) {
    return Error{Errc::kInvalidArgument, "what it printed is not of \"Version\": 1"};
  }
  return Read(*value, "SessionToken", Errc::kInvalidArgument);
}

Result<IssuedCredentials> ParseEndpointCredentials(std::string_view json) {
  const auto value = JsonValue::Parse(json);
  if (!value.ok()) return Error{Errc::kUnavailable, "the answer is not JSON"};
  const std::string& code = (*value)["Code"].string();
  if (!code.empty() && code != "Success") {
    return Error{Errc::kAccessDenied, StrCat("the answer is ", IsWord(code) ? code : "no success")};
  }
  return Read(*value, "Token", Errc::kUnavailable);
}

Result<int64_t> ParseExpiration(std::string_view text) {
  constexpr int64_t kMinuteUs = 60'000'000;
  const Error wrong{Errc::kInvalidArgument, "Expiration is not a time in ISO 8601"};
  const size_t time = text.find('T');
  const size_t sign = time == std::string_view::npos ? time : text.find_first_of("+-", time);
  int64_t offset_us = 0;
  std::string utc(text);
  if (sign != std::string_view::npos) {
    std::string_view offset = text.substr(sign + 1);
    if (offset.size() != 4 && (offset.size() != 5 || offset[2] != ':')) return wrong;
    const auto hours = ParseUint(offset.substr(0, 2));
    const auto minutes = ParseUint(offset.substr(offset.size() - 2));
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return wrong;
    offset_us = static_cast<int64_t>(*hours * 60 + *minutes) * kMinuteUs * (text[sign] == '-' ? -1 : 1);
    utc = StrCat(text.substr(0, sign), 'Z');
  }
  const auto time_us = s3wire::ParseIso8601(utc);
  if (!time_us.ok()) return wrong;
  return *time_us - offset_us;
}

}  // namespace pailfs::s3client
