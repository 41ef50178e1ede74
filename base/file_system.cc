#include "base/file_system.h"

#include "base/str.h"

namespace pailfs {
std::string ParentDirectory(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> ReadFile(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, fs.Open(path, OpenMode::kRead));
  std::string content;
  char buffer[4096];
  for (;;) {
    ASSIGN_OR_RETURN(const size_t got, file->ReadAt(content.size(), std::as_writable_bytes(std::span(buffer))));
    if (got == 0) return content;
    content.append(buffer, got);
  }
}

Status WriteFileDurably(FileSystem& fs, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".new";
  ASSIGN_OR_RETURN(auto file, fs.Open(temporary, OpenMode::kCreateEmpty));
  RETURN_IF_ERROR(file->WriteAt(0, AsBytes(content)));
  RETURN_IF_ERROR(file->Sync());
  file.reset();
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(ParentDirectory(path));
}

Status MakeDirectories(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (exists) return {};
  const std::string parent = ParentDirectory(path);
  if (parent != path && parent != ".") RETURN_IF_ERROR(MakeDirectories(fs, parent));
  RETURN_IF_ERROR(fs.MakeDirectory(path));
  return fs.SyncDirectory(parent);
}

Status RemoveTree(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return {};
  const auto names = fs.List(path);
  if (!names.ok()) return fs.Unlink(path);
  for (const std::string& name : *names) RETURN_IF_ERROR(RemoveTree(fs, StrCat(path, '/', name)));
  return fs.RemoveDirectory(path);
}

}  // namespace pailfs
