// The combiner: round after round over a table's queue, as long as there is somebody to work for.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "parkeeper/catalog/multi_internal.h"
#include "parkeeper/catalog/table_commits_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::catalog {

using coordination::CreateMode;
using coordination::Node;
using coordination::Refused;
using coordination::Transaction;

namespace {

// A record names each commit of its round, in some 200 bytes, and every waiter reads it.
constexpr size_t kMostInRound = 300;
// Of these as many are left to callers of this process, so that a full queue does not starve them.
constexpr size_t kOwnAtLeast = 75;
constexpr size_t kMostEntriesRead = 500;
constexpr size_t kEntriesPerRead = 100;
// Who comes within this time after the last foreign entry finds a combiner at work.
constexpr Duration kLinger = std::chrono::seconds(2);
// From so many records on, rounds keep a distance, so that no more than kMostRecords are kept.
constexpr int64_t kManyRecords = 15'000;
constexpr int64_t kMostRecords = 20'000;

// A commit to several tables that its writer does not carry out for so long is carried out by whom
// it holds up.
constexpr Duration kHeldUp = std::chrono::seconds(2);

constexpr std::string_view kEntryPrefix = "c-";
constexpr std::string_view kMultiPrefix = "x-";

struct QueuedEntry {
  uint64_t czxid = 0;
  Proposal proposal;      // of a commit to this table alone
  bool is_multi = false;  // else of several: only its id and path are known
};

class Combiner {
 public:
  Combiner(TableCommits& table, std::stop_token stop)
      : table_(table),
        context_(table.context()),
        key_(table.key()),
        clock_(*context_.options.clock),
        stop_(std::move(stop)) {}

  CombineEnd Run(bool replace) {
    if (!TakeLease(replace)) return CombineEnd::kNothingToDo;
    last_foreign_ = clock_.Now();
    Result<bool> goes_on = true;
    while (goes_on.ok() && *goes_on && !stop_.stop_requested() && HoldsSession()) goes_on = Step();
    watch_.reset();
    ReleaseLease();
    return goes_on.ok() ? CombineEnd::kNothingToDo : CombineEnd::kFailed;
  }

 private:
  bool HoldsSession() const {
    return session_->session().state() != coordination::SessionState::kLost;
  }

  // Whether we are to work. It is advice: without a clear answer we do not.
  bool TakeLease(bool replace) {
    auto session = context_.sessions.Get();
    if (!session.ok()) return false;
    session_ = *std::move(session);
    const std::string path = LeasePath(key_);
    Transaction take;
    if (replace) {
      const Result<Node> holder = session_->Get(path);
      if (holder.ok()) take.Remove(path, holder->stat.version);
    }
    guid_ = context_.options.ids->NewUuid4().ToString();
    take.Create(path, guid_, CreateMode::kEphemeral);
    const auto taken = session_->Commit(take);
    if (taken.ok()) return !std::holds_alternative<Refused>(*taken);
    const Result<Node> holder = session_->Get(path);
    return holder.ok() && holder->value == guid_;
  }

  void ReleaseLease() {
    if (!HoldsSession()) return;
    const std::string path = LeasePath(key_);
    const Result<Node> holder = session_->Get(path);
    if (!holder.ok() || holder->value != guid_) return;
    static_cast<void>(session_->Commit(Transaction().Remove(path, holder->stat.version)));
  }

  // One round, or a wait for something to do; false: it is over.
  Result<bool> Step() {
    if (watch_ == nullptr) {
      watch_ = PK_TRY(session_->StartWatch(QueuePath(key_), coordination::WatchScope::kChildren));
    }
    Backoff backoff = context_.NewBackoff(stop_);
    const Result<ReadHead> head = ReadQueue(backoff);
    if (!head.ok() && head.error().code() == ErrorCode::kNotFound) {
      const auto own = table_.TakeOwn(SIZE_MAX);
      table_.Finish(own, ResultsWithoutHead(own, head.error()));
      return false;
    }
    if (!head.ok()) return head.error();
    std::optional<QueuedEntry> multi;
    std::vector<Proposal> proposals = InOrder(multi);
    const size_t foreign = proposals.size();
    if (foreign > 0 || multi) last_foreign_ = clock_.Now();
    std::vector<OwnCommit*> own;
    if (!multi) own = table_.TakeOwn(kMostInRound - foreign);
    if (foreign == 0 && multi) return LetPass(*multi, backoff);
    if (foreign == 0 && own.empty()) return WaitForWork();
    KeepDistance(*head);
    for (OwnCommit* each : own) proposals.push_back(ProposalFor(*each, *head));
    return RunWith(*head, proposals, foreign, own, backoff);
  }

