// The combiner: round after round over a table's queue, as long as there is somebody to work for.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "parkeeper/base/parallel.h"
#include "parkeeper/catalog/links_internal.h"
#include "parkeeper/catalog/multi_internal.h"
#include "parkeeper/catalog/table_commits_internal.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/validate.h"

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
// Of what hangs on the commits of a round; together with a full record it fits into one request.
constexpr size_t kMostLinkBytesInRound = 2 * kMostLinkBytes;
// Who comes within this time after the last foreign entry finds a combiner at work.
constexpr Duration kLinger = std::chrono::seconds(2);

// A commit to several tables that its writer does not carry out for so long is carried out by whom
// it holds up.
constexpr Duration kHeldUp = std::chrono::seconds(2);
constexpr Duration kHelpAgain = std::chrono::milliseconds(100);
// Whoever meets others in a round looks again after up to this long.
constexpr Duration kMetOthers = std::chrono::milliseconds(5);

constexpr std::string_view kEntryPrefix = "c-";
constexpr std::string_view kMultiPrefix = "x-";

bool IsEntry(const std::string& name) {
  return name.starts_with(kEntryPrefix) || name.starts_with(kMultiPrefix);
}

struct QueuedEntry {
  uint64_t czxid = 0;
  Proposal proposal;  // of a commit to this table alone
  std::string
      commit_file;        // that holds its commit; empty when that is read, or in the entry itself
  bool is_multi = false;  // else of several: only its id and path are known
  size_t link_bytes = 0;
};

