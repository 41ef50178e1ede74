#include "store/commit_view.h"

#include <google/protobuf/message_lite.h>

namespace pailfs::store {
namespace {

const CommitView::Overlay kNothing;

}  // namespace

CommitView::CommitView(const KvStore& index) : CommitView(index, kNothing, 0, [] { return uint64_t{0}; }) {}

Result<std::optional<std::string>> CommitView::Get(std::string_view row) const {
  for (const Overlay* overlay : {static_cast<const Overlay*>(&own_), &group_}) {
    const auto it = overlay->find(row);
    if (it == overlay->end()) continue;
    if (!it->second) return std::optional<std::string>();
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *it->second));
    return std::optional<std::string>(std::string(opened.payload));
  }
  ASSIGN_OR_RETURN(const auto value, index_.Get(row));
  if (!value) return std::optional<std::string>();
  ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(row, *value));
  return std::optional<std::string>(std::string(opened.payload));
}

Status CommitView::Scan(std::string_view prefix,
                        const std::function<bool(std::string_view, std::string_view)>& visit) const {
  KvIterator it = index_.NewIterator();
  it.Seek(prefix);
  auto own = own_.lower_bound(prefix);
  auto group = group_.lower_bound(prefix);
  const auto inside = [&prefix](std::string_view row) { return row.starts_with(prefix); };
  for (;;) {
    // The least row of the three; the uppermost layer that has it decides.
    std::optional<std::string> row;
    const auto consider = [&row](std::string_view candidate) {
      if (!row || candidate < *row) row = std::string(candidate);
    };
    if (it.Valid() && inside(it.key())) consider(it.key());
    if (group != group_.end() && inside(group->first)) consider(group->first);
    if (own != own_.end() && inside(own->first)) consider(own->first);
    if (!row) return it.status();
    std::optional<std::string> value;
    if (it.Valid() && it.key() == *row) {
      value = std::string(it.value());
      it.Next();
    }
    if (group != group_.end() && group->first == *row) value = (group++)->second;
    if (own != own_.end() && own->first == *row) value = (own++)->second;
    if (!value) continue;
    ASSIGN_OR_RETURN(const OpenedValue opened, OpenValue(*row, *value));
    if (!visit(*row, opened.payload)) return {};
  }
}

void CommitView::Put(const std::string& row, std::string_view payload) {
  own_[row] = SealValue(row, seq_, payload);
}
void CommitView::Put(const std::string& row, const google::protobuf::MessageLite& message) {
  Put(row, message.SerializeAsString());
}
void CommitView::Delete(const std::string& row) {
  own_[row] = std::nullopt;
}

}  // namespace pailfs::store
