// HttpTransport on libcurl. Each exchange has a multi handle and an easy handle of its own for as long as it lasts; the
// multi handle keeps the connection for the next one. Idle pairs are a stack, so that few connections are busy rather
// than many half idle.

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/str.h"
#include "s3client/http.h"

namespace pailfs::s3client {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kMostPollMs = 500;  // so that a deadline on another clock than the system's is seen
// Servers close what is idle; a request that meets the closing is of unknown outcome.
constexpr long kMostIdleSeconds = 15;
constexpr long kBufferBytes = 256 << 10;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void Add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// A connection, or none yet, to whatever host was asked last.
struct Line {
  Line() : multi(curl_multi_init()), easy(curl_easy_init()) { curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L); }
  ~Line() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  CURLM* const multi;
  CURL* const easy;
};

// One exchange under way: what libcurl calls back.
class Exchange {
 public:
  Exchange(const OpContext& ctx, const HttpOptions& options, const HttpRequest& request, HttpReceiver* receiver,
           Line& line)
      : ctx_(ctx), options_(options), request_(request), receiver_(receiver), line_(line) {}

  HttpExchange Run() {
    SetUp();
    curl_multi_add_handle(line_.multi, line_.easy);
    CURLcode code = CURLE_OK;
    const Status ended = Drive(&code);
    HttpExchange exchange;
    long sent_bytes = 0;
    curl_easy_getinfo(line_.easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
    exchange.sent = sent_bytes > 0 && body_offset_ == BodyBytes();
    if (!ended.ok()) {
      exchange.answer = ended.error();
    } else if (code != CURLE_OK) {
      exchange.answer = Failure(code);
    } else {
      exchange.answer = std::move(answer_);
    }
    curl_multi_remove_handle(line_.multi, line_.easy);
    curl_easy_reset(line_.easy);  // nothing in it points here any more
    return exchange;
  }

 private:
  uint64_t BodyBytes() const { return request_.body != nullptr ? request_.body->size_bytes() : 0; }

  template <typename T>
  void Set(CURLoption option, T value) {
    curl_easy_setopt(line_.easy, option, value);
  }

  void SetUp() {
    Set(CURLOPT_URL, request_.url.c_str());
    Set(CURLOPT_PATH_AS_IS, 1L);  // "a/../b" is a key
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_QUICK_EXIT, 1L);  // a name being looked up does not hold back who gives up
    Set(CURLOPT_TCP_KEEPALIVE, 1L);
    Set(CURLOPT_MAXAGE_CONN, kMostIdleSeconds);
    Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max(options_.connect_timeout_ns / kNsPerMs, int64_t{1})));
    Set(CURLOPT_BUFFERSIZE, kBufferBytes);
    Set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
    Set(CURLOPT_ERRORBUFFER, error_text_.data());
    Set(CURLOPT_SSL_VERIFYPEER, 1L);
    Set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options_.ca_file.empty()) {
      Set(CURLOPT_CAINFO, options_.ca_file.c_str());
      Set(CURLOPT_CAPATH, nullptr);
    }
    if (!options_.proxy.empty()) Set(CURLOPT_PROXY, options_.proxy.c_str());
    SetUpCallbacks();
    SetUpRequest();
  }

  void SetUpCallbacks() {
    Set(CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_WRITEFUNCTION, &Exchange::OnData);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_READFUNCTION, &Exchange::OnRead);
    Set(CURLOPT_READDATA, this);
    Set(CURLOPT_SEEKFUNCTION, &Exchange::OnSeek);
    Set(CURLOPT_SEEKDATA, this);
    Set(CURLOPT_PREREQFUNCTION, &Exchange::OnConnected);
    Set(CURLOPT_PREREQDATA, this);
    Set(CURLOPT_XFERINFOFUNCTION, &Exchange::OnProgress);
    Set(CURLOPT_XFERINFODATA, this);
    Set(CURLOPT_NOPROGRESS, 0L);
  }

  void SetUpRequest() {
    const bool has_body = request_.body != nullptr || request_.method == "PUT" || request_.method == "POST";
    if (request_.method == "HEAD") {
      Set(CURLOPT_NOBODY, 1L);
    } else if (has_body) {
      Set(CURLOPT_UPLOAD, 1L);
      Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(BodyBytes()));
    }
    Set(CURLOPT_CUSTOMREQUEST, request_.method == "HEAD" ? nullptr : request_.method.c_str());
    bool user_agent = false;
    for (const auto& [name, value] : request_.headers) {
      user_agent = user_agent || Lower(name) == "user-agent";
      headers_.Add(value.empty() ? StrCat(name, ";") : StrCat(name, ": ", value));
    }
    headers_.Add("Expect:");
    if (!user_agent) headers_.Add("User-Agent: pailfs/" PAILFS_VERSION);
    Set(CURLOPT_HTTPHEADER, headers_.get());
  }

  // Until the transfer has ended (`code` says how), or the context or a stall ends it.
  Status Drive(CURLcode* code) {
    CURLM* const multi = line_.multi;
    const std::stop_callback wake(ctx_.stop, [multi] { curl_multi_wakeup(multi); });
    last_progress_ns_ = SystemClock().MonotonicNs();
    for (;;) {
      RETURN_IF_ERROR(ctx_.Check());
      int running = 0;
      if (curl_multi_perform(multi, &running) != CURLM_OK) return Error{Errc::kInternal, "libcurl refuses to go on"};
      if (failed_) return *failed_;
      if (running == 0) break;
      const int64_t idle_ns = SystemClock().MonotonicNs() - last_progress_ns_;
      if (idle_ns >= options_.stall_timeout_ns) {
        return Error{Errc::kUnavailable, StrCat("nothing was heard for ", idle_ns / 1'000'000'000, " s")};
      }
      int64_t wait_ms = std::min(kMostPollMs, (options_.stall_timeout_ns - idle_ns) / kNsPerMs + 1);
      if (ctx_.deadline_ns != OpContext::kNoDeadline) {
        wait_ms = std::clamp((ctx_.deadline_ns - ctx_.NowNs()) / kNsPerMs + 1, int64_t{0}, wait_ms);
      }
      curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait_ms), nullptr);
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) *code = message->data.result;
    }
    return {};
  }

  Error Failure(CURLcode code) const {
    std::string text = error_text_[0] != '\0' ? std::string(error_text_.data()) : curl_easy_strerror(code);
    switch (code) {
      case CURLE_ABORTED_BY_CALLBACK:
      case CURLE_SEND_FAIL_REWIND:
        return {Errc::kUnavailable, "the server closed the connection before it answered"};
      case CURLE_PARTIAL_FILE:
        return {Errc::kUnavailable, StrCat("the answer was cut short: ", text)};
      case CURLE_WEIRD_SERVER_REPLY:
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_BAD_CONTENT_ENCODING:
        return {Errc::kCorrupt, StrCat("the answer is not HTTP: ", text)};
      case CURLE_URL_MALFORMAT:
        return {Errc::kInvalidArgument, StrCat("not a URL: ", text)};
      case CURLE_SSL_CACERT_BADFILE:
        return {Errc::kInvalidArgument,
                StrCat("the file of certificate authorities cannot be used: ", options_.ca_file)};
      case CURLE_PEER_FAILED_VERIFICATION:
        return {Errc::kUnavailable, StrCat("the server's certificate is not trusted: ", text,
                                           " (certificates to trust: the option ca_file=FILE, or AWS_CA_BUNDLE)")};
      case CURLE_SSL_CONNECT_ERROR:
        if (text.find("wrong version number") != std::string::npos) {
          return {Errc::kUnavailable, StrCat("the server does not speak TLS (is it http://, not https://?): ", text)};
        }
        return {Errc::kUnavailable, StrCat("TLS: ", text)};
      default:
        return {Errc::kUnavailable, std::move(text)};
    }
  }

  void Fail(Error error) {
    if (!failed_) failed_ = std::move(error);
  }

  // --- called back by libcurl ---

  static Exchange& Self(void* self) { return *static_cast<Exchange*>(self); }

  // Right before the request is sent. libcurl repeats by itself what it sent on a kept connection that was then closed
  // without an answer; whether that may be is not for it to say.
  static int OnConnected(void* self, char*, char*, int, int) {
    return Self(self).connected_++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
  }

  static int OnProgress(void* self, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
    Exchange& exchange = Self(self);
    const curl_off_t moved = received + sent;
    if (moved != exchange.moved_bytes_) exchange.NoteProgress();
    exchange.moved_bytes_ = moved;
    return 0;
  }
  void NoteProgress() { last_progress_ns_ = SystemClock().MonotonicNs(); }

  static size_t OnHeader(char* data, size_t, size_t size, void* self) {
    return Self(self).TakeHeader({data, size}) ? size : 0;
  }
  bool TakeHeader(std::string_view line) {
    NoteProgress();
    if (line.starts_with("HTTP/")) {
      answer_.headers.clear();
      long status = 0;
      curl_easy_getinfo(line_.easy, CURLINFO_RESPONSE_CODE, &status);
      answer_.status = static_cast<int>(status);
      return true;
    }
    if (const std::string_view text = Trim(line); !text.empty()) {
      const size_t colon = text.find(':');
      if (colon == std::string_view::npos) return true;
      header_bytes_ += text.size();
      if (header_bytes_ > kMaxHttpBodyBytes) {
        Fail({Errc::kTooLarge, "too many headers"});
        return false;
      }
      answer_.headers.emplace_back(Lower(text.substr(0, colon)), std::string(Trim(text.substr(colon + 1))));
      return true;
    }
    if (answer_.status < 200) return true;  // an interim answer: another one follows
    receiving_ = receiver_ != nullptr && answer_.status < 300;
    if (!receiving_ || headers_given_) return true;
    headers_given_ = true;
    if (const Status taken = receiver_->OnHeaders(answer_); !taken.ok()) {
      Fail(taken.error());
      return false;
    }
    return true;
  }

  static size_t OnData(char* data, size_t, size_t size, void* self) {
    return Self(self).TakeData({data, size}) ? size : 0;
  }
  bool TakeData(std::string_view data) {
    if (receiving_) {
      const Status taken = receiver_->OnData(AsBytes(data));
      NoteProgress();
      if (!taken.ok()) Fail(taken.error());
      return taken.ok();
    }
    if (answer_.body.size() + data.size() > kMaxHttpBodyBytes) {
      Fail({Errc::kTooLarge, StrCat("an answer of more than ", FormatSize(kMaxHttpBodyBytes))});
      return false;
    }
    answer_.body.append(data);
    NoteProgress();
    return true;
  }

  static size_t OnRead(char* buffer, size_t, size_t size, void* self) {
    Exchange& exchange = Self(self);
    if (exchange.request_.body == nullptr) return 0;
    const size_t length = std::min<uint64_t>(size, exchange.BodyBytes() - exchange.body_offset_);
    if (length == 0) return 0;
    const Status read =
        exchange.request_.body->ReadAt(exchange.body_offset_, {reinterpret_cast<std::byte*>(buffer), length});
    exchange.NoteProgress();
    if (!read.ok()) {
      exchange.Fail(read.error());
      return CURL_READFUNC_ABORT;
    }
    exchange.body_offset_ += length;
    return length;
  }

  static int OnSeek(void*, curl_off_t, int) {
    return CURL_SEEKFUNC_FAIL;  // as OnConnected: nothing is sent twice
  }

  const OpContext& ctx_;
  const HttpOptions& options_;
  const HttpRequest& request_;
  HttpReceiver* const receiver_;
  Line& line_;

  HeaderList headers_;
  HttpAnswer answer_;
  std::optional<Error> failed_;  // what the body or the receiver said, or what we found wrong
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  uint64_t body_offset_ = 0;  // read from the body
  uint64_t header_bytes_ = 0;
  int64_t last_progress_ns_ = 0;
  curl_off_t moved_bytes_ = 0;
  int connected_ = 0;
  bool receiving_ = false;  // the body goes to the receiver
  bool headers_given_ = false;
};

