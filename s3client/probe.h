// Finds out by trying what a server does with conditions, checksums and the rest. Every condition that must fail has to
// fail and every one that must hold has to hold, or it is not relied upon.
#pragma once

#include <memory>
#include <optional>

#include "base/object_store.h"
#include "base/random.h"
#include "base/result.h"
#include "s3client/caller.h"
#include "s3client/server_traits.h"

namespace pailfs::s3client {

// `versioning`: nullopt where the server does not say; then it shows in what a Put answers. Works under keys
// ".pailfs/probe-…" and removes what it made. Without permission to write: probed_at_us is 0, and so it is where the
// server refuses what every S3 server does. kUnavailable and the like: it did not answer.
Result<ServerTraits> ProbeServer(const OpContext& ctx, const std::shared_ptr<S3Caller>& caller, Random& random,
                                 const S3Options& options, std::optional<VersioningState> versioning);

}  // namespace pailfs::s3client
