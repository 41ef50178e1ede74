// The transport against a server that a test writes by hand.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/str.h"
#include "s3client/http.h"
#include "tests/support/results.h"

namespace pailfs::s3client {
namespace {

// One connection after the other, each given to the next of its handlers; then none is accepted.
class Server {
 public:
  class Connection {
   public:
    explicit Connection(int fd) : fd_(fd) {}
    // A request's head, and what came after it.
    std::string ReadRequest() {
      std::string text;
      while (text.find("\r\n\r\n") == std::string::npos && ReadSome(&text)) {
      }
      return text;
    }
    bool ReadSome(std::string* text) {
      char buffer[65536];
      const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
      if (got > 0) text->append(buffer, static_cast<size_t>(got));
      return got > 0;
    }
    void Write(const std::string& text) { EXPECT_GE(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), 0); }
    void WaitForClose() {
      std::string ignored;
      while (ReadSome(&ignored)) {
      }
    }

   private:
    const int fd_;
  };
  using Handler = std::function<void(Connection&)>;

  explicit Server(std::vector<Handler> handlers) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, handlers = std::move(handlers)] {
      for (const Handler& handler : handlers) {
        const int fd = accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        ++connections_;
        Connection connection(fd);
        handler(connection);
        close(fd);
      }
    });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string Url(std::string_view path = "/") const { return StrCat("http://127.0.0.1:", port_, path); }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  const int listener_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd:  Value \r\n\r\nok";

HttpExchange Send(HttpTransport& transport, const std::string& method, const std::string& url,
                  BodySource* body = nullptr, const OpContext& ctx = {}, HttpReceiver* receiver = nullptr) {
  return transport.Perform(
      ctx, {.method = method, .url = url, .headers = {{"x-test", "1"}, {"x-empty", ""}}, .body = body}, receiver);
}

TEST(CurlTransportTest, ConnectionsAreKeptAndPathsLeftAlone) {
  std::string first;
  std::string second;
  Server server({[&](Server::Connection& connection) {
    first = connection.ReadRequest();
    connection.Write(kOk);
    second = connection.ReadRequest();
    connection.Write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
    connection.WaitForClose();
  }});
  const auto transport = NewCurlTransport({});
  HttpExchange exchange = Send(*transport, "GET", server.Url("/b/a/../%20//x?y=1"));
  ASSERT_OK(exchange.answer);
  EXPECT_TRUE(exchange.sent);
  EXPECT_EQ(exchange.answer->status, 200);
  EXPECT_EQ(*exchange.answer->Find("x-odd"), "Value");
  EXPECT_EQ(exchange.answer->body, "ok");
  StringBody body("the body");
  exchange = Send(*transport, "PUT", server.Url("/k"), &body);
  ASSERT_OK(exchange.answer);
  EXPECT_EQ(exchange.answer->status, 404);
  EXPECT_EQ(exchange.answer->body, "gone");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_TRUE(first.starts_with("GET /b/a/../%20//x?y=1 HTTP/1.1\r\n")) << first;
  EXPECT_NE(first.find("x-empty:\r\n"), std::string::npos) << first;
  EXPECT_NE(second.find("Content-Length: 8\r\n"), std::string::npos) << second;
  EXPECT_EQ(second.find("Expect"), std::string::npos) << second;
}

TEST(CurlTransportTest, WhatIsCutShortIsUnavailable) {
  Server server({[](Server::Connection& connection) {
                   connection.ReadRequest();
                   connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                 },
                 [](Server::Connection& connection) {
                   connection.ReadRequest();
                   connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
                 },
                 [](Server::Connection& connection) { connection.ReadRequest(); },
                 [](Server::Connection& connection) {
                   connection.ReadRequest();
                   connection.Write("SSH-2.0-OpenSSH_9.2\r\n");
                 }});
  const auto transport = NewCurlTransport({});
  for (int i = 0; i < 3; ++i) {
    const HttpExchange exchange = Send(*transport, "GET", server.Url());
    EXPECT_ERRC(exchange.answer, Errc::kUnavailable);
    EXPECT_TRUE(exchange.sent);
  }
  EXPECT_ERRC(Send(*transport, "GET", server.Url()).answer, Errc::kCorrupt);
}

// libcurl would send it again by itself; it may connect for that, but no more.
TEST(CurlTransportTest, NothingIsRepeatedOnAKeptConnectionThatDies) {
  for (const char* method : {"DELETE", "PUT"}) {
    std::vector<std::string> requests;
    const auto answer_once = [&requests](Server::Connection& connection) {
      const std::string request = connection.ReadRequest();
      if (request.empty()) return;
      requests.push_back(request.substr(0, request.find(' ')));
      connection.Write(kOk);
    };
    const auto then_die = [&requests, answer_once](Server::Connection& connection) {
      answer_once(connection);
      const std::string request = connection.ReadRequest();
      requests.push_back(request.substr(0, request.find(' ')));
    };
    {
      Server server({then_die, answer_once, answer_once});
      const auto transport = NewCurlTransport({});
      ASSERT_OK(Send(*transport, "GET", server.Url()).answer);
      StringBody body("the body");
      const bool with_body = std::string_view(method) == "PUT";
      const HttpExchange exchange = Send(*transport, method, server.Url(), with_body ? &body : nullptr);
      EXPECT_ERRC(exchange.answer, Errc::kUnavailable);
      EXPECT_TRUE(exchange.sent);
      ASSERT_OK(Send(*transport, "GET", server.Url()).answer);
    }
    EXPECT_EQ(requests, (std::vector<std::string>{"GET", method, "GET"}));
  }
}

