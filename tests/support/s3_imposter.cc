#include "tests/support/s3_imposter.h"

#include <cstdio>
#include <cstdlib>

#include "base/s3wire/dates.h"
#include "base/str.h"
#include "tests/support/s3_authentication.h"

namespace pailfs {
namespace {

constexpr std::string_view kLoginPage = "<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>\n";

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 412:
      return "Precondition Failed";
    default:
      return status < 400 ? "Redirect" : status < 500 ? "Bad Request" : "Server Error";
  }
}

bool IsBucketName(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string_view::npos;
}

}  // namespace

S3Imposter::S3Imposter(S3ImposterOptions options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      credentials_(options_.credentials) {
  for (const S3Quirk quirk : options_.quirks) quirks_.Set(quirk, true);
  server_ = std::make_unique<ConnectionServer>([this](Socket& socket) { Serve(socket); }, options_.port);
  if (!server_->status().ok()) {
    std::fprintf(stderr, "S3Imposter: %s\n", server_->status().error().message.c_str());
    std::abort();
  }
}

S3Imposter::~S3Imposter() = default;

void S3Imposter::AddBucket(const std::string& name, ObjectStore& store) {
  MutexLock lock(mu_);
  buckets_[name] = std::make_unique<S3Bucket>(name, store, nullptr, quirks_, options_.min_part_bytes);
}

void S3Imposter::AddBucket(const std::string& name, MemoryStore& store) {
  MutexLock lock(mu_);
  buckets_[name] = std::make_unique<S3Bucket>(
      name, store, [&store](VersioningState state) { store.SetVersioning(state); }, quirks_, options_.min_part_bytes);
}

std::string S3Imposter::endpoint() const {
  return StrCat("http://127.0.0.1:", port());
}

void S3Imposter::SetCredentials(const s3wire::Credentials& credentials) {
  MutexLock lock(mu_);
  credentials_ = credentials;
}

int64_t S3Imposter::requests() const {
  int64_t all = 0;
  for (const auto& count : requests_) all += count.load();
  return all;
}

void S3Imposter::ResetRequests() {
  for (auto& count : requests_) count = 0;
}

std::vector<std::string> S3Imposter::violations() const {
  MutexLock lock(mu_);
  return violations_;
}

void S3Imposter::ClearViolations() {
  MutexLock lock(mu_);
  violations_.clear();
}

void S3Imposter::Serve(Socket& socket) {
  while (true) {
    auto head = ReadHttpHead(socket);
    if (!head.ok() || !*head) return;
    HttpMessage& request = **head;
    const std::string* expect = request.Find("Expect");
    if (expect != nullptr && SameHeaderName(*expect, "100-continue")) {
      if (!socket.Write("HTTP/1.1 100 Continue\r\n\r\n").ok()) return;
    }
    if (!ReadHttpBody(socket, FramingOfRequest(request), request).ok()) return;
    const std::string* connection = request.Find("Connection");
    const bool last = connection != nullptr && SameHeaderName(*connection, "close");
    const HttpMessage answer = Answer(std::move(request));
    if (!socket.Write(StrCat(answer.Head(), answer.body)).ok() || last) return;
  }
}

HttpMessage S3Imposter::Answer(HttpMessage request) {
  S3Call call;
  call.body = std::move(request.body);
  S3Answer answer = AnswerCall(request, call);
  {
    MutexLock lock(mu_);
    violations_.insert(violations_.end(), call.violations.begin(), call.violations.end());
  }
  return Finish(call, std::move(answer));
}

S3Answer S3Imposter::AnswerCall(const HttpMessage& request, S3Call& call) {
  const auto unreadable = ReadCall(request, call);
  ++requests_[static_cast<size_t>(call.operation)];
  if (quirks_.Has(S3Quirk::kHtmlAnswers)) {
    S3Answer page;
    page.headers.emplace_back("Content-Type", "text/html");
    page.body = kLoginPage;
    return page;
  }
  if (unreadable) return *unreadable;
  S3AccessRules rules;
  rules.region = options_.region;
  rules.anonymous_reads = options_.anonymous_reads;
  rules.unsigned_payloads = options_.unsigned_payloads;
  rules.redirect_regions = quirks_.Has(S3Quirk::kRedirectWrongRegion);
  rules.verify_checksums = !quirks_.Has(S3Quirk::kNoChecksums);
  rules.now_us = clock_.WallNs() / 1000;
  S3Bucket* bucket = nullptr;
  {
    MutexLock lock(mu_);
    rules.credentials = credentials_;
    if (const auto it = buckets_.find(call.bucket); it != buckets_.end()) bucket = it->second.get();
  }
  if (auto refusal = CheckSignature(rules, call)) return *refusal;
  if (auto refusal = CheckKnown(call)) return *refusal;
  if (auto refusal = CheckBody(rules, call)) return *refusal;
  if (call.operation == S3Operation::kCreateBucket) return CreateBucket(call);
  if (bucket == nullptr) return Refuse("NoSuchBucket", StrCat("There is no bucket ", call.bucket, "."));
  if (call.operation == S3Operation::kGetBucketLocation) {
    return AnswerXml(call, s3wire::WriteLocationAnswer(options_.region));
  }
  S3Answer answer = bucket->Handle(call);
  if (call.operation == S3Operation::kHeadBucket) answer.headers.emplace_back("x-amz-bucket-region", options_.region);
  return answer;
}

S3Answer S3Imposter::CreateBucket(S3Call& call) {
  if (!IsBucketName(call.bucket)) return RefuseViolation(call, "InvalidBucketName", "not the name of a bucket");
  MutexLock lock(mu_);
  if (buckets_.contains(call.bucket)) return Refuse("BucketAlreadyOwnedByYou", "The bucket exists.");
  MemoryStore& store = *own_stores_.emplace_back(std::make_unique<MemoryStore>(clock_));
  buckets_[call.bucket] = std::make_unique<S3Bucket>(
      call.bucket, store, [&store](VersioningState state) { store.SetVersioning(state); }, quirks_,
      options_.min_part_bytes);
  S3Answer answer;
  answer.headers.emplace_back("Location", StrCat("/", call.bucket));
  return answer;
}

HttpMessage S3Imposter::Finish(const S3Call& call, S3Answer answer) {
  const std::string request_id = StrCat("IMPOSTER", ++request_id_);
  if (answer.error && quirks_.Has(S3Quirk::kHtmlErrors)) {
    answer.headers.emplace_back("Content-Type", "text/html");
    answer.body = StrCat("<html><body><h1>", answer.status, "</h1></body></html>\n");
  } else if (answer.error) {
    answer.error->request_id = request_id;
    answer.error->resource = s3wire::UriEncode(call.path, s3wire::Slash::kKeep);
    answer.headers.emplace_back("Content-Type", "application/xml");
    // A message may quote a key that XML cannot carry.
    auto document = s3wire::WriteErrorAnswer(*answer.error);
    answer.error->message.clear();
    answer.body = document.ok() ? *document : s3wire::WriteErrorAnswer(*answer.error).value();
  }
  HttpMessage message;
  message.start_line = StrCat("HTTP/1.1 ", answer.status, " ", ReasonOf(answer.status));
  message.headers = std::move(answer.headers);
  message.headers.emplace_back("Server", "S3Imposter");
  message.headers.emplace_back("x-amz-request-id", request_id);
  message.headers.emplace_back("x-amz-id-2", StrCat("imposter/", request_id));
  if (!quirks_.Has(S3Quirk::kNoDate)) {
    message.headers.emplace_back("Date", s3wire::FormatHttpDate(clock_.WallNs() / 1000));
  }
  const bool bodiless = answer.status == 204 || answer.status == 304;
  const bool head = call.method == "HEAD";
  if (!bodiless && !head) message.body = std::move(answer.body);
  if (head && answer.error) message.Remove("Content-Type");
  if (!bodiless && message.Find("Content-Length") == nullptr) {
    message.headers.emplace_back("Content-Length", StrCat(message.body.size()));
  }
  return message;
}

}  // namespace pailfs
