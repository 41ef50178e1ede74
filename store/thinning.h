// Removing the noncurrent versions that the retention policy of a bucket no longer keeps.
#pragma once

#include <string_view>

#include "base/op_context.h"
#include "store/embedded_store.h"
#include "store/store_core.h"

namespace pailfs::store {

namespace pb {
class Bucket;
}

// The policy in a bucket's row; a row without one means the default.
RetentionPolicy PolicyOf(const pb::Bucket& bucket);
void SetPolicy(pb::Bucket* bucket, const RetentionPolicy& policy);

// EmbeddedStore::Thin.
Result<ThinningResult> ThinBucket(StoreCore& core, const OpContext& ctx, std::string_view bucket, ThinningMode mode);

}  // namespace pailfs::store
