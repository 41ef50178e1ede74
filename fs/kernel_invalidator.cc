#include "fs/kernel_invalidator.h"

#include <utility>

namespace pailfs::fs {

KernelInvalidator::KernelInvalidator(Kernel kernel) : kernel_(std::move(kernel)), thread_([this] { Run(); }) {}

KernelInvalidator::~KernelInvalidator() {
  {
    MutexLock lock(mu_);
    ending_ = true;
  }
  work_or_end_.NotifyAll();
  thread_.join();
}

void KernelInvalidator::InvalidateInode(cache::Ino ino) {
  Queue({ino, {}});
}
void KernelInvalidator::InvalidateEntry(cache::Ino parent, std::string_view name) {
  Queue({parent, std::string(name)});
}

bool KernelInvalidator::IsPending(cache::Ino ino) const {
  MutexLock lock(mu_);
  return pending_pages_.contains(ino);
}

void KernelInvalidator::Queue(Order order) {
  {
    MutexLock lock(mu_);
    if (ending_) return;
    if (order.name.empty()) ++pending_pages_[order.ino];
    queue_.push_back(std::move(order));
  }
  work_or_end_.NotifyOne();
}

void KernelInvalidator::Run() {
  MutexLock lock(mu_);
  for (;;) {
    while (queue_.empty() && !ending_) work_or_end_.Wait(mu_);
    if (ending_) return;
    const Order order = std::move(queue_.front());
    queue_.pop_front();
    lock.Unlock();
    if (order.name.empty()) {
      kernel_.inode(order.ino, What::kAttributesAndPages);
    } else {
      kernel_.entry(order.ino, order.name);
    }
    lock.Lock();
    if (order.name.empty()) {
      const auto pending = pending_pages_.find(order.ino);
      if (--pending->second == 0) pending_pages_.erase(pending);
    }
  }
}

}  // namespace pailfs::fs
