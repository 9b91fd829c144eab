// A commit to several tables, from its writer's side.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/catalog/multi_internal.h"

namespace pk::catalog {

using coordination::CreateMode;
using coordination::ReadRequest;
using coordination::Refused;
using coordination::Transaction;

namespace {

constexpr size_t kMostInlineBytes = 16'000;
constexpr int32_t kMostQueued = 5'000;
// Heads that stand still for so long have no round on its way any more; some more looks are for
// those that do.
constexpr Duration kStandsStill = std::chrono::milliseconds(10);
constexpr int kMostLooks = 100;
constexpr Duration kElders = std::chrono::seconds(2);
constexpr size_t kMostElders = 2'000;
constexpr std::chrono::milliseconds kToCancel = std::chrono::seconds(5);

class MultiCommit {
 public:
  MultiCommit(const CommitContext& context, const MultiTableCommit& commit, CommitId id)
      : context_(context), commit_(commit), kind_(id), backoff_(context.NewBackoff()) {
    order_.resize(commit.parts.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::ranges::sort(order_, {}, [&](size_t i) { return commit.parts[i].table_key; });
    proposal_.id = commit.id;
    proposal_.repeated = id == CommitId::kMaybeRepeated;
    for (const size_t i : order_) {
      auto part = std::make_shared<const iceberg::TableCommit>(
          iceberg::TableCommit{.id = commit.id,
                               .change = commit.parts[i].change,
                               .oldest_file_ms = commit.oldest_file_ms,
                               .properties = commit.parts[i].properties});
      // Of all tables and their parts together.
      proposal_.request_hash = MixHash(proposal_.request_hash, commit.parts[i].table_key);
      proposal_.request_hash = proposal_.request_hash * 31 + RequestHash(*part);
      proposal_.parts.push_back({commit.parts[i].table_key, 0, std::move(part)});
    }
  }

  Result<MultiCommitResult> Run() {
    Result<MultiCommitResult> result = Attempts();
    // As long as entries can be in the queues, or come there, somebody may carry it out; and so may
    // an earlier call with this id.
    if (!result.ok() && (may_be_queued_ || kind_ == CommitId::kMaybeRepeated)) {
      result = OutcomeUnknown(result.error().message());
    }
    const bool unknown = !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
    if (!commits_file_.empty() && !unknown) context_.files.Discard({{commits_file_, ""}});
    return std::move(result).With(fmt::format("commit {}", commit_.id.ToString()));
  }

 private:
  using MaybeOutcome = Result<std::optional<MultiOutcome>>;

  Result<MultiCommitResult> Attempts() {
    MaybeOutcome outcome = Decide();
    // Nobody is to be held up by entries that their writer has given up.
    if (!outcome.ok() && may_be_queued_) outcome = Cancel(std::move(outcome).error());
    return ToResult(*PK_TRY(std::move(outcome)));
  }

  // The outcome, or an error.
  MaybeOutcome Decide() {
    if (PK_TRY(IsQuiet())) {
      if (auto outcome = PK_TRY(TryMulti(context_, proposal_, backoff_))) return outcome;
    }
    for (;;) {
      proposal_.queued = PK_TRY(Enqueue());
      auto outcome =
          PK_TRY(proposal_.queued ? CarryOut() : TryMulti(context_, proposal_, backoff_));
      if (outcome) return outcome;
      if (!backoff_.Wait()) return Unavailable("gave up waiting for other commits");
    }
  }

  // Whether nobody is in the queues or at work on them. Nobody else knows a new id yet, so records
  // up to the heads that are read here do not name it.
  Result<bool> IsQuiet() {
    std::vector<ReadRequest> requests;
    for (const auto& part : proposal_.parts) {
      requests.push_back({.path = HeadPath(part.key)});
      requests.push_back({.path = QueuePath(part.key)});
      requests.push_back({.path = LeasePath(part.key)});
    }
    auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff_));
    bool quiet = true;
    for (size_t i = 0; i < proposal_.parts.size(); ++i) {
      auto& part = proposal_.parts[i];
      const auto& head = replies[3 * i];
      const auto& queue = replies[3 * i + 1];
      if (!head.ok()) {
        // Gone, which the attempt will say, or the server that was asked is behind.
        const Result<ReadHead> read = LoadHead(context_.sessions, part.key, backoff_);
        if (!read.ok() && read.error().code() == ErrorCode::kNotFound) continue;
        if (kind_ == CommitId::kNew) part.since = PK_TRY(read).node.version;
        quiet = false;
        continue;
      }
      const HeadNode node = PK_TRY(DecodeHead(head->node.value).With(requests[3 * i].path));
      if (kind_ == CommitId::kNew) part.since = node.version;
      const bool rests = queue.ok() && queue->node.stat.children == 0 && !replies[3 * i + 2].ok();
      quiet = quiet && (rests || node.dropped);
      PK_CHECK(!queue.ok() || queue->node.stat.children < kMostQueued,
               Unavailable(fmt::format("the commit queue of the table {} is full; commit again "
                                       "later, or fewer larger commits",
                                       part.key)));
    }
    return quiet;
  }

