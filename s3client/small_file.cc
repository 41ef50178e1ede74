#include "s3client/small_file.h"

#include <array>
#include <span>

#include "base/str.h"

namespace pailfs::s3client {

Result<SmallFile> ReadSmallFile(FileSystem& files, const std::string& path) {
  auto opened = files.Open(path, OpenMode::kRead);
  if (opened.Is(Errc::kNotADirectory)) return Error{Errc::kNotFound, opened.error().message};
  ASSIGN_OR_RETURN(const auto file, std::move(opened));
  ASSIGN_OR_RETURN(const FileStat stat, file->Stat());
  SmallFile small{.content = {}, .mode = stat.mode};
  std::array<std::byte, 4096> buffer;
  for (;;) {
    ASSIGN_OR_RETURN(const size_t got, file->ReadAt(small.content.size(), buffer));
    if (got == 0) return small;
    small.content += AsChars(std::span(buffer).first(got));
    if (small.content.size() > kMaxSmallFileBytes) {
      return Error{Errc::kInvalidArgument, StrCat(path, ": more than ", FormatSize(kMaxSmallFileBytes))};
    }
  }
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

}  // namespace pailfs::s3client
