#include "cli/s3_connection.h"

#include <algorithm>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/str.h"

namespace pailfs::cli {
namespace {

constexpr size_t kCustomerKeyBytes = 32;
constexpr uint32_t kOthersBits = 077;
// What was found out about a server is tried again after a week: it may have been upgraded.
constexpr int64_t kServerKnownUs = 7LL * 24 * 3600 * 1'000'000;
constexpr int64_t kOpenTimeoutNs = 20'000'000'000;

void FillIn(std::string& setting, const std::optional<std::string>& value) {
  if (setting.empty() && value) setting = *value;
}

Result<std::string> ReadCustomerKey(FileSystem& files, const std::string& path) {
  if (path.empty()) return Error{Errc::kInvalidArgument, "sse=c needs sse_c_key_file=FILE"};
  ASSIGN_OR_RETURN(const FileStat stat, files.Stat(path));
  if ((stat.mode & kOthersBits) != 0) {
    return Error{Errc::kAccessDenied, StrCat(path, " can be read by others; run: chmod 600 ", path)};
  }
  ASSIGN_OR_RETURN(std::string key, ReadFile(files, path));
  if (key.size() == kCustomerKeyBytes) return key;
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r' || key.back() == ' ')) key.pop_back();
  std::string decoded;
  if (!Base64Decode(key, &decoded) || decoded.size() != kCustomerKeyBytes) {
    return Error{Errc::kInvalidArgument, StrCat(path, " holds neither 32 bytes nor the base64 of 32 bytes")};
  }
  return decoded;
}

Result<s3client::S3Options> StoreOptions(const Source& source, const S3Settings& settings, S3Connection::Use use,
                                         FileSystem& files) {
  using s3client::Addressing;
  using s3client::ServerSideEncryption;
  s3client::S3Options options;
  options.bucket = source.bucket;
  options.endpoint = settings.endpoint;
  options.region = settings.region;
  if (settings.addressing == "path") options.addressing = Addressing::kPath;
  if (settings.addressing == "virtual") options.addressing = Addressing::kVirtualHost;
  options.read_only = use == S3Connection::Use::kReadOnly;
  options.probe = use == S3Connection::Use::kMount;
  if (settings.encryption == "s3") options.encryption = ServerSideEncryption::kS3;
  if (settings.encryption == "kms") options.encryption = ServerSideEncryption::kKms;
  options.kms_key_id = settings.kms_key_id;
  if (settings.encryption == "c") {
    options.encryption = ServerSideEncryption::kCustomerKey;
    ASSIGN_OR_RETURN(options.customer_key, ReadCustomerKey(files, settings.customer_key_file));
  }
  options.storage_class = settings.storage_class;
  options.acl = settings.acl;
  options.tagging = settings.tagging;
  options.requester_pays = settings.requester_pays;
  options.timeout_ns = settings.timeout_ns;
  options.max_connections = settings.connections;
  return options;
}

std::optional<s3client::ServerTraits> KnownServer(std::string_view text) {
  auto traits = s3client::ServerTraits::FromText(text);
  if (!traits.ok()) return std::nullopt;
  const int64_t age_us = SystemClock().WallNs() / 1000 - traits->probed_at_us;
  if (traits->probed_at_us == 0 || age_us < 0 || age_us > kServerKnownUs) return std::nullopt;
  return *traits;
}

}  // namespace

Result<S3Settings> ResolveS3(const S3Settings& settings, FileSystem& files, const s3client::Environment& environment) {
  S3Settings resolved = settings;
  FillIn(resolved.endpoint, environment("AWS_ENDPOINT_URL_S3"));
  FillIn(resolved.endpoint, environment("AWS_ENDPOINT_URL"));
  FillIn(resolved.region, environment("AWS_REGION"));
  FillIn(resolved.region, environment("AWS_DEFAULT_REGION"));
  FillIn(resolved.ca_file, environment("AWS_CA_BUNDLE"));
  ASSIGN_OR_RETURN(const auto profile, s3client::ReadProfileSettings(settings.profile, files, environment));
  FillIn(resolved.endpoint, profile.endpoint_url);
  FillIn(resolved.region, profile.region);
  FillIn(resolved.ca_file, profile.ca_bundle);
  if (profile.addressing_style != "auto") FillIn(resolved.addressing, profile.addressing_style);
  while (resolved.endpoint.ends_with('/')) resolved.endpoint.pop_back();
  return resolved;
}

Result<std::unique_ptr<S3Connection>> S3Connection::Open(const Source& source, const S3Settings& settings, Use use,
                                                         FileSystem& files, Metrics& metrics, std::string_view known) {
  std::unique_ptr<S3Connection> connection(new S3Connection);
  connection->endpoint_ = settings.endpoint;
  s3client::HttpOptions http;
  http.ca_file = settings.ca_file;
  http.max_idle_connections = static_cast<size_t>(settings.connections);
  http.connect_timeout_ns = std::min(http.connect_timeout_ns, settings.timeout_ns);
  http.stall_timeout_ns = std::min(http.stall_timeout_ns, settings.timeout_ns);
  connection->transport_ = s3client::NewCurlTransport(http);
  s3client::CredentialsOptions from;
  from.anonymous = settings.anonymous;
  from.profile = settings.profile;
  from.passwd_file = settings.passwd_file;
  from.bucket = source.bucket;
  from.region = settings.region;
  connection->credentials_ = s3client::NewCredentialsProvider(from, files, SystemClock(), *connection->transport_,
                                                              s3client::ProcessEnvironment());
  ASSIGN_OR_RETURN(const auto options, StoreOptions(source, settings, use, files));
  OpContext ctx;
  ctx.deadline_ns = ctx.NowNs() + std::min(kOpenTimeoutNs, settings.timeout_ns);
  ASSIGN_OR_RETURN(connection->store_,
                   s3client::S3Store::Open(ctx, *connection->transport_, *connection->credentials_, SystemClock(),
                                           SystemRandom(), metrics, options, KnownServer(known)));
  return connection;
}

std::vector<std::pair<std::string, std::string>> S3Connection::Describe() const {
  const s3client::ServerTraits& traits = store_->traits();
  std::vector<std::pair<std::string, std::string>> lines;
  const auto add = [&lines](std::string_view name, std::string_view value) { lines.emplace_back(name, value); };
  const auto add_flag = [&add](std::string_view name, bool has) { add(name, has ? "yes" : "no"); };
  add("endpoint", endpoint_.empty() ? "AWS" : endpoint_);
  add("versioning", traits.versioning == VersioningState::kEnabled     ? "enabled"
                    : traits.versioning == VersioningState::kSuspended ? "suspended"
                                                                       : "off");
  add_flag("tried out", traits.probed_at_us != 0);
  if (traits.probed_at_us == 0) return lines;
  add_flag("if-none-match", traits.put_if_absent);
  add("if-match", traits.put_if_match == s3client::IfMatchForm::kNone       ? "no"
                  : traits.put_if_match == s3client::IfMatchForm::kUnquoted ? "unquoted"
                                                                            : "yes");
  add_flag("conditional complete", traits.complete_conditions);
  add_flag("conditional copy", traits.copy_conditions && traits.copy_source_conditions);
  add_flag("conditional delete", traits.delete_if_match);
  add_flag("checksums", traits.checksums);
  add_flag("batch delete", traits.batch_delete);
  add_flag("listed metadata", traits.list_metadata);
  return lines;
}

}  // namespace pailfs::cli
