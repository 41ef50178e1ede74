#include "cli/interrupt.h"

#include <signal.h>

#include <array>

namespace pailfs::cli {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t requested = 0;
std::array<struct sigaction, kSignals.size()> before;

void OnSignal(int) {
  requested = 1;
}

}  // namespace

Interruption::Interruption() {
  requested = 0;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &before[i]);
    if (before[i].sa_handler == SIG_IGN) sigaction(kSignals[i], &before[i], nullptr);
  }
}

Interruption::~Interruption() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

bool Interruption::Requested() {
  return requested != 0;
}

}  // namespace pailfs::cli
