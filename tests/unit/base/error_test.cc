#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

#include "base/result.h"

namespace pailfs {
namespace {

TEST(ErrorTable, EveryCodeHasARow) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    const Errc code = static_cast<Errc>(i);
    EXPECT_FALSE(ErrcName(code).empty());
    EXPECT_TRUE(names.insert(ErrcName(code)).second) << ErrcName(code);
    EXPECT_GT(ErrcToErrno(code), 0) << ErrcName(code);
    EXPECT_FALSE(ErrcToS3Code(code).empty()) << ErrcName(code);
  }
}

TEST(ErrorTable, ErrnoAndBack) {
  // Codes that share another code's errno come back as that one.
  const std::set<Errc> shared{
      Errc::kPreconditionFailed, Errc::kUnavailable, Errc::kAmbiguous, Errc::kCorrupt, Errc::kIo, Errc::kInternal};
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    const Errc code = static_cast<Errc>(i);
    const Errc back = ErrcFromErrno(ErrcToErrno(code));
    EXPECT_EQ(ErrcToErrno(back), ErrcToErrno(code)) << ErrcName(code);
    if (!shared.contains(code)) {
      EXPECT_EQ(back, code) << ErrcName(code);
    }
  }
  EXPECT_EQ(ErrcFromErrno(ENOTTY), Errc::kIo);
  EXPECT_EQ(ErrcFromErrno(EDQUOT), Errc::kNoSpace);
}

TEST(ErrorTable, OnlyAnUnknownOutcomeIsAsked) {
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    const Errc code = static_cast<Errc>(i);
    EXPECT_EQ(ErrcRetryClass(code) == RetryClass::kAsk, code == Errc::kAmbiguous) << ErrcName(code);
  }
  EXPECT_EQ(ErrcRetryClass(Errc::kUnavailable), RetryClass::kLater);
  EXPECT_EQ(ErrcRetryClass(Errc::kPreconditionFailed), RetryClass::kNever);
}

TEST(Error, MessagesSayWhatAndWhy) {
  const Error error = ErrnoError(ENOSPC, "/cache/data/7");
  EXPECT_EQ(error.code, Errc::kNoSpace);
  EXPECT_EQ(error.message, "/cache/data/7: No space left on device");
  EXPECT_EQ(error.With("uploading a.jpg").message, "uploading a.jpg: /cache/data/7: No space left on device");
  EXPECT_EQ(error.With("uploading a.jpg").code, Errc::kNoSpace);
}

Result<int> Half(int n) {
  if (n % 2 != 0) return Error{Errc::kInvalidArgument, "odd"};
  return n / 2;
}

Result<std::string> QuarterText(int n) {
  RETURN_IF_ERROR(Half(n));
  ASSIGN_OR_RETURN(const int half, Half(n));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return std::to_string(quarter);
}

TEST(Result, PassesValuesAndErrorsOn) {
  EXPECT_EQ(*QuarterText(12), "3");
  EXPECT_TRUE(QuarterText(6).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(QuarterText(7).Is(Errc::kInvalidArgument));
  EXPECT_FALSE(QuarterText(12).Is(Errc::kInvalidArgument));
}

}  // namespace
}  // namespace pailfs
