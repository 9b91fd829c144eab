#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination_sqlite/watches_internal.h"

namespace pk::coordination::sqlite {
namespace {

constexpr char kDataVersion[] = "PRAGMA data_version";
constexpr int kPollMs = 250;
// Without inotify (its instances are few and shared by all programs of a user).
constexpr int kPollWithoutBellMs = 50;
constexpr std::chrono::milliseconds kBusy{2'000};

// nullptr: anything may have changed.
void RingOne(WatchState& state, const Change* change) {
  std::lock_guard guard(state.mutex);
  state.rung = true;
  change != nullptr ? state.paths.Add(change->path) : state.paths.AddEverything();
  state.changed.notify_all();
}

class SqliteWatch final : public Watch {
 public:
  SqliteWatch(std::shared_ptr<WatchRegistry> registry, std::string path, WatchScope scope,
              std::stop_token lost)
      : registry_(std::move(registry)),
        path_(std::move(path)),
        scope_(scope),
        lost_(std::move(lost)),
        state_(registry_->Add(path_, scope_)) {}
  ~SqliteWatch() override { registry_->Remove(path_, scope_, state_); }

  bool Wait(SteadyTime deadline, std::stop_token stop) override {
    // Before the lock: it runs at once when the session is lost already.
    const std::stop_callback on_lost(lost_, [this] {
      std::lock_guard guard(state_->mutex);
      state_->changed.notify_all();
    });
    std::unique_lock guard(state_->mutex);
    state_->changed.wait_until(guard, stop, deadline,
                               [&] { return state_->rung || lost_.stop_requested(); });
    if (lost_.stop_requested() || !state_->rung) return false;
    state_->rung = false;
    return true;
  }
  std::optional<std::vector<std::string>> TakeChanged() override {
    std::lock_guard guard(state_->mutex);
    return state_->paths.Take();
  }

 private:
  std::shared_ptr<WatchRegistry> registry_;
  std::string path_;
  WatchScope scope_;
  std::stop_token lost_;
  std::shared_ptr<WatchState> state_;
};

}  // namespace

std::shared_ptr<WatchState> WatchRegistry::Add(const std::string& path, WatchScope scope) {
  auto state = std::make_shared<WatchState>();
  std::lock_guard guard(mutex_);
  Of(scope).emplace(path, state);
  return state;
}

void WatchRegistry::Remove(const std::string& path, WatchScope scope,
                           const std::shared_ptr<WatchState>& state) {
  std::lock_guard guard(mutex_);
  auto [begin, end] = Of(scope).equal_range(path);
  const auto found = std::find_if(begin, end, [&](const auto& e) { return e.second == state; });
  if (found != end) Of(scope).erase(found);
}

bool WatchRegistry::empty() const {
  std::lock_guard guard(mutex_);
  return std::ranges::all_of(states_, [](const States& states) { return states.empty(); });
}

void WatchRegistry::Ring(const Change& change) {
  std::lock_guard guard(mutex_);
  RingIn(Of(WatchScope::kNode), change.path, change);
  if (change.kind != Change::Kind::kSet && change.path != "/") {
    RingIn(Of(WatchScope::kChildren), std::string(Parent(change.path)), change);
  }
  if (change.kind == Change::Kind::kRemoved) RingIn(Of(WatchScope::kChildren), change.path, change);
  if (Of(WatchScope::kSubtree).empty()) return;
  std::string path = change.path;
  while (path != "/") {
    RingIn(Of(WatchScope::kSubtree), path, change);
    path = Parent(path);
  }
  RingIn(Of(WatchScope::kSubtree), path, change);
}

void WatchRegistry::RingAll() {
  std::lock_guard guard(mutex_);
  for (const States& states : states_) {
    for (const auto& [path, state] : states) RingOne(*state, nullptr);
  }
}

void WatchRegistry::RingIn(const States& states, const std::string& path, const Change& change) {
  const auto [begin, end] = states.equal_range(path);
  for (auto entry = begin; entry != end; ++entry) RingOne(*entry->second, &change);
}

WatchHub::WatchHub(FolderFiles files, std::function<void()> on_death)
    : files_(std::move(files)),
      on_death_(std::move(on_death)),
      registry_(std::make_shared<WatchRegistry>()) {}

WatchHub::~WatchHub() {
  if (thread_.joinable()) {
    thread_.request_stop();
    const uint64_t one = 1;
    (void)!write(stop_event_, &one, sizeof one);
    thread_.join();
  }
  if (inotify_ >= 0) close(inotify_);
  if (stop_event_ >= 0) close(stop_event_);
}

Result<std::unique_ptr<Watch>> WatchHub::Start(std::string_view path, WatchScope scope,
                                               std::stop_token lost) {
  std::lock_guard starting(start_mutex_);
  {
    std::lock_guard guard(look_mutex_);
    if (connection_ == nullptr) {
      connection_ = PK_TRY(Connection::Open(files_.database, false, kBusy));
    }
    // While nobody watched nobody looked: begin here instead of reading all that happened since.
    if (registry_->empty()) seen_ = PK_TRY(LastChange(*connection_));
  }
  if (!thread_.joinable()) PK_TRY(StartThread());
  return std::make_unique<SqliteWatch>(registry_, std::string(path), scope, std::move(lost));
}

Result<> WatchHub::StartThread() {
  if (stop_event_ < 0) stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  PK_CHECK(stop_event_ >= 0, Unavailable("eventfd: " + std::generic_category().message(errno)));
  if (inotify_ < 0) inotify_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify_ >= 0) {
    bell_watch_ = inotify_add_watch(inotify_, files_.bell.c_str(), IN_MODIFY);
    // A process that ends, however it ends, closes its files.
    inotify_add_watch(inotify_, files_.sessions.c_str(), IN_CLOSE_WRITE);
    // Whoever died a moment ago was not heard.
    on_death_();
  }
  thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
  return {};
}

void WatchHub::Run(std::stop_token stop) {
  const int timeout_ms = bell_watch_ >= 0 ? kPollMs : kPollWithoutBellMs;
  while (!stop.stop_requested()) {
    pollfd files[2] = {{stop_event_, POLLIN, 0}, {inotify_, POLLIN, 0}};
    poll(files, inotify_ >= 0 ? 2 : 1, timeout_ms);
    if (inotify_ >= 0) Listen();
    if (stop.stop_requested() || registry_->empty()) continue;
    std::lock_guard guard(look_mutex_);
    if (!Look().ok()) {
      // What happened is not known, so everybody looks for himself.
      data_version_ = -1;
      registry_->RingAll();
    }
  }
}

void WatchHub::Listen() {
  alignas(inotify_event) char buffer[4096];
  bool died = false;
  while (true) {
    const ssize_t size = read(inotify_, buffer, sizeof buffer);
    if (size <= 0) break;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      died = died || event->wd != bell_watch_;
      at += ssize_t(sizeof(inotify_event)) + event->len;
    }
  }
  if (died) on_death_();
}

Result<> WatchHub::Look() {
  const int64_t version = PK_TRY(connection_->Number(kDataVersion)).value_or(0);
  if (version == data_version_) return {};
  SqlTransaction snapshot =
      PK_TRY(SqlTransaction::Begin(*connection_, SqlTransaction::Kind::kRead));
  const Changes changes = PK_TRY(ReadChanges(*connection_, seen_));
  snapshot.Rollback();
  seen_ = changes.last;
  data_version_ = version;
  if (!changes.complete) registry_->RingAll();
  for (const Change& change : changes.changes) registry_->Ring(change);
  return {};
}

}  // namespace pk::coordination::sqlite
