#include "parkeeper/catalog/commit_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "parkeeper/base/json.h"
#include "parkeeper/catalog/group_internal.h"
#include "parkeeper/catalog/links_internal.h"

namespace pk::catalog {

using iceberg::TableCommit;
using iceberg::TableMetadata;

namespace {

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
// Two clocks that make ids and stamps may differ by this much.
constexpr int64_t kClockSlackMs = 5 * kMinuteMs;
constexpr int64_t kMaxFileAgeMs = 36 * kHourMs;
constexpr int64_t kMaxIdAheadMs = 24 * kHourMs;
// From so many records on, rounds keep such a distance that kPerRetention are made while one is
// kept: the sum of both is the most that there are, kPerRetention what they come to under load.
constexpr int64_t kManyRecords = 15'000;
constexpr int64_t kPerRetention = 20'000;
// A reason goes into the record, which every waiter reads; counted as JSON has it.
constexpr size_t kMaxReasonBytes = 500;

size_t BytesInJson(std::string_view character) {
  const char first = character.front();
  if (first == '"' || first == '\\') return 2;
  return uint8_t(first) < 0x20 ? 6 : character.size();
}

class Round {
 public:
  Round(const CommitContext& context, const std::string& key, TableMemory& memory,
        const ReadHead& head, std::vector<Proposal>& proposals, Backoff& backoff)
      : context_(context),
        key_(key),
        memory_(memory),
        records_(context.records.Of(key)),
        head_(head),
        proposals_(proposals),
        backoff_(backoff) {}

  Result<RoundEnd> Run() {
    KeepDistance();
    if (!PK_TRY(ReadRecords())) return RoundEnd::kLookAgain;
    if (head_.node.dropped) return RejectAll("the table was dropped");
    auto base = context_.files.Load(head_.node.metadata_location);
    if (!base.ok()) return LookAgainIfMoved(std::move(base).error());
    Group group(context_.files, *base, head_.node.metadata_location, head_.node.version,
                *context_.options.clock, *context_.options.ids);
    for (Proposal& proposal : proposals_) {
      Result<> judged = Judge(proposal, group);
      if (!judged.ok()) return LookAgainIfMoved(std::move(judged).error());
    }
    auto built = group.Finish();
    if (!built.ok()) return LookAgainIfMoved(std::move(built).error());
    TakeIn(*built);
    if (!to_record_) return Settle();
    return Apply(*built);
  }

 private:
  // A proposal's outcome, or where in the group it will be.
  struct Verdict {
    RecordedCommit recorded;
    std::optional<Outcome> earlier;  // named by a record already
    std::optional<size_t> in_group;
  };

  // Under load for longer than the retention groups grow instead of the number of records.
  void KeepDistance() {
    Clock& clock = *context_.options.clock;
    if (head_.node.version - head_.node.floor >= kManyRecords) {
      const Duration distance = Duration(context_.options.retention) / kPerRetention;
      static_cast<void>(clock.Wait(memory_.last_round + distance - clock.Now()));
    }
    memory_.last_round = clock.Now();
  }

  // False: they are not as the head says.
  Result<bool> ReadRecords() {
    int64_t since = head_.node.version;
    for (const Proposal& proposal : proposals_) since = std::min(since, proposal.since);
    known_ = PK_TRY(records_->Learn(context_.sessions, key_, head_, since, backoff_));
    return known_->cover() != KnownRecords::Cover::kGone;
  }

  // A table that was dropped meanwhile may have lost the files that its head named.
  Result<RoundEnd> LookAgainIfMoved(Error error) {
    const bool missing = error.code() == ErrorCode::kNotFound;
    if (missing && !PK_TRY(HeadStands(context_.sessions, key_, head_, backoff_))) {
      return RoundEnd::kLookAgain;
    }
    return error;
  }

  // Of a dropped table. Writers see that for themselves; only what hangs on an entry that stays
  // takes a round.
  Result<RoundEnd> RejectAll(const std::string& reason) {
    for (const Proposal& proposal : proposals_) {
      Verdict& verdict = verdicts_.emplace_back();
      first_of_.try_emplace(proposal.id, verdicts_.size() - 1);
      verdict.earlier = known_->Find(proposal.id);
      verdict.recorded = {.id = proposal.id, .request_hash = proposal.request_hash};
      verdict.recorded.reason = reason;
      verdict.recorded.unjudged = IsTooOldToJudge(head_.node, proposal);
      if (verdict.earlier) verdict.recorded = verdict.earlier->commit;
    }
    const bool moves = std::ranges::any_of(proposals_, &Proposal::stays);
    if (moves) return Apply({});
    for (size_t i = 0; i < proposals_.size(); ++i) {
      if (proposals_[i].entry_path.empty()) Answer(i, 0, {});
    }
    return RoundEnd::kDecided;
  }

