#include "tests/support/s3_call.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/s3wire/uri.h"
#include "base/s3wire/xml_answers.h"
#include "base/str.h"

namespace pailfs {
namespace {

struct CodeStatus {
  std::string_view code;
  int status;
};

// All others are 400.
constexpr std::array kStatuses{
    CodeStatus{"PermanentRedirect", 301},
    CodeStatus{"NotModified", 304},
    CodeStatus{"AccessDenied", 403},
    CodeStatus{"InvalidAccessKeyId", 403},
    CodeStatus{"InvalidObjectState", 403},
    CodeStatus{"RequestTimeTooSkewed", 403},
    CodeStatus{"SignatureDoesNotMatch", 403},
    CodeStatus{"NoSuchBucket", 404},
    CodeStatus{"NoSuchKey", 404},
    CodeStatus{"NoSuchUpload", 404},
    CodeStatus{"NoSuchVersion", 404},
    CodeStatus{"MethodNotAllowed", 405},
    CodeStatus{"BucketAlreadyOwnedByYou", 409},
    CodeStatus{"ConditionalRequestConflict", 409},
    CodeStatus{"OperationAborted", 409},
    CodeStatus{"MissingContentLength", 411},
    CodeStatus{"PreconditionFailed", 412},
    CodeStatus{"InvalidRange", 416},
    CodeStatus{"InternalError", 500},
    CodeStatus{"NotImplemented", 501},
    CodeStatus{"ServiceUnavailable", 503},
    CodeStatus{"SlowDown", 503},
};

int StatusOf(std::string_view code) {
  const auto row =
      std::find_if(kStatuses.begin(), kStatuses.end(), [&](const CodeStatus& known) { return known.code == code; });
  return row == kStatuses.end() ? 400 : row->status;
}

using Words = std::initializer_list<std::string_view>;

struct Route {
  S3Operation operation;
  std::string_view method;
  bool on_object;
  // Parameters that make the operation: all must be there. A name, or name=value.
  std::vector<std::string_view> marks;
  std::string_view marking_header;           // must be there too, unless empty
  std::vector<std::string_view> parameters;  // that may be there besides
  std::vector<std::string_view> headers;     // x-amz-…; a trailing '*' stands for any rest
};

constexpr std::string_view kAnyChecksum = "x-amz-checksum-*";
constexpr std::string_view kSdkChecksum = "x-amz-sdk-checksum-algorithm";
constexpr std::string_view kCustomerKey = "x-amz-server-side-encryption-customer-*";
constexpr std::string_view kSourceKey = "x-amz-copy-source-server-side-encryption-customer-*";

const std::vector<std::string_view> kStoring = {"x-amz-meta-*",
                                                "x-amz-acl",
                                                "x-amz-tagging",
                                                "x-amz-storage-class",
                                                kAnyChecksum,
                                                kSdkChecksum,
                                                "x-amz-server-side-encryption",
                                                "x-amz-server-side-encryption-aws-kms-key-id",
                                                kCustomerKey};

std::vector<std::string_view> StoringAnd(Words more) {
  std::vector<std::string_view> all = kStoring;
  all.insert(all.end(), more);
  return all;
}

// The first route that fits is taken: narrower ones come first.
const std::vector<Route>& Routes() {
  using enum S3Operation;
  static const std::vector<Route> routes = {
      {kHeadBucket, "HEAD", false, {}, "", {}, {}},
      {kGetBucketLocation, "GET", false, {"location"}, "", {}, {}},
      {kGetBucketVersioning, "GET", false, {"versioning"}, "", {}, {}},
      {kPutBucketVersioning, "PUT", false, {"versioning"}, "", {}, {kAnyChecksum, kSdkChecksum}},
      {kListObjectVersions,
       "GET",
       false,
       {"versions"},
       "",
       {"prefix", "delimiter", "key-marker", "version-id-marker", "max-keys", "encoding-type"},
       {}},
      {kListMultipartUploads,
       "GET",
       false,
       {"uploads"},
       "",
       {"prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"},
       {}},
      {kListObjectsV2,
       "GET",
       false,
       {"list-type=2"},
       "",
       {"prefix", "delimiter", "start-after", "continuation-token", "max-keys", "encoding-type", "fetch-owner",
        "metadata"},
       {}},
      {kDeleteObjects, "POST", false, {"delete"}, "", {}, {kAnyChecksum, kSdkChecksum}},
      {kCreateBucket, "PUT", false, {}, "", {}, {"x-amz-acl"}},
      {kHeadObject, "HEAD", true, {}, "", {"versionId"}, {"x-amz-checksum-mode", kCustomerKey}},
      {kListParts, "GET", true, {"uploadId"}, "", {"max-parts", "part-number-marker"}, {kCustomerKey}},
      {kGetObject, "GET", true, {}, "", {"versionId"}, {"x-amz-checksum-mode", kCustomerKey}},
      {kUploadPartCopy,
       "PUT",
       true,
       {"partNumber", "uploadId"},
       "x-amz-copy-source",
       {},
       {"x-amz-copy-source", "x-amz-copy-source-range", "x-amz-copy-source-if-match", kCustomerKey, kSourceKey}},
      {kUploadPart, "PUT", true, {"partNumber", "uploadId"}, "", {}, {kAnyChecksum, kSdkChecksum, kCustomerKey}},
      {kCopyObject,
       "PUT",
       true,
       {},
       "x-amz-copy-source",
       {},
       StoringAnd({"x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-metadata-directive",
                   "x-amz-tagging-directive", kSourceKey})},
      {kPutObject, "PUT", true, {}, "", {}, kStoring},
      {kDeleteObject, "DELETE", true, {}, "", {"versionId"}, {}},
      {kAbortMultipartUpload, "DELETE", true, {"uploadId"}, "", {}, {}},
      {kCreateMultipartUpload, "POST", true, {"uploads"}, "", {}, kStoring},
      {kCompleteMultipartUpload, "POST", true, {"uploadId"}, "", {}, {kAnyChecksum, kSdkChecksum, kCustomerKey}},
  };
  return routes;
}

// Headers that every operation takes.
const std::vector<std::string_view> kCommonHeaders = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token",
                                                      "x-amz-request-payer", "x-amz-expected-bucket-owner"};

bool Matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

bool Marked(const S3Call& call, std::string_view mark) {
  const size_t equals = mark.find('=');
  const std::string* value = call.Parameter(mark.substr(0, equals));
  return value != nullptr && (equals == std::string_view::npos || *value == mark.substr(equals + 1));
}

bool Fits(const Route& route, const S3Call& call) {
  if (route.method != call.method || route.on_object != !call.key.empty()) return false;
  if (!route.marking_header.empty() && call.Header(route.marking_header) == nullptr) return false;
  return std::all_of(route.marks.begin(), route.marks.end(), [&](std::string_view mark) { return Marked(call, mark); });
}

// The marks tell operations apart, so one that is not the route's own makes another operation.
bool HasForeignMark(const Route& route, const S3Call& call) {
  for (const Route& other : Routes()) {
    for (const std::string_view mark : other.marks) {
      const bool own = std::find(route.marks.begin(), route.marks.end(), mark) != route.marks.end();
      if (!own && Marked(call, mark)) return true;
    }
  }
  return false;
}

const Route* RouteOf(const S3Call& call) {
  for (const Route& route : Routes()) {
    if (Fits(route, call) && !HasForeignMark(route, call)) return &route;
  }
  return nullptr;
}

// The bucket that Host names: "photos.localhost:8000". Empty: path style.
std::string_view BucketOfHost(std::string_view host) {
  constexpr std::string_view kDomain = ".localhost";
  host = host.substr(0, host.find(':'));
  return host.ends_with(kDomain) ? host.substr(0, host.size() - kDomain.size()) : std::string_view();
}

std::optional<S3Answer> ReadTarget(std::string_view target, S3Call& call) {
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  const auto decoded = s3wire::UriDecode(path, s3wire::Plus::kLiteral);
  if (!decoded.ok() || !path.starts_with('/')) {
    return RefuseViolation(call, "InvalidURI", StrCat("the path ", path, " cannot be read"));
  }
  if (s3wire::UriEncode(*decoded, s3wire::Slash::kKeep) != path) {
    return RefuseViolation(call, "InvalidURI", StrCat("the path ", path, " is not encoded as it is signed"));
  }
  call.path = *decoded;
  if (question == std::string_view::npos) return {};
  const std::string_view query = target.substr(question + 1);
  if (query.find('+') != std::string_view::npos) {
    return RefuseViolation(call, "InvalidURI", StrCat("the query ", query, " has a '+'"));
  }
  const auto parsed = s3wire::ParseQuery(query);
  if (!parsed.ok()) return RefuseViolation(call, "InvalidURI", StrCat("the query ", query, " cannot be read"));
  call.query = *parsed;
  return {};
}

std::optional<S3Answer> ReadAddress(S3Call& call) {
  const std::string* host = call.Header("Host");
  if (host == nullptr) return RefuseViolation(call, "InvalidRequest", "no Host header");
  if (const std::string_view bucket = BucketOfHost(*host); !bucket.empty()) {
    call.bucket = bucket;
    call.key = call.path.substr(1);
    return {};
  }
  const size_t slash = call.path.find('/', 1);
  call.bucket = call.path.substr(1, slash == std::string::npos ? slash : slash - 1);
  if (slash != std::string::npos) call.key = call.path.substr(slash + 1);
  return {};
}

}  // namespace

