#include "parkeeper/catalog/multi_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>

#include "parkeeper/base/json.h"
#include "parkeeper/catalog/group_internal.h"

namespace pk::catalog {

using coordination::ReadRequest;
using coordination::Transaction;

namespace {

// Records of a table are swept by one round in so many, for it costs a read. Tables whose versions
// go together have their turn one after another, and all that meet in one transaction fit into it.
constexpr int64_t kSweepEvery = 32;
constexpr size_t kMostSwept = 1'000;

class MultiRound {
 public:
  MultiRound(const CommitContext& context, MultiProposal& proposal, Backoff& backoff)
      : context_(context), proposal_(proposal), backoff_(backoff) {}

  using MaybeOutcome = Result<std::optional<MultiOutcome>>;

  MaybeOutcome Run() {
    PK_TRY(Read());
    bool complete = true;
    if (auto known = PK_TRY(LookInRecords(complete))) return Forget(*std::move(known));
    if (!complete || (proposal_.queued && entries_.empty())) return std::optional<MultiOutcome>();
    if (too_old_) return Reject("too old to judge");
    const auto reason = PK_TRY(Judge());
    if (!reason) return std::optional<MultiOutcome>();
    if (!reason->empty()) return Reject(*reason);
    return Apply();
  }

 private:
  struct Table {
    std::optional<ReadHead> head;
    Group::Built built;
    HeadNode next;
    RecordNode record;
    std::optional<int64_t> snapshot_id;
  };
  struct Entry {
    std::string path;
    int32_t version = 0;
  };

  // Heads and entries at one point of the order.
  Result<> Read() {
    std::vector<ReadRequest> requests;
    for (const auto& part : proposal_.parts) requests.push_back({.path = HeadPath(part.key)});
    for (const auto& part : proposal_.parts) {
      requests.push_back({.path = MultiEntryPath(part.key, proposal_.id)});
    }
    const size_t count = proposal_.parts.size();
    auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff_));
    for (size_t i = 0; i < count; ++i) {
      Table& table = tables_.emplace_back();
      if (!replies[i].ok()) continue;
      const coordination::Node& node = replies[i]->node;
      table.head = ReadHead{PK_TRY(DecodeHead(node.value).With(requests[i].path)), node.stat};
    }
    for (size_t i = count; i < requests.size(); ++i) {
      if (!replies[i].ok()) continue;
      entries_.push_back({requests[i].path, replies[i]->node.stat.version});
    }
    return {};
  }

  // What the records say of the id. Afterwards `since` of each part is its head's version, unless
  // it is too old to judge, or `complete` is false: some records are not as the head says.
  Result<std::optional<MultiOutcome>> LookInRecords(bool& complete) {
    std::vector<Outcome> committed(tables_.size());
    bool is_committed = false;
    for (size_t i = 0; i < tables_.size(); ++i) {
      auto& part = proposal_.parts[i];
      if (!tables_[i].head) continue;
      const ReadHead& head = *tables_[i].head;
      const auto known = PK_TRY(context_.records.Of(part.key)->Learn(context_.sessions, part.key,
                                                                     head, part.since, backoff_));
      const auto cover = known.cover();
      if (const auto outcome = known.Find(proposal_.id)) {
        if (!outcome->commit.committed) return MultiOutcome(outcome->commit);
        committed[i] = *outcome;
        is_committed = true;
      }
      complete = complete && cover != KnownRecords::Cover::kGone;
      const Proposal age{.id = proposal_.id, .since = part.since};
      too_old_ =
          too_old_ || (cover == KnownRecords::Cover::kKept && IsTooOldToJudge(head.node, age));
      if (cover != KnownRecords::Cover::kGone && !too_old_) {
        part.since = std::max(part.since, head.node.version);
      }
    }
    if (!is_committed) return std::optional<MultiOutcome>();
    // Named in one is named in all, by the same step; of some it may be swept or gone already.
    for (Outcome& outcome : committed) {
      if (outcome.version > 0) continue;
      outcome.commit = Recorded();
      outcome.commit.committed = true;
    }
    return MultiOutcome(std::move(committed));
  }

  // Entries of one that is decided came by a late copy of their creation.
  MaybeOutcome Forget(MultiOutcome known) {
    if (entries_.empty()) return std::optional<MultiOutcome>(std::move(known));
    Transaction removals;
    for (const Entry& entry : entries_) removals.Remove(entry.path, entry.version);
    PK_TRY(SendUntilKnown(context_.sessions, removals, backoff_));
    return std::optional<MultiOutcome>(std::move(known));
  }

