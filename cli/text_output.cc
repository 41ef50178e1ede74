#include "cli/text_output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/str.h"
#include "cli/exit_codes.h"

namespace pailfs::cli {

void Print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void Say(std::string_view text) {
  std::fprintf(stderr, "pailfs: %.*s\n", static_cast<int>(text.size()), text.data());
}

int Fail(const Error& error) {
  Say(error.message);
  return CommandExitCode(error.code);
}

int Finish(int code) {
  if (std::fflush(stdout) == 0) return code;
  Say(ErrnoError(errno, "standard output").message);
  return kExitTrouble;
}

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
      out += escaped;
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string RightAligned(std::string text, size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string LeftAligned(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string Count(uint64_t n, std::string_view one, std::string_view many) {
  return StrCat(n, ' ', n == 1 ? one : many);
}

JsonLines::JsonLines(bool on) : on_(on) {
  if (on_) Print("[");
}

void JsonLines::Add(const JsonWriter& json) {
  if (!on_) return;
  Print(first_ ? "\n" : ",\n");
  Print(json.text());
  first_ = false;
}

void JsonLines::End() {
  if (on_) Print(first_ ? "]\n" : "\n]\n");
}

ProgressLine::ProgressLine(bool wanted) : terminal_(wanted && isatty(STDERR_FILENO) != 0) {}

void ProgressLine::Show(std::string_view text) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\033[Kpailfs: %.*s", static_cast<int>(text.size()), text.data());
  shown_ = true;
}

void ProgressLine::Clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace pailfs::cli
