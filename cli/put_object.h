// Storing a file or standard input as an object, in parts where S3 needs that.
#pragma once

#include <string>
#include <string_view>

#include "base/object_store.h"
#include "base/result.h"

namespace pailfs::cli {

// `path` "-": standard input, kept in an unnamed temporary file first where it is not a file already.
Result<PutResult> PutFile(ObjectStore& bucket, std::string_view key, const std::string& path,
                          const PutOptions& options);

}  // namespace pailfs::cli
