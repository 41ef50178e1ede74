// Expectations about Result and Status.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

#define ASSERT_OK(expr)                                                        \
  do {                                                                         \
    const auto& ok_result = (expr);                                            \
    ASSERT_TRUE(ok_result.ok()) << #expr << ": " << ok_result.error().message; \
  } while (false)
#define EXPECT_OK(expr)                                                        \
  do {                                                                         \
    const auto& ok_result = (expr);                                            \
    EXPECT_TRUE(ok_result.ok()) << #expr << ": " << ok_result.error().message; \
  } while (false)
// What came instead of an error of the code that was expected.
template <typename T>
std::string Outcome(const T& result) {
  if (result.ok()) return "succeeded";
  return std::string(pailfs::ErrcName(result.error().code)) + ": " + result.error().message;
}
#define ASSERT_ERRC(expr, errc)                                \
  do {                                                         \
    const auto& errc_result = (expr);                          \
    ASSERT_TRUE(errc_result.Is(errc)) << Outcome(errc_result); \
  } while (false)
#define EXPECT_ERRC(expr, errc)                                \
  do {                                                         \
    const auto& errc_result = (expr);                          \
    EXPECT_TRUE(errc_result.Is(errc)) << Outcome(errc_result); \
  } while (false)
