#include "tests/support/chaos_proxy.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/s3wire/xml_answers.h"
#include "base/str.h"

namespace pailfs {
namespace {

ChaosRequest Look(const HttpMessage& request) {
  const std::string_view method = request.Word(0);
  const std::string_view target = request.Word(1);
  const bool put = method == "PUT";
  const bool complete = method == "POST" && target.find("uploadId=") != std::string_view::npos;
  ChaosRequest look;
  look.has_body = !request.body.empty();
  look.replaceable = complete || (put && request.Find("x-amz-copy-source") != nullptr);
  look.flippable_body = put && look.has_body && request.Find("Content-MD5") != nullptr &&
                        FramingOfRequest(request) == BodyFraming::kLength;
  look.flippable_answer = method == "GET" && request.Find("Range") == nullptr;
  return look;
}

HttpMessage MakeAnswer(int status, std::string_view code, std::string_view method) {
  s3wire::ErrorDocument error;
  error.code = code;
  error.message = "The chaos proxy says so.";
  HttpMessage answer;
  answer.start_line = StrCat("HTTP/1.1 ", status, " Chaos");
  answer.Set("Content-Type", "application/xml");
  if (method != "HEAD") answer.body = s3wire::WriteErrorAnswer(error).value();
  answer.Set("Content-Length", StrCat(answer.body.size()));
  return answer;
}

void TurnOverOneBit(std::string& bytes, uint64_t random) {
  char& byte = bytes[random % bytes.size()];
  byte = static_cast<char>(byte ^ (1 << ((random >> 32) % 8)));
}

// A whole object under an ETag that is the MD5 of its bytes.
bool CanVerify(const HttpMessage& answer) {
  const std::string* etag = answer.Find("ETag");
  if (answer.status() != 200 || etag == nullptr || answer.body.empty()) return false;
  const bool quoted = etag->size() == 34 && etag->front() == '"' && etag->back() == '"';
  return quoted && etag->find_first_not_of("0123456789abcdef", 1) == 33;
}

}  // namespace

struct ChaosProxy::Exchange {
  Socket& client;
  Socket server;  // kept from request to request
  HttpMessage request;
  ChaosDecision decision;

  bool Is(ChaosFault fault) const { return decision.fault == fault; }
  std::string_view method() const { return request.Word(0); }
};

ChaosProxy::ChaosProxy(const ChaosProxyOptions& options) : options_(options), plan_(options.seed, options.level) {
  server_ = std::make_unique<ConnectionServer>([this](Socket& client) { Serve(client); }, options_.port);
  if (!server_->status().ok()) {
    std::fprintf(stderr, "ChaosProxy: %s\n", server_->status().error().message.c_str());
    std::abort();
  }
}

ChaosProxy::~ChaosProxy() {
  MutexLock lock(mu_);
  stopping_ = true;
  changed_.NotifyAll();
  lock.Unlock();
  wake_.Set();
  server_.reset();
}

std::string ChaosProxy::endpoint() const {
  return StrCat("http://127.0.0.1:", port());
}

int64_t ChaosProxy::faults() const {
  int64_t all = 0;
  for (const auto& count : faults_) all += count.load();
  return all;
}

void ChaosProxy::SetOutage(ChaosOutage outage) {
  MutexLock lock(mu_);
  outage_ = outage;
  changed_.NotifyAll();
  lock.Unlock();
  if (outage == ChaosOutage::kRefuse) {
    server_->StopListening();
    server_->DropConnections();
  } else if (Status listening = server_->Listen(); !listening.ok()) {
    std::fprintf(stderr, "ChaosProxy: %s\n", listening.error().message.c_str());
    std::abort();
  }
}

void ChaosProxy::ReleaseStalls() {
  MutexLock lock(mu_);
  ++releases_;
  changed_.NotifyAll();
}

void ChaosProxy::WaitWhileSilent() {
  MutexLock lock(mu_);
  while (outage_ == ChaosOutage::kSilent && !stopping_) changed_.Wait(mu_);
}

void ChaosProxy::Stall() {
  if (options_.stall_ms > 0) return Pause(options_.stall_ms);
  MutexLock lock(mu_);
  const uint64_t releases = releases_;
  while (releases_ == releases && !stopping_) changed_.Wait(mu_);
}

void ChaosProxy::Pause(int ms) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  MutexLock lock(mu_);
  const uint64_t releases = releases_;
  while (!stopping_ && releases_ == releases) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left.count() <= 0) return;
    changed_.WaitFor(mu_, left);
  }
}