  Result<bool> RunWith(const ReadHead& head, std::vector<Proposal>& proposals, size_t foreign,
                       const std::vector<OwnCommit*>& own, Backoff& backoff) {
    const Result<RoundEnd> end =
        RunRound(context_, key_, table_.memory(), head, proposals, backoff);
    last_round_ = clock_.Now();
    if (!end.ok()) {
      table_.Finish(own, {own.size(), end.error()});
      return end.error();
    }
    if (*end == RoundEnd::kLookAgain) {
      table_.GiveBack(own);
      entries_.clear();
      return true;
    }
    table_.Finish(own, ResultsOf(context_, key_, own, proposals.data() + foreign));
    // Writers of a dropped table see that for themselves.
    return !head.node.dropped;
  }

  // The head and, in entries_, what waits, at one point of the order.
  Result<ReadHead> ReadQueue(Backoff& backoff) {
    auto replies = PK_TRY(ReadUntilKnown(
        context_.sessions, {{.path = HeadPath(key_)}, {.path = QueuePath(key_), .children = true}},
        backoff));
    if (!replies[0].ok() || !replies[1].ok()) {
      return PK_TRY(LoadHead(context_.sessions, key_, backoff));
    }
    const Node& head = replies[0]->node;
    std::vector<std::string>& names = replies[1]->children;
    std::erase_if(names, [](const std::string& name) {
      return !name.starts_with(kEntryPrefix) && !name.starts_with(kMultiPrefix);
    });
    std::erase_if(held_up_, [&](const auto& multi) {
      return !std::binary_search(names.begin(), names.end(), multi.first);
    });
    // Of more, those of several tables and then those with the oldest ids.
    if (names.size() > kMostEntriesRead) {
      std::ranges::stable_partition(
          names, [](const std::string& name) { return name.starts_with(kMultiPrefix); });
      names.resize(kMostEntriesRead);
      std::ranges::sort(names);
    }
    std::erase_if(entries_, [&](const auto& entry) {
      return !std::binary_search(names.begin(), names.end(), entry.first);
    });
    std::erase_if(names, [&](const std::string& name) { return entries_.contains(name); });
    PK_TRY(ReadEntries(names, backoff));
    return ReadHead{PK_TRY(DecodeHead(head.value).With(HeadPath(key_))), head.stat};
  }

