#pragma once

// A client of a Simulation: its session as it believes it to be, its connection to one server, and
// the faults it meets. SimulatedCoordinator and SimulatedWatch share one, and events that happen
// to it later (a reconnect, an expiry) hold it too.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "parkeeper/coordination/local_session.h"
#include "parkeeper/coordination/simulated.h"
#include "parkeeper/coordination/simulated_servers_internal.h"

namespace pk::coordination {

enum class Fault {
  kNone,
  kLostRequest,
  kLostReply,
  kLateRequest,
  kSessionLossBefore,
  kSessionLossAfter,
  kSuspension,
  kDelayedRequest,
  kDelayedReply,
  kDuplicateWatch,
  kCrashBefore,
  kCrashAfter,
};
std::string FaultNote(Fault fault);  // for the trace: " (lost reply)"

// How long a connection stays broken after a lost packet, at most.
inline constexpr Duration kShortBreak = std::chrono::seconds(1);

class SimulatedWatch;

class SimulatedClient : public std::enable_shared_from_this<SimulatedClient> {
 public:
  SimulatedClient(Scheduler& scheduler, SimulatedServers& servers, Faults faults);

  // One call: `request` is carried out at the coordinator, in between the faults that the seed
  // draws. `what` is for the trace.
  template <class T, class Request>
  Result<T> Call(const std::string& what, bool modifies, const Request& request);

  // What requests do at the server that the client is connected to.
  MemoryTree& server() { return servers_.at(server_); }
  SimulatedServers& servers() { return servers_; }
  Scheduler& scheduler() { return scheduler_; }
  LocalSession& session() { return session_; }
  const Faults& faults() const { return faults_; }
  void set_faults(const Faults& faults) { faults_ = faults; }
  bool crashed() const { return crashed_; }
  bool lost() const { return session_.state() == SessionState::kLost; }
  // Its server gets all that the coordinator has done until now.
  void SeeAll() { servers_.CatchUp(server_, servers_.position()); }
  // Becomes kLost when its server says that the session is over.
  void NoticeLoss();

  void Add(SimulatedWatch* watch) { watches_.push_back(watch); }
  void Drop(SimulatedWatch* watch) { std::erase(watches_, watch); }
  // The Coordinator goes: the session ends, at once if the coordinator can be told.
  void Close();

  // Nothing reaches the coordinator any more, all waits are over.
  void Die();
  // The coordinator has ended the session; the client learns it within the session timeout.
  void LearnLossLater();

 private:
  Fault Draw(bool modifies);
  // Ok when the request may leave.
  Result<> BeforeSending();
  // The end of a call whose request the coordinator did not carry out now.
  Error Fail(const std::string& what, Fault fault, Duration longest_break, Error error);
  template <class T>
  Result<T> Finish(const std::string& what, bool modifies, Fault fault, Result<T> result);
  static Error NoReply(bool modifies);
  void ScheduleLate(std::string what, std::function<std::string()> request);
  void BreakConnection(Duration longest);
  void Reconnect();
  void ExpireAtServer();
  void ExpireLater();
  void Crash();
  void BecomeLost();
  void WakeWatches();
  void Trace(const std::string& line);

  Scheduler& scheduler_;
  SimulatedServers& servers_;
  Faults faults_;
  LocalSession session_;
  int server_ = 0;
  size_t seen_ = 0;          // of the log, when the connection broke
  uint64_t connection_ = 0;  // counts breaks, so that a reconnect of an earlier one does nothing
  bool crashed_ = false;
  bool closed_ = false;
  std::vector<SimulatedWatch*> watches_;  // in the order of their start
};

// See simulated_watch.cc.
class SimulatedWatch final : public Watch {
 public:
  SimulatedWatch(std::shared_ptr<SimulatedClient> client, std::shared_ptr<Watcher> watcher);
  ~SimulatedWatch() override;
  bool Wait(SteadyTime deadline, std::stop_token stop) override;
  std::optional<std::vector<std::string>> TakeChanged() override;

  // Says "look again".
  void Raise();
  // Leaves the server that it was started on, and starts on the client's new one.
  void Detach();
  void Attach();

 private:
  // Blocks until something may have happened.
  void WaitOnce(SteadyTime deadline, const std::stop_token& stop);

  std::shared_ptr<SimulatedClient> client_;
  const std::string path_;
  const WatchScope scope_;
  std::shared_ptr<Watcher> watcher_;  // null: not started on any server
  MemoryTree* tree_;                  // where watcher_ is started
  bool raised_ = false;
  bool everywhere_ = false;  // raised without a change
  Signal signal_;
};

// "ok", or the error's name; of a transaction that was refused, the operation and why.
template <class T>
std::string OutcomeName(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(ErrorCodeName(result.error().code()));
}
std::string OutcomeName(const Result<CommitOutcome>& result);

template <class T, class Request>
Result<T> SimulatedClient::Call(const std::string& what, bool modifies, const Request& request) {
  PK_TRY(BeforeSending());
  const Fault fault = Draw(modifies);
  switch (fault) {
    case Fault::kSuspension:
      return Fail(what, fault, faults_.longest_suspension, Unavailable("not connected"));
    case Fault::kCrashBefore:
      Crash();
      return Fail(what, fault, {}, NoReply(modifies));
    case Fault::kLateRequest:
      ScheduleLate(what, [request] { return OutcomeName(request()); });
      return Fail(what, fault, kShortBreak, NoReply(modifies));
    case Fault::kDuplicateWatch:
      WakeWatches();
      break;
    default:
      break;
  }
  scheduler_.Travel(fault == Fault::kDelayedRequest ? faults_.longest_delay : faults_.latency);
  if (fault == Fault::kLostRequest || crashed_) {
    return Fail(what, fault, kShortBreak, NoReply(modifies));
  }
  if (fault == Fault::kSessionLossBefore) ExpireAtServer();
  Result<T> result = request();
  if (modifies) SeeAll();  // the reply comes after what it tells, also a refusal
  return Finish<T>(what, modifies, fault, std::move(result));
}

template <class T>
Result<T> SimulatedClient::Finish(const std::string& what, bool modifies, Fault fault,
                                  Result<T> result) {
  Trace(fmt::format("{}: {}{}", what, OutcomeName(result), FaultNote(fault)));
  switch (fault) {
    case Fault::kLostReply:
      BreakConnection(kShortBreak);
      return NoReply(modifies);
    case Fault::kCrashAfter:
      Crash();
      return NoReply(modifies);
    case Fault::kSessionLossAfter:
      ExpireAtServer();
      BecomeLost();
      return NoReply(modifies);
    default:
      break;
  }
  NoticeLoss();
  scheduler_.Travel(fault == Fault::kDelayedReply ? faults_.longest_delay : faults_.latency);
  if (crashed_) return NoReply(modifies);
  return result;
}

}  // namespace pk::coordination
