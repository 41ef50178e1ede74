// An S3Store over a scripted server.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/hash.h"
#include "base/metrics.h"
#include "base/random.h"
#include "s3client/s3_store_impl.h"
#include "tests/support/results.h"
#include "tests/support/static_credentials.h"
#include "tests/support/string_sink.h"
#include "tests/unit/s3client/scripted_transport.h"

namespace pailfs::s3client {

class StoreFixture : public testing::Test {
 protected:
  StoreFixture() {
    options_.bucket = "bucket";
    options_.endpoint = "http://s3.test";
    options_.retry.base_delay_ns = 1000;
    options_.retry.max_delay_ns = 1000;
    traits_.probed_at_us = 1;
    traits_.put_if_absent = traits_.complete_conditions = traits_.copy_conditions = true;
    traits_.copy_source_conditions = traits_.delete_if_match = traits_.batch_delete = traits_.etag_is_md5 = true;
    traits_.put_if_match = IfMatchForm::kQuoted;
  }

  S3StoreImpl& store() {
    if (!store_) {
      auto endpoint = options_.endpoint.empty() ? AwsEndpoint("us-east-1") : *ParseEndpoint(options_.endpoint);
      caller_ = std::make_shared<S3Caller>(transport_, credentials_, clock_, random_, metrics_, options_, endpoint);
      store_ = std::make_unique<S3StoreImpl>(caller_, options_, traits_);
    }
    return *store_;
  }
  Result<PutResult> Put(std::string_view data, const Conditions& conditions = {}) {
    StringBody body(data);
    PutOptions options;
    options.conditions = conditions;
    return store().Put(ctx_, "k", body, options);
  }
  Result<std::string> Get(const GetOptions& options = {}) {
    StringSink sink;
    const auto got = store().Get(ctx_, "k", options, sink);
    received_ = sink.data();
    RETURN_IF_ERROR(got);
    return sink.data();
  }
  static Reply Stored(std::string_view data, const std::string& version_id = "") {
    Reply reply;
    reply.headers = {{"etag", Quoted(Hex(Md5Of(data)))}};
    if (!version_id.empty()) reply.headers.emplace_back("x-amz-version-id", version_id);
    return reply;
  }
  static Reply Object(std::string_view data) {
    Reply reply = Stored(data);
    reply.headers.emplace_back("content-length", StrCat(data.size()));
    reply.headers.emplace_back("last-modified", "Fri, 24 May 2013 00:00:00 GMT");
    reply.body = data;
    return reply;
  }
  static Reply Xml(const std::string& body) { return {.status = 200, .headers = {}, .body = body, .error = {}}; }
  static Reply Status404() { return {.status = 404, .headers = {}, .body = "", .error = {}}; }

  OpContext ctx_;
  S3Options options_;
  ServerTraits traits_;
  ScriptedTransport transport_;
  StaticCredentials credentials_{{{"ID1", "secret1", ""}, {"ID2", "secret2", ""}}};
  ManualClock clock_{1'369'353'600'000'000'000};  // 2013-05-24T00:00:00Z
  SeededRandom random_{1};
  Metrics metrics_;
  std::shared_ptr<S3Caller> caller_;
  std::unique_ptr<S3StoreImpl> store_;
  std::string received_;  // by the last Get
};

}  // namespace pailfs::s3client
