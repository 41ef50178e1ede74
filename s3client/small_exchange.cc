#include "s3client/small_exchange.h"

#include <algorithm>
#include <limits>

#include "base/str.h"

namespace pailfs::s3client {
namespace {

constexpr int kTooManyRequests = 429;

bool IsWorthAnotherTry(const Result<HttpAnswer>& answer) {
  if (!answer.ok()) return true;
  return answer->status == kTooManyRequests || answer->status >= 500;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
}

}  // namespace

Result<HttpAnswer> AskBriefly(const OpContext& ctx, HttpTransport& transport, const HttpRequest& request,
                              std::string_view body, const ExchangeLimits& limits) {
  Result<HttpAnswer> answer = Error{Errc::kInternal, "not asked"};
  for (int attempt = 0; attempt < limits.attempts; ++attempt) {
    RETURN_IF_ERROR(ctx.Check());
    OpContext brief = ctx;
    const int64_t now_ns = ctx.NowNs();
    const int64_t room_ns = std::numeric_limits<int64_t>::max() - now_ns;
    brief.deadline_ns = std::min(ctx.deadline_ns, now_ns + std::min(room_ns, limits.attempt_timeout_ns));
    StringBody source(body);
    HttpRequest sent = request;
    if (!body.empty()) sent.body = &source;
    answer = transport.Perform(brief, sent, nullptr).answer;
    if (!IsWorthAnotherTry(answer)) return answer;
  }
  if (answer.ok()) return answer;
  RETURN_IF_ERROR(ctx.Check());
  return Error{Errc::kUnavailable, std::move(answer).error().message};
}

Result<ServiceUrl> ParseServiceUrl(std::string_view url) {
  const Error wrong{Errc::kInvalidArgument, "not a URL of the form http[s]://host[:port][/path]"};
  ServiceUrl parsed;
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return wrong;
  parsed.scheme = Lower(url.substr(0, scheme_end));
  if (parsed.scheme != "http" && parsed.scheme != "https") return wrong;
  url.remove_prefix(scheme_end + 3);
  const size_t authority_end = std::min(url.find_first_of("/?#"), url.size());
  parsed.authority = Lower(url.substr(0, authority_end));
  parsed.target = url.substr(authority_end);
  if (!parsed.target.starts_with('/')) parsed.target.insert(0, "/");
  const bool plain =
      std::all_of(parsed.target.begin(), parsed.target.end(), [](char c) { return c > ' ' && c < 0x7F && c != '#'; });
  if (!plain) return wrong;

  std::string_view host = parsed.authority;
  std::string_view port;
  const bool bracketed = host.starts_with('[');
  if (bracketed) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return wrong;
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (const size_t colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  const auto number = port.empty() ? ParseUint("1") : ParseUint(port.substr(1));
  if ((!port.empty() && port.front() != ':') || !number || *number == 0 || *number > 65'535) return wrong;
  if (host.empty() || !std::all_of(host.begin(), host.end(), IsHostByte)) return wrong;
  parsed.host = host;
  return parsed;
}

std::string WithoutSecrets(std::string_view text, std::span<const std::string_view> secrets) {
  constexpr size_t kMostBytes = 300;
  constexpr std::string_view kInstead = "[secret]";
  std::string shown(text);
  for (const std::string_view secret : secrets) {
    if (secret.empty()) continue;
    for (size_t at = shown.find(secret); at != std::string::npos; at = shown.find(secret, at + kInstead.size())) {
      shown.replace(at, secret.size(), kInstead);
    }
  }
  if (shown.size() > kMostBytes) {
    shown.resize(kMostBytes);
    shown += "...";
  }
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return shown;
}

}  // namespace pailfs::s3client
