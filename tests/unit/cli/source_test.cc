#include "cli/source.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/str.h"
#include "tests/support/temporary_directory.h"

namespace pailfs::cli {
namespace {

class SourceTest : public testing::Test {
 protected:
  Result<Source> Parse(std::string_view text) { return ParseSource(PosixFileSystem(), text); }
  void MakeStore(const std::string& directory) {
    ASSERT_TRUE(MakeDirectories(PosixFileSystem(), directory).ok());
    ASSERT_TRUE(WriteFileDurably(PosixFileSystem(), directory + "/FORMAT", "pailfs-store\n").ok());
  }
  TemporaryDirectory dir_;
};

TEST_F(SourceTest, WithoutAStoreTheLastComponentIsTheBucket) {
  const auto source = Parse(StrCat("store:", dir_.path(), "/s/photos"));
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->directory, dir_.path() + "/s");
  EXPECT_EQ(source->bucket, "photos");
  EXPECT_EQ(source->Prefix(), "");
  EXPECT_FALSE(source->store_exists);
  const auto with_slash = Parse(StrCat("store:", dir_.path(), "/s/photos/"));
  ASSERT_TRUE(with_slash.ok());
  EXPECT_EQ(with_slash->bucket, "photos");
  EXPECT_EQ(with_slash->Prefix(), "");
}

TEST_F(SourceTest, AStoreDecidesWhereItsDirectoryEnds) {
  MakeStore(dir_.path() + "/s");
  const auto source = Parse(StrCat("store:", dir_.path(), "/s/photos/2026/summer"));
  ASSERT_TRUE(source.ok());
  EXPECT_TRUE(source->store_exists);
  EXPECT_EQ(source->directory, dir_.path() + "/s");
  EXPECT_EQ(source->bucket, "photos");
  EXPECT_EQ(source->rest, "2026/summer");
  EXPECT_EQ(source->Prefix(), "2026/summer/");
  EXPECT_EQ(source->Canonical(), StrCat("store:", dir_.path(), "/s/photos/2026/summer"));
}

TEST_F(SourceTest, TheLongestStoreCounts) {
  MakeStore(dir_.path());
  MakeStore(dir_.path() + "/inner");
  const auto source = Parse(StrCat("store:", dir_.path(), "/inner/photos/x"));
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->directory, dir_.path() + "/inner");
  EXPECT_EQ(source->bucket, "photos");
}

TEST_F(SourceTest, KeysKeepEveryByte) {
  MakeStore(dir_.path());
  const auto source = Parse(StrCat("store:", dir_.path(), "//bucket//a/../b//c/"));
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->bucket, "bucket");
  EXPECT_EQ(source->rest, "/a/../b//c/");
  EXPECT_EQ(source->Prefix(), "/a/../b//c/");
}

TEST_F(SourceTest, RelativePathsStartHere) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  const auto source = Parse("store:s/photos");
  std::filesystem::current_path(before);
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->directory, dir_.path() + "/s");
}

TEST_F(SourceTest, RefusesWhatIsNoSource) {
  MakeStore(dir_.path());
  EXPECT_TRUE(Parse("s3://").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("s3:///key").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("s3://a b/key").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("bucket").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("store:").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("store:/").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse("store://").Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse(StrCat("store:", dir_.path())).Is(Errc::kInvalidArgument));  // a store, no bucket
  EXPECT_TRUE(Parse(StrCat("store:", dir_.path(), "/")).Is(Errc::kInvalidArgument));
  EXPECT_TRUE(Parse(StrCat("store:", dir_.path(), "/Photos")).Is(Errc::kInvalidArgument));  // no name of a bucket
}

TEST_F(SourceTest, S3SourcesNameABucketAndAPrefix) {
  const auto source = Parse("s3://photos/2026//a b/");
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->kind, Source::Kind::kS3);
  EXPECT_EQ(source->bucket, "photos");
  EXPECT_EQ(source->rest, "2026//a b/");
  EXPECT_EQ(source->Prefix(), "2026//a b/");
  EXPECT_EQ(source->Canonical(), "s3://photos/2026//a b/");
  EXPECT_EQ(Parse("s3://photos")->Canonical(), "s3://photos");
  EXPECT_EQ(Parse("s3://photos/")->Canonical(), "s3://photos");
  EXPECT_EQ(*DefaultCacheDirectory(*Parse("s3://photos"), ""), *DefaultCacheDirectory(*Parse("s3://photos/"), ""));
  EXPECT_NE(*DefaultCacheDirectory(*Parse("s3://photos"), ""),
            *DefaultCacheDirectory(*Parse("s3://photos"), "https://other.example"));
}

TEST_F(SourceTest, DefaultCacheIsOneForEachSource) {
  const auto cache = [this](std::string_view rest) {
    return *DefaultCacheDirectory(*Parse(StrCat("store:", dir_.path(), "/s/", rest)), "");
  };
  EXPECT_EQ(cache("photos"), cache("photos"));
  EXPECT_EQ(cache("photos"), cache("photos/"));
  EXPECT_NE(cache("photos"), cache("movies"));
  MakeStore(dir_.path() + "/s");
  EXPECT_NE(cache("photos"), cache("photos/2026"));
  EXPECT_EQ(cache("photos/2026"), cache("photos/2026/"));
  EXPECT_NE(cache("photos").find("/photos-"), std::string::npos);
}

}  // namespace
}  // namespace pailfs::cli
