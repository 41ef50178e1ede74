// An embedded store on a simulated disk, with small limits so that volumes, body files and checkpoints all occur, and
// what tests of check, rebuild and compaction need of it: histories, its rows, planted damage.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/str.h"
#include "store/check.h"
#include "store/embedded_store.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/results.h"
#include "tests/support/string_sink.h"

namespace pailfs::store {

EmbeddedStoreOptions SmallOptions();
// Bytes that differ everywhere, from a seed.
std::string Bytes(uint64_t seed, size_t size);

// Open, with one bucket, from the start.
class StoreHarness {
 public:
  inline static const std::string kDirectory = "/store";

  explicit StoreHarness(uint64_t seed = 1) : random(seed) { Open(); }
  ~StoreHarness() { Close(); }

  // Opens the store and its bucket, which is made with this versioning if need be.
  void Open(VersioningState versioning = VersioningState::kEnabled);
  void Close();
  // Leaves the store closed.
  void LosePower(Survival survival);

  // These expect success.
  PutResult Put(const std::string& key, const std::string& data);
  void Delete(const std::string& key, const std::string& version_id = "");
  void Copy(const std::string& from, const std::string& to);
  // A multipart upload; with `source` its last part is copied from the first 1,000 bytes of that.
  void PutParts(const std::string& key, int parts, const std::string& source = "");
  std::vector<ObjectInfo> Versions();
  // What a client can see: "key version-id[ latest]" -> bytes, or "marker".
  std::map<std::string, std::string> Contents();
  void RandomHistory(int steps, bool compacting);

  // --- of the closed store ---
  // All rows of the index but the checkpoint's.
  std::map<std::string, std::string> Rows();
  void SetRow(const std::string& row, std::optional<std::string> value);
  void SetPayload(const std::string& row, std::string_view payload);
  std::string Payload(const std::string& row);
  std::string FirstRow(std::string_view table);
  void FlipByte(const std::string& path, uint64_t offset);
  CheckReport Check(CheckLevel level);
  // "code: object" lines.
  std::string Findings(CheckLevel level);

  const OpContext ctx;
  ManualClock clock;
  SeededRandom random;
  Metrics metrics;
  FaultyFileSystem files;
  EmbeddedStoreOptions options = SmallOptions();
  std::unique_ptr<EmbeddedStore> store;
  std::unique_ptr<ObjectStore> bucket;
};

}  // namespace pailfs::store
