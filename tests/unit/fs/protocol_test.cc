// The session against a kernel that is played by the test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <string>

#include "base/str.h"
#include "tests/support/ram_mount_cache.h"
#include "tests/unit/fs/fake_kernel.h"

namespace pailfs::fs {
namespace {

SessionOptions Options() {
  SessionOptions options;
  options.source = "ram";
  options.threads = 2;
  options.io_threads = 2;
  return options;
}

TEST(ProtocolTest, NegotiatesWhatWeNeed) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  const fuse_init_out init = mount.kernel().Init();
  for (const uint32_t flag : {FUSE_ASYNC_READ, FUSE_ATOMIC_O_TRUNC, FUSE_EXPORT_SUPPORT, FUSE_DONT_MASK,
                              FUSE_DO_READDIRPLUS, FUSE_READDIRPLUS_AUTO, FUSE_PARALLEL_DIROPS, FUSE_POSIX_ACL,
                              FUSE_HANDLE_KILLPRIV_V2, FUSE_BIG_WRITES, FUSE_MAX_PAGES}) {
    EXPECT_EQ(init.flags & flag, flag) << std::hex << flag;
  }
  for (const uint32_t flag :
       {FUSE_WRITEBACK_CACHE, FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS, FUSE_HANDLE_KILLPRIV, FUSE_AUTO_INVAL_DATA}) {
    EXPECT_EQ(init.flags & flag, 0u) << std::hex << flag;
  }
  EXPECT_EQ(init.max_write, 1u << 20);
  EXPECT_EQ(init.max_pages, 256u);
}

TEST(ProtocolTest, AddsNoFlagThatTheKernelDoesNotOffer) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  fuse_init_in in{};
  in.major = 7;
  in.minor = 31;
  in.flags = FUSE_BIG_WRITES | FUSE_ASYNC_READ;
  const Answer answer = mount.kernel().Call(FUSE_INIT, 0, Raw(in));
  ASSERT_EQ(answer.error, 0);
  EXPECT_EQ(answer.As<fuse_init_out>().flags & ~in.flags, 0u);
}

TEST(ProtocolTest, CreatesWritesReads) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  FakeKernel& kernel = mount.kernel();
  kernel.Init();
  uint64_t handle = 0;
  const fuse_entry_out entry = kernel.Create("file", &handle);
  EXPECT_EQ(entry.nodeid, entry.attr.ino);
  EXPECT_EQ(entry.entry_valid, 3600u);
  EXPECT_EQ(entry.attr.uid, 1000u);
  const Answer written = kernel.Write(entry.nodeid, handle, 0, "content");
  EXPECT_EQ(written.As<fuse_write_out>().size, 7u);
  EXPECT_EQ(kernel.WaitFor(kernel.SendRead(entry.nodeid, handle, 3, 100)).body, "tent");
  EXPECT_EQ(kernel.WaitFor(kernel.SendRead(entry.nodeid, handle, 7, 100)).body, "");
  const Answer found = kernel.Call(FUSE_LOOKUP, FUSE_ROOT_ID, std::string("file") + '\0');
  EXPECT_EQ(found.As<fuse_entry_out>().nodeid, entry.nodeid);
  EXPECT_EQ(found.As<fuse_entry_out>().attr.size, 7u);
  // As a server for NFS asks.
  EXPECT_EQ(kernel.Call(FUSE_LOOKUP, entry.nodeid, std::string(".") + '\0').As<fuse_entry_out>().nodeid, entry.nodeid);
  EXPECT_EQ(kernel.Call(FUSE_LOOKUP, FUSE_ROOT_ID, std::string("..") + '\0').As<fuse_entry_out>().nodeid,
            uint64_t{FUSE_ROOT_ID});
  EXPECT_EQ(cache.open_count(), 1u);
  fuse_release_in release{};
  release.fh = handle;
  EXPECT_EQ(kernel.Call(FUSE_RELEASE, entry.nodeid, Raw(release)).error, 0);
  EXPECT_EQ(cache.open_count(), 0u);
  EXPECT_EQ(kernel.double_answers(), 0u);
}

