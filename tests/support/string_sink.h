// A sink that keeps what it gets.
#pragma once

#include <span>
#include <string>

#include "base/object_store.h"
#include "base/str.h"

namespace pailfs {

class StringSink : public BodySink {
 public:
  Status Write(std::span<const std::byte> data) override {
    data_.append(AsChars(data));
    return {};
  }
  const std::string& data() const { return data_; }

 private:
  std::string data_;
};

}  // namespace pailfs
