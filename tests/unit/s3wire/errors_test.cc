#include "base/s3wire/errors.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace pailfs::s3wire {
namespace {

struct Case {
  int status;
  const char* s3_code;
  Errc code;
  RetryClass retry;
};

TEST(S3Errors, CodesOfS3) {
  using enum RetryClass;
  const std::vector<Case> cases{
      {404, "NoSuchKey", Errc::kNotFound, kNever},
      {404, "NoSuchVersion", Errc::kNotFound, kNever},
      {404, "NoSuchBucket", Errc::kNotFound, kNever},
      {404, "NoSuchUpload", Errc::kNotFound, kNever},
      {412, "PreconditionFailed", Errc::kPreconditionFailed, kNever},
      {409, "ConditionalRequestConflict", Errc::kBusy, kLater},
      {409, "OperationAborted", Errc::kBusy, kLater},
      {409, "BucketNotEmpty", Errc::kNotEmpty, kNever},
      {409, "BucketAlreadyOwnedByYou", Errc::kAlreadyExists, kNever},
      {409, "BucketAlreadyExists", Errc::kAlreadyExists, kNever},
      {403, "AccessDenied", Errc::kAccessDenied, kNever},
      {403, "SignatureDoesNotMatch", Errc::kAccessDenied, kNever},
      {403, "RequestTimeTooSkewed", Errc::kAccessDenied, kNever},
      {403, "InvalidObjectState", Errc::kNotPermitted, kNever},
      {503, "SlowDown", Errc::kUnavailable, kLater},
      {500, "InternalError", Errc::kUnavailable, kLater},
      {503, "ServiceUnavailable", Errc::kUnavailable, kLater},
      {400, "RequestTimeout", Errc::kUnavailable, kLater},
      {400, "EntityTooLarge", Errc::kTooLarge, kNever},
      {400, "EntityTooSmall", Errc::kInvalidArgument, kNever},
      {400, "InvalidPart", Errc::kInvalidArgument, kNever},
      {400, "InvalidArgument", Errc::kInvalidArgument, kNever},
      {400, "InvalidRequest", Errc::kInvalidArgument, kNever},
      {416, "InvalidRange", Errc::kRange, kNever},
      {400, "KeyTooLongError", Errc::kNameTooLong, kNever},
      {400, "MetadataTooLarge", Errc::kTooLarge, kNever},
      {400, "BadDigest", Errc::kCorrupt, kLater},
      {301, "PermanentRedirect", Errc::kInvalidArgument, kNever},
      {307, "TemporaryRedirect", Errc::kUnavailable, kLater},
      {501, "NotImplemented", Errc::kUnsupported, kNever},
      {405, "MethodNotAllowed", Errc::kUnsupported, kNever},
      {404, "NoSuchTagSet", Errc::kNoData, kNever},
      {403, "QuotaExceeded", Errc::kNoSpace, kLater},
      // The code tells more than the status.
      {200, "InternalError", Errc::kUnavailable, kLater},
      {200, "NoSuchUpload", Errc::kNotFound, kNever},
      {400, "NoSuchKey", Errc::kNotFound, kNever},
  };
  for (const Case& c : cases) {
    const Failure failure = FailureOf(c.status, c.s3_code);
    EXPECT_EQ(ErrcName(failure.code), ErrcName(c.code)) << c.status << " " << c.s3_code;
    EXPECT_EQ(failure.retry, c.retry) << c.status << " " << c.s3_code;
  }
}

TEST(S3Errors, StatusesAlone) {
  using enum RetryClass;
  const std::vector<Case> cases{
      {301, "", Errc::kInvalidArgument, kNever},
      {304, "", Errc::kPreconditionFailed, kNever},
      {307, "", Errc::kUnavailable, kLater},
      {400, "", Errc::kInvalidArgument, kNever},
      {401, "", Errc::kAccessDenied, kNever},
      {403, "", Errc::kAccessDenied, kNever},
      {404, "", Errc::kNotFound, kNever},
      {405, "", Errc::kUnsupported, kNever},
      {408, "", Errc::kUnavailable, kLater},
      {409, "", Errc::kBusy, kLater},
      {412, "", Errc::kPreconditionFailed, kNever},
      {413, "", Errc::kTooLarge, kNever},
      {416, "", Errc::kRange, kNever},
      {418, "SomethingNew", Errc::kInvalidArgument, kNever},
      {429, "", Errc::kUnavailable, kLater},
      {500, "", Errc::kUnavailable, kLater},
      {501, "", Errc::kUnsupported, kNever},
      {502, "", Errc::kUnavailable, kLater},
      {503, "", Errc::kUnavailable, kLater},
      {504, "", Errc::kUnavailable, kLater},
      {507, "", Errc::kNoSpace, kLater},
      {200, "SomethingNew", Errc::kUnavailable, kLater},
      {0, "", Errc::kUnavailable, kLater},
  };
  for (const Case& c : cases) {
    const Failure failure = FailureOf(c.status, c.s3_code);
    EXPECT_EQ(ErrcName(failure.code), ErrcName(c.code)) << c.status << " " << c.s3_code;
    EXPECT_EQ(failure.retry, c.retry) << c.status << " " << c.s3_code;
  }
}

TEST(S3Errors, WhatTheServerGaveUpOnMayHaveHappened) {
  EXPECT_TRUE(FailureOf(500, "InternalError").may_have_happened);
  EXPECT_TRUE(FailureOf(200, "InternalError").may_have_happened);
  EXPECT_TRUE(FailureOf(502, "").may_have_happened);
  EXPECT_TRUE(FailureOf(504, "").may_have_happened);
  EXPECT_FALSE(FailureOf(503, "SlowDown").may_have_happened);
  EXPECT_FALSE(FailureOf(200, "SlowDown").may_have_happened);
  EXPECT_FALSE(FailureOf(503, "").may_have_happened);
  EXPECT_FALSE(FailureOf(412, "PreconditionFailed").may_have_happened);
  EXPECT_FALSE(FailureOf(200, "NoSuchUpload").may_have_happened);
  EXPECT_FALSE(FailureOf(307, "").may_have_happened);
}

TEST(S3Errors, MessagesSayWhatTheServerSaid) {
  EXPECT_EQ(ErrorOf(404, {}).message, "S3 answered 404");
  const Error error = ErrorOf(404, {.code = "NoSuchKey",
                                    .message = "The specified key does not exist.",
                                    .resource = "/examplebucket/k",
                                    .request_id = "4442587FB7D0A2F9",
                                    .endpoint = {},
                                    .region = {}});
  EXPECT_EQ(error.code, Errc::kNotFound);
  EXPECT_EQ(error.message, "S3 answered 404 NoSuchKey: The specified key does not exist. (request 4442587FB7D0A2F9)");
  const Error redirect = ErrorOf(301, {.code = "PermanentRedirect",
                                       .message = {},
                                       .resource = {},
                                       .request_id = {},
                                       .endpoint = "b.s3.eu-west-1.amazonaws.com",
                                       .region = "eu-west-1"});
  EXPECT_EQ(redirect.message,
            "S3 answered 301 PermanentRedirect; sign for the region eu-west-1; ask b.s3.eu-west-1.amazonaws.com");
}

TEST(S3Errors, MessagesAreOneBoundedLine) {
  ErrorDocument document;
  document.code = "Odd\r\nCode";
  document.message = std::string(kMaxMessageBytes - 1, 'x') + "üü";
  const std::string message = ErrorOf(400, document).message;
  EXPECT_EQ(message, "S3 answered 400 Odd  Code: " + std::string(kMaxMessageBytes - 1, 'x') + "...");
  document.message = std::string(1 << 20, '\x80');
  document.region = document.endpoint = document.request_id = document.code = document.message;
  EXPECT_LT(ErrorOf(400, document).message.size(), 1000U);
}

}  // namespace
}  // namespace pailfs::s3wire
