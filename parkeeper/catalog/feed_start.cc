#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/feed_internal.h"

namespace pk::catalog {

using coordination::ReadReply;
using coordination::ReadRequest;
using iceberg::Snapshots;
using iceberg::TableMetadata;

namespace {

constexpr int64_t kRecordsPerRead = 32;

class StartSearch {
 public:
  StartSearch(const CommitContext& context, const std::string& key, Backoff& backoff)
      : context_(context), key_(key), backoff_(backoff) {}

  Result<FeedPosition> Find(const FromNow&) {
    FeedPosition position = PK_TRY(AtHead());
    PK_CHECK(!position.dropped, NotFound("the table was dropped"));
    return position;
  }

  Result<FeedPosition> Find(const FromStart&) {
    FeedPosition position = PK_TRY(AtHead());
    const auto current = CurrentSnapshotId(*position.metadata);
    Result<Snapshots> all =
        current ? iceberg::SnapshotsUpTo(*position.metadata, *current) : Snapshots();
    PK_CHECK(all.ok(), FailedPrecondition(all.error().message() + BeginAgain(*position.metadata)));
    TellFirst(position, *std::move(all), head_.stat.mtime_ms);
    return position;
  }

  Result<FeedPosition> Find(const AfterSnapshot& after) {
    FeedPosition position = PK_TRY(AtHead());
    Result<Snapshots> since = Since(*position.metadata, after.snapshot_id);
    if (since.ok()) {
      TellFirst(position, *std::move(since), head_.stat.mtime_ms);
      return position;
    }
    // Expired or rolled back, but the records may still tell how.
    if (auto found = PK_TRY(FindRecordOf(after.snapshot_id))) return *std::move(found);
    return FailedPrecondition(since.error().message() + BeginAgain(*position.metadata));
  }

  Result<FeedPosition> Find(const AfterVersion& after) {
    const int64_t version = after.version;
    PK_CHECK(version >= 0, InvalidArgument(fmt::format("no table has a version {}", version)));
    const auto replies = PK_TRY(ReadUntilKnown(context_.sessions,
                                               {{.path = HeadPath(key_)},
                                                {.path = RecordPath(key_, version)},
                                                {.path = RecordPath(key_, version + 1)}},
                                               backoff_));
    if (!replies[0].ok()) {
      PK_TRY(LoadHead(context_.sessions, key_, backoff_));  // says what is missing
      return Unavailable("a server was behind");
    }
    head_ = {PK_TRY(DecodeHead(replies[0]->node.value).With(HeadPath(key_))),
             replies[0]->node.stat};
    PK_TRY(CheckIsThere(version));
    FeedPosition position{.version = version,
                          .metadata_location = {},
                          .metadata = {},
                          .dropped = head_.node.dropped && version == head_.node.version,
                          .first = {}};
    PK_CHECK(!position.dropped, NotFound("the table was dropped"));
    if (version == head_.node.version) {
      position.metadata_location = head_.node.metadata_location;
    } else if (replies[1].ok()) {
      position.metadata_location = PK_TRY(DecodeRecord(replies[1]->node.value)).metadata_location;
    } else {
      PK_CHECK(replies[2].ok(),
               FailedPrecondition(fmt::format("version {} is too old to go on from: records are "
                                              "kept for {} minutes; follow from the last "
                                              "snapshot that is done with",
                                              version, RetentionMinutes())));
      position.metadata_location = PK_TRY(LocationBefore(replies[2]->node));
    }
    if (!position.metadata_location.empty()) {
      position.metadata =
          PK_TRY(LoadUnlessPurged(context_, key_, position.metadata_location, backoff_));
    }
    return position;
  }

 private:
  int64_t RetentionMinutes() const {
    return std::chrono::duration_cast<std::chrono::minutes>(context_.options.retention).count();
  }

  // At the present version, with its metadata.
  Result<FeedPosition> AtHead() {
    head_ = PK_TRY(LoadHead(context_.sessions, key_, backoff_));
    FeedPosition position;
    position.version = head_.node.version;
    position.metadata_location = head_.node.metadata_location;
    position.metadata =
        PK_TRY(LoadUnlessPurged(context_, key_, head_.node.metadata_location, backoff_));
    position.dropped = head_.node.dropped;
    PK_CHECK(position.metadata != nullptr, NotFound("the table was dropped"));
    return position;
  }

  // A server that is behind may know less than who has followed already.
  Result<> CheckIsThere(int64_t version) {
    if (version <= head_.node.version) return {};
    PK_CHECK(!PK_TRY(HeadStands(context_.sessions, key_, head_, backoff_)),
             InvalidArgument(fmt::format("the table has no version {} yet, only {}", version,
                                         head_.node.version)));
    return Unavailable("a server was behind");
  }

