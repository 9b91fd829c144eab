// The roles that a child process of the tests plays.

#include "parkeeper/coordination_sqlite/child_process_internal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>

#include "parkeeper/coordination_sqlite/opened_internal.h"

namespace pk::coordination {
namespace {

using std::chrono_literals::operator""s;

void Answer(const std::string& line) { WriteLine(kAnswersFd, line); }

std::string Command() {
  std::string buffer;
  return ReadLine(kCommandsFd, buffer, In(60s)).value_or("");
}

template <class T>
std::string Describe(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(ErrorCodeName(result.error().code()));
}

// Counts on in /w/<name>: each step sets the count in two nodes and creates one, all of it or
// nothing, and is told when it is acknowledged.
void Write(Coordinator& coordinator, const std::string& name, size_t bytes) {
  const std::string at = "/w/" + name;
  int count = std::atoi(coordinator.Get(at)->value.c_str());
  if (!coordinator.Create("/e/" + name, "", CreateMode::kEphemeral).ok()) return Answer("failed");
  Answer("ready");
  while (true) {
    ++count;
    const std::string text = std::to_string(count);
    Transaction step;
    step.Set(at, text, kAnyVersion)
        .Set(at + "-copy", text + std::string(bytes, ' '), kAnyVersion)
        .Create(at + "/" + text, "");
    if (count > 3) step.Remove(at + "/" + std::to_string(count - 3), 0);
    const Result<CommitOutcome> outcome = coordinator.Commit(step);
    if (!outcome.ok() || !std::holds_alternative<Applied>(*outcome)) return Answer("failed");
    Answer(text);
  }
}

// Takes part in the race for as many versions of /n as it is told.
void Race(Coordinator& coordinator) {
  Answer("ready");
  const int wins = std::atoi(Command().c_str());
  for (int won = 0; won < wins;) {
    const Result<Node> node = coordinator.Get("/n");
    if (!node.ok()) return Answer("failed");
    const auto set = coordinator.Set("/n", "", node->stat.version);
    if (set.ok()) ++won;
    if (!set.ok() && set.error().code() != ErrorCode::kConflict) return Answer("failed");
  }
  Answer("done");
}

// Holds an ephemeral node and tries to write when told to.
void Hold(Coordinator& coordinator) {
  Answer(Describe(coordinator.Create("/held", "", CreateMode::kEphemeral)));
  Command();
  Answer(Describe(coordinator.Create("/late", "")));
  Answer(coordinator.session().lost().stop_requested() ? "lost" : "not lost");
}

// Watches /n and answers with each version that it sees.
void Follow(Coordinator& coordinator) {
  const auto watch = coordinator.StartWatch("/n", WatchScope::kNode);
  if (!watch.ok()) return Answer("failed");
  // Before the answer: what changes from then on is expected to be told.
  int32_t seen = coordinator.Get("/n")->stat.version;
  Answer("ready");
  while ((*watch)->Wait(In(60s))) {
    const int32_t version = coordinator.Get("/n")->stat.version;
    if (version != seen) Answer(std::to_string(version));
    seen = version;
  }
}

// Writes under a limit of the size of files, then without.
void MeetLimit(Coordinator& coordinator) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{200'000, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &limit);
  Transaction large;
  large.Create("/a", std::string(400'000, 'a')).Create("/b", "");
  Answer(Describe(coordinator.Commit(large)));
  Answer(Describe(coordinator.Get("/b")));
  const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &none);
  Answer(Describe(coordinator.Commit(large)));
}

// Started by Child, never by itself.
TEST(ChildProcess, DISABLED_PlaysItsRole) {
  const char* role = std::getenv("PK_CHILD_ROLE");
  const char* folder = std::getenv("PK_CHILD_FOLDER");
  if (role == nullptr || folder == nullptr) return;
  const std::string what = role;
  SqliteOptions options = kPatient;
  // Short for a test that waits until it is over, long enough to do something on a busy machine.
  if (what == "hold") options.session_timeout = 3s;
  const auto coordinator = OpenOrDie(folder, options);
  if (what == "race") Race(*coordinator);
  if (what == "hold") Hold(*coordinator);
  if (what == "follow") Follow(*coordinator);
  if (what == "limit") MeetLimit(*coordinator);
  if (what.starts_with("write-small-")) Write(*coordinator, what.substr(12), 0);
  if (what.starts_with("write-large-")) Write(*coordinator, what.substr(12), 100'000);
}

}  // namespace
}  // namespace pk::coordination
