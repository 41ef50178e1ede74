#include "tests/support/s3_quirks.h"

#include <algorithm>

namespace pailfs {

const std::vector<std::string_view>& S3QuirkNames() {
  static const std::vector<std::string_view> names = {"ignore-put-conditions",
                                                      "ignore-versioned-put-conditions",
                                                      "ignore-complete-conditions",
                                                      "ignore-copy-conditions",
                                                      "ignore-copy-source-conditions",
                                                      "ignore-delete-conditions",
                                                      "unquoted-if-match-only",
                                                      "empty-complete-etag",
                                                      "no-batch-delete",
                                                      "no-checksums",
                                                      "list-metadata",
                                                      "redirect-wrong-region",
                                                      "html-errors",
                                                      "html-answers",
                                                      "whole-second-times",
                                                      "no-date"};
  return names;
}

std::optional<S3Quirk> S3QuirkOf(std::string_view name) {
  const auto& names = S3QuirkNames();
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return {};
  return static_cast<S3Quirk>(at - names.begin());
}

}  // namespace pailfs
