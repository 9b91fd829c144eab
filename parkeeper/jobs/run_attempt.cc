// The attempt at a task that ends: what its process makes, and the commit of that.

#include <fmt/format.h>

#include "parkeeper/base/log.h"
#include "parkeeper/jobs/attempt_internal.h"
#include "parkeeper/jobs/completion_internal.h"
#include "parkeeper/jobs/preparation_internal.h"
#include "parkeeper/jobs/seen.h"

namespace pk::jobs {

using iceberg::TableCommit;

namespace {

class Run {
 public:
  explicit Run(Attempt& attempt) : attempt_(attempt), job_(attempt.job) {}

  AttemptEnd OfPart() {
    const Result<catalog::LoadedTable> table = attempt_.FindTable();
    if (!table.ok()) return attempt_.FailWithLog(FailureOf(table.error()));
    const Result<Preparation> preparation =
        Prepare(attempt_.parts, job_, attempt_.part, *table, attempt_.options.memory_bytes);
    if (!preparation.ok()) return attempt_.FailWithLog(FailureOf(preparation.error()));
    if (preparation->skip) return Skip(*preparation->skip);
    if (!preparation->later) return Make(*preparation, *table);
    // Somebody claims it again, and looks again.
    attempt_.worker.Report(attempt_.claim, {.note = "waits: " + *preparation->later});
    attempt_.Wait();
    return attempt_.Release();
  }
  // The commit of what all parts wrote.
  AttemptEnd OfAll() {
    auto outcome = OutcomeOfAll();
    if (!outcome.ok()) return attempt_.FailWithLog(FailureOf(outcome.error()));
    summary_ = "all parts are committed";
    return Commit(outcome);
  }

 private:
  AttemptEnd Make(const Preparation& preparation, const catalog::LoadedTable& table) {
    source_ = preparation.source;
    auto produced = attempt_.RunInProcess(preparation.request);
    if (!produced) return attempt_.Release();
    if (!produced->ok()) return FailedToProduce(produced->error());
    written_ = (*produced)->commit;
    // In another session than that in which the work was begun, perhaps.
    if (attempt_.stop.stop_requested()) return ReleaseAndRemove();
    summary_ = fmt::format("{} rows in {} files, {} bytes", (*produced)->rows, (*produced)->files,
                           (*produced)->bytes);
    return Commit(OutcomeOf(*std::move(*produced), preparation, table));
  }

  AttemptEnd FailedToProduce(const Error& error) {
    // Somebody else has compacted or deleted the files: there is nothing left to do.
    const bool overtaken = std::holds_alternative<CompactPlan>(job_.plan) &&
                           error.code() == ErrorCode::kFailedPrecondition;
    if (overtaken) return Skip(error.message());
    const Failure failure = FailureOf(error);
    // Before the task is a dead letter, so that it is not submitted by whoever follows next.
    const bool for_good = failure.retry == tasks::Retry::kNever;
    if (job_.follower && source_ && for_good) GiveUp(attempt_.parts, *job_.follower, *source_);
    return attempt_.FailWithLog(failure);
  }

  Result<Outcome> OutcomeOf(Produced produced, const Preparation& preparation,
                            const catalog::LoadedTable& table) {
    Outcome outcome{.commit = {}, .with = {}, .if_rejected = {}, .result = EncodeResult(produced)};
    if (job_.at_once()) {
      outcome.result = Encode(produced);
      return outcome;
    }
    const auto* transform = std::get_if<TransformPlan>(&job_.plan);
    if (transform != nullptr && transform->overwrite) {
      std::vector<TableCommit> commits;
      if (produced.commit) commits.push_back(*std::move(produced.commit));
      const auto present = PK_TRY(attempt_.FindTable());
      outcome.commit = PK_TRY(Merge(attempt_.parts, std::move(commits), present.metadata.get()));
      return outcome;
    }
    outcome.commit = std::move(produced.commit);
    if (!preparation.properties.empty()) {
      if (!outcome.commit) outcome.commit = EmptyAppend(attempt_.parts, *table.metadata);
      outcome.commit->properties = preparation.properties;
    }
    if (produced.source) {
      const std::string marker = MarkerPath(job_.table_key, *produced.source);
      outcome.with.Create(marker, EncodeMarker(attempt_.claim.task, *produced.source));
      outcome.if_rejected.push_back(
          coordination::RemoveOperation{marker, coordination::kAnyVersion});
    }
    return outcome;
  }

