// The server behind s3://: what options, environment and profile say of it, and the bucket that they lead to.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/metrics.h"
#include "base/object_store.h"
#include "base/result.h"
#include "cli/mount_settings.h"
#include "cli/source.h"
#include "s3client/credentials.h"
#include "s3client/http.h"
#include "s3client/s3_store.h"

namespace pailfs::cli {

// The settings with endpoint, region, CA file and addressing filled in, as AWS users expect: options before environment
// before profile. kInvalidArgument: a file that is wrong, a profile that is not there.
Result<S3Settings> ResolveS3(const S3Settings& settings, FileSystem& files, const s3client::Environment& environment);

// A bucket, with all that serves it.
class S3Connection {
 public:
  // `settings` from ResolveS3. `known`: what ServerText gave for this bucket before; empty or of no use: the server is
  // tried out anew. Errors as S3Store::Open; their messages say what to do.
  enum class Use : uint8_t {
    kReadOnly,
    kBriefly,  // a few requests: it is not worth finding out what the server can do
    kMount,
  };
  static Result<std::unique_ptr<S3Connection>> Open(const Source& source, const S3Settings& settings, Use use,
                                                    FileSystem& files, Metrics& metrics, std::string_view known);

  ObjectStore& bucket() { return *store_; }
  // What the server can do, to be remembered and given to Open again.
  std::string ServerText() const { return store_->traits().ToText(); }
  // The same for people.
  std::vector<std::pair<std::string, std::string>> Describe() const;

 private:
  S3Connection() = default;

  std::string endpoint_;
  std::unique_ptr<s3client::HttpTransport> transport_;
  std::unique_ptr<s3client::CredentialsProvider> credentials_;
  std::unique_ptr<s3client::S3Store> store_;
};

}  // namespace pailfs::cli
