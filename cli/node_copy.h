// Copies of files, links and special files that appear under their name when they are whole.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/node.h"

namespace pailfs::cli {

// ".pailfs-restore-XXXXXX": what a copy is called before it is whole. One that was killed leaves it.
bool IsTemporaryName(std::string_view name);

// Who looks on.
class CopyObserver {
 public:
  virtual ~CopyObserver() = default;
  virtual bool StopRequested() = 0;
  virtual void OnBytes(uint64_t bytes) = 0;
};

// A copy, with all metadata, of what is no directory. Removed unless it takes a name.
class TemporaryCopy {
 public:
  // In `directory`, which must stay open. Within one mount no bytes move through this process. kCancelled: a stop was
  // requested.
  static Result<TemporaryCopy> Make(const Node& source, int directory, Owners owners, CopyObserver& observer);
  ~TemporaryCopy();
  TemporaryCopy(TemporaryCopy&& other) noexcept
      : directory_(other.directory_), name_(std::exchange(other.name_, std::string())) {}
  TemporaryCopy& operator=(TemporaryCopy&&) = delete;

  // In the same directory. What has the name is replaced, unless it is a directory, or `replace` is kNever
  // (kAlreadyExists).
  enum class Replace : uint8_t { kNever, kFile };
  Status TakeName(const std::string& name, Replace replace);

 private:
  TemporaryCopy(int directory, std::string name) : directory_(directory), name_(std::move(name)) {}
  const int directory_;
  std::string name_;  // empty: it has taken one
};

}  // namespace pailfs::cli
