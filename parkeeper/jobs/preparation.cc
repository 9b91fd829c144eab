#include "parkeeper/jobs/preparation_internal.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/jobs/digest_internal.h"
#include "parkeeper/jobs/seen.h"
#include "parkeeper/table/history.h"

namespace pk::jobs {

namespace bj = boost::json;
using catalog::LoadedTable;

namespace {

Result<LoadedTable> LoadInput(const JobsParts& parts, const sql::NameInQuery& name,
                              const std::string& key) {
  LoadedTable table = PK_TRY(parts.catalog.LoadTable(PK_TRY(catalog::TableNameInSql(name))));
  PK_CHECK(table.key == key,
           FailedPrecondition(fmt::format("table {} is another one than when the job was submitted",
                                          catalog::ToString(table.name))));
  return table;
}

std::optional<int64_t> HeadOf(const LoadedTable& table) {
  const auto snapshot = table.metadata->current_snapshot();
  return snapshot == nullptr ? std::nullopt : std::optional(snapshot->snapshot_id);
}

// A table in the state of a snapshot; of none, without rows.
QueryInput At(const sql::NameInQuery& name, const std::string& metadata,
              const std::optional<int64_t>& snapshot) {
  QueryInput input{.name = name,
                   .metadata = metadata,
                   .snapshot_id = snapshot,
                   .after_snapshot_id = {},
                   .files = {}};
  if (!snapshot) input.files.emplace();
  return input;
}

std::optional<int64_t> SnapshotAt(const Position& position, const std::string& key) {
  const auto found = position.snapshots.find(key);
  return found == position.snapshots.end() ? std::nullopt : found->second;
}

class Preparer {
 public:
  Preparer(const JobsParts& parts, const Job& job, const std::string& part,
           const LoadedTable& table, int64_t memory_bytes)
      : parts_(parts), job_(job), part_(part), table_(table), memory_bytes_(memory_bytes) {}

  Result<Preparation> operator()(const IngestPlan& plan) const {
    const SourceIdentity source = PK_TRY(IdentifySource(part_));
    const SeenSource seen = PK_TRY(LookUpSource(parts_, job_.table_key, source));
    if (seen.state == SourceState::kIngested) {
      return Skipped(fmt::format("task {} has brought the file", seen.by));
    }
    auto preparation = To(ReadFile{.path = part_, .input = plan.input});
    preparation.source = source;
    if (seen.state == SourceState::kCommitting) {
      preparation.later = fmt::format("task {} has handed over the rows of the file", seen.by);
    }
    return preparation;
  }

  Result<Preparation> operator()(const FollowFilesPlan&) const {
    return Internal("a folder is followed, not prepared for");
  }

  Result<Preparation> operator()(const TransformPlan& plan) const {
    RunQuery query{.sql = plan.sql, .states = {{}}};
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      const PinnedTable& pinned = plan.inputs[i];
      const LoadedTable input = PK_TRY(LoadInput(parts_, pinned.name, pinned.key));
      QueryInput state = At(pinned.name, iceberg::ToJson(*input.metadata), pinned.snapshot_id);
      if (plan.split && size_t(*plan.split) == i) state.files = PK_TRY(DecodeTexts(part_));
      query.states.front().push_back(std::move(state));
    }
    return To(std::move(query));
  }

  Result<Preparation> operator()(const RefreshPlan& plan) const {
    const std::string property = PositionProperty(plan.name);
    const auto& properties = table_.metadata->properties;
    const auto present = properties.find(property);
    Position from;
    if (present != properties.end()) {
      from = PK_TRY(DecodePosition(present->second)
                        .With(fmt::format("property {} of table {}", property, job_.table)));
    }
    const std::string query = QueryOf(plan);
    PK_CHECK(present == properties.end() || from.query == query,
             FailedPrecondition(fmt::format(
                 "property {} of table {} is the position of another query, or of one that reads "
                 "other tables incrementally: give this one another --name",
                 property, job_.table)));
    from.query = query;
    Position to = from;
    std::vector<std::string> metadata;
    for (const FollowedTable& followed : plan.inputs) {
      const LoadedTable input = PK_TRY(LoadInput(parts_, followed.name, followed.key));
      if (followed.incremental) to.snapshots[followed.key] = HeadOf(input);
      metadata.push_back(PK_TRY(MetadataSince(input, SnapshotAt(from, followed.key))));
    }
    if (present != properties.end() && to == from) return Skipped("nothing is new");
    auto preparation =
        To(RunQuery{.sql = plan.sql, .states = StatesOfNewRows(plan, metadata, from, to)});
    preparation.properties.push_back(
        {.name = property,
         .expected = present == properties.end() ? std::nullopt : std::optional(present->second),
         .value = Encode(to)});
    return preparation;
  }

