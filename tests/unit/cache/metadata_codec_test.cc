#include "cache/metadata_codec.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/hash.h"
#include "base/random.h"
#include "tests/support/seeds.h"

namespace pailfs::cache {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

PosixMetadata Decode(const UserMetadata& metadata) {
  return DecodeMetadata(metadata, {}, "k", 0);
}

std::string Value(const UserMetadata& metadata, std::string_view name) {
  const std::string* value = FindMetadata(metadata, name);
  return value == nullptr ? "(none)" : *value;
}

std::optional<int64_t> MtimeOf(const char* name, const char* value) {
  return Decode({{name, value}}).mtime_ns;
}
std::optional<uint32_t> ModeOf(const char* name, const char* value) {
  return Decode({{name, value}}).mode;
}

// --- one test for each writer ---

TEST(MetadataCodecTest, ReadsTheAttributesOfS3cmd) {
  const PosixMetadata posix = DecodeMetadata(
      {{"s3cmd-attrs", "atime:1/ctime:2/gid:30/gname:x/md5:0/mode:33152/mtime:981173106/uid:31/uname:y"}}, {}, "f", 1);
  EXPECT_EQ(posix.mode, 0100600U);
  EXPECT_EQ(posix.uid, 31U);
  EXPECT_EQ(posix.gid, 30U);
  EXPECT_EQ(posix.mtime_ns, 981'173'106'000'000'000);
  for (const char* broken : {"", "/", ":", "mode", "mode:", "mode:x/uid", "xmode:1/uids:2"}) {
    const PosixMetadata none = DecodeMetadata({{"s3cmd-attrs", broken}}, {}, "f", 1);
    EXPECT_FALSE(none.mode) << broken;
    EXPECT_FALSE(none.uid) << broken;
  }
}

TEST(MetadataCodecTest, NewBytesLoseWhatOthersSaidOfTheOldOnes) {
  UserMetadata metadata{{"md5chksum", "x"}, {"color", "blue"}, {"S3cmd-Attrs", "md5:0"}};
  DropContentMetadata(metadata);
  EXPECT_EQ(metadata, (UserMetadata{{"color", "blue"}}));
}

TEST(MetadataCodecTest, S3fs) {
  const auto posix = Decode({{"uid", "1000"},
                             {"gid", "100"},
                             {"mode", "33188"},
                             {"mtime", "1595002920.000000005"},
                             {"ctime", "1595002921"},
                             {"atime", "1595002922.123456789"},
                             {"xattr", "%7B%22user.a%22%3A%22aGVsbG8%3D%22%2C%22user.empty%22%3A%22%22%7D"}});
  EXPECT_EQ(posix.mode, uint32_t{0100644});
  EXPECT_EQ(posix.uid, 1000u);
  EXPECT_EQ(posix.gid, 100u);
  EXPECT_EQ(posix.mtime_ns, 1595002920 * kSecond + 5);
  EXPECT_EQ(posix.ctime_ns, 1595002921 * kSecond);
  EXPECT_EQ(posix.atime_ns, 1595002922 * kSecond + 123456789);
  EXPECT_EQ(posix.xattrs, (std::map<std::string, std::string>{{"user.a", "hello"}, {"user.empty", ""}}));
  EXPECT_EQ(FileTypeOf(posix, {}, "k", 12), uint32_t{S_IFREG});
  EXPECT_EQ(FileTypeOf(Decode({{"mode", "41471"}}), {}, "k", 12), uint32_t{S_IFLNK});
  EXPECT_EQ(FileTypeOf(Decode({{"mode", "16877"}}), {}, "k/", 0), uint32_t{S_IFDIR});
}

TEST(MetadataCodecTest, AwsFileServices) {
  const auto posix = Decode({{"file-permissions", "0100640"},
                             {"file-owner", "500"},
                             {"file-group", "501"},
                             {"file-mtime", "1595002920000000001ns"},
                             {"file-atime", "1595002921000"},
                             {"user-agent", "aws-fsx-lustre"}});
  EXPECT_EQ(posix.mode, uint32_t{0100640});
  EXPECT_EQ(posix.uid, 500u);
  EXPECT_EQ(posix.gid, 501u);
  EXPECT_EQ(posix.mtime_ns, 1595002920 * kSecond + 1);
  EXPECT_EQ(posix.atime_ns, 1595002921 * kSecond) << "milliseconds without the suffix";
  EXPECT_FALSE(posix.ctime_ns);
  EXPECT_EQ(ModeOf("file-permissions", "0040755"), uint32_t{0040755});
  EXPECT_EQ(FileTypeOf(Decode({{"file-permissions", "0120777"}}), {}, "k", 5), uint32_t{S_IFLNK});
  EXPECT_EQ(Decode({{"file-mtime", "-1ns"}}).mtime_ns, -1);
}

TEST(MetadataCodecTest, Geesefs) {
  const auto posix = Decode({{"mode", "24992"}, {"uid", "0"}, {"mtime", "1595002920"}, {"rdev", "2049"}});
  EXPECT_EQ(posix.mode, uint32_t{S_IFBLK | 0640});
  EXPECT_EQ(posix.uid, 0u);
  EXPECT_EQ(posix.rdev, 2049u);
  EXPECT_EQ(posix.mtime_ns, 1595002920 * kSecond);
  EXPECT_EQ(ModeOf("mode", "0100644"), uint32_t{0100644}) << "read with the prefixes of C";
  EXPECT_EQ(ModeOf("mode", "0x81a4"), uint32_t{0100644});
  const auto link = Decode({{"--symlink-target", "a%25b/%c3%a9"}});
  EXPECT_EQ(link.symlink_target, "a%b/\xc3\xa9");
  EXPECT_EQ(FileTypeOf(link, {}, "k", 0), uint32_t{S_IFLNK});
}

TEST(MetadataCodecTest, Rclone) {
  EXPECT_EQ(MtimeOf("mtime", "1354040105.123456789"), 1354040105 * kSecond + 123456789);
  EXPECT_EQ(MtimeOf("mtime", "1354040105.5"), 1354040105 * kSecond + 500'000'000)
      << "zeros trimmed, not five nanoseconds";
  EXPECT_EQ(MtimeOf("mtime", "-1.5"), -kSecond - 500'000'000);
  EXPECT_EQ(MtimeOf("mtime", "-0.25"), -250'000'000);
  EXPECT_EQ(MtimeOf("mtime", "2012-11-27T20:15:05.123456789+00:00"), 1354047305 * kSecond + 123456789);
  // Octal digits under the name under which s3fs has decimals.
  EXPECT_EQ(ModeOf("mode", "100644"), uint32_t{0100644});
  EXPECT_EQ(ModeOf("mode", "40755"), uint32_t{0040755});
  EXPECT_EQ(ModeOf("mode", "120777"), uint32_t{0120777});
}

TEST(MetadataCodecTest, GcsfuseAndGoogle) {
  EXPECT_EQ(MtimeOf("gcsfuse_mtime", "2026-11-22T08:00:00.5Z"), 1795334400 * kSecond + 500'000'000);
  EXPECT_EQ(MtimeOf("gcsfuse_mtime", "1969-12-31T23:59:59.9Z"), -100'000'000);
  EXPECT_EQ(FileTypeOf(Decode({{"gcsfuse_symlink_target", "x%20y"}}), {}, "k", 0), uint32_t{S_IFLNK});
  EXPECT_EQ(Decode({{"gcsfuse_symlink_target", "x%20y"}}).symlink_target, "x%20y") << "not escaped";
  EXPECT_EQ(FileTypeOf(Decode({{"goog-reserved-file-is-symlink", "true"}}), {}, "k", 3), uint32_t{S_IFLNK});
  EXPECT_EQ(FileTypeOf(Decode({{"goog-reserved-file-is-symlink", "false"}}), {}, "k", 3), uint32_t{S_IFREG});
  const auto posix = Decode({{"goog-reserved-posix-mode", "644"},
                             {"goog-reserved-posix-uid", "7"},
                             {"goog-reserved-posix-gid", "8"},
                             {"goog-reserved-file-mtime", "1595002920"}});
  EXPECT_EQ(posix.mode, uint32_t{0644});
  EXPECT_EQ(posix.uid, 7u);
  EXPECT_EQ(posix.gid, 8u);
  EXPECT_EQ(posix.mtime_ns, 1595002920 * kSecond);
  EXPECT_EQ(FileTypeOf(posix, {}, "k", 0), uint32_t{S_IFREG}) << "no type in these bits";
}

TEST(MetadataCodecTest, S3sync) {
  const auto posix = Decode({{"permissions", "33188"}, {"owner", "12"}, {"group", "13"}});
  EXPECT_EQ(posix.mode, uint32_t{0100644});
  EXPECT_EQ(posix.uid, 12u);
  EXPECT_EQ(posix.gid, 13u);
}

// goofys, mountpoint-s3, aws cp: nothing of ours.
TEST(MetadataCodecTest, WritersWithoutPosixMetadata) {
  const auto posix =
      Decode({{"color", "blue"}, {"user-agent", "AWSTransfer"}, {"md5chksum", "1B2M2Y8AsgTpgAmY7PhCfg=="}});
  EXPECT_FALSE(posix.mode || posix.uid || posix.gid || posix.mtime_ns || posix.ctime_ns || posix.atime_ns ||
               posix.rdev);
  EXPECT_TRUE(posix.xattrs.empty());
  EXPECT_EQ(FileTypeOf(posix, {}, "a/b", 0), uint32_t{S_IFREG});
  EXPECT_EQ(FileTypeOf(posix, {}, "a/b/", 0), uint32_t{S_IFDIR});
}

// --- contradictions and nonsense ---

TEST(MetadataCodecTest, OurFirstDialectWinsAndTheSecondStepsIn) {
  // s3fs rewrites its own names and copies those of others as they are.
  auto posix =
      Decode({{"mode", "33152"}, {"file-permissions", "0100644"}, {"mtime", "20"}, {"file-mtime", "10000000000ns"}});
  EXPECT_EQ(posix.mode, uint32_t{0100600});
  EXPECT_EQ(posix.mtime_ns, 20 * kSecond);
  posix = Decode({{"mode", "dark"}, {"file-permissions", "0100644"}, {"uid", "alice"}, {"file-owner", "5"}});
  EXPECT_EQ(posix.mode, uint32_t{0100644});
  EXPECT_EQ(posix.uid, 5u);
}

TEST(MetadataCodecTest, NamesAreComparedWithoutCase) {
  EXPECT_EQ(ModeOf("Mode", "33188"), uint32_t{0100644});
  EXPECT_EQ(MtimeOf("File-Mtime", "5ns"), 5);
  EXPECT_TRUE(IsPosixMetadataName("FILE-PERMISSIONS"));
  EXPECT_FALSE(IsPosixMetadataName("owner")) << "may be anybody's";
}

TEST(MetadataCodecTest, NonsenseIsAbsent) {
  for (const char* mode : {"", " 33188", "33188 ", "-1", "+5", "33188x", "0x", "99999999999999999999", "4294967295",
                           "65598", "1e3", "0b1"}) {
    EXPECT_FALSE(ModeOf("mode", mode)) << mode;
  }
  for (const char* time : {"", ".", "1.", ".5", "-", "1.5.5", "1.2x", "x", "1e9", "9223372037", "-9223372039", "1 ",
                           "0x5", "1.-5", "99999999999999999999999"}) {
    EXPECT_FALSE(MtimeOf("mtime", time)) << time;
  }
  for (const char* time : {"", "ns", "5.5ns", "5 ns", "9223372036854775808ns", "9223372036854775807", "nsns"}) {
    EXPECT_FALSE(MtimeOf("file-mtime", time)) << time;
  }
  for (const char* time :
       {"2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T08:60:00Z",
        "2026-11-22T08:00:00", "2026-11-22T08:00:00.Z", "2026-11-22 08:00:00Z", "2026-11-22T08:00:00+2:00",
        "2026-11-22T08:00:00+99:00", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-11-22T08:00:00ZZ"}) {
    EXPECT_FALSE(MtimeOf("gcsfuse_mtime", time)) << time;
  }
  EXPECT_FALSE(Decode({{"uid", "4294967295"}}).uid) << "(uid_t)-1";
  EXPECT_FALSE(Decode({{"uid", "4294967296"}}).uid);
  EXPECT_FALSE(Decode({{"file-permissions", "0170644"}}).mode) << "no such type";
  EXPECT_FALSE(Decode({{"file-permissions", "0100688"}}).mode);
}

TEST(MetadataCodecTest, BrokenXattrsGiveWhatCanBeRead) {
  using Xattrs = std::map<std::string, std::string>;
  const auto xattrs = [](const char* text) { return Decode({{"xattr", text}}).xattrs; };
  EXPECT_EQ(xattrs("{\"a\":\"YQ==\",\"b\":\"!!\",\"c\":\"Yw==\"}"), (Xattrs{{"a", "a"}, {"c", "c"}}))
      << "not escaped at all";
  EXPECT_EQ(xattrs("%7B%22a%22%3A%22YQ==%22%2C%22b"), (Xattrs{{"a", "a"}})) << "cut off";
  for (const char* text :
       {"", "{", "{}", "%", "%7", "%7B%22", "%zz", "null", "[\"a\"]", "{\"a\":1}", "{\"\":\"YQ==\"}", "\\"}) {
    EXPECT_EQ(xattrs(text), Xattrs{}) << text;
  }
}

TEST(MetadataCodecTest, RandomBytesDoNoHarm) {
  constexpr std::array<const char*, 12> kSome{"mode",
                                              "uid",
                                              "mtime",
                                              "atime",
                                              "rdev",
                                              "xattr",
                                              "file-permissions",
                                              "file-mtime",
                                              "gcsfuse_mtime",
                                              "--symlink-target",
                                              "goog-reserved-posix-mode",
                                              "permissions"};
  constexpr std::string_view kLikely = "0123456789.-+Z:T%ns{}\"\\ xX,=";
  ForSeeds(5000, [&](uint64_t seed) {
    SeededRandom random(seed);
    UserMetadata metadata;
    for (const char* name : kSome) {
      std::string value = random.Bytes(random.Below(24));
      if (random.OneIn(2)) {
        for (char& c : value) c = kLikely[random.Below(kLikely.size())];
      }
      metadata.emplace_back(name, value);
    }
    const auto posix = Decode(metadata);
    const uint32_t type = FileTypeOf(posix, {}, "k", random.Below(3));
    EXPECT_NE(type, 0u);
    EXPECT_EQ(posix.mode.value_or(0) & ~uint32_t{S_IFMT | 07777}, 0u);
  });
}

// --- types ---

TEST(MetadataCodecTest, NoTypeHidesABody) {
  const auto with_mode = [](const char* octal) { return Decode({{"file-permissions", octal}}); };
  for (const char* mode : {"0040755", "0010644", "0140644", "0020644", "0060644"}) {
    EXPECT_EQ(FileTypeOf(with_mode(mode), {}, "k", 1), uint32_t{S_IFREG}) << mode;
    EXPECT_EQ(FileTypeOf(with_mode(mode), {}, "k", 0), *with_mode(mode).mode & S_IFMT) << mode;
  }
  EXPECT_EQ(FileTypeOf(with_mode("0120777"), {}, "k", 0), uint32_t{S_IFREG}) << "a link to nowhere";
  EXPECT_EQ(FileTypeOf(with_mode("0120777"), {}, "k", 4095), uint32_t{S_IFLNK});
  EXPECT_EQ(FileTypeOf(with_mode("0120777"), {}, "k", 4096), uint32_t{S_IFREG}) << "too long for a target";
  EXPECT_EQ(FileTypeOf(Decode({{"--symlink-target", ""}}), {}, "k", 0), uint32_t{S_IFREG});
}

TEST(MetadataCodecTest, DirectoriesByContentType) {
  for (const char* type : {"application/x-directory", "httpd/unix-directory"}) {
    ContentHeaders headers;
    headers.type = type;
    EXPECT_EQ(FileTypeOf({}, headers, "k", 0), uint32_t{S_IFDIR});
    EXPECT_EQ(FileTypeOf({}, headers, "k", 5), uint32_t{S_IFREG});
  }
}

// --- writing ---

TEST(MetadataCodecTest, WritesBothDialects) {
  PosixMetadata posix;
  posix.mode = 0100644;
  posix.uid = 1000;
  posix.gid = 100;
  posix.mtime_ns = 1595002920 * kSecond + 5;
  posix.atime_ns = 1595002921 * kSecond;
  posix.ctime_ns = 1595002922 * kSecond + 120'000'000;
  posix.xattrs["user.a"] = "hello";
  UserMetadata metadata;
  EncodeMetadata(posix, metadata);
  EXPECT_EQ(Value(metadata, "mode"), "33188");
  EXPECT_EQ(Value(metadata, "uid"), "1000");
  EXPECT_EQ(Value(metadata, "gid"), "100");
  EXPECT_EQ(Value(metadata, "mtime"), "1595002920.000000005");
  EXPECT_EQ(Value(metadata, "atime"), "1595002921") << "no fraction where there is none, as s3fs";
  EXPECT_EQ(Value(metadata, "ctime"), "1595002922.120000000") << "always nine digits: s3fs reads them as nanoseconds";
  EXPECT_EQ(Value(metadata, "xattr"), "%7B%22user.a%22%3A%22aGVsbG8%3D%22%7D");
  EXPECT_EQ(Value(metadata, "file-permissions"), "0100644");
  EXPECT_EQ(Value(metadata, "file-owner"), "1000");
  EXPECT_EQ(Value(metadata, "file-group"), "100");
  EXPECT_EQ(Value(metadata, "file-mtime"), "1595002920000000005ns");
  EXPECT_EQ(Value(metadata, "file-atime"), "1595002921000000000ns");
  EXPECT_EQ(Value(metadata, "rdev"), "(none)");
  EXPECT_EQ(metadata.size(), 12u);
  posix.mode = 0040755;
  EncodeMetadata(posix, metadata);
  EXPECT_EQ(Value(metadata, "file-permissions"), "0040755");
  EXPECT_EQ(metadata.size(), 12u) << "replaced, not added";
}

TEST(MetadataCodecTest, LeavesForeignNamesAlone) {
  const UserMetadata foreign{{"Color", "blue"},       {"owner", "alice"},  {"user-agent", "aws-datasync"},
                             {"gcsfuse_mtime", "x"},  {"color", "second"}, {"--symlink-target", "t"},
                             {"md5chksum", "AAAA=="}, {"empty", ""}};
  UserMetadata metadata = foreign;
  metadata.emplace_back("MTIME", "5");
  metadata.emplace_back("rdev", "7");
  metadata.emplace_back("Pailfs-Op", "1.2.3");
  PosixMetadata posix;
  posix.mtime_ns = 9 * kSecond;
  EncodeMetadata(posix, metadata);
  ASSERT_EQ(metadata.size(), foreign.size() + 2);
  EXPECT_TRUE(std::equal(foreign.begin(), foreign.end(), metadata.begin()));
  EXPECT_EQ(Value(metadata, "mtime"), "9");
  EXPECT_EQ(Value(metadata, "rdev"), "(none)") << "what is not known any more goes";
}

void ExpectRoundTrip(const PosixMetadata& posix) {
  UserMetadata metadata{{"other", "x"}};
  EncodeMetadata(posix, metadata);
  const auto back = Decode(metadata);
  EXPECT_EQ(back.mode, posix.mode);
  EXPECT_EQ(back.uid, posix.uid);
  EXPECT_EQ(back.gid, posix.gid);
  EXPECT_EQ(back.mtime_ns, posix.mtime_ns);
  EXPECT_EQ(back.ctime_ns, posix.ctime_ns);
  EXPECT_EQ(back.atime_ns, posix.atime_ns);
  EXPECT_EQ(back.rdev, posix.rdev);
  EXPECT_EQ(back.xattrs, posix.xattrs);
  for (const auto& [name, value] : metadata) {
    for (const char c : name + value)
      ASSERT_TRUE(c > ' ' && c < 127) << "not fit for a header: " << name << ": " << value;
  }
}

TEST(MetadataCodecTest, TimesAtTheEdges) {
  for (const int64_t ns : {int64_t{0}, int64_t{1}, int64_t{-1}, kSecond, -kSecond, kSecond - 1, -kSecond - 1,
                           -kSecond + 1, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(),
                           std::numeric_limits<int64_t>::max() - 1, std::numeric_limits<int64_t>::min() + 1,
                           std::numeric_limits<int64_t>::min() / kSecond * kSecond}) {
    PosixMetadata posix;
    posix.mtime_ns = posix.ctime_ns = posix.atime_ns = ns;
    SCOPED_TRACE(ns);
    ExpectRoundTrip(posix);
    // Each dialect for itself.
    UserMetadata metadata;
    EncodeMetadata(posix, metadata);
    EXPECT_EQ(MtimeOf("mtime", Value(metadata, "mtime").c_str()), ns);
    EXPECT_EQ(MtimeOf("file-mtime", Value(metadata, "file-mtime").c_str()), ns);
  }
}

TEST(MetadataCodecTest, RoundTripOfAnything) {
  ForSeeds(5000, [](uint64_t seed) {
    SeededRandom random(seed);
    constexpr std::array<uint32_t, 7> kTypes{S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    const auto time = [&random]() -> std::optional<int64_t> {
      if (random.OneIn(5)) return std::nullopt;
      return static_cast<int64_t>(random.Next()) >> random.Below(64);
    };
    PosixMetadata posix;
    if (!random.OneIn(5))
      posix.mode = kTypes[random.Below(kTypes.size())] | static_cast<uint32_t>(random.Below(010000));
    if (!random.OneIn(5)) posix.uid = static_cast<uint32_t>(random.Below(UINT32_MAX));
    if (!random.OneIn(5)) posix.gid = static_cast<uint32_t>(random.Below(70'000));
    posix.mtime_ns = time();
    posix.ctime_ns = time();
    posix.atime_ns = time();
    if (random.OneIn(3)) posix.rdev = random.Next();
    for (uint64_t i = random.Below(4); i > 0; --i) {
      std::string name = "user." + random.Bytes(random.Below(9));
      std::replace(name.begin(), name.end(), '\0', '"');
      posix.xattrs[name] = random.Bytes(random.Below(40));
    }
    ExpectRoundTrip(posix);
  });
}

// --- space ---

TEST(MetadataCodecTest, XattrBytesAreExact) {
  const std::map<std::string, std::string> xattrs{{"user.a\"b", std::string(100, '\0')}, {"security.c", ""}};
  PosixMetadata posix;
  posix.xattrs = xattrs;
  UserMetadata metadata;
  EncodeMetadata(posix, metadata);
  ASSERT_EQ(metadata.size(), 1u);
  EXPECT_EQ(XattrMetadataBytes(xattrs), metadata[0].first.size() + metadata[0].second.size());
  EXPECT_EQ(XattrMetadataBytes({}), 0u);
}

TEST(MetadataCodecTest, TheRestFitsWhatIsSetAside) {
  PosixMetadata posix;
  posix.mode = 0177777 & (S_IFSOCK | 07777);
  posix.uid = posix.gid = UINT32_MAX - 1;
  posix.rdev = UINT64_MAX;
  posix.mtime_ns = posix.ctime_ns = posix.atime_ns = std::numeric_limits<int64_t>::min();
  UserMetadata metadata;
  EncodeMetadata(posix, metadata);
  uint64_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size();
  EXPECT_LE(bytes + 128, kOtherMetadataBytes) << "with room for the token of an operation";
}

}  // namespace
}  // namespace pailfs::cache