  Result<> Judge(const Proposal& proposal, Group& group) {
    Verdict& verdict = verdicts_.emplace_back();
    verdict.recorded = {.id = proposal.id, .request_hash = proposal.request_hash};
    const auto [first, fresh] = first_of_.try_emplace(proposal.id, verdicts_.size() - 1);
    verdict.earlier = known_->Find(proposal.id);
    if (verdict.earlier || !fresh) return {};
    if (IsTooOldToJudge(head_.node, proposal)) {
      verdict.recorded.unjudged = true;
    } else if (proposal.commit == nullptr) {
      verdict.recorded.reason = proposal.refusal;
    } else if (auto reason = Untimely(context_, proposal)) {
      verdict.recorded.reason = *std::move(reason);
    } else {
      verdict.in_group = PK_TRY(group.Add(*proposal.commit));
    }
    return {};
  }

  // What the group made of them; who comes again gets the first outcome, also within a round.
  void TakeIn(const Group::Built& built) {
    for (size_t i = 0; i < verdicts_.size(); ++i) {
      Verdict& verdict = verdicts_[i];
      const size_t first = first_of_.at(verdict.recorded.id);
      if (verdict.earlier) {
        verdict.recorded = verdict.earlier->commit;
      } else if (first != i) {
        verdict.recorded = verdicts_[first].recorded;
      } else if (verdict.in_group) {
        const GroupOutcome& outcome = built.outcomes[*verdict.in_group];
        if (const auto* applied = std::get_if<AppliedInGroup>(&outcome)) {
          verdict.recorded.committed = true;
          verdict.recorded.snapshot_id = applied->snapshot_id;
        } else {
          verdict.recorded.reason = std::get<Rejected>(outcome).reason;
        }
      }
      verdict.recorded.reason = ShortReason(verdict.recorded.reason);
      // The own ones that a record names already have their answer, and whoever asks for one that
      // is too old is told the same every time.
      to_record_ |=
          !proposals_[i].entry_path.empty() || (!verdict.earlier && !verdict.recorded.unjudged);
    }
  }

  // Nothing to be recorded: outcomes known before, and ids that are too old to judge.
  Result<RoundEnd> Settle() {
    const bool any =
        std::ranges::any_of(verdicts_, [](const Verdict& verdict) { return !verdict.earlier; });
    // What was read may be behind what others have been told.
    if (any && !PK_TRY(HeadStands(context_.sessions, key_, head_, backoff_))) {
      return RoundEnd::kLookAgain;
    }
    AnswerAll(0, {});
    return RoundEnd::kDecided;
  }

  void Answer(size_t i, int64_t version, const std::string& metadata_location) {
    Verdict& verdict = verdicts_[i];
    if (verdict.earlier) {
      proposals_[i].outcome = std::move(verdict.earlier);
    } else {
      proposals_[i].outcome = Outcome{version, metadata_location, std::move(verdict.recorded)};
    }
  }
  void AnswerAll(int64_t version, const std::string& metadata_location) {
    for (size_t i = 0; i < proposals_.size(); ++i) Answer(i, version, metadata_location);
  }

  RecordNode MakeRecord(const std::string& metadata_location) const {
    RecordNode record{.round = context_.options.ids->NewUuid4().ToString(),
                      .dropped = head_.node.dropped,
                      .metadata_location = metadata_location,
                      .commits = {}};
    // Each id is named once: whoever asked for one that was named before finds that record.
    for (size_t i = 0; i < verdicts_.size(); ++i) {
      const Verdict& verdict = verdicts_[i];
      if (verdict.earlier || first_of_.at(verdict.recorded.id) != i) continue;
      record.commits.push_back(verdict.recorded);
    }
    return record;
  }

  // Writes the files and moves the head to them.
  Result<RoundEnd> Apply(const Group::Built& built) {
    PK_TRY(context_.files.Write(built.files, backoff_));
    HeadNode next = head_.node;
    if (built.metadata != nullptr) PointTo(built, next);
    const RecordNode record = MakeRecord(next.metadata_location);
    const Result<MoveOutcome> moved = Move(next, record);
    if (!moved.ok() && moved.error().code() == ErrorCode::kOutcomeUnknown) return moved.error();
    if (!moved.ok() || std::holds_alternative<NotMoved>(*moved)) {
      // Definitely not this round: its files are garbage.
      context_.files.Discard(built.files);
      if (!moved.ok()) return moved.error();
      return RoundEnd::kLookAgain;
    }
    context_.files.Discard(built.forgotten);
    const int64_t version = std::get<Moved>(*moved).head.version;
    if (built.metadata != nullptr) {
      context_.files.Remember(built.metadata_location, built.metadata);
    }
    AnswerAll(version, next.metadata_location);
    records_->Learn(version, record);
    return RoundEnd::kDecided;
  }