  // Why it cannot be; empty: it can. nullopt: files are gone, because a head has moved.
  Result<std::optional<std::string>> Judge() {
    if (proposal_.parts.front().commit == nullptr) return std::optional(proposal_.refusal);
    const Proposal age{.id = proposal_.id, .commit = proposal_.parts.front().commit};
    if (auto untimely = Untimely(context_, age)) return untimely;
    for (size_t i = 0; i < tables_.size(); ++i) {
      Table& table = tables_[i];
      const auto& part = proposal_.parts[i];
      const auto of_table = [&](std::string_view reason) {
        return std::optional(fmt::format("table {}: {}", part.key, reason));
      };
      if (!table.head || table.head->node.dropped) return of_table("it was dropped");
      const auto base = context_.files.Load(table.head->node.metadata_location);
      if (!base.ok() && base.error().code() == ErrorCode::kNotFound &&
          !PK_TRY(HeadStands(context_.sessions, part.key, *table.head, backoff_))) {
        return std::optional<std::string>();
      }
      Group group(context_.files, PK_TRY(base), table.head->node.metadata_location,
                  table.head->node.version, *context_.options.clock, *context_.options.ids);
      PK_TRY(group.Add(*part.commit));
      table.built = PK_TRY(group.Finish());
      const GroupOutcome& outcome = table.built.outcomes.front();
      if (const auto* rejected = std::get_if<Rejected>(&outcome)) return of_table(rejected->reason);
      table.snapshot_id = std::get<AppliedInGroup>(outcome).snapshot_id;
    }
    return std::optional<std::string>("");
  }

  RecordedCommit Recorded() const {
    return {.id = proposal_.id, .request_hash = proposal_.request_hash};
  }

  // A round of the first table that lives, which changes nothing but names the rejection; it holds
  // only while no judged head has moved.
  MaybeOutcome Reject(const std::string& reason) {
    RecordedCommit recorded = Recorded();
    recorded.reason = ShortReason(reason);
    // Of a table that is gone nobody knows any more what its records said.
    const bool gone = std::ranges::any_of(tables_, [](const Table& t) { return !t.head; });
    recorded.unjudged = too_old_ || (gone && proposal_.repeated);
    size_t first = 0;
    while (first < tables_.size() && (!tables_[first].head || tables_[first].head->node.dropped)) {
      ++first;
    }
    if (first == tables_.size()) return std::optional<MultiOutcome>(std::move(recorded));
    Transaction extra;
    for (size_t i = 0; i < tables_.size(); ++i) {
      if (i == first || !tables_[i].head) continue;
      extra.Check(HeadPath(proposal_.parts[i].key), tables_[i].head->stat.version);
    }
    const std::string& key = proposal_.parts[first].key;
    for (const Entry& entry : entries_) extra.Remove(entry.path, entry.version);
    RecordNode record{.round = context_.options.ids->NewUuid4().ToString(),
                      .dropped = false,
                      .metadata_location = tables_[first].head->node.metadata_location,
                      .commits = {recorded}};
    const auto moved =
        PK_TRY(MoveHead(context_.sessions, key, *tables_[first].head, tables_[first].head->node,
                        record, extra, *context_.options.ids, backoff_));
    if (!std::holds_alternative<Moved>(moved)) return std::optional<MultiOutcome>();
    return std::optional<MultiOutcome>(std::move(recorded));
  }

  // The step of one table in the transaction.
  Result<Transaction> Prepare(size_t i, const std::string& round) {
    Table& table = tables_[i];
    const std::string& key = proposal_.parts[i].key;
    table.next = table.head->node;
    table.next.version = table.head->node.version + 1;
    Transaction removals;
    if ((table.next.version + int64_t(i)) % kSweepEvery == 0 && swept_ < kMostSwept) {
      int64_t next_sweep_ms = 0;
      Sweep sweep = PK_TRY(PlanSweep(context_, key, *table.head, next_sweep_ms, backoff_));
      table.next.floor = sweep.floor;
      table.next.swept_to_ms = sweep.swept_to_ms;
      swept_ += sweep.removals.operations().size();
      removals = std::move(sweep.removals);
    }
    if (table.built.metadata != nullptr) PointTo(table.built, table.next);
    RecordedCommit recorded = Recorded();
    recorded.committed = true;
    recorded.snapshot_id = table.snapshot_id;
    table.record = {.round = round,
                    .dropped = false,
                    .metadata_location = table.next.metadata_location,
                    .commits = {std::move(recorded)}};
    return removals;
  }

