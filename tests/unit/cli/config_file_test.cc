#include "cli/config_file.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace pailfs::cli {
namespace {

using Words = std::vector<std::string>;

Words Read(std::string_view text, const Words& names = {"store:/s/photos"}) {
  const auto words = ParseConfig(text, "pailfs.toml", names);
  EXPECT_TRUE(words.ok()) << (words.ok() ? "" : words.error().message);
  return words.ok() ? *words : Words{};
}

std::string Refusal(std::string_view text) {
  const auto words = ParseConfig(text, "pailfs.toml", {});
  if (words.ok()) return "accepted";
  EXPECT_EQ(words.error().code, Errc::kInvalidArgument);
  return words.error().message;
}

TEST(ConfigFileTest, DefaultsThenTheSourcesOwn) {
  constexpr std::string_view kText = R"(
[mount."store:/s/photos"]
cache_size = "2G"
[mount."store:/s/movies"]
cache_size = "3G"
[defaults]
cache_size = "1G"
)";
  EXPECT_EQ(Read(kText), (Words{"cache_size=1G", "cache_size=2G"}));
  EXPECT_EQ(Read(kText, {"other", "store:/s/movies"}), (Words{"cache_size=1G", "cache_size=3G"}));
  EXPECT_EQ(Read(kText, {"store:/s/none"}), (Words{"cache_size=1G"}));
  EXPECT_EQ(Read(""), Words{});
}

TEST(ConfigFileTest, ValuesOfEachType) {
  EXPECT_EQ(Read("[defaults]\nuid = 12\n"), Words{"uid=12"});
  EXPECT_EQ(Read("[defaults]\nro = true\n"), Words{"ro"});
  EXPECT_EQ(Read("[defaults]\nro = false\n"), Words{"rw"});
  EXPECT_EQ(Read("[defaults]\nposix = false\n"), Words{"posix=off"});
  EXPECT_EQ(Read("[defaults]\nallow_other = false\n"), Words{"allow_other=off"});
  EXPECT_EQ(Read("[defaults]\numask = \"022\"\n"), Words{"umask=022"});
}

TEST(ConfigFileTest, MistakesAreNamedWithTheirLine) {
  EXPECT_EQ(Refusal("\n[defaults]\n\ncache_sise = \"1G\"\n"),
            "pailfs.toml:4: unknown option 'cache_sise'; did you mean 'cache_size'?");
  EXPECT_EQ(Refusal("[defaults]\ncache_size = \"much\"\n"),
            "pailfs.toml:2: cache_size: 'much' is not a size; write for example 512M or 20G");
  EXPECT_EQ(Refusal("[defaults]\nttl = 1.5\n"),
            "pailfs.toml:2: the value of ttl must be a text, a whole number, true or false");
  EXPECT_EQ(Refusal("[defaults]\nnodev = false\n"), "pailfs.toml:2: option nodev cannot be false; leave it out");
  EXPECT_EQ(Refusal("[default]\nro = true\n"),
            "pailfs.toml:1: unknown table 'default'; there are [defaults] and [mount.\"SOURCE\"]");
  EXPECT_EQ(Refusal("defaults = 1\n"), "pailfs.toml:1: 'defaults' must be a table");
  EXPECT_EQ(Refusal("[mount]\nro = true\n"), "pailfs.toml:2: 'mount.ro' must be a table");
  EXPECT_TRUE(Refusal("[defaults\n").starts_with("pailfs.toml:1: ")) << Refusal("[defaults\n");
}

TEST(ConfigFileTest, TablesOfOtherSourcesAreCheckedToo) {
  EXPECT_EQ(Refusal("[mount.\"store:/other/bucket\"]\nrot = true\n"),
            "pailfs.toml:2: unknown option 'rot'; did you mean 'ro'?");
}

TEST(ConfigFileTest, OnlyTheDefaultFileMayBeAbsent) {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/absent.toml";
  EXPECT_TRUE(ReadConfig(PosixFileSystem(), path, /*must_exist=*/false, {}).ok());
  EXPECT_TRUE(ReadConfig(PosixFileSystem(), path, /*must_exist=*/true, {}).Is(Errc::kNotFound));
}

}  // namespace
}  // namespace pailfs::cli
