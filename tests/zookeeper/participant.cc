// A participant for tests of faults: one session with a lease, watches and ephemerals, which does
// what it reads and says what happens to it, so that a test can run it behind a broken network.
//
//   participant CONNECT SESSION_TIMEOUT_MS CONNECT_TIMEOUT_MS REQUEST_DEADLINE_MS
//
// Reads lines `ID VERB ARGUMENTS...`, each carried out on a thread of its own; ends when its input
// does. Prints lines; TIME is steady, in ms, and the same for all processes of a machine:
//
//   TIME session ID TIMEOUT_MS          opened; else it ends with 1 after:
//   TIME failed CODE MESSAGE
//   TIME state connected|suspended|lost whenever that changes
//   TIME lost                           what the session's lost() says
//   TIME rung PATH                      the watch of PATH says "look again"
//   TIME answer ID BEGAN CODE TEXT      the end of a call; CODE is ok, refused or an error's name

#include <fmt/format.h>

#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "parkeeper/coordination/election.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

namespace pk::coordination {
namespace {

using std::chrono::milliseconds;

int64_t NowMs() {
  const Duration now = SystemClock().Now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(now).count();
}

std::string_view NameOf(SessionState state) {
  switch (state) {
    case SessionState::kConnected:
      return "connected";
    case SessionState::kSuspended:
      return "suspended";
    case SessionState::kLost:
      return "lost";
  }
  return "?";
}

// Lines of all threads, whole and at once.
class Output {
 public:
  void Say(const std::string& line) {
    std::lock_guard lock(mutex_);
    std::cout << fmt::format("{} {}\n", NowMs(), line) << std::flush;
  }

 private:
  std::mutex mutex_;
};

struct Answer {
  std::string code = "ok";
  std::string text;
};

Answer ToAnswer(const Error& error) {
  return {.code = std::string(ErrorCodeName(error.code())), .text = error.message()};
}

class Participant {
 public:
  Participant(std::unique_ptr<Coordinator> coordinator, Output& output)
      : coordinator_(std::move(coordinator)),
        output_(output),
        lost_(coordinator_->session().lost(), [this] { output_.Say("lost"); }),
        observer_([this](const std::stop_token& stop) { Observe(stop); }) {}

  ~Participant() {
    stop_.request_stop();
    calls_.clear();  // waits: what they use is still there
    watchers_.clear();
    lease_.reset();
    observer_ = {};
  }
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;

  void Begin(std::string line) {
    std::erase_if(calls_, [](const std::future<void>& call) {
      return call.wait_for(milliseconds(0)) == std::future_status::ready;
    });
    calls_.push_back(std::async(std::launch::async, [this, text = std::move(line)] {
      const int64_t began = NowMs();
      std::istringstream words(text);
      std::string id, verb;
      words >> id >> verb;
      const Answer answer = Do(verb, words);
      output_.Say(fmt::format("answer {} {} {} {}", id, began, answer.code, answer.text));
    }));
  }

 private:
  Answer Do(const std::string& verb, std::istream& words);
  Answer Get(const std::string& path);
  Answer List(const std::string& path);
  Answer Commit(const Transaction& transaction);
  Answer StartWatch(const std::string& path);
  Answer Lead(const std::string& path, const std::string& name);
  Answer Fenced(const std::string& path, const std::string& value);

  void Observe(const std::stop_token& stop) {
    Session& session = coordinator_->session();
    SessionState state = session.state();
    output_.Say(fmt::format("state {}", NameOf(state)));
    while (!stop.stop_requested() && state != SessionState::kLost) {
      const SessionState next = session.WaitForChange(state, SteadyTime::max(), stop);
      if (next != state) output_.Say(fmt::format("state {}", NameOf(next)));
      state = next;
    }
  }

  std::shared_ptr<Lease> lease() {
    std::lock_guard lock(mutex_);
    return lease_;
  }

