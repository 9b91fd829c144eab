// A commit on whose outcome something hangs that its writer may not live to see (links.h); and the
// queue of a table whose writers may all be dead.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "parkeeper/catalog/links_internal.h"
#include "parkeeper/catalog/waiting_commit_internal.h"

namespace pk::catalog {

using coordination::ReadRequest;
using coordination::Refused;
using coordination::Transaction;

namespace {

constexpr size_t kEntriesPerRead = 100;

// Sends one transaction, which can be applied once at most for `with` can. So an entry that is
// there has not been decided, one that is gone has: no record needs to be known before, and the
// entry is never made again.
class LinkedCommit {
 public:
  LinkedCommit(TableCommits& table, OwnCommit& own, Backoff& backoff, const Transaction& with,
               const CommitLinks& links)
      : context_(table.context()),
        key_(table.key()),
        own_(own),
        backoff_(backoff),
        with_(with),
        links_(links),
        waiting_(table, own, backoff) {}

  Result<LinkedResult> Run() {
    Result<LinkedResult> result = Attempt();
    if (!result.ok() && queued_ != Queued::kNo) {
      result = OutcomeUnknown(fmt::format("{}; the commit {}, and will be decided{}",
                                          result.error().message(),
                                          queued_ == Queued::kYes ? "is queued" : "may be queued",
                                          queued_ == Queued::kYes ? "" : " if it is"));
    }
    const bool unknown = !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
    if (!unknown) waiting_.DiscardFile();
    return result;
  }

 private:
  enum class Queued { kNo, kMaybe, kYes };

  Result<LinkedResult> Attempt() {
    if (own_.kind == CommitId::kMaybeRepeated) {
      if (auto known = PK_TRY(Await())) return *std::move(known);
    }
    const ReadHead head = PK_TRY(LoadHead(context_.sessions, key_, backoff_));
    ProposalFor(own_, head);
    PK_CHECK(!head.node.dropped, NotFound("the table was dropped"));
    const Sent sent = PK_TRY(Enqueue(head));
    const Refused* refused = sent.refused();
    if (refused != nullptr) {
      PK_CHECK(refused->operation < with_.operations().size(), refused->reason);
      if (queued_ == Queued::kNo && own_.kind == CommitId::kNew) return LinkedResult(*refused);
    } else if (auto known = ToLinked(PK_TRY(waiting_.Wait(true)))) {
      return *std::move(known);
    }
    // An earlier copy may be what took away what `with` expects.
    if (auto known = PK_TRY(Await())) return *std::move(known);
    PK_CHECK(refused != nullptr,
             OutcomeUnknown("its entry is gone, and no record names the commit"));
    queued_ = Queued::kNo;
    return LinkedResult(*refused);
  }

  Result<Sent> Enqueue(const ReadHead& head) {
    const auto queue =
        PK_TRY(ReadUntilKnown(context_.sessions, {{.path = QueuePath(key_)}}, backoff_));
    const int32_t waiting = queue[0].ok() ? queue[0]->node.stat.children : 0;
    PK_CHECK(waiting < kMostQueued, QueueIsFull(waiting));
    EntryNode entry = PK_TRY(waiting_.MakeEntry(head));
    entry.links = links_;
    Transaction create = with_;
    create.Check(HeadPath(key_)).Create(waiting_.entry_path(), Encode(entry));
    Result<Sent> sent = SendUntilKnown(context_.sessions, create, backoff_);
    const bool unknown = !sent.ok() && sent.error().code() == ErrorCode::kOutcomeUnknown;
    if (unknown || (sent.ok() && sent->repeated)) queued_ = Queued::kMaybe;
    if (sent.ok() && sent->refused() == nullptr) queued_ = Queued::kYes;
    return sent;
  }