  Result<> ReadEntries(const std::vector<std::string>& names, Backoff& backoff) {
    for (size_t first = 0; first < names.size(); first += kEntriesPerRead) {
      const size_t last = std::min(first + kEntriesPerRead, names.size());
      std::vector<coordination::ReadRequest> requests;
      for (size_t i = first; i < last; ++i) {
        requests.push_back({.path = QueuePath(key_) + "/" + names[i]});
      }
      auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff));
      for (size_t i = first; i < last; ++i) {
        // Gone meanwhile: decided by somebody else, so the head has moved.
        if (replies[i - first].ok()) PK_TRY(TakeIn(names[i], replies[i - first]->node));
      }
    }
    return {};
  }

  Result<> TakeIn(const std::string& name, const Node& node) {
    const Result<Uuid> id = Uuid::Parse(std::string_view(name).substr(kEntryPrefix.size()));
    if (!id.ok()) return {};  // none of ours
    QueuedEntry entry;
    entry.czxid = node.stat.czxid;
    Proposal& proposal = entry.proposal;
    proposal.id = *id;
    proposal.must_record = true;
    proposal.entry_path = QueuePath(key_) + "/" + name;
    proposal.entry_version = node.stat.version;
    entry.is_multi = name.starts_with(kMultiPrefix);
    if (entry.is_multi) {
      entries_[name] = std::move(entry);
      return {};
    }
    const Result<EntryNode> decoded = DecodeEntry(node.value);
    if (decoded.ok()) {
      proposal.since = decoded->since;
      proposal.request_hash = decoded->request_hash;
      PK_TRY(ReadCommit(*decoded, proposal));
    } else {
      proposal.refusal = decoded.error().message();
    }
    entries_[name] = std::move(entry);
    return {};
  }

  Result<> ReadCommit(const EntryNode& node, Proposal& proposal) {
    if (node.cancelled) {
      proposal.refusal = "cancelled by its writer, who did not wait any longer";
      return {};
    }
    std::string json = node.commit;
    if (!node.commit_file.empty()) {
      auto read = storage::ReadAll(context_.files.storage(), node.commit_file);
      if (!read.ok() && read.error().code() == ErrorCode::kUnavailable) return read.error();
      if (!read.ok()) proposal.refusal = read.error().message();
      if (!read.ok()) return {};
      json = *std::move(read);
    }
    auto commit = iceberg::ParseTableCommit(json);
    if (!commit.ok()) {
      proposal.refusal = commit.error().message();
    } else if (commit->id != proposal.id) {
      proposal.refusal = "the entry is named by another commit id than its own";
    } else {
      proposal.commit = std::make_shared<const iceberg::TableCommit>(*std::move(commit));
    }
    return {};
  }

  // What a round takes; nothing younger than a commit of several tables, which all queues have at
  // the same place of the order, so that they come to rest before it.
  std::vector<Proposal> InOrder(std::optional<QueuedEntry>& multi) const {
    std::vector<const QueuedEntry*> order;
    for (const auto& [name, entry] : entries_) order.push_back(&entry);
    std::ranges::stable_sort(order, {}, [](const QueuedEntry* entry) { return entry->czxid; });
    const auto first =
        std::ranges::find_if(order, [](const QueuedEntry* entry) { return entry->is_multi; });
    if (first != order.end()) multi = **first;
    order.erase(first, order.end());
    order.resize(std::min(order.size(), kMostInRound - kOwnAtLeast));
    std::vector<Proposal> proposals;
    for (const QueuedEntry* entry : order) proposals.push_back(entry->proposal);
    return proposals;
  }

  // Its writer carries it out as soon as the heads stand still.
  Result<bool> LetPass(const QueuedEntry& multi, Backoff& backoff) {
    const std::string& path = multi.proposal.entry_path;
    const auto [held, fresh] =
        held_up_.try_emplace(std::string(coordination::LastSegment(path)), clock_.Now());
    const SteadyTime until = held->second + kHeldUp;
    if (clock_.Now() < until) {
      watch_->Wait(until, stop_);
      return true;
    }
    entries_.clear();
    auto proposal = PK_TRY(ReadMultiEntry(context_, multi.proposal.id, path, backoff));
    if (proposal) PK_TRY(TryMulti(context_, *proposal, backoff));
    return true;
  }

  void KeepDistance(const ReadHead& head) {
    if (head.node.version - head.node.floor < kManyRecords) return;
    const Duration distance = Duration(context_.options.retention) / kMostRecords;
    static_cast<void>(clock_.Wait(last_round_ + distance - clock_.Now(), stop_));
  }

  Result<bool> WaitForWork() {
    const SteadyTime until = last_foreign_ + kLinger;
    if (clock_.Now() >= until) return Linger();
    const std::stop_token work = table_.work();
    std::stop_source either;
    const std::stop_callback on_work(work, [&] { either.request_stop(); });
    const std::stop_callback on_stop(stop_, [&] { either.request_stop(); });
    watch_->Wait(until, either.get_token());
    return true;
  }

  // Gives the lease back, unless somebody came in that very moment and counts on us.
  Result<bool> Linger() {
    ReleaseLease();
    const auto names = PK_TRY(session_->List(QueuePath(key_)));
    if (names.empty()) return false;
    last_foreign_ = clock_.Now();
    return TakeLease(false);
  }

  TableCommits& table_;
  const CommitContext& context_;
  const std::string& key_;
  Clock& clock_;
  const std::stop_token stop_;
  std::shared_ptr<coordination::Coordinator> session_;  // that the lease is of
  std::unique_ptr<coordination::Watch> watch_;          // of the queue, in that session
  std::string guid_;
  std::map<std::string, QueuedEntry> entries_;  // by name
  std::map<std::string, SteadyTime> held_up_;   // commits of several tables, since when
  SteadyTime last_foreign_{};
  SteadyTime last_round_{};
};

}  // namespace

CombineEnd Combine(TableCommits& table, bool replace, std::stop_token stop) {
  return Combiner(table, std::move(stop)).Run(replace);
}

}  // namespace pk::catalog