TEST(ProtocolTest, MissingNamesAreRememberedOnlyWhenTheOptionsSaySo) {
  RamMountCache cache;
  SessionOptions options = Options();
  options.negative_timeout_s = 2.5;
  FakeMount remembering(cache, options);
  remembering.kernel().Init();
  const Answer absent = remembering.kernel().Call(FUSE_LOOKUP, FUSE_ROOT_ID, std::string("no") + '\0');
  EXPECT_EQ(absent.error, 0);
  EXPECT_EQ(absent.As<fuse_entry_out>().nodeid, 0u);
  EXPECT_EQ(absent.As<fuse_entry_out>().entry_valid, 2u);
  EXPECT_EQ(absent.As<fuse_entry_out>().entry_valid_nsec, 500'000'000u);

  RamMountCache other;
  options.negative_timeout_s = 0;
  FakeMount forgetting(other, options);
  forgetting.kernel().Init();
  EXPECT_EQ(forgetting.kernel().Call(FUSE_LOOKUP, FUSE_ROOT_ID, std::string("no") + '\0').error, ENOENT);
}

TEST(ProtocolTest, ErrorsCarryTheirErrno) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  FakeKernel& kernel = mount.kernel();
  kernel.Init();
  const std::string too_long(256, 'n');
  EXPECT_EQ(kernel.Call(FUSE_LOOKUP, FUSE_ROOT_ID, too_long + '\0').error, ENAMETOOLONG);
  EXPECT_EQ(kernel.Call(FUSE_UNLINK, FUSE_ROOT_ID, std::string("no") + '\0').error, ENOENT);
  EXPECT_EQ(kernel.Call(FUSE_GETATTR, 4711, Raw(fuse_getattr_in{})).error, ESTALE);
  fuse_rename2_in rename{};
  rename.newdir = FUSE_ROOT_ID;
  rename.flags = 1U << 31;
  EXPECT_EQ(kernel.Call(FUSE_RENAME2, FUSE_ROOT_ID, Raw(rename) + std::string("a\0b\0", 4)).error, EINVAL);
}

TEST(ProtocolTest, WaitingCallsAreInterruptedAndOthersGoOn) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  FakeKernel& kernel = mount.kernel();
  kernel.Init();
  uint64_t handle = 0;
  const fuse_entry_out entry = kernel.Create("file", &handle);
  cache.HoldContent();
  // More than there are threads that read requests.
  const uint64_t first = kernel.SendRead(entry.nodeid, handle, 0, 10);
  const uint64_t second = kernel.SendRead(entry.nodeid, handle, 0, 10);
  const uint64_t third = kernel.SendRead(entry.nodeid, handle, 0, 10);
  cache.WaitForHeld(2);
  EXPECT_EQ(kernel.Call(FUSE_GETATTR, entry.nodeid, Raw(fuse_getattr_in{})).error, 0);
  // A writer waits elsewhere than readers do.
  fuse_write_in in{};
  in.fh = handle;
  in.size = 1;
  const uint64_t write = kernel.Send(FUSE_WRITE, entry.nodeid, Raw(in) + "x");
  cache.WaitForHeld(3);
  for (const uint64_t unique : {first, second, write}) {
    kernel.Interrupt(unique);
    EXPECT_EQ(kernel.WaitFor(unique).error, EINTR);
  }
  cache.LetContentGo();
  EXPECT_EQ(kernel.WaitFor(third).error, 0);
  EXPECT_EQ(kernel.double_answers(), 0u);
}

TEST(ProtocolTest, TheEndOfTheSessionEndsWaitingCalls) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  FakeKernel& kernel = mount.kernel();
  kernel.Init();
  uint64_t handle = 0;
  const fuse_entry_out entry = kernel.Create("file", &handle);
  cache.HoldContent();
  const uint64_t read = kernel.SendRead(entry.nodeid, handle, 0, 10);
  cache.WaitForHeld(1);
  mount.session().Stop();
  mount.Join();
  EXPECT_EQ(kernel.WaitFor(read).error, EINTR);
}

