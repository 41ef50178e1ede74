// Runs the suite but for what the servers behind the stores cannot do, and says what that is.

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "tests/conformance/bucket_under_test.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string filter = GTEST_FLAG_GET(filter);
  bool excludes = filter.find('-') != std::string::npos;
  for (const auto& factory : pailfs::conformance::Factories()) {
    for (const auto& [test, reason] : factory.manners.cannot) {
      const bool one_kind = test.find('/') != std::string::npos;
      const std::string pattern = "*." + test + (one_kind ? "" : "/" + factory.name + "*");
      std::cout << "Not run: " << pattern << ": " << reason << std::endl;
      filter += (excludes ? ":" : "-") + pattern;
      excludes = true;
    }
  }
  GTEST_FLAG_SET(filter, filter);
  return RUN_ALL_TESTS();
}
