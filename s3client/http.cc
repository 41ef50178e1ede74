#include "s3client/http.h"

namespace pailfs::s3client {

const std::string* HttpAnswer::Find(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace pailfs::s3client
