#include "s3client/endpoint.h"

#include <algorithm>
#include <limits>

#include "base/str.h"

namespace pailfs::s3client {
namespace {

constexpr std::string_view kAwsDomain = ".amazonaws.com";
constexpr std::string_view kAwsChinaDomain = ".amazonaws.com.cn";

std::string_view WithoutPort(std::string_view host) {
  if (host.ends_with(']')) return host;
  const size_t colon = host.rfind(':');
  return colon == std::string_view::npos ? host : host.substr(0, colon);
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

// A name or address, an IPv6 one in brackets, perhaps with a port.
Status CheckHost(std::string_view host) {
  const auto fits = [](char c) { return IsNameCharacter(c) || c == ':' || c == '[' || c == ']'; };
  const std::string_view name = WithoutPort(host);
  const bool has_name = !name.empty() && name.starts_with('[') == name.ends_with(']');
  const auto port = name.size() < host.size() ? ParseUint(host.substr(name.size() + 1)) : std::optional<uint64_t>(1);
  const bool has_port = port && *port > 0 && *port <= std::numeric_limits<uint16_t>::max();
  if (has_name && has_port && std::all_of(host.begin(), host.end(), fits)) return {};
  return Error{Errc::kInvalidArgument, StrCat("endpoint: '", host, "' is no host name")};
}

}  // namespace

Result<Endpoint> ParseEndpoint(std::string_view text) {
  Endpoint endpoint;
  std::string_view rest = text;
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    const std::string_view name = text.substr(0, scheme);
    if (name != "http" && name != "https") {
      return Error{Errc::kInvalidArgument, StrCat("endpoint: '", name, "' is neither http nor https")};
    }
    endpoint.tls = name == "https";
    rest = text.substr(scheme + 3);
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view host = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.find_first_of("?#") != std::string_view::npos || host.find('@') != std::string_view::npos) {
    return Error{Errc::kInvalidArgument, "endpoint: a host and a path are all that it may have"};
  }
  if (host.ends_with(endpoint.tls ? ":443" : ":80")) host = WithoutPort(host);
  RETURN_IF_ERROR(CheckHost(host));
  endpoint.host = host;
  endpoint.path = path;
  const std::string_view name = WithoutPort(host);
  endpoint.is_aws = name.ends_with(kAwsDomain) || name.ends_with(kAwsChinaDomain);
  endpoint.is_loopback =
      name == "localhost" || name.ends_with(".localhost") || name == "[::1]" || name.starts_with("127.");
  return endpoint;
}

Endpoint AwsEndpoint(std::string_view region) {
  Endpoint endpoint;
  endpoint.host = StrCat("s3.", region, region.starts_with("cn-") ? kAwsChinaDomain : kAwsDomain);
  endpoint.is_aws = true;
  return endpoint;
}

std::string RegionOfAwsHost(std::string_view host) {
  for (const std::string_view domain : {kAwsChinaDomain, kAwsDomain}) {
    if (!host.ends_with(domain)) continue;
    const std::string_view labels = host.substr(0, host.size() - domain.size());
    const size_t dot = labels.rfind('.');
    std::string_view last = dot == std::string_view::npos ? labels : labels.substr(dot + 1);
    if (last.starts_with("s3-")) last.remove_prefix(3);  // "s3-eu-west-1", as older hosts are named
    return last == "s3" || std::count(last.begin(), last.end(), '-') < 2 ? "" : std::string(last);
  }
  return "";
}

Status CheckBucketName(std::string_view bucket) {
  if (bucket.size() >= 3 && bucket.size() <= 255 && std::all_of(bucket.begin(), bucket.end(), IsNameCharacter)) {
    return {};
  }
  return Error{Errc::kInvalidArgument, StrCat("'", bucket, "' is no bucket name")};
}

Addressing ResolveAddressing(Addressing wanted, const Endpoint& endpoint, std::string_view bucket) {
  if (wanted != Addressing::kAuto) return wanted;
  // A certificate for *.s3.amazonaws.com does not hold for a bucket with dots.
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  const bool is_label = bucket.size() <= 63 && std::all_of(bucket.begin(), bucket.end(), fits);
  return endpoint.is_aws && is_label ? Addressing::kVirtualHost : Addressing::kPath;
}

Target TargetOf(const Endpoint& endpoint, Addressing addressing, std::string_view bucket, std::string_view key) {
  if (addressing == Addressing::kVirtualHost) {
    return {StrCat(bucket, ".", endpoint.host), StrCat(endpoint.path, "/", key)};
  }
  Target target{endpoint.host, StrCat(endpoint.path, "/", bucket)};
  if (!key.empty()) target.path += StrCat("/", key);
  return target;
}

}  // namespace pailfs::s3client
