// S3Store: a bucket behind the S3 API: AWS, Ceph RGW, MinIO and their relatives.
//
// Fulfils all of ObjectStore's contract, conditions included: where the server does not check a condition itself
// (ServerTraits), it is asked right before and looked at right after, and the race that remains is documented at
// `Put`. Requests that may be repeated are, with jitter, until they succeed or the call's time is over; a mutation that
// was sent and not answered is kAmbiguous. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/object_store.h"
#include "base/random.h"
#include "s3client/credentials.h"
#include "s3client/http.h"
#include "s3client/retry_policy.h"
#include "s3client/server_traits.h"

namespace pailfs::s3client {

enum class Addressing : uint8_t { kAuto, kPath, kVirtualHost };
enum class ServerSideEncryption : uint8_t { kNone, kS3, kKms, kCustomerKey };

struct S3Options {
  std::string bucket;
  std::string endpoint;                       // "http[s]://host[:port][/path]"; empty: AWS in `region`
  std::string region;                         // empty: us-east-1, or what the server says
  Addressing addressing = Addressing::kAuto;  // virtual host on AWS where the name allows it, path elsewhere
  bool read_only = false;                     // sends no mutation, so probes nothing
  bool probe = true;                          // false: nothing is found out, so nothing is relied on
  ServerSideEncryption encryption = ServerSideEncryption::kNone;
  std::string kms_key_id;    // empty: the bucket's default key
  std::string customer_key;  // 32 bytes, for kCustomerKey; https only, but for loopback
  std::string storage_class;
  std::string acl;      // canned, "bucket-owner-full-control"
  std::string tagging;  // "name=value&name=value", encoded
  bool requester_pays = false;
  int64_t timeout_ns = 30'000'000'000;  // for a call whose OpContext has no nearer deadline; the sending and receiving
                                        // of bodies apart, as long as bytes move
  int max_connections = 64;
  RetryOptions retry;  // its budget is timeout_ns
};

class S3Store : public ObjectStore {
 public:
  // Asks for the bucket's region, versioning, and, unless `known` says it already, what the server can do (some forty
  // small requests under the key prefix ".pailfs/probe-", removed again). References must outlive the store. Errors
  // name what is wrong and what to do: kNotFound (no such bucket), kAccessDenied (key, secret, clock, permission to
  // list: which), kInvalidArgument (endpoint, region), kUnavailable (down, TLS, not S3).
  static Result<std::unique_ptr<S3Store>> Open(const OpContext& ctx, HttpTransport& transport,
                                               CredentialsProvider& credentials, Clock& clock, Random& random,
                                               Metrics& metrics, const S3Options& options,
                                               const std::optional<ServerTraits>& known);
  virtual const ServerTraits& traits() const = 0;
};

}  // namespace pailfs::s3client