  // The metadata file of the version before this record; empty when it is purged.
  Result<std::string> LocationBefore(const coordination::Node& node) {
    const RecordNode record = PK_TRY(DecodeRecord(node.value));
    if (std::ranges::none_of(record.commits, &RecordedCommit::committed)) {
      return record.metadata_location;
    }
    const auto metadata =
        PK_TRY(LoadUnlessPurged(context_, key_, record.metadata_location, backoff_));
    if (metadata == nullptr) return std::string();
    PK_CHECK(!metadata->metadata_log.empty(),
             Corrupt(record.metadata_location + " does not name the metadata before it"));
    return metadata->metadata_log.back().metadata_file;
  }

  static Result<Snapshots> Since(const TableMetadata& metadata, int64_t snapshot_id) {
    const auto current = CurrentSnapshotId(metadata);
    PK_CHECK(current,
             InvalidArgument(fmt::format(
                 "the table has no rows, so it does not have the snapshot {}", snapshot_id)));
    return iceberg::SnapshotsAfter(metadata, snapshot_id, *current);
  }

  // Right after the version that made the snapshot; nullopt when no record that is kept names it.
  Result<std::optional<FeedPosition>> FindRecordOf(int64_t snapshot_id) {
    for (int64_t last = head_.node.version; last >= head_.node.floor; last -= kRecordsPerRead) {
      std::vector<ReadRequest> requests;
      const int64_t first = std::max(head_.node.floor, last - kRecordsPerRead + 1);
      for (int64_t n = first; n <= last; ++n) requests.push_back({.path = RecordPath(key_, n)});
      const auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff_));
      for (size_t i = replies.size(); i-- > 0;) {
        if (!replies[i].ok()) return std::nullopt;  // swept meanwhile, with all before it
        const RecordNode record =
            PK_TRY(DecodeRecord(replies[i]->node.value).With(requests[i].path));
        const bool names_it = std::ranges::any_of(record.commits, [&](const auto& commit) {
          return commit.committed && commit.snapshot_id == snapshot_id;
        });
        if (names_it) return PK_TRY(AfterRecord(first + int64_t(i), replies[i]->node, snapshot_id));
      }
    }
    return std::nullopt;
  }

  Result<std::optional<FeedPosition>> AfterRecord(int64_t version, const coordination::Node& node,
                                                  int64_t snapshot_id) {
    const RecordNode record = PK_TRY(DecodeRecord(node.value));
    FeedPosition position;
    position.version = version;
    position.metadata_location = record.metadata_location;
    position.metadata =
        PK_TRY(LoadUnlessPurged(context_, key_, record.metadata_location, backoff_));
    position.dropped = false;
    PK_CHECK(position.metadata != nullptr, NotFound("the table was dropped"));
    // It may have made others after it.
    Result<Snapshots> since = Since(*position.metadata, snapshot_id);
    if (!since.ok()) return std::nullopt;
    TellFirst(position, *std::move(since), node.stat.ctime_ms);
    return position;
  }

  static void TellFirst(FeedPosition& position, Snapshots snapshots, int64_t time_ms) {
    if (snapshots.empty() && !position.dropped) return;
    position.first = FeedChange{.version = position.version,
                                .condensed = true,
                                .time_ms = time_ms,
                                .metadata_location = position.metadata_location,
                                .has_new_metadata = true,
                                .snapshots = std::move(snapshots),
                                .rewound = false,
                                .snapshot_id = CurrentSnapshotId(*position.metadata),
                                .commits = {},
                                .dropped = position.dropped};
  }

  const CommitContext& context_;
  const std::string& key_;
  Backoff& backoff_;
  ReadHead head_;
};

}  // namespace

std::optional<int64_t> CurrentSnapshotId(const TableMetadata& metadata) {
  const auto current = metadata.current_snapshot();
  return current == nullptr ? std::nullopt : std::optional<int64_t>(current->snapshot_id);
}

std::string BeginAgain(const TableMetadata& metadata) {
  const auto current = CurrentSnapshotId(metadata);
  if (!current) return "; read the table and follow from now";
  return fmt::format("; read the table as of snapshot {0} and follow from {0}", *current);
}

Result<std::shared_ptr<const TableMetadata>> LoadUnlessPurged(const CommitContext& context,
                                                              const std::string& key,
                                                              const std::string& location,
                                                              Backoff& backoff) {
  auto loaded = context.files.Load(location);
  if (loaded.ok() || loaded.error().code() != ErrorCode::kNotFound) return loaded;
  const Result<ReadHead> head = LoadHead(context.sessions, key, backoff);
  const bool gone = !head.ok() && head.error().code() == ErrorCode::kNotFound;
  if (gone || (head.ok() && head->node.dropped)) return nullptr;
  PK_CHECK(head.ok(), head.error());
  // What was read may be behind the drop.
  PK_CHECK(!PK_TRY(HeadStands(context.sessions, key, *head, backoff)),
           Corrupt(loaded.error().message()));
  return Unavailable("the table moved while its metadata was read");
}

Result<FeedPosition> FindStart(const CommitContext& context, const std::string& key,
                               const FeedStart& start, Backoff& backoff) {
  return std::visit([&](const auto& from) { return StartSearch(context, key, backoff).Find(from); },
                    start);
}

}  // namespace pk::catalog