const std::string* S3Call::Header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (SameHeaderName(known, name)) return &value;
  }
  return nullptr;
}

const std::string* S3Call::Parameter(std::string_view name) const {
  for (const auto& [known, value] : query) {
    if (known == name) return &value;
  }
  return nullptr;
}

std::string S3Call::HeaderOr(std::string_view name, std::string_view other) const {
  const std::string* value = Header(name);
  return value != nullptr ? *value : std::string(other);
}

std::string S3Call::ParameterOr(std::string_view name, std::string_view other) const {
  const std::string* value = Parameter(name);
  return value != nullptr ? *value : std::string(other);
}

S3Answer Refuse(std::string_view code, std::string_view message) {
  S3Answer answer;
  answer.status = StatusOf(code);
  answer.error.emplace();
  answer.error->code = code;
  answer.error->message = message;
  return answer;
}

S3Answer RefuseViolation(S3Call& call, std::string_view code, std::string_view message) {
  call.violations.push_back(StrCat(call.method, " ", call.path, ": ", message));
  return Refuse(code, message);
}

S3Answer RefuseError(const Error& error) {
  return Refuse(ErrcToS3Code(error.code), error.message);
}

S3Answer AnswerXml(S3Call& call, const Result<std::string>& xml) {
  if (!xml.ok()) return RefuseViolation(call, "InvalidArgument", xml.error().message);
  S3Answer answer;
  answer.headers.emplace_back("Content-Type", "application/xml");
  answer.body = *xml;
  return answer;
}

