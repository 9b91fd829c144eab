#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/commit_internal.h"

namespace pk::catalog {

using iceberg::AppendFiles;
using iceberg::TableCommit;
using iceberg::TableMetadata;
using iceberg::UpdateTable;

namespace {

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
// Two clocks that make ids and stamps may differ by this much.
constexpr int64_t kClockSlackMs = 5 * kMinuteMs;
constexpr int64_t kMaxFileAgeMs = 36 * kHourMs;
constexpr int64_t kMaxIdAheadMs = 24 * kHourMs;
constexpr int64_t kRecordsPerRead = 500;

// One attempt's result: what the head shall say, and the files to be written before.
struct Attempt {
  std::vector<NewFile> files;
  std::shared_ptr<const TableMetadata> metadata;
  std::string metadata_location;
  std::optional<int64_t> snapshot_id;
};

class DirectCommit {
 public:
  DirectCommit(const CommitContext& context, const std::string& key, const TableCommit& commit)
      : context_(context),
        key_(key),
        commit_(commit),
        hash_(RequestHash(commit)),
        backoff_(context.NewBackoff()) {}

  Result<CommitResult> Run(CommitId id);

 private:
  // nullopt: the head has moved, look again.
  using MaybeResult = Result<std::optional<CommitResult>>;

  Result<CommitResult> Attempts(CommitId id);
  MaybeResult AttemptOn(ReadHead head, CommitId id);
  MaybeResult Judge(ReadHead& head);
  Result<bool> LookInRecords(const ReadHead& head, std::optional<CommitResult>& found);
  Result<CommitResult> FirstOutcome(const ReadHead& head, const RecordNode& record,
                                    const RecordedCommit& recorded, int64_t version);
  std::optional<std::string> Untimely() const;
  MaybeResult Reject(const ReadHead& head, CommitId id, const std::string& reason);
  Result<std::variant<Attempt, Rejected>> Prepare(const ReadHead& head);
  Result<std::variant<Attempt, Rejected>> PrepareAppendAttempt(const AppendFiles& append,
                                                               const ReadHead& head,
                                                               const TableMetadata& base);
  Result<Attempt> Finish(const ReadHead& head, const TableMetadata& base,
                         const std::vector<iceberg::TableUpdate>& updates, Attempt attempt);
  MaybeResult Apply(const ReadHead& head, const Attempt& attempt);
  Result<MoveOutcome> Move(const ReadHead& head, HeadNode next, RecordedCommit commit);

  const CommitContext& context_;
  const std::string& key_;
  const TableCommit& commit_;
  const uint64_t hash_;
  Backoff backoff_;
  // Manifests of an append: written once, whatever the table becomes between attempts.
  std::optional<PreparedAppend> append_;
  bool manifests_written_ = false;  // and in no version of the table yet
  int64_t judged_to_ = 0;           // records up to this version do not name the id
};

LoadedTable Loaded(const std::string& key, const HeadNode& head,
                   std::shared_ptr<const TableMetadata> metadata) {
  return {.name = {},
          .key = key,
          .version = head.version,
          .metadata_location = head.metadata_location,
          .metadata = std::move(metadata)};
}

Result<CommitResult> DirectCommit::FirstOutcome(const ReadHead& head, const RecordNode& record,
                                                const RecordedCommit& recorded, int64_t version) {
  if (recorded.request_hash != hash_) {
    return Rejected{
        fmt::format("commit id {} was used before for another commit", recorded.id.ToString())};
  }
  if (!recorded.committed) return Rejected{recorded.reason};
  HeadNode then = head.node;
  then.version = version;
  then.metadata_location = record.metadata_location;
  auto metadata = context_.files.Load(record.metadata_location);
  const bool purged = !metadata.ok() && metadata.error().code() == ErrorCode::kNotFound;
  if (!metadata.ok() && !purged) return std::move(metadata).error();
  return Committed{Loaded(key_, then, purged ? nullptr : *std::move(metadata)),
                   recorded.snapshot_id};
}

// Looks for the id in the records that were not looked at before; false when some of them are
// gone.
Result<bool> DirectCommit::LookInRecords(const ReadHead& head, std::optional<CommitResult>& found) {
  bool complete = true;
  int64_t first = std::max(head.node.floor, judged_to_ + 1);
  for (; first <= head.node.version; first += kRecordsPerRead) {
    const int64_t last = std::min(first + kRecordsPerRead - 1, head.node.version);
    std::vector<coordination::ReadRequest> requests;
    for (int64_t n = first; n <= last; ++n) requests.push_back({.path = RecordPath(key_, n)});
    auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff_));
    for (size_t i = 0; i < replies.size(); ++i) {
      complete = complete && replies[i].ok();
      if (!replies[i].ok()) continue;
      const auto record = PK_TRY(DecodeRecord(replies[i]->node.value).With(requests[i].path));
      for (const RecordedCommit& recorded : record.commits) {
        if (recorded.id != commit_.id) continue;
        found = PK_TRY(FirstOutcome(head, record, recorded, first + int64_t(i)));
        return true;
      }
    }
  }
  return complete;
}