  Result<MoveOutcome> Move(HeadNode& next, const RecordNode& record) {
    Sweep sweep = PK_TRY(PlanSweep(context_, key_, head_, memory_.next_sweep_ms, backoff_));
    next.floor = sweep.floor;
    next.swept_to_ms = sweep.swept_to_ms;
    coordination::Transaction extra;
    std::map<size_t, size_t> linked;  // the proposal of each link, by its place in `extra`
    for (size_t i = 0; i < proposals_.size(); ++i) {
      if (proposals_[i].entry_path.empty()) continue;
      extra.Remove(proposals_[i].entry_path, proposals_[i].entry_version);
      const size_t first = extra.operations().size();
      extra.Append(LinksOf(i));
      for (size_t k = first; k < extra.operations().size(); ++k) linked[k] = i;
    }
    extra.Append(sweep.removals);
    const MoveOutcome moved = PK_TRY(MoveHead(context_.sessions, key_, head_, next, record, extra,
                                              *context_.options.ids, backoff_));
    const auto* refused = std::get_if<NotMoved>(&moved);
    const auto broken =
        refused == nullptr || !refused->extra ? linked.end() : linked.find(*refused->extra);
    if (broken != linked.end()) {
      const auto path = [](const auto& operation) { return operation.path; };
      proposals_[broken->second].broken_link = std::visit(path, extra.operations()[broken->first]);
    }
    return moved;
  }

  // What the outcome of this proposal brings about. To whom an id is refused as too old to judge,
  // or as that of another commit, nothing is committed.
  coordination::Transaction LinksOf(size_t i) const {
    const Proposal& proposal = proposals_[i];
    if (proposal.links == nullptr) return {};
    const RecordedCommit& recorded = verdicts_[i].recorded;
    const bool committed = recorded.committed && recorded.request_hash == proposal.request_hash;
    return ToTransaction(committed ? proposal.links->if_committed : proposal.links->if_rejected);
  }

  const CommitContext& context_;
  const std::string& key_;
  TableMemory& memory_;
  const std::shared_ptr<KnownRecords> records_;
  std::optional<KnownRecords::View> known_;
  const ReadHead& head_;
  std::vector<Proposal>& proposals_;
  Backoff& backoff_;
  std::vector<Verdict> verdicts_;
  std::map<Uuid, size_t> first_of_;  // place of the first proposal of each id
  bool to_record_ = false;
};

}  // namespace

Result<RoundEnd> RunRound(const CommitContext& context, const std::string& key, TableMemory& memory,
                          const ReadHead& head, std::vector<Proposal>& proposals,
                          Backoff& backoff) {
  return Round(context, key, memory, head, proposals, backoff).Run();
}

std::string ShortReason(std::string_view reason) {
  std::string text = json::ReplaceInvalid(reason);
  size_t bytes = 0;
  for (size_t end = 0; end < text.size();) {
    const std::string_view rest = std::string_view(text).substr(end);
    const size_t length = json::CharacterLength(rest);
    bytes += BytesInJson(rest.substr(0, length));
    if (bytes > kMaxReasonBytes) return text.substr(0, end) + "...";
    end += length;
  }
  return text;
}

std::optional<std::string> Untimely(const CommitContext& context, const Proposal& proposal) {
  const int64_t now_ms = context.options.clock->WallMs();
  if (proposal.id.UnixMs() > now_ms + kMaxIdAheadMs) {
    return fmt::format("commit id {} is of the future", proposal.id.ToString());
  }
  const int64_t oldest_ms = proposal.commit->oldest_file_ms;
  if (oldest_ms > 0 && now_ms - oldest_ms > kMaxFileAgeMs) {
    return "files of the commit are older than 36 hours and may be removed as orphans";
  }
  return std::nullopt;
}

void PointTo(const Group::Built& built, HeadNode& head) {
  const auto current = built.metadata->current_snapshot();
  head.table_uuid = built.metadata->table_uuid;
  head.metadata_location = built.metadata_location;
  head.snapshot_id =
      current == nullptr ? std::nullopt : std::optional<int64_t>(current->snapshot_id);
}

bool IsTooOldToJudge(const HeadNode& head, const Proposal& proposal) {
  return head.floor > proposal.since + 1 &&
         proposal.id.UnixMs() <= head.swept_to_ms + kClockSlackMs;
}

Result<CommitResult> ResultOf(const CommitContext& context, const std::string& key,
                              const Outcome& outcome, uint64_t request_hash) {
  const RecordedCommit& commit = outcome.commit;
  PK_CHECK(!commit.unjudged,
           OutcomeUnknown("the commit is too old to judge; it will not be applied any more"));
  // Of an entry that could not be read there is no hash.
  if (!commit.committed && commit.request_hash == 0) return Rejected{commit.reason};
  if (commit.request_hash != request_hash) {
    return Rejected{
        fmt::format("commit id {} was used before for another commit", commit.id.ToString())};
  }
  if (!commit.committed) return Rejected{commit.reason};
  return Committed{{.name = {},
                    .key = key,
                    .version = outcome.version,
                    .metadata_location = outcome.metadata_location,
                    .metadata = context.files.Remembered(outcome.metadata_location)},
                   commit.snapshot_id};
}

}  // namespace pk::catalog
