// An HttpTransport that says what a test wants, and remembers what it was asked.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/str.h"
#include "s3client/http.h"

namespace pailfs::s3client {

struct Asked {
  std::string line;  // "PUT http://host/path?query"
  s3wire::Headers headers;
  std::string body;

  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

struct Reply {
  int status = 200;
  s3wire::Headers headers;
  std::string body;
  std::optional<Error> error;  // the exchange ends with it, after the body was delivered
  bool sent = true;            // with an error
};

inline Reply Broken(Errc code, bool sent, std::string message = "broken") {
  return {.status = 0, .headers = {}, .body = "", .error = Error{code, std::move(message)}, .sent = sent};
}

inline Reply ErrorReply(int status, const std::string& code) {
  Reply reply;
  reply.status = status;
  reply.body = StrCat("<Error><Code>", code, "</Code><Message>words</Message></Error>");
  return reply;
}

// Thread-safe.
class ScriptedTransport : public HttpTransport {
 public:
  // The replies in order; after the last one `otherwise`.
  void Say(std::vector<Reply> replies) {
    MutexLock lock(mu_);
    for (Reply& reply : replies) script_.push_back(std::move(reply));
  }
  void Otherwise(std::function<Reply(const Asked&)> otherwise) { otherwise_ = std::move(otherwise); }

  std::vector<Asked> asked() const {
    MutexLock lock(mu_);
    return asked_;
  }
  // "HEAD http://…" of each, without the query's values.
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const Asked& one : asked()) lines.push_back(one.line);
    return lines;
  }

  HttpExchange Perform(const OpContext& ctx, const HttpRequest& request, HttpReceiver* receiver) override {
    if (const Status allowed = ctx.Check(); !allowed.ok()) return {.sent = false, .answer = allowed.error()};
    Asked asked{StrCat(request.method, " ", request.url), request.headers, ""};
    if (request.body != nullptr) {
      asked.body.resize(request.body->size_bytes());
      const Status read = request.body->ReadAt(0, std::as_writable_bytes(std::span(asked.body)));
      if (!read.ok()) return {.sent = false, .answer = read.error()};
    }
    return Deliver(Next(std::move(asked)), request.method == "HEAD", receiver);
  }

 private:
  Reply Next(Asked asked) {
    MutexLock lock(mu_);
    asked_.push_back(asked);
    if (!script_.empty()) {
      Reply reply = std::move(script_.front());
      script_.pop_front();
      return reply;
    }
    return otherwise_ ? otherwise_(asked) : Broken(Errc::kInternal, false, "nothing more in the script");
  }

  static HttpExchange Deliver(Reply reply, bool head, HttpReceiver* receiver) {
    HttpExchange exchange{.sent = reply.sent, .answer = HttpAnswer{}};
    HttpAnswer& answer = *exchange.answer;
    answer.status = reply.status;
    answer.headers = reply.headers;
    if (receiver != nullptr && reply.status >= 200 && reply.status < 300) {
      Status taken = receiver->OnHeaders(answer);
      if (taken.ok() && !reply.body.empty()) taken = receiver->OnData(AsBytes(reply.body));
      if (!taken.ok()) return {.sent = true, .answer = taken.error()};
    } else if (!head) {
      answer.body = reply.body;
    }
    if (reply.error) exchange.answer = *reply.error;
    return exchange;
  }

  mutable Mutex mu_;
  std::deque<Reply> script_ GUARDED_BY(mu_);
  std::vector<Asked> asked_ GUARDED_BY(mu_);
  std::function<Reply(const Asked&)> otherwise_;
};

}  // namespace pailfs::s3client
