#include "tests/support/rgw/rgw_bucket.h"

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/s3wire/xml_write.h"
#include "base/str.h"
#include "s3client/endpoint.h"
#include "tests/support/rgw/rgw_server.h"

namespace pailfs {
namespace {

// A server that does not do what tests begin with is no server to test with.
template <typename T>
T OrEnd(Result<T> result) {
  if (result.ok()) return std::move(*result);
  std::cerr << "Ceph RGW: " << result.error().message << std::endl;
  std::abort();
}

}  // namespace

RgwBucket::RgwBucket(VersioningState versioning)
    : credentials_(Rgw().access_key_id, Rgw().secret_access_key), transport_(s3client::NewCurlTransport({})) {
  static std::atomic<int> number{0};
  options_.bucket = StrCat("test-", ++number, "-", SystemRandom().Below(1'000'000'000));
  options_.endpoint = Rgw().endpoint;
  options_.region = Rgw().region;
  caller_ = std::make_shared<s3client::S3Caller>(*transport_, credentials_, SystemClock(), SystemRandom(), metrics_,
                                                 options_, OrEnd(s3client::ParseEndpoint(options_.endpoint)));
  Send("PUT", {}, "");
  if (versioning != VersioningState::kOff) SetVersioning(versioning);
}

RgwBucket::~RgwBucket() {
  Empty();
  Send("DELETE", {}, "");
}

void RgwBucket::SetVersioning(VersioningState versioning) {
  Send("PUT", {{"versioning", ""}}, OrEnd(s3wire::WriteVersioning(versioning)));
  versioning_ = versioning;
}

std::unique_ptr<s3client::S3Store> RgwBucket::Open(const std::optional<s3client::ServerTraits>& known) {
  return OrEnd(
      s3client::S3Store::Open({}, *transport_, credentials_, SystemClock(), SystemRandom(), metrics_, options_, known));
}

void RgwBucket::Send(std::string_view method, s3wire::Query query, std::string_view data) {
  StringBody body(data);
  s3client::S3Request request;
  request.method = method;
  request.query = std::move(query);
  request.body = &body;
  request.payload_hash = Hex(Sha256Of(data));
  OrEnd(caller_->Call(OpContext{}, request));
}

void RgwBucket::Empty() {
  const OpContext ctx;
  // Nothing of what is deleted here needs to be known.
  const auto store = Open(s3client::ServerTraits{.versioning = versioning_});
  for (const MultipartUpload& upload : OrEnd(store->ListMultipartUploads(ctx, ""))) {
    (void)store->AbortMultipartUpload(ctx, upload.key, upload.upload_id);
  }
  for (;;) {
    const ListVersionsPage page = OrEnd(store->ListVersions(ctx, {}));
    if (page.versions.empty()) return;
    std::vector<DeleteItem> items;
    for (const ObjectInfo& version : page.versions) items.push_back({version.key, version.version_id, {}});
    OrEnd(store->DeleteBatch(ctx, items));
  }
}

}  // namespace pailfs
