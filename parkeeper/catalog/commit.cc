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
  Result<CommitResult> Attempts(CommitId id);
  Result<std::optional<CommitResult>> Judge(const ReadHead& head, CommitId id);
  Result<std::optional<CommitResult>> FindInRecords(const ReadHead& head);
  Result<CommitResult> FirstOutcome(const ReadHead& head, const RecordNode& record,
                                    const RecordedCommit& recorded, int64_t version);
  Result<std::variant<Attempt, Rejected>> Prepare(const ReadHead& head);
  Result<std::variant<Attempt, Rejected>> PrepareAppendAttempt(const AppendFiles& append,
                                                               const ReadHead& head,
                                                               const TableMetadata& base);
  Result<Attempt> Finish(const ReadHead& head, const TableMetadata& base,
                         const std::vector<iceberg::TableUpdate>& updates, Attempt attempt);
  Result<MoveOutcome> Move(const ReadHead& head, const Attempt& attempt);

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
  auto metadata = PK_TRY(context_.files.Load(record.metadata_location));
  return Committed{Loaded(key_, then, std::move(metadata)), recorded.snapshot_id};
}

Result<std::optional<CommitResult>> DirectCommit::FindInRecords(const ReadHead& head) {
  int64_t first = std::max(head.node.floor, judged_to_ + 1);
  for (; first <= head.node.version; first += kRecordsPerRead) {
    const int64_t last = std::min(first + kRecordsPerRead - 1, head.node.version);
    std::vector<coordination::ReadRequest> requests;
    for (int64_t n = first; n <= last; ++n) requests.push_back({.path = RecordPath(key_, n)});
    auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff_));
    for (size_t i = 0; i < replies.size(); ++i) {
      if (!replies[i].ok()) continue;  // swept meanwhile: the head moved, and the move will fail
      const auto record = PK_TRY(DecodeRecord(replies[i]->node.value).With(requests[i].path));
      for (const RecordedCommit& recorded : record.commits) {
        if (recorded.id != commit_.id) continue;
        return PK_TRY(FirstOutcome(head, record, recorded, first + int64_t(i)));
      }
    }
  }
  judged_to_ = head.node.version;
  return std::nullopt;
}

// What can be said before anything is written; nullopt: go on.
Result<std::optional<CommitResult>> DirectCommit::Judge(const ReadHead& head, CommitId id) {
  if (id == CommitId::kMaybeRepeated) {
    auto found = PK_TRY(FindInRecords(head));
    if (found) return found;
    if (head.node.swept_to_ms > 0 && commit_.id.UnixMs() <= head.node.swept_to_ms + kClockSlackMs) {
      return Rejected{fmt::format("commit id {} is too old to judge", commit_.id.ToString())};
    }
  }
  if (head.node.dropped) return Rejected{"the table was dropped"};
  const int64_t now_ms = context_.options.clock->WallMs();
  if (commit_.id.UnixMs() > now_ms + kMaxIdAheadMs) {
    return Rejected{fmt::format("commit id {} is of the future", commit_.id.ToString())};
  }
  if (commit_.oldest_file_ms > 0 && now_ms - commit_.oldest_file_ms > kMaxFileAgeMs) {
    return Rejected{"files of the commit are older than 36 hours and may be removed as orphans"};
  }
  return std::nullopt;
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

Result<MoveOutcome> DirectCommit::Move(const ReadHead& head, const Attempt& attempt) {
  const Sweep sweep = PK_TRY(PlanSweep(context_, key_, head, backoff_));
  HeadNode next = head.node;
  next.floor = sweep.floor;
  next.swept_to_ms = sweep.swept_to_ms;
  next.table_uuid = attempt.metadata->table_uuid;
  next.metadata_location = attempt.metadata_location;
  const auto current = attempt.metadata->current_snapshot();
  next.snapshot_id =
      current == nullptr ? std::nullopt : std::optional<int64_t>(current->snapshot_id);
  const RecordNode record{.round = context_.options.ids->NewUuid4().ToString(),
                          .dropped = false,
                          .metadata_location = attempt.metadata_location,
                          .commits = {{.id = commit_.id,
                                       .request_hash = hash_,
                                       .committed = true,
                                       .snapshot_id = attempt.snapshot_id,
                                       .reason = {}}}};
  return MoveHead(context_.sessions, key_, head, next, record, sweep.removals,
                  *context_.options.ids, backoff_);
}

Result<CommitResult> DirectCommit::Attempts(CommitId id) {
  for (;;) {
    const ReadHead head = PK_TRY(LoadHead(context_.sessions, key_, backoff_));
    if (auto known = PK_TRY(Judge(head, id))) return *std::move(known);
    auto prepared = PK_TRY(Prepare(head));
    if (auto* rejected = std::get_if<Rejected>(&prepared)) return std::move(*rejected);
    const Attempt& attempt = std::get<Attempt>(prepared);
    PK_TRY(context_.files.Write(attempt.files, backoff_));
    manifests_written_ = append_.has_value();
    const auto moved = Move(head, attempt);
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
  // Of this call nothing can be applied any more, but of an earlier one with this id it may.
  if (id == CommitId::kMaybeRepeated && !result.ok() &&
      result.error().code() == ErrorCode::kUnavailable) {
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
