#include "s3client/get_receiver.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/str.h"
#include "s3client/bodies.h"
#include "s3client/object_headers.h"

namespace pailfs::s3client {
namespace {

constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();
// What every server takes for a number.
constexpr uint64_t kMostPosition = std::numeric_limits<int64_t>::max();

uint64_t EndOf(const ByteRange& range) {
  return range.length > kMostPosition - std::min(range.offset, kMostPosition) ? kEnd : range.offset + range.length;
}

}  // namespace

void GetReceiver::Prepare(S3Request& request) {
  request.query.clear();
  request.headers.clear();
  std::string version = options_.version.version_id;
  std::optional<std::string> etag = options_.if_match;
  uint64_t from = options_.range ? options_.range->offset : 0;
  uint64_t end = options_.range ? EndOf(*options_.range) : kEnd;
  if (info_) {
    // What was begun is gone on with, whatever is current meanwhile.
    if (version.empty() && info_->version_id != "null") version = info_->version_id;
    etag = info_->etag;
    from = begin_ + delivered_;
    end = end_;
    held_back_.clear();
    if (holds_back_) ChooseCheck({});
  }
  if (!version.empty()) request.query.emplace_back("versionId", version);
  if (etag) request.headers.emplace_back("if-match", Quoted(*etag));
  const bool whole = info_ ? from == 0 && end == info_->size_bytes : from == 0 && end == kEnd;
  if (whole) {
    request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  } else {
    request.headers.emplace_back("range",
                                 end == kEnd ? StrCat("bytes=", from, "-") : StrCat("bytes=", from, "-", end - 1));
  }
}

Status GetReceiver::OnHeaders(const HttpAnswer& head) {
  if (info_) return Expect(head);
  return Begin(head);
}

// The first answer: what there is, and which bytes of it are wanted.
Status GetReceiver::Begin(const HttpAnswer& head) {
  auto described = ObjectInfoOf(key_, head);
  if (!described.ok()) {
    fatal_ = described.error();
    return fatal_;
  }
  ObjectInfo info = std::move(*described);
  begin_ = options_.range ? options_.range->offset : 0;
  end_ = std::min(options_.range ? EndOf(*options_.range) : kEnd, info.size_bytes);
  const bool whole = begin_ == 0 && end_ == info.size_bytes;
  if (head.status == 200 && !whole) {
    fatal_ = Error{Errc::kUnsupported, "the server ignores ranges"};
    return fatal_;
  }
  info_ = std::move(info);
  if (const Status expected = Expect(head); !expected.ok()) {
    info_.reset();
    return expected;
  }
  if (whole) ChooseCheck(head);
  holds_back_ = check_ != Check::kNone && end_ <= kMostHeldBackBytes;
  return {};
}

// Any answer: the same object, and exactly the bytes that are missing.
Status GetReceiver::Expect(const HttpAnswer& head) {
  ASSIGN_OR_RETURN(const ObjectInfo info, ObjectInfoOf(key_, head));
  if (info.etag != info_->etag || info.size_bytes != info_->size_bytes) {
    return Error{Errc::kUnavailable, "the object was replaced while it was read"};
  }
  const uint64_t from = begin_ + delivered_;
  if (const std::string* length = head.Find("content-length");
      length == nullptr || ParseUint(*length) != std::optional<uint64_t>(end_ - from)) {
    return Error{Errc::kUnavailable, StrCat("an answer of ", length != nullptr ? *length : "unknown", " bytes where ",
                                            end_ - from, " were asked for")};
  }
  if (head.status == 200 && from == 0) return {};
  const std::string* range = head.Find("content-range");
  if (head.status != 206 || range == nullptr) return Error{Errc::kUnavailable, "an answer without Content-Range"};
  ASSIGN_OR_RETURN(const ContentRange sent, ParseContentRange(*range));
  if (sent.first == from && sent.last + 1 == end_) return {};
  return Error{Errc::kUnavailable, StrCat("other bytes than were asked for: ", *range)};
}

// With an answer: decides how the whole object is verified. Without: begins anew.
void GetReceiver::ChooseCheck(const HttpAnswer& head) {
  if (head.status != 0) {
    const auto full = [&head](std::string_view name) -> std::string {
      const std::string* value = head.Find(name);
      const std::string* type = head.Find("x-amz-checksum-type");
      const bool composite = type != nullptr && *type == "COMPOSITE";
      return value == nullptr || composite || value->find('-') != std::string::npos ? "" : *value;
    };
    if (expected_ = full("x-amz-checksum-crc32c"); !expected_.empty()) {
      check_ = Check::kCrc32c;
    } else if (expected_ = full("x-amz-checksum-sha256"); !expected_.empty()) {
      check_ = Check::kSha256;
    } else if (etags_are_md5_ && !(expected_ = Md5OfEtag(head, info_->etag)).empty()) {
      check_ = Check::kMd5;
    }
  }
  crc32c_ = 0;
  if (check_ == Check::kMd5) md5_.emplace();
  if (check_ == Check::kSha256) sha256_.emplace();
}

void GetReceiver::Digest(std::span<const std::byte> data) {
  if (check_ == Check::kCrc32c) crc32c_ = Crc32c(data, crc32c_);
  if (check_ == Check::kMd5) md5_->Update(data);
  if (check_ == Check::kSha256) sha256_->Update(data);
}

bool GetReceiver::Matches() {
  switch (check_) {
    case Check::kNone:
      return true;
    case Check::kCrc32c:
      return Crc32cBase64(crc32c_) == expected_;
    case Check::kMd5:
      return Hex(md5_->Finish()) == expected_;
    case Check::kSha256: {
      const Sha256Digest digest = sha256_->Finish();
      return Base64Encode({reinterpret_cast<const char*>(digest.data()), digest.size()}) == expected_;
    }
  }
  return false;
}

Status GetReceiver::OnData(std::span<const std::byte> data) {
  const uint64_t have = delivered_ + held_back_.size();
  if (!info_ || data.size() > end_ - begin_ - have) return Error{Errc::kUnavailable, "more bytes than were asked for"};
  Digest(data);
  if (!holds_back_) return Deliver(data);
  held_back_.append(AsChars(data));
  return {};
}

Status GetReceiver::Deliver(std::span<const std::byte> data) {
  if (const Status written = sink_.Write(data); !written.ok()) {
    fatal_ = written;
    return written;
  }
  delivered_ += data.size();
  progress_ = true;
  return {};
}

bool GetReceiver::TakeProgress() {
  return std::exchange(progress_, false);
}

Status GetReceiver::Finish() {
  if (!info_) return Error{Errc::kCorrupt, "a success without headers"};
  if (delivered_ + held_back_.size() != end_ - begin_) return Error{Errc::kUnavailable, "the answer was cut short"};
  if (!Matches()) return Error{Errc::kCorrupt, "the bytes that arrived are not the object's"};
  if (!held_back_.empty()) return Deliver(AsBytes(held_back_));
  return {};
}

}  // namespace pailfs::s3client
