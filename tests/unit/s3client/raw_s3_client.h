// S3 requests as the tests want them, right or wrong, over one connection.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/s3wire/sigv4.h"
#include "tests/support/http_message.h"
#include "tests/support/socket.h"

namespace pailfs {

struct RawRequest {
  std::string method;
  std::string path;  // not encoded, "/bucket/key"
  s3wire::Query query = {};
  s3wire::Headers headers = {};
  std::string body = {};
};

// Not thread-safe.
class RawS3Client {
 public:
  RawS3Client(int port, s3wire::Credentials sign_with) : credentials(std::move(sign_with)), port_(port) {}

  // What is signed with; may be changed between requests.
  s3wire::Credentials credentials;
  std::string region = "us-east-1";
  std::string host;          // empty: 127.0.0.1:PORT
  std::string payload_hash;  // empty: that of the body
  int64_t clock_skew_us = 0;

  HttpMessage Sign(const RawRequest& request) const;
  // Over the open connection, or a new one where there is none or the server closed it.
  Result<HttpMessage> Send(const HttpMessage& message);
  Result<HttpMessage> Send(const RawRequest& request) { return Send(Sign(request)); }
  // The status; 0 when no whole answer came.
  int Status(const RawRequest& request);
  // The code of the error document; empty where there is none.
  std::string Code(const RawRequest& request);
  // As Code, of a message that was changed after it was signed.
  std::string CodeOfChanged(const RawRequest& request, const std::function<void(HttpMessage&)>& change);
  void Disconnect() { socket_.Close(); }

 private:
  const int port_;
  WakeFlag wake_;
  Socket socket_;
};

std::string CodeOf(const HttpMessage& answer);
std::string HeaderOf(const HttpMessage& answer, std::string_view name);  // empty where there is none
std::string ContentMd5(std::string_view body);                           // the value of the header
s3wire::Headers WithMd5(std::string_view body);

}  // namespace pailfs