void ChaosProxy::Serve(Socket& client) {
  Exchange exchange{client, {}, {}, {}};
  while (true) {
    WaitWhileSilent();
    auto head = ReadHttpHead(client);
    if (!head.ok() || !*head) return;
    exchange.request = std::move(**head);
    const std::string* expect = exchange.request.Find("Expect");
    if (expect != nullptr && SameHeaderName(*expect, "100-continue")) {
      if (!client.Write("HTTP/1.1 100 Continue\r\n\r\n").ok()) return;
    }
    if (!ReadHttpBody(client, FramingOfRequest(exchange.request), exchange.request).ok()) return;
    WaitWhileSilent();
    ++requests_;
    exchange.decision = plan_.Next(Look(exchange.request));
    const Next next = Handle(exchange);
    if (next == Next::kReset) client.Reset();
    if (next != Next::kGoOn) return;
  }
}

// Faults that come before the server has the whole request.
ChaosProxy::Next ChaosProxy::Handle(Exchange& exchange) {
  if (!exchange.decision.fault) return Forward(exchange);
  switch (*exchange.decision.fault) {
    case ChaosFault::kRefuse500:
    case ChaosFault::kRefuse503:
    case ChaosFault::kRefuse429:
    case ChaosFault::kErrorIn200Before:
      return Refuse(exchange);
    case ChaosFault::kResetBefore:
      Count(ChaosFault::kResetBefore);
      return Next::kReset;
    case ChaosFault::kResetInRequest:
      return ResetInRequest(exchange);
    case ChaosFault::kFlipRequest:
      Count(ChaosFault::kFlipRequest);
      TurnOverOneBit(exchange.request.body, exchange.decision.random);
      return Forward(exchange);
    case ChaosFault::kStallRequest:
      Count(ChaosFault::kStallRequest);
      Stall();
      return Forward(exchange);
    default:
      return Forward(exchange);
  }
}

ChaosProxy::Next ChaosProxy::Refuse(Exchange& exchange) {
  const ChaosFault fault = *exchange.decision.fault;
  Count(fault);
  HttpMessage answer;
  if (fault == ChaosFault::kRefuse503) {
    answer = MakeAnswer(503, "SlowDown", exchange.method());
  } else if (fault == ChaosFault::kRefuse429) {
    answer = MakeAnswer(429, "TooManyRequests", exchange.method());
  } else {
    answer = MakeAnswer(fault == ChaosFault::kRefuse500 ? 500 : 200, "InternalError", exchange.method());
  }
  if (answer.status() == 503 || answer.status() == 429) answer.Set("Retry-After", StrCat(options_.retry_after_s));
  return SendAnswer(exchange, answer);
}

ChaosProxy::Next ChaosProxy::ResetInRequest(Exchange& exchange) {
  Count(ChaosFault::kResetInRequest);
  auto server = Socket::Connect(options_.server_address, options_.server_port, wake_);
  if (!server.ok()) return Next::kReset;
  const std::string& body = exchange.request.body;
  // At least one byte is missing.
  const Status sent = server->Write(StrCat(exchange.request.Head(), body.substr(0, body.size() / 2)));
  if (sent.ok()) server->Reset();
  return Next::kReset;
}

Result<HttpMessage> ChaosProxy::AskServer(Exchange& exchange) {
  Socket& server = exchange.server;
  // What can be read from an idle connection is its end.
  if (server.open() && server.WaitForInput(0)) server.Close();
  if (!server.open()) {
    ASSIGN_OR_RETURN(server, Socket::Connect(options_.server_address, options_.server_port, wake_));
  }
  Result<HttpMessage> answer = server.Write(StrCat(exchange.request.Head(), exchange.request.body)).ok()
                                   ? ReadHttpAnswer(server, exchange.method())
                                   : Error{Errc::kUnavailable, "the server does not read"};
  if (!answer.ok() || FramingOfAnswer(*answer, exchange.method()) == BodyFraming::kUntilClose) server.Close();
  return answer;
}

