#include "fs/kernel_invalidator.h"

#include <gtest/gtest.h>

#include <latch>
#include <string>
#include <vector>

namespace pailfs::fs {
namespace {

TEST(KernelInvalidatorTest, DeliversInOrderFromItsOwnThread) {
  std::vector<std::string> calls;
  std::latch all(3);
  KernelInvalidator invalidator({.inode =
                                     [&](cache::Ino ino, KernelInvalidator::What what) {
                                       calls.push_back(std::to_string(ino) +
                                                       (what == KernelInvalidator::What::kAttributes ? "a" : "p"));
                                       all.count_down();
                                     },
                                 .entry =
                                     [&](cache::Ino parent, const std::string& name) {
                                       calls.push_back(std::to_string(parent) + "/" + name);
                                       all.count_down();
                                     }});
  invalidator.InvalidateInode(7);
  invalidator.InvalidateEntry(1, "name");
  invalidator.InvalidateInode(8);
  all.wait();
  EXPECT_EQ(calls, (std::vector<std::string>{"7p", "1/name", "8p"}));
}

TEST(KernelInvalidatorTest, PagesArePendingUntilTheKernelHasDroppedThem) {
  std::latch entered(1);
  std::latch proceed(1);
  std::latch done(1);
  KernelInvalidator invalidator({.inode =
                                     [&](cache::Ino ino, KernelInvalidator::What) {
                                       if (ino == 8) return;
                                       if (ino == 9) return done.count_down();
                                       entered.count_down();
                                       proceed.wait();
                                     },
                                 .entry = [](cache::Ino, const std::string&) {}});
  invalidator.InvalidateInode(7);
  entered.wait();
  invalidator.InvalidateAttributes(8);  // does not wait behind the other
  EXPECT_TRUE(invalidator.IsPending(7));
  EXPECT_FALSE(invalidator.IsPending(8));
  proceed.count_down();
  invalidator.InvalidateInode(9);
  done.wait();
  EXPECT_FALSE(invalidator.IsPending(7));
}

}  // namespace
}  // namespace pailfs::fs
