#include "parkeeper/jobs/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "parkeeper/table/compact.h"

namespace pk::jobs {

using catalog::LoadedTable;

namespace {

// A query with its tables as they are now.
class Planned {
 public:
  static Result<std::unique_ptr<Planned>> Open(const JobsParts& parts, const std::string& sql,
                                               const std::string& into) {
    auto planned = std::make_unique<Planned>();
    Planned& self = *planned;
    self.output = PK_TRY(parts.catalog.LoadTable(PK_TRY(catalog::ParseTableName(into))));
    self.session = PK_TRY(sql::Session::Open(
        parts.storage,
        [&self, &parts](const sql::NameInQuery& name) -> Result<sql::TableState> {
          auto found = self.inputs.find(name);
          if (found == self.inputs.end()) {
            auto table = PK_TRY(parts.catalog.LoadTable(PK_TRY(catalog::TableNameInSql(name))));
            found = self.inputs.emplace(name, std::move(table)).first;
          }
          return sql::TableState{.metadata = found->second.metadata};
        },
        {.threads = 1}));
    self.shape = PK_TRY(self.session->Describe(sql));
    PK_TRY(datafile::CheckConforms(self.shape.columns, self.output.metadata->schema())
               .With(fmt::format("the query does not fit table {}", into)));
    std::set<std::string> keys;
    for (sql::TableShape& table : self.shape.tables) {
      // Two names of one table, after all.
      const bool first = keys.insert(self.inputs.at(table.name).key).second;
      PK_CHECK(first, InvalidArgument(fmt::format("the query names a table in two ways, one is {}",
                                                  fmt::join(table.name, "."))));
      PK_CHECK(self.inputs.at(table.name).key != self.output.key,
               InvalidArgument(fmt::format("table {} is read and written to by one query", into)));
    }
    return planned;
  }

  LoadedTable output;
  std::unique_ptr<sql::Session> session;
  std::map<sql::NameInQuery, LoadedTable> inputs;
  sql::QueryShape shape;
};

std::optional<int64_t> HeadOf(const LoadedTable& table) {
  const auto snapshot = table.metadata->current_snapshot();
  return snapshot == nullptr ? std::nullopt : std::optional(snapshot->snapshot_id);
}

// Files in the order of the plan, in lists of about `split_bytes`.
std::vector<std::string> SplitFiles(const table::ScanPlan& plan, int64_t split_bytes) {
  // So that no table is too large.
  const int64_t least = plan.bytes / int64_t(kMostParts) + 1;
  const int64_t most = std::max(split_bytes, least);
  std::vector<std::string> parts;
  std::vector<std::string> files;
  int64_t bytes = 0;
  for (const table::FileTask& task : plan.tasks) {
    if (!files.empty() && bytes + task.file.file_size > most) {
      parts.push_back(EncodeTexts(files));
      files.clear();
      bytes = 0;
    }
    files.push_back(task.file.location);
    bytes += task.file.file_size;
  }
  if (!files.empty()) parts.push_back(EncodeTexts(files));
  return parts;
}

// By the largest table that allows it.
Result<> Split(Planned& planned, TransformPlan& plan, int64_t split_bytes,
               std::vector<std::string>& parts) {
  const auto explanation = PK_TRY(planned.session->Explain(plan.sql, {}));
  const table::ScanPlan* largest = nullptr;
  for (const sql::TableUse& use : explanation.tables) {
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      const bool allows = planned.shape.tables[i].linear && use.table == plan.inputs[i].name;
      if (!allows || (largest != nullptr && largest->bytes >= use.plan.bytes)) continue;
      largest = &use.plan;
      plan.split = int32_t(i);
    }
  }
  if (largest == nullptr) return {};
  auto splits = SplitFiles(*largest, split_bytes);
  if (splits.size() > 1) {
    parts = std::move(splits);
  } else {
    plan.split.reset();
  }
  return {};
}

}  // namespace

Result<Job> PlanTransform(const JobsParts& parts, const TransformRequest& request) {
  const auto planned = PK_TRY(Planned::Open(parts, request.sql, request.into));
  TransformPlan plan{.sql = request.sql,
                     .inputs = {},
                     .split = {},
                     .overwrite = request.overwrite,
                     .at_once = request.at_once};
  for (const sql::TableShape& table : planned->shape.tables) {
    const LoadedTable& input = planned->inputs.at(table.name);
    plan.inputs.push_back({.name = table.name, .key = input.key, .snapshot_id = HeadOf(input)});
  }
  Job job{.id = {},
          .table = catalog::ToString(planned->output.name),
          .table_key = planned->output.key,
          .plan = {},
          .parts = {""}};
  if (request.split_bytes > 0) {
    PK_TRY(Split(*planned, plan, request.split_bytes, job.parts));
  }
  job.plan = std::move(plan);
  return job;
}

Result<Job> PlanRefresh(const JobsParts& parts, const RefreshRequest& request) {
  const auto planned = PK_TRY(Planned::Open(parts, request.sql, request.into));
  RefreshPlan plan{.name = request.name.empty() ? "default" : request.name,
                   .sql = request.sql,
                   .inputs = {},
                   .keep = request.keep};
  std::vector<std::string> wanted = request.incremental;
  for (const sql::TableShape& table : planned->shape.tables) {
    const LoadedTable& input = planned->inputs.at(table.name);
    const std::string name = catalog::ToString(input.name);
    const auto asked = std::find(wanted.begin(), wanted.end(), name);
    const bool incremental = request.incremental.empty() || asked != wanted.end();
    if (asked != wanted.end()) wanted.erase(asked);
    const bool fits = table.linear || (request.partial_aggregates && table.aggregates_linear);
    PK_CHECK(
        !incremental || fits,
        InvalidArgument(fmt::format(
            "the query cannot be kept fresh from new rows of {} alone: {}{}", name, table.why_not,
            table.aggregates_linear
                ? "; with --partial-aggregates the aggregates of the new rows of each run are "
                  "appended, to be aggregated again by readers"
                : "")));
    plan.inputs.push_back({.name = table.name, .key = input.key, .incremental = incremental});
  }
  PK_CHECK(wanted.empty(), InvalidArgument(fmt::format("the query does not read table {}",
                                                       wanted.empty() ? "" : wanted.front())));
  return Job{.id = {},
             .table = catalog::ToString(planned->output.name),
             .table_key = planned->output.key,
             .plan = std::move(plan),
             .parts = {""}};
}

Result<Job> PlanCompact(const JobsParts& parts, const CompactRequest& request) {
  const auto table =
      PK_TRY(parts.catalog.LoadTable(PK_TRY(catalog::ParseTableName(request.table))));
  const auto plan = PK_TRY(table::PlanCompaction(parts.storage, *table.metadata,
                                                 {.target_file_bytes = request.target_file_bytes,
                                                  .min_input_files = request.min_input_files,
                                                  .filter = request.filter}));
  Job job{.id = {},
          .table = catalog::ToString(table.name),
          .table_key = table.key,
          .plan = CompactPlan{.target_file_bytes = request.target_file_bytes},
          .parts = {}};
  for (const table::CompactionGroup& group : plan.groups) job.parts.push_back(ToJson(group));
  return job;
}

}  // namespace pk::jobs
