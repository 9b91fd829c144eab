// Standing tasks: their claim is held for as long as the job is not cancelled. What they do happens
// once by itself (a position that the commit requires; a marker for each file), not because their
// claim ends once; so it does no harm when two workers are at it for a while.

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "parkeeper/base/json.h"
#include "parkeeper/base/log.h"
#include "parkeeper/datafile/source_paths.h"
#include "parkeeper/jobs/attempt_internal.h"
#include "parkeeper/jobs/completion_internal.h"
#include "parkeeper/jobs/preparation_internal.h"
#include "parkeeper/jobs/seen.h"

namespace pk::jobs {

namespace {

constexpr std::chrono::milliseconds kLook{1'000};
// How long one of several feeds is waited for before the others are asked.
constexpr std::chrono::milliseconds kTurn{200};
// So often a task without news says that it is there, and looks by itself.
constexpr std::chrono::milliseconds kQuiet{20'000};
constexpr std::chrono::milliseconds kLongestPause{60'000};

// Rounds that may fail; so many in a row, or one that repeating cannot mend, end the task.
class Rounds {
 public:
  explicit Rounds(Attempt& attempt)
      : attempt_(attempt),
        stop_(attempt.stop, [this] { over_.request_stop(); }),
        drain_(attempt.options.drain, [this] { over_.request_stop(); }) {}

  // Between rounds: the attempt is stopped, or its worker drains.
  std::stop_token over() const { return over_.get_token(); }

  // nullopt: go on. Waits after a failure.
  std::optional<AttemptEnd> Failed(const Error& error) {
    const bool cancelled = error.code() == ErrorCode::kCancelled;
    if (cancelled) attempt_.parts.options.clock->Wait(kLook, over());  // its claim ends soon
    if (cancelled || over_.stop_requested()) return std::nullopt;
    Log(LogLevel::kWarning, Error(error).With("standing task").message());
    attempt_.worker.Report(attempt_.claim, {.note = error.message().substr(0, 200)});
    const bool out_of_reach = IsPassing(error.code());
    if (!MayPass(error.code()) || (!out_of_reach && ++failures_ >= attempt_.job.most_failures)) {
      return attempt_.FailWithLog({error.message(), tasks::Retry::kNever});
    }
    attempt_.parts.options.clock->Wait(pause_, over());
    pause_ = std::min(2 * pause_, kLongestPause);
    return std::nullopt;
  }
  void Worked(std::string note) {
    failures_ = 0;
    pause_ = kLook;
    attempt_.worker.Report(attempt_.claim, {.note = std::move(note)});
  }

 private:
  Attempt& attempt_;
  std::stop_source over_;
  std::stop_callback<std::function<void()>> stop_;
  std::stop_callback<std::function<void()>> drain_;
  int failures_ = 0;
  std::chrono::milliseconds pause_ = kLook;
};

// Waits until one of several tables has new snapshots, or it is quiet.
class News {
 public:
  News(catalog::Catalog& catalog, const RefreshPlan& plan) : catalog_(catalog), plan_(plan) {}

  // From now on. Feeds that are there stay.
  Result<> Listen() {
    for (const FollowedTable& input : plan_.inputs) {
      if (!input.incremental || feeds_.contains(input.key)) continue;
      feeds_[input.key] = PK_TRY(catalog_.Follow(input.key, catalog::FromNow{}));
    }
    return {};
  }
  Result<> Wait(Clock& clock, const std::stop_token& stop) {
    const SteadyTime until = clock.Now() + kQuiet;
    while (!stop.stop_requested() && clock.Now() < until) {
      for (auto& [key, feed] : feeds_) {
        const auto change = feed->Next(feeds_.size() == 1 ? until : clock.Now() + kTurn, stop);
        if (!change.ok()) {
          // What the feed cannot tell, because snapshots have expired, the table itself tells.
          const Error& error = change.error();
          feeds_.erase(key);
          const bool looks_itself = error.code() == ErrorCode::kCancelled ||
                                    error.code() == ErrorCode::kFailedPrecondition;
          return looks_itself ? Result<>() : error;
        }
        if (*change && !(*change)->snapshots.empty()) return {};
      }
    }
    return {};
  }

 private:
  catalog::Catalog& catalog_;
  const RefreshPlan& plan_;
  std::map<std::string, std::unique_ptr<catalog::Feed>> feeds_;
};

class KeepFresh {
 public:
  KeepFresh(Attempt& attempt, const RefreshPlan& plan)
      : attempt_(attempt), news_(attempt.parts.catalog, plan), rounds_(attempt) {}

  AttemptEnd Run() {
    while (!rounds_.over().stop_requested()) {
      const Result<bool> advanced = Advance();
      if (!advanced.ok()) {
        if (const auto end = rounds_.Failed(advanced.error())) return *end;
        continue;
      }
      rounds_.Worked(fmt::format("{} rows in {} runs", rows_, runs_));
      if (*advanced) continue;  // more may have come meanwhile
      const Result<> waited = news_.Wait(*attempt_.parts.options.clock, rounds_.over());
      if (waited.ok()) continue;
      if (const auto end = rounds_.Failed(waited.error())) return *end;
    }
    return attempt_.Release();
  }

 private:
  // False: there was nothing new.
  Result<bool> Advance() {
    PK_TRY(news_.Listen());
    const auto table = PK_TRY(attempt_.FindTable());
    const auto preparation = PK_TRY(
        Prepare(attempt_.parts, attempt_.job, attempt_.part, table, attempt_.options.memory_bytes));
    if (preparation.skip) return false;
    auto produced = attempt_.RunInProcess(preparation.request);
    if (!produced) return Cancelled("stopped");
    Produced made = PK_TRY(*std::move(produced));
    if (!made.commit) made.commit = EmptyAppend(attempt_.parts, *table.metadata);
    iceberg::TableCommit& commit = *made.commit;
    commit.properties = preparation.properties;
    // The claim does not guard the commit.
    const Result<bool> wanted = attempt_.IsWanted();
    if (!wanted.ok() || !*wanted) {
      RemoveFiles(attempt_.parts.storage, commit);
      return wanted.ok() ? Cancelled("the job is cancelled") : wanted.error();
    }
    PK_TRY(Commit(commit));
    rows_ += made.rows;
    ++runs_;
    return true;
  }

  Result<> Commit(const iceberg::TableCommit& commit) {
    for (auto id = catalog::CommitId::kNew;;) {
      const auto result = attempt_.parts.catalog.Commit(attempt_.job.table_key, commit, id);
      if (result.ok()) {
        const auto* rejected = std::get_if<catalog::Rejected>(&*result);
        if (rejected == nullptr) return {};
        RemoveFiles(attempt_.parts.storage, commit);
        // Somebody else was faster, perhaps: the next round sees.
        return Error(ErrorCode::kConflict, rejected->reason);
      }
      const ErrorCode code = result.error().code();
      if (code != ErrorCode::kOutcomeUnknown && id == catalog::CommitId::kNew) {
        if (!IsInDoubt(code)) RemoveFiles(attempt_.parts.storage, commit);
        return result.error();
      }
      id = catalog::CommitId::kMaybeRepeated;
      if (!attempt_.Wait()) return result.error();
    }
  }

  Attempt& attempt_;
  News news_;
  Rounds rounds_;
  int64_t rows_ = 0;
  int64_t runs_ = 0;
};

class FollowFiles {
 public:
  FollowFiles(Attempt& attempt, const FollowFilesPlan& plan)
      : attempt_(attempt), plan_(plan), rounds_(attempt) {}

  AttemptEnd Run() {
    while (!rounds_.over().stop_requested()) {
      const Result<> looked = Look();
      if (looked.ok()) {
        rounds_.Worked(fmt::format("{} files submitted", submitted_));
        attempt_.parts.options.clock->Wait(kLook, rounds_.over());
      } else if (const auto end = rounds_.Failed(looked.error())) {
        return *end;
      }
    }
    return attempt_.Release();
  }

 private:
  Result<> Look() {
    // What was found before comes first: its job may be there already, in part.
    if (found_.empty()) found_ = PK_TRY(Find());
    if (found_.empty()) return {};
    if (!PK_TRY(attempt_.IsWanted())) return Cancelled("the job is cancelled");
    const Result<Job> submitted = Jobs(attempt_.parts).Submit(JobOf(found_));
    if (!submitted.ok() && !PK_TRY(IsCancelled(next_id_))) {
      if (IsPassing(submitted.error().code())) return submitted.error();
      // It may be the id that is refused: another one the next time.
      found_.clear();
      return Error(ErrorCode::kConflict, submitted.error().message());
    }
    for (const SourceIdentity& source : found_) known_.insert(KeyOf(source));
    submitted_ += int64_t(found_.size());
    found_.clear();
    return {};
  }

  // By somebody who does not want its files, before all of it was there.
  Result<bool> IsCancelled(const Uuid& id) {
    const auto status = Jobs(attempt_.parts).Describe(id);
    if (!status.ok() && status.error().code() == ErrorCode::kNotFound) return false;
    PK_CHECK(status.ok(), status.error());
    const JobState state = status->job.state;
    return state == JobState::kCancelling || state == JobState::kCancelled;
  }

  // Of the files that are there, what is for one job.
  Result<std::vector<SourceIdentity>> Find() {
    std::map<std::string, SourceIdentity> found;
    for (const std::string& pattern : plan_.patterns) {
      for (const std::string& path : datafile::MatchPaths(pattern)) {
        if (found.size() == kMostParts) break;
        // As `job submit ingest` names them: one file, one marker.
        std::error_code failure;
        const auto source = IdentifySource(std::filesystem::canonical(path, failure).string());
        // A folder, or gone again; or under a name that no job can say.
        if (!source.ok() || !json::IsUtf8(source->path)) continue;
        if (!IsSettled(*source) || known_.contains(KeyOf(*source))) continue;
        const bool is_news =
            PK_TRY(IsNews(attempt_.parts, attempt_.job.id, attempt_.job.table_key, *source));
        if (is_news) {
          found.emplace(source->path, *source);
        } else {
          known_.insert(KeyOf(*source));
        }
      }
    }
    std::vector<SourceIdentity> sources;
    for (auto& [path, source] : found) sources.push_back(std::move(source));
    next_id_ = attempt_.parts.options.ids->NewUuid7(*attempt_.parts.options.clock);
    return sources;
  }

  Job JobOf(const std::vector<SourceIdentity>& found) const {
    Job ingest{.id = next_id_,
               .queue = attempt_.job.queue,
               .table = attempt_.job.table,
               .table_key = attempt_.job.table_key,
               .plan = IngestPlan{.input = plan_.input},
               .most_failures = attempt_.job.most_failures,
               .within = attempt_.job.within,
               .follower = attempt_.job.id,
               .parts = {}};
    for (const SourceIdentity& source : found) ingest.parts.push_back(source.path);
    return ingest;
  }

  static std::string KeyOf(const SourceIdentity& source) {
    return fmt::format("{} {} {}", source.size, source.modified_ns, source.path);
  }
  bool IsSettled(const SourceIdentity& source) const {
    const int64_t age_ms = attempt_.parts.options.clock->WallMs() - source.modified_ns / 1'000'000;
    return age_ms >= plan_.settled.count();
  }

  Attempt& attempt_;
  const FollowFilesPlan& plan_;
  Rounds rounds_;
  std::set<std::string> known_;  // in the table, submitted or given up
  // What is to be submitted next, as the job of this id: however often that is tried, it is one.
  std::vector<SourceIdentity> found_;
  Uuid next_id_;
  int64_t submitted_ = 0;
};

}  // namespace

AttemptEnd RunStanding(Attempt& attempt) {
  if (const auto* plan = std::get_if<RefreshPlan>(&attempt.job.plan)) {
    return KeepFresh(attempt, *plan).Run();
  }
  return FollowFiles(attempt, std::get<FollowFilesPlan>(attempt.job.plan)).Run();
}

}  // namespace pk::jobs