  Result<Outcome> OutcomeOfAll() {
    auto queues = attempt_.parts.queues();
    std::vector<Uuid> ids;
    for (int64_t i = 0; i < job_.count; ++i) ids.push_back(TaskIdOf(job_.id, i));
    Produced all;
    std::vector<TableCommit> commits;
    for (const auto& task : PK_TRY(queues.FindAll(job_.queue, ids))) {
      PK_CHECK(task && task->state == tasks::TaskState::kDone,
               FailedPrecondition("a part of the job was cancelled, so nothing is committed"));
      Produced produced = PK_TRY(ParseProduced(PK_TRY(queues.LoadResult(*task))));
      all.rows += produced.rows;
      all.files += produced.files;
      all.bytes += produced.bytes;
      if (produced.commit) commits.push_back(*std::move(produced.commit));
    }
    Outcome outcome{.commit = {}, .with = {}, .if_rejected = {}, .result = EncodeResult(all)};
    const bool overwrite = std::get<TransformPlan>(job_.plan).overwrite;
    if (commits.empty() && !overwrite) return outcome;
    const auto table = PK_TRY(attempt_.FindTable());
    outcome.commit = PK_TRY(
        Merge(attempt_.parts, std::move(commits), overwrite ? table.metadata.get() : nullptr));
    return outcome;
  }

  AttemptEnd Commit(const Result<Outcome>& outcome) {
    if (!outcome.ok()) return FailAndRemove(FailureOf(outcome.error()), outcome.error().code());
    for (bool repeated = false;;) {
      const auto completed = Complete(attempt_.parts, attempt_.worker, attempt_.claim,
                                      job_.table_key, *outcome, repeated);
      if (completed.ok()) return FinishAs(*completed);
      const Error& error = completed.error();
      if (!IsPassing(error.code())) return FailAndRemove(FailureOf(error), error.code());
      Log(LogLevel::kWarning, Error(error).With("complete a task").message());
      repeated = repeated || error.code() == ErrorCode::kOutcomeUnknown;
      in_doubt_ = repeated;
      if (!attempt_.Wait()) return ReleaseAndRemove();
    }
  }

  AttemptEnd FinishAs(const Completed& completed) {
    switch (completed.how) {
      case Completion::kDone:
        attempt_.Keep(summary_);
        return AttemptEnd::kDone;
      case Completion::kRejected:
        attempt_.Keep("its commit was rejected: " + completed.why);
        RemoveWritten();
        return AttemptEnd::kFailed;
      case Completion::kLost:
        attempt_.Keep("the claim was lost before it was done");
        RemoveWritten();
        return AttemptEnd::kLost;
      case Completion::kRefused:
        // Another task has brought the file, or is about to: who claims this one next finds out. It
        // is no failure, and the claim must end before a late copy of the request comes.
        attempt_.Keep("another task has brought the file meanwhile");
        return ReleaseAndRemove();
    }
    return AttemptEnd::kLost;
  }

  AttemptEnd Skip(const std::string& why) {
    attempt_.Keep("skipped: " + why);
    Produced nothing;
    const std::string result = job_.at_once() ? Encode(nothing) : EncodeResult(nothing);
    return attempt_.End(AttemptEnd::kSkipped, [&]() -> Result<> {
      PK_TRY(attempt_.worker.Complete(attempt_.claim, result));
      return {};
    });
  }

  // The files go once the claim has ended so: no copy of what would have ended it otherwise can be
  // applied then.
  AttemptEnd ReleaseAndRemove() {
    const AttemptEnd ended = attempt_.Release();
    if (ended == AttemptEnd::kReleased) RemoveWritten();
    return ended;
  }

  AttemptEnd FailAndRemove(const Failure& failure, ErrorCode code) {
    const AttemptEnd ended = attempt_.FailWithLog(failure);
    if (ended == AttemptEnd::kFailed && !IsInDoubt(code)) RemoveWritten();
    return ended;
  }

  // What this attempt wrote; the last task has written nothing. A commit that may have been handed
  // over once keeps its files: orphan removal finds them when it was not.
  void RemoveWritten() {
    if (written_ && !in_doubt_) RemoveFiles(attempt_.parts.storage, *written_);
  }

  Attempt& attempt_;
  const Job& job_;
  std::optional<SourceIdentity> source_;  // before it was read
  std::optional<TableCommit> written_;
  std::string summary_;
  bool in_doubt_ = false;
};

}  // namespace

AttemptEnd RunAttempt(const Claimed& claimed) {
  Attempt attempt(claimed);
  const Result<> read = attempt.Read();
  if (!read.ok()) {
    // A worker of a later version may know what this one does not.
    const bool other = read.error().code() == ErrorCode::kUnsupported;
    return attempt.Fail(other ? Failure{read.error().message()} : FailureOf(read.error()));
  }
  if (attempt.cancelled()) return attempt.Cancel();
  if (attempt.job.standing()) return RunStanding(attempt);
  if (attempt.claim.task.request.kind == kFinishKind) return Run(attempt).OfAll();
  return Run(attempt).OfPart();
}

}  // namespace pk::jobs