  // Until the entry is decided. nullopt: there is none, nor a record that names it.
  Result<std::optional<LinkedResult>> Await() {
    const std::vector<ReadRequest> requests = {{.path = waiting_.entry_path()},
                                               {.path = HeadPath(key_)}};
    for (;;) {
      const auto replies = PK_TRY(ReadInOrder(context_.sessions, requests, backoff_));
      if (!replies[0].ok()) {
        const coordination::Node& node = PK_TRY(replies[1]).node;
        const ReadHead head{PK_TRY(DecodeHead(node.value).With(requests[1].path)), node.stat};
        return ToLinked(PK_TRY(waiting_.LookInRecords(head, backoff_)));
      }
      queued_ = Queued::kYes;
      const auto known = PK_TRY(waiting_.Wait(true));
      if (known) return ToLinked(known);
      // A server that is behind does not know the entry yet.
      PK_CHECK(backoff_.Wait(), Unavailable("gave up waiting in the commit queue"));
    }
  }

  static std::optional<LinkedResult> ToLinked(const std::optional<CommitResult>& known) {
    if (!known) return std::nullopt;
    return std::visit([](const auto& each) { return LinkedResult(each); }, *known);
  }

  const CommitContext& context_;
  const std::string& key_;
  OwnCommit& own_;
  Backoff& backoff_;
  const Transaction& with_;
  const CommitLinks& links_;
  WaitingCommit waiting_;
  Queued queued_ = Queued::kNo;
};

// The names of entries that go with no session.
Result<std::set<std::string>> EntriesThatStay(const CommitContext& context, const std::string& key,
                                              Backoff& backoff) {
  const std::string queue = QueuePath(key);
  const auto listed =
      PK_TRY(ReadInOrder(context.sessions, {{.path = queue, .children = true}}, backoff));
  std::set<std::string> names;
  if (!listed[0].ok()) {
    // Without a head there is no queue.
    PK_TRY(LoadHead(context.sessions, key, backoff));
    return names;
  }
  std::vector<ReadRequest> requests;
  const std::vector<std::string>& children = listed[0]->children;
  for (size_t first = 0; first < children.size(); first += kEntriesPerRead) {
    requests.clear();
    for (size_t i = first; i < std::min(first + kEntriesPerRead, children.size()); ++i) {
      requests.push_back({.path = queue + "/" + children[i]});
    }
    const auto entries = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
    for (size_t i = 0; i < entries.size(); ++i) {
      const bool stays = entries[i].ok() && entries[i]->node.stat.ephemeral_owner == 0;
      if (stays) names.insert(children[first + i]);
    }
  }
  return names;
}

}  // namespace

Result<LinkedResult> TableCommits::CommitLinked(const iceberg::TableCommit& commit, CommitId id,
                                                const Transaction& with, const CommitLinks& links) {
  PK_TRY(CheckLinks(links));
  PK_TRY(iceberg::Validate(commit.properties));
  OwnCommit own = MakeOwn(commit, id);
  Backoff backoff = context_.NewBackoff();
  Result<LinkedResult> result = LinkedCommit(*this, own, backoff, with, links).Run();
  if (id == CommitId::kMaybeRepeated && !result.ok()) {
    result = OutcomeUnknown(result.error().message());
  }
  return std::move(result).With(fmt::format("commit {}", commit.id.ToString()));
}

Result<int64_t> TableCommits::DriveQueue() {
  Backoff backoff = context_.NewBackoff();
  Clock& clock = *context_.options.clock;
  const std::set<std::string> names = PK_TRY(EntriesThatStay(context_, key_, backoff));
  StandIn stand_in(*this);
  for (;;) {
    const auto replies = PK_TRY(ReadUntilKnown(
        context_.sessions,
        {{.path = QueuePath(key_), .children = true}, {HeadPath(key_)}, {LeasePath(key_)}},
        backoff));
    PK_CHECK(replies[0].ok() && replies[1].ok(),
             Unavailable(fmt::format("the queue of the table {} cannot be read", key_)));
    const auto left = std::ranges::count_if(
        replies[0]->children, [&](const std::string& name) { return names.contains(name); });
    if (left == 0) return int64_t(names.size());
    PK_CHECK(clock.Now() < backoff.deadline(),
             Unavailable(fmt::format("{} of {} commits still wait in the queue of the table {}",
                                     left, names.size(), key_)));
    const HeadNode head = PK_TRY(DecodeHead(replies[1]->node.value).With(HeadPath(key_)));
    const SteadyTime until = clock.Now() + stand_in.After(head.version, replies[2].ok());
    static_cast<void>(clock.Wait(std::min(until, backoff.deadline()) - clock.Now()));
  }
}
}  // namespace pk::catalog