size_t LinkBytes(const CommitLinks& links) {
  return std::max(coordination::RequestBytes(ToTransaction(links.if_committed)),
                  coordination::RequestBytes(ToTransaction(links.if_rejected)));
}

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
    if (goes_on.ok()) return CombineEnd::kNothingToDo;
    // Those who wait in the queue only see that nobody works for them.
    LogFailure(fmt::format("commits that wait for the table {} are not carried out", key_),
               goes_on.error());
    return CombineEnd::kFailed;
  }

 private:
  bool HoldsSession() const {
    return session_->session().state() != coordination::SessionState::kLost;
  }

  // Whether we are to work. It is advice: without a clear answer we do not.
  bool TakeLease(bool replace) {
    auto session = context_.sessions.Get();
    if (!session.ok()) return false;
    watch_.reset();  // before the session that it is of
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
      const auto own = table_.TakeOwn(SIZE_MAX, SIZE_MAX);
      table_.Finish(own, ResultsWithoutHead(own, head.error()));
      return false;
    }
    if (!head.ok()) return head.error();
    if (replaced_) return false;
    std::optional<QueuedEntry> multi;
    std::vector<QueuedEntry*> order = InOrder(head->node.dropped, multi);
    PK_TRY(ReadCommits(order));
    const size_t foreign = order.size();
    if (foreign > 0 || multi) last_foreign_ = clock_.Now();
    std::vector<Proposal> proposals;
    size_t room = context_.options.round_bytes;
    for (const QueuedEntry* entry : order) {
      proposals.push_back(entry->proposal);
      room -= std::min(room, entry->proposal.bytes);
    }
    std::vector<OwnCommit*> own;
    if (!multi) own = table_.TakeOwn(kMostInRound - foreign, room);
    if (foreign == 0 && multi) return LetPass(*multi, backoff);
    if (foreign == 0 && own.empty()) return WaitForWork();
    for (OwnCommit* each : own) proposals.push_back(ProposalFor(*each, *head));
    return RunWith(*head, proposals, foreign, own, backoff);
  }

  Result<bool> RunWith(const ReadHead& head, std::vector<Proposal>& proposals, size_t foreign,
                       const std::vector<OwnCommit*>& own, Backoff& backoff) {
    const Result<RoundEnd> end =
        RunRound(context_, key_, table_.memory(), head, proposals, backoff);
    if (!end.ok()) {
      table_.Finish(own, {own.size(), end.error()});
      return end.error();
    }
    if (*end == RoundEnd::kLookAgain) {
      table_.GiveBack(own);
      for (const Proposal& proposal : proposals) NoticeBrokenLink(proposal);
      entries_.clear();
      const uint64_t drawn = context_.options.ids->Random64() % uint64_t(kMetOthers.count());
      static_cast<void>(clock_.Wait(Duration(int64_t(drawn)), stop_));
      return true;
    }
    table_.Finish(own, ResultsOf(context_, key_, own, proposals.data() + foreign));
    // Writers of a dropped table see that for themselves.
    return !head.node.dropped || foreign > 0;
  }

  // Somebody was at what the link rests on. That must not hold up the others; nor can the commit
  // be applied without all that was to come with it.
  void NoticeBrokenLink(const Proposal& proposal) {
    if (proposal.broken_link.empty()) return;
    const std::string reason =
        fmt::format("what was to happen with the commit cannot: the node {} is not as it was left",
                    proposal.broken_link);
    LogFailure(fmt::format("commit {} to the table {} is rejected, and nothing else done",
                           proposal.id.ToString(), key_),
               FailedPrecondition(reason));
    broken_[std::string(coordination::LastSegment(proposal.entry_path))] = reason;
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
    std::erase_if(names, [](const std::string& name) { return !IsEntry(name); });
    const auto is_gone = [&](const auto& of_entry) {
      return !std::binary_search(names.begin(), names.end(), of_entry.first);
    };
    std::erase_if(held_up_, is_gone);
    std::erase_if(broken_, is_gone);
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
        // Gone meanwhile: decided by somebody else, or with its session.
        if (replies[i - first].ok()) TakeIn(names[i], replies[i - first]->node);
      }
    }
    return {};
  }

  void TakeIn(const std::string& name, const Node& node) {
    const Result<Uuid> id = Uuid::Parse(std::string_view(name).substr(kEntryPrefix.size()));
    if (!id.ok()) return;  // none of ours
    QueuedEntry entry;
    entry.czxid = node.stat.czxid;
    Proposal& proposal = entry.proposal;
    proposal.id = *id;
    proposal.entry_path = QueuePath(key_) + "/" + name;
    proposal.entry_version = node.stat.version;
    proposal.stays = node.stat.ephemeral_owner == 0;
    entry.is_multi = name.starts_with(kMultiPrefix);
    if (!entry.is_multi) {
      const Result<EntryNode> decoded = DecodeEntry(node.value);
      if (decoded.ok()) {
        proposal.since = decoded->since;
        proposal.request_hash = decoded->request_hash;
        entry.commit_file = decoded->commit_file;
        if (entry.commit_file.empty()) TakeCommit(decoded->commit, proposal);
        if (decoded->links) TakeLinks(*decoded->links, entry);
      } else {
        proposal.refusal = decoded.error().message();
      }
      if (const auto broken = broken_.find(name); broken != broken_.end()) {
        entry.commit_file.clear();
        entry.link_bytes = 0;
        proposal.links = nullptr;
        proposal.commit = nullptr;
        proposal.refusal = broken->second;
      }
    }
    entries_[name] = std::move(entry);
  }

  static void TakeLinks(const CommitLinks& links, QueuedEntry& entry) {
    entry.proposal.links = std::make_shared<const CommitLinks>(links);
    entry.link_bytes = LinkBytes(links);
  }

  static void TakeCommit(const std::string& json, Proposal& proposal) {
    proposal.bytes = json.size();
    auto commit = iceberg::ParseTableCommit(json);
    if (!commit.ok()) {
      proposal.refusal = commit.error().message();
    } else if (commit->id != proposal.id) {
      proposal.refusal = "the entry is named by another commit id than its own";
    } else {
      proposal.commit = std::make_shared<const iceberg::TableCommit>(*std::move(commit));
    }
  }

  Result<> ReadFile(QueuedEntry& entry) {
    const auto json = storage::ReadAll(context_.files.storage(), entry.commit_file);
    if (json.ok()) {
      TakeCommit(*json, entry.proposal);
    } else {
      if (json.error().code() == ErrorCode::kUnavailable) return json.error();
      entry.proposal.refusal = json.error().message();
    }
    entry.commit_file.clear();
    return {};
  }

  // Leaves in `order` what fits into a round, with its commits read; at least one. How large the
  // others are nobody knows before they are read, so reading ends as soon as the round is full.
  Result<> ReadCommits(std::vector<QueuedEntry*>& order) {
    const size_t most = context_.options.round_bytes;
    std::vector<QueuedEntry*> unread;
    std::atomic<size_t> taken = 0;
    for (QueuedEntry* entry : order) {
      if (!entry->commit_file.empty()) unread.push_back(entry);
      if (unread.empty()) taken += entry->proposal.bytes;
    }
    if (taken < most) {
      PK_TRY(ParallelFor(unread.size(), context_.files.threads(), [&](size_t i) -> Result<> {
        if (i > 0 && taken >= most) return {};
        PK_TRY(ReadFile(*unread[i]));
        taken += unread[i]->proposal.bytes;
        return {};
      }));
    }
    size_t bytes = 0;
    const auto end = std::ranges::find_if(order, [&](const QueuedEntry* entry) {
      bytes += entry->proposal.bytes;
      return !entry->commit_file.empty() || (bytes > most && entry != order.front());
    });
    order.erase(end, order.end());
    return {};
  }

  // What is next; nothing younger than a commit of several tables, which all queues have at the
  // same place of the order, so that they come to rest before it.
  // Of a dropped table only what nobody else answers.
  std::vector<QueuedEntry*> InOrder(bool dropped, std::optional<QueuedEntry>& multi) {
    std::vector<QueuedEntry*> order;
    for (auto& [name, entry] : entries_) {
      if (!dropped || entry.is_multi || entry.proposal.stays) order.push_back(&entry);
    }
    std::ranges::stable_sort(order, {}, [](const QueuedEntry* entry) { return entry->czxid; });
    const auto first =
        std::ranges::find_if(order, [](const QueuedEntry* entry) { return entry->is_multi; });
    if (first != order.end()) multi = **first;
    order.erase(first, order.end());
    order.resize(std::min(order.size(), kMostInRound - kOwnAtLeast));
    size_t link_bytes = 0;
    const auto full = std::ranges::find_if(order, [&](const QueuedEntry* entry) {
      link_bytes += entry->link_bytes;
      return link_bytes > kMostLinkBytesInRound;
    });
    order.erase(full, order.end());
    return order;
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
    held->second = clock_.Now() - kHeldUp + kHelpAgain;
    auto proposal = PK_TRY(ReadMultiEntry(context_, multi.proposal.id, path, backoff));
    if (!proposal) return true;
    const auto tried = TryMulti(context_, *proposal, backoff);
    if (tried.ok()) return true;
    if (IsOfTheCoordinator(tried.error())) return tried.error();
    // One of its tables is broken; the others must not wait for it.
    proposal->refusal = tried.error().message();
    for (auto& part : proposal->parts) part.commit = nullptr;
    PK_TRY(TryMulti(context_, *proposal, backoff));
    return true;
  }

  static bool IsOfTheCoordinator(const Error& error) {
    return error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kOutcomeUnknown;
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
    auto names = PK_TRY(session_->List(QueuePath(key_)));
    if (std::ranges::none_of(names, IsEntry)) return false;
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
  bool replaced_ = false;
  std::map<std::string, QueuedEntry> entries_;  // by name
  std::map<std::string, SteadyTime> held_up_;   // commits of several tables, since when
  // Entries whose links do not hold: why.
  std::map<std::string, std::string> broken_;
  SteadyTime last_foreign_{};
};

}  // namespace

CombineEnd Combine(TableCommits& table, bool replace, std::stop_token stop) {
  return Combiner(table, std::move(stop)).Run(replace);
}

}  // namespace pk::catalog
