// Commands on a store as a whole. Exit codes: 0; 1 for findings or a clear "no" (not there, there already); 2 for
// trouble.
#pragma once

#include <string>

namespace pailfs::cli {

int InitStoreCommand(const std::string& directory, const std::string& bucket);
// `level`: "quick", "index" or "data".
int CheckStoreCommand(const std::string& directory, const std::string& level);
int RebuildStoreCommand(const std::string& directory);

int ListBucketsCommand(const std::string& directory);
int CreateBucketCommand(const std::string& directory, const std::string& bucket, const std::string& versioning);
int DeleteBucketCommand(const std::string& directory, const std::string& bucket);
// Without a `state` ("on", "suspended") tells the present one.
int VersioningCommand(const std::string& directory, const std::string& bucket, const std::string& state);

}  // namespace pailfs::cli
