// Credentials that a test knows beforehand.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "s3client/credentials.h"

namespace pailfs {

// Gives the first of its credentials until it is invalidated, then the next; the last one for ever. Thread-safe.
class StaticCredentials : public s3client::CredentialsProvider {
 public:
  explicit StaticCredentials(std::vector<s3wire::Credentials> keys) : keys_(std::move(keys)) {}
  StaticCredentials(std::string id, std::string secret) : keys_{{std::move(id), std::move(secret), ""}} {}

  Result<s3client::IssuedCredentials> Get(const OpContext&) override {
    MutexLock lock(mu_);
    s3client::IssuedCredentials issued;
    issued.keys = keys_.front();
    issued.source = "a test";
    return issued;
  }
  void Invalidate(const s3wire::Credentials& used) override {
    MutexLock lock(mu_);
    ++invalidated_;
    if (keys_.size() > 1 && keys_.front().access_key_id == used.access_key_id) keys_.erase(keys_.begin());
  }
  int invalidated() const {
    MutexLock lock(mu_);
    return invalidated_;
  }

 private:
  mutable Mutex mu_;
  std::vector<s3wire::Credentials> keys_ GUARDED_BY(mu_);
  int invalidated_ GUARDED_BY(mu_) = 0;
};

}  // namespace pailfs
