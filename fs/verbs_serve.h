// Verbs::Serve: included by fs/verbs*.cc only.
#pragma once

#include <memory>
#include <utility>

#include "fs/verbs.h"

namespace pailfs::fs {

// A context for calls that must not wait: its deadline has passed, so that they give up with kTimedOut instead. Such a
// call has changed nothing.
inline OpContext Impatient() {
  OpContext ctx;
  ctx.deadline_ns = 0;
  return ctx;
}

template <typename Call, typename Answer>
void Verbs::Serve(Wait wait, Local local, Reply reply, Call call, Answer answer) {
  if (local == Local::kYes) {
    auto result = call(Impatient());
    if (!result.Is(Errc::kTimedOut)) return answer(reply, std::move(result));
  }
  struct Task {
    Reply reply;
    Call call;
    Answer answer;
  };
  // Shared only because std::function must be copyable.
  auto task = std::make_shared<Task>(Task{std::move(reply), std::move(call), std::move(answer)});
  ThreadPool& pool = wait == Wait::kForRoom ? room_pool_ : bucket_pool_;
  pool.Submit([task = std::move(task)] {
    const OpContext ctx = task->reply.Interruptible();
    if (const Status status = ctx.Check(); !status.ok()) return task->reply.Fail(status.error());
    task->answer(task->reply, task->call(ctx));
  });
}

template <typename Call>
void Verbs::ServeStatus(Wait wait, Local local, Reply reply, Call call) {
  Serve(wait, local, std::move(reply), std::move(call), [](Reply& to, const Status& status) {
    if (!status.ok()) return to.Fail(status.error());
    to.Ok();
  });
}

}  // namespace pailfs::fs
