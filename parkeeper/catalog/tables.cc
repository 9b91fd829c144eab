#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::catalog {

using coordination::Refused;
using coordination::Transaction;
using iceberg::TableMetadata;

namespace {

constexpr size_t kTablesRemembered = 256;
// A drop answers so many of those who wait in the table's queue; others see it for themselves.
constexpr size_t kWaitersTold = 300;

// A folder of its own for every table ever made: a table created again under a name never meets old
// files.
std::string NewTableLocation(const storage::Storage& storage, const TableName& name,
                             std::string_view key) {
  const auto plain = [](std::string text) {
    for (char& c : text) {
      const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_';
      if (!keep) c = '_';
    }
    return text.substr(0, 64);
  };
  std::string location = storage.root();
  for (const std::string& level : name.ns.levels) location += "/" + plain(level);
  return fmt::format("{}/{}-{}", location, plain(name.name), key.substr(0, 13));
}

// Some of the commits that wait in the table's queue, rejected because it is dropped, and the
// removal of their entries.
struct Dismissed {
  std::vector<RecordedCommit> commits;
  Transaction removals;
};
Result<Dismissed> DismissQueue(coordination::SessionSource& sessions, const std::string& key,
                               Backoff& backoff) {
  Dismissed dismissed;
  const std::string queue = QueuePath(key);
  auto listed = PK_TRY(ReadUntilKnown(sessions, {{.path = queue, .children = true}}, backoff));
  if (!listed[0].ok()) return dismissed;
  std::vector<std::string>& names = listed[0]->children;
  names.resize(std::min(names.size(), kWaitersTold));
  std::vector<coordination::ReadRequest> requests;
  for (const std::string& name : names) requests.push_back({.path = queue + "/" + name});
  const auto replies = PK_TRY(ReadUntilKnown(sessions, requests, backoff));
  for (size_t i = 0; i < names.size(); ++i) {
    const auto id =
        Uuid::Parse(std::string_view(names[i]).substr(std::min<size_t>(names[i].size(), 2)));
    if (!id.ok() || !replies[i].ok()) continue;
    // What hangs on an entry that stays is brought about by a round of the dropped table.
    if (replies[i]->node.stat.ephemeral_owner == 0) continue;
    const auto entry = DecodeEntry(replies[i]->node.value);
    if (!entry.ok()) continue;
    dismissed.commits.push_back(
        {.id = *id, .request_hash = entry->request_hash, .reason = "the table was dropped"});
    dismissed.removals.Remove(requests[i].path, replies[i]->node.stat.version);
  }
  return dismissed;
}

Error NoTable(const TableName& name) {
  return NotFound(fmt::format("table {} does not exist", ToString(name)));
}

}  // namespace

Result<CoordinatedCatalog::ReadName> CoordinatedCatalog::LoadName(const TableName& name,
                                                                  Backoff& backoff) {
  PK_TRY(Validate(name));
  if (const auto found = PK_TRY(FindNode(NamePath(name), backoff))) {
    return ReadName{PK_TRY(DecodeName(found->value).With(ToString(name))), found->stat.version};
  }
  if (!PK_TRY(FindNode(NamespacePath(name.ns), backoff))) {
    return NotFound(fmt::format("namespace {} does not exist", ToString(name.ns)));
  }
  return NoTable(name);
}

Result<> CoordinatedCatalog::CheckNameIsFree(const TableName& name, Backoff& backoff) {
  Result<ReadName> found = LoadName(name, backoff);
  if (found.ok()) {
    return AlreadyExists(fmt::format("{} {} exists already", found->node.kind, ToString(name)));
  }
  if (found.error().code() != ErrorCode::kNotFound) return found.error();
  if (!PK_TRY(FindNode(NamespacePath(name.ns), backoff))) return found.error();
  return {};
}

Result<> CoordinatedCatalog::EnsureBucket(const TableName& name, Backoff& backoff) {
  const std::string path = NameBucketPath(name);
  if (PK_TRY(FindNode(path, backoff))) return {};
  const Sent sent = PK_TRY(SendUntilKnown(sessions_, Transaction().Create(path, ""), backoff));
  const Refused* refused = sent.refused();
  if (refused == nullptr || refused->reason.code() == ErrorCode::kAlreadyExists) return {};
  if (refused->reason.code() == ErrorCode::kNotFound) {
    return NotFound(fmt::format("namespace {} does not exist", ToString(name.ns)));
  }
  return refused->reason;
}

