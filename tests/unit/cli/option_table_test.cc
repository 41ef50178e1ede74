#include "cli/option_table.h"

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/str.h"

namespace pailfs::cli {
namespace {

MountSettings Applied(std::string_view list) {
  MountSettings settings;
  for (const std::string& word : SplitOptions(list)) {
    const Status status = ApplyOption(settings, word);
    EXPECT_TRUE(status.ok()) << word << ": " << (status.ok() ? "" : status.error().message);
  }
  return settings;
}

std::string Refusal(std::string_view word) {
  MountSettings settings;
  const Status status = ApplyOption(settings, word);
  if (status.ok()) return "accepted";
  EXPECT_EQ(status.error().code, Errc::kInvalidArgument);
  return status.error().message;
}

TEST(OptionTableTest, SplitsAtCommasButNotAtEscapedOnes) {
  EXPECT_EQ(SplitOptions("a,b=c,,d="), (std::vector<std::string>{"a", "b=c", "d="}));
  EXPECT_EQ(SplitOptions("cache=/a\\,b,ro"), (std::vector<std::string>{"cache=/a,b", "ro"}));
  EXPECT_EQ(SplitOptions("x\\\\y"), (std::vector<std::string>{"x\\y"}));
  EXPECT_TRUE(SplitOptions("").empty());
  EXPECT_TRUE(SplitOptions(",,").empty());
}

TEST(OptionTableTest, AppliesEachOption) {
  const MountSettings s = Applied(
      "cache=/"
      "c,cache_size=1.5G,ttl=5m,writeback_delay=250ms,fsync=bucket,posix=off,uid=12,gid=34,umask=027,allow_other=off,"
      "ro,snapdir=visible,snapdir_name=.zfs,versions_name=old,snapdir_series=3h:2d");
  EXPECT_EQ(s.cache_directory, "/c");
  EXPECT_EQ(s.snapshot_view, cache::SnapshotView::kVisible);
  EXPECT_EQ(s.snapshot_name, ".zfs");
  EXPECT_EQ(s.versions_name, "old");
  EXPECT_EQ(s.snapshot_series.hours, 3);
  EXPECT_EQ(s.snapshot_series.days, 2);
  EXPECT_EQ(s.snapshot_series.weeks, 0);
  EXPECT_EQ(Applied("snapdir_series=none").snapshot_series.hours, 0);
  EXPECT_EQ(s.cache_size_bytes, 3ULL << 29);
  EXPECT_EQ(s.ttl_ns, 300'000'000'000);
  EXPECT_EQ(s.writeback_delay_ns, 250'000'000);
  EXPECT_TRUE(s.fsync_to_bucket);
  EXPECT_FALSE(s.posix_metadata);
  EXPECT_EQ(s.uid, 12U);
  EXPECT_EQ(s.gid, 34U);
  EXPECT_EQ(s.umask, 027U);
  EXPECT_EQ(s.allow_other, false);
  EXPECT_TRUE(s.read_only);
}

TEST(OptionTableTest, AppliesEachOptionOfS3) {
  const S3Settings s =
      Applied(
          "endpoint=https://s3.example:9000,region=r,profile=p,passwd_file=/p,anonymous,"
          "addressing=path,ca_file=/ca,sse=kms,sse_kms_key=k,sse_c_key_file=/k,storage_class=GLACIER_IR,"
          "acl=private,tagging=a=b&c=d,requester_pays,timeout=5s,connections=7")
          .s3;
  EXPECT_EQ(s.endpoint, "https://s3.example:9000");
  EXPECT_EQ(s.region, "r");
  EXPECT_EQ(s.profile, "p");
  EXPECT_EQ(s.passwd_file, "/p");
  EXPECT_TRUE(s.anonymous);
  EXPECT_EQ(s.addressing, "path");
  EXPECT_EQ(s.ca_file, "/ca");
  EXPECT_EQ(s.encryption, "kms");
  EXPECT_EQ(s.kms_key_id, "k");
  EXPECT_EQ(s.customer_key_file, "/k");
  EXPECT_EQ(s.storage_class, "GLACIER_IR");
  EXPECT_EQ(s.acl, "private");
  EXPECT_EQ(s.tagging, "a=b&c=d");
  EXPECT_TRUE(s.requester_pays);
  EXPECT_EQ(s.timeout_ns, 5'000'000'000);
  EXPECT_EQ(s.connections, 7);
  EXPECT_EQ(Applied("addressing=path,addressing=auto").s3.addressing, "");
  EXPECT_EQ(Applied("endpoint=http://[::1]:9000/path").s3.endpoint, "http://[::1]:9000/path");
  for (const char* wrong : {"endpoint=s3.example", "endpoint=http://", "endpoint=https:///x", "endpoint=http://h:99999",
                            "endpoint=http://h:", "endpoint=http://:80", "endpoint=http://[::1", "addressing=host",
                            "sse=aes", "timeout=1ms", "connections=0", "connections=many", "region="}) {
    EXPECT_NE(Refusal(wrong), "accepted") << wrong;
  }
}

TEST(OptionTableTest, TheLaterOneCounts) {
  EXPECT_FALSE(Applied("ro,rw").read_only);
  EXPECT_TRUE(Applied("rw,ro").read_only);
  EXPECT_FALSE(Applied("fsync=bucket,fsync=local").fsync_to_bucket);
  EXPECT_EQ(Applied("cache=/a,cache=/b").cache_directory, "/b");
  EXPECT_EQ(Applied("allow_other").allow_other, true);
}

TEST(OptionTableTest, UsersByName) {
  EXPECT_EQ(Applied("uid=root,gid=root").uid, 0U);
}

TEST(OptionTableTest, PassesOnTheKernelsAndIgnoresTheRest) {
  const MountSettings s = Applied(
      "rw,nodev,nosuid,noexec,noatime,_netdev,noauto,nofail,user,user=joe,users,defaults,x-systemd.automount,X-mount."
      "mkdir=0755,"
      "x-gvfs-show,comment=hello,relatime,default_permissions");
  EXPECT_EQ(s.kernel_options, (std::vector<std::string>{"nodev", "nosuid", "noexec", "noatime"}));
}

TEST(OptionTableTest, UnknownOptionsNameTheNearest) {
  EXPECT_EQ(Refusal("cache_sise=1G"), "unknown option 'cache_sise'; did you mean 'cache_size'?");
  EXPECT_EQ(Refusal("alow_other"), "unknown option 'alow_other'; did you mean 'allow_other'?");
  EXPECT_EQ(Refusal("writeback-delay=2s"), "unknown option 'writeback-delay'; did you mean 'writeback_delay'?");
  EXPECT_EQ(Refusal("bandwidth=1M"), "unknown option 'bandwidth'; 'pailfs mount --help' lists all options");
  EXPECT_EQ(Refusal("Ro"), "unknown option 'Ro'; did you mean 'ro'?");
  EXPECT_TRUE(IsUnknownOption("snapdirs=visible"));
  EXPECT_FALSE(IsUnknownOption("cache_size=nonsense"));
}

TEST(OptionTableTest, BadValuesSayWhatIsExpected) {
  EXPECT_EQ(Refusal("fsync=never"), "fsync=never: expected local or bucket");
  EXPECT_EQ(Refusal("posix=perhaps"), "posix=perhaps: expected on or off");
  EXPECT_EQ(Refusal("umask=9"), "umask=9: expected octal digits such as 022");
  EXPECT_EQ(Refusal("umask=1000"), "umask=1000: expected octal digits such as 022");
  EXPECT_EQ(Refusal("uid=nobody-of-that-name"),
            "uid=nobody-of-that-name: expected a number or a name that this system knows");
  EXPECT_EQ(Refusal("uid=4294967295"), "uid=4294967295: expected a number or a name that this system knows");
  EXPECT_EQ(Refusal("cache_size=1M"), "cache_size=1M: expected at least 16M");
  EXPECT_EQ(Refusal("cache_size=big"), "cache_size: 'big' is not a size; write for example 512M or 20G");
  EXPECT_EQ(Refusal("snapdir=on"), "snapdir=on: expected hidden, visible or off");
  EXPECT_EQ(Refusal("snapdir_name=a/b"), "'a/b' is no name for a directory");
  EXPECT_EQ(Refusal("versions_name=.snapshot"), "snapdir_name and versions_name are both '.snapshot'");
  EXPECT_EQ(Refusal("snapdir_series=24x"),
            "snapdir_series=24x: expected full hours, days and weeks such as 24h:30d:52w, or none");
  EXPECT_EQ(Refusal("ttl=-1s"), "ttl: '-1s' is not a time; write for example 500ms, 2s, 5m or 1h");
  EXPECT_EQ(Refusal("writeback_delay=2 fortnights"),
            "writeback_delay: '2 fortnights' is not a time; write for example 500ms, 2s, 5m or 1h");
  EXPECT_EQ(Refusal("cache"), "option cache needs a value: cache=DIR");
  EXPECT_EQ(Refusal("cache="), "option cache needs a value: cache=DIR");
  EXPECT_EQ(Refusal("nodev=yes"), "option nodev takes no value");
  EXPECT_EQ(Refusal("ro=1"), "option ro takes no value");
}

TEST(OptionTableTest, HelpAndDocumentNameEveryOption) {
  const std::string help = OptionsHelp();
  const std::string document = OptionsMarkdown();
  for (const OptionSpec& spec : OptionTable()) {
    EXPECT_NE(help.find(StrCat(' ', spec.name)), std::string::npos) << spec.name;
    EXPECT_NE(document.find(StrCat('`', spec.name)), std::string::npos) << spec.name;
    EXPECT_EQ(spec.kind == OptionKind::kOurs, spec.apply != nullptr) << spec.name;
  }
}

TEST(OptionTableTest, DocumentIsUpToDate) {
  const auto document = ReadFile(PosixFileSystem(), PAILFS_SOURCE_DIR "/docs/OPTIONS.md");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(*document, OptionsMarkdown()) << "write docs/OPTIONS.md anew from this text";
}

}  // namespace
}  // namespace pailfs::cli