ChaosProxy::Next ChaosProxy::Forward(Exchange& exchange) {
  if (exchange.Is(ChaosFault::kResetAfter)) {
    // The client must see it before the server is done, so this thread only sees to it that the request arrives.
    Count(ChaosFault::kResetAfter);
    exchange.client.Reset();
  }
  Result<HttpMessage> answer = AskServer(exchange);
  if (exchange.Is(ChaosFault::kResetAfter)) return Next::kReset;
  if (exchange.Is(ChaosFault::kDuplicateFirst) || exchange.Is(ChaosFault::kDuplicateSecond)) {
    Count(*exchange.decision.fault);
    Result<HttpMessage> second = AskServer(exchange);
    if (exchange.Is(ChaosFault::kDuplicateSecond)) answer = std::move(second);
  }
  if (!answer.ok()) return SendAnswer(exchange, MakeAnswer(502, "InternalError", exchange.method()));
  return PassOn(exchange, *answer);
}

// Faults that come after the server has answered.
ChaosProxy::Next ChaosProxy::PassOn(Exchange& exchange, const HttpMessage& answer) {
  const auto fault = exchange.decision.fault;
  if (!fault) return SendAnswer(exchange, answer);
  const bool framed = FramingOfAnswer(answer, exchange.method()) != BodyFraming::kUntilClose;
  const bool cuttable = framed && !answer.body.empty();
  switch (*fault) {
    case ChaosFault::kFail500:
    case ChaosFault::kFail502:
    case ChaosFault::kFail504: {
      Count(*fault);
      const int status = *fault == ChaosFault::kFail500 ? 500 : *fault == ChaosFault::kFail502 ? 502 : 504;
      return SendAnswer(exchange, MakeAnswer(status, "InternalError", exchange.method()));
    }
    case ChaosFault::kErrorIn200After:
      Count(*fault);
      return SendAnswer(exchange, MakeAnswer(200, "InternalError", exchange.method()));
    case ChaosFault::kLoseAnswer:
      Count(*fault);
      return Next::kClose;
    case ChaosFault::kResetInAnswer: {
      Count(*fault);
      const std::string bytes = StrCat(answer.Head(), answer.body);
      const Status sent = exchange.client.Write(std::string_view(bytes).substr(0, bytes.size() / 2));
      return sent.ok() ? Next::kReset : Next::kClose;
    }
    case ChaosFault::kTruncateAnswer: {
      if (!cuttable) break;
      Count(*fault);
      const size_t kept = exchange.decision.random % answer.body.size();
      const Status sent = exchange.client.Write(StrCat(answer.Head(), answer.body.substr(0, kept)));
      return sent.ok() ? Next::kClose : Next::kReset;
    }
    case ChaosFault::kFlipAnswer: {
      if (!cuttable || !CanVerify(answer) || FramingOfAnswer(answer, "GET") != BodyFraming::kLength) break;
      Count(*fault);
      HttpMessage damaged = answer;
      TurnOverOneBit(damaged.body, exchange.decision.random);
      return SendAnswer(exchange, damaged);
    }
    case ChaosFault::kStallAnswer:
      Count(*fault);
      Stall();
      break;
    case ChaosFault::kDrip:
      Count(*fault);
      return Drip(exchange, StrCat(answer.Head(), answer.body));
    default:
      break;
  }
  return SendAnswer(exchange, answer);
}

ChaosProxy::Next ChaosProxy::SendAnswer(Exchange& exchange, const HttpMessage& answer) {
  WaitWhileSilent();
  if (!exchange.client.Write(StrCat(answer.Head(), answer.body)).ok()) return Next::kClose;
  const std::string* connection = answer.Find("Connection");
  const bool last = connection != nullptr && SameHeaderName(*connection, "close");
  const bool framed = FramingOfAnswer(answer, exchange.method()) != BodyFraming::kUntilClose;
  return framed && !last ? Next::kGoOn : Next::kClose;
}

ChaosProxy::Next ChaosProxy::Drip(Exchange& exchange, const std::string& bytes) {
  constexpr size_t kPieces = 20;
  const size_t piece = bytes.size() / kPieces + 1;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!exchange.client.Write(std::string_view(bytes).substr(at, piece)).ok()) return Next::kClose;
    Pause(options_.drip_pause_ms);
  }
  return Next::kGoOn;
}

}  // namespace pailfs
