#include "base/metrics.h"

namespace pailfs {

Counter& Metrics::counter(std::string_view name) {
  MutexLock lock(mu_);
  const auto it = counters_.find(name);
  if (it != counters_.end()) return *it->second;
  return *counters_.emplace(std::string(name), std::make_unique<Counter>()).first->second;
}

std::map<std::string, int64_t> Metrics::Snapshot() const {
  MutexLock lock(mu_);
  std::map<std::string, int64_t> values;
  for (const auto& [name, counter] : counters_) values[name] = counter->value();
  return values;
}

}  // namespace pailfs
