#include "s3client/answers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/s3wire/xml.h"
#include "base/str.h"

namespace pailfs::s3client {
namespace {

std::string_view WithoutLeadingSpace(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? "" : text.substr(first);
}

bool LooksLikeHtml(std::string_view body) {
  std::string begin(WithoutLeadingSpace(body).substr(0, 15));
  for (char& c : begin) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return begin.starts_with("<html") || begin.starts_with("<!doctype html");
}

// After the declaration and comments: the root's name.
std::string_view RootName(std::string_view body) {
  for (;;) {
    body = WithoutLeadingSpace(body);
    if (!body.starts_with("<?") && !body.starts_with("<!--")) break;
    const std::string_view closing = body.starts_with("<?") ? "?>" : "-->";
    const size_t end = body.find(closing);
    if (end == std::string_view::npos) return "";
    body.remove_prefix(end + closing.size());
  }
  if (!body.starts_with('<')) return "";
  body.remove_prefix(1);
  return body.substr(0, body.find_first_of(" \t\r\n/>"));
}

// What people can do about it.
constexpr std::array kAdvice{
    std::pair{std::string_view("InvalidAccessKeyId"), std::string_view("the server does not know the access key id")},
    std::pair{std::string_view("SignatureDoesNotMatch"),
              std::string_view("the secret access key is wrong (or a proxy changes requests)")},
    std::pair{std::string_view("RequestTimeTooSkewed"), std::string_view("the clock of this machine is wrong")},
    std::pair{std::string_view("ExpiredToken"), std::string_view("the session token has expired")},
    std::pair{std::string_view("AuthorizationHeaderMalformed"), std::string_view("the region is wrong")},
    std::pair{std::string_view("PermanentRedirect"), std::string_view("the endpoint or the region is wrong")},
    std::pair{std::string_view("NoSuchBucket"), std::string_view("there is no such bucket")},
    std::pair{std::string_view("AccessDenied"), std::string_view("permission is missing")},
};

}  // namespace

std::string Excerpt(std::string_view body) {
  constexpr size_t kMostBytes = 80;
  std::string text(WithoutLeadingSpace(body).substr(0, kMostBytes));
  for (char& c : text) {
    if (c < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

Result<bool> ErrorInSuccess(std::string_view body) {
  const std::string_view text = WithoutLeadingSpace(body);
  if (text.empty()) return Error{Errc::kUnavailable, "the answer is empty where XML is due"};
  if (!text.starts_with('<') || LooksLikeHtml(text)) {
    return Error{Errc::kUnavailable, StrCat("this is not an S3 server: it answers '", Excerpt(body), "'")};
  }
  return RootName(body) == "Error";
}

s3wire::ErrorDocument ErrorDocumentOf(const HttpAnswer& answer) {
  if (answer.body.empty()) return {};
  auto document = s3wire::ParseError(answer.body);
  return document.ok() ? std::move(*document) : s3wire::ErrorDocument{};
}

Error RefusalError(const HttpAnswer& answer, const s3wire::ErrorDocument& document) {
  Error error = s3wire::ErrorOf(answer.status, document);
  if (document.code.empty() && !answer.body.empty()) {
    const bool html = LooksLikeHtml(answer.body);
    error.message +=
        StrCat(html ? ": this is not an S3 server, or a proxy answers for it: '" : ": '", Excerpt(answer.body), "'");
  }
  for (const auto& [code, advice] : kAdvice) {
    if (code == document.code) return {error.code, StrCat(advice, ": ", error.message)};
  }
  return error;
}

std::string RedirectHost(const HttpAnswer& answer, const s3wire::ErrorDocument& document) {
  if (!document.endpoint.empty()) return document.endpoint;
  const std::string* location = answer.Find("location");
  if (location == nullptr) return "";
  const size_t scheme = location->find("://");
  if (scheme == std::string::npos) return "";
  const std::string rest = location->substr(scheme + 3);
  return rest.substr(0, rest.find('/'));
}

}  // namespace pailfs::s3client