Result<LoadedTable> CoordinatedCatalog::Publish(const TableName& name, const std::string& key,
                                                const std::string& metadata_location,
                                                std::shared_ptr<const TableMetadata> metadata,
                                                Backoff& backoff) {
  PK_TRY(EnsureBucket(name, backoff));
  const auto current = metadata->current_snapshot();
  HeadNode head{.table_uuid = metadata->table_uuid,
                .metadata_location = metadata_location,
                .snapshot_id = {}};
  if (current != nullptr) head.snapshot_id = current->snapshot_id;
  Transaction transaction;
  transaction.Create(NamePath(name), Encode(NameNode{.key = key}));
  transaction.Create(HeadPath(key), Encode(head));
  transaction.Create(QueuePath(key), "").Create(RecordsPath(key), "");
  const Sent sent = PK_TRY(SendUntilKnown(sessions_, transaction, backoff));
  if (const Refused* refused = sent.refused()) {
    bool mine = false;
    if (sent.repeated) {
      // The head's path is ours alone: who makes it decides. A tombstone there stops copies that
      // are still on their way, which a name that is free again would let through.
      head.dropped = true;
      const Transaction tombstone = Transaction().Create(HeadPath(key), Encode(head));
      const Result<Sent> spent = SendUntilKnown(sessions_, tombstone, backoff);
      if (!spent.ok()) return Error(ErrorCode::kOutcomeUnknown, spent.error().message());
      Result<ReadHead> made = LoadHead(sessions_, key, backoff);
      if (!made.ok()) return Error(ErrorCode::kOutcomeUnknown, made.error().message());
      // Our own table may be dropped already, by a round: then it has a record.
      mine = !made->node.dropped || made->node.version > 0;
    }
    if (!mine && refused->reason.code() == ErrorCode::kAlreadyExists) {
      return AlreadyExists(fmt::format("table {} exists already", ToString(name)));
    }
    // The name's bucket goes with its namespace only.
    if (!mine && refused->reason.code() == ErrorCode::kNotFound) {
      return NotFound(fmt::format("namespace {} does not exist", ToString(name.ns)));
    }
    if (!mine) return refused->reason;
  }
  files_.Remember(metadata_location, metadata);
  return LoadedTable{.name = name,
                     .key = key,
                     .version = 0,
                     .metadata_location = metadata_location,
                     .metadata = std::move(metadata)};
}

Result<LoadedTable> CoordinatedCatalog::CreateTable(const TableName& name,
                                                    const NewTableRequest& request) {
  return CreateStaged(PK_TRY(StageTable(name, request)));
}

Result<LoadedTable> CoordinatedCatalog::StageTable(const TableName& name,
                                                   const NewTableRequest& request) {
  PK_TRY(Validate(name));
  const std::string key = options_.ids->NewUuid4().ToString();
  auto metadata = std::make_shared<const TableMetadata>(PK_TRY(iceberg::MakeTableMetadata(
      {.schema = request.schema,
       .spec = request.spec,
       .sort_order = request.sort_order,
       .location = request.location.empty() ? NewTableLocation(files_.storage(), name, key)
                                            : request.location,
       .table_uuid = options_.ids->NewUuid4().ToString(),
       .properties = request.properties,
       .now_ms = options_.clock->WallMs()})));
  std::string location = MetadataLocation(*metadata, 0, *options_.ids);
  return LoadedTable{.name = name,
                     .key = key,
                     .version = 0,
                     .metadata_location = std::move(location),
                     .metadata = std::move(metadata)};
}

Result<LoadedTable> CoordinatedCatalog::CreateStaged(const LoadedTable& staged) {
  Backoff backoff = context_.NewBackoff();
  PK_TRY(CheckNameIsFree(staged.name, backoff));
  const NewFile file{staged.metadata_location, iceberg::ToJson(*staged.metadata)};
  PK_TRY(files_.Write({file}, backoff));
  auto made = Publish(staged.name, staged.key, file.location, staged.metadata, backoff);
  if (!made.ok() && made.error().code() != ErrorCode::kOutcomeUnknown) files_.Discard({file});
  return made;
}

Result<LoadedTable> CoordinatedCatalog::RegisterTable(const TableName& name,
                                                      const std::string& metadata_location) {
  PK_TRY(Validate(name));
  Backoff backoff = context_.NewBackoff();
  PK_TRY(CheckNameIsFree(name, backoff));
  auto metadata = PK_TRY(files_.Load(metadata_location));
  return Publish(name, options_.ids->NewUuid4().ToString(), metadata_location, std::move(metadata),
                 backoff);
}

