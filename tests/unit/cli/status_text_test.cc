#include "cli/status_text.h"

#include <gtest/gtest.h>

namespace pailfs::cli {
namespace {

MountStatus Example() {
  MountStatus status;
  status.source = "store:/s/photos";
  status.mountpoint = "/mnt/a \"quoted\" one";
  status.cache_directory = "/c";
  status.state = "mounted";
  status.pid = 77;
  status.cache.used_bytes = 3 << 20;
  status.cache.limit_bytes = 20ULL << 30;
  return status;
}

TEST(StatusTextTest, CleanMount) {
  const auto read = JsonValue::Parse(StatusToJson(Example()));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)["mountpoint"].string(), "/mnt/a \"quoted\" one");
  EXPECT_EQ(StatusToText(*read),
            "store:/s/photos on /mnt/a \"quoted\" one (mounted, process 77)\n"
            "  cache      3.0 MiB of 20.0 GiB in /c\n"
            "  to upload  nothing\n");
}

TEST(StatusTextTest, DrainingWithErrors) {
  MountStatus status = Example();
  status.state = "draining";
  status.cache.dirty_inodes = 2;
  status.cache.dirty_bytes = 1536;
  status.cache.pending_deletes = 1;
  status.cache.steps_in_flight = 1;
  status.cache.error_count = 2;
  status.cache.errors = {{"a/b", "no permission"}};
  const auto read = JsonValue::Parse(StatusToJson(status));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(StatusToText(*read),
            "store:/s/photos on /mnt/a \"quoted\" one (unmounted, still uploading, process 77)\n"
            "  cache      3.0 MiB of 20.0 GiB in /c\n"
            "  to upload  2 files, 1.5 KiB, 1 deletion (1 in progress)\n"
            "  cannot upload 2 files; kept in the cache:\n"
            "    a/b: no permission\n"
            "    …\n");
}

TEST(StatusTextTest, WhatIsLeft) {
  EXPECT_EQ(LeftToUpload(0, 0, 0), "nothing");
  EXPECT_EQ(LeftToUpload(1, 0, 0), "1 file, 0 B");
  EXPECT_EQ(LeftToUpload(0, 0, 2), "2 deletions");
}

}  // namespace
}  // namespace pailfs::cli