  MaybeOutcome Apply() {
    std::vector<NewFile> files;
    for (Table& table : tables_) {
      files.insert(files.end(), std::make_move_iterator(table.built.files.begin()),
                   std::make_move_iterator(table.built.files.end()));
    }
    PK_TRY(context_.files.Write(files, backoff_));
    const Result<MoveOutcome> moved = Move();
    if (!moved.ok() && moved.error().code() == ErrorCode::kOutcomeUnknown) return moved.error();
    if (!moved.ok() || std::holds_alternative<NotMoved>(*moved)) {
      context_.files.Discard(files);
      if (!moved.ok()) return moved.error();
      return std::optional<MultiOutcome>();
    }
    std::vector<Outcome> outcomes;
    for (const Table& table : tables_) {
      if (table.built.metadata != nullptr) {
        context_.files.Remember(table.built.metadata_location, table.built.metadata);
        context_.files.Discard(table.built.forgotten);
      }
      outcomes.push_back(
          {table.next.version, table.next.metadata_location, table.record.commits.front()});
    }
    return std::optional<MultiOutcome>(std::move(outcomes));
  }

  // The first table's head is the fence: as soon as it has moved, no copy of the transaction can be
  // applied, and its record tells whether one was.
  Result<MoveOutcome> Move() {
    const std::string round = context_.options.ids->NewUuid4().ToString();
    Transaction extra = PK_TRY(Prepare(0, round));
    for (size_t i = 1; i < tables_.size(); ++i) {
      const std::string& key = proposal_.parts[i].key;
      const Transaction removals = PK_TRY(Prepare(i, round));
      extra.Set(HeadPath(key), Encode(tables_[i].next), tables_[i].head->stat.version);
      extra.Create(RecordPath(key, tables_[i].next.version), Encode(tables_[i].record));
      extra.Append(removals);
    }
    for (const Entry& entry : entries_) extra.Remove(entry.path, entry.version);
    return MoveHead(context_.sessions, proposal_.parts[0].key, *tables_[0].head, tables_[0].next,
                    tables_[0].record, extra, *context_.options.ids, backoff_);
  }

  const CommitContext& context_;
  MultiProposal& proposal_;
  Backoff& backoff_;
  std::vector<Table> tables_;   // by part
  std::vector<Entry> entries_;  // that are there
  bool too_old_ = false;
  size_t swept_ = 0;  // records
};

Result<std::string> ReadCommits(const CommitContext& context, const MultiEntryNode& node) {
  if (node.commits_file.empty()) return node.commits;
  return storage::ReadAll(context.files.storage(), node.commits_file);
}

Result<> TakeIn(const MultiEntryNode& node, const std::string& json, MultiProposal& proposal) {
  const boost::json::value value = PK_TRY(json::Parse(json).With("commits"));
  const auto* array = value.if_array();
  PK_CHECK(array != nullptr && array->size() == node.tables.size(),
           Corrupt("commits: must be one for each table"));
  std::vector<std::shared_ptr<const iceberg::TableCommit>> commits;
  for (const boost::json::value& each : *array) {
    commits.push_back(std::make_shared<const iceberg::TableCommit>(
        PK_TRY(iceberg::ParseTableCommit(boost::json::serialize(each)))));
  }
  for (size_t i = 0; i < commits.size(); ++i) proposal.parts[i].commit = std::move(commits[i]);
  return {};
}

}  // namespace

Result<std::optional<MultiOutcome>> TryMulti(const CommitContext& context, MultiProposal& proposal,
                                             Backoff& backoff) {
  return MultiRound(context, proposal, backoff).Run();
}

Result<std::optional<MultiProposal>> ReadMultiEntry(const CommitContext& context, const Uuid& id,
                                                    const std::string& path, Backoff& backoff) {
  std::string at = path;
  for (int hop = 0; hop < 2; ++hop) {
    auto replies = PK_TRY(ReadUntilKnown(context.sessions, {{.path = at}}, backoff));
    if (!replies[0].ok()) return std::optional<MultiProposal>();
    const MultiEntryNode node = PK_TRY(DecodeMultiEntry(replies[0]->node.value).With(at));
    at = MultiEntryPath(node.at, id);
    if (node.tables.empty()) continue;
    MultiProposal proposal{.id = id, .request_hash = node.request_hash, .parts = {}};
    proposal.queued = true;
    proposal.repeated = true;
    for (const auto& table : node.tables) {
      proposal.parts.push_back({table.key, table.since, nullptr});
    }
    const auto json = ReadCommits(context, node);
    if (!json.ok() && json.error().code() == ErrorCode::kUnavailable) return json.error();
    const Result<> taken = json.ok() ? TakeIn(node, *json, proposal) : Result<>(json.error());
    if (!taken.ok()) proposal.refusal = taken.error().message();
    return std::optional(std::move(proposal));
  }
  return Corrupt(fmt::format("{} does not say where the commit is", path));
}

}  // namespace pk::catalog