std::optional<S3Answer> ReadCall(const HttpMessage& request, S3Call& call) {
  call.method = request.Word(0);
  call.headers = request.headers;
  call.path = request.Word(1);
  if (auto refusal = ReadTarget(request.Word(1), call)) return refusal;
  if (auto refusal = ReadAddress(call)) return refusal;
  if (const Route* route = RouteOf(call)) call.operation = route->operation;
  return {};
}

std::optional<S3Answer> CheckKnown(S3Call& call) {
  const Route* route = RouteOf(call);
  if (route == nullptr) return RefuseViolation(call, "NotImplemented", "an operation that is not known");
  const auto known = [](const std::vector<std::string_view>& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view pattern) { return Matches(pattern, name); });
  };
  for (const auto& [name, value] : call.query) {
    const bool mark = std::any_of(route->marks.begin(), route->marks.end(),
                                  [n = std::string_view(name)](auto m) { return m.substr(0, m.find('=')) == n; });
    if (!mark && !known(route->parameters, name)) {
      return RefuseViolation(call, "InvalidArgument", StrCat("the query parameter ", name, " is not known"));
    }
  }
  for (const auto& [name, value] : call.headers) {
    const std::string lower = LowerHeaderName(name);
    if (!lower.starts_with("x-amz-") || known(kCommonHeaders, lower) || known(route->headers, lower)) continue;
    return RefuseViolation(call, "InvalidArgument", StrCat("the header ", name, " is not known"));
  }
  return {};
}

}  // namespace pailfs
