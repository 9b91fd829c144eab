#include "parkeeper/jobs/attempt_internal.h"

#include <fmt/format.h>

#include "parkeeper/base/json.h"
#include "parkeeper/base/log.h"
#include "parkeeper/jobs/contained.h"
#include "parkeeper/jobs/nodes_internal.h"

namespace pk::jobs {

namespace {

constexpr std::chrono::seconds kBetweenTries{1};

}  // namespace

Failure FailureOf(const Error& error) {
  return {error.message(), MayPass(error.code()) ? tasks::Retry::kAgain : tasks::Retry::kNever};
}

bool IsPassing(ErrorCode code) {
  return code == ErrorCode::kOutcomeUnknown || code == ErrorCode::kUnavailable;
}

bool IsInDoubt(ErrorCode code) {
  return code == ErrorCode::kInternal || code == ErrorCode::kCorrupt;
}

Result<> Attempt::Read() {
  JobTaskBody body = PK_TRY(DecodeJobTaskBody(PK_TRY(worker.LoadBody(claim))));
  job.id = body.job;
  part = std::move(body.part);
  job = PK_TRY(LoadPlanned(parts, body.job));
  const std::string& kind = claim.task.request.kind;
  PK_CHECK(kind == KindOf(job.plan) || kind == kFinishKind,
           Unavailable(fmt::format("this worker does not know tasks of kind '{}'", kind)));
  return {};
}

Result<catalog::LoadedTable> Attempt::FindTable() const {
  auto table = PK_TRY(parts.catalog.LoadTable(PK_TRY(catalog::ParseTableName(job.table))));
  PK_CHECK(table.key == job.table_key,
           FailedPrecondition(
               fmt::format("table {} is another one than when the job was submitted", job.table)));
  return table;
}

std::optional<Result<Produced>> Attempt::RunInProcess(const ProduceRequest& request) {
  const ContainedCommand command{.arguments = options.program,
                                 .input = Encode(request),
                                 .within = job.within,
                                 .memory_bytes = options.memory_bytes,
                                 .progress = [this](std::string_view text) {
                                   worker.Report(claim, {.note = std::string(text)});
                                 }};
  const auto waiting = [this] { worker.Report(claim, {.note = "waits for a free slot"}); };
  if (!options.permits->Take(stop, waiting)) return std::nullopt;
  worker.Report(claim, {.note = "begins"});
  const Result<Ending> ending = RunContained(command, stop);
  options.permits->Give();
  if (!ending.ok()) return Result<Produced>(ending.error());
  said_ = ending->err;
  if (ending->how == Ending::How::kStopped) return std::nullopt;
  const std::string ended_badly = Describe(*ending);
  if (!ended_badly.empty()) {
    return Result<Produced>(Unavailable("the process of the task " + ended_badly));
  }
  return ParseReply(ending->out);
}

AttemptEnd Attempt::Fail(const Failure& failure) const {
  return End(AttemptEnd::kFailed,
             [&] { return worker.Fail(claim, failure.reason, failure.retry); });
}

AttemptEnd Attempt::FailWithLog(const Failure& failure) const {
  Keep(failure.reason);
  return Fail(failure);
}

AttemptEnd Attempt::Release() const {
  return End(AttemptEnd::kReleased, [&] { return worker.Release(claim); });
}

Result<bool> Attempt::IsWanted() const {
  const Job now = PK_TRY(Update(parts, job.id, [](const Job&) { return std::optional<Job>(); }));
  return now.state == JobState::kPlanning || now.state == JobState::kRunning;
}

AttemptEnd Attempt::Cancel() const {
  return End(AttemptEnd::kLost, [&]() -> Result<> {
    PK_TRY(parts.queues().Cancel(job.queue, claim.task.id()));
    worker.Forget(claim);
    return {};
  });
}

AttemptEnd Attempt::End(AttemptEnd as, const std::function<Result<>()>& step) const {
  for (;;) {
    const Result<> ended = step();
    if (ended.ok()) return as;
    const ErrorCode code = ended.error().code();
    if (code == ErrorCode::kConflict) return AttemptEnd::kLost;
    Log(LogLevel::kWarning, Error(ended.error()).With("end a task").message());
    const bool again = IsPassing(code) && parts.options.clock->Wait(kBetweenTries, options.give_up);
    if (again) continue;
    // Without a word of it from its worker it is taken back.
    worker.Forget(claim);
    return AttemptEnd::kLost;
  }
}

bool Attempt::Wait() const { return parts.options.clock->Wait(kBetweenTries, stop); }

void Attempt::Keep(std::string_view outcome) const {
  const int64_t now_ms = parts.options.clock->WallMs();
  WriteLog(parts.storage, job.id, claim.task,
           fmt::format("{}: {}\ntable: {}\nattempt: {}\nworker: {}\ntook: {} ms\noutcome: {}\n{}",
                       claim.task.request.kind, json::ReplaceInvalid(part), job.table,
                       claim.task.attempt, options.worker, now_ms - started_ms_,
                       json::ReplaceInvalid(outcome), json::ReplaceInvalid(said_)));
}

}  // namespace pk::jobs
