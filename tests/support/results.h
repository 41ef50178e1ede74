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
#define ASSERT_ERRC(expr, errc) ASSERT_TRUE((expr).Is(errc))
#define EXPECT_ERRC(expr, errc)                                                                                       \
  do {                                                                                                                \
    const auto& errc_result = (expr);                                                                                 \
    EXPECT_TRUE(errc_result.Is(errc)) << (errc_result.ok() ? std::string("succeeded")                                 \
                                                           : std::string(ErrcName(errc_result.error().code)) + ": " + \
                                                                 errc_result.error().message);                        \
  } while (false)