// The first outcome of the id, or that of a table that was dropped; nullopt: go on with `head`,
// which may be read again, and all of whose records are known not to name the id.
DirectCommit::MaybeResult DirectCommit::Judge(ReadHead& head) {
  std::optional<CommitResult> found;
  while (!PK_TRY(LookInRecords(head, found))) {
    // Swept meanwhile, so the head has moved; if not, the table was dropped and its records go.
    const int64_t version = head.node.version;
    head = PK_TRY(LoadHead(context_.sessions, key_, backoff_));
    PK_CHECK(head.node.version != version,
             OutcomeUnknown("records of the table are gone that may name the commit"));
  }
  if (found) return found;
  // Records that were swept before they could be looked at may have named it, if it is as old.
  PK_CHECK(head.node.floor <= judged_to_ + 1 ||
               commit_.id.UnixMs() > head.node.swept_to_ms + kClockSlackMs,
           OutcomeUnknown("the commit is too old to judge; it will not be applied any more"));
  judged_to_ = head.node.version;
  if (head.node.dropped) return Rejected{"the table was dropped"};
  return std::nullopt;
}

// What time alone forbids.
std::optional<std::string> DirectCommit::Untimely() const {
  const int64_t now_ms = context_.options.clock->WallMs();
  if (commit_.id.UnixMs() > now_ms + kMaxIdAheadMs) {
    return fmt::format("commit id {} is of the future", commit_.id.ToString());
  }
  if (commit_.oldest_file_ms > 0 && now_ms - commit_.oldest_file_ms > kMaxFileAgeMs) {
    return "files of the commit are older than 36 hours and may be removed as orphans";
  }
  return std::nullopt;
}

// A rejection that is final. Of an id that was sent before, an earlier copy may still be on its
// way: a round that names the id as rejected spends the version which that copy expects, and gives
// whoever asks again the same answer.
DirectCommit::MaybeResult DirectCommit::Reject(const ReadHead& head, CommitId id,
                                               const std::string& reason) {
  bool rejected = false;
  if (id == CommitId::kNew) {
    // What was read may be behind what others have been told.
    rejected = PK_TRY(HeadStands(context_.sessions, key_, head, backoff_));
  } else {
    const auto moved = PK_TRY(Move(head, head.node,
                                   {.id = commit_.id,
                                    .request_hash = hash_,
                                    .committed = false,
                                    .snapshot_id = {},
                                    .reason = reason}));
    rejected = std::holds_alternative<Moved>(moved);
  }
  if (!rejected) return std::nullopt;
  return Rejected{reason};
}

Result<Attempt> DirectCommit::Finish(const ReadHead& head, const TableMetadata& base,
                                     const std::vector<iceberg::TableUpdate>& updates,
                                     Attempt attempt) {
  TableMetadata next = PK_TRY(iceberg::Apply(base, updates, context_.options.clock->WallMs()));
  iceberg::AppendMetadataLog(next, head.node.metadata_location, base.last_updated_ms);
  attempt.metadata_location = MetadataLocation(next, head.node.version + 1, *context_.options.ids);
  attempt.files.push_back({attempt.metadata_location, iceberg::ToJson(next)});
  attempt.metadata = std::make_shared<const TableMetadata>(std::move(next));
  return attempt;
}

Result<std::variant<Attempt, Rejected>> DirectCommit::PrepareAppendAttempt(
    const AppendFiles& append, const ReadHead& head, const TableMetadata& base) {
  Attempt attempt;
  if (!append_) {
    auto prepared = PrepareAppend(append, base, *context_.options.ids);
    if (!prepared.ok()) return Rejected{prepared.error().message()};
    append_ = std::move(prepared).value();
    attempt.files = append_->files;
  }
  const auto parent = base.FindRef(append.branch);
  const auto present = PK_TRY(context_.files.LoadManifests(parent.get()));
  auto produced = PK_TRY(ProduceSnapshot(*append_, base, *present, context_.options.clock->WallMs(),
                                         *context_.options.ids));
  attempt.files.push_back(std::move(produced.manifest_list));
  attempt.snapshot_id = append_->snapshot_id;
  return PK_TRY(Finish(head, base, produced.updates, std::move(attempt)));
}

// What the commit makes of the present state, as files that are not written yet.
Result<std::variant<Attempt, Rejected>> DirectCommit::Prepare(const ReadHead& head) {
  const auto base = PK_TRY(context_.files.Load(head.node.metadata_location));
  if (const auto* append = std::get_if<AppendFiles>(&commit_.change)) {
    return PrepareAppendAttempt(*append, head, *base);
  }
  const auto& update = std::get<UpdateTable>(commit_.change);
  for (const iceberg::TableRequirement& requirement : update.requirements) {
    Result<> holds = iceberg::Check(requirement, base.get());
    if (!holds.ok()) return Rejected{holds.error().message()};
  }
  Attempt attempt;
  for (const iceberg::TableUpdate& change : update.updates) {
    if (const auto* added = std::get_if<iceberg::AddSnapshot>(&change)) {
      attempt.snapshot_id = added->snapshot->snapshot_id;
    }
  }
  auto finished = Finish(head, *base, update.updates, std::move(attempt));
  if (!finished.ok() && finished.error().code() == ErrorCode::kInvalidArgument) {
    return Rejected{finished.error().message()};
  }
  return PK_TRY(std::move(finished));
}