Result<LoadedTable> CoordinatedCatalog::LoadTable(const TableName& name) {
  Backoff backoff = context_.NewBackoff();
  for (;;) {
    const ReadName found = PK_TRY(LoadName(name, backoff));
    PK_CHECK(found.node.kind == "table",
             NotFound(fmt::format("{} is a {}, not a table", ToString(name), found.node.kind)));
    const ReadHead head = PK_TRY(LoadHead(sessions_, found.node.key, backoff));
    if (head.node.dropped) {
      // Dropped between the two reads: the name is gone, or names another table by now.
      if (!backoff.Wait()) return NoTable(name);
      continue;
    }
    auto loaded = files_.Load(head.node.metadata_location).With(ToString(name));
    if (!loaded.ok()) {
      // Or purged between the head and this.
      const bool missing = loaded.error().code() == ErrorCode::kNotFound;
      if (missing && !PK_TRY(HeadStands(sessions_, found.node.key, head, backoff)) &&
          backoff.Wait()) {
        continue;
      }
      return std::move(loaded).error();
    }
    return LoadedTable{.name = name,
                       .key = found.node.key,
                       .version = head.node.version,
                       .metadata_location = head.node.metadata_location,
                       .metadata = *std::move(loaded)};
  }
}

Result<Page<TableName>> CoordinatedCatalog::ListTables(const Namespace& ns,
                                                       const PageRequest& page) {
  PK_TRY(Validate(ns));
  PK_CHECK(page.size > 0, InvalidArgument("a page needs a positive size"));
  if (ns.levels.empty()) return Page<TableName>{};
  Backoff backoff = context_.NewBackoff();
  auto buckets =
      PK_TRY(ReadUntilKnown(sessions_, {{.path = TablesPath(ns), .children = true}}, backoff));
  PK_CHECK(buckets[0].ok(), NotFound(fmt::format("namespace {} does not exist", ToString(ns))));
  std::vector<coordination::ReadRequest> requests;
  for (const std::string& bucket : buckets[0]->children) {
    requests.push_back({.path = TablesPath(ns) + "/" + bucket, .children = true});
  }
  std::vector<std::string> names;
  for (auto& reply : PK_TRY(ReadUntilKnown(sessions_, requests, backoff))) {
    if (!reply.ok()) continue;  // the bucket went with its last table
    for (const std::string& segment : reply->children) {
      std::string name = PK_TRY(coordination::UnescapeSegment(segment));
      if (name > page.token) names.push_back(std::move(name));
    }
  }
  const size_t shown = std::min(names.size(), size_t(page.size));
  std::partial_sort(names.begin(), names.begin() + ptrdiff_t(shown), names.end());
  Page<TableName> result;
  for (size_t i = 0; i < shown; ++i) result.items.push_back({ns, names[i]});
  if (names.size() > shown) result.next = result.items.back().name;
  return result;
}

Result<> CoordinatedCatalog::RenameTable(const TableName& from, const TableName& to) {
  PK_TRY(Validate(to));
  Backoff backoff = context_.NewBackoff();
  const ReadName source = PK_TRY(LoadName(from, backoff));
  if (from == to) return {};
  PK_TRY(CheckNameIsFree(to, backoff));
  for (;;) {
    PK_TRY(EnsureBucket(to, backoff));
    const ReadHead head = PK_TRY(LoadHead(sessions_, source.node.key, backoff));
    // Looked up after the head: as long as the head stands, so does the table's name.
    const auto named = PK_TRY(FindNode(NamePath(from), backoff));
    if (!named || PK_TRY(DecodeName(named->value)).key != source.node.key) return NoTable(from);
    // A round like any other, so that a late copy of it dies with the head's version: name nodes
    // come again with version 0, and it would move the name of a table that has `from` by then.
    const RecordNode record{.round = options_.ids->NewUuid4().ToString(),
                            .dropped = false,
                            .metadata_location = head.node.metadata_location,
                            .commits = {}};
    Transaction names;
    names.Create(NamePath(to), Encode(source.node)).Remove(NamePath(from), named->stat.version);
    const auto moved = PK_TRY(MoveHead(sessions_, source.node.key, head, head.node, record, names,
                                       *options_.ids, backoff));
    if (std::holds_alternative<Moved>(moved)) return {};
    const auto target = PK_TRY(FindNode(NamePath(to), backoff));
    // Somebody else made the same rename: the table has the name that it was to have.
    if (target && PK_TRY(DecodeName(target->value)).key == source.node.key) return {};
    if (target) return AlreadyExists(fmt::format("table {} exists already", ToString(to)));
    if (!backoff.Wait()) return Unavailable("other writers were faster");
  }
}

