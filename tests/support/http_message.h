// HTTP/1.1 messages as bytes on a connection: heads and the framing of bodies, for the tests' servers, proxy and
// client.
//
// Source: RFC 9112, 2 to 6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tests/support/socket.h"

namespace pailfs {

inline constexpr size_t kMaxHttpHeadBytes = 64 << 10;

struct HttpMessage {
  std::string start_line;                                    // without CRLF
  std::vector<std::pair<std::string, std::string>> headers;  // names as sent, values without white space around them
  std::string body;

  // The first value of a header, its name in any case, or nullptr.
  const std::string* Find(std::string_view name) const;
  // Sets or adds a header.
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name);
  // The n-th word of the start line; empty where there are fewer. Of a request: method, target, version.
  std::string_view Word(int n) const;
  int status() const;  // of an answer; 0 when it has none
  // Start line, headers and the empty line.
  std::string Head() const;
};

bool SameHeaderName(std::string_view a, std::string_view b);
std::string LowerHeaderName(std::string_view name);

// nullopt: the peer closed before the first byte. kCorrupt: not HTTP.
Result<std::optional<HttpMessage>> ReadHttpHead(Socket& socket);

enum class BodyFraming : uint8_t { kNone, kLength, kChunked, kUntilClose };
BodyFraming FramingOfRequest(const HttpMessage& request);
BodyFraming FramingOfAnswer(const HttpMessage& answer, std::string_view method);
// Appends the body to message.body as it is on the wire: a chunked one with its chunk heads and trailer. An error (as
// Socket, or kCorrupt) leaves what had come.
Status ReadHttpBody(Socket& socket, BodyFraming framing, HttpMessage& message);
// The content of a chunked body.
Result<std::string> DecodeChunked(std::string_view body);

// The answer to a request of this method, its body as ReadHttpBody leaves it; interim answers (1xx) are skipped.
// kUnavailable when it is cut short.
Result<HttpMessage> ReadHttpAnswer(Socket& socket, std::string_view method);

// One request and its answer over an open connection: sends `request` as it is (Content-Length is the caller's) and
// decodes a chunked answer.
Result<HttpMessage> ExchangeHttp(Socket& socket, const HttpMessage& request);

}  // namespace pailfs