TEST(CurlTransportTest, NobodyListens) {
  int port = 0;
  { port = Server({}).port(); }
  const auto transport = NewCurlTransport({});
  const HttpExchange exchange = Send(*transport, "PUT", StrCat("http://127.0.0.1:", port, "/"));
  EXPECT_ERRC(exchange.answer, Errc::kUnavailable);
  EXPECT_FALSE(exchange.sent);
}

TEST(CurlTransportTest, AServerWithoutTlsIsCalledSo) {
  Server server({[](Server::Connection& connection) {
    std::string hello;
    connection.ReadSome(&hello);
    connection.Write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  }});
  const auto transport = NewCurlTransport({});
  const HttpExchange exchange = Send(*transport, "GET", StrCat("https://127.0.0.1:", server.port(), "/"));
  EXPECT_ERRC(exchange.answer, Errc::kUnavailable);
  EXPECT_NE(exchange.answer.error().message.find("does not speak TLS"), std::string::npos)
      << exchange.answer.error().message;
  EXPECT_FALSE(exchange.sent);
}

TEST(CurlTransportTest, ASilentServerStalls) {
  Server server({[](Server::Connection& connection) { connection.WaitForClose(); }});
  HttpOptions options;
  options.stall_timeout_ns = 50'000'000;
  const auto transport = NewCurlTransport(options);
  const HttpExchange exchange = Send(*transport, "GET", server.Url());
  EXPECT_ERRC(exchange.answer, Errc::kUnavailable);
  EXPECT_TRUE(exchange.sent);
}

TEST(CurlTransportTest, ACallIsCancelledAndTimesOut) {
  std::stop_source stop;
  Server server({[&stop](Server::Connection& connection) {
                   connection.ReadRequest();
                   stop.request_stop();
                   connection.WaitForClose();
                 },
                 [](Server::Connection& connection) { connection.WaitForClose(); }});
  const auto transport = NewCurlTransport({});
  OpContext ctx;
  ctx.stop = stop.get_token();
  HttpExchange exchange = Send(*transport, "DELETE", server.Url(), nullptr, ctx);
  EXPECT_ERRC(exchange.answer, Errc::kCancelled);
  EXPECT_TRUE(exchange.sent);
  OpContext late;
  late.deadline_ns = late.NowNs() + 20'000'000;
  EXPECT_ERRC(Send(*transport, "GET", server.Url(), nullptr, late).answer, Errc::kTimedOut);
  EXPECT_ERRC(Send(*transport, "GET", server.Url(), nullptr, ctx).answer, Errc::kCancelled);
}

class FailingBody : public BodySource {
 public:
  uint64_t size_bytes() const override { return 10 << 20; }
  Status ReadAt(uint64_t offset, std::span<std::byte> buffer) override {
    if (offset > 1 << 20) return Error{Errc::kCancelled, "the file changed"};
    std::fill(buffer.begin(), buffer.end(), std::byte{'x'});
    return {};
  }
};

// What was not sent whole has not happened.
TEST(CurlTransportTest, ABodyThatFails) {
  Server server({[](Server::Connection& connection) { connection.WaitForClose(); }});
  const auto transport = NewCurlTransport({});
  FailingBody body;
  const HttpExchange exchange = Send(*transport, "PUT", server.Url(), &body);
  EXPECT_ERRC(exchange.answer, Errc::kCancelled);
  EXPECT_FALSE(exchange.sent);
}

class Receiver : public HttpReceiver {
 public:
  explicit Receiver(Status answer) : answer_(std::move(answer)) {}
  Status OnHeaders(const HttpAnswer& head) override {
    status_ = head.status;
    return {};
  }
  Status OnData(std::span<const std::byte> data) override {
    data_.append(AsChars(data));
    return answer_;
  }
  int status_ = 0;
  std::string data_;

 private:
  const Status answer_;
};

TEST(CurlTransportTest, ReceiversGetSuccessesOnly) {
  Server server({[](Server::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kOk);
    connection.ReadRequest();
    connection.Write("HTTP/1.1 416 No\r\nContent-Length: 5\r\n\r\nerror");
    connection.ReadRequest();
    connection.Write(kOk);
  }});
  const auto transport = NewCurlTransport({});
  Receiver willing{Status()};
  ASSERT_OK(Send(*transport, "GET", server.Url(), nullptr, {}, &willing).answer);
  EXPECT_EQ(willing.data_, "ok");
  EXPECT_EQ(willing.status_, 200);
  const HttpExchange refused = Send(*transport, "GET", server.Url(), nullptr, {}, &willing);
  ASSERT_OK(refused.answer);
  EXPECT_EQ(refused.answer->body, "error");
  Receiver unwilling{Error{Errc::kNoSpace, "full"}};
  EXPECT_ERRC(Send(*transport, "GET", server.Url(), nullptr, {}, &unwilling).answer, Errc::kNoSpace);
}

}  // namespace
}  // namespace pailfs::s3client
