#include "tests/support/http_message.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

#include "base/str.h"

namespace pailfs {
namespace {

constexpr std::string_view kCrlf = "\r\n";
constexpr size_t kMaxLineBytes = 8 << 10;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

Error NotHttp(std::string_view what) {
  return {Errc::kCorrupt, StrCat("not HTTP: ", what)};
}

Result<size_t> ChunkBytes(std::string_view line) {
  size_t bytes = 0;
  const auto end = std::from_chars(line.data(), line.data() + line.size(), bytes, 16);
  const bool ended = end.ptr == line.data() + line.size() || *end.ptr == ';' || *end.ptr == '\r';
  if (end.ec != std::errc() || !ended) return NotHttp("a chunk without a size");
  return bytes;
}

bool IsChunked(const HttpMessage& message) {
  const std::string* encoding = message.Find("Transfer-Encoding");
  return encoding != nullptr && SameHeaderName(*encoding, "chunked");
}

Status ReadChunked(Socket& socket, std::string& body) {
  while (true) {
    ASSIGN_OR_RETURN(const std::string line, socket.ReadThrough(kCrlf, kMaxLineBytes));
    body += line;
    ASSIGN_OR_RETURN(const size_t bytes, ChunkBytes(line));
    if (bytes == 0) break;
    ASSIGN_OR_RETURN(const std::string chunk, socket.ReadExactly(bytes + kCrlf.size()));
    body += chunk;
  }
  while (true) {
    ASSIGN_OR_RETURN(const std::string line, socket.ReadThrough(kCrlf, kMaxLineBytes));
    body += line;
    if (line == kCrlf) return {};
  }
}

Status ReadLength(Socket& socket, size_t bytes, std::string& body) {
  while (bytes > 0) {
    constexpr size_t kPieceBytes = 256 << 10;
    ASSIGN_OR_RETURN(const std::string piece, socket.ReadExactly(std::min(bytes, kPieceBytes)));
    body += piece;
    bytes -= piece.size();
  }
  return {};
}

}  // namespace

bool SameHeaderName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string LowerHeaderName(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return lower;
}

const std::string* HttpMessage::Find(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (SameHeaderName(key, name)) return &value;
  }
  return nullptr;
}

void HttpMessage::Set(std::string_view name, std::string_view value) {
  for (auto& [key, old] : headers) {
    if (!SameHeaderName(key, name)) continue;
    old = value;
    return;
  }
  headers.emplace_back(name, value);
}

void HttpMessage::Remove(std::string_view name) {
  std::erase_if(headers, [&](const auto& header) { return SameHeaderName(header.first, name); });
}

std::string_view HttpMessage::Word(int n) const {
  std::string_view rest = start_line;
  for (; n > 0; --n) {
    const size_t blank = rest.find(' ');
    if (blank == std::string_view::npos) return {};
    rest.remove_prefix(blank + 1);
  }
  return rest.substr(0, rest.find(' '));
}

int HttpMessage::status() const {
  return static_cast<int>(std::min<uint64_t>(ParseUint(Word(1)).value_or(0), 999));
}

std::string HttpMessage::Head() const {
  std::string head = StrCat(start_line, kCrlf);
  for (const auto& [name, value] : headers) head += StrCat(name, ": ", value, kCrlf);
  return head += kCrlf;
}

Result<std::optional<HttpMessage>> ReadHttpHead(Socket& socket) {
  ASSIGN_OR_RETURN(std::string first, socket.ReadSome());
  if (first.empty()) return std::optional<HttpMessage>();
  socket.PutBack(std::move(first));
  ASSIGN_OR_RETURN(const std::string head, socket.ReadThrough("\r\n\r\n", kMaxHttpHeadBytes));
  HttpMessage message;
  std::string_view rest = std::string_view(head).substr(0, head.size() - kCrlf.size());
  while (!rest.empty()) {
    const size_t end = rest.find(kCrlf);
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + kCrlf.size());
    if (message.start_line.empty()) {
      message.start_line = line;
      if (line.empty() || line.find('\n') != std::string_view::npos) return NotHttp("no start line");
      continue;
    }
    const size_t colon = line.find(':');
    const bool folded = line.front() == ' ' || line.front() == '\t';
    if (colon == 0 || colon == std::string_view::npos || folded) return NotHttp("a header line without a name");
    message.headers.emplace_back(line.substr(0, colon), Trim(line.substr(colon + 1)));
  }
  return std::optional<HttpMessage>(std::move(message));
}

BodyFraming FramingOfRequest(const HttpMessage& request) {
  if (IsChunked(request)) return BodyFraming::kChunked;
  return request.Find("Content-Length") != nullptr ? BodyFraming::kLength : BodyFraming::kNone;
}

BodyFraming FramingOfAnswer(const HttpMessage& answer, std::string_view method) {
  const int status = answer.status();
  if (method == "HEAD" || status < 200 || status == 204 || status == 304) return BodyFraming::kNone;
  if (IsChunked(answer)) return BodyFraming::kChunked;
  return answer.Find("Content-Length") != nullptr ? BodyFraming::kLength : BodyFraming::kUntilClose;
}

Status ReadHttpBody(Socket& socket, BodyFraming framing, HttpMessage& message) {
  switch (framing) {
    case BodyFraming::kNone:
      return {};
    case BodyFraming::kLength: {
      const auto bytes = ParseUint(*message.Find("Content-Length"));
      if (!bytes || *bytes > kMaxSocketReadBytes) return NotHttp("a Content-Length that cannot be");
      return ReadLength(socket, *bytes, message.body);
    }
    case BodyFraming::kChunked:
      return ReadChunked(socket, message.body);
    case BodyFraming::kUntilClose: {
      ASSIGN_OR_RETURN(const std::string rest, socket.ReadUntilClosed());
      message.body += rest;
      return {};
    }
  }
  return {};
}

Result<std::string> DecodeChunked(std::string_view body) {
  std::string content;
  while (true) {
    const size_t line = body.find(kCrlf);
    if (line == std::string_view::npos) return NotHttp("a chunk without an end");
    ASSIGN_OR_RETURN(const size_t bytes, ChunkBytes(body.substr(0, line)));
    if (bytes == 0) return content;
    body.remove_prefix(line + kCrlf.size());
    if (body.size() < bytes + kCrlf.size()) return NotHttp("a chunk that is cut short");
    content += body.substr(0, bytes);
    body.remove_prefix(bytes + kCrlf.size());
  }
}

Result<HttpMessage> ReadHttpAnswer(Socket& socket, std::string_view method) {
  while (true) {
    ASSIGN_OR_RETURN(auto answer, ReadHttpHead(socket));
    if (!answer) return Error{Errc::kUnavailable, "closed without an answer"};
    if (answer->status() >= 100 && answer->status() < 200) continue;
    RETURN_IF_ERROR(ReadHttpBody(socket, FramingOfAnswer(*answer, method), *answer));
    return std::move(*answer);
  }
}

Result<HttpMessage> ExchangeHttp(Socket& socket, const HttpMessage& request) {
  RETURN_IF_ERROR(socket.Write(StrCat(request.Head(), request.body)));
  ASSIGN_OR_RETURN(HttpMessage answer, ReadHttpAnswer(socket, request.Word(0)));
  if (FramingOfAnswer(answer, request.Word(0)) == BodyFraming::kChunked) {
    ASSIGN_OR_RETURN(answer.body, DecodeChunked(answer.body));
  }
  return answer;
}

}  // namespace pailfs
