#include "s3client/caller.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "base/s3wire/dates.h"
#include "base/s3wire/xml.h"
#include "base/str.h"
#include "s3client/answers.h"
#include "s3client/bodies.h"

namespace pailfs::s3client {
namespace {

constexpr int kMostRedirects = 3;
constexpr int64_t kNsPerUs = 1000;
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kUsPerSecond = 1'000'000;
constexpr int64_t kToleratedSkewUs = 15 * 60 * kUsPerSecond;  // what S3 tolerates

bool IsSuccess(int status) {
  return status >= 200 && status < 300;
}

bool CarriesBytes(const S3Request& request) {
  return request.receiver != nullptr || (request.body != nullptr && request.body->size_bytes() > 0);
}

std::optional<int64_t> RetryAfterNs(const HttpAnswer& answer) {
  const std::string* value = answer.Find("retry-after");
  const auto seconds = value != nullptr ? ParseUint(*value) : std::nullopt;
  constexpr uint64_t kMostSeconds = 3600;
  if (!seconds) return std::nullopt;
  return static_cast<int64_t>(std::min(*seconds, kMostSeconds)) * kNsPerSecond;
}

}  // namespace

// --- slots ---

Result<uint64_t> RequestSlots::Acquire(const OpContext& ctx) {
  const std::stop_callback wake(ctx.stop, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  MutexLock lock(mu_);
  for (;;) {
    RETURN_IF_ERROR(ctx.Check());
    if (limit_.MayStart()) break;
    changed_.WaitFor(mu_, std::chrono::milliseconds(200));
  }
  limit_.Start();
  return limit_.generation();
}

void RequestSlots::Release(uint64_t generation, Ending ending) {
  MutexLock lock(mu_);
  if (ending == Ending::kWell) limit_.EndWell();
  if (ending == Ending::kSlowedDown) limit_.EndSlowedDown(generation);
  if (ending == Ending::kOtherwise) limit_.EndOtherwise();
  changed_.NotifyAll();
}

int RequestSlots::allowed() const {
  MutexLock lock(mu_);
  return limit_.allowed();
}

// --- one call ---

struct S3Caller::CallState {
  explicit CallState(const RetryPolicy& retries) : policy(retries) {}
  RetryPolicy policy;
  int64_t deadline_ns = 0;  // of attempts that carry no bytes
  bool in_doubt = false;
  // What is mended once in a call.
  bool credentials_mended = false;
  bool clock_mended = false;
  int redirects = 0;
  std::string host;          // that a redirect named for this request; empty: the usual one
  std::string region_used;   // of the attempt
  s3wire::Credentials keys;  // of the attempt
};

struct S3Caller::Attempt {
  enum class Next : uint8_t { kDone, kAtOnce, kLater, kGiveUp };
  Next next = Next::kGiveUp;
  HttpAnswer answer;  // kDone
  Error error{Errc::kInternal, "no attempt"};
  bool maybe_done = false;  // the server may have carried it out
  bool slow_down = false;
  std::optional<int64_t> retry_after_ns;
  S3Failure failure;
};

S3Caller::S3Caller(HttpTransport& transport, CredentialsProvider& credentials, Clock& clock, Random& random,
                   Metrics& metrics, const S3Options& options, const Endpoint& endpoint)
    : transport_(transport),
      credentials_(credentials),
      clock_(clock),
      random_(random),
      options_(options),
      endpoint_(endpoint),
      requests_(metrics.counter("s3.requests")),
      retries_(metrics.counter("s3.retries")),
      slow_downs_(metrics.counter("s3.slow_downs")),
      slots_(std::max(1, options.max_connections)),
      region_(options.region.empty() ? "us-east-1" : options.region) {}

std::string S3Caller::region() const {
  MutexLock lock(mu_);
  return region_;
}

int64_t S3Caller::ServerTimeUs() const {
  MutexLock lock(mu_);
  return clock_.WallNs() / kNsPerUs + clock_offset_us_;
}

Result<HttpAnswer> S3Caller::Call(const OpContext& ctx, S3Request& request, S3Failure* failure) {
  RETURN_IF_ERROR(ctx.Check());
  RetryOptions retry = options_.retry;
  retry.budget_ns = options_.timeout_ns;
  CallState state(RetryPolicy(retry, ctx.NowNs(), random_));
  // The last word on a request that failed: nothing that may have happened is reported as if it had not.
  const auto final_error = [&](const Error& error, bool in_doubt) {
    if (!in_doubt || request.effect == Effect::kNone || error.code == Errc::kAmbiguous) return error;
    return Error{Errc::kAmbiguous, error.message};
  };
  for (;;) {
    if (request.prepare) request.prepare(request);
    const int64_t began_ns = ctx.NowNs();
    state.deadline_ns = std::min(ctx.deadline_ns, state.policy.end_ns());
    Attempt attempt = Try(ctx, request, state);
    if (attempt.next == Attempt::Next::kDone) return std::move(attempt.answer);
    if (failure != nullptr) *failure = attempt.failure;
    const bool in_doubt = state.in_doubt || attempt.maybe_done;
    if (attempt.maybe_done && request.effect == Effect::kOnce) attempt.next = Attempt::Next::kGiveUp;
    if (attempt.next == Attempt::Next::kGiveUp) {
      // What the server refuses of its own accord is certain, unless an earlier attempt may have caused it.
      return final_error(attempt.error, in_doubt);
    }
    state.in_doubt = in_doubt;
    retries_.Add();
    if (attempt.next == Attempt::Next::kAtOnce) continue;
    if (request.receiver != nullptr && request.receiver->TakeProgress()) state.policy.NoteProgress(ctx.NowNs());
    // How long bytes were sent is not known; what counts is no more than a server may be silent.
    if (request.body != nullptr)
      state.policy.Excuse(std::max<int64_t>(0, ctx.NowNs() - began_ns - options_.timeout_ns));
    const auto delay_ns = state.policy.NextDelayNs(ctx.NowNs(), attempt.retry_after_ns);
    if (!delay_ns) return final_error(attempt.error, in_doubt);
    LogDebug(request.method, " ", request.key, ": ", attempt.error.message, "; once more");
    if (const Status waited = WaitFor(ctx, *delay_ns); !waited.ok()) {
      return final_error(
          {waited.error().code, StrCat(waited.error().message, "; before that: ", attempt.error.message)}, in_doubt);
    }
  }
}

S3Caller::Attempt S3Caller::Try(const OpContext& ctx, const S3Request& request, CallState& state) {
  Attempt attempt;
  auto credentials = credentials_.Get(ctx);
  if (!credentials.ok()) {
    attempt.error = credentials.error();
    if (credentials.Is(Errc::kUnavailable)) attempt.next = Attempt::Next::kLater;
    return attempt;
  }
  state.keys = std::move(credentials->keys);
  auto http = Sign(request, state.keys, state);
  if (!http.ok()) {
    attempt.error = http.error();
    return attempt;
  }
  OpContext bounded = ctx;
  if (!CarriesBytes(request)) bounded.deadline_ns = state.deadline_ns;
  const auto slot = slots_.Acquire(ctx);
  if (!slot.ok()) {
    attempt.error = slot.error();
    return attempt;
  }
  std::optional<WatchedBody> body;
  if (request.body != nullptr) http->body = &body.emplace(*request.body);
  requests_.Add();
  HttpExchange exchange = transport_.Perform(bounded, *http, request.receiver);
  const bool spoke = exchange.answer.ok();
  attempt = Judge(ctx, request, std::move(exchange), state);
  if (body && !body->failed().ok() && !attempt.maybe_done && attempt.next != Attempt::Next::kDone) {
    attempt.next = Attempt::Next::kGiveUp;
    attempt.error = body->failed().error();
  }
  if (attempt.slow_down) slow_downs_.Add();
  slots_.Release(*slot, attempt.slow_down ? RequestSlots::Ending::kSlowedDown
                        : spoke           ? RequestSlots::Ending::kWell
                                          : RequestSlots::Ending::kOtherwise);
  return attempt;
}

Endpoint S3Caller::EndpointNow() const {
  MutexLock lock(mu_);
  return endpoint_.is_aws && region_learned_ ? AwsEndpoint(region_) : endpoint_;
}

Result<HttpRequest> S3Caller::Sign(const S3Request& request, const s3wire::Credentials& keys, CallState& state) const {
  const Endpoint endpoint = EndpointNow();
  const Addressing addressing = ResolveAddressing(options_.addressing, endpoint, options_.bucket);
  Target target = TargetOf(endpoint, addressing, options_.bucket, request.key);
  if (!state.host.empty()) target.host = state.host;
  s3wire::SignableRequest signable{request.method, std::move(target.path), request.query, request.headers};
  signable.headers.emplace_back("host", target.host);
  state.region_used = region();
  if (!keys.access_key_id.empty()) {
    std::string_view hash = s3wire::kEmptyPayloadSha256;
    if (!request.payload_hash.empty()) hash = request.payload_hash;
    const s3wire::SigningScope scope{.time_us = ServerTimeUs(), .region = state.region_used};
    RETURN_IF_ERROR(s3wire::SignRequest(signable, hash, keys, scope));
  }
  HttpRequest http;
  http.method = request.method;
  http.url = StrCat(endpoint.tls ? "https://" : "http://", target.host,
                    s3wire::UriEncode(signable.path, s3wire::Slash::kKeep));
  if (!request.query.empty()) http.url += StrCat("?", s3wire::CanonicalQuery(request.query));
  http.headers = std::move(signable.headers);
  return http;
}

// --- what came back ---

S3Caller::Attempt S3Caller::Judge(const OpContext& ctx, const S3Request& request, HttpExchange exchange,
                                  CallState& state) {
  Attempt attempt;
  if (request.receiver != nullptr && !request.receiver->fatal().ok()) {
    attempt.error = request.receiver->fatal().error();
    return attempt;
  }
  if (!exchange.answer.ok()) {
    attempt.error = std::move(exchange.answer).error();
    attempt.maybe_done = exchange.sent;
    const Errc code = attempt.error.code;
    if (code == Errc::kTimedOut && ctx.Check().ok()) {
      // Our own bound on one attempt.
      attempt.error = {Errc::kUnavailable, StrCat("no answer within ", options_.timeout_ns / kNsPerSecond, " s")};
      attempt.next = Attempt::Next::kLater;
    } else if (code == Errc::kUnavailable || code == Errc::kCorrupt) {
      attempt.next = Attempt::Next::kLater;
    }
    return attempt;
  }
  if (!IsSuccess(exchange.answer->status)) return JudgeRefusal(request, std::move(*exchange.answer), state);
  if (request.answers == Answers::kXml) {
    const auto error = ErrorInSuccess(exchange.answer->body);
    if (!error.ok()) {
      attempt.error = error.error();
      attempt.maybe_done = true;
      return attempt;
    }
    if (*error) return JudgeRefusal(request, std::move(*exchange.answer), state);
  }
  attempt.next = Attempt::Next::kDone;
  attempt.answer = std::move(*exchange.answer);
  return attempt;
}

S3Caller::Attempt S3Caller::JudgeRefusal(const S3Request& request, HttpAnswer answer, CallState& state) {
  Attempt attempt;
  const s3wire::ErrorDocument document = ErrorDocumentOf(answer);
  const s3wire::Failure meaning = s3wire::FailureOf(answer.status, document.code);
  attempt.error = RefusalError(answer, document);
  attempt.failure = {answer.status, document.code, answer.headers};
  if (Mend(request, answer, document, state)) {
    attempt.next = Attempt::Next::kAtOnce;
    return attempt;
  }
  attempt.maybe_done = meaning.may_have_happened;
  attempt.slow_down =
      document.code == "SlowDown" || answer.status == 429 || (answer.status == 503 && document.code.empty());
  attempt.retry_after_ns = RetryAfterNs(answer);
  const bool answered = request.tries_damage && meaning.code == Errc::kCorrupt;
  const bool again = meaning.retry == RetryClass::kLater && meaning.code != Errc::kNoSpace && !answered;
  attempt.next = again ? Attempt::Next::kLater : Attempt::Next::kGiveUp;
  return attempt;
}

// --- what can be mended and tried at once ---

bool S3Caller::Mend(const S3Request& request, const HttpAnswer& answer, const s3wire::ErrorDocument& document,
                    CallState& state) {
  if (answer.status < 300 || answer.status >= 500) return false;
  return MendPlace(answer, document, state) || MendCredentials(request, answer, document.code, state) ||
         MendClock(answer, document.code, state);
}

bool S3Caller::MendPlace(const HttpAnswer& answer, const s3wire::ErrorDocument& document, CallState& state) {
  const bool redirect = answer.status == 301 || answer.status == 302 || answer.status == 307 || answer.status == 308;
  if (state.redirects >= kMostRedirects) return false;
  if (!redirect && answer.status != 400 && answer.status != 403) return false;
  const std::string host = RedirectHost(answer, document);
  std::string region;
  if (const std::string* told = answer.Find("x-amz-bucket-region")) region = *told;
  if (region.empty()) region = document.region;
  if (region.empty() && redirect && endpoint_.is_aws) region = RegionOfAwsHost(host);
  if (!region.empty() && region != state.region_used) {
    ++state.redirects;
    state.host.clear();
    MutexLock lock(mu_);
    if (region_ != region) LogInfo("bucket ", options_.bucket, " is in the region ", region);
    region_ = region;
    region_learned_ = true;
    return true;
  }
  // A bucket that the region's name servers do not know yet. No host but Amazon's own gets a signature.
  const bool within_aws = endpoint_.is_aws && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"));
  if (answer.status != 307 || !within_aws || host == state.host) return false;
  ++state.redirects;
  state.host = host;
  return true;
}

bool S3Caller::MendCredentials(const S3Request& request, const HttpAnswer& answer, const std::string& s3_code,
                               CallState& state) {
  if (state.credentials_mended || state.keys.access_key_id.empty()) return false;
  // Head answers have no body: with a session token, 400 is what S3 gives for one that has expired.
  const bool headless = request.method == "HEAD" && answer.status == 400 && !state.keys.session_token.empty();
  const bool refused = s3_code == "ExpiredToken" || s3_code == "InvalidAccessKeyId" || s3_code == "InvalidToken" ||
                       s3_code == "TokenRefreshRequired";
  if (!refused && !headless) return false;
  state.credentials_mended = true;
  credentials_.Invalidate(state.keys);
  return true;
}

bool S3Caller::MendClock(const HttpAnswer& answer, const std::string& s3_code, CallState& state) {
  if (state.clock_mended || answer.status != 403) return false;
  const std::string* date = answer.Find("date");
  const auto server_us = date != nullptr ? s3wire::ParseHttpDate(*date) : Result<int64_t>(Error{Errc::kCorrupt, ""});
  if (!server_us.ok()) return false;
  const int64_t offset_us = *server_us - clock_.WallNs() / kNsPerUs;
  MutexLock lock(mu_);
  const int64_t change_us = std::abs(offset_us - clock_offset_us_);
  // Without a body (Head) only the times tell.
  if (s3_code != "RequestTimeTooSkewed" && !(s3_code.empty() && change_us > kToleratedSkewUs)) return false;
  if (change_us <= kUsPerSecond) return false;  // the server's time was signed with already
  state.clock_mended = true;
  LogWarning("this machine's clock is ", std::abs(offset_us) / kUsPerSecond, " s ", offset_us > 0 ? "behind" : "before",
             " the clock of ", endpoint_.host, ": signing with the server's time");
  clock_offset_us_ = offset_us;
  return true;
}

Status WaitFor(const OpContext& ctx, int64_t ns) {
  RETURN_IF_ERROR(ctx.Check());
  if (ctx.deadline_ns != OpContext::kNoDeadline) ns = std::min(ns, ctx.deadline_ns - ctx.NowNs());
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, ctx.stop, std::chrono::nanoseconds(ns), [] { return false; });
  return ctx.Check();
}

}  // namespace pailfs::s3client
