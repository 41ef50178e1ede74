#include "cli/diff_command.h"

#include <cerrno>
#include <optional>

#include "base/str.h"
#include "cli/exit_codes.h"
#include "cli/file_limit.h"
#include "cli/text_output.h"
#include "cli/tree_diff.h"

namespace pailfs::cli {
namespace {

struct ChangeNames {
  char letter;
  std::string_view word;
};

ChangeNames NamesOf(Change change) {
  switch (change) {
    case Change::kAdded:
      return {'A', "added"};
    case Change::kChanged:
      return {'M', "changed"};
    case Change::kDeleted:
      return {'D', "deleted"};
    case Change::kType:
      return {'T', "type"};
    case Change::kMetadata:
      return {'m', "metadata"};
  }
  return {'?', ""};
}

class Printer : public DiffObserver {
 public:
  explicit Printer(bool json) : json_(json), lines_(json) {}
  void OnChange(Change change, const std::string& path) override {
    any_ = true;
    const ChangeNames names = NamesOf(change);
    if (!json_) return Print(StrCat(names.letter, ' ', Printable(path), '\n'));
    JsonWriter json;
    json.BeginObject();
    json.Field("change", names.word);
    json.Field("path", path);
    json.EndObject();
    lines_.Add(json);
  }
  void OnFailure(const std::string& path, const Error& error) override {
    failed_ = true;
    Say(StrCat(Printable(path), ": ", error.message));
  }
  int End() {
    lines_.End();
    return failed_ ? kExitTrouble : any_ ? kExitNo : kExitOk;
  }

 private:
  const bool json_;
  JsonLines lines_;
  bool any_ = false;
  bool failed_ = false;
};

// The path at that time, or now; nullopt when it was not there, at a time that the mount knows.
Result<std::optional<Node>> Side(const PastPlace& place, const std::string& time, const PastNamesReader& read_names) {
  if (time.empty() && place.rest.empty()) {
    ASSIGN_OR_RETURN(Node root, Node::FindDirectory(place.base));
    return std::optional(std::move(root));
  }
  const std::string path = time.empty() ? place.Live() : place.Snapshot(time);
  auto node = Node::Look(AT_FDCWD, path);
  if (!time.empty() && (!node.ok() || !*node)) {
    RETURN_IF_ERROR(CheckTimeIsKnown(place, time, read_names));
  }
  if (!node.ok()) return node.error().With(Printable(path));
  return node;
}

Result<int> Diff(const DiffRequest& request, const PastNamesReader& read_names) {
  RETURN_IF_ERROR(CheckTimeText(request.from));
  if (!request.to.empty()) RETURN_IF_ERROR(CheckTimeText(request.to));
  ASSIGN_OR_RETURN(const PastPlace place, FindPastPlace(request.path, read_names));
  ASSIGN_OR_RETURN(const auto then, Side(place, request.from, read_names));
  ASSIGN_OR_RETURN(const auto now, Side(place, request.to, read_names));
  if (!then && !now) {
    return Error{Errc::kNotFound,
                 StrCat(Printable(request.path), " was not there at ", Printable(request.from),
                        request.to.empty() ? ", and is not there now" : StrCat(", nor at ", Printable(request.to)))};
  }
  Printer printer(request.json);
  DiffTrees(then, now, place.names, printer);
  return printer.End();
}

}  // namespace

int DiffCommand(const DiffRequest& request, const PastNamesReader& read_names) {
  RaiseFileLimit();
  const auto code = Diff(request, read_names);
  if (code.ok()) return Finish(*code);
  Say(code.error().message);
  return kExitTrouble;  // "not found" too: 1 says that something is different
}

}  // namespace pailfs::cli