  Result<Preparation> operator()(const CompactPlan& plan) const {
    return To(Rewrite{.group = part_, .target_file_bytes = plan.target_file_bytes});
  }

 private:
  static Preparation Skipped(std::string why) { return {.skip = std::move(why), .request = {}}; }
  // With the snapshots since `from`, which is far back when the table has grown faster than this
  // was kept fresh.
  Result<std::string> MetadataSince(const LoadedTable& input,
                                    const std::optional<int64_t>& from) const {
    if (!from) return iceberg::ToJson(*input.metadata);
    return iceberg::ToJson(PK_TRY(table::WithHistorySince(parts_.storage, *input.metadata, *from)
                                      .With(catalog::ToString(input.name))));
  }
  template <class Work>
  Preparation To(Work work) const {
    return {.request = {.root = parts_.storage.root(),
                        .metadata = iceberg::ToJson(*table_.metadata),
                        .memory_bytes = memory_bytes_,
                        .work = std::move(work)}};
  }

  const JobsParts& parts_;
  const Job& job_;
  const std::string& part_;
  const LoadedTable& table_;
  const int64_t memory_bytes_;
};

}  // namespace

Result<Preparation> Prepare(const JobsParts& parts, const Job& job, const std::string& part,
                            const LoadedTable& table, int64_t memory_bytes) {
  return std::visit(Preparer(parts, job, part, table, memory_bytes), job.plan);
}

std::string QueryOf(const RefreshPlan& plan) {
  std::string text = plan.sql;
  for (const FollowedTable& input : plan.inputs) {
    if (input.incremental) text += "\n" + input.key;
  }
  return HexDigest(text).substr(0, 32);
}

std::string Encode(const Position& position) {
  bj::object snapshots;
  for (const auto& [key, snapshot] : position.snapshots) {
    if (snapshot) {
      snapshots[key] = *snapshot;
    } else {
      snapshots[key] = nullptr;
    }
  }
  return bj::serialize(bj::object{{"query", position.query}, {"snapshots", std::move(snapshots)}});
}

Result<Position> DecodePosition(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(value, "a position"));
  Position position{.query = PK_TRY(json::String(object, "query")), .snapshots = {}};
  for (const auto& [key, snapshot] : *PK_TRY(json::Object(object, "snapshots"))) {
    auto& at = position.snapshots[std::string(key)];
    if (!snapshot.is_null()) at = PK_TRY(json::AsInt64(snapshot, key));
  }
  return position;
}

std::vector<std::vector<QueryInput>> StatesOfNewRows(const RefreshPlan& plan,
                                                     const std::vector<std::string>& metadata,
                                                     const Position& from, const Position& to) {
  std::vector<std::vector<QueryInput>> states;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const std::string& key = plan.inputs[i].key;
    if (!plan.inputs[i].incremental || SnapshotAt(from, key) == SnapshotAt(to, key)) continue;
    std::vector<QueryInput>& state = states.emplace_back();
    for (size_t j = 0; j < plan.inputs.size(); ++j) {
      const FollowedTable& input = plan.inputs[j];
      if (!input.incremental) {
        state.push_back({.name = input.name,
                         .metadata = metadata[j],
                         .snapshot_id = {},
                         .after_snapshot_id = {},
                         .files = {}});
        continue;
      }
      const auto old_rows = SnapshotAt(from, input.key);
      const auto all_rows = SnapshotAt(to, input.key);
      state.push_back(At(input.name, metadata[j], j <= i ? all_rows : old_rows));
      if (j == i) state.back().after_snapshot_id = old_rows;
    }
  }
  return states;
}

}  // namespace pk::jobs
