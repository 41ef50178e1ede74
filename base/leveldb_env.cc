#include "base/leveldb_env.h"

#include <algorithm>
#include <deque>
#include <thread>

#include "base/leveldb_log_tail.h"
#include "base/mutex.h"
#include "base/str.h"

namespace pailfs {
namespace {

constexpr size_t kWriteBufferBytes = 64 << 10;

leveldb::Status ToLevelDb(const Error& error) {
  if (error.code == Errc::kNotFound) return leveldb::Status::NotFound(error.message);
  if (error.code == Errc::kCorrupt) return leveldb::Status::Corruption(error.message);
  return leveldb::Status::IOError(error.message);
}

leveldb::Status ToLevelDb(const Status& status) {
  return status.ok() ? leveldb::Status::OK() : ToLevelDb(status.error());
}

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}
bool IsManifest(const std::string& name) {
  return name.starts_with("MANIFEST");
}
bool IsLog(const std::string& name) {
  return name.ends_with(".log");
}
uint64_t LogNumber(std::string_view name) {
  return ParseUint(name.substr(0, name.size() - 4)).value_or(0);
}

// The first failure to write a log. LevelDB goes on after one as if the log were whole: it counts the lost bytes as
// written, so that a reader stops at the next record, and it does not look at the outcome of closing a full log, though
// a sync of the next one promises that the batches of the full one are safe. So after one failure all logs refuse: the
// database must be reopened.
class LogHealth {
 public:
  leveldb::Status Check() {
    MutexLock lock(mu_);
    return failure_;
  }
  leveldb::Status Record(const leveldb::Status& status) {
    if (!status.ok()) {
      MutexLock lock(mu_);
      if (failure_.ok()) failure_ = leveldb::Status::IOError("reopen the database; its log failed", status.ToString());
    }
    return status;
  }

 private:
  Mutex mu_;
  leveldb::Status failure_ GUARDED_BY(mu_);
};

class EnvSequentialFile : public leveldb::SequentialFile {
 public:
  // Ends at `end_offset`.
  EnvSequentialFile(std::unique_ptr<File> file, uint64_t end_offset)
      : file_(std::move(file)), end_offset_(end_offset) {}
  leveldb::Status Read(size_t n, leveldb::Slice* result, char* scratch) override {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(n, end_offset_ - std::min(offset_, end_offset_)));
    const auto got = file_->ReadAt(offset_, std::as_writable_bytes(std::span(scratch, wanted)));
    if (!got.ok()) return ToLevelDb(got.error());
    offset_ += *got;
    *result = leveldb::Slice(scratch, *got);
    return leveldb::Status::OK();
  }
  leveldb::Status Skip(uint64_t n) override {
    offset_ += n;
    return leveldb::Status::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  const uint64_t end_offset_;
  uint64_t offset_ = 0;
};

class EnvRandomAccessFile : public leveldb::RandomAccessFile {
 public:
  explicit EnvRandomAccessFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result, char* scratch) const override {
    const auto got = file_->ReadAt(offset, std::as_writable_bytes(std::span(scratch, n)));
    if (!got.ok()) return ToLevelDb(got.error());
    *result = leveldb::Slice(scratch, *got);
    return leveldb::Status::OK();
  }

 private:
  const std::unique_ptr<File> file_;
};

class EnvWritableFile : public leveldb::WritableFile {
 public:
  EnvWritableFile(FileSystem& files, LogHealth& logs, std::unique_ptr<File> file, const std::string& path,
                  uint64_t size)
      : files_(files),
        logs_(logs),
        directory_(ParentDirectory(path)),
        is_manifest_(IsManifest(NameOf(path))),
        is_log_(IsLog(NameOf(path))),
        file_(std::move(file)),
        offset_(size) {}
  ~EnvWritableFile() override {
    if (file_) Close();
  }
  leveldb::Status Append(const leveldb::Slice& data) override {
    buffer_.append(data.data(), data.size());
    return buffer_.size() < kWriteBufferBytes ? leveldb::Status::OK() : Flush();
  }
  leveldb::Status Flush() override {
    return Guarded([this] { return FlushBuffer(); });
  }
  leveldb::Status Sync() override {
    return Guarded([this] { return FlushAndSync(); });
  }
  leveldb::Status Close() override {
    const leveldb::Status closed = is_log_ ? Sync() : Flush();
    file_.reset();
    return closed;
  }

