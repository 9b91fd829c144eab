#include <utility>

#include "parkeeper/coordination/simulated_client_internal.h"

namespace pk::coordination {

SimulatedWatch::SimulatedWatch(std::shared_ptr<SimulatedClient> client,
                               std::shared_ptr<Watcher> watcher)
    : client_(std::move(client)),
      path_(watcher->path),
      scope_(watcher->scope),
      watcher_(std::move(watcher)),
      tree_(&client_->server()) {
  client_->Add(this);
}

SimulatedWatch::~SimulatedWatch() {
  client_->Drop(this);
  Detach();
}

bool SimulatedWatch::Wait(SteadyTime deadline, std::stop_token stop) {
  LocalSession& session = client_->session();
  Scheduler& scheduler = client_->scheduler();
  while (true) {
    if (session.state() == SessionState::kSuspended) {
      session.WaitForChange(SessionState::kSuspended, deadline, stop);
    }
    if (client_->lost()) return false;
    // What has happened already counts, also when the deadline has passed.
    if (watcher_ != nullptr && tree_->Wait(*watcher_, SteadyTime(), {})) raised_ = true;
    if (session.state() == SessionState::kConnected && std::exchange(raised_, false)) {
      scheduler.Travel(client_->faults().latency);
      return true;
    }
    if (stop.stop_requested() || scheduler.now() >= deadline) return false;
    WaitOnce(deadline, stop);
    client_->NoticeLoss();
  }
}

void SimulatedWatch::WaitOnce(SteadyTime deadline, const std::stop_token& stop) {
  if (watcher_ == nullptr) {
    WaitFor(client_->scheduler().clock(), signal_.token(), deadline, stop);
    return;
  }
  std::stop_source either;
  const std::stop_callback on_signal(signal_.token(), [&] { either.request_stop(); });
  const std::stop_callback on_stop(stop, [&] { either.request_stop(); });
  const auto watcher = watcher_;  // Attach() may put another in its place meanwhile
  if (tree_->Wait(*watcher, deadline, either.get_token())) raised_ = true;
}

std::optional<std::vector<std::string>> SimulatedWatch::TakeChanged() {
  const bool everywhere = std::exchange(everywhere_, false);
  if (watcher_ == nullptr) return std::nullopt;
  auto changed = tree_->TakeChanged(*watcher_);
  return everywhere ? std::nullopt : std::move(changed);
}

void SimulatedWatch::Raise() {
  raised_ = true;
  everywhere_ = true;
  signal_.Raise();
}

void SimulatedWatch::Detach() {
  if (watcher_ != nullptr) tree_->Stop(watcher_);
  watcher_ = nullptr;
}

void SimulatedWatch::Attach() {
  tree_ = &client_->server();
  auto watcher = std::make_shared<Watcher>(
      Watcher{.path = path_, .scope = scope_, .session = client_->session().id(), .signal = {}});
  // The node of a kChildren watch may be gone; its owner is told to look again, and sees that.
  if (tree_->Start(watcher).ok()) watcher_ = std::move(watcher);
  Raise();
}

}  // namespace pk::coordination
