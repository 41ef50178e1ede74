#include "tests/unit/s3client/raw_s3_client.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/s3wire/uri.h"
#include "base/s3wire/xml.h"
#include "base/str.h"

namespace pailfs {

HttpMessage RawS3Client::Sign(const RawRequest& request) const {
  s3wire::SignableRequest signable{request.method, request.path, request.query, request.headers};
  signable.headers.emplace_back("Host", host.empty() ? StrCat("127.0.0.1:", port_) : host);
  s3wire::SigningScope scope;
  scope.time_us = SystemClock().WallNs() / 1000 + clock_skew_us;
  scope.region = region;
  const std::string hash = payload_hash.empty() ? s3wire::PayloadSha256(request.body) : payload_hash;
  s3wire::SignRequest(signable, hash, credentials, scope).value();
  HttpMessage message;
  const std::string query = s3wire::CanonicalQuery(request.query);
  message.start_line = StrCat(request.method, " ", s3wire::UriEncode(request.path, s3wire::Slash::kKeep),
                              query.empty() ? "" : "?", query, " HTTP/1.1");
  message.headers = std::move(signable.headers);
  if (request.method == "PUT" || request.method == "POST") message.Set("Content-Length", StrCat(request.body.size()));
  message.body = request.body;
  return message;
}

Result<HttpMessage> RawS3Client::Send(const HttpMessage& message) {
  if (socket_.open() && socket_.WaitForInput(0)) socket_.Close();
  if (!socket_.open()) {
    ASSIGN_OR_RETURN(socket_, Socket::Connect("127.0.0.1", port_, wake_));
  }
  Result<HttpMessage> answer = ExchangeHttp(socket_, message);
  if (!answer.ok()) socket_.Close();
  return answer;
}

int RawS3Client::Status(const RawRequest& request) {
  const auto answer = Send(request);
  return answer.ok() ? answer->status() : 0;
}

std::string RawS3Client::Code(const RawRequest& request) {
  return CodeOfChanged(request, [](HttpMessage&) {});
}

std::string RawS3Client::CodeOfChanged(const RawRequest& request, const std::function<void(HttpMessage&)>& change) {
  HttpMessage message = Sign(request);
  change(message);
  const auto answer = Send(message);
  return answer.ok() ? CodeOf(*answer) : answer.error().message;
}

std::string CodeOf(const HttpMessage& answer) {
  const auto document = s3wire::ParseError(answer.body);
  return document.ok() ? document->code : "";
}

std::string HeaderOf(const HttpMessage& answer, std::string_view name) {
  const std::string* value = answer.Find(name);
  return value != nullptr ? *value : "";
}

std::string ContentMd5(std::string_view body) {
  const Md5Digest digest = Md5Of(body);
  return Base64Encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

s3wire::Headers WithMd5(std::string_view body) {
  return {{"Content-MD5", ContentMd5(body)}};
}

}  // namespace pailfs