 private:
  template <typename Action>
  leveldb::Status Guarded(Action action) {
    if (!is_log_) return ToLevelDb(action());
    const leveldb::Status health = logs_.Check();
    return health.ok() ? logs_.Record(ToLevelDb(action())) : health;
  }
  Status FlushBuffer() {
    if (buffer_.empty()) return {};
    RETURN_IF_ERROR(file_->WriteAt(offset_, AsBytes(buffer_)));
    offset_ += buffer_.size();
    buffer_.clear();
    return {};
  }
  Status FlushAndSync() {
    // A manifest names tables and logs: their directory entries must be durable first. So must each file's own.
    if (is_manifest_ || !name_synced_) {
      RETURN_IF_ERROR(files_.SyncDirectory(directory_));
      name_synced_ = true;
    }
    RETURN_IF_ERROR(FlushBuffer());
    return file_->Sync();
  }

  FileSystem& files_;
  LogHealth& logs_;
  const std::string directory_;
  const bool is_manifest_;
  const bool is_log_;
  std::unique_ptr<File> file_;
  bool name_synced_ = false;
  uint64_t offset_;
  std::string buffer_;
};

class EnvLock : public leveldb::FileLock {
 public:
  explicit EnvLock(std::unique_ptr<pailfs::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<pailfs::FileLock> lock_;
};

class SilentLogger : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

class LevelDbEnv : public leveldb::Env {
 public:
  explicit LevelDbEnv(FileSystem& files) : files_(files), worker_([this] { Work(); }) {}
  ~LevelDbEnv() override {
    {
      MutexLock lock(mu_);
      ending_ = true;
    }
    changed_.NotifyAll();
    worker_.join();
  }

