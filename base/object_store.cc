#include "base/object_store.h"

#include <strings.h>

#include <cstring>

namespace pailfs {
namespace {

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

const std::string* FindMetadata(const UserMetadata& metadata, std::string_view name) {
  for (const auto& [key, value] : metadata) {
    if (SameName(key, name)) return &value;
  }
  return nullptr;
}

void SetMetadata(UserMetadata& metadata, std::string_view name, std::string value) {
  for (auto& [key, old] : metadata) {
    if (SameName(key, name)) {
      old = std::move(value);
      return;
    }
  }
  metadata.emplace_back(std::string(name), std::move(value));
}

Status StringBody::ReadAt(uint64_t offset, std::span<std::byte> buffer) {
  if (offset > data_.size() || buffer.size() > data_.size() - offset) {
    return Error{Errc::kInternal, "a read beyond the end of a body"};
  }
  if (!buffer.empty()) std::memcpy(buffer.data(), data_.data() + offset, buffer.size());
  return {};
}

}  // namespace pailfs
