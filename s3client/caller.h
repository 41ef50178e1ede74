// The request layer under S3Store: signs, sends, waits, sends again, finds the bucket's region, and says of everything
// that comes back whether it happened.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/object_store.h"
#include "base/random.h"
#include "base/s3wire/errors.h"
#include "base/s3wire/uri.h"
#include "s3client/credentials.h"
#include "s3client/endpoint.h"
#include "s3client/http.h"
#include "s3client/retry_policy.h"
#include "s3client/s3_store.h"

namespace pailfs::s3client {

// What it means that a request may have been carried out, and that it is sent again.
enum class Effect : uint8_t {
  kNone,        // nothing: reads; parts and aborts, which nobody sees
  kIdempotent,  // sent again until it is certain; kAmbiguous if it never is
  kOnce,        // kAmbiguous as soon as it is not certain
};

enum class Answers : uint8_t {
  kAny,  // the status says it all
  kXml,  // a success whose body is an <Error> is none, and what is not XML is not S3
};

// A receiver that lives through several attempts.
class LastingReceiver : public HttpReceiver {
 public:
  // Why no further attempt helps (the sink's error); ok: it may.
  virtual const Status& fatal() const = 0;
  // Whether bytes came since the last call that need not come again.
  virtual bool TakeProgress() = 0;
};

struct S3Request {
  std::string method;
  std::string key;  // empty: the bucket
  s3wire::Query query;
  s3wire::Headers headers;  // without Host and what a signature adds
  BodySource* body = nullptr;
  std::string payload_hash;  // empty: there is no body
  Effect effect = Effect::kNone;
  Answers answers = Answers::kAny;
  LastingReceiver* receiver = nullptr;
  std::function<void(S3Request&)> prepare;  // before each attempt
  bool tries_damage = false;                // a refusal of its digest is the answer, not to be asked for again
};

// What the server said of a request that failed; status 0: nothing.
struct S3Failure {
  int status = 0;
  std::string s3_code;
  s3wire::Headers headers;
};

// How many requests may be under way, as a thing to wait for. Thread-safe.
class RequestSlots {
 public:
  explicit RequestSlots(int most) : limit_(most) {}
  // kCancelled, kTimedOut.
  Result<uint64_t> Acquire(const OpContext& ctx);
  enum class Ending : uint8_t { kWell, kSlowedDown, kOtherwise };
  void Release(uint64_t generation, Ending ending);
  int allowed() const;

 private:
  mutable Mutex mu_;
  CondVar changed_;
  ConcurrencyLimit limit_ GUARDED_BY(mu_);
};

// Thread-safe.
class S3Caller {
 public:
  S3Caller(HttpTransport& transport, CredentialsProvider& credentials, Clock& clock, Random& random, Metrics& metrics,
           const S3Options& options, const Endpoint& endpoint);

  // A 2xx answer, or the error that the request comes to after all attempts; `failure` then says more.
  Result<HttpAnswer> Call(const OpContext& ctx, S3Request& request, S3Failure* failure = nullptr);

  bool tls() const { return endpoint_.tls; }
  // Of the endpoint as configured, or Amazon's.
  const Endpoint& endpoint() const { return endpoint_; }
  std::string region() const;
  int64_t ServerTimeUs() const;

 private:
  struct CallState;
  struct Attempt;

  Attempt Try(const OpContext& ctx, const S3Request& request, CallState& state);
  Result<HttpRequest> Sign(const S3Request& request, const s3wire::Credentials& keys, CallState& state) const;
  Attempt Judge(const OpContext& ctx, const S3Request& request, HttpExchange exchange, CallState& state);
  Attempt JudgeRefusal(const S3Request& request, HttpAnswer answer, CallState& state);
  bool Mend(const S3Request& request, const HttpAnswer& answer, const s3wire::ErrorDocument& document,
            CallState& state);
  bool MendPlace(const HttpAnswer& answer, const s3wire::ErrorDocument& document, CallState& state);
  bool MendCredentials(const S3Request& request, const HttpAnswer& answer, const std::string& s3_code,
                       CallState& state);
  bool MendClock(const HttpAnswer& answer, const std::string& s3_code, CallState& state);
  Endpoint EndpointNow() const;

  HttpTransport& transport_;
  CredentialsProvider& credentials_;
  Clock& clock_;
  Random& random_;

  const S3Options options_;
  const Endpoint endpoint_;

  Counter& requests_;
  Counter& retries_;
  Counter& slow_downs_;
  RequestSlots slots_;

  mutable Mutex mu_;
  std::string region_ GUARDED_BY(mu_);
  bool region_learned_ GUARDED_BY(mu_) = false;
  int64_t clock_offset_us_ GUARDED_BY(mu_) = 0;  // the server's time less ours
};

// Sleeps for `ns`, or until the context gives up.
Status WaitFor(const OpContext& ctx, int64_t ns);

}  // namespace pailfs::s3client