  leveldb::Status NewSequentialFile(const std::string& path, leveldb::SequentialFile** result) override {
    *result = nullptr;
    auto opened = OpenSequential(path);
    if (!opened.ok()) return ToLevelDb(opened.error());
    *result = opened->release();
    return leveldb::Status::OK();
  }
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** result) override {
    *result = nullptr;
    auto file = files_.Open(path, OpenMode::kRead);
    // As NotFound, LevelDB would pass it on as the outcome of a Get: "no such key".
    if (file.Is(Errc::kNotFound)) return leveldb::Status::Corruption(file.error().message);
    if (!file.ok()) return ToLevelDb(file.error());
    *result = new EnvRandomAccessFile(std::move(*file));
    return leveldb::Status::OK();
  }
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** result) override {
    return OpenForWriting(path, OpenMode::kCreateEmpty, result);
  }
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** result) override {
    return OpenForWriting(path, OpenMode::kCreate, result);
  }
  bool FileExists(const std::string& path) override {
    const auto exists = files_.Exists(path);
    return exists.ok() && *exists;
  }
  leveldb::Status GetChildren(const std::string& path, std::vector<std::string>* names) override {
    auto listed = files_.List(path);
    if (!listed.ok()) return ToLevelDb(listed.error());
    *names = std::move(*listed);
    return leveldb::Status::OK();
  }
  leveldb::Status RemoveFile(const std::string& path) override { return ToLevelDb(files_.Unlink(path)); }
  leveldb::Status CreateDir(const std::string& path) override {
    const Status made = files_.MakeDirectory(path);
    return ToLevelDb(made.ok() ? files_.SyncDirectory(ParentDirectory(path)) : made);
  }
  leveldb::Status RemoveDir(const std::string& path) override { return ToLevelDb(files_.RemoveDirectory(path)); }
  leveldb::Status GetFileSize(const std::string& path, uint64_t* size) override {
    const auto stat = files_.Stat(path);
    if (!stat.ok()) return ToLevelDb(stat.error());
    *size = stat->size_bytes;
    return leveldb::Status::OK();
  }
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    // CURRENT moves to a new manifest; only when that is durable may the old manifest go.
    const Status renamed = files_.Rename(from, to);
    return ToLevelDb(renamed.ok() ? files_.SyncDirectory(ParentDirectory(to)) : renamed);
  }
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** result) override {
    *result = nullptr;
    auto lock = files_.Lock(path);
    if (!lock.ok()) return ToLevelDb(lock.error());
    *result = new EnvLock(std::move(*lock));
    return leveldb::Status::OK();
  }
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override {
    delete lock;
    return leveldb::Status::OK();
  }
  void Schedule(void (*function)(void*), void* argument) override {
    MutexLock lock(mu_);
    queue_.emplace_back(function, argument);
    changed_.NotifyAll();
  }
  void StartThread(void (*function)(void*), void* argument) override {
    leveldb::Env::Default()->StartThread(function, argument);
  }
  leveldb::Status GetTestDirectory(std::string*) override { return leveldb::Status::NotSupported("no test directory"); }
  leveldb::Status NewLogger(const std::string&, leveldb::Logger** result) override {
    *result = new SilentLogger;
    return leveldb::Status::OK();
  }
  uint64_t NowMicros() override { return leveldb::Env::Default()->NowMicros(); }
  void SleepForMicroseconds(int micros) override { leveldb::Env::Default()->SleepForMicroseconds(micros); }

 private:
  Result<std::unique_ptr<leveldb::SequentialFile>> OpenSequential(const std::string& path) {
    ASSIGN_OR_RETURN(auto file, files_.Open(path, OpenMode::kRead));
    ASSIGN_OR_RETURN(const FileStat stat, file->Stat());
    uint64_t end_offset = stat.size_bytes;
    const std::string name = NameOf(path);
    if (IsLog(name) || IsManifest(name)) {
      const auto intact = IntactLogBytes(*file);
      if (!intact.ok()) return intact.error().With(path);
      end_offset = *intact;
    }
    if (end_offset < stat.size_bytes && IsLog(name)) {
      ASSIGN_OR_RETURN(const bool newer, HasNewerLog(path));
      if (newer) return Error{Errc::kCorrupt, StrCat(path, ": gap at byte ", end_offset, " of a log that was closed")};
    }
    return std::unique_ptr<leveldb::SequentialFile>(new EnvSequentialFile(std::move(file), end_offset));
  }
  // A log is written only when the one before it is closed and synced.
  Result<bool> HasNewerLog(const std::string& path) {
    const std::string directory = ParentDirectory(path);
    ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory));
    for (const std::string& name : names) {
      if (!IsLog(name) || LogNumber(name) <= LogNumber(NameOf(path))) continue;
      ASSIGN_OR_RETURN(const FileStat stat, files_.Stat(StrCat(directory, '/', name)));
      if (stat.size_bytes > 0) return true;
    }
    return false;
  }
  leveldb::Status OpenForWriting(const std::string& path, OpenMode mode, leveldb::WritableFile** result) {
    *result = nullptr;
    auto file = files_.Open(path, mode);
    if (!file.ok()) return ToLevelDb(file.error());
    const auto stat = (*file)->Stat();
    if (!stat.ok()) return ToLevelDb(stat.error());
    *result = new EnvWritableFile(files_, logs_, std::move(*file), path, stat->size_bytes);
    return leveldb::Status::OK();
  }
  void Work() {
    MutexLock lock(mu_);
    for (;;) {
      while (queue_.empty() && !ending_) changed_.Wait(mu_);
      if (queue_.empty()) return;
      const auto [function, argument] = queue_.front();
      queue_.pop_front();
      lock.Unlock();
      function(argument);
      lock.Lock();
    }
  }

  FileSystem& files_;
  LogHealth logs_;
  Mutex mu_;
  CondVar changed_;
  std::deque<std::pair<void (*)(void*), void*>> queue_ GUARDED_BY(mu_);
  bool ending_ GUARDED_BY(mu_) = false;
  std::thread worker_;
};

}  // namespace

std::unique_ptr<leveldb::Env> MakeLevelDbEnv(FileSystem& files) {
  return std::make_unique<LevelDbEnv>(files);
}

}  // namespace pailfs
