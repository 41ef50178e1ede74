#include "base/leveldb_env.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <thread>

#include "base/mutex.h"

namespace pailfs {
namespace {

constexpr size_t kWriteBufferBytes = 64 << 10;

leveldb::Status ToLevelDb(const Error& error) {
  if (error.code == Errc::kNotFound) return leveldb::Status::NotFound(error.message);
  return leveldb::Status::IOError(error.message);
}

leveldb::Status ToLevelDb(const Status& status) { return status.ok() ? leveldb::Status::OK() : ToLevelDb(status.error()); }

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class EnvSequentialFile : public leveldb::SequentialFile {
 public:
  explicit EnvSequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  leveldb::Status Read(size_t n, leveldb::Slice* result, char* scratch) override {
    const auto got = file_->ReadAt(offset_, std::as_writable_bytes(std::span(scratch, n)));
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
  EnvWritableFile(FileSystem& files, std::unique_ptr<File> file, const std::string& path, uint64_t size)
      : files_(files), file_(std::move(file)), directory_(DirectoryOf(path)), offset_(size) {
    const std::string name = NameOf(path);
    is_manifest_ = name.starts_with("MANIFEST");
    is_log_ = name.ends_with(".log");
  }
  ~EnvWritableFile() override {
    if (file_) Close();
  }
  leveldb::Status Append(const leveldb::Slice& data) override {
    buffer_.append(data.data(), data.size());
    return buffer_.size() < kWriteBufferBytes ? leveldb::Status::OK() : Flush();
  }
  leveldb::Status Flush() override {
    if (buffer_.empty()) return leveldb::Status::OK();
    const Status written = file_->WriteAt(offset_, std::as_bytes(std::span(buffer_)));
    if (!written.ok()) return ToLevelDb(written);
    offset_ += buffer_.size();
    buffer_.clear();
    return leveldb::Status::OK();
  }
  leveldb::Status Sync() override {
    // A manifest names tables and logs: their directory entries must be durable first. So must a log's own.
    if (is_manifest_ || !name_synced_) {
      const Status synced = files_.SyncDirectory(directory_);
      if (!synced.ok()) return ToLevelDb(synced);
      name_synced_ = true;
    }
    const leveldb::Status flushed = Flush();
    return flushed.ok() ? ToLevelDb(file_->Sync()) : flushed;
  }
  leveldb::Status Close() override {
    const leveldb::Status closed = is_log_ ? Sync() : Flush();
    file_.reset();
    return closed;
  }

 private:
  FileSystem& files_;
  std::unique_ptr<File> file_;
  const std::string directory_;
  bool is_manifest_ = false;
  bool is_log_ = false;
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
    return OpenAs<EnvSequentialFile>(path, result);
  }
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** result) override {
    return OpenAs<EnvRandomAccessFile>(path, result);
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
  leveldb::Status CreateDir(const std::string& path) override { return ToLevelDb(files_.MakeDirectory(path)); }
  leveldb::Status RemoveDir(const std::string& path) override { return ToLevelDb(files_.RemoveDirectory(path)); }
  leveldb::Status GetFileSize(const std::string& path, uint64_t* size) override {
    const auto stat = files_.Stat(path);
    if (!stat.ok()) return ToLevelDb(stat.error());
    *size = stat->size_bytes;
    return leveldb::Status::OK();
  }
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    return ToLevelDb(files_.Rename(from, to));
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
  void StartThread(void (*function)(void*), void* argument) override { leveldb::Env::Default()->StartThread(function, argument); }
  leveldb::Status GetTestDirectory(std::string*) override { return leveldb::Status::NotSupported("no test directory"); }
  leveldb::Status NewLogger(const std::string&, leveldb::Logger** result) override {
    *result = new SilentLogger;
    return leveldb::Status::OK();
  }
  uint64_t NowMicros() override { return leveldb::Env::Default()->NowMicros(); }
  void SleepForMicroseconds(int micros) override { leveldb::Env::Default()->SleepForMicroseconds(micros); }

 private:
  template <typename Wrapper, typename Interface>
  leveldb::Status OpenAs(const std::string& path, Interface** result) {
    *result = nullptr;
    auto file = files_.Open(path, OpenMode::kRead);
    if (!file.ok()) return ToLevelDb(file.error());
    *result = new Wrapper(std::move(*file));
    return leveldb::Status::OK();
  }
  leveldb::Status OpenForWriting(const std::string& path, OpenMode mode, leveldb::WritableFile** result) {
    *result = nullptr;
    auto file = files_.Open(path, mode);
    if (!file.ok()) return ToLevelDb(file.error());
    const auto stat = (*file)->Stat();
    if (!stat.ok()) return ToLevelDb(stat.error());
    *result = new EnvWritableFile(files_, std::move(*file), path, stat->size_bytes);
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
  Mutex mu_;
  CondVar changed_;
  std::deque<std::pair<void (*)(void*), void*>> queue_ GUARDED_BY(mu_);
  bool ending_ GUARDED_BY(mu_) = false;
  std::thread worker_;
};

}  // namespace

std::unique_ptr<leveldb::Env> MakeLevelDbEnv(FileSystem& files) { return std::make_unique<LevelDbEnv>(files); }

}  // namespace pailfs
