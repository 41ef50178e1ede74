// Tells the kernel to forget what it caches. Pages and names from a thread of its own: such a call waits for pages and
// directories that a request may hold, and whoever serves that request must not wait for it. Attributes at once: that
// takes no lock which a request holds.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "base/mutex.h"
#include "cache/mount_cache.h"

namespace pailfs::fs {

// Thread-safe.
class KernelInvalidator : public cache::KernelNotifier {
 public:
  enum class What : uint8_t { kAttributes, kAttributesAndPages };
  // Does the call to the kernel.
  struct Kernel {
    std::function<void(cache::Ino, What)> inode;
    std::function<void(cache::Ino parent, const std::string& name)> entry;
  };

  explicit KernelInvalidator(Kernel kernel);
  // Drops what is not done yet.
  ~KernelInvalidator() override;

  // These never wait, the work is done later.
  void InvalidateInode(cache::Ino ino) override;
  void InvalidateEntry(cache::Ino parent, std::string_view name) override;
  // Done on return.
  void InvalidateAttributes(cache::Ino ino) { kernel_.inode(ino, What::kAttributes); }

  // Pages of this inode are still to be dropped: the kernel must not be told to keep them.
  bool IsPending(cache::Ino ino) const;

 private:
  struct Order {
    cache::Ino ino = 0;  // the parent when there is a name
    std::string name;
  };

  void Queue(Order order);
  void Run();

  const Kernel kernel_;
  mutable Mutex mu_;
  CondVar work_or_end_;
  std::deque<Order> queue_ GUARDED_BY(mu_);
  std::map<cache::Ino, size_t> pending_pages_ GUARDED_BY(mu_);
  bool ending_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace pailfs::fs