  Result<MultiEntryNode> MakeEntry() {
    MultiEntryNode entry{.at = proposal_.parts.front().key,
                         .tables = {},
                         .request_hash = proposal_.request_hash,
                         .commits = "[",
                         .commits_file = {}};
    for (const auto& part : proposal_.parts) {
      entry.tables.push_back({part.key, part.since});
      if (entry.commits.size() > 1) entry.commits += ',';
      entry.commits += iceberg::ToJson(*part.commit);
    }
    entry.commits += ']';
    if (entry.commits.size() <= kMostInlineBytes) return entry;
    if (commits_file_.empty()) {
      Backoff& backoff = backoff_;
      const ReadHead head = PK_TRY(LoadHead(context_.sessions, entry.at, backoff));
      const auto metadata = PK_TRY(context_.files.Load(head.node.metadata_location));
      std::string location =
          fmt::format("{}/metadata/commit-{}-{}.json", metadata->location, proposal_.id.ToString(),
                      context_.options.ids->NewUuid4().ToString());
      PK_TRY(context_.files.Write({{location, entry.commits}}, backoff));
      commits_file_ = std::move(location);
    }
    entry.commits.clear();
    entry.commits_file = commits_file_;
    return entry;
  }

  // One transaction, so every queue has commits to several tables at the same place of the order:
  // no two of them wait for each other. False: a table is gone, so there is nowhere to wait.
  Result<bool> Enqueue() {
    const MultiEntryNode entry = PK_TRY(MakeEntry());
    Transaction create;
    for (const auto& part : proposal_.parts) create.Check(HeadPath(part.key));
    const size_t checks = create.operations().size();
    for (const auto& part : proposal_.parts) {
      const bool holds = part.key == entry.at;
      create.Create(MultiEntryPath(part.key, proposal_.id),
                    Encode(holds ? entry : MultiEntryNode{.at = entry.at}), CreateMode::kEphemeral);
    }
    const Result<Sent> sent = SendUntilKnown(context_.sessions, create, backoff_);
    may_be_queued_ |= !sent.ok() && sent.error().code() == ErrorCode::kOutcomeUnknown;
    if (!sent.ok()) return sent.error();
    const Refused* refused = sent->refused();
    if (refused == nullptr || refused->reason.code() == ErrorCode::kAlreadyExists) {
      may_be_queued_ = true;
      return true;
    }
    if (refused->operation < checks) return false;
    return refused->reason;
  }

  // Until it is decided; nullopt: its entries are gone, undecided.
  MaybeOutcome CarryOut() {
    for (;;) {
      if (context_.options.clock->Now() >= backoff_.deadline()) {
        return Unavailable("gave up waiting in the commit queues");
      }
      PK_TRY(AwaitElders());
      PK_TRY(AwaitStandstill());
      if (auto outcome = PK_TRY(TryMulti(context_, proposal_, backoff_))) return outcome;
      auto replies = PK_TRY(ReadUntilKnown(
          context_.sessions, {{.path = MultiEntryPath(proposal_.parts.front().key, proposal_.id)}},
          backoff_));
      if (!replies[0].ok()) return TryMulti(context_, proposal_, backoff_);
    }
  }

  // Who was in one of the queues before us goes first; unless nobody serves him for long.
  Result<> AwaitElders() {
    Clock& clock = *context_.options.clock;
    const SteadyTime until = std::min(clock.Now() + kElders, backoff_.deadline());
    while (clock.Now() < until && PK_TRY(HasElders())) clock.Wait(kStandsStill);
    return {};
  }

  Result<bool> HasElders() {
    const std::string own_name = fmt::format("x-{}", proposal_.id.ToString());
    std::vector<ReadRequest> queues;
    for (const auto& part : proposal_.parts) {
      queues.push_back({.path = QueuePath(part.key), .children = true});
    }
    const auto listed = PK_TRY(ReadUntilKnown(context_.sessions, queues, backoff_));
    std::vector<std::string> paths = {MultiEntryPath(proposal_.parts.front().key, proposal_.id)};
    for (size_t i = 0; i < queues.size(); ++i) {
      if (!listed[i].ok()) continue;
      for (const std::string& name : listed[i]->children) {
        if (name != own_name) paths.push_back(queues[i].path + "/" + name);
      }
    }
    paths.resize(std::min(paths.size(), kMostElders));
    const auto session = context_.sessions.Get();
    if (paths.size() == 1 || !session.ok()) return false;
    const auto stats = (*session)->Stats(paths);
    if (!stats.ok() || !(*stats)[0].ok()) return false;
    return std::ranges::any_of(*stats, [&](const Result<coordination::NodeStat>& stat) {
      return stat.ok() && stat->czxid < (*stats)[0]->czxid;
    });
  }