  const std::unique_ptr<Coordinator> coordinator_;
  Output& output_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::shared_ptr<Lease> lease_;
  std::stop_callback<std::function<void()>> lost_;
  std::vector<std::jthread> watchers_;
  std::jthread observer_;
  std::vector<std::future<void>> calls_;
};

Answer Participant::Do(const std::string& verb, std::istream& words) {
  std::string path, value;
  words >> path >> value;
  if (verb == "get") return Get(path);
  if (verb == "list") return List(path);
  if (verb == "sync") {
    const auto synced = coordinator_->Sync();
    return synced.ok() ? Answer{} : ToAnswer(synced.error());
  }
  if (verb == "create") return Commit(Transaction().Create(path, value));
  if (verb == "hold") return Commit(Transaction().Create(path, value, CreateMode::kEphemeral));
  if (verb == "set") {
    int32_t version = kAnyVersion;
    words >> version;
    return Commit(Transaction().Set(path, value, version));
  }
  if (verb == "watch") return StartWatch(path);
  if (verb == "lead") return Lead(path, value);
  if (verb == "fenced") return Fenced(path, value);
  if (verb == "confirm") {
    const auto lead = lease();
    if (lead == nullptr) return {.code = "usage", .text = "leads nothing"};
    const auto confirmed = lead->Confirm();
    return confirmed.ok() ? Answer{} : ToAnswer(confirmed.error());
  }
  return {.code = "usage", .text = verb};
}

Answer Participant::Get(const std::string& path) {
  const auto node = coordinator_->Get(path);
  if (!node.ok()) return ToAnswer(node.error());
  return {.text = fmt::format("{} {}", node->stat.version, node->value)};
}

Answer Participant::List(const std::string& path) {
  const auto children = coordinator_->List(path);
  if (!children.ok()) return ToAnswer(children.error());
  return {.text = fmt::format("{}", fmt::join(*children, " "))};
}

Answer Participant::Commit(const Transaction& transaction) {
  const auto outcome = coordinator_->Commit(transaction);
  if (!outcome.ok()) return ToAnswer(outcome.error());
  if (const auto* refused = std::get_if<Refused>(&*outcome)) {
    return {.code = "refused",
            .text = fmt::format("{} {}", refused->operation, refused->reason.ToString())};
  }
  const auto& applied = std::get<Applied>(*outcome);
  return {.text = fmt::format("{} {}", applied.zxid, applied.paths.back())};
}

Answer Participant::StartWatch(const std::string& path) {
  auto watch = coordinator_->StartWatch(path, WatchScope::kSubtree);
  if (!watch.ok()) return ToAnswer(watch.error());
  std::lock_guard lock(mutex_);
  watchers_.emplace_back([this, path, watch = std::move(watch).value()] {
    while (watch->Wait(SteadyTime::max(), stop_.get_token())) output_.Say("rung " + path);
  });
  return {};
}

Answer Participant::Lead(const std::string& path, const std::string& name) {
  auto led = BecomeLeader({*coordinator_}, path, name, {.stop = stop_.get_token()});
  if (!led.ok()) return ToAnswer(led.error());
  const uint64_t token = led->token();
  std::lock_guard lock(mutex_);
  lease_ = std::make_shared<Lease>(std::move(led).value());
  return {.text = std::to_string(token)};
}

// An entry in the log that only the leader can make; its name says whose it is.
Answer Participant::Fenced(const std::string& path, const std::string& value) {
  const auto lead = lease();
  if (lead == nullptr) return {.code = "usage", .text = "leads nothing"};
  return Commit(lead->Guard().Create(fmt::format("{}/{}.{}.", path, lead->token(), value), "",
                                     CreateMode::kPersistentSequential));
}

int Run(const std::vector<std::string>& arguments) {
  Output output;
  const auto ms = [](const std::string& text) { return milliseconds(std::stoi(text)); };
  auto opened = OpenZooKeeper({.connect = arguments[1],
                               .create_chroot = true,
                               .session_timeout = ms(arguments[2]),
                               .connect_timeout = ms(arguments[3]),
                               .request_deadline = ms(arguments[4])});
  if (!opened.ok()) {
    const Answer answer = ToAnswer(opened.error());
    output.Say(fmt::format("failed {} {}", answer.code, answer.text));
    return 1;
  }
  Session& session = (*opened)->session();
  output.Say(fmt::format("session {} {}", session.id(), session.timeout().count()));
  Participant participant(std::move(opened).value(), output);
  for (std::string line; std::getline(std::cin, line);) participant.Begin(line);
  return 0;
}

}  // namespace
}  // namespace pk::coordination

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() == 5) return pk::coordination::Run(arguments);
  std::cerr << "usage: participant CONNECT SESSION_MS CONNECT_MS DEADLINE_MS\n";
  return 2;
}