Result<> CoordinatedCatalog::DropTable(const TableName& name, bool purge) {
  Backoff backoff = context_.NewBackoff();
  for (;;) {
    const ReadName found = PK_TRY(LoadName(name, backoff));
    const ReadHead head = PK_TRY(LoadHead(sessions_, found.node.key, backoff));
    // Again after the head: as long as the head stands, so does the table's name. What is removed
    // below is this table's, for the name nodes of all tables begin at version 0.
    if (PK_TRY(LoadName(name, backoff)).node.key != found.node.key) {
      if (!backoff.Wait()) return NoTable(name);
      continue;
    }
    if (purge) {
      const auto metadata = files_.Load(head.node.metadata_location);
      // Somebody else may have purged it meanwhile.
      const bool missing = !metadata.ok() && metadata.error().code() == ErrorCode::kNotFound;
      if (missing && !PK_TRY(HeadStands(sessions_, found.node.key, head, backoff))) {
        if (!backoff.Wait()) return NoTable(name);
        continue;
      }
      if (!metadata.ok()) return metadata.error();
      PK_CHECK((*metadata)->Property("gc.enabled", "true") != "false",
               FailedPrecondition(fmt::format(
                   "table {} has gc.enabled=false: its files may belong to another table",
                   ToString(name))));
    }
    HeadNode next = head.node;
    next.dropped = true;
    Dismissed dismissed = PK_TRY(DismissQueue(sessions_, found.node.key, backoff));
    const RecordNode record{.round = options_.ids->NewUuid4().ToString(),
                            .dropped = true,
                            .metadata_location = next.metadata_location,
                            .commits = std::move(dismissed.commits)};
    const auto moved = PK_TRY(
        MoveHead(sessions_, found.node.key, head, next, record,
                 Transaction().Remove(NamePath(name), found.version).Append(dismissed.removals),
                 *options_.ids, backoff));
    if (std::holds_alternative<Moved>(moved)) {
      Result<> purged = purge ? PurgeFiles(files_, head.node.metadata_location) : Result<>();
      SweepTombstones(context_, found.node.key);
      return std::move(purged).With("the table is dropped, but some of its files are left");
    }
    if (!backoff.Wait()) return Unavailable("other writers were faster");
  }
}

Result<CommitResult> CoordinatedCatalog::Commit(const std::string& table_key,
                                                const iceberg::TableCommit& commit, CommitId id) {
  return PK_TRY(CommitsOf(table_key))->Commit(commit, id);
}

Result<LinkedResult> CoordinatedCatalog::CommitLinked(const std::string& table_key,
                                                      const iceberg::TableCommit& commit,
                                                      CommitId id, const Transaction& with,
                                                      const CommitLinks& links) {
  return PK_TRY(CommitsOf(table_key))->CommitLinked(commit, id, with, links);
}

Result<int64_t> CoordinatedCatalog::DriveQueue(const std::string& table_key) {
  return PK_TRY(CommitsOf(table_key))->DriveQueue();
}

Result<std::shared_ptr<TableCommits>> CoordinatedCatalog::CommitsOf(const std::string& table_key) {
  PK_CHECK(Uuid::Parse(table_key).ok(),
           InvalidArgument(fmt::format("'{}' is no table key", table_key)));
  // Tables that nobody commits to are forgotten once there are many; ending their combiner takes a
  // while, so outside of the mutex.
  std::vector<std::shared_ptr<TableCommits>> idle;
  std::lock_guard lock(mutex_);
  auto& commits = commits_[table_key];
  if (commits == nullptr) commits = std::make_shared<TableCommits>(context_, table_key);
  if (commits_.size() <= kTablesRemembered) return commits;
  const std::shared_ptr<TableCommits> wanted = commits;
  std::erase_if(commits_, [&](auto& entry) {
    if (entry.second.use_count() > 1) return false;
    idle.push_back(std::move(entry.second));
    return true;
  });
  return wanted;
}

}  // namespace pk::catalog