TEST(ProtocolTest, WritesOfTheUnprivilegedClearSetuid) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  FakeKernel& kernel = mount.kernel();
  kernel.Init();
  uint64_t handle = 0;
  const fuse_entry_out entry = kernel.Create("file", &handle);
  cache::AttributeChange change;
  change.mode = 06755;
  ASSERT_TRUE(cache.SetAttributes({}, entry.nodeid, change).ok());
  ASSERT_TRUE(cache.SetXattr(entry.nodeid, "security.capability", "c", cache::XattrMode::kCreate).ok());
  EXPECT_EQ(kernel.Write(entry.nodeid, handle, 0, "x").error, 0);
  EXPECT_EQ(cache.GetAttributes(entry.nodeid)->mode & 07777u, 06755u);
  EXPECT_TRUE(cache.GetXattr(entry.nodeid, "security.capability").Is(Errc::kNoData));
  EXPECT_EQ(kernel.Write(entry.nodeid, handle, 0, "x", FUSE_WRITE_KILL_SUIDGID).error, 0);
  EXPECT_EQ(cache.GetAttributes(entry.nodeid)->mode & 07777u, 0755u);
}

TEST(ProtocolTest, ReadOnlyOpeningsNeedNoFlush) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  FakeKernel& kernel = mount.kernel();
  kernel.Init();
  uint64_t handle = 0;
  const fuse_entry_out entry = kernel.Create("file", &handle);
  const auto flags_of = [&](uint32_t open_flags) {
    fuse_open_in in{};
    in.flags = open_flags;
    return kernel.Call(FUSE_OPEN, entry.nodeid, Raw(in)).As<fuse_open_out>().open_flags;
  };
  constexpr uint32_t kNoFlush = 1 << 5;
  EXPECT_EQ(flags_of(O_RDONLY), kNoFlush | FOPEN_KEEP_CACHE);
  EXPECT_EQ(flags_of(O_RDWR), uint32_t{FOPEN_KEEP_CACHE});
}

// Reads the directory in answers of at most `size` bytes: name -> how often it came.
std::map<std::string, int> ReadDirectoryPlus(FakeKernel& kernel, uint32_t size) {
  std::map<std::string, int> names;
  uint64_t cookie = 0;
  for (;;) {
    fuse_read_in in{};
    in.offset = cookie;
    in.size = size;
    const Answer answer = kernel.Call(FUSE_READDIRPLUS, FUSE_ROOT_ID, Raw(in));
    EXPECT_EQ(answer.error, 0);
    EXPECT_LE(answer.body.size(), size);
    if (answer.body.empty()) return names;
    for (size_t at = 0; at < answer.body.size();) {
      const auto entry = answer.As<fuse_direntplus>(at);
      const std::string name = answer.body.substr(at + FUSE_NAME_OFFSET_DIRENTPLUS, entry.dirent.namelen);
      const bool dots = name == "." || name == "..";
      // "." and ".." must not count as lookups.
      EXPECT_EQ(entry.entry_out.nodeid, dots ? 0 : entry.dirent.ino) << name;
      ++names[name];
      cookie = entry.dirent.off;
      at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry.dirent.namelen);
    }
  }
}

TEST(ProtocolTest, DirectoriesAreDeliveredOnceWhateverTheBuffer) {
  RamMountCache cache;
  FakeMount mount(cache, Options());
  mount.kernel().Init();
  constexpr int kEntries = 100;
  for (int i = 0; i < kEntries; ++i) {
    const std::string name = std::string(static_cast<size_t>(1 + i * 2), 'n') + StrCat(i);
    ASSERT_TRUE(
        cache.Make({}, cache::kRootIno, name, {.mode = S_IFDIR | 0755, .rdev = 0, .symlink_target = {}}, {}).ok());
  }
  for (const uint32_t size : {512u, 1000u, 4096u, 100'000u}) {
    const auto names = ReadDirectoryPlus(mount.kernel(), size);
    EXPECT_EQ(names.size(), size_t{kEntries + 2}) << size;
    for (const auto& [name, count] : names) EXPECT_EQ(count, 1) << name << " in answers of " << size;
  }
}

}  // namespace
}  // namespace pailfs::fs