class CurlTransport : public HttpTransport {
 public:
  explicit CurlTransport(const HttpOptions& options) : options_(options) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  }

  HttpExchange Perform(const OpContext& ctx, const HttpRequest& request, HttpReceiver* receiver) override {
    if (const Status allowed = ctx.Check(); !allowed.ok()) return {.sent = false, .answer = allowed.error()};
    std::unique_ptr<Line> line = Take();
    HttpExchange exchange = Exchange(ctx, options_, request, receiver, *line).Run();
    Give(std::move(line));
    return exchange;
  }

 private:
  std::unique_ptr<Line> Take() {
    MutexLock lock(mu_);
    if (idle_.empty()) return std::make_unique<Line>();
    std::unique_ptr<Line> line = std::move(idle_.back());
    idle_.pop_back();
    return line;
  }
  void Give(std::unique_ptr<Line> line) {
    MutexLock lock(mu_);
    if (idle_.size() < options_.max_idle_connections) idle_.push_back(std::move(line));
  }

  const HttpOptions options_;

  Mutex mu_;
  std::vector<std::unique_ptr<Line>> idle_ GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<HttpTransport> NewCurlTransport(const HttpOptions& options) {
  return std::make_unique<CurlTransport>(options);
}

}  // namespace pailfs::s3client
