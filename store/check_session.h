// What the levels of a check share: the index as it will be once the log is applied, and the list of findings. Internal
// to check.cc, check_index.cc and check_data.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/check.h"
#include "store/commit_view.h"
#include "store/log_reader.h"
#include "store/records.pb.h"

namespace pailfs::store {

// Not thread-safe.
class CheckSession {
 public:
  CheckSession(FileSystem& files_in, const std::string& directory_in) : files(files_in), directory(directory_in) {}

  // `code` is one of the table in check.cc, which has the effect and the repair.
  void Add(std::string_view code, std::string object);
  // The finding's object is completed with the names of the objects that need the body.
  void AddForBody(std::string_view code, BodyId body, std::string detail);

  // Rows with `prefix` in order, with their sealed values: the log since the checkpoint over the index.
  Status ForEachRow(std::string_view prefix,
                    const std::function<void(std::string_view row, std::string_view value)>& visit) const;
  // The same, for rows that open and parse as `Message`; others are left to the check of all rows.
  template <typename Message>
  Status ForEach(std::string_view prefix,
                 const std::function<void(std::string_view row, const Message&)>& visit) const {
    return ForEachRow(prefix, [&visit](std::string_view row, std::string_view value) {
      const auto opened = OpenValue(row, value);
      Message message;
      if (!opened.ok() || !message.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size())))
        return;
      visit(row, message);
    });
  }
  // The payload of a row; nullopt when it is absent or damaged.
  Result<std::optional<std::string>> Get(const std::string& row) const;
  Result<bool> Has(const std::string& row) const;
  // nullopt: no such body.
  Result<std::optional<pb::Body>> Body(BodyId body) const;
  // One finding for each damage, however often it is met.
  void AddDamages(const LogSummary& log);
  // Puts names to the bodies that findings are about.
  Status NameBodies();

  FileSystem& files;
  const std::string directory;
  std::string store_uuid;
  std::unique_ptr<KvStore> index;
  CommitView::Overlay since_checkpoint;
  BodyId first_orphan = 1;
  std::set<uint64_t> volumes;
  std::set<BodyId> garbage;  // deleted, not freed yet
  CheckReport report;

 private:
  std::map<BodyId, std::vector<size_t>> findings_of_body_;
  std::set<std::pair<uint64_t, uint64_t>> damages_;  // volume, offset
};

Status CheckIndexRows(CheckSession& session);
Status CompareWithLog(CheckSession& session);
Status CheckBytes(CheckSession& session);

// "bucket id, key": how a row of C, V, N or U names its object; empty when it does not parse.
std::string NameOfRow(const std::map<BucketId, std::string>& buckets, std::string_view row);
Result<std::map<BucketId, std::string>> BucketNames(const CheckSession& session);

}  // namespace pailfs::store