  Result<> AwaitStandstill() {
    std::vector<ReadRequest> requests;
    for (const auto& part : proposal_.parts) requests.push_back({.path = HeadPath(part.key)});
    std::vector<uint64_t> before;
    for (int looks = 0; looks < kMostLooks; ++looks) {
      std::vector<uint64_t> now;
      for (const auto& reply : PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff_))) {
        now.push_back(reply.ok() ? reply->node.stat.mzxid : 0);
      }
      if (now == before || context_.options.clock->Now() >= backoff_.deadline()) break;
      before = std::move(now);
      context_.options.clock->Wait(kStandsStill);
    }
    return {};
  }

  // A round of our own that records the rejection: from then on nobody carries it out, whatever
  // copies of its entries are still to come. `why` is what is told when it is cancelled so.
  MaybeOutcome Cancel(Error why) {
    RetryPolicy policy = context_.options.retry;
    policy.within = kToCancel;
    Backoff to_cancel(policy, *context_.options.clock, *context_.options.ids);
    MultiProposal cancelled = proposal_;
    for (auto& part : cancelled.parts) part.commit = nullptr;
    cancelled.refusal = ShortReason("cancelled by its writer: " + why.message());
    cancelled.repeated = true;
    do {
      // Not as one of the queues, which would only be looked for when its entries are gone.
      cancelled.queued = false;
      auto outcome = TryMulti(context_, cancelled, to_cancel);
      if (!outcome.ok()) return OutcomeUnknown(outcome.error().message());
      if (!*outcome) continue;
      may_be_queued_ = false;
      const auto* rejected = std::get_if<RecordedCommit>(&**outcome);
      if (rejected != nullptr && rejected->reason == cancelled.refusal) return why;
      return outcome;
    } while (to_cancel.Wait());
    return OutcomeUnknown(why.message() + ", and did not come to cancel the commit");
  }

  Result<MultiCommitResult> ToResult(const MultiOutcome& outcome) {
    if (const auto* rejected = std::get_if<RecordedCommit>(&outcome)) {
      const auto result =
          PK_TRY(ResultOf(context_, "", Outcome{0, {}, *rejected}, proposal_.request_hash));
      return std::get<Rejected>(result);
    }
    const auto& outcomes = std::get<std::vector<Outcome>>(outcome);
    std::vector<Committed> committed(outcomes.size());
    for (size_t i = 0; i < outcomes.size(); ++i) {
      auto part =
          PK_TRY(ResultOf(context_, proposal_.parts[i].key, outcomes[i], proposal_.request_hash));
      if (auto* rejected = std::get_if<Rejected>(&part)) return std::move(*rejected);
      committed[order_[i]] = std::get<Committed>(std::move(part));
    }
    return MultiCommitResult(std::move(committed));
  }

  const CommitContext& context_;
  const MultiTableCommit& commit_;
  const CommitId kind_;
  Backoff backoff_;
  std::vector<size_t> order_;  // places of the parts, by key
  MultiProposal proposal_;
  bool may_be_queued_ = false;
  std::string commits_file_;
};

Result<> Validate(const MultiTableCommit& commit) {
  PK_CHECK(!commit.parts.empty() && commit.parts.size() <= kMaxTablesOfCommit,
           InvalidArgument(fmt::format("a commit is to 1 to {} tables, not {}", kMaxTablesOfCommit,
                                       commit.parts.size())));
  std::set<std::string_view> keys;
  for (const auto& part : commit.parts) {
    PK_CHECK(Uuid::Parse(part.table_key).ok(),
             InvalidArgument(fmt::format("'{}' is no table key", part.table_key)));
    PK_CHECK(keys.insert(part.table_key).second,
             InvalidArgument(fmt::format("two parts are of the table {}", part.table_key)));
    PK_TRY(iceberg::Validate(part.properties).With(fmt::format("table {}", part.table_key)));
  }
  return {};
}

}  // namespace

Result<MultiCommitResult> CommitToAll(const CommitContext& context, const MultiTableCommit& commit,
                                      CommitId id) {
  PK_TRY(Validate(commit));
  return MultiCommit(context, commit, id).Run();
}

Result<MultiCommitResult> CoordinatedCatalog::CommitAll(const MultiTableCommit& commit,
                                                        CommitId id) {
  return CommitToAll(context_, commit, id);
}

}  // namespace pk::catalog
