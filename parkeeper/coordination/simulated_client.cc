#include <algorithm>
#include <utility>

#include "parkeeper/coordination/simulated_client_internal.h"

namespace pk::coordination {

std::string FaultNote(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "";
    case Fault::kLostRequest:
      return " (lost request)";
    case Fault::kLostReply:
      return " (lost reply)";
    case Fault::kLateRequest:
      return " (late request)";
    case Fault::kSessionLossBefore:
      return " (session loss before)";
    case Fault::kSessionLossAfter:
      return " (session loss after)";
    case Fault::kSuspension:
      return " (suspension)";
    case Fault::kDelayedRequest:
      return " (delayed request)";
    case Fault::kDelayedReply:
      return " (delayed reply)";
    case Fault::kDuplicateWatch:
      return " (duplicate watch)";
    case Fault::kCrashBefore:
      return " (crash before)";
    case Fault::kCrashAfter:
      return " (crash after)";
  }
  return "";
}

std::string OutcomeName(const Result<CommitOutcome>& result) {
  if (!result.ok()) return std::string(ErrorCodeName(result.error().code()));
  if (const auto* refused = std::get_if<Refused>(&*result)) {
    return fmt::format("operation {} refused, {}", refused->operation,
                       ErrorCodeName(refused->reason.code()));
  }
  return fmt::format("zxid {}", std::get<Applied>(*result).zxid);
}

SimulatedClient::SimulatedClient(Scheduler& scheduler, SimulatedServers& servers, Faults faults)
    : scheduler_(scheduler),
      servers_(servers),
      faults_(faults),
      session_(servers.Open(faults.session_timeout), faults.session_timeout, scheduler.clock()),
      server_(static_cast<int>(scheduler.Random(static_cast<uint64_t>(servers.count())))) {
  SeeAll();
}

Fault SimulatedClient::Draw(bool modifies) {
  double left = scheduler_.RandomUnit();
  const auto happens = [&](double probability) {
    left -= probability;
    return left < 0;
  };
  // Where a fault can come before or after, each is as likely.
  const auto either = [&](Fault before, Fault after) {
    return scheduler_.Random(2) == 0 ? before : after;
  };
  if (happens(faults_.lost_request)) return Fault::kLostRequest;
  if (happens(faults_.lost_reply)) return Fault::kLostReply;
  if (modifies && happens(faults_.late_request)) return Fault::kLateRequest;
  if (happens(faults_.session_loss)) {
    return either(Fault::kSessionLossBefore, Fault::kSessionLossAfter);
  }
  if (happens(faults_.suspension)) return Fault::kSuspension;
  if (happens(faults_.delay)) return either(Fault::kDelayedRequest, Fault::kDelayedReply);
  if (happens(faults_.duplicate_watch)) return Fault::kDuplicateWatch;
  if (happens(faults_.crash)) return either(Fault::kCrashBefore, Fault::kCrashAfter);
  return Fault::kNone;
}

Result<> SimulatedClient::BeforeSending() {
  if (session_.state() == SessionState::kSuspended) {
    // A client waits a while for its connection before it gives up on a call.
    const SteadyTime until = scheduler_.now() + scheduler_.RandomDuration(2 * kShortBreak);
    session_.WaitForChange(SessionState::kSuspended, until, {});
  }
  if (session_.state() == SessionState::kConnected) return {};
  scheduler_.Travel(faults_.latency);  // so that a loop over a dead client takes time
  if (crashed_) {
    scheduler_.MarkCrashed();
    return Unavailable("the simulated process has crashed");
  }
  if (lost()) return Unavailable("the session is lost, open a new one");
  return Unavailable("not connected");
}

Error SimulatedClient::Fail(const std::string& what, Fault fault, Duration longest_break,
                            Error error) {
  Trace(fmt::format("{}: {}{}", what, ErrorCodeName(error.code()), FaultNote(fault)));
  BreakConnection(longest_break);
  return error;
}

Error SimulatedClient::NoReply(bool modifies) {
  if (modifies) return OutcomeUnknown("the connection broke before the reply came");
  return Unavailable("the connection broke before the reply came");
}

void SimulatedClient::ScheduleLate(std::string what, std::function<std::string()> request) {
  scheduler_.At(scheduler_.now() + scheduler_.RandomDuration(faults_.latest),
                [self = shared_from_this(), what = std::move(what), request = std::move(request)] {
                  const std::string outcome = request();
                  self->Trace(fmt::format("late {}: {}", what, outcome));
                });
}

void SimulatedClient::BreakConnection(Duration longest) {
  if (crashed_ || session_.state() != SessionState::kConnected) return;
  const uint64_t connection = ++connection_;
  seen_ = servers_.position(server_);
  session_.Become(SessionState::kSuspended);
  const Duration timeout = session_.timeout();
  const Duration length = scheduler_.RandomDuration(longest);
  const Duration patience = timeout * 2 / 3;
  const bool comes_back = length < patience;
  scheduler_.At(scheduler_.now() + std::min(length, patience),
                [self = shared_from_this(), connection, comes_back] {
                  if (self->closed_ || self->connection_ != connection) return;
                  comes_back ? self->Reconnect() : self->BecomeLost();
                });
  if (!comes_back) ExpireLater();
}

void SimulatedClient::Reconnect() {
  if (crashed_ || lost()) return;
  for (SimulatedWatch* watch : watches_) watch->Detach();
  server_ = static_cast<int>(scheduler_.Random(static_cast<uint64_t>(servers_.count())));
  servers_.CatchUp(server_, seen_);
  if (!servers_.at(server_).IsAlive(session_.id())) return BecomeLost();
  session_.Become(SessionState::kConnected);
  for (SimulatedWatch* watch : watches_) watch->Attach();
}

void SimulatedClient::ExpireAtServer() {
  Trace("session expires");
  servers_.End(session_.id());
  LearnLossLater();
}

void SimulatedClient::ExpireLater() {
  scheduler_.At(scheduler_.now() + session_.timeout(),
                [self = shared_from_this()] { self->servers_.End(self->session_.id()); });
}

void SimulatedClient::LearnLossLater() {
  scheduler_.At(scheduler_.now() + scheduler_.RandomDuration(session_.timeout()),
                [self = shared_from_this()] { self->BecomeLost(); });
}

void SimulatedClient::NoticeLoss() {
  if (!crashed_ && !servers_.at(server_).IsAlive(session_.id())) BecomeLost();
}

void SimulatedClient::Crash() {
  scheduler_.MarkCrashed();
  Die();
  ExpireLater();
}

void SimulatedClient::Die() {
  crashed_ = true;
  BecomeLost();
}

void SimulatedClient::BecomeLost() {
  session_.Become(SessionState::kLost);
  WakeWatches();
}

void SimulatedClient::WakeWatches() {
  for (SimulatedWatch* watch : watches_) watch->Raise();
}

void SimulatedClient::Close() {
  closed_ = true;
  switch (session_.state()) {
    case SessionState::kConnected:
      return servers_.End(session_.id());
    case SessionState::kSuspended:
      return ExpireLater();  // nobody can tell the coordinator
    case SessionState::kLost:
      return;  // it knows, or will when the timeout has passed
  }
}

void SimulatedClient::Trace(const std::string& line) {
  scheduler_.Trace(fmt::format("s{} {}", session_.id(), line));
}

}  // namespace pk::coordination