Result<MoveOutcome> DirectCommit::Move(const ReadHead& head, HeadNode next, RecordedCommit commit) {
  const Sweep sweep = PK_TRY(PlanSweep(context_, key_, head, backoff_));
  next.floor = sweep.floor;
  next.swept_to_ms = sweep.swept_to_ms;
  const RecordNode record{.round = context_.options.ids->NewUuid4().ToString(),
                          .dropped = false,
                          .metadata_location = next.metadata_location,
                          .commits = {std::move(commit)}};
  return MoveHead(context_.sessions, key_, head, next, record, sweep.removals,
                  *context_.options.ids, backoff_);
}

// Writes the files of the attempt and moves the head to them.
DirectCommit::MaybeResult DirectCommit::Apply(const ReadHead& head, const Attempt& attempt) {
  PK_TRY(context_.files.Write(attempt.files, backoff_));
  manifests_written_ = append_.has_value();
  HeadNode next = head.node;
  next.table_uuid = attempt.metadata->table_uuid;
  next.metadata_location = attempt.metadata_location;
  const auto current = attempt.metadata->current_snapshot();
  next.snapshot_id =
      current == nullptr ? std::nullopt : std::optional<int64_t>(current->snapshot_id);
  const auto moved = Move(head, next,
                          {.id = commit_.id,
                           .request_hash = hash_,
                           .committed = true,
                           .snapshot_id = attempt.snapshot_id,
                           .reason = {}});
  if (!moved.ok() && moved.error().code() == ErrorCode::kOutcomeUnknown) return moved.error();
  if (moved.ok() && std::holds_alternative<Moved>(*moved)) {
    manifests_written_ = false;
    context_.files.Remember(attempt.metadata_location, attempt.metadata);
    return Committed{Loaded(key_, std::get<Moved>(*moved).head, attempt.metadata),
                     attempt.snapshot_id};
  }
  // Definitely not this attempt: its own files are garbage, the manifests serve the next one.
  context_.files.Discard({attempt.files.end() - (append_ ? 2 : 1), attempt.files.end()});
  if (!moved.ok()) return moved.error();
  return std::nullopt;
}

DirectCommit::MaybeResult DirectCommit::AttemptOn(ReadHead head, CommitId id) {
  if (auto known = PK_TRY(Judge(head))) return known;
  if (const auto reason = Untimely()) return Reject(head, id, *reason);
  auto prepared = Prepare(head);
  if (!prepared.ok()) {
    // A table that was dropped meanwhile may have lost the files that its head named.
    const bool missing = prepared.error().code() == ErrorCode::kNotFound;
    if (missing && !PK_TRY(HeadStands(context_.sessions, key_, head, backoff_))) {
      return std::nullopt;
    }
    return std::move(prepared).error();
  }
  if (const auto* rejected = std::get_if<Rejected>(&*prepared)) {
    return Reject(head, id, rejected->reason);
  }
  return Apply(head, std::get<Attempt>(*prepared));
}

Result<CommitResult> DirectCommit::Attempts(CommitId id) {
  for (bool first = true;; first = false) {
    auto head = LoadHead(context_.sessions, key_, backoff_);
    if (!head.ok() && head.error().code() == ErrorCode::kNotFound) {
      if (id == CommitId::kNew) return Rejected{head.error().message() + ": it was dropped"};
    }
    if (!head.ok()) return std::move(head).error();
    // Only the first try of a new id may go without looking: later ones may meet the outcome of
    // somebody who asked again with it.
    if (first && id == CommitId::kNew) judged_to_ = head->node.version;
    if (auto result = PK_TRY(AttemptOn(*std::move(head), id))) return *std::move(result);
    if (!backoff_.Wait()) {
      return Unavailable(fmt::format("gave up after {} attempts: other writers were faster",
                                     backoff_.attempts() + 1));
    }
  }
}

Result<CommitResult> DirectCommit::Run(CommitId id) {
  Result<CommitResult> result = Attempts(id);
  const bool unknown = !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
  if (manifests_written_ && !unknown) context_.files.Discard(append_->files);
  // Of this call nothing can be applied any more, but of an earlier one with this id it may have
  // been, or still be.
  if (id == CommitId::kMaybeRepeated && !result.ok()) {
    return OutcomeUnknown(result.error().message());
  }
  return result;
}

}  // namespace

Result<CommitResult> CommitToTable(const CommitContext& context, const std::string& key,
                                   const TableCommit& commit, CommitId id) {
  return DirectCommit(context, key, commit)
      .Run(id)
      .With(fmt::format("commit {}", commit.id.ToString()));
}

}  // namespace pk::catalog
