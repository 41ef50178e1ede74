// What commands print: names that cannot harm a terminal, columns, JSON arrays as they come, a line of progress.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace pailfs::cli {

// To standard output, as it is.
void Print(std::string_view text);
// To standard error: "pailfs: text" and a newline.
void Say(std::string_view text);

// Says what went wrong; the exit code of the command.
int Fail(const Error& error);
// The end of a command that printed: `code`, unless what it printed could not be written.
int Finish(int code);

// Control characters in names, keys and metadata must not reach a terminal: they come as \x1b.
std::string Printable(std::string_view text);

std::string RightAligned(std::string text, size_t width);
std::string LeftAligned(std::string text, size_t width);
// "1 file", "2 files".
std::string Count(uint64_t n, std::string_view one, std::string_view many);

// The elements of one JSON array, as they come, each on a line. Prints nothing when it is not `on`.
class JsonLines {
 public:
  explicit JsonLines(bool on);
  void Add(const JsonWriter& json);
  void End();

 private:
  const bool on_;
  bool first_ = true;
};

// One line on a terminal (standard error) that is written over; nothing elsewhere, nor when it is not `wanted`.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted = true);
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool visible() const { return terminal_; }
  // "pailfs: text".
  void Show(std::string_view text);
  void Clear();

 private:
  const bool terminal_;
  bool shown_ = false;
};

}  // namespace pailfs::cli
