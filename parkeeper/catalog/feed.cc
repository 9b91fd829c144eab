#include "parkeeper/catalog/feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/catalog/feed_internal.h"

namespace pk::catalog {

using coordination::Coordinator;
using coordination::ReadRequest;
using coordination::SessionState;
using coordination::Watch;
using coordination::WatchScope;
using iceberg::TableMetadata;

namespace {

constexpr int64_t kRecordsPerRead = 32;
constexpr RetryPolicy kRetry{.first = std::chrono::milliseconds(10),
                             .most = std::chrono::milliseconds(1'000)};

struct KeptRecord {
  int64_t version = 0;
  int64_t time_ms = 0;
  RecordNode node;
};

class CoordinatedFeed final : public Feed {
 public:
  CoordinatedFeed(const CommitContext& context, std::string key, FeedPosition position)
      : context_(context), key_(std::move(key)), position_(std::move(position)) {}

  Result<std::optional<FeedChange>> Next(SteadyTime deadline, std::stop_token stop) override;
  int64_t version() const override { return position_.version; }

 private:
  using MaybeChange = Result<std::optional<FeedChange>>;

  MaybeChange Step(SteadyTime deadline, const std::stop_token& stop, Backoff& backoff);
  Result<> Attach();
  Result<bool> IsDue(SteadyTime deadline, const std::stop_token& stop);
  Result<std::optional<ReadHead>> Look(Backoff& backoff);
  MaybeChange TellNext(Backoff& backoff);
  MaybeChange TellCondensed(const ReadHead& head, Backoff& backoff);
  Result<> TellHistory(FeedChange& change, const TableMetadata& after) const;
  void Stand(const FeedChange& change, std::shared_ptr<const TableMetadata> metadata);

  const CommitContext& context_;
  const std::string key_;
  FeedPosition position_;
  std::deque<KeptRecord> records_;  // that come next, without a gap

  std::shared_ptr<Coordinator> session_;
  std::unique_ptr<Watch> watch_;  // of the head, in this session; ends before it
  bool due_ = true;               // there may be more than was read
};

// The records of a session that ends while it is waited for are not missed: whoever opens the next
// one looks after it has set the watch, and asks for what comes after its own version.
Result<> CoordinatedFeed::Attach() {
  auto session = PK_TRY(context_.sessions.Get());
  if (watch_ != nullptr && session == session_) return {};
  watch_.reset();
  session_ = std::move(session);
  watch_ = PK_TRY(session_->StartWatch(HeadPath(key_), WatchScope::kNode));
  due_ = true;
  return {};
}

Result<bool> CoordinatedFeed::IsDue(SteadyTime deadline, const std::stop_token& stop) {
  PK_TRY(Attach());
  due_ = due_ || watch_->Wait(deadline, stop);
  if (due_) return true;
  if (session_->session().state() == SessionState::kLost) watch_.reset();
  const bool over = stop.stop_requested() || context_.options.clock->Now() >= deadline;
  PK_CHECK(over || watch_ == nullptr, Unavailable("the watch of the table has ended"));
  return false;
}

// Reads what comes next; a head when that is swept already.
Result<std::optional<ReadHead>> CoordinatedFeed::Look(Backoff& backoff) {
  std::vector<ReadRequest> requests{{.path = HeadPath(key_)}};
  for (int64_t i = 1; i <= kRecordsPerRead; ++i) {
    requests.push_back({.path = RecordPath(key_, position_.version + i)});
  }
  const auto replies = PK_TRY(session_->Read(requests));
  if (!replies[0].ok() && replies[0].error().code() == ErrorCode::kNotFound) {
    PK_TRY(LoadHead(context_.sessions, key_, backoff));
    return Unavailable("a server was behind");
  }
  PK_CHECK(replies[0].ok(), replies[0].error());
  const HeadNode head = PK_TRY(DecodeHead(replies[0]->node.value).With(HeadPath(key_)));
  for (size_t i = 1; i < replies.size(); ++i) {
    if (!replies[i].ok() && replies[i].error().code() == ErrorCode::kNotFound) break;
    PK_CHECK(replies[i].ok(), replies[i].error());
    const coordination::Node& node = replies[i]->node;
    RecordNode record = PK_TRY(DecodeRecord(node.value).With(requests[i].path));
    records_.push_back({.version = position_.version + int64_t(i),
                        .time_ms = node.stat.ctime_ms,
                        .node = std::move(record)});
  }
  if (records_.empty() && head.version > position_.version) {
    // Of a table that was dropped long ago the records go before the head does.
    PK_CHECK(head.floor > position_.version + 1 || head.dropped,
             Corrupt(fmt::format("the record is missing: {}", requests[1].path)));
    return ReadHead{head, replies[0]->node.stat};
  }
  due_ = int64_t(records_.size()) == kRecordsPerRead;
  return std::nullopt;
}

Result<> CoordinatedFeed::TellHistory(FeedChange& change, const TableMetadata& after) const {
  iceberg::HistoryChange history = iceberg::CompareHistory(*position_.metadata, after);
  PK_CHECK(!history.expired,
           FailedPrecondition(fmt::format("snapshot {} has expired before it could be told{}",
                                          *history.expired, BeginAgain(after))));
  change.snapshots = std::move(history.added);
  change.rewound = history.rewound;
  change.snapshot_id = CurrentSnapshotId(after);
  return {};
}

// What is known of snapshots whose metadata is gone.
iceberg::Snapshots NamedBy(const RecordNode& record) {
  iceberg::Snapshots named;
  for (const RecordedCommit& commit : record.commits) {
    if (!commit.committed || !commit.snapshot_id) continue;
    if (!named.empty() && named.back()->snapshot_id == *commit.snapshot_id) continue;
    named.push_back(std::make_shared<const iceberg::Snapshot>(
        iceberg::Snapshot{.snapshot_id = *commit.snapshot_id}));
  }
  return named;
}

void CoordinatedFeed::Stand(const FeedChange& change,
                            std::shared_ptr<const TableMetadata> metadata) {
  position_ = {.version = change.version,
               .metadata_location = change.metadata_location,
               .metadata = std::move(metadata),
               .dropped = change.dropped,
               .first = {}};
}

CoordinatedFeed::MaybeChange CoordinatedFeed::TellNext(Backoff& backoff) {
  const KeptRecord& record = records_.front();
  FeedChange change;
  change.version = record.version;
  change.time_ms = record.time_ms;
  change.metadata_location = record.node.metadata_location;
  change.has_new_metadata = change.metadata_location != position_.metadata_location;
  change.dropped = record.node.dropped;
  for (const RecordedCommit& commit : record.node.commits) {
    if (commit.committed) change.commits.push_back(commit.id);
  }
  auto metadata = position_.metadata;
  if (change.has_new_metadata) {
    metadata = PK_TRY(LoadUnlessPurged(context_, key_, change.metadata_location, backoff));
  }
  if (metadata != nullptr && position_.metadata != nullptr) {
    PK_TRY(TellHistory(change, *metadata));
  } else {
    change.snapshots = NamedBy(record.node);
  }
  Stand(change, std::move(metadata));
  records_.pop_front();
  return change;
}

CoordinatedFeed::MaybeChange CoordinatedFeed::TellCondensed(const ReadHead& head,
                                                            Backoff& backoff) {
  FeedChange change;
  change.version = head.node.version;
  change.condensed = true;
  change.time_ms = head.stat.mtime_ms;
  change.metadata_location = head.node.metadata_location;
  change.has_new_metadata = change.metadata_location != position_.metadata_location;
  change.dropped = head.node.dropped;
  auto metadata = PK_TRY(LoadUnlessPurged(context_, key_, change.metadata_location, backoff));
  // Of a purged table only the drop is left to be told.
  const bool comparable = metadata != nullptr && position_.metadata != nullptr;
  PK_CHECK(comparable || change.dropped,
           Unavailable("the table was dropped while its metadata was read"));
  if (comparable) PK_TRY(TellHistory(change, *metadata));
  Stand(change, std::move(metadata));
  return change;
}

CoordinatedFeed::MaybeChange CoordinatedFeed::Step(SteadyTime deadline, const std::stop_token& stop,
                                                   Backoff& backoff) {
  if (position_.first) return std::exchange(position_.first, std::nullopt);
  PK_CHECK(!position_.dropped, NotFound("the table was dropped"));
  if (records_.empty()) {
    if (!PK_TRY(IsDue(deadline, stop))) return std::nullopt;
    if (const auto head = PK_TRY(Look(backoff))) return TellCondensed(*head, backoff);
    if (records_.empty()) return std::nullopt;
  }
  return TellNext(backoff);
}

Result<std::optional<FeedChange>> CoordinatedFeed::Next(SteadyTime deadline, std::stop_token stop) {
  Clock& clock = *context_.options.clock;
  RetryPolicy policy = kRetry;
  policy.within = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.Now());
  Backoff backoff(policy, clock, *context_.options.ids, stop);
  for (;;) {
    MaybeChange change = Step(deadline, stop, backoff);
    if (change.ok() && change->has_value()) return change;
    if (!change.ok() && change.error().code() != ErrorCode::kUnavailable) return change;
    PK_CHECK(!stop.stop_requested(), Cancelled("asked to stop"));
    if (change.ok() && clock.Now() >= deadline) return change;
    if (change.ok()) continue;
    if (session_ != nullptr && session_->session().state() == SessionState::kSuspended) {
      session_->session().WaitForChange(SessionState::kSuspended, deadline, stop);
    }
    if (backoff.Wait()) continue;
    PK_CHECK(!stop.stop_requested(), Cancelled("asked to stop"));
    return change;
  }
}

// What was committed anywhere before this call is not told as something new.
Result<> SyncUntilKnown(coordination::SessionSource& sessions, Backoff& backoff) {
  for (;;) {
    auto session = sessions.Get();
    Result<> synced = session.ok() ? (*session)->Sync() : Result<>(session.error());
    if (synced.ok()) return {};
    if (synced.error().code() != ErrorCode::kUnavailable || !backoff.Wait()) return synced;
  }
}

}  // namespace

Result<std::unique_ptr<Feed>> CoordinatedCatalog::Follow(const std::string& table_key,
                                                         const FeedStart& start) {
  PK_CHECK(Uuid::Parse(table_key).ok(),
           InvalidArgument(fmt::format("'{}' is no table key", table_key)));
  Backoff backoff = context_.NewBackoff();
  PK_TRY(SyncUntilKnown(sessions_, backoff));
  for (;;) {
    Result<FeedPosition> position = FindStart(context_, table_key, start, backoff);
    if (position.ok()) {
      return std::make_unique<CoordinatedFeed>(context_, table_key, *std::move(position));
    }
    if (position.error().code() != ErrorCode::kUnavailable || !backoff.Wait()) {
      return std::move(position).error();
    }
  }
}

}  // namespace pk::catalog
