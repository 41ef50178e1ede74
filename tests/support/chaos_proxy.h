// ChaosProxy: stands between an S3 client and its server, on 127.0.0.1, plain HTTP on both sides, and does to requests
// and answers what networks and overloaded servers do. Its faults are those of ChaosPlan.
//
// Bytes are turned over only where the protocol can notice it: in the bodies of PUT requests with Content-MD5, and in
// answers to GETs of whole objects whose ETag is an MD5. Not in XML and not in ranged answers: over plain HTTP nothing
// vouches for them, so no client could tell (TLS does, where it matters). For the same reason an answer without a
// length is never cut.
//
// The client signs for the proxy's host and port and the proxy passes Host on as it is, so the server must verify with
// the Host that it gets; S3Imposter and Ceph RGW do. Whole messages are held in memory, of at most 1 GiB.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "tests/support/chaos_plan.h"
#include "tests/support/connection_server.h"
#include "tests/support/http_message.h"

namespace pailfs {

struct ChaosProxyOptions {
  int port = 0;                              // 0: a free one
  std::string server_address = "127.0.0.1";  // IPv4, in numbers
  int server_port = 0;
  uint64_t seed = 1;
  ChaosLevel level = ChaosLevel::kOff;
  int retry_after_s = 1;
  int stall_ms = 500;     // 0: until ReleaseStalls
  int drip_pause_ms = 5;  // between the pieces of an answer
};

enum class ChaosOutage : uint8_t {
  kNone,
  kRefuse,  // connections are refused, open ones end
  kSilent,  // connections are accepted, and nothing is read or answered
};

// Thread-safe. The destructor ends all connections and joins their threads.
class ChaosProxy {
 public:
  // Ends the process when it cannot listen.
  explicit ChaosProxy(const ChaosProxyOptions& options);
  ~ChaosProxy();

  int port() const { return server_->port(); }
  std::string endpoint() const;  // "http://127.0.0.1:PORT"

  void SetLevel(ChaosLevel level) { plan_.SetLevel(level); }
  void Inject(ChaosFault fault, int times = 1) { plan_.Inject(fault, times); }
  void SetOutage(ChaosOutage outage);
  // Ends the stalls there are.
  void ReleaseStalls();

  // Requests that were read, and faults that were done. Of a fault that turned out not to fit the answer nothing is
  // done or counted.
  int64_t requests() const { return requests_.load(); }
  int64_t faults(ChaosFault fault) const { return faults_[static_cast<size_t>(fault)].load(); }
  int64_t faults() const;

 private:
  // What becomes of a client's connection.
  enum class Next : uint8_t { kGoOn, kClose, kReset };
  struct Exchange;

  void Serve(Socket& client);
  Next Handle(Exchange& exchange);
  Next Refuse(Exchange& exchange);
  Next ResetInRequest(Exchange& exchange);
  Next Forward(Exchange& exchange);
  Next PassOn(Exchange& exchange, const HttpMessage& answer);
  Next SendAnswer(Exchange& exchange, const HttpMessage& answer);
  Next Drip(Exchange& exchange, const std::string& bytes);
  Result<HttpMessage> AskServer(Exchange& exchange);
  void Count(ChaosFault fault) { ++faults_[static_cast<size_t>(fault)]; }
  void WaitWhileSilent();
  void Stall();
  // Returns early when the proxy ends.
  void Pause(int ms);

  // Constant after construction.
  const ChaosProxyOptions options_;

  // Synchronise themselves.
  ChaosPlan plan_;
  WakeFlag wake_;  // ends what waits for the server
  std::atomic<int64_t> requests_ = 0;
  std::array<std::atomic<int64_t>, kChaosFaults> faults_{};

  Mutex mu_;
  CondVar changed_;
  ChaosOutage outage_ GUARDED_BY(mu_) = ChaosOutage::kNone;
  uint64_t releases_ GUARDED_BY(mu_) = 0;
  bool stopping_ GUARDED_BY(mu_) = false;

  std::unique_ptr<ConnectionServer> server_;
};

}  // namespace pailfs
